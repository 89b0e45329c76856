/** The one place where a backend's outcome becomes an NVMe status. */
import { BlockStatus } from '../../base/block-device.ts';
import { DNR, Status } from '../../wire/status.ts';

/** `reading` tells an unrecovered read error from a write fault. Success is not an error and must not come here. */
export function statusOfBlock(outcome: BlockStatus, reading: boolean): number {
  switch (outcome) {
    case BlockStatus.miscompare:
      return Status.compareFailure | DNR;
    case BlockStatus.noSpace:
      return Status.capacityExceeded | DNR;
    case BlockStatus.readOnly:
      return Status.namespaceWriteProtected | DNR;
    case BlockStatus.outOfRange:
      return Status.lbaOutOfRange | DNR;
    case BlockStatus.timedOut:
      return Status.commandInterrupted;
    case BlockStatus.fenced:
    case BlockStatus.gone:
      // a path matter: the host waits for, or uses, another path (ha-design section 5)
      return Status.asymmetricAccessInaccessible;
    case BlockStatus.unsupported:
      return Status.invalidField | DNR;
    default:
      return reading ? Status.unrecoveredReadError : Status.writeFault;
  }
}
