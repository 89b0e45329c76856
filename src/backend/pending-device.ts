/**
 * Stands in for a device that cannot be opened at the moment. Hosts keep their namespace and find its I/O slow instead of
 * finding the disk gone: each operation waits for the real device, and after a while ends as a path matter, which hosts try
 * again for as long as it takes.
 */
import {
  type BlockCompletion,
  type BlockDevice,
  BlockStatus,
  type OptimalSizes,
  PAGE_SIZES,
} from '../base/block-device.ts';
import type { Timer, Timers } from '../base/clock.ts';

/**
 * An operation waits this long before it is handed back: far below a host's I/O timeout, far above a busy loop, and below what
 * a hand-over of its ANA group may take: that waits for it.
 */
export const HOLD_MS = 4000;

type Operation = (device: BlockDevice) => void;

export class PendingDevice implements BlockDevice {
  readonly description: string;
  readonly optimal: OptimalSizes;
  onResize: ((sizeBytes: number) => void) | null = null;
  readonly #sizeBytes: number;
  readonly #timers: Timers;
  readonly #waiting = new Map<Operation, { completion: BlockCompletion; timer: Timer }>();
  #device: BlockDevice | null = null;
  #closed = false;

  /** `sizeBytes` is what the record says; `optimal` what the device will probably have. */
  constructor(description: string, sizeBytes: number, timers: Timers, optimal = PAGE_SIZES) {
    this.description = description;
    this.optimal = optimal;
    this.#sizeBytes = sizeBytes;
    this.#timers = timers;
  }

  get sizeBytes(): number {
    return this.#device?.sizeBytes ?? this.#sizeBytes;
  }

  get isAwaited(): boolean {
    return this.#waiting.size > 0;
  }

  /** The real device is here: what waits goes to it, in order, and all that still comes. */
  become(device: BlockDevice): void {
    this.#device = device;
    const operations = [...this.#waiting];
    this.#waiting.clear();
    for (const [operation, { completion, timer }] of operations) {
      timer.cancel();
      // Its host may have been sent to another path, and have written the same blocks there since.
      if (completion.mustNotBegin) completion.ioDone(BlockStatus.gone);
      else operation(device);
    }
  }

  read(offset: number, data: Buffer, completion: BlockCompletion): void {
    this.#run(completion, (device) => device.read(offset, data, completion));
  }

  write(offset: number, data: Buffer, fua: boolean, completion: BlockCompletion): void {
    this.#run(completion, (device) => device.write(offset, data, fua, completion));
  }

  flush(completion: BlockCompletion): void {
    this.#run(completion, (device) => device.flush(completion));
  }

  writeZeroes(offset: number, length: number, fua: boolean, completion: BlockCompletion): void {
    this.#run(completion, (device) => device.writeZeroes(offset, length, fua, completion));
  }

  discard(offset: number, length: number, completion: BlockCompletion): void {
    this.#run(completion, (device) => device.discard(offset, length, completion));
  }

  compare(offset: number, data: Buffer, completion: BlockCompletion): void {
    this.#run(completion, (device) => device.compare(offset, data, completion));
  }

  compareAndWrite(
    offset: number,
    expected: Buffer,
    data: Buffer,
    fua: boolean,
    completion: BlockCompletion,
  ): void {
    this.#run(completion, (device) => device.compareAndWrite(offset, expected, data, fua, completion));
  }

  async resize(): Promise<void> {
    throw new Error(`${this.description}: cannot be resized before it is open`);
  }

  /** What waits ends as {@link BlockStatus.gone}. The real device, if any, is its owner's to close. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const operation of [...this.#waiting.keys()]) this.#giveUp(operation);
  }

  #run(completion: BlockCompletion, operation: Operation): void {
    if (this.#device !== null) {
      operation(this.#device);
    } else if (this.#closed) {
      completion.ioDone(BlockStatus.gone);
    } else {
      const timer = this.#timers.after(HOLD_MS, () => this.#giveUp(operation));
      this.#waiting.set(operation, { completion, timer });
    }
  }

  #giveUp(operation: Operation): void {
    const waiting = this.#waiting.get(operation);
    if (waiting === undefined) return;
    this.#waiting.delete(operation);
    waiting.timer.cancel();
    waiting.completion.ioDone(BlockStatus.gone);
  }
}
