/**
 * One NVMe command, from capsule to completion. Requests live in the fixed table of their queue and are reused: nothing
 * is allocated per command. Parse (here and in dispatch) -> data arrives -> execute -> complete -> the transport answers.
 */

import type { BlockCompletion, BlockStatus } from '../base/block-device.ts';
import type { DataBuffer } from '../base/buffer-pool.ts';
import { IoOpcode } from '../wire/opcodes.ts';
import { DNR, Status } from '../wire/status.ts';
import type { AnaGroup } from './ana.ts';
import { statusOfBlock } from './io/block-status.ts';
import { deallocatedBytes } from './io/dataset-management.ts';
import type { Namespace } from './namespace.ts';
import type { Queue } from './queue.ts';

/** Which way the data of a command moves. */
export const Transfer = { none: 0, toController: 1, toHost: 2 } as const;
export type Transfer = (typeof Transfer)[keyof typeof Transfer];

const SCT_MASK = 0x700;
const SCT_MEDIA = 0x200;
const SCT_PATH = 0x300;

/** free: in the table. active: owned by a handler. done: answered, waiting for the transport to send it. */
export type RequestState = 'free' | 'active' | 'done';

export class Request implements BlockCompletion {
  readonly queue: Queue;
  /** Index in the queue's table; the TTAG of its R2T. */
  readonly slot: number;
  state: RequestState = 'free';

  // ---- the submission queue entry ----
  opcode = 0;
  /** Byte 1: FUSE in bits 1:0, PSDT in bits 7:6. */
  flags = 0;
  cid = 0;
  nsid = 0;
  /** SGL descriptor 1: address (or offset of in-capsule data), length, identifier byte. */
  sglAddressLow = 0;
  sglAddressHigh = 0;
  sglLength = 0;
  sglIdentifier = 0;
  cdw10 = 0;
  cdw11 = 0;
  cdw12 = 0;
  cdw13 = 0;
  cdw14 = 0;
  cdw15 = 0;

  // ---- the plan that dispatch made ----
  transfer: Transfer = Transfer.none;
  /** Bytes to move; 0 when none. */
  dataLength = 0;
  execute: (request: Request) => void = unplanned;

  // ---- life ----
  buffer: DataBuffer | null = null;
  /** An R2T is out and its data has not all arrived. */
  solicited = false;
  /** Bytes of solicited data that arrived so far. */
  received = 0;
  /** A data digest was wrong: complete with Transient Transport Error once all data is in. */
  damaged = false;
  /** Time of the turn in which the command arrived, milliseconds of the clock. */
  arrivedMs = 0;
  /** The same of the turn in which it could go to the backend: its data, or its buffer, was there. */
  startedMs = 0;
  namespace: Namespace | null = null;
  /** When it began to wait because of its namespace's limits, milliseconds of the clock; its number among such; and how long it waited. */
  limitedSinceMs = 0;
  limitedNumber = 0;
  limitedMs = 0;
  /** Byte extent on the namespace, for range checks and orphaned writes. */
  offset = 0;
  length = 0;
  /** The ANA group that admitted it, and has a say in when its answer may leave. */
  group: AnaGroup | null = null;
  /** Its group counts it: admitted and not yet completed. */
  counted = false;
  /** At the backend: its buffer must stay. */
  executing = false;
  /** Its host was answered while the backend still works on it: it has no slot any more. */
  abandoned = false;
  /** Changes bytes of the namespace, so that a late one must not land on newer data. */
  mutates = false;
  /** The other half of a fused pair. */
  partner: Request | null = null;
  /** Fused: data is here and the command may run as soon as its partner is. */
  ready = false;
  /** Cursor of multi-step commands (DSM ranges). */
  step = 0;
  /** Takes the backend's outcome instead of the plain rule of {@link ioDone}. */
  onDone: ((request: Request, outcome: BlockStatus) => void) | null = null;
  /** Next request in the CID hash chain of the queue. */
  nextInBucket: Request | null = null;

  // ---- the completion ----
  status = 0;
  dw0 = 0;
  dw1 = 0;

  constructor(queue: Queue, slot: number) {
    this.queue = queue;
    this.slot = slot;
  }

