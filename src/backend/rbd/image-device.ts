/**
 * One open image, as long as this client may use it. When it may no more (fenced, lock lost) it says so once to its owner,
 * before the operation that noticed completes, and is replaced; see rbd-device.ts.
 *
 * No cache is on (see image-settings.ts), so that a completed write is on the OSDs and FUA asks for nothing more.
 */
import {
  type BlockCompletion,
  type BlockDevice,
  BlockStatus,
  type OptimalSizes,
} from '../../base/block-device.ts';
import { EBLOCKLISTED, type Image } from '../../node-rados/lib/node-rados.ts';
import { blockStatusOfErrno } from '../errno.ts';
import { ExtentGuard } from '../extent-guard.ts';
import { ImageOperation, type ImageOperationOwner, type ImagePhase } from './image-operation.ts';

const SECTOR_BYTES = 512;
const EINVAL = 22;
const EROFS = 30;

/** What of an open image this needs. */
export type ImageIo = Pick<
  Image,
  'read' | 'write' | 'flush' | 'writeZeroes' | 'compareAndWrite' | 'resize' | 'sizeBytes'
>;

/** Why an image can be used no more: its client is on the blocklist, or somebody took the lock of the image away. */
export type ImageLoss = 'fenced' | 'lockLost';

export interface ImageDeviceOptions {
  image: ImageIo;
  description: string;
  sizeBytes: number;
  stripeUnitBytes: number;
  optimal: OptimalSizes;
  readOnly: boolean;
  /** Told at each operation that fails for that reason. */
  onLoss(loss: ImageLoss): void;
}

