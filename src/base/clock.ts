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
  /** Calls `fn` once after `ms` (0 or more; more than 24 days counts as 24 days). The timer does not keep the process alive. */
  after(ms: number, fn: () => void): Timer;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
};

/** Node fires a longer timeout at once. */
const LONGEST_TIMEOUT_MS = 0x7fff_ffff;

export const systemTimers: Timers = {
  after(ms, fn) {
    const handle = setTimeout(fn, Math.min(ms, LONGEST_TIMEOUT_MS));
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};
