/** Work that is done again and again: every so often, at once when asked, and never twice at a time. */
import type { Clock, Timer, Timers } from '../base/clock.ts';

export interface RoundsOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** From the beginning of one round to that of the next, unless a round takes longer. */
  readonly everyMs: number;
  /** One round. `lateMs` is how much later than meant it begins: a stalled event loop, or a round before it that took too long. */
  work(lateMs: number): Promise<void> | void;
}

export class Rounds {
  readonly #options: RoundsOptions;
  #timer: Timer | null = null;
  #dueMs = 0;
  #underWay = false;
  #again = false;
  #stopped = false;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** The first round begins with this call. */
  start(): void {
    this.#dueMs = this.#options.clock.nowMs();
    void this.#round();
  }

  /** A round begins soon: now, or after the one under way. */
  soon(): void {
    if (this.#underWay) this.#again = true;
    else if (!this.#stopped) this.#arm(0);
  }

  /** No further round begins; the one under way is not waited for. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #arm(ms: number): void {
    const { clock, timers } = this.#options;
    this.#timer?.cancel();
    this.#dueMs = clock.nowMs() + ms;
    this.#timer = timers.after(ms, () => void this.#round());
  }

  async #round(): Promise<void> {
    const { clock, everyMs, work } = this.#options;
    const begunMs = clock.nowMs();
    const dueMs = this.#dueMs;
    this.#underWay = true;
    await work(begunMs - dueMs);
    this.#underWay = false;
    if (this.#stopped) return;
    const restMs = this.#again ? 0 : Math.max(0, begunMs + everyMs - clock.nowMs());
    this.#again = false;
    this.#arm(restMs);
    this.#dueMs = Math.min(this.#dueMs, begunMs + everyMs);
  }
}
