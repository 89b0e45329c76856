/**
 * Which commands of a connection may hold data buffers now: in the order of their ANA group, within what the connection and the
 * process may hold; a little of each group always, so that groups whose backend stands still do not stop the others.
 * Reads and solicited writes wait here for a buffer. In-capsule data cannot wait, so the connection is not read from instead.
 */
import type { BufferAccount, BufferPool, DataBuffer } from '../../base/buffer-pool.ts';
import { turnAwayWaiting } from '../../target/dispatch.ts';
import type { Queue } from '../../target/queue.ts';
import type { Request } from '../../target/request.ts';

/**
 * Data bytes that one connection may hold in buffers before its further commands wait: a share of what is free, so that
 * a few hosts that do not read or do not send cannot take everything.
 */
const CONNECTION_DATA_MOST = 8 * 1024 * 1024;
const CONNECTION_DATA_LEAST = 1024 * 1024;
const FREE_SHARE = 8;
/**
 * Data bytes that an admin queue may hold whatever else is in use: while a backend stands still and its commands keep
 * every buffer, hosts must still be able to connect and to read the ANA log that leads them to another path.
 */
const ADMIN_DATA_BYTES = 64 * 1024;
/** In-capsule data may take the pool to this many times its limit. */
const OVERDRAFT = 2;

/** What the connection does for its admission. */
export interface AdmissionOwner {
  /** The command has its buffer: a read runs, a write asks for its data. */
  start(request: Request): void;
  /** Reads nothing more from the peer until {@link feed}. */
  starve(): void;
  feed(): void;
  /** Data buffers of the process have run out, somebody waits. */
  buffersShort(): void;
}

export class Admission {
  /** In the pool's line. */
  waitsForPool = false;
  /** Capacity of all data buffers that this connection holds. */
  heldBytes = 0;
  /** Capacity of its buffers that are parked, see {@link BufferPool.park}. */
  parkedBytes = 0;
  /** The connection is not read from. */
  starved = false;

  private readonly owner: AdmissionOwner;
  private readonly queue: Queue;
  private readonly pool: BufferPool;
  /** Commands that wait for a data buffer, in order. */
  private readonly waiting: Request[] = [];
  /** At the head of the pool's line, being asked: nobody in the line takes a buffer out of turn. */
  private itsTurn = false;
  /** The same for the reserves of groups. */
  private readonly reserveLines = new Set<BufferAccount>();
  private reserveTurn: BufferAccount | null = null;
  private starvedInLine = false;
  /** Ends the watch over ANA changes, which goes on while commands wait or are not read. */
  private unwatchAna: (() => void) | null = null;
  private closed = false;

  constructor(owner: AdmissionOwner, queue: Queue, pool: BufferPool) {
    this.owner = owner;
    this.queue = queue;
    this.pool = pool;
  }

  /** Starts the command with a buffer of its own, now or as soon as it may have one. */
  admit(request: Request): void {
    const account = this.accountOf(request);
    const others = this.waiting.length > 0;
    if ((!others || !this.isAwaited(account)) && this.mayBorrow(request, account, others))
      this.start(request);
    else {
      this.waiting.push(request);
      this.watchAna();
    }
  }

  /** Starts what may have a buffer by now. Who is behind somebody of his group waits; of another one, he may have the reserve. */
  startWaiting(): void {
    const { waiting } = this;
    const refused: (BufferAccount | null)[] = [];
    for (let at = 0; at < waiting.length; ) {
      const request = waiting[at];
      const account = this.accountOf(request);
      if (!refused.includes(account) && this.mayBorrow(request, account, at > 0)) {
        waiting.splice(at, 1);
        this.start(request);
      } else {
        if (!refused.includes(account)) refused.push(account);
        at += 1;
      }
    }
  }

  /** A buffer at once, also past the limit, for data that is on its way: see {@link afterReading}. */
  borrow(request: Request): void {
    request.buffer = this.pool.borrow(request.dataLength, this.accountOf(request));
    this.heldBytes += request.buffer.capacity;
  }

  giveBack(buffer: DataBuffer): void {
    if (buffer.parked) this.parkedBytes -= buffer.capacity;
    else if (!buffer.writtenOff) this.heldBytes -= buffer.capacity;
    this.pool.giveBack(buffer);
    this.feedIfMay();
  }

  /** See {@link BufferPool.park}. */
  park(buffer: DataBuffer): void {
    this.heldBytes -= buffer.capacity;
    this.parkedBytes += buffer.capacity;
    this.pool.park(buffer);
    this.feedIfMay();
  }

  unpark(buffer: DataBuffer): void {
    this.heldBytes += buffer.capacity;
    this.parkedBytes -= buffer.capacity;
    this.pool.unpark(buffer);
    this.feedIfMay();
  }

  /** See {@link BufferPool.writeOff}. */
  writeOff(buffer: DataBuffer): void {
    if (!this.pool.writeOff(buffer)) return;
    this.heldBytes -= buffer.capacity;
    this.feedIfMay();
  }

