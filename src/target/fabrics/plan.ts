/** Fabrics commands: Connect, Property Get and Set, Disconnect (NVMe Base 2.0 section 6). */
import { FabricsType } from '../../wire/opcodes.ts';
import { DNR, Status } from '../../wire/status.ts';
import { type Request, Transfer } from '../request.ts';
import type { Target } from '../target.ts';
import { CONNECT_DATA_BYTES, executeConnect } from './connect.ts';
import { executeDisconnect } from './disconnect.ts';
import { executePropertyGet, executePropertySet } from './property.ts';

export function planFabrics(target: Target, request: Request): number {
  const queue = request.queue;
  const controller = queue.controller;
  if (request.fctype === FabricsType.connect) {
    if (controller !== null) return Status.commandSequenceError | DNR;
    request.transfer = Transfer.toController;
    request.dataLength = CONNECT_DATA_BYTES;
    request.execute = (r) => executeConnect(target, r);
    return 0;
  }
  if (controller === null) return Status.commandSequenceError | DNR;
  controller.traffic = true;
  switch (request.fctype) {
    case FabricsType.propertyGet:
      if (queue.qid !== 0) return Status.invalidOpcode | DNR;
      request.execute = (r) => executePropertyGet(target, r);
      return 0;
    case FabricsType.propertySet:
      if (queue.qid !== 0) return Status.invalidOpcode | DNR;
      request.execute = executePropertySet;
      return 0;
    case FabricsType.disconnect:
      request.execute = executeDisconnect;
      return 0;
    default:
      return Status.invalidOpcode | DNR;
  }
}
