/**
 * The I/O in flight of this thread. A slot keeps the caller's completion object and its buffers referenced until librbd is
 * done with them. Results come back in batches: the addon fills {@link ioBatch} and calls {@link completeBatch} once.
 */

/** Receives the outcome of one I/O. */
export interface IoCompletion {
  /**
   * Called exactly once per I/O that was started, never from inside the call that started it.
   *
   * @param result negative errno (`-108` EBLOCKLISTED, `-84` EILSEQ of a compare-and-write); else bytes read for reads and
   *   0 or more for everything else
   * @param mismatchOffset of a compare-and-write with EILSEQ: offset in bytes from the start of the extent where it differs
   */
  ioDone(result: number, mismatchOffset: number): void;
}

/** Results handed over at once; more in flight come in further batches of the same turn. */
export const BATCH_ENTRIES = 1024;
const ENTRY_WORDS = 3;

/** Triples of slot, result, mismatch offset. Written by the addon. */
export const ioBatch: Float64Array = new Float64Array(BATCH_ENTRIES * ENTRY_WORDS);

const completions: (IoCompletion | null)[] = [];
const buffers: unknown[] = [];
const freeSlots: number[] = [];
let batches = 0;
let delivered = 0;

/** A slot for an I/O; `pinned` is whatever must stay alive until it is done. */
export function takeSlot(completion: IoCompletion, pinned: unknown): number {
  const slot = freeSlots.pop() ?? completions.length;
  completions[slot] = completion;
  buffers[slot] = pinned;
  return slot;
}

function releaseSlot(slot: number): IoCompletion {
  const completion = completions[slot] as IoCompletion;
  completions[slot] = null;
  buffers[slot] = null;
  freeSlots.push(slot);
  return completion;
}

function complete(completion: IoCompletion, result: number, mismatchOffset: number): void {
  try {
    completion.ioDone(result, mismatchOffset);
  } catch (error) {
    // The others of the batch must not be lost with it.
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** For an I/O that could not be started: its completion is called with `result` in a microtask. */
export function refuse(slot: number, result: number): void {
  const completion = releaseSlot(slot);
  queueMicrotask(() => completion.ioDone(result, 0));
}

/** Called by the addon with the number of results in {@link ioBatch}. */
export function completeBatch(count: number): void {
  batches += 1;
  delivered += count;
  for (let at = 0; at < count * ENTRY_WORDS; at += ENTRY_WORDS) {
    complete(releaseSlot(ioBatch[at] as number), ioBatch[at + 1] as number, ioBatch[at + 2] as number);
  }
}

/** Counters of this thread since it began: I/Os completed, calls from the addon that brought them, I/Os in flight. */
export function ioCounters(): { completed: number; batches: number; inFlight: number } {
  return { completed: delivered, batches, inFlight: completions.length - freeSlots.length };
}

/** One I/O as a promise; rejects with a {@link RadosError}. For tests and rare operations: it allocates. */
export function ioPromise(
  start: (completion: IoCompletion) => void,
  fail: (result: number, mismatchOffset: number) => Error,
): Promise<number> {
  return new Promise((resolve, reject) => {
    start({
      ioDone(result, mismatchOffset) {
        if (result < 0) reject(fail(result, mismatchOffset));
        else resolve(result);
      },
    });
  });
}
