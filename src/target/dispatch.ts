/**
 * Chooses what a command does before its data moves: queue state x opcode -> handler, direction and length. The
 * transport then brings the data and calls `execute`; write data, in-capsule or solicited, and no data share one path.
 */
import { FABRICS_OPCODE } from '../wire/opcodes.ts';
import { DNR, Status } from '../wire/status.ts';
import { planAdmin } from './admin/plan.ts';
import { planFabrics } from './fabrics/plan.ts';
import { failPartner } from './io/fused.ts';
import { isTurnedAway, planIo } from './io/plan.ts';
import type { Request } from './request.ts';
import type { Target } from './target.ts';

/** PSDT 01b: SGL, metadata pointer a buffer. PRPs (00b) are illegal on fabrics, NVMe Base 2.0 section 3.3.2. */
const PSDT_MASK = 0xc0;
const PSDT_SGL = 0x40;

/** Sets `execute`, `transfer` and `dataLength`. Returns 0, or the status with which the command ends without running. */
export function plan(target: Target, request: Request): number {
  const controller = request.queue.controller;
  if (request.opcode === FABRICS_OPCODE) return planFabrics(target, request);
  if (controller === null) return Status.commandSequenceError | DNR;
  controller.traffic = true;
  if ((request.flags & PSDT_MASK) !== PSDT_SGL) return Status.invalidField | DNR;
  if (!controller.enabled) return Status.commandSequenceError | DNR;
  return request.queue.qid === 0
    ? planAdmin(target, controller, request)
    : planIo(target, controller, request);
}

/** False: it waits for its namespace's limits, and the transport will be told to {@link QueueTransport.proceed}. */
export function mayGoOn(request: Request): boolean {
  const { namespace } = request;
  return namespace === null || namespace.limiter === null || namespace.limiter.admit(request);
}

/** Ends a command whose data could not be had as promised (SGL, digest), and the other half of its fused pair. */
export function failData(request: Request, status: number): void {
  failPartner(request);
  request.complete(status);
}

/** Answers those of `waiting`, commands that wait for a data buffer, whose group does not serve any more; they leave the list. */
export function turnAwayWaiting(waiting: Request[]): void {
  for (let i = waiting.length - 1; i >= 0; i--) {
    const request = waiting[i];
    if (!isTurnedAway(request)) continue;
    waiting.splice(i, 1);
    request.complete(Status.asymmetricAccessInaccessible);
  }
}
