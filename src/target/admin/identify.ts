/** Identify: what this target is and can do, exactly (NVMe Base 2.0 section 5.17, NVM Command Set 1.0 section 4.1.5). */
import {
  Cns,
  CommandSet,
  encodeIdentifyController,
  encodeIdentifyNamespace,
  encodeIndependentNamespace,
  encodeNamespaceDescriptors,
  encodeNvmController,
  encodeNvmNamespace,
} from '../../wire/identify.ts';
import {
  encodeCommandSetCombinations,
  encodeControllerList,
  encodeNamespaceList,
} from '../../wire/identify-lists.ts';
import { DISCOVERY_NQN } from '../../wire/nqn.ts';
import { Status } from '../../wire/status.ts';
import { anaChange, discoveryLogChanged, namespaceAttributeChanged } from '../async-events.ts';
import type { Controller } from '../controller.ts';
import { ERROR_LOG_ENTRIES } from '../error-log.ts';
import { VERSION } from '../fabrics/property.ts';
import { ACWU_BLOCKS } from '../io/fused.ts';
import type { Namespace } from '../namespace.ts';
import type { Request } from '../request.ts';
import type { Target } from '../target.ts';

const MEMORY_PAGE_BITS = 12;
const SQE_BYTES = 64;
/** The greatest power of two that NOIOB can say: Linux passes over anything else. */
const NOIOB_MAX = 0x8000;
/** NSIDs that a namespace list may not start after. */
const LIST_NSID_MAX = 0xffff_fffd;

/** CMIC: several controllers and ports, ANA reporting. */
const CMIC = 0x0b;
/** CTRATT: 128-bit host identifier, traffic based keep alive. */
const CTRATT = 0x41;
/** LPA: SMART per namespace, commands supported and effects, LPO and 32-bit NUMD, supported log pages and its like. */
const LPA = 0x27;
const LPA_DISCOVERY = 0x26;
/** ANACAP: optimized, non-optimized and inaccessible are reported; a namespace's group may change. */
const ANACAP = 0x07;
/** ONCS: Compare, Dataset Management, Write Zeroes. */
const ONCS = 0x0d;
/** FUSES: Compare and Write. */
const FUSES = 0x01;
/** VWC: there is one, and Flush does not take the broadcast NSID. */
const VWC = 0x05;
/** SGLS: SGLs without alignment, in-capsule offset, transport data block. */
const SGLS = 0x30_0001;
/** OFCS: Disconnect. */
const OFCS = 0x01;
/** NSFEAT: NPWG, NPWA, NPDG, NPDA and NOWS are given. */
const NSFEAT_OPTPERF = 0x10;
/** DLFEAT: deallocated blocks read as zeroes; Write Zeroes may deallocate. */
const DLFEAT = 0x09;
const NSATTR_WRITE_PROTECTED = 0x01;
const NSTAT_READY = 0x01;
const NMIC_SHARED = 0x01;

export function executeIdentify(target: Target, controller: Controller, request: Request): void {
  const page = request.data.fill(0);
  const cns = request.cdw10 & 0xff;
  const status = controller.isDiscovery
    ? identifyDiscovery(target, controller, cns, page)
    : identify(target, controller, request, cns, page);
  if (status === 0) request.complete(Status.success);
  else request.refuse(status);
}

function identify(
  target: Target,
  controller: Controller,
  request: Request,
  cns: number,
  page: Buffer,
): number {
  switch (cns) {
    case Cns.controller:
      encodeIdentifyController(ioControllerFields(target, controller), page);
      return 0;
    case Cns.activeNamespaces:
    case Cns.allocatedNamespaces:
      return namespaceList(controller, request, page);
    case Cns.commandSetActiveNamespaces:
    case Cns.commandSetAllocatedNamespaces:
      return ofNvmCommandSet(request) ?? namespaceList(controller, request, page);
    case Cns.namespace:
    case Cns.allocatedNamespace:
      return ofNamespace(target, controller, request, (namespace) => putNamespace(target, namespace, page));
    case Cns.independentNamespace:
      return ofNamespace(target, controller, request, (namespace) =>
        encodeIndependentNamespace(
          {
            // its NSFEAT is another one than CNS 00h's: bit 4 would say rotational media
            nmic: NMIC_SHARED,
            anagrpid: namespace.anaGroupId,
            nsattr: namespace.readOnly ? NSATTR_WRITE_PROTECTED : 0,
            nstat: NSTAT_READY,
          },
          page,
        ),
      );
    case Cns.commandSetNamespace:
    case Cns.commandSetAllocatedNamespace:
      return (
        ofNvmCommandSet(request) ??
        ofNamespace(target, controller, request, () => encodeNvmNamespace({}, page))
      );
    case Cns.commandSetController:
      if (commandSet(request) !== CommandSet.nvm) return Status.invalidField;
      encodeNvmController({}, page);
      return 0;
    case Cns.namespaceDescriptors: {
      const namespace = controller.namespace(request.nsid);
      if (namespace === undefined) return Status.invalidNamespaceOrFormat;
      encodeNamespaceDescriptors({ nguid: namespace.nguid, uuid: namespace.uuid, csi: CommandSet.nvm }, page);
      return 0;
    }
    case Cns.attachedControllers: {
      const namespace = controller.namespace(request.nsid);
      if (namespace === undefined) return Status.invalidNamespaceOrFormat;
      const attached = cntlids(controller, (other) => namespace.isVisibleTo(other));
      encodeControllerList(attached, request.cdw10 >>> 16, page);
      return 0;
    }
    case Cns.controllers:
      encodeControllerList(
        cntlids(controller, () => true),
        request.cdw10 >>> 16,
        page,
      );
      return 0;
    case Cns.commandSetCombinations:
      encodeCommandSetCombinations([1n << BigInt(CommandSet.nvm)], page);
      return 0;
    default:
      return Status.invalidField;
  }
}

