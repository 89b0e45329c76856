/** Property Get and Set: the controller's registers over fabrics (NVMe Base 2.0 sections 3.1.3, 6.5 and 6.6). */
import { DNR, Status } from '../../wire/status.ts';
import type { Request } from '../request.ts';
import type { Target } from '../target.ts';

const CAP = 0x00;
const VS = 0x08;
const CC = 0x14;
const CSTS = 0x1c;
const CRTO = 0x68;

/** NVMe 2.0.0. */
export const VERSION = 0x0002_0000;
/** CAP.TO: 500 ms units a host waits for CSTS.RDY. */
const TIMEOUT_UNITS = 15;

/** ATTRIB bits 2:0: 0 = 4 bytes, 1 = 8 bytes. */
function sizeOf(request: Request): number {
  return request.cdw10 & 0x7;
}

export function executePropertyGet(target: Target, request: Request): void {
  const controller = request.queue.controller!;
  const offset = request.cdw11;
  const wide = sizeOf(request) === 1;
  if (sizeOf(request) > 1 || wide !== (offset === CAP)) {
    request.complete(Status.invalidField | DNR);
    return;
  }
  switch (offset) {
    case CAP:
      // MQES, CQR; then TO in the low half. CSS: NVM command set (bit 37) and I/O command sets (bit 43),
      // CRMS: ready with media (bit 59) in the high half
      request.dw0 = ((target.settings.maxIoQueueDepth - 1) | (1 << 16) | (TIMEOUT_UNITS << 24)) >>> 0;
      request.dw1 = (1 << (37 - 32)) | (1 << (43 - 32)) | (1 << (59 - 32));
      break;
    case VS:
      request.dw0 = VERSION;
      break;
    case CC:
      request.dw0 = controller.cc;
      break;
    case CSTS:
      request.dw0 = controller.csts;
      break;
    case CRTO:
      // CRWMT: as long as CAP.TO
      request.dw0 = TIMEOUT_UNITS;
      break;
    default:
      request.complete(Status.invalidField | DNR);
      return;
  }
  request.complete(Status.success);
}

export function executePropertySet(request: Request): void {
  const controller = request.queue.controller!;
  if (sizeOf(request) !== 0 || request.cdw11 !== CC) {
    request.complete(Status.invalidField | DNR);
    return;
  }
  controller.setCc(request.cdw12);
  request.complete(Status.success);
}
