/**
 * A connection without a socket: takes commands through the same steps as a transport (slot, parse, plan, data, execute)
 * and keeps the answers. Data of a write may arrive at once, later, damaged or never.
 */

import { failData, mayGoOn, plan } from '../../src/target/dispatch.ts';
import type { Port } from '../../src/target/port.ts';
import { Queue, type QueueTransport } from '../../src/target/queue.ts';
import { type Request, Transfer } from '../../src/target/request.ts';
import type { Target } from '../../src/target/target.ts';

const DNR = 0x4000;
const TRANSIENT_TRANSPORT_ERROR = 0x22;

export interface Answer {
  cid: number;
  /** SCT << 8 | SC. */
  status: number;
  /** Do Not Retry. */
  dnr: boolean;
  dw0: number;
  dw1: number;
  sqhd: number;
  /** What a successful read brought. */
  data: Buffer | null;
}

export interface SendOptions {
  cid?: number;
  /** For the controller; missing bytes are zero. */
  data?: Buffer;
  /** The data does not come yet: {@link FakeConnection.deliver} brings it. */
  later?: boolean;
}

export class FakeConnection implements QueueTransport {
  readonly queue: Queue;
  remoteAddress = '192.0.2.10';
  remotePort = 50000;
  localAddress = '192.0.2.1';
  /** Why the target closed the connection, or how it was lost; null while it is open. */
  closedBecause: string | null = null;
  /** Set by a Disconnect: the connection ends after its answer. */
  endingBecause: string | null = null;
  /** The host sent more commands than the queue has entries. */
  overrun = false;
  readonly #target: Target;
  readonly #answers: Answer[] = [];
  readonly #done: Request[] = [];
  readonly #options = new Map<Request, SendOptions>();
  #nextCid = 0;

  constructor(target: Target, port: Port) {
    this.#target = target;
    this.queue = new Queue(this, port);
  }

  /** All answers so far, in order. */
  get answers(): readonly Answer[] {
    this.settle();
    return this.#answers;
  }

  /** Slots that are taken. */
  get inUse(): number {
    this.settle();
    return this.queue.inUse;
  }

  /** The latest answer to the command with that CID. */
  answerTo(cid: number): Answer | undefined {
    return this.answers.findLast((answer) => answer.cid === cid);
  }

  /** Sends a command; returns its CID. */
  send(command: Buffer, options: SendOptions = {}): number {
    this.settle();
    const cid = options.cid ?? this.#nextCid;
    this.#nextCid = (cid + 1) & 0xffff;
    const bytes = Buffer.from(command);
    bytes.writeUInt16LE(cid, 2);
    const request = this.queue.take();
    if (request === null) {
      this.overrun = true;
      return cid;
    }
    request.arrivedMs = this.#target.clock.nowMs();
    request.parse(bytes, 0);
    const status = this.queue.register(request) ? plan(this.#target, request) : 0x003 | DNR;
    if (status !== 0) request.complete(status);
    else {
      this.#options.set(request, options);
      if (mayGoOn(request)) this.proceed(request);
    }
    this.settle();
    return cid;
  }

  /** Sends a command whose answer must be there at once. */
  call(command: Buffer, options: SendOptions = {}): Answer {
    const before = this.answers.length;
    const cid = this.send(command, options);
    const answer = this.answers.slice(before).find((a) => a.cid === cid);
    if (answer === undefined) throw new Error(`no answer to command ${cid}`);
    return answer;
  }

  /** The data of a command that was sent with `later` arrives. */
  deliver(cid: number, data: Buffer = Buffer.alloc(0), digestOk = true): void {
    const request = this.queue.find(cid);
    if (request === null || !request.solicited) throw new Error(`command ${cid} asks for no data`);
    request.solicited = false;
    request.startedMs = this.#target.clock.nowMs();
    data.copy(request.data);
    if (digestOk) request.execute(request);
    else failData(request, TRANSIENT_TRANSPORT_ERROR);
    this.settle();
  }

  /** The network is gone. */
  lose(): void {
    this.close('connection lost');
  }

  /** The command has no answer yet. */
  isOpen(cid: number): boolean {
    this.settle();
    return this.queue.find(cid) !== null;
  }

  /** The end of a turn: answers leave, slots and buffers come back. */
  settle(): void {
    for (const request of this.#done.splice(0)) {
      const nowMs = this.#target.clock.nowMs();
      if (!this.queue.mayAnswer(request)) continue;
      request.account(nowMs);
      const withData = request.transfer === Transfer.toHost && request.status === 0;
      this.#answers.push({
        cid: request.cid,
        status: request.status & 0x7ff,
        dnr: (request.status & DNR) !== 0,
        dw0: request.dw0 >>> 0,
        dw1: request.dw1 >>> 0,
        sqhd: this.queue.reportedSqhd,
        data: withData && request.buffer !== null ? Buffer.from(request.data) : null,
      });
      this.dropBuffer(request);
      this.queue.release(request);
    }
    if (this.endingBecause !== null) this.close(this.endingBecause);
  }

  #move(request: Request, options: SendOptions): void {
    request.buffer = this.#target.buffers.borrow(request.dataLength);
    request.data.fill(0);
    if (request.transfer === Transfer.toHost) {
      request.execute(request);
    } else if (options.later === true) {
      request.solicited = true;
    } else {
      options.data?.copy(request.data);
      request.execute(request);
    }
  }

  // ---- what the target calls ----

  proceed(request: Request): void {
    if (request.buffer?.parked) this.#target.buffers.unpark(request.buffer);
    if (request.dataLength === 0) request.execute(request);
    else this.#move(request, this.#options.get(request)!);
  }

  respond(request: Request): void {
    if (this.closedBecause !== null) throw new Error('answer on a closed connection');
    if (this.#done.includes(request)) throw new Error(`command ${request.cid} answered twice`);
    this.#done.push(request);
  }

  dropBuffer(request: Request): void {
    if (request.buffer === null) return;
    this.#target.buffers.giveBack(request.buffer);
    request.buffer = null;
  }

  park(request: Request): void {
    if (request.buffer !== null) this.#target.buffers.park(request.buffer);
  }

  writeOff(request: Request): void {
    if (request.buffer !== null) this.#target.buffers.writeOff(request.buffer);
  }

  close(reason: string): void {
    if (this.closedBecause !== null) return;
    this.closedBecause = reason;
    this.queue.close();
    this.#done.length = 0;
  }

  closeAfterAnswer(reason: string): void {
    this.endingBecause = reason;
  }
}
