/**
 * A token bucket: so many units per second on average, and what was not used of the last moments at once. Pure: the moment is
 * passed in, milliseconds of a clock that only moves on.
 *
 * A command passes while there is anything in the bucket and takes what it needs, which may leave a debt. So a command that
 * is larger than the bucket passes as well, and those after it wait longer.
 */

/** How much of unused rate a bucket keeps: a tenth of a second of it. */
export const BURST_MS = 100;

export class TokenBucket {
  #unitsPerMs: number;
  #units: number;
  #filledMs: number;

  /** Full at `nowMs`. */
  constructor(unitsPerSecond: number, nowMs: number) {
    this.#unitsPerMs = unitsPerSecond / 1000;
    this.#units = this.#capacity;
    this.#filledMs = nowMs;
  }

  /** Another rate from now on. What the bucket owes it goes on owing. */
  setRate(unitsPerSecond: number, nowMs: number): void {
    this.#fill(nowMs);
    this.#unitsPerMs = unitsPerSecond / 1000;
    this.#units = Math.min(this.#units, this.#capacity);
  }

  /** Milliseconds until something may be taken; 0 when it may be now. */
  waitMs(nowMs: number): number {
    this.#fill(nowMs);
    return this.#units > 0 ? 0 : Math.max(LEAST_WAIT_MS, -this.#units / this.#unitsPerMs);
  }

  take(units: number): void {
    this.#units -= units;
  }

  get #capacity(): number {
    return this.#unitsPerMs * BURST_MS;
  }

  #fill(nowMs: number): void {
    if (nowMs <= this.#filledMs) return;
    this.#units = Math.min(this.#capacity, this.#units + (nowMs - this.#filledMs) * this.#unitsPerMs);
    this.#filledMs = nowMs;
  }
}

/** So that an empty bucket, which owes nothing, is waited for as well. */
const LEAST_WAIT_MS = 0.01;
