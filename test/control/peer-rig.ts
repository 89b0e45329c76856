/** Streams between gateways, with what happened on each end as lines of text. */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { systemClock, systemTimers } from '../../src/base/clock.ts';
import { nullLog } from '../../src/base/log.ts';
import { GrpcPeerStreams } from '../../src/control/peer-stream.ts';
import { type ClientTls, inTheClear } from '../../src/control/tls.ts';
import type { Beacon } from '../../src/monitor/beacon.ts';
import type { Holder } from '../../src/monitor/group-map.ts';
import type { FollowerEvents, LeaderStream, LeaderStreamEvents } from '../../src/monitor/peer-stream.ts';

/** Things that happened, and waiting for one of them. */
export class Happenings {
  readonly lines: string[] = [];
  onLine: (line: string) => void = () => {};
  #waiting: { line: string; resolve: (ms: number) => void }[] = [];

  add(line: string): void {
    this.lines.push(line);
    this.onLine(line);
    for (const waiting of this.#waiting.filter((one) => one.line === line))
      waiting.resolve(performance.now());
    this.#waiting = this.#waiting.filter((one) => one.line !== line);
  }

  /** Resolves with the time when the line is there, now or later. */
  async have(line: string): Promise<number> {
    if (this.lines.includes(line)) return performance.now();
    return new Promise((resolve) => this.#waiting.push({ line, resolve }));
  }
}

const GROUP = 'fsid/pool/group';

export function newStreams(group = GROUP, tls = inTheClear): GrpcPeerStreams {
  return new GrpcPeerStreams({ group, clock: systemClock, timers: systemTimers, log: nullLog, tls });
}

export function followerEvents({ add }: { add(line: string): void }): FollowerEvents {
  return {
    onBeacon: ({ incarnation, sequence }) => add(`beacon ${incarnation} ${sequence}`),
    onEnd: ({ incarnation }, abrupt) => add(`end ${incarnation} ${abrupt ? 'abrupt' : 'clean'}`),
  };
}

export function leaderEvents({ add }: { add(line: string): void }): LeaderStreamEvents {
  return {
    onEpoch: (epoch) => add(`epoch ${epoch}`),
    onEnd: (abrupt) => add(`end ${abrupt ? 'abrupt' : 'clean'}`),
  };
}

/** A gateway that leads. */
export class Leader {
  readonly happenings = new Happenings();
  readonly streams = newStreams();
  readonly #server = new Server();
  port = 0;

  static async start(credentials = ServerCredentials.createInsecure()): Promise<Leader> {
    const leader = new Leader();
    leader.streams.addTo(leader.#server);
    leader.streams.serve(followerEvents({ add: (line) => leader.happenings.add(line) }));
    leader.port = await new Promise<number>((resolve, reject) => {
      leader.#server.bindAsync('127.0.0.1:0', credentials, (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    return leader;
  }

  /** As a gateway that stops. */
  async stop(): Promise<void> {
    this.streams.serve(null);
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
  }

  kill(): void {
    this.#server.forceShutdown();
  }
}

/** A gateway that follows. */
export class Follower {
  readonly happenings = new Happenings();
  readonly stream: LeaderStream;
  readonly self: Holder;
  #sequence = 0;

  constructor(port: number, incarnation: string, group?: string, tls?: ClientTls) {
    this.self = { gateway: incarnation.slice(0, -2), incarnation };
    const events = leaderEvents({ add: (line) => this.happenings.add(line) });
    this.stream = newStreams(group, tls).follow('127.0.0.1', port, this.self, events);
  }

  /** Sends the next beacon. */
  beacon(more: Partial<Beacon> = {}): void {
    this.#sequence += 1;
    this.stream.send({ ...EMPTY_BEACON, ...this.self, sequence: this.#sequence, ...more });
  }
}

const EMPTY_BEACON: Omit<Beacon, 'gateway' | 'incarnation' | 'sequence'> = {
  available: true,
  leaving: false,
  goodbye: false,
  location: '',
  peerAddress: '127.0.0.1',
  // tcpmux: nobody listens there, as if the process were gone.
  peerPort: 1,
  clients: [{ group: 0, address: '192.0.2.1:0/4711' }],
  appliedEpoch: 0,
  groups: [],
  populated: [],
  uncovered: [],
  hosts: [],
  load: 0,
  linkDown: false,
  unreachable: [],
  reachable: [],
  requests: [],
};
