/** Time as a dependency. Only this file and the composition root touch the real clock. */

export interface Clock {
  /** Monotonic milliseconds with a fraction; origin arbitrary. */
  nowMs(): number;
  /** Wall clock, milliseconds since the epoch. */
  wallMs(): number;
}

export interface Timer {
  cancel(): void;
}

export interface Timers {
  /** Calls `fn` once after `ms` (0 or more). The timer does not keep the process alive. */
  after(ms: number, fn: () => void): Timer;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
};

export const systemTimers: Timers = {
  after(ms, fn) {
    const handle = setTimeout(fn, ms);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};
