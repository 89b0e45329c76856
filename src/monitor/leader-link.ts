/** A follower's stream to whoever leads at the moment: beacons go there too, and its abrupt end says that the leader's process ended. */
import type { Timer, Timers } from '../base/clock.ts';
import type { Beacon } from './beacon.ts';
import type { Leadership } from './coordination.ts';
import type { Holder } from './group-map.ts';
import type { LeaderStream, PeerStreams } from './peer-stream.ts';

/** A stream that ended or could not be had is opened anew after so long, if that leader still leads. */
const AGAIN_MS = 1000;

export interface LeaderLinkOptions {
  readonly streams: PeerStreams;
  readonly timers: Timers;
  /** This gateway; null: it has no incarnation at the moment. */
  self(): Holder | null;
  /** The map may have changed. */
  onHint(): void;
  /** The process of this leader ended. */
  onLost(leader: Leadership): void;
}

export class LeaderLink {
  readonly #options: LeaderLinkOptions;
  #leader: Leadership | null = null;
  #self = '';
  #stream: LeaderStream | null = null;
  #again: Timer | null = null;
  #beacon: Beacon | null = null;

  constructor(options: LeaderLinkOptions) {
    this.#options = options;
  }

  /** Who leads, as just read. */
  follow(leader: Leadership): void {
    const self = this.#options.self();
    const same = leader.term === this.#leader?.term && leader.incarnation === this.#leader.incarnation;
    if (same && self?.incarnation === this.#self) return;
    void this.end();
    this.#leader = leader;
    this.#self = self?.incarnation ?? '';
    this.#open();
  }

  send(beacon: Beacon): void {
    this.#beacon = beacon;
    this.#stream?.send(beacon);
  }

  /** Takes leave of the leader, and follows nobody. Resolves once the leader has noticed, or after a short while. */
  async end(): Promise<void> {
    const stream = this.#stream;
    this.#again?.cancel();
    this.#stream = null;
    this.#leader = null;
    await stream?.close();
  }

  #open(): void {
    const { streams, timers, self, onHint, onLost } = this.#options;
    const leader = this.#leader;
    const own = self();
    if (
      leader === null ||
      own === null ||
      leader.incarnation === own.incarnation ||
      leader.peerAddress === ''
    )
      return;
    const stream = streams.follow(leader.peerAddress, leader.peerPort, own, {
      onEpoch: () => onHint(),
      onEnd: (abrupt) => {
        if (this.#stream !== stream) return;
        this.#stream = null;
        this.#again = timers.after(AGAIN_MS, () => this.#open());
        if (abrupt) onLost(leader);
        onHint();
      },
    });
    this.#stream = stream;
    // The leader learns at once where this gateway is reached, and need not wait for the next one.
    if (this.#beacon?.incarnation === own.incarnation) stream.send(this.#beacon);
  }
}
