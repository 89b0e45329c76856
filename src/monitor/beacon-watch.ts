/** Reads everybody's beacons again and again, on every gateway at all times: a new leader starts with what it has seen (ha-design L4). */
import type { Clock, Timers } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Beacon } from './beacon.ts';
import type { Coordination } from './coordination.ts';
import type { GroupMap, Holder } from './group-map.ts';
import { Rounds } from './rounds.ts';
import { Silence, type Suspect } from './silence.ts';
import type { MonitorTimes } from './times.ts';

/** Who could judge nobody for so long says so, and again after so long. */
const SAY_MS = 10_000;
const SAY_AGAIN_MS = 60_000;

export interface BeaconWatchOptions {
  readonly coordination: Coordination;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly times: MonitorTimes;
  readonly log: Log;
  /** After each look that succeeded, with the time at which it began. */
  onLook(begunMs: number): void;
  onFailure(error: NodeJS.ErrnoException): void;
}

interface Sight {
  readonly beacon: Beacon;
  /** When it changed last. */
  readonly sinceMs: number;
}

export class BeaconWatch {
  readonly #options: BeaconWatchOptions;
  readonly #rounds: Rounds;
  readonly #silence: Silence;
  #sights = new Map<string, Sight>();
  #lateLooks = 0;
  #lookedMs: number;
  #saidMs: number | null = null;
  #stopped = false;

  constructor(options: BeaconWatchOptions) {
    const { clock, timers, times } = options;
    this.#options = options;
    this.#lookedMs = clock.nowMs();
    this.#silence = new Silence(times, clock.nowMs());
    this.#rounds = new Rounds({ clock, timers, everyMs: times.tick, work: (lateMs) => this.#look(lateMs) });
  }

  start(): void {
    this.#rounds.start();
  }

  stop(): void {
    this.#stopped = true;
    this.#rounds.stop();
  }

  /** Looks that ended more than two ticks later than meant. */
  get lateLooks(): number {
    return this.#lateLooks;
  }

  /** The beacons have not been read for so long that others should lead, if they read them. */
  get isBlind(): boolean {
    const { clock, times } = this.#options;
    return clock.nowMs() - this.#lookedMs >= times.leaderGrace;
  }

  /** The incarnation of this gateway. */
  become(incarnation: string): void {
    this.#silence.become(incarnation, this.#options.clock.nowMs());
  }

  /** A map that was read: those in it have to show life. */
  expect(map: GroupMap): void {
    this.#silence.expect(runsOf(map), this.#options.clock.nowMs());
  }

  /** The newest of each incarnation. */
  beacons(): Beacon[] {
    return [...this.#sights.values()].map(({ beacon }) => beacon);
  }

  /** ms since its beacon was last seen to change; null: none was seen. */
  ageMs(incarnation: string): number | null {
    const sight = this.#sights.get(incarnation);
    return sight === undefined ? null : this.#options.clock.nowMs() - sight.sinceMs;
  }

  /** Runs of the map that have been silent for too long. */
  suspects(): readonly Suspect[] {
    return this.#silence.suspects(this.#options.clock.nowMs());
  }

  async #look(lateMs: number): Promise<void> {
    const { coordination, clock, times, onLook, onFailure } = this.#options;
    const begunMs = clock.nowMs();
    try {
      const beacons = await coordination.readBeacons();
      if (this.#stopped) return;
      this.#lookedMs = clock.nowMs();
      if (lateMs + this.#lookedMs - begunMs > 2 * times.tick) this.#lateLooks += 1;
      this.#saw(beacons, this.#lookedMs);
      onLook(begunMs);
    } catch (error) {
      if (this.#stopped) return;
      onFailure(error as NodeJS.ErrnoException);
    }
    this.#sayWhetherItJudges();
  }

  #sayWhetherItJudges(): void {
    const { clock, log } = this.#options;
    const nowMs = clock.nowMs();
    const sinceMs = nowMs - this.#silence.judgedMs;
    if (sinceMs < SAY_MS) {
      if (this.#saidMs !== null) log.info({}, 'this gateway can tell again who is silent');
      this.#saidMs = null;
    } else if (this.#saidMs === null || nowMs - this.#saidMs >= SAY_AGAIN_MS) {
      this.#saidMs = nowMs;
      log.warn(
        { sinceMs: Math.round(sinceMs) },
        'the beacons of the group, the own one among them, cannot be read or written: this gateway cannot tell who is silent, and replaces nobody; see "ceph health detail"',
      );
    }
  }

  #saw(beacons: readonly Beacon[], nowMs: number): void {
    this.#silence.saw(beacons, nowMs);
    const sights = new Map<string, Sight>();
    for (const beacon of beacons) {
      const before = this.#sights.get(beacon.incarnation);
      const changed = before === undefined || beacon.sequence > before.beacon.sequence;
      sights.set(beacon.incarnation, changed ? { beacon, sinceMs: nowMs } : before);
    }
    this.#sights = sights;
  }
}

function runsOf(map: GroupMap): Holder[] {
  return map.gateways.flatMap(({ name, incarnation }) =>
    incarnation === null ? [] : [{ gateway: name, incarnation: incarnation.id }],
  );
}