  /** After each turn: stops reading in-capsule data for which there is no room. */
  afterReading(): void {
    if (this.mustStarve()) this.starve();
  }

  /** The connection ends: nothing waits any more. Buffers that are held still come back. */
  close(): void {
    this.closed = true;
    this.starved = false;
    this.waiting.length = 0;
    this.endWatch();
  }

  private start(request: Request): void {
    this.borrow(request);
    this.owner.start(request);
    if (request.solicited) this.feed(); // its data must come in
  }

  private accountOf({ namespace }: Request): BufferAccount | null {
    return namespace === null ? null : this.queue.port.ana.groups[namespace.anaGroupId].buffers;
  }

  private isAwaited(account: BufferAccount | null): boolean {
    return this.waiting.some((request) => this.accountOf(request) === account);
  }

  private mayBorrow(request: Request, account: BufferAccount | null, onlyReserve: boolean): boolean {
    const { dataLength } = request;
    if (this.queue.qid <= 0 && this.heldBytes + dataLength <= ADMIN_DATA_BYTES) return true;
    if (account !== null && this.mayUseReserve(account, dataLength)) return true;
    if (!onlyReserve && this.mayUsePool(dataLength)) return true;
    if (account !== null && !this.reserveLines.has(account)) {
      this.reserveLines.add(account);
      account.line.add(() => this.retryFromReserve(account));
    }
    return false;
  }

  private mayUseReserve(account: BufferAccount, length: number): boolean {
    if (!this.pool.hasReserve(account, length)) return false;
    // Who has nothing to give back is not waited for.
    return account.line.isEmpty || account.borrowed === 0 || this.reserveTurn === account;
  }

  private mayUsePool(length: number): boolean {
    const { pool } = this;
    const held = this.heldBytes + length;
    if (held > CONNECTION_DATA_LEAST && this.heldBytes > 0) {
      const free = pool.limitBytes - pool.borrowedBytes;
      if (held > Math.min(CONNECTION_DATA_MOST, free / FREE_SHARE)) return false;
    }
    if (!pool.isFull(length) && (!pool.contended || this.itsTurn)) return true;
    if (!this.waitsForPool) {
      this.waitsForPool = true;
      pool.whenReturned(() => this.retryFromPool());
      this.owner.buffersShort();
    }
    return false;
  }

  /** A buffer came back to the pool. True: this connection needs nothing from the pool right now. */
  private retryFromPool(): boolean {
    this.itsTurn = true;
    this.startWaiting();
    this.itsTurn = false;
    const next = this.waiting[0];
    if (next !== undefined && this.pool.isFull(next.dataLength)) return false;
    this.waitsForPool = false;
    return true;
  }

  /** The same for the reserve of a group. True: nothing waits for it here. */
  private retryFromReserve(account: BufferAccount): boolean {
    this.reserveTurn = account;
    this.startWaiting();
    this.reserveTurn = null;
    if (this.isAwaited(account)) return false;
    this.reserveLines.delete(account);
    return true;
  }

  /** Whether nothing more is read: the data of those who exceed the limits of a namespace must not use up the memory of all. */
  private mustStarve(): boolean {
    return (this.parkedBytes > 0 && this.pool.isParkedFull) || this.poolStarves();
  }

  /**
   * In-capsule data takes buffers past the limit, so its sender is not read from while the pool is used up and he holds some
   * of it, or while the pool is far over its limit. What the backend has is not the sender's fault, and his other commands
   * may be for another backend.
   */
  private poolStarves(): boolean {
    if (!this.pool.isFull(1)) return false;
    if (this.pool.borrowedBytes > OVERDRAFT * this.pool.limitBytes) return true;
    return this.heldBytes > this.queue.bytesAtBackend();
  }

  private starve(): void {
    if (this.starved || this.closed || this.queue.qid <= 0 || this.queue.awaitsData()) return;
    this.starved = true;
    this.owner.starve();
    this.watchAna();
    // Who has parked too much is fed by his own commands: nobody in the line shall wait for that.
    if (this.starvedInLine || !this.poolStarves()) return;
    this.starvedInLine = true;
    this.pool.whenReturned(() => {
      if (this.starved && this.poolStarves()) return false;
      this.starvedInLine = false;
      this.feedIfMay();
      return true;
    });
  }

  private feedIfMay(): void {
    if (this.starved && !this.mustStarve()) this.feed();
  }

  private feed(): void {
    if (!this.starved) return;
    this.starved = false;
    this.owner.feed();
  }

  /** A group that stops serving must say so to commands that wait for a buffer, which a backend of its own may hold for long. */
  private watchAna(): void {
    this.unwatchAna ??= this.queue.port.ana.subscribe(() => {
      turnAwayWaiting(this.waiting);
      // namespaces may have moved to groups that have a reserve
      this.startWaiting();
      this.feedIfMay();
      if (this.waiting.length === 0 && !this.starved) this.endWatch();
    });
  }

  private endWatch(): void {
    this.unwatchAna?.();
    this.unwatchAna = null;
  }
}
