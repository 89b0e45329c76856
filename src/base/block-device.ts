/**
 * The one interface between the NVMe target and whatever keeps the bytes.
 *
 * Calls take a completion object instead of returning a promise: nothing is allocated per I/O. A device may
 * call `ioDone` synchronously, from inside the call, or later; it calls it exactly once per operation.
 * Buffers stay the caller's: the device may touch them only until `ioDone`.
 */

/** What a finished operation says. 0 is success; everything else names why it failed. */
export type BlockStatus = (typeof BlockStatus)[keyof typeof BlockStatus];
export const BlockStatus = {
  ok: 0,
  /** Compare found different bytes. */
  miscompare: 1,
  /** The medium failed (EIO and anything unknown). */
  ioError: 2,
  /** No room for the write (ENOSPC, EDQUOT). */
  noSpace: 3,
  /** The device does not take writes (EROFS, EPERM, EACCES). */
  readOnly: 4,
  /** The backend gave up waiting (ETIMEDOUT). */
  timedOut: 5,
  /** The extent is past the end of the device (it shrank under us). */
  outOfRange: 6,
  /** This client may not touch the cluster any more (EBLOCKLISTED, lost lock): a path matter, never a media error. */
  fenced: 7,
  /** The device is closed or closing. */
  gone: 8,
  /** The operation is not supported by this device. */
  unsupported: 9,
} as const;

/** Receives the outcome of one operation. */
export interface BlockCompletion {
  /** What has not begun must not begin: nobody waits for the outcome any more, or who asked has no right to it now. Absent: false. */
  readonly mustNotBegin?: boolean;
  /** Called exactly once per operation, perhaps before the call that started it returns. */
  ioDone(status: BlockStatus): void;
}

/** Sizes of I/O that suit a device best, in bytes: what it is asked for may be of any size all the same. */
export interface OptimalSizes {
  /** A power of two; I/O that crosses a multiple of it costs more. 0: there is no such boundary. */
  readonly boundary: number;
  /** A power of two; a write that is no multiple of it, in size or place, costs more. */
  readonly write: number;
  /** Larger writes win nothing. */
  readonly bestWrite: number;
  /** A power of two; a smaller discard gives no space back, or is not worth its price. */
  readonly discard: number;
}

/** Of a device that is kept in pages. */
export const PAGE_SIZES: OptimalSizes = { boundary: 0, write: 4096, bestWrite: 4096, discard: 4096 };

/** Of an RBD image with Ceph's default layout, objects of 4 MiB without stripes, and librbd's default granularity of discards. */
export const IMAGE_SIZES: OptimalSizes = {
  boundary: 4_194_304,
  write: 4096,
  bestWrite: 4_194_304,
  discard: 65_536,
};

/** A device of bytes. Offsets and lengths are bytes, non-negative, below 2^53, multiples of the block size. */
export interface BlockDevice {
  /** Size in bytes; changes only through {@link resize} or from outside, then {@link onResize} is called. */
  readonly sizeBytes: number;
  /** For people and logs: `file:/path`, `memory`. */
  readonly description: string;
  readonly optimal: OptimalSizes;
  /** Set by the owner: told when the size changed from outside. */
  onResize: ((sizeBytes: number) => void) | null;

  /** Fills `data` from `offset`. */
  read(offset: number, data: Buffer, completion: BlockCompletion): void;
  /** Writes `data` at `offset`; with `fua` it is durable before completion. */
  write(offset: number, data: Buffer, fua: boolean, completion: BlockCompletion): void;
  /** Makes every write that completed before this call durable. */
  flush(completion: BlockCompletion): void;
  /** Makes the extent read as zeroes; may deallocate. Durable before completion with `fua`. */
  writeZeroes(offset: number, length: number, fua: boolean, completion: BlockCompletion): void;
  /** Deallocates the extent; it reads as zeroes afterwards. */
  discard(offset: number, length: number, completion: BlockCompletion): void;
  /** Compares the extent with `data`; `miscompare` when they differ. */
  compare(offset: number, data: Buffer, completion: BlockCompletion): void;
  /** Atomic against every other write of this device: writes `data` only if the extent equals `expected`. */
  compareAndWrite(
    offset: number,
    expected: Buffer,
    data: Buffer,
    fua: boolean,
    completion: BlockCompletion,
  ): void;

  /** Grows or shrinks the device. Rejects with an Error whose message names the device and the reason. */
  resize(sizeBytes: number): Promise<void>;
  /** Looks at once what size it was given from outside, for devices whose size others may change. Rejects as {@link resize}. */
  readSize?(): Promise<void>;
  /** Ends the device. Operations in flight complete first; later ones complete with `gone`. */
  close(): Promise<void>;
}
