/** One operation of a file device: a reusable record, so that an I/O allocates nothing of ours. */
import type { BlockCompletion, BlockStatus } from '../base/block-device.ts';
import type { GuardedOperation } from './extent-guard.ts';

/** What is under way for the operation. */
export type FilePhase =
  /** Bytes of the file go to `buffer`. */
  | 'read'
  /** `buffer` goes to the file. */
  | 'write'
  /** Zeroes go to the file. */
  | 'zero'
  /** The extent becomes a hole. */
  | 'punch'
  /** Nothing to transfer: it waits to be durable (a flush). */
  | 'sync'
  /** Nothing to transfer: it keeps others away from its extent until its owner ends it (a shrink). */
  | 'barrier';

type TransferCallback = (error: NodeJS.ErrnoException | null, bytes: number) => void;

/** What an operation reports to its device. */
export interface FileOperationOwner {
  transferred(operation: FileOperation, error: NodeJS.ErrnoException | null, bytes: number): void;
  synced(operation: FileOperation, status: BlockStatus): void;
}

const NO_BYTES = Buffer.alloc(0);
const NOBODY: BlockCompletion = { ioDone() {} };

export class FileOperation implements GuardedOperation, BlockCompletion {
  phase: FilePhase = 'sync';
  /** The extent [start, end) in bytes of the file. */
  start = 0;
  end = 0;
  /** Changes the file: takes part in the guard. */
  guarded = false;
  exclusive = false;
  guardSlot = -1;
  /** Source or target of the transfer of this phase. */
  buffer: Buffer = NO_BYTES;
  /** Bytes to find in `buffer` after the read; null when nothing is compared. */
  expected: Buffer | null = null;
  /** Bytes to write after the comparison; null when nothing is. */
  replacement: Buffer | null = null;
  fua = false;
  /** Bytes of this phase that are done. */
  done = 0;
  /** Transfers of this phase that were interrupted. */
  retries = 0;
  completion: BlockCompletion = NOBODY;
  /** The next one in the queue of those that wait for their turn. */
  nextWaiting: FileOperation | null = null;

  /** The callback of every fs.read and fs.write of this record. */
  readonly transferred: TransferCallback;
  readonly #owner: FileOperationOwner;

  constructor(owner: FileOperationOwner) {
    this.#owner = owner;
    this.transferred = (error, bytes) => owner.transferred(this, error, bytes);
  }

  /** The sync it asked for has ended. */
  ioDone(status: BlockStatus): void {
    this.#owner.synced(this, status);
  }

  /** Forgets the buffers and the caller. */
  reset(): void {
    this.guarded = false;
    this.exclusive = false;
    this.buffer = NO_BYTES;
    this.expected = null;
    this.replacement = null;
    this.fua = false;
    this.done = 0;
    this.retries = 0;
    this.completion = NOBODY;
    this.nextWaiting = null;
  }
}