  /** Reads the 64-byte submission queue entry at `at`. */
  parse(b: Buffer, at: number): void {
    this.opcode = b[at];
    this.flags = b[at + 1];
    this.cid = b[at + 2] | (b[at + 3] << 8);
    this.nsid = get32(b, at + 4);
    this.sglAddressLow = get32(b, at + 24);
    this.sglAddressHigh = get32(b, at + 28);
    this.sglLength = get32(b, at + 32);
    this.sglIdentifier = b[at + 39];
    this.cdw10 = get32(b, at + 40);
    this.cdw11 = get32(b, at + 44);
    this.cdw12 = get32(b, at + 48);
    this.cdw13 = get32(b, at + 52);
    this.cdw14 = get32(b, at + 56);
    this.cdw15 = get32(b, at + 60);
    this.transfer = Transfer.none;
    this.dataLength = 0;
    this.execute = unplanned;
    this.solicited = false;
    this.received = 0;
    this.damaged = false;
    this.namespace = null;
    this.limitedMs = 0;
    this.startedMs = this.arrivedMs;
    this.partner = null;
    this.ready = false;
    this.step = 0;
    this.onDone = null;
    this.group = null;
    this.counted = false;
    this.executing = false;
    this.mutates = false;
    this.status = 0;
    this.dw0 = 0;
    this.dw1 = 0;
  }

  /** Nobody waits for its answer any more. */
  get unheard(): boolean {
    return this.abandoned || this.queue.closed;
  }

  /** Also while the lease of its ANA group is over, as after a stall: another gateway may serve it. */
  get mustNotBegin(): boolean {
    return this.unheard || this.group?.lease?.isValidNow === false;
  }

  /** The command's data: what the host sent, or what goes to it. */
  get data(): Buffer {
    return this.buffer!.data(this.dataLength);
  }

  /** Fabrics command type: byte 4 of a Fabrics command. */
  get fctype(): number {
    return this.nsid & 0xff;
  }

  /** Answers the command. `status` is from {@link Status}, with DNR where retrying is pointless. */
  complete(status: number): void {
    this.status = status;
    this.queue.finish(this);
  }

  /** Answers with a status that no retry can change. */
  refuse(status: number): void {
    this.complete(status | DNR);
  }

  /** Counts the command, as its answer is handed to the transport. */
  account(nowMs: number): void {
    if (this.status !== Status.success) {
      this.accountFailure();
      return;
    }
    const namespace = this.namespace;
    if (namespace === null) return;
    const stats = namespace.stats;
    const elapsedMs = nowMs - this.arrivedMs;
    const { ioStats, subsystem: itsSubsystem } = this.queue.controller!;
    const subsystem = itsSubsystem!;
    const isRead = this.opcode === IoOpcode.read;
    if (ioStats !== null && (isRead || this.opcode === IoOpcode.write))
      ioStats.record(isRead, this.length, elapsedMs, nowMs - this.startedMs, this.limitedMs);
    if (isRead) {
      stats.reads.record(this.length, elapsedMs);
      subsystem.readLatency.record(elapsedMs * 1000);
    } else if (this.opcode === IoOpcode.write) {
      stats.writes.record(this.length, elapsedMs);
      subsystem.writeLatency.record(elapsedMs * 1000);
    } else if (this.opcode === IoOpcode.datasetManagement && this.mutates) {
      stats.unmaps.record(deallocatedBytes(this), elapsedMs);
    }
  }

  /** SLBA as the command has it, also when it was refused for it; 0 for commands without one. */
  private get firstLba(): number {
    switch (this.opcode) {
      case IoOpcode.read:
      case IoOpcode.write:
      case IoOpcode.compare:
      case IoOpcode.writeZeroes:
        return Math.min(this.cdw11 * 0x1_0000_0000 + this.cdw10, Number.MAX_SAFE_INTEGER);
      default:
        return 0;
    }
  }

  private accountFailure(): void {
    const type = this.status & SCT_MASK;
    if (type === SCT_PATH) return;
    const { namespace, queue } = this;
    queue.controller?.errors.add({
      sqid: queue.qid,
      cid: this.cid,
      status: this.status,
      lba: namespace === null ? 0 : this.firstLba,
      nsid: namespace === null ? 0 : this.nsid,
    });
    if (namespace === null) return;
    const { stats } = namespace;
    stats.errors += 1;
    if (this.status === (Status.compareFailure | DNR)) stats.miscompares += 1;
    else if (type === SCT_MEDIA) stats.mediaErrors += 1;
  }

  /** The backend is done with what this command asked of it. */
  ioDone(outcome: BlockStatus): void {
    this.executing = false;
    if (this.onDone !== null) this.onDone(this, outcome);
    else
      this.complete(
        outcome === 0 ? Status.success : statusOfBlock(outcome, this.transfer === Transfer.toHost),
      );
  }
}

function get32(b: Buffer, at: number): number {
  return (b[at] | (b[at + 1] << 8) | (b[at + 2] << 16) | (b[at + 3] << 24)) >>> 0;
}

function unplanned(request: Request): void {
  request.refuse(Status.internalError);
}
