/** Streams between the gateways of a fake group. The end of a process is noticed by its peers, a freeze is not. */
import type { Timers } from '../../../src/base/clock.ts';
import type { Beacon } from '../../../src/monitor/beacon.ts';
import type { Holder } from '../../../src/monitor/group-map.ts';
import type {
  FollowerEvents,
  LeaderStream,
  LeaderStreamEvents,
  PeerStreams,
} from '../../../src/monitor/peer-stream.ts';
import type { FakeProcess } from './fake-process.ts';

interface Stream {
  readonly from: FakeStreams;
  readonly to: FakeStreams;
  readonly self: Holder;
  readonly events: LeaderStreamEvents;
  open: boolean;
}

/** All of them, by port. */
export class FakeNetwork {
  readonly peers = new Map<number, FakeStreams>();
  readonly streams = new Set<Stream>();
  /** Streams cannot be had. */
  down = false;

  /** The kernel closes the connections of a process that is gone. */
  died(peer: FakeStreams): void {
    for (const stream of this.streams) {
      if (stream.from !== peer && stream.to !== peer) continue;
      this.streams.delete(stream);
      stream.open = false;
      const other = stream.from === peer ? stream.to : stream.from;
      other.process.after(1, () => {
        if (stream.from === peer) other.follower?.onEnd(stream.self, true);
        else stream.events.onEnd(true);
      });
    }
  }
}

export class FakeStreams implements PeerStreams {
  readonly #network: FakeNetwork;
  readonly process: FakeProcess & Timers;
  follower: FollowerEvents | null = null;

  constructor(network: FakeNetwork, process: FakeProcess, port: number) {
    this.#network = network;
    this.process = process;
    network.peers.set(port, this);
  }

  follow(_address: string, port: number, self: Holder, events: LeaderStreamEvents): LeaderStream {
    const to = this.#network.peers.get(port);
    if (to === undefined || to.follower === null || this.#network.down || !to.process.running) {
      this.process.after(1, () => events.onEnd(false));
      return { send: () => {}, close: async () => {} };
    }
    const stream: Stream = { from: this, to, self, events, open: true };
    this.#network.streams.add(stream);
    return {
      send: (beacon: Beacon) => {
        to.process.after(1, () => {
          if (stream.open) to.follower?.onBeacon(beacon);
        });
      },
      close: async () => {
        if (stream.open) to.process.after(1, () => to.follower?.onEnd(self, false));
        stream.open = false;
        this.#network.streams.delete(stream);
      },
    };
  }

  serve(events: FollowerEvents | null): void {
    this.follower = events;
    if (events !== null) return;
    for (const stream of this.#network.streams) {
      if (stream.to !== this) continue;
      this.#network.streams.delete(stream);
      stream.open = false;
      stream.from.process.after(1, () => stream.events.onEnd(false));
    }
  }

  push(epoch: number): void {
    for (const stream of this.#network.streams) {
      if (stream.to === this) stream.from.process.after(1, () => stream.events.onEpoch(epoch));
    }
  }
}