/** CDW11 bits 31:24. */
function commandSet(request: Request): number {
  return request.cdw11 >>> 24;
}

function ofNvmCommandSet(request: Request): number | null {
  return commandSet(request) === CommandSet.nvm ? null : Status.invalidField;
}

/** Allocated is what the host may see as well: that others have namespaces is not its business. */
function namespaceList(controller: Controller, request: Request, page: Buffer): number {
  if (request.nsid > LIST_NSID_MAX) return Status.invalidNamespaceOrFormat;
  const nsids = [...controller.namespaces()].map(({ nsid }) => nsid);
  encodeNamespaceList(nsids, request.nsid, page);
  return 0;
}

/** A valid NSID without a namespace gets a page of zeroes. */
function ofNamespace(
  target: Target,
  controller: Controller,
  request: Request,
  put: (namespace: Namespace) => void,
): number {
  if (request.nsid === 0 || request.nsid > target.settings.maxNamespaces)
    return Status.invalidNamespaceOrFormat;
  const namespace = controller.namespace(request.nsid);
  if (namespace !== undefined) put(namespace);
  return 0;
}

/** Of the controllers of its subsystem that `wanted` picks, ascending. */
function cntlids(controller: Controller, wanted: (other: Controller) => boolean): number[] {
  const others = [...controller.subsystem!.controllers].filter(wanted);
  return others.map(({ cntlid }) => cntlid).sort((a, b) => a - b);
}

function ioControllerFields(target: Target, controller: Controller) {
  const subsystem = controller.subsystem!;
  const settings = target.settings;
  return {
    ...commonFields(target, controller),
    sn: subsystem.serial,
    mn: subsystem.model,
    subnqn: subsystem.nqn,
    rab: 6,
    cmic: CMIC,
    oaes: namespaceAttributeChanged.bit | anaChange.bit,
    cntrltype: 1,
    acl: 3,
    // one firmware slot, read only
    frmw: 0x03,
    lpa: LPA,
    anatt: settings.anaTransitionSeconds,
    anacap: ANACAP,
    anagrpmax: controller.port.ana.maxGroups,
    nanagrpid: controller.port.ana.maxGroups,
    sqes: 0x66,
    cqes: 0x44,
    maxcmd: settings.maxIoQueueDepth,
    nn: settings.maxNamespaces,
    mnan: settings.maxNamespaces,
    oncs: ONCS,
    fuses: FUSES,
    vwc: VWC,
    acwu: ACWU_BLOCKS - 1,
    ioccsz: (SQE_BYTES + settings.inCapsuleDataBytes) / 16,
    iorcsz: 1,
    msdbd: 1,
    ofcs: OFCS,
  };
}

function commonFields(target: Target, controller: Controller) {
  return {
    fr: target.settings.firmware,
    mdts: Math.log2(target.settings.maxTransferBytes) - MEMORY_PAGE_BITS,
    cntlid: controller.cntlid,
    ver: VERSION,
    ctratt: CTRATT,
    aerl: target.settings.maxAsyncEventRequests - 1,
    elpe: ERROR_LOG_ENTRIES - 1,
    // keep-alive granularity: 100 ms
    kas: 1,
    sgls: SGLS,
  };
}

function identifyDiscovery(target: Target, controller: Controller, cns: number, page: Buffer): number {
  if (cns !== Cns.controller) return Status.invalidField;
  encodeIdentifyController(
    {
      ...commonFields(target, controller),
      sn: 'discovery',
      mn: 'Anagate discovery',
      subnqn: DISCOVERY_NQN,
      oaes: discoveryLogChanged.bit,
      cntrltype: 2,
      lpa: LPA_DISCOVERY,
      maxcmd: target.settings.maxAdminQueueDepth,
    },
    page,
  );
  return 0;
}

function putNamespace(target: Target, namespace: Namespace, page: Buffer): void {
  const { boundary, write, bestWrite, discard } = namespace.device.optimal;
  // 0's based
  const blocks = (bytes: number): number => Math.max(1, Math.floor(bytes / namespace.blockSize)) - 1;
  encodeIdentifyNamespace(
    {
      nsze: namespace.blocks,
      ncap: namespace.blocks,
      nuse: namespace.blocks,
      nsfeat: NSFEAT_OPTPERF,
      dlfeat: DLFEAT,
      nmic: NMIC_SHARED,
      noiob: Math.min(boundary / namespace.blockSize, NOIOB_MAX),
      npwg: blocks(write),
      npwa: blocks(write),
      npdg: blocks(discard),
      npda: blocks(discard),
      // no write is larger than MDTS
      nows: blocks(Math.min(bestWrite, target.settings.maxTransferBytes)),
      anagrpid: namespace.anaGroupId,
      nsattr: namespace.readOnly ? NSATTR_WRITE_PROTECTED : 0,
      nguid: namespace.nguid,
      lbaf: [{ lbads: namespace.blockShift }],
    },
    page,
  );
}
