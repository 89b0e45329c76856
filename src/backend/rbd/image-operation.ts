/** One operation on its way through librbd. Reused: nothing is allocated per I/O but the view that librbd may need. */
import type { BlockCompletion } from '../../base/block-device.ts';
import type { IoCompletion } from '../../node-rados/lib/node-rados.ts';
import type { GuardedOperation } from '../extent-guard.ts';

/** What librbd is doing for the operation now. A compare-and-write that librbd cannot do at once goes by `swapRead` and `swapWrite`. */
export type ImagePhase = 'read' | 'compare' | 'write' | 'zero' | 'swap' | 'swapRead' | 'swapWrite' | 'flush';

/** Told of each answer of librbd. */
export interface ImageOperationOwner {
  answered(operation: ImageOperation, result: number): void;
}

export class ImageOperation implements IoCompletion, GuardedOperation {
  readonly #owner: ImageOperationOwner;
  phase: ImagePhase = 'read';
  start = 0;
  end = 0;
  exclusive = false;
  guardSlot = -1;
  completion: BlockCompletion | null = null;
  /** What is read into, or written. */
  data: Buffer | null = null;
  /** What the extent is compared with. */
  expected: Buffer | null = null;
  /** What a comparison reads. */
  found: Buffer | null = null;

  constructor(owner: ImageOperationOwner) {
    this.#owner = owner;
  }

  /** For librbd. */
  ioDone(result: number): void {
    this.#owner.answered(this, result);
  }
}
