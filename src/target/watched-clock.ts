/**
 * A clock that notices when this process was held up: its event loop stood still, it was stopped, or its machine was. Every
 * reading is a look, so whoever reads the time before it acts acts on what is so; a timer looks while nobody else does.
 */
import type { Clock, Timer, Timers } from '../base/clock.ts';

const LOOK_MS = 50;

export class WatchedClock implements Clock {
  /** The last reading. */
  lastMs: number;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #gapMs: number;
  readonly #listeners = new Set<(gapMs: number) => void>();
  #lastWallMs: number;
  #timer: Timer | null = null;

  /** More than `gapMs` between two looks is a gap. So is as much disagreement of the clocks: a paused machine's monotonic clock may stand still. */
  constructor(clock: Clock, timers: Timers, gapMs: number) {
    this.#clock = clock;
    this.#timers = timers;
    this.#gapMs = gapMs;
    this.lastMs = clock.nowMs();
    this.#lastWallMs = clock.wallMs();
  }

  /** Calls `listener` when a gap is found, before the reading that found it returns. Returns the way to stop it. */
  onGap(listener: (gapMs: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  nowMs(): number {
    const nowMs = this.#clock.nowMs();
    const wallMs = this.#clock.wallMs();
    const passed = nowMs - this.lastMs;
    const passedOnWall = wallMs - this.#lastWallMs;
    this.lastMs = nowMs;
    this.#lastWallMs = wallMs;
    if (passed > this.#gapMs || Math.abs(passedOnWall - passed) > this.#gapMs)
      this.#tell(Math.max(passed, passedOnWall));
    return nowMs;
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  /** Looks regularly from now on. */
  start(): void {
    this.nowMs();
    this.#timer ??= this.#timers.after(LOOK_MS, () => {
      this.#timer = null;
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #tell(gapMs: number): void {
    for (const listener of this.#listeners) listener(gapMs);
  }
}
