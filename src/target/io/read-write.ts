/** Read, Write, Flush, Compare, Write Zeroes: through the ANA gate to the block device (NVM Command Set 1.0 section 3.2). */
import { Status } from '../../wire/status.ts';
import type { Request } from '../request.ts';

/** FUA: CDW12 bit 30. */
const FUA = 0x4000_0000;

/**
 * The gate before every backend call. False: the command was held, answered, or waits for an orphaned write, and will be
 * executed again if it still is to run.
 */
export function enter(request: Request): boolean {
  const namespace = request.namespace!;
  if (namespace.removed || !namespace.isVisibleTo(request.queue.controller!)) {
    // it went, for all or for this host, while the command waited for its data, for a drain or for an orphaned write
    request.refuse(Status.invalidNamespaceOrFormat);
    return false;
  }
  const group = request.queue.port.ana.groups[namespace.anaGroupId];
  // a group that does not serve says so at once, whatever the command would have to wait for
  if (group.open && namespace.orphans.size > 0 && namespace.mustWait(request)) {
    group.namespacesWaiting.add(namespace);
    return false;
  }
  if (!group.admit(request)) return false;
  request.executing = true;
  return true;
}

export function wantsFua(request: Request): boolean {
  return (request.cdw12 & FUA) !== 0;
}

export function executeRead(request: Request): void {
  if (enter(request)) request.namespace!.device.read(request.offset, request.data, request);
}

export function executeWrite(request: Request): void {
  if (enter(request))
    request.namespace!.device.write(request.offset, request.data, wantsFua(request), request);
}

export function executeCompare(request: Request): void {
  if (enter(request)) request.namespace!.device.compare(request.offset, request.data, request);
}

export function executeFlush(request: Request): void {
  if (enter(request)) request.namespace!.device.flush(request);
}

export function executeWriteZeroes(request: Request): void {
  if (enter(request)) {
    request.namespace!.device.writeZeroes(request.offset, request.length, wantsFua(request), request);
  }
}
