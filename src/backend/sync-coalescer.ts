/**
 * Turns any number of requests for durability into as few syncs as are correct.
 *
 * A sync that already runs may have passed a write that completed after it began, so a request never joins it:
 * it joins the next one. A failed sync is final: Linux drops the dirty pages and reports the error once, so a
 * later sync that succeeds would prove nothing about the writes before it. Every later request fails too, until
 * the device is opened anew.
 */
import { type BlockCompletion, BlockStatus } from '../base/block-device.ts';

export class SyncCoalescer {
  readonly #sync: (done: (status: BlockStatus) => void) => void;
  /** Covered by the running sync. */
  #current: BlockCompletion[] = [];
  /** To be covered by the next one. */
  #next: BlockCompletion[] = [];
  #running = false;
  #failure: BlockStatus = BlockStatus.ok;

  /** `sync` makes everything written before its call durable. */
  constructor(sync: (done: (status: BlockStatus) => void) => void) {
    this.#sync = sync;
  }

  /** Completes once everything written before this call is durable. */
  request(completion: BlockCompletion): void {
    this.#next.push(completion);
    if (!this.#running) this.#begin();
  }

  #begin(): void {
    const covered = this.#next;
    this.#next = this.#current; // the empty array of the sync before
    this.#current = covered;
    this.#running = true;
    if (this.#failure === BlockStatus.ok) this.#sync(this.#finished);
    else queueMicrotask(() => this.#finished(this.#failure));
  }

  readonly #finished = (status: BlockStatus): void => {
    if (this.#failure === BlockStatus.ok) this.#failure = status;
    const covered = this.#current;
    for (const completion of covered) completion.ioDone(this.#failure);
    covered.length = 0;
    this.#running = false;
    if (this.#next.length > 0) this.#begin();
  };
}
