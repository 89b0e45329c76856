/**
 * Connect: an admin queue makes a new controller, an I/O queue joins one (NVMe Base 2.0 section 6.3).
 *
 * DNR is set only where the committed configuration says no: Linux deletes a path for good on a Connect status with DNR.
 * What may be different a moment later (starting, out of ids) is answered without it.
 */
import { DISCOVERY_NQN, readNqn } from '../../wire/nqn.ts';
import { DNR, Status } from '../../wire/status.ts';
import type { Controller } from '../controller.ts';
import type { Port } from '../port.ts';
import type { Request } from '../request.ts';
import type { Subsystem } from '../subsystem.ts';
import type { Target } from '../target.ts';

export const CONNECT_DATA_BYTES = 1024;

/** Offsets in the Connect data, figure 378. */
const HOSTID = 0;
const CNTLID = 16;
const SUBNQN = 256;
const HOSTNQN = 512;
/** Offsets in the submission queue entry, figure 377. */
const SQE_RECFMT = 40;
const SQE_QID = 42;
const SQE_SQSIZE = 44;

/** The host leaves the choice of a controller id to the subsystem (dynamic controller model). */
const CNTLID_DYNAMIC = 0xffff;
/** CATTR bit 2: disable SQ flow control. */
const CATTR_DISABLE_SQ_FLOW = 0x04;
/** CONNECT_INVALID_PARAMETERS dword 0: IATTR bit 16 says that the offset IPO is into the data, not the SQE. */
const IATTR_DATA = 1 << 16;
/** The smallest admin queue, section 3.3.3.1: 0's based 31. */
const MIN_ADMIN_SQSIZE = 31;

export function executeConnect(target: Target, request: Request): void {
  const data = request.data;
  const recfmt = request.cdw10 & 0xffff;
  const qid = request.cdw10 >>> 16;
  const sqsize = request.cdw11 & 0xffff;
  const cattr = (request.cdw11 >>> 16) & 0xff;
  if (recfmt !== 0) {
    refuse(request, Status.connectIncompatibleFormat, SQE_RECFMT);
    return;
  }
  const hostNqn = readNqn(data, HOSTNQN);
  const subNqn = readNqn(data, SUBNQN);
  if (subNqn === null || subNqn === '') {
    refuse(request, Status.connectInvalidParameters, IATTR_DATA | SUBNQN);
    return;
  }
  if (hostNqn === null || hostNqn === '') {
    refuse(request, Status.connectInvalidParameters, IATTR_DATA | HOSTNQN);
    return;
  }
  if (!target.accepting) {
    request.complete(Status.connectControllerBusy);
    return;
  }

  const { queue } = request;
  let port = queue.port;
  let subsystem: Subsystem | null = null;
  if (subNqn !== DISCOVERY_NQN) {
    subsystem = target.subsystems.get(subNqn) ?? null;
    const offering = subsystem && port.offering(subsystem, queue.transport.localAddress);
    if (subsystem === null || offering === null || port.discoveryOnly) {
      refuse(request, Status.connectInvalidParameters, IATTR_DATA | SUBNQN);
      return;
    }
    port = offering;
    if (!subsystem.hosts.isAllowed(hostNqn)) {
      target.log.warn(
        { hostNqn, subsystemNqn: subNqn, address: request.queue.transport.remoteAddress },
        'connect refused: host is not allowed on this subsystem (host add would allow it)',
      );
      request.complete(Status.connectInvalidHost | DNR);
      return;
    }
    if (subsystem.hosts.mustAuthenticate(hostNqn)) {
      target.log.warn(
        { hostNqn, subsystemNqn: subNqn, address: request.queue.transport.remoteAddress },
        'connect refused: the host has a key, and this version cannot authenticate hosts yet (without its keys it would be let in)',
      );
      request.complete(Status.authenticationRequired | DNR);
      return;
    }
  }
  const hostId = data.toString('hex', HOSTID, HOSTID + 16);
  const cntlid = data.readUInt16LE(CNTLID);
  const flowControl = (cattr & CATTR_DISABLE_SQ_FLOW) === 0;
  if (qid === 0)
    connectAdmin(target, request, port, subsystem, { hostNqn, hostId }, cntlid, sqsize, flowControl);
  else connectIo(target, request, subsystem, { hostNqn, hostId }, cntlid, qid, sqsize, flowControl);
}

