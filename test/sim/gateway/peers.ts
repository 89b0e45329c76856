/** The product's streams between gateways: connections that the kernel of a killed process closes without a farewell. */
import type { Beacon } from '../../../src/monitor/beacon.ts';
import type { Holder } from '../../../src/monitor/group-map.ts';
import type {
  FollowerEvents,
  LeaderStream,
  LeaderStreamEvents,
  PeerStreams,
} from '../../../src/monitor/peer-stream.ts';
import { type Network, Pipe } from '../engine/network.ts';
import type { SimProcess } from '../engine/process.ts';
import type { Simulation } from '../engine/simulation.ts';

const CONNECT_TIMEOUT_MS = 2000;

/** All gateways' management ports. */
export class PeerNetwork {
  readonly simulation: Simulation;
  readonly network: Network;
  readonly #ports = new Map<string, SimPeerStreams>();
  /** Streams whose processes both live. */
  readonly open = new Set<Stream>();

  constructor(simulation: Simulation, network: Network) {
    this.simulation = simulation;
    this.network = network;
  }

  listen(streams: SimPeerStreams): void {
    this.#ports.set(streams.process.node.address, streams);
  }

  at(address: string): SimPeerStreams | undefined {
    return this.#ports.get(address);
  }

  /** Connections of the process end, as if it had. */
  reset(process: SimProcess): void {
    for (const stream of [...this.open]) stream.died(process);
  }

  /** A killed process's connections are closed by its kernel. */
  died(process: SimProcess): void {
    this.reset(process);
    const port = this.#ports.get(process.node.address);
    if (port?.process === process) this.#ports.delete(process.node.address);
  }
}

export class SimPeerStreams implements PeerStreams {
  readonly process: SimProcess;
  readonly #peers: PeerNetwork;
  #serving: FollowerEvents | null = null;
  readonly sent: (beacon: Beacon) => Beacon | null;
  readonly followers = new Set<Stream>();

  /** `sent` may change a beacon on its way; null: it is lost. */
  constructor(process: SimProcess, peers: PeerNetwork, sent: (beacon: Beacon) => Beacon | null) {
    this.process = process;
    this.#peers = peers;
    this.sent = sent;
    peers.listen(this);
  }

  follow(address: string, _port: number, self: Holder, events: LeaderStreamEvents): LeaderStream {
    return new Stream(this.#peers, this, address, self, events);
  }

  serve(events: FollowerEvents | null): void {
    this.#serving = events;
    if (events === null) for (const stream of [...this.followers]) stream.dismiss();
  }

  push(epoch: number): void {
    for (const stream of this.followers) stream.push(epoch);
  }

  get serving(): FollowerEvents | null {
    return this.#serving;
  }

  /** Whether the follower has begun another stream. */
  hasAnother(stream: Stream): boolean {
    return [...this.followers].some(
      (other) => other !== stream && other.self.incarnation === stream.self.incarnation,
    );
  }
}

class Stream implements LeaderStream {
  readonly self: Holder;
  readonly #peers: PeerNetwork;
  readonly #follower: SimPeerStreams;
  readonly #events: LeaderStreamEvents;
  readonly #there: Pipe;
  readonly #back: Pipe;
  #leader: SimPeerStreams | null = null;
  /** The leader has answered. */
  #answered = false;
  #closedHere = false;
  #endedHere = false;
  #endedThere = false;

  constructor(
    peers: PeerNetwork,
    follower: SimPeerStreams,
    address: string,
    self: Holder,
    events: LeaderStreamEvents,
  ) {
    const { simulation, network } = peers;
    this.#peers = peers;
    this.#follower = follower;
    this.self = self;
    this.#events = events;
    const from = follower.process.node.name;
    const leader = peers.at(address);
    const to = leader?.process.node.name ?? from;
    this.#there = new Pipe(simulation, network, from, to);
    this.#back = new Pipe(simulation, network, to, from);
    peers.open.add(this);
    follower.process.after(CONNECT_TIMEOUT_MS, () => {
      if (!this.#answered) this.#endHere(false);
    });
    this.#there.send(() => this.#arrive(peers.at(address)));
  }

  send(beacon: Beacon): void {
    const sent = this.#follower.sent(beacon);
    if (sent !== null) this.#toLeader((leader) => leader.serving?.onBeacon(sent));
  }

  async close(): Promise<void> {
    if (this.#closedHere) return;
    this.#closedHere = true;
    this.#toLeader(() => this.#endThere(false));
    await new Promise<void>((resolve) => void this.#follower.process.after(5, resolve));
  }

  push(epoch: number): void {
    this.#toFollower(() => this.#events.onEpoch(epoch));
  }

  /** The leader takes leave. */
  dismiss(): void {
    this.#endedThere = true;
    this.#leader?.followers.delete(this);
    this.#toFollower(() => this.#endHere(false));
  }

  died(process: SimProcess): void {
    if (process !== this.#follower.process && process !== this.#leader?.process) return;
    this.#peers.open.delete(this);
    this.#there.send(() => this.#leader?.process.post(() => this.#endThere(true)));
    this.#back.send(() => this.#follower.process.post(() => this.#endHere(true)));
  }

  #arrive(leader: SimPeerStreams | undefined): void {
    if (leader === undefined) {
      this.#back.send(() => this.#follower.process.post(() => this.#endHere(false)));
      return;
    }
    this.#leader = leader;
    leader.process.post(() => {
      if (leader.serving === null) {
        this.#toFollower(() => this.#endHere(false));
        return;
      }
      leader.followers.add(this);
      this.#toFollower(() => {
        this.#answered = true;
      });
    });
  }

  #toLeader(fn: (leader: SimPeerStreams) => void): void {
    this.#there.send(() => {
      const leader = this.#leader;
      leader?.process.post(() => {
        if (!this.#endedThere) fn(leader);
      });
    });
  }

  #toFollower(fn: () => void): void {
    this.#back.send(() => this.#follower.process.post(fn));
  }

  #endHere(abrupt: boolean): void {
    if (this.#endedHere || this.#closedHere) return;
    this.#endedHere = true;
    this.#peers.open.delete(this);
    this.#events.onEnd(abrupt && this.#answered);
  }

  #endThere(abrupt: boolean): void {
    if (this.#endedThere) return;
    this.#endedThere = true;
    const leader = this.#leader!;
    leader.followers.delete(this);
    this.#peers.open.delete(this);
    if (!leader.hasAnother(this)) leader.serving?.onEnd(this.self, abrupt);
  }
}
