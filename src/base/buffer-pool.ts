/**
 * Data buffers for commands in flight: borrowed by size class, returned when the last byte has left. The pool never
 * holds more than its limit in use; who finds it empty waits in order (see transport/tcp/admission.ts).
 *
 * Every buffer has room before and after the data, so that a transport can frame it with header, padding and digest and
 * send it as one piece.
 */

/** Bytes before the data: the largest PDU header with its digest and padding (PDO is one byte, alignment at most 128). */
export const BUFFER_HEADROOM = 128;
/** Bytes after the data: a data digest, and a response with its header digest. */
const BUFFER_TAILROOM = 4 + 24 + 4;
const SMALLEST_CLASS_BITS = 12;

/** Who waits, first come first served. */
class WaitingLine {
  private readonly waiters: (() => boolean)[] = [];
  private serving = false;
  private again = false;

  get isEmpty(): boolean {
    return this.waiters.length === 0;
  }

  /** `retry` is asked at each {@link serve} until it returns true (served, or no longer interested). */
  add(retry: () => boolean): void {
    this.waiters.push(retry);
  }

  /** One who is served may give buffers back himself: they are for those in front, and the loop looks again. */
  serve(): void {
    this.again = true;
    if (this.serving) return;
    this.serving = true;
    while (this.again) {
      this.again = false;
      while (this.waiters.length > 0 && this.waiters[0]()) this.waiters.shift();
    }
    this.serving = false;
  }
}

/** Whose buffers they are: those of one account shall not keep all others from getting any. */
export class BufferAccount {
  /** Capacity of its buffers, without those that were written off. */
  borrowed = 0;
  /** Who waits for its reserve. */
  readonly line = new WaitingLine();
}

/** One borrowed buffer. Its views are cached, because most commands of a queue have the same length. */
export class DataBuffer {
  readonly memory: Buffer;
  readonly classIndex: number;
  /** Data bytes that fit. */
  readonly capacity: number;
  /** Who has it. */
  account: BufferAccount | null = null;
  /** See {@link BufferPool.writeOff}. */
  writtenOff = false;
  /** See {@link BufferPool.park}. */
  parked = false;
  private dataView: Buffer;
  private frameView: Buffer;
  private frameStart: number;

  constructor(classIndex: number) {
    this.classIndex = classIndex;
    this.capacity = 1 << (classIndex + SMALLEST_CLASS_BITS);
    this.memory = Buffer.allocUnsafeSlow(BUFFER_HEADROOM + this.capacity + BUFFER_TAILROOM);
    this.dataView = this.memory.subarray(BUFFER_HEADROOM, BUFFER_HEADROOM + this.capacity);
    this.frameView = this.memory;
    this.frameStart = 0;
  }

  /** The first `length` data bytes. */
  data(length: number): Buffer {
    if (this.dataView.length !== length) {
      this.dataView = this.memory.subarray(BUFFER_HEADROOM, BUFFER_HEADROOM + length);
    }
    return this.dataView;
  }

  /** The piece that goes on the wire: from `start` (inside the headroom) over `length` bytes. */
  frame(start: number, length: number): Buffer {
    if (this.frameStart !== start || this.frameView.length !== length) {
      this.frameStart = start;
      this.frameView = this.memory.subarray(start, start + length);
    }
    return this.frameView;
  }
}

/** Of as much as this share of the limit, what is parked may keep its senders from sending more. */
const PARKED_SHARE = 2;
/** An account may have this share of the limit whatever the others have. */
const RESERVE_SHARE = 64;

export class BufferPool {
  /** Bytes that may be borrowed at once, but for {@link hasReserve}. */
  readonly limitBytes: number;
  /** Bytes kept for reuse beyond what is borrowed. */
  private readonly idleLimitBytes: number;
  private readonly free: DataBuffer[][];
  /** How often somebody had to wait, since start. */
  waits = 0;
  private borrowed = 0;
  private idle = 0;
  private writtenOff = 0;
  private parked = 0;
  private readonly line = new WaitingLine();

  /** `largestBytes` is the largest buffer ever asked for, a power of two. */
  constructor(limitBytes: number, largestBytes: number, idleLimitBytes = 32 * 1024 * 1024) {
    this.limitBytes = Math.max(limitBytes, largestBytes);
    this.idleLimitBytes = idleLimitBytes;
    const classes = BufferPool.classOf(largestBytes) + 1;
    this.free = Array.from({ length: classes }, () => []);
  }

  /** Bytes borrowed now. */
  get borrowedBytes(): number {
    return this.borrowed;
  }

