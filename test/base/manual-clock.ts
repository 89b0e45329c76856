/** Time that moves only when a test says so: the clock and the timers of everything that takes them as arguments. */
import type { Clock, Timer, Timers } from '../../src/base/clock.ts';

interface Entry {
  dueMs: number;
  fn: () => void;
}

export class ManualClock implements Clock, Timers {
  /** Wall clock of moment 0. */
  static readonly WALL_MS = Date.UTC(2026, 10, 20);
  #nowMs = 0;
  #entries: Entry[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return ManualClock.WALL_MS + this.#nowMs;
  }

  after(ms: number, fn: () => void): Timer {
    const entry = { dueMs: this.#nowMs + ms, fn };
    this.#entries.push(entry);
    return { cancel: () => this.#remove(entry) };
  }

  /** Timers that are neither done nor cancelled. */
  get armed(): number {
    return this.#entries.length;
  }

  /** Time passes and timers fire, each at its moment; those of the same moment in the order in which they were set. */
  advance(ms: number): void {
    const end = this.#nowMs + ms;
    for (let next = this.#next(end); next !== null; next = this.#next(end)) {
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      this.#remove(next);
      next.fn();
    }
    this.#nowMs = end;
  }

  /** The process is held up: time passes and no timer fires; those that were due fire late, at the end. */
  stall(ms: number): void {
    this.#nowMs += ms;
    this.advance(0);
  }

  #next(endMs: number): Entry | null {
    let first: Entry | null = null;
    for (const entry of this.#entries) {
      if (entry.dueMs <= endMs && (first === null || entry.dueMs < first.dueMs)) first = entry;
    }
    return first;
  }

  #remove(entry: Entry): void {
    this.#entries = this.#entries.filter((other) => other !== entry);
  }
}
