/** Where hosts dial a gateway, whichever process answers there: connections over a network that may be cut. */
import { type Network, Pipe } from '../engine/network.ts';
import type { SimProcess } from '../engine/process.ts';
import type { Simulation } from '../engine/simulation.ts';
import type { Answer, HostEnd, SimConnection } from './connection.ts';

/** The process that listens. */
export interface Listener {
  readonly process: SimProcess;
  /** In its event loop; null: it lets nobody in at the moment. */
  accept(host: HostEnd): SimConnection | null;
}

/** The host's end of a connection. */
export interface HostLink {
  send(command: Buffer, data: Buffer | null): void;
  close(): void;
}

export class FrontDoor {
  readonly name: string;
  listener: Listener | null = null;
  readonly #simulation: Simulation;
  readonly #network: Network;
  /** Hosts to be told when the listening process dies: their connections are reset by its kernel. */
  readonly #open = new Set<{ process: SimProcess; reset(): void }>();

  constructor(name: string, simulation: Simulation, network: Network) {
    this.name = name;
    this.#simulation = simulation;
    this.#network = network;
  }

  /** Party of the network that hosts talk to. */
  get party(): string {
    return `${this.name}/front`;
  }

  /** `host` is told what comes back. Connections are made at once: what is sent to nobody is reset. */
  openFrom(hostParty: string, host: HostEnd): HostLink {
    const there = new Pipe(this.#simulation, this.#network, hostParty, this.party);
    const back = new Pipe(this.#simulation, this.#network, this.party, hostParty);
    let connection: SimConnection | null = null;
    const end: HostEnd = {
      answered: (answer: Answer) => back.send(() => host.answered(answer)),
      ended: (reason) => {
        this.#open.delete(entry);
        back.send(() => host.ended(reason));
      },
    };
    const listener = { current: null as Listener | null };
    const entry = { process: null as unknown as SimProcess, reset: () => end.ended('reset') };
    there.send(() => {
      listener.current = this.listener;
      if (listener.current === null) {
        end.ended('refused');
        return;
      }
      entry.process = listener.current.process;
      this.#open.add(entry);
      listener.current.process.post(() => {
        connection = listener.current!.accept(end);
        if (connection === null) end.ended('refused');
      });
    });
    const inProcess = (fn: (to: SimConnection) => void) => {
      there.send(() =>
        listener.current?.process.post(() => {
          if (connection !== null) fn(connection);
        }),
      );
    };
    return {
      send: (command, data) => inProcess((to) => to.receive(command, data)),
      // as Linux does, so that nothing stale is sent when the network is whole again
      close: () => {
        if (!there.reset()) inProcess((to) => to.hostEnded());
      },
    };
  }

  /** The process is dead. */
  died(process: SimProcess): void {
    if (this.listener?.process === process) this.listener = null;
    for (const entry of [...this.#open]) if (entry.process === process) entry.reset();
  }
}