export class ImageDevice implements BlockDevice {
  readonly description: string;
  readonly optimal: OptimalSizes;
  onResize: ((sizeBytes: number) => void) | null = null;
  /** Kept up to date by the owner. */
  sizeBytes: number;
  readonly #image: ImageIo;
  readonly #readOnly: boolean;
  readonly #onLoss: (loss: ImageLoss) => void;
  readonly #guard = new ExtentGuard<ImageOperation>((operation) => this.#start(operation));
  readonly #owner: ImageOperationOwner = {
    answered: (operation, result) => this.#answered(operation, result),
  };
  readonly #freeOperations: ImageOperation[] = [];
  /** librbd compares and writes within one of these. Old ones (16) only within one sector, which they say when asked for more. */
  #swapUnitBytes: number;
  /** Operations that have begun and not completed. */
  #active = 0;
  #closed = false;
  #whenQuiet: (() => void)[] = [];

  constructor(options: ImageDeviceOptions) {
    this.description = options.description;
    this.optimal = options.optimal;
    this.#swapUnitBytes = options.stripeUnitBytes;
    this.sizeBytes = options.sizeBytes;
    this.#image = options.image;
    this.#readOnly = options.readOnly;
    this.#onLoss = options.onLoss;
  }

  read(offset: number, data: Buffer, completion: BlockCompletion): void {
    if (this.#refuses(offset, data.length, completion)) return;
    const operation = this.#operation('read', offset, data.length, completion);
    operation.data = data;
    this.#start(operation);
  }

  write(offset: number, data: Buffer, _fua: boolean, completion: BlockCompletion): void {
    if (this.#refusesChange(offset, data.length, completion)) return;
    const operation = this.#operation('write', offset, data.length, completion);
    operation.data = data;
    this.#change(operation);
  }

  flush(completion: BlockCompletion): void {
    if (this.#closed) completion.ioDone(BlockStatus.gone);
    else if (this.#readOnly) completion.ioDone(BlockStatus.ok);
    else this.#start(this.#operation('flush', 0, 0, completion));
  }

  writeZeroes(offset: number, length: number, _fua: boolean, completion: BlockCompletion): void {
    if (this.#refusesChange(offset, length, completion)) return;
    this.#change(this.#operation('zero', offset, length, completion));
  }

  /** librbd's own discard leaves what is smaller than its granularity; its write zeroes gives back the same space exactly. */
  discard(offset: number, length: number, completion: BlockCompletion): void {
    this.writeZeroes(offset, length, false, completion);
  }

  compare(offset: number, data: Buffer, completion: BlockCompletion): void {
    if (this.#refuses(offset, data.length, completion)) return;
    const operation = this.#operation('compare', offset, data.length, completion);
    operation.expected = data;
    operation.found = Buffer.allocUnsafe(data.length);
    this.#start(operation);
  }

  compareAndWrite(
    offset: number,
    expected: Buffer,
    data: Buffer,
    _fua: boolean,
    completion: BlockCompletion,
  ): void {
    if (this.#refusesChange(offset, data.length, completion)) return;
    const operation = this.#operation('swap', offset, data.length, completion);
    operation.expected = expected;
    operation.data = data;
    if (!isWithin(operation, this.#swapUnitBytes)) makeSteps(operation);
    this.#change(operation);
  }

  async resize(sizeBytes: number): Promise<void> {
    await this.#image.resize(sizeBytes, true);
    this.sizeBytes = sizeBytes;
  }

  /** New operations complete with `gone` from now on; resolves when none is under way. The image is its owner's to close. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#active > 0) await new Promise<void>((resolve) => this.#whenQuiet.push(resolve));
  }

  // ---- beginning ----

  #refuses(offset: number, length: number, completion: BlockCompletion): boolean {
    if (this.#closed) completion.ioDone(BlockStatus.gone);
    else if (offset + length > this.sizeBytes) completion.ioDone(BlockStatus.outOfRange);
    else if (length === 0) completion.ioDone(BlockStatus.ok);
    else return false;
    return true;
  }

  #refusesChange(offset: number, length: number, completion: BlockCompletion): boolean {
    if (this.#refuses(offset, length, completion)) return true;
    if (this.#readOnly) completion.ioDone(BlockStatus.readOnly);
    return this.#readOnly;
  }

  #operation(phase: ImagePhase, start: number, length: number, completion: BlockCompletion): ImageOperation {
    const operation = this.#freeOperations.pop() ?? new ImageOperation(this.#owner);
    operation.phase = phase;
    operation.start = start;
    operation.end = start + length;
    operation.completion = completion;
    this.#active += 1;
    return operation;
  }

  #change(operation: ImageOperation): void {
    if (this.#guard.admit(operation)) this.#start(operation);
  }

  #start(operation: ImageOperation): void {
    const image = this.#image;
    const { start, end } = operation;
    switch (operation.phase) {
      case 'read':
        image.read(start, operation.data!, operation);
        return;
      case 'compare':
      case 'swapRead':
        image.read(start, operation.found!, operation);
        return;
      case 'write':
      case 'swapWrite':
        image.write(start, operation.data!, operation);
        return;
      case 'zero':
        image.writeZeroes(start, end - start, operation);
        return;
      case 'swap':
        image.compareAndWrite(start, operation.expected!, operation.data!, operation);
        return;
      case 'flush':
        image.flush(operation);
    }
  }

  // ---- ending ----

  #answered(operation: ImageOperation, result: number): void {
    if (operation.phase === 'swap' && result === -EINVAL && !isWithin(operation, SECTOR_BYTES)) {
      this.#swapUnitBytes = SECTOR_BYTES;
      this.#guard.release(operation);
      makeSteps(operation);
      this.#change(operation);
      return;
    }
    let status = this.#statusOf(operation, result);
    if (status === BlockStatus.ok && operation.found !== null && operation.phase !== 'swapWrite') {
      if (!operation.found.equals(operation.expected!)) {
        status = BlockStatus.miscompare;
      } else if (operation.phase === 'swapRead') {
        operation.phase = 'swapWrite';
        this.#start(operation);
        return;
      }
    }
    this.#finish(operation, status);
  }

  #statusOf(operation: ImageOperation, result: number): BlockStatus {
    if (result >= 0) {
      const reads =
        operation.phase === 'read' || operation.phase === 'compare' || operation.phase === 'swapRead';
      // Fewer bytes than asked for: the image was cut, and we have not heard of it yet.
      return reads && result < operation.end - operation.start ? BlockStatus.outOfRange : BlockStatus.ok;
    }
    switch (-result) {
      case EBLOCKLISTED:
        this.#onLoss('fenced');
        return BlockStatus.fenced;
      case EROFS:
        this.#onLoss('lockLost');
        return BlockStatus.fenced;
      case EINVAL:
        // Past the end: our own check let it pass, so the image was cut.
        return BlockStatus.outOfRange;
      default:
        return blockStatusOfErrno(result);
    }
  }

  #finish(operation: ImageOperation, status: BlockStatus): void {
    const completion = operation.completion!;
    operation.completion = null;
    operation.data = null;
    operation.expected = null;
    operation.found = null;
    if (operation.guardSlot >= 0) this.#guard.release(operation);
    operation.exclusive = false;
    this.#freeOperations.push(operation);
    this.#active -= 1;
    completion.ioDone(status);
    if (this.#active === 0 && this.#whenQuiet.length > 0) {
      for (const resolve of this.#whenQuiet.splice(0)) resolve();
    }
  }
}

/** Whether the extent lies in one aligned unit. */
function isWithin({ start, end }: ImageOperation, unitBytes: number): boolean {
  return Math.floor(start / unitBytes) === Math.floor((end - 1) / unitBytes);
}

/**
 * A compare-and-write that librbd cannot do at once becomes a read and a write. While the lock of the image is ours, what
 * keeps others of this process away keeps everybody away; if we lose it, the write fails.
 */
function makeSteps(operation: ImageOperation): void {
  operation.phase = 'swapRead';
  operation.exclusive = true;
  operation.found = Buffer.allocUnsafe(operation.end - operation.start);
}
