/**
 * Keeps exclusive operations (compare-and-write, shrink) apart from every other change of the same extent.
 *
 * Invariants:
 * - a running exclusive operation overlaps no other running operation;
 * - operations that do not conflict start at once, also past held ones;
 * - conflicting operations start in the order they were admitted, so none waits for ever;
 * - nothing is held while no exclusive operation is admitted: the cost of a plain change is one comparison and a
 *   place in a list.
 */

/** An operation that changes the bytes [start, end). The guard keeps `guardSlot`; -1 while not running. */
export interface GuardedOperation {
  readonly start: number;
  readonly end: number;
  readonly exclusive: boolean;
  guardSlot: number;
}

export class ExtentGuard<T extends GuardedOperation> {
  /** In no order; an operation knows its place through `guardSlot`. */
  readonly #running: T[] = [];
  /** Admitted but not started, in order of admission. */
  #held: T[] = [];
  /** Exclusive operations, running or held. */
  #exclusiveCount = 0;
  readonly #start: (operation: T) => void;

  /** `start` is told of each operation that {@link admit} held, when its time has come. */
  constructor(start: (operation: T) => void) {
    this.#start = start;
  }

  /** True: it runs from now on. False: it is held, `start` will be called for it. */
  admit(operation: T): boolean {
    if (operation.exclusive) this.#exclusiveCount += 1;
    if (this.#exclusiveCount > 0 && this.#mustWait(operation, this.#held)) {
      this.#held.push(operation);
      return false;
    }
    this.#run(operation);
    return true;
  }

  /** The operation has ended; starts those that waited for it. */
  release(operation: T): void {
    const last = this.#running.pop();
    if (last !== undefined && last !== operation) {
      this.#running[operation.guardSlot] = last;
      last.guardSlot = operation.guardSlot;
    }
    operation.guardSlot = -1;
    if (operation.exclusive) this.#exclusiveCount -= 1;
    if (this.#held.length > 0) this.#startReady();
  }

  #run(operation: T): void {
    operation.guardSlot = this.#running.length;
    this.#running.push(operation);
  }

  #startReady(): void {
    const ready: T[] = [];
    const stillHeld: T[] = [];
    for (const operation of this.#held) {
      if (this.#mustWait(operation, stillHeld)) {
        stillHeld.push(operation);
      } else {
        this.#run(operation);
        ready.push(operation);
      }
    }
    // Only now: a started operation may end at once and come back in here.
    this.#held = stillHeld;
    for (const operation of ready) this.#start(operation);
  }

  #mustWait(operation: T, heldBefore: readonly T[]): boolean {
    for (const other of this.#running) if (conflict(operation, other)) return true;
    for (const other of heldBefore) if (conflict(operation, other)) return true;
    return false;
  }
}

function conflict(a: GuardedOperation, b: GuardedOperation): boolean {
  return (a.exclusive || b.exclusive) && a.start < b.end && b.start < a.end;
}
