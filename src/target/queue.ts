/**
 * One submission/completion queue pair = one transport connection: its fixed table of requests, SQHD, and what is still
 * in flight when the connection ends.
 */
import { Status } from '../wire/status.ts';
import type { AnaGroup } from './ana.ts';
import type { Controller } from './controller.ts';
import type { Port } from './port.ts';
import { Request } from './request.ts';

/** What a queue needs of the connection that carries it. */
export interface QueueTransport {
  /** Sends the answer of `request`, soon; calls {@link Queue.release} when it has been handed to the socket. */
  respond(request: Request): void;
  /** The limits of its namespace let the command go on: its data is brought, if it has not come yet, and it is executed. */
  proceed(request: Request): void;
  /** Gives back the data buffer of a request that will not be answered. */
  dropBuffer(request: Request): void;
  /** The data buffer of a request that was abandoned counts no more: the backend has it for nobody knows how long. */
  writeOff(request: Request): void;
  /** The command waits for the limits of its namespace: its buffer, if it has one, does not count until {@link proceed}. */
  park(request: Request): void;
  /** Ends the connection. `reason` is for the log. */
  close(reason: string): void;
  /** Ends the connection once what was answered has been sent. */
  closeAfterAnswer(reason: string): void;
  /** Host side of the connection. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Address that the host dialled: what a wildcard listener tells it in discovery. */
  readonly localAddress: string;
}

/** SQHD of a queue without SQ flow control (Fabrics Connect, CATTR bit 2). */
const SQHD_NO_FLOW_CONTROL = 0xffff;
const HASH_SIZE = 64;

export class Queue {
  readonly transport: QueueTransport;
  readonly port: Port;
  /** 0 is the admin queue; -1 before Connect. */
  qid = -1;
  /** Entries. One until Connect says more. */
  size = 1;
  sqhd = 0;
  flowControl = true;
  controller: Controller | null = null;
  closed = false;
  /** Requests in the table that are not free. */
  inUse = 0;
  /** Commands held back by a drain. */
  held = 0;
  /** First half of a fused pair whose second half must be the next command; and whether that half has failed already. */
  fusedFirst: Request | null = null;
  fusedFailed = false;

  private readonly table: Request[] = [];
  private readonly freeSlots: Request[] = [];
  /** Requests by CID, to find a command to abort and to notice a CID that is in use. */
  private readonly buckets: (Request | null)[] = new Array<Request | null>(HASH_SIZE).fill(null);

  constructor(transport: QueueTransport, port: Port) {
    this.transport = transport;
    this.port = port;
  }

  /** After Connect. `sqsize` is 0's based. */
  connected(controller: Controller, qid: number, sqsize: number, flowControl: boolean): void {
    this.controller = controller;
    this.qid = qid;
    this.size = sqsize + 1;
    this.sqhd = 1 % this.size; // the Connect command itself took the first entry
    this.flowControl = flowControl;
  }

  /** A free request for the next command, or null when the host sent more commands than the queue has entries. */
  take(): Request | null {
    let request = this.freeSlots.pop();
    if (request === undefined) {
      if (this.table.length >= this.size) return null;
      request = new Request(this, this.table.length);
      this.table.push(request);
    }
    request.state = 'active';
    this.inUse += 1;
    this.sqhd = this.sqhd + 1 >= this.size ? 0 : this.sqhd + 1;
    return request;
  }

  /** What goes into the SQHD field of a completion. */
  get reportedSqhd(): number {
    return this.flowControl ? this.sqhd : SQHD_NO_FLOW_CONTROL;
  }

  /** Enters the request under its CID. False when another command with that CID is outstanding. */
  register(request: Request): boolean {
    const bucket = request.cid & (HASH_SIZE - 1);
    for (let r = this.buckets[bucket]; r !== null; r = r.nextInBucket)
      if (r.cid === request.cid) return false;
    request.nextInBucket = this.buckets[bucket];
    this.buckets[bucket] = request;
    return true;
  }

