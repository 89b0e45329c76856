/** Disconnect: the host deletes one I/O queue (NVMe Base 2.0 section 6.4, OFCS bit 0). */
import { DNR, Status } from '../../wire/status.ts';
import type { Request } from '../request.ts';

export function executeDisconnect(request: Request): void {
  const queue = request.queue;
  if (queue.qid === 0) {
    // the admin queue ends with its association, not by this command
    request.complete(Status.connectInvalidQueueType | DNR);
    return;
  }
  if ((request.cdw10 & 0xffff) !== 0) {
    request.complete(Status.connectIncompatibleFormat | DNR);
    return;
  }
  queue.controller!.disconnectIoQueue(queue);
  request.complete(Status.success);
  queue.transport.closeAfterAnswer('disconnect');
}
