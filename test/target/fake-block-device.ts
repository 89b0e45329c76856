/** A block device whose operations end when the test says so. Bytes change at that moment, as with a slow disk. */
import {
  type BlockCompletion,
  type BlockDevice,
  BlockStatus,
  type BlockStatus as BlockStatusValue,
  type OptimalSizes,
  PAGE_SIZES,
} from '../../src/base/block-device.ts';

export type OperationKind =
  | 'read'
  | 'write'
  | 'flush'
  | 'writeZeroes'
  | 'discard'
  | 'compare'
  | 'compareAndWrite';

/** One call that the device got. */
export class FakeOperation {
  readonly kind: OperationKind;
  readonly offset: number;
  readonly length: number;
  readonly fua: boolean;
  done = false;
  readonly #apply: () => BlockStatusValue;
  readonly completion: BlockCompletion;
  readonly #ended: (operation: FakeOperation) => void;

  constructor(
    call: { kind: OperationKind; offset: number; length: number; fua: boolean },
    apply: () => BlockStatusValue,
    completion: BlockCompletion,
    ended: (operation: FakeOperation) => void,
  ) {
    this.kind = call.kind;
    this.offset = call.offset;
    this.length = call.length;
    this.fua = call.fua;
    this.#apply = apply;
    this.completion = completion;
    this.#ended = ended;
  }

  /** Ends the operation: with success (then bytes move) or with a failure (then they do not). */
  finish(failure: BlockStatusValue = BlockStatus.ok): void {
    if (this.done) throw new Error(`${this.kind} at ${this.offset} ended twice`);
    this.done = true;
    this.#ended(this);
    this.completion.ioDone(failure === BlockStatus.ok ? this.#apply() : failure);
  }
}

export class FakeBlockDevice implements BlockDevice {
  readonly description = 'fake';
  optimal: OptimalSizes = PAGE_SIZES;
  onResize: ((sizeBytes: number) => void) | null = null;
  readonly bytes: Buffer;
  /** Every call so far. */
  readonly calls: FakeOperation[] = [];
  /** Calls that have not ended, oldest first. */
  readonly open: FakeOperation[] = [];
  /** Ends operations at once, from inside the call, with this status; null: the test ends them. */
  immediately: BlockStatusValue | null = null;

  constructor(sizeBytes: number) {
    this.bytes = Buffer.alloc(sizeBytes);
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  /** Ends everything that is open, oldest first, also what starts meanwhile. */
  finishAll(status: BlockStatusValue = BlockStatus.ok): void {
    while (this.open.length > 0) this.open[0].finish(status);
  }

  read(offset: number, data: Buffer, completion: BlockCompletion): void {
    this.#call('read', offset, data.length, false, completion, () => {
      this.bytes.copy(data, 0, offset, offset + data.length);
      return BlockStatus.ok;
    });
  }

  write(offset: number, data: Buffer, fua: boolean, completion: BlockCompletion): void {
    this.#call('write', offset, data.length, fua, completion, () => {
      data.copy(this.bytes, offset);
      return BlockStatus.ok;
    });
  }

  flush(completion: BlockCompletion): void {
    this.#call('flush', 0, 0, false, completion, () => BlockStatus.ok);
  }

  writeZeroes(offset: number, length: number, fua: boolean, completion: BlockCompletion): void {
    this.#call('writeZeroes', offset, length, fua, completion, () => this.#zero(offset, length));
  }

  discard(offset: number, length: number, completion: BlockCompletion): void {
    this.#call('discard', offset, length, false, completion, () => this.#zero(offset, length));
  }

  compare(offset: number, data: Buffer, completion: BlockCompletion): void {
    this.#call('compare', offset, data.length, false, completion, () =>
      this.#holds(offset, data) ? BlockStatus.ok : BlockStatus.miscompare,
    );
  }

  compareAndWrite(
    offset: number,
    expected: Buffer,
    data: Buffer,
    fua: boolean,
    completion: BlockCompletion,
  ): void {
    this.#call('compareAndWrite', offset, data.length, fua, completion, () => {
      if (!this.#holds(offset, expected)) return BlockStatus.miscompare;
      data.copy(this.bytes, offset);
      return BlockStatus.ok;
    });
  }

  async resize(): Promise<void> {}
  async close(): Promise<void> {}

  #holds(offset: number, data: Buffer): boolean {
    return this.bytes.subarray(offset, offset + data.length).equals(data);
  }

  #zero(offset: number, length: number): BlockStatusValue {
    this.bytes.fill(0, offset, offset + length);
    return BlockStatus.ok;
  }

  #call(
    kind: OperationKind,
    offset: number,
    length: number,
    fua: boolean,
    completion: BlockCompletion,
    apply: () => BlockStatusValue,
  ): void {
    const operation = new FakeOperation({ kind, offset, length, fua }, apply, completion, (ended) => {
      this.open.splice(this.open.indexOf(ended), 1);
    });
    this.calls.push(operation);
    this.open.push(operation);
    if (this.immediately !== null) operation.finish(this.immediately);
  }
}
