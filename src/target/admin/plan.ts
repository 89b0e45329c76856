/** Admin commands: which handler, and how much data moves (NVMe Base 2.0 section 5). */
import { AdminOpcode } from '../../wire/opcodes.ts';
import { DNR, Status } from '../../wire/status.ts';
import type { Controller } from '../controller.ts';
import { type Request, Transfer } from '../request.ts';
import type { Target } from '../target.ts';
import { executeAbort } from './abort.ts';
import { executeGetFeatures, executeSetFeatures, featureDataBytes, isKnownFeature } from './features.ts';
import { executeGetLogPage } from './get-log-page.ts';
import { executeIdentify } from './identify.ts';

const IDENTIFY_BYTES = 4096;

export function planAdmin(target: Target, controller: Controller, request: Request): number {
  switch (request.opcode) {
    case AdminOpcode.identify:
      return planData(request, Transfer.toHost, IDENTIFY_BYTES, (r) =>
        executeIdentify(target, controller, r),
      );
    case AdminOpcode.getLogPage: {
      const bytes = ((request.cdw10 >>> 16) + (request.cdw11 & 0xffff) * 0x1_0000 + 1) * 4;
      if (bytes > target.settings.maxTransferBytes) return Status.invalidField | DNR;
      return planData(request, Transfer.toHost, bytes, (r) => executeGetLogPage(target, controller, r));
    }
    case AdminOpcode.setFeatures:
      if (!isKnownFeature(controller, request)) return Status.invalidField | DNR;
      return planData(request, Transfer.toController, featureDataBytes(request), (r) =>
        executeSetFeatures(target, controller, r),
      );
    case AdminOpcode.getFeatures:
      if (!isKnownFeature(controller, request)) return Status.invalidField | DNR;
      return planData(request, Transfer.toHost, featureDataBytes(request), (r) =>
        executeGetFeatures(controller, r),
      );
    case AdminOpcode.asyncEventRequest:
      request.execute = (r) => controller.events.arm(r);
      return 0;
    case AdminOpcode.keepAlive:
      // it has counted as traffic already; answering is all there is to it
      request.execute = (r) => r.complete(Status.success);
      return 0;
    case AdminOpcode.abort:
      if (controller.isDiscovery) return Status.invalidOpcode | DNR;
      request.execute = (r) => executeAbort(controller, r);
      return 0;
    default:
      return Status.invalidOpcode | DNR;
  }
}

function planData(
  request: Request,
  transfer: Transfer,
  bytes: number,
  execute: (r: Request) => void,
): number {
  if (bytes > 0) request.transfer = transfer;
  request.dataLength = bytes;
  request.execute = execute;
  return 0;
}
