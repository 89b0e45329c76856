/**
 * Fused Compare and Write: two adjacent commands of one queue that take effect as one atomic unit (NVMe Base 2.0 section
 * 3.4.2, NVM Command Set 1.0 section 2.1.3). ESXi's file system takes its locks with it.
 *
 * The halves are paired as they arrive; each may still wait for its data. When both are ready the device does one
 * compareAndWrite, and both are answered.
 */
import { BlockStatus } from '../../base/block-device.ts';
import { IoOpcode } from '../../wire/opcodes.ts';
import { DNR, Status } from '../../wire/status.ts';
import type { Controller } from '../controller.ts';
import type { Queue } from '../queue.ts';
import type { Request } from '../request.ts';
import type { Target } from '../target.ts';
import { statusOfBlock } from './block-status.ts';
import { planPlain } from './plan.ts';
import { enter, wantsFua } from './read-write.ts';

export const FUSE_MASK = 0x03;
const FUSE_FIRST = 0x01;
const FUSE_SECOND = 0x02;
/** ACWU + 1: logical blocks of one fused operation. */
export const ACWU_BLOCKS = 1;

export function planFused(target: Target, controller: Controller, request: Request): number {
  const queue = request.queue;
  const fuse = request.flags & FUSE_MASK;
  if (fuse !== FUSE_SECOND) {
    // the command after a first half must be its second half
    abortPendingFuse(queue);
    if (fuse === 0) return planPlain(target, controller, request);
    if (fuse !== FUSE_FIRST) return Status.invalidField | DNR;
    return planFirst(target, controller, request);
  }
  return planSecond(target, controller, request);
}

function planFirst(target: Target, controller: Controller, request: Request): number {
  const queue = request.queue;
  let status =
    request.opcode === IoOpcode.compare ? planPlain(target, controller, request) : Status.invalidField | DNR;
  if (status === 0) status = checkSize(request);
  if (status !== 0) {
    queue.fusedFailed = true;
    return status;
  }
  queue.fusedFirst = request;
  request.execute = halfReady;
  return 0;
}

function planSecond(target: Target, controller: Controller, request: Request): number {
  const queue = request.queue;
  const first = queue.fusedFirst;
  queue.fusedFirst = null;
  if (first === null) {
    const failed = queue.fusedFailed;
    queue.fusedFailed = false;
    return (failed ? Status.failedFusedCommand : Status.missingFusedCommand) | DNR;
  }
  let status =
    request.opcode === IoOpcode.write ? planPlain(target, controller, request) : Status.invalidField | DNR;
  const sameRange =
    first.nsid === request.nsid && first.offset === request.offset && first.length === request.length;
  if (status === 0 && !sameRange) status = Status.invalidField | DNR;
  if (status !== 0) {
    failHalf(first, Status.failedFusedCommand | DNR);
    return status;
  }
  first.partner = request;
  request.partner = first;
  request.execute = halfReady;
  return 0;
}

function checkSize(request: Request): number {
  return request.length > ACWU_BLOCKS << request.namespace!.blockShift
    ? Status.atomicWriteUnitExceeded | DNR
    : 0;
}

/** The next command of the queue was not the second half: the first one ends without effect. */
export function abortPendingFuse(queue: Queue): void {
  const first = queue.fusedFirst;
  queue.fusedFirst = null;
  queue.fusedFailed = false;
  if (first !== null) failHalf(first, Status.missingFusedCommand | DNR);
}

/** Ends one half with an error: now if its data is here, otherwise as soon as it has arrived. */
function failHalf(request: Request, status: number): void {
  request.partner = null;
  if (request.ready) request.complete(status);
  else {
    request.status = status;
    request.execute = failLater;
  }
}

function failLater(request: Request): void {
  request.complete(request.status);
}

/** A half could not get its data (digest, SGL): its partner fails with it. Called before the half itself is answered. */
export function failPartner(request: Request): void {
  const partner = request.partner;
  if (partner === null) {
    if (request.queue.fusedFirst === request) {
      request.queue.fusedFirst = null;
      request.queue.fusedFailed = true;
    }
    return;
  }
  request.partner = null;
  failHalf(partner, Status.failedFusedCommand | DNR);
}

/** Data of one half is here. */
function halfReady(request: Request): void {
  request.ready = true;
  const partner = request.partner;
  if (partner === null || !partner.ready) return;
  const write = request.opcode === IoOpcode.write ? request : partner;
  write.execute = executePair;
  executePair(write);
}

function executePair(write: Request): void {
  const compare = write.partner!;
  if (!enter(write)) {
    // turned away: both halves hear why. No partner: a hold that went over its limit ran this command again, inside enter
    if (write.state !== 'active' && write.partner !== null) {
      write.partner = null;
      compare.complete(write.status);
    }
    return;
  }
  compare.executing = true;
  compare.group = write.group;
  write.onDone = pairDone;
  write.namespace!.device.compareAndWrite(write.offset, compare.data, write.data, wantsFua(write), write);
}

function pairDone(write: Request, outcome: BlockStatus): void {
  const compare = write.partner!;
  compare.executing = false;
  write.partner = null;
  compare.partner = null;
  if (outcome === BlockStatus.ok) {
    compare.complete(Status.success);
    write.complete(Status.success);
    return;
  }
  const status = statusOfBlock(outcome, outcome === BlockStatus.miscompare);
  if (outcome === BlockStatus.miscompare) {
    compare.complete(status);
    write.complete(Status.failedFusedCommand | DNR);
  } else {
    // the pair failed as one: a retryable status must reach both halves as such
    compare.complete(status);
    write.complete(status);
  }
}
