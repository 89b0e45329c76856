/**
 * The world's time: events in their order, one after the other. After an event that ran code of the product every promise job
 * is run before the next event, so that the same seed takes the same course.
 */
import type { Random } from './random.ts';

export interface SimEvent {
  readonly at: number;
  readonly order: number;
  fn: (() => void) | null;
}

/** A rule that was broken: which, and what was seen. */
export class Violation extends Error {
  readonly rule: string;

  constructor(rule: string, what: string) {
    super(`${rule}: ${what}`);
    this.rule = rule;
  }
}

/** Rules whose breaking hurts hosts. */
const SEEN_BY_HOSTS: ReadonlySet<string> = new Set(['lost or stale data', 'host I/O error']);

export class Simulation {
  /** Milliseconds since the world began. */
  now = 0;
  readonly random: Random;
  /** Set by whoever has called code that may have made promise jobs. */
  touched = false;
  violation: Violation | null = null;
  /** Events that were run. */
  steps = 0;
  readonly #trace: ((line: string) => void) | null;
  readonly #blackBox: boolean;
  readonly #heap: SimEvent[] = [];
  #order = 0;

  /** `blackBox`: of all rules only those count that hosts can see. */
  constructor(random: Random, trace: ((line: string) => void) | null, blackBox = false) {
    this.random = random;
    this.#blackBox = blackBox;
    this.#trace = trace;
  }

  get traced(): boolean {
    return this.#trace !== null;
  }

  /** `what` is made only when somebody reads it. */
  note(what: () => string): void {
    if (this.#trace !== null) this.#trace(`${(this.now / 1000).toFixed(4).padStart(9)} ${what()}`);
  }

  /** A rule is broken: the world ends with this event. */
  fail(rule: string, what: string): void {
    if (this.#blackBox && !SEEN_BY_HOSTS.has(rule)) return;
    this.note(() => `VIOLATION ${rule}: ${what}`);
    this.violation ??= new Violation(rule, what);
  }

  after(ms: number, fn: () => void): SimEvent {
    return this.at(this.now + ms, fn);
  }

  at(at: number, fn: () => void): SimEvent {
    const event: SimEvent = { at, order: this.#order++, fn };
    this.#push(event);
    return event;
  }

  /** Runs all events until `end`, or until a rule is broken. */
  run(end: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = () => {
        try {
          if (!this.#runUntilTouched(end)) {
            resolve();
            return;
          }
        } catch (error) {
          reject(error);
          return;
        }
        // a tick that is asked for by a promise job comes when there are no more promise jobs
        queueMicrotask(next);
      };
      const next = () => process.nextTick(step);
      queueMicrotask(next);
    });
  }

  /** False when the end was reached. */
  #runUntilTouched(end: number): boolean {
    for (;;) {
      const event = this.#heap[0];
      if (this.violation !== null || event === undefined || event.at > end) {
        if (this.violation === null) this.now = end;
        return false;
      }
      this.#pop();
      const { fn } = event;
      if (fn === null) continue;
      event.fn = null;
      this.now = event.at;
      this.steps += 1;
      fn();
      if (this.touched) {
        this.touched = false;
        return true;
      }
    }
  }

  #push(event: SimEvent): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    const { length } = heap;
    if (length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
