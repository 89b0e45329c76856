/** Dataset Management: deallocates a list of LBA ranges, one after the other (NVM Command Set 1.0 section 3.2.3). */
import { BlockStatus } from '../../base/block-device.ts';
import { DNR, Status } from '../../wire/status.ts';
import type { Request } from '../request.ts';
import { statusOfBlock } from './block-status.ts';
import { enter } from './read-write.ts';

export const DSM_RANGE_BYTES = 16;
export const DSM_MAX_RANGES = 256;

/** Bytes of the ranges that the command has (NR is 0's based); what follows them in its data means nothing. */
export function rangeListBytes(request: Request): number {
  return ((request.cdw10 & 0xff) + 1) * DSM_RANGE_BYTES;
}

/** Bytes of all its ranges together. */
export function deallocatedBytes(request: Request): number {
  const { data } = request;
  const listEnd = rangeListBytes(request);
  let blocks = 0;
  for (let at = 0; at < listEnd; at += DSM_RANGE_BYTES) blocks += data.readUInt32LE(at + 4);
  return blocks * request.namespace!.blockSize;
}

export function executeDatasetManagement(request: Request): void {
  const namespace = request.namespace!;
  const data = request.data;
  // all ranges are checked before the first byte changes
  let first = Number.MAX_SAFE_INTEGER;
  let end = 0;
  const listEnd = rangeListBytes(request);
  for (let at = 0; at < listEnd; at += DSM_RANGE_BYTES) {
    const blocks = data.readUInt32LE(at + 4);
    const slba = data.readUInt32LE(at + 8) + data.readUInt32LE(at + 12) * 0x1_0000_0000;
    if (slba + blocks > namespace.blocks) {
      request.complete(Status.lbaOutOfRange | DNR);
      return;
    }
    first = Math.min(first, slba);
    end = Math.max(end, slba + blocks);
  }
  if (!request.mutates) {
    // integral dataset hints and the like are advice that this target does not need
    request.complete(Status.success);
    return;
  }
  request.offset = first * namespace.blockSize;
  request.length = (end - first) * namespace.blockSize;
  if (!enter(request)) return;
  request.step = 0;
  request.onDone = nextRange;
  nextRange(request, BlockStatus.ok);
}

function nextRange(request: Request, outcome: BlockStatus): void {
  if (outcome !== BlockStatus.ok) {
    request.complete(statusOfBlock(outcome, false));
    return;
  }
  const data = request.data;
  const namespace = request.namespace!;
  const at = request.step * DSM_RANGE_BYTES;
  if (at >= rangeListBytes(request) || request.unheard) {
    request.complete(Status.success);
    return;
  }
  request.step += 1;
  request.executing = true;
  const blocks = data.readUInt32LE(at + 4);
  const slba = data.readUInt32LE(at + 8) + data.readUInt32LE(at + 12) * 0x1_0000_0000;
  if (blocks === 0) {
    request.ioDone(BlockStatus.ok);
    return;
  }
  namespace.device.discard(slba * namespace.blockSize, blocks * namespace.blockSize, request);
}
