/** Chance that a seed decides. What the machine does in its own time is not in its hands. */
import { setTimeout as sleep } from 'node:timers/promises';

export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number, 0 or more and less than `n` (mulberry32). */
  below(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  }

  chance(p: number): boolean {
    return this.below(1_000_000) < p * 1_000_000;
  }

  one<T>(of: readonly T[]): T {
    if (of.length === 0) throw new Error('nothing to choose from');
    return of[this.below(of.length)];
  }

  /** Waits for up to `ms`. */
  async pause(ms: number, leastMs = 0): Promise<void> {
    await sleep(leastMs + this.below(Math.max(1, ms - leastMs)));
  }
}
