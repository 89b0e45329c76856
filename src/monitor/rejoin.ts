/**
 * The way back into the group after the clients of this gateway were fenced: new clients, and a word of the map that there is
 * still a place (ha-design L2). Whoever is fenced again and again without the map knowing of it is fenced from outside, by
 * somebody who has a reason, and comes back at growing distances.
 */
import type { Clock, Timer, Timers } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Coordination, MapReading } from './coordination.ts';
import { isFenced } from './group-map.ts';
import type { GroupServer } from './group-server.ts';
import type { Standing } from './standing.ts';

const OUTSIDE_MS = [0, 5000, 15_000, 60_000];
/** A fence from outside is forgotten after so long. */
const CALM_MS = 600_000;
/** A step that failed is tried again after so long. */
const AGAIN_MS = 1000;

export interface RejoinOptions {
  readonly coordination: Coordination;
  readonly server: GroupServer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  /** Where a new incarnation would stand by this map. */
  standing(reading: MapReading): Standing;
}

export class Rejoin {
  readonly #options: RejoinOptions;
  #outside = 0;
  #lastOutsideMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | null = null;
  #stopped = false;
  #saidReplaced = false;

  constructor(options: RejoinOptions) {
    this.#options = options;
  }

  /** Resolves true once a new incarnation may follow `incarnation`; false: this gateway was deleted, or is stopped. */
  async after(incarnation: string): Promise<boolean> {
    const { coordination, server } = this.#options;
    await this.#insist('no new control client', () => coordination.renew());
    const reading = await this.#mayReturn();
    if (reading === null) return false;
    if (!isFenced(reading.map, incarnation)) await this.#backOff();
    await this.#insist('no new RADOS clients', () => server.renewClients());
    return !this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Waits while another process has this gateway's name; null: there is no place for it any more. */
  async #mayReturn(): Promise<MapReading | null> {
    const { standing, log } = this.#options;
    while (!this.#stopped) {
      const reading = await this.#insist('the map cannot be read', () => this.#readMap());
      if (reading === null) return null;
      const where = standing(reading);
      if (where === 'deleting' || where === 'removed') return null;
      if (where !== 'replaced') return reading;
      if (!this.#saidReplaced)
        log.error({}, 'another process runs as this gateway; this one serves nothing until that one is gone');
      this.#saidReplaced = true;
      await this.#pause(AGAIN_MS);
    }
    return null;
  }

  /** The new control client may have been fenced as well. */
  async #readMap(): Promise<MapReading> {
    const { coordination } = this.#options;
    try {
      return await coordination.readMap();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EBLOCKLISTED') await coordination.renew();
      throw error;
    }
  }

  async #backOff(): Promise<void> {
    const { clock, log } = this.#options;
    if (clock.nowMs() - this.#lastOutsideMs > CALM_MS) this.#outside = 0;
    const ms = OUTSIDE_MS[Math.min(this.#outside, OUTSIDE_MS.length - 1)]!;
    this.#outside += 1;
    log.error(
      { fences: this.#outside, againInMs: ms },
      'the clients of this gateway were put on the blocklist by somebody outside the group ("ceph osd blocklist ls" shows them)',
    );
    await this.#pause(ms);
    this.#lastOutsideMs = clock.nowMs();
  }

  /** Does it until it succeeds; null when stopped meanwhile. */
  async #insist<T>(failure: string, what: () => Promise<T>): Promise<T | null> {
    for (let told = false; !this.#stopped; ) {
      try {
        return await what();
      } catch (err) {
        if (!told) this.#options.log.warn({ err }, `${failure}; it is tried again`);
        told = true;
        await this.#pause(AGAIN_MS);
      }
    }
    return null;
  }

  /** Never ends when stopped: whoever waits is dropped. */
  #pause(ms: number): Promise<void> {
    if (ms === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#timer = this.#options.timers.after(ms, resolve);
    });
  }
}
