/** Time as one process has it: it can be killed, and it can be frozen and thawed. */
import type { Clock, Timer, Timers } from '../../../src/base/clock.ts';

export class FakeProcess implements Timers {
  readonly #timers: Timers;
  readonly #late: (() => void)[] = [];
  #state: 'running' | 'frozen' | 'dead' = 'running';
  readonly clock: Clock;

  constructor(clock: Clock & Timers) {
    this.clock = clock;
    this.#timers = clock;
  }

  get alive(): boolean {
    return this.#state !== 'dead';
  }

  get running(): boolean {
    return this.#state === 'running';
  }

  after(ms: number, fn: () => void): Timer {
    let cancelled = false;
    const run = (): void => {
      if (cancelled || this.#state === 'dead') return;
      if (this.#state === 'frozen') this.#late.push(run);
      else fn();
    };
    const timer = this.#timers.after(ms, run);
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  kill(): void {
    this.#state = 'dead';
  }

  freeze(): void {
    if (this.#state === 'running') this.#state = 'frozen';
  }

  thaw(): void {
    if (this.#state !== 'frozen') return;
    this.#state = 'running';
    for (const run of this.#late.splice(0)) run();
  }
}
