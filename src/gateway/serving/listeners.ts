/**
 * The addresses that this gateway listens on. Several subsystems may share an address and port: it opens with the first of
 * their listener records and closes with the last.
 */
import { AnagateError } from '../../base/errors.ts';
import { LIMITS } from '../../limits.ts';
import type { Port } from '../../target/port.ts';
import type { Subsystem } from '../../target/subsystem.ts';
import type { Target } from '../../target/target.ts';
import { keyOf, type ListenerRecord } from '../configuration/records.ts';
import { addressOf } from '../plans/subsystems.ts';

/** Something that accepts hosts for a port. */
export interface Listening {
  /** TCP port that it is bound to. */
  readonly tcpPort: number;
  stopAccepting(): void;
  /** Stops listening and closes every connection. */
  close(reason: string): Promise<void>;
}

/** Binds; rejects with the system's error. */
export type OpenListener = (port: Port, address: string, tcpPort: number) => Promise<Listening>;

/** Where a port of the target is offered. */
export interface PortPlace {
  adrfam: 'ipv4' | 'ipv6';
  traddr: string;
  trsvcid: number;
  discoveryOnly?: boolean;
}

interface OpenAddress {
  port: Port;
  listening: Listening;
  /** Subsystem by record key. */
  users: Map<string, Subsystem>;
}

export class Listeners {
  readonly #target: Target;
  readonly #makePort: (place: PortPlace) => Port;
  readonly #open: OpenListener;
  readonly #addresses = new Map<string, OpenAddress>();
  #discovery: OpenAddress | null = null;

  constructor(target: Target, makePort: (place: PortPlace) => Port, open: OpenListener) {
    this.#target = target;
    this.#makePort = makePort;
    this.#open = open;
  }

  isOpen(record: ListenerRecord): boolean {
    return this.#addresses.get(addressOf(record))?.users.has(keyOf(record)) ?? false;
  }

  /** The port that a listener record is offered on. */
  portOf(record: ListenerRecord): Port | undefined {
    return this.isOpen(record) ? this.#addresses.get(addressOf(record))!.port : undefined;
  }

  /** Opens the discovery service; resolves with its TCP port. */
  async openDiscovery(address: string, tcpPort: number): Promise<number> {
    const adrfam = address.includes(':') ? 'ipv6' : 'ipv4';
    this.#discovery = await this.#bind(
      { adrfam, traddr: address, trsvcid: tcpPort, discoveryOnly: true },
      null,
    );
    return this.#discovery.listening.tcpPort;
  }

  /**
   * Lets hosts reach `subsystem` at the record's address. Does nothing when they can already. Rejects with ADDRESS_IN_USE,
   * ADDRESS_NOT_AVAILABLE or LIMIT_EXCEEDED.
   */
  async open(record: ListenerRecord, subsystem: Subsystem): Promise<void> {
    const address = addressOf(record);
    let open = this.#addresses.get(address);
    if (open === undefined) {
      if (this.#addresses.size >= LIMITS.maxListenAddresses) {
        throw new AnagateError(
          'LIMIT_EXCEEDED',
          `this gateway listens on ${LIMITS.maxListenAddresses} addresses already, which is the limit`,
        );
      }
      open = await this.#bind(record, subsystem);
      this.#addresses.set(address, open);
    }
    open.users.set(keyOf(record), subsystem);
    open.port.expose(subsystem);
  }

  /** Ends it; hosts that came through it are disconnected. */
  async close(record: ListenerRecord): Promise<void> {
    const address = addressOf(record);
    const open = this.#addresses.get(address);
    const subsystem = open?.users.get(keyOf(record));
    if (open === undefined || subsystem === undefined) return;
    open.users.delete(keyOf(record));
    if (![...open.users.values()].includes(subsystem)) open.port.unexpose(subsystem);
    if (open.users.size > 0) return;
    this.#addresses.delete(address);
    this.#target.removePort(open.port);
    await open.listening.close('listener removed');
  }

  /** No new connections; those that exist go on. */
  stopAccepting(): void {
    for (const { listening } of this.#all()) listening.stopAccepting();
  }

  async closeAll(reason: string): Promise<void> {
    const all = [...this.#all()];
    this.#addresses.clear();
    this.#discovery = null;
    await Promise.all(all.map(({ listening }) => listening.close(reason)));
    for (const { port } of all) this.#target.removePort(port);
  }

  *#all(): Generator<OpenAddress> {
    yield* this.#addresses.values();
    if (this.#discovery !== null) yield this.#discovery;
  }

  async #bind(place: PortPlace, subsystem: Subsystem | null): Promise<OpenAddress> {
    const port = this.#makePort(place);
    // Offered before the port is open: a host that is told "no such subsystem" gives the path up for good.
    if (subsystem !== null) port.expose(subsystem);
    try {
      const listening = await this.#open(port, place.traddr, place.trsvcid);
      return { port, listening, users: new Map() };
    } catch (error) {
      this.#target.removePort(port);
      throw bindError(place, error as NodeJS.ErrnoException);
    }
  }
}

function bindError(place: PortPlace, error: NodeJS.ErrnoException): AnagateError {
  const what = place.discoveryOnly ? 'the discovery service' : 'a listener';
  const where = addressOf(place);
  const say = (code: 'ADDRESS_IN_USE' | 'ADDRESS_NOT_AVAILABLE', reason: string): AnagateError =>
    new AnagateError(code, `${what} cannot be opened at ${where}: ${reason}`, { cause: error });
  switch (error.code) {
    case 'EADDRINUSE':
      return say('ADDRESS_IN_USE', 'another program listens there; stop it, or choose another port');
    case 'EADDRNOTAVAIL':
      return say('ADDRESS_NOT_AVAILABLE', 'no interface of this machine has that address');
    case 'EACCES':
      return say('ADDRESS_NOT_AVAILABLE', 'this user may not listen on that port; choose one from 1024 up');
    default:
      return say('ADDRESS_NOT_AVAILABLE', error.message);
  }
}
