/** Abort: ends a command that waits (an AER, one held by a drain, or by its namespace's limits); what the backend has cannot be called back. */
import { Status } from '../../wire/status.ts';
import type { Controller } from '../controller.ts';
import { failPartner } from '../io/fused.ts';
import type { Request } from '../request.ts';

/** DW0 bit 0 of the completion: the command was not aborted. */
const NOT_ABORTED = 1;

export function executeAbort(controller: Controller, request: Request): void {
  const sqid = request.cdw10 & 0xffff;
  const cid = request.cdw10 >>> 16;
  const victim = controller.queues.get(sqid)?.find(cid) ?? null;
  const waiting =
    victim !== null &&
    victim !== request &&
    (controller.events.remove(victim) ||
      controller.port.ana.unhold(victim) ||
      (victim.namespace?.limiter?.remove(victim) ?? false));
  if (waiting) {
    failPartner(victim);
    victim.complete(Status.abortRequested);
  } else request.dw0 = NOT_ABORTED;
  request.complete(Status.success);
}