  /** The outstanding command with that CID. */
  find(cid: number): Request | null {
    let r = this.buckets[cid & (HASH_SIZE - 1)];
    while (r !== null && r.cid !== cid) r = r.nextInBucket;
    return r;
  }

  /** The request in the slot that a TTAG from the wire names. */
  bySlot(slot: number): Request | null {
    return slot < this.table.length ? this.table[slot] : null;
  }

  /** A command has its result: hand it to the transport, or drop it when the connection is gone. */
  finish(request: Request): void {
    if (request.counted) {
      request.counted = false;
      request.group!.leave();
    }
    if (request.unheard) {
      this.discard(request);
      return;
    }
    request.state = 'done';
    this.transport.respond(request);
  }

  /** For the transport, before it sends an answer. False: it is not to be sent now, {@link QueueTransport.respond} will be called again. */
  mayAnswer(request: Request): boolean {
    const group = request.group;
    return group === null || group.lease === null || group.mayAnswer(request);
  }

  /** A request that is unheard is finished with: nobody gets an answer. */
  discard(request: Request): void {
    if (request.namespace !== null && request.namespace.orphans.size > 0)
      request.namespace.orphanEnded(request);
    this.transport.dropBuffer(request);
    if (!request.abandoned) this.release(request);
  }

  /** The answer is on its way: the slot and the CID may be used again. */
  release(request: Request): void {
    this.unregister(request);
    request.state = 'free';
    this.inUse -= 1;
    this.freeSlots.push(request);
  }

  private unregister(request: Request): void {
    const bucket = request.cid & (HASH_SIZE - 1);
    let r = this.buckets[bucket];
    if (r === request) this.buckets[bucket] = request.nextInBucket;
    else {
      while (r !== null && r.nextInBucket !== request) r = r.nextInBucket;
      if (r !== null) r.nextInBucket = request.nextInBucket;
    }
    request.nextInBucket = null;
  }

  /**
   * Answers what the backend still works on for `group` with the path status. The commands run to their end there, writes
   * among them as orphans of their namespace, and keep their buffers until then.
   */
  abandon(group: AnaGroup): void {
    for (const request of this.table) {
      if (request.state === 'active' && request.executing && request.group === group)
        this.standInFor(request).complete(Status.asymmetricAccessInaccessible);
    }
  }

  /** Gives the slot of a command to another request, which answers for it. */
  private standInFor(request: Request): Request {
    const standIn = new Request(this, request.slot);
    standIn.state = 'active';
    standIn.opcode = request.opcode;
    standIn.cid = request.cid;
    standIn.nsid = request.nsid;
    this.unregister(request);
    this.register(standIn);
    this.table[request.slot] = standIn;
    request.abandoned = true;
    if (request.mutates) request.namespace?.orphans.add(request);
    this.transport.writeOff(request);
    return standIn;
  }

  /**
   * The connection is gone. Commands at the backend run to their end there; writes among them are remembered as
   * orphans of their namespace. Everything else is discarded unexecuted.
   */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const request of this.table) {
      if (request.state === 'done') this.transport.dropBuffer(request);
      if (request.state !== 'active') continue;
      if (!request.executing) {
        this.transport.dropBuffer(request);
        request.namespace?.stopWaiting(request);
      } else if (request.mutates) request.namespace?.orphans.add(request);
    }
    this.fusedFirst = null;
    this.controller?.queueClosed(this);
  }

  /** Capacity of the data buffers that the backend has. */
  bytesAtBackend(): number {
    let bytes = 0;
    for (const { executing, buffer } of this.table)
      if (executing && buffer !== null && !buffer.writtenOff) bytes += buffer.capacity;
    return bytes;
  }

  /** An R2T is out that the host has not answered in full. */
  awaitsData(): boolean {
    return this.table.some((request) => request.solicited);
  }

  /** Requests that are not free, for abort and for draining at stop. */
  *active(): Generator<Request> {
    for (const request of this.table) if (request.state === 'active') yield request;
  }
}
