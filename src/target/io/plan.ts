/**
 * I/O commands of the NVM Command Set 1.0: checks that need no data, then the handler. Range, size and SGL checks are
 * done here, once, so that handlers only move bytes.
 */
import { IoOpcode } from '../../wire/opcodes.ts';
import { DNR, Status } from '../../wire/status.ts';
import type { Controller } from '../controller.ts';
import type { Namespace } from '../namespace.ts';
import { type Request, Transfer } from '../request.ts';
import type { Target } from '../target.ts';
import {
  DSM_MAX_RANGES,
  DSM_RANGE_BYTES,
  executeDatasetManagement,
  rangeListBytes,
} from './dataset-management.ts';
import { FUSE_MASK, planFused } from './fused.ts';
import { executeCompare, executeFlush, executeRead, executeWrite, executeWriteZeroes } from './read-write.ts';

const DSM_ATTRIBUTE_DEALLOCATE = 0x4;

export function planIo(target: Target, controller: Controller, request: Request): number {
  const queue = request.queue;
  if (queue.fusedFirst !== null || queue.fusedFailed || (request.flags & FUSE_MASK) !== 0) {
    return planFused(target, controller, request);
  }
  const status = planPlain(target, controller, request);
  if (status !== 0) return status;
  // known before its data moves: it must not wait for a buffer behind the I/O of a backend that stands still
  return isTurnedAway(request) ? Status.asymmetricAccessInaccessible : 0;
}

/** The group of the command's namespace does not serve. A half of a fused pair is asked later, together with the other. */
export function isTurnedAway(request: Request): boolean {
  const namespace = request.namespace;
  if (namespace === null || (request.flags & FUSE_MASK) !== 0) return false;
  return request.queue.port.ana.groups[namespace.anaGroupId].turnsAway;
}

/** A command that is not half of a fused pair, or one half looked at by itself. */
export function planPlain(target: Target, controller: Controller, request: Request): number {
  const namespace = controller.namespace(request.nsid);
  if (namespace === undefined) return unknownNamespace(request);
  request.namespace = namespace;
  switch (request.opcode) {
    case IoOpcode.read:
      request.execute = executeRead;
      return planTransfer(target, request, namespace, Transfer.toHost);
    case IoOpcode.write:
      if (namespace.readOnly) return Status.namespaceWriteProtected | DNR;
      request.execute = executeWrite;
      request.mutates = true;
      return planTransfer(target, request, namespace, Transfer.toController);
    case IoOpcode.compare:
      request.execute = executeCompare;
      return planTransfer(target, request, namespace, Transfer.toController);
    case IoOpcode.flush:
      request.offset = 0;
      request.length = 0;
      request.execute = executeFlush;
      return 0;
    case IoOpcode.writeZeroes:
      if (namespace.readOnly) return Status.namespaceWriteProtected | DNR;
      request.execute = executeWriteZeroes;
      request.mutates = true;
      return planRange(request, namespace);
    case IoOpcode.datasetManagement:
      return planDatasetManagement(request, namespace);
    default:
      return Status.invalidOpcode | DNR;
  }
}

function unknownNamespace(request: Request): number {
  switch (request.opcode) {
    case IoOpcode.read:
    case IoOpcode.write:
    case IoOpcode.compare:
    case IoOpcode.flush:
    case IoOpcode.writeZeroes:
    case IoOpcode.datasetManagement:
      return Status.invalidNamespaceOrFormat | DNR;
    default:
      return Status.invalidOpcode | DNR;
  }
}

/** SLBA and NLB of a command that moves data. */
function planTransfer(target: Target, request: Request, namespace: Namespace, transfer: Transfer): number {
  const status = planRange(request, namespace);
  if (status !== 0) return status;
  if (request.length > target.settings.maxTransferBytes) return Status.invalidField | DNR;
  request.transfer = transfer;
  request.dataLength = request.length;
  return 0;
}

/** CDW10-11 SLBA, CDW12 15:0 NLB (0's based) -> byte extent. */
function planRange(request: Request, namespace: Namespace): number {
  const blocks = (request.cdw12 & 0xffff) + 1;
  const slba = request.cdw11 * 0x1_0000_0000 + request.cdw10;
  if (slba + blocks > namespace.blocks) return Status.lbaOutOfRange | DNR;
  // PRINFO: no namespace here has protection information
  if ((request.cdw12 & 0x2000_0000) !== 0) return Status.invalidField | DNR;
  request.offset = slba * namespace.blockSize;
  request.length = blocks << namespace.blockShift;
  return 0;
}

function planDatasetManagement(request: Request, namespace: Namespace): number {
  const deallocate = (request.cdw11 & DSM_ATTRIBUTE_DEALLOCATE) !== 0;
  if (deallocate && namespace.readOnly) return Status.namespaceWriteProtected | DNR;
  request.transfer = Transfer.toController;
  // Linux always sends room for 256 ranges, however many there are
  request.dataLength = Math.max(
    rangeListBytes(request),
    Math.min(request.sglLength, DSM_MAX_RANGES * DSM_RANGE_BYTES),
  );
  request.mutates = deallocate;
  // the extent is known only from the data: until then it counts as the whole namespace
  request.offset = 0;
  request.length = namespace.sizeBytes;
  request.execute = executeDatasetManagement;
  return 0;
}