  /** Bytes kept for reuse. */
  get idleBytes(): number {
    return this.idle;
  }

  /** Bytes of buffers that were written off and have not come back. */
  get writtenOffBytes(): number {
    return this.writtenOff;
  }

  /** Bytes of buffers that are parked. */
  get parkedBytes(): number {
    return this.parked;
  }

  /** So much is parked that nobody who has parked something shall send more. */
  get isParkedFull(): boolean {
    return this.parked > this.limitBytes / PARKED_SHARE;
  }

  /** A buffer for `length` bytes would go over the limit now. */
  isFull(length: number): boolean {
    return this.borrowed + BufferPool.capacityFor(length) > this.limitBytes;
  }

  /** The account has so little that it may have a buffer for `length` bytes, whoever else has used up the pool. */
  hasReserve(account: BufferAccount, length: number): boolean {
    const { borrowed } = account;
    return borrowed === 0 || borrowed + BufferPool.capacityFor(length) <= this.limitBytes / RESERVE_SHARE;
  }

  /**
   * Borrows a buffer for `length` bytes (1 up to the largest class). Does not look at the limit: callers that can
   * wait ask {@link isFull} and {@link hasReserve} first; in-capsule data cannot wait and is bounded by its queue instead.
   */
  borrow(length: number, account: BufferAccount | null = null): DataBuffer {
    const index = BufferPool.classOf(length);
    const list = this.free[index];
    let buffer = list.pop();
    if (buffer === undefined) buffer = new DataBuffer(index);
    else this.idle -= buffer.capacity;
    buffer.account = account;
    this.count(buffer, buffer.capacity);
    return buffer;
  }

  /** Gives a buffer back. Its content may be seen by nobody until it is overwritten. */
  giveBack(buffer: DataBuffer): void {
    if (buffer.writtenOff) {
      buffer.writtenOff = false;
      this.writtenOff -= buffer.capacity;
    } else if (buffer.parked) {
      buffer.parked = false;
      this.parked -= buffer.capacity;
    } else this.count(buffer, -buffer.capacity);
    if (this.idle + buffer.capacity <= this.idleLimitBytes) {
      this.idle += buffer.capacity;
      this.free[buffer.classIndex].push(buffer);
    }
    this.roomGrew(buffer.account);
  }

  /**
   * A borrowed buffer comes back nobody knows when, and others shall not wait for it: it does not count as borrowed any more.
   * False, and nothing changes, when that was said before; or when as much as the limit has been written off already: that much memory is the most.
   */
  writeOff(buffer: DataBuffer): boolean {
    if (buffer.writtenOff || this.writtenOff + buffer.capacity > this.limitBytes) return false;
    buffer.writtenOff = true;
    this.count(buffer, -buffer.capacity);
    this.writtenOff += buffer.capacity;
    this.roomGrew(buffer.account);
    return true;
  }

  /**
   * A borrowed buffer whose command waits for the limits of its namespace: it does not count as borrowed meanwhile, because
   * nobody else shall wait for those. How much there may be is up to who parks, see {@link isParkedFull}.
   */
  park(buffer: DataBuffer): void {
    buffer.parked = true;
    this.count(buffer, -buffer.capacity);
    this.parked += buffer.capacity;
    this.roomGrew(buffer.account);
  }

  /** The command goes on: its buffer is borrowed as any other, be it past the limit. */
  unpark(buffer: DataBuffer): void {
    buffer.parked = false;
    this.parked -= buffer.capacity;
    this.count(buffer, buffer.capacity);
  }

  private count(buffer: DataBuffer, bytes: number): void {
    this.borrowed += bytes;
    if (buffer.account !== null) buffer.account.borrowed += bytes;
  }

  private roomGrew(account: BufferAccount | null): void {
    if (!this.line.isEmpty) this.line.serve();
    if (account !== null && !account.line.isEmpty && this.hasReserve(account, 1)) account.line.serve();
  }

  /** Somebody waits: newcomers queue up behind, or small requests would starve large ones. */
  get contended(): boolean {
    return !this.line.isEmpty;
  }

  /** Asks `retry` each time a buffer came back, first come first served, until it returns true (served, or no longer interested). */
  whenReturned(retry: () => boolean): void {
    this.waits += 1;
    this.line.add(retry);
  }

  private static capacityFor(length: number): number {
    return 1 << (BufferPool.classOf(length) + SMALLEST_CLASS_BITS);
  }

  private static classOf(length: number): number {
    if (length <= 1 << SMALLEST_CLASS_BITS) return 0;
    return 32 - Math.clz32(length - 1) - SMALLEST_CLASS_BITS;
  }
}