function connectAdmin(
  target: Target,
  request: Request,
  port: Port,
  subsystem: Subsystem | null,
  host: { hostNqn: string; hostId: string },
  cntlid: number,
  sqsize: number,
  flowControl: boolean,
): void {
  if (cntlid !== CNTLID_DYNAMIC) {
    // only the dynamic controller model is offered
    refuse(request, Status.connectInvalidParameters, IATTR_DATA | CNTLID);
    return;
  }
  if (sqsize < MIN_ADMIN_SQSIZE || sqsize > target.settings.maxAdminQueueDepth - 1) {
    refuse(request, Status.connectInvalidParameters, SQE_SQSIZE);
    return;
  }
  const queue = request.queue;
  const controller = target.createController(port, subsystem, host, request.cdw12);
  if (controller === null) {
    target.log.warn(
      { hostNqn: host.hostNqn },
      'connect put off: every controller id of this gateway is in use',
    );
    request.complete(Status.connectControllerBusy);
    return;
  }
  controller.queues.set(0, queue);
  target.queuesConnected.admin += 1;
  queue.connected(controller, 0, sqsize, flowControl);
  succeed(request, controller);
}

function connectIo(
  target: Target,
  request: Request,
  subsystem: Subsystem | null,
  host: { hostNqn: string; hostId: string },
  cntlid: number,
  qid: number,
  sqsize: number,
  flowControl: boolean,
): void {
  if (subsystem === null) {
    // a discovery controller has no I/O queues
    refuse(request, Status.connectInvalidParameters, SQE_QID);
    return;
  }
  const queue = request.queue;
  const controller = target.findController(queue.port, subsystem, cntlid);
  if (controller === undefined || !controller.enabled) {
    // no DNR: the host's controller may have ended a moment ago and its next try makes a new one
    request.dw0 = IATTR_DATA | CNTLID;
    request.complete(Status.connectInvalidParameters);
    return;
  }
  if (controller.host.hostNqn !== host.hostNqn) {
    refuse(request, Status.connectInvalidParameters, IATTR_DATA | HOSTNQN);
    return;
  }
  if (controller.host.hostId !== host.hostId) {
    refuse(request, Status.connectInvalidParameters, IATTR_DATA | HOSTID);
    return;
  }
  if (sqsize === 0 || sqsize > target.settings.maxIoQueueDepth - 1) {
    refuse(request, Status.connectInvalidParameters, SQE_SQSIZE);
    return;
  }
  if (qid > controller.ioQueuesGranted) {
    refuse(request, Status.connectInvalidParameters, SQE_QID);
    return;
  }
  if (controller.queues.has(qid)) {
    request.refuse(Status.commandSequenceError);
    return;
  }
  controller.queues.set(qid, queue);
  target.queuesConnected.io += 1;
  controller.traffic = true;
  queue.connected(controller, qid, sqsize, flowControl);
  succeed(request, controller);
}

function succeed(request: Request, controller: Controller): void {
  const queue = request.queue;
  // AUTHREQ (bits 31:16) is 0: no authentication asked for
  request.dw0 = controller.cntlid;
  controller.log.info(
    {
      hostNqn: controller.host.hostNqn,
      subsystemNqn: controller.subsystem?.nqn ?? DISCOVERY_NQN,
      cntlid: controller.cntlid,
      qid: queue.qid,
      address: `${queue.transport.remoteAddress}:${queue.transport.remotePort}`,
      ...(queue.qid === 0 ? { katoMs: controller.katoMs } : {}),
    },
    'host connected',
  );
  request.complete(Status.success);
}

/** `parameter` is IPO with IATTR, the wrong field's place. */
function refuse(request: Request, status: number, parameter: number): void {
  request.dw0 = parameter >>> 0;
  request.complete(status | DNR);
}
