/** Get Log Page: which page, which part of it, and what reading it clears (NVMe Base 2.0 section 5.16). */

import { anaLogMaxBytes, encodeAnaLog } from '../../wire/ana-log.ts';
import { encodeDiscoveryLog } from '../../wire/discovery-log.ts';
import {
  Effects,
  encodeChangedNamespaceList,
  encodeCommandEffectsLog,
  encodeErrorLog,
  encodeFeatureEffectsLog,
  encodeFirmwareSlotLog,
  encodeSmartLog,
  encodeSupportedLogPages,
  LogPageId,
  LogPageSupport,
} from '../../wire/log-pages.ts';
import { AdminOpcode, IoOpcode } from '../../wire/opcodes.ts';
import { Status } from '../../wire/status.ts';
import type { Controller } from '../controller.ts';
import { discoveryLogFor } from '../discovery.ts';
import { ERROR_LOG_ENTRIES } from '../error-log.ts';
import type { Request } from '../request.ts';
import type { Target } from '../target.ts';
import { CHANGEABLE_FEATURE_IDS, featureIdsOf } from './features.ts';

/** NVMe-MI Commands Supported and Effects: LPA bit 5 promises the page; there is no management interface. */
const MI_EFFECTS = 0x13;
const MI_EFFECTS_BYTES = 4096;
const BROADCAST_NSID = 0xffff_ffff;
/** No discovery log comes near this size. */
const DISCOVERY_OFFSET_MAX = 64 * 1024 * 1024;
/** CDW10. */
const RAE = 0x8000;
const RGO = 0x1;
/** CDW14: the offset counts entries instead of bytes. */
const OFFSET_IS_INDEX = 0x0080_0000;

const ADMIN_EFFECTS = supportedCommands(Object.values(AdminOpcode));
const DISCOVERY_EFFECTS = supportedCommands(
  Object.values(AdminOpcode).filter((opcode) => opcode !== AdminOpcode.abort),
);
const IO_EFFECTS = Object.values(IoOpcode).map((opcode) => {
  const changes =
    opcode === IoOpcode.write || opcode === IoOpcode.writeZeroes || opcode === IoOpcode.datasetManagement;
  return [opcode, Effects.supported | (changes ? Effects.contentChange : 0)] as const;
});

const IO_CONTROLLER_PAGES: readonly number[] = [
  LogPageId.supportedLogPages,
  LogPageId.errorInformation,
  LogPageId.smartHealth,
  LogPageId.firmwareSlot,
  LogPageId.changedNamespaceList,
  LogPageId.commandsSupportedAndEffects,
  LogPageId.ana,
  LogPageId.featureIdentifiersSupportedAndEffects,
  MI_EFFECTS,
];

/** Base 2.1 figure 31: what every discovery controller has. */
const DISCOVERY_PAGES: readonly number[] = [
  LogPageId.supportedLogPages,
  LogPageId.commandsSupportedAndEffects,
  LogPageId.featureIdentifiersSupportedAndEffects,
  MI_EFFECTS,
  LogPageId.discovery,
];

function pagesOf(controller: Controller): readonly number[] {
  return controller.isDiscovery ? DISCOVERY_PAGES : IO_CONTROLLER_PAGES;
}

function supportedCommands(opcodes: readonly number[]) {
  return opcodes.map((opcode) => [opcode, Effects.supported] as const);
}

export function executeGetLogPage(target: Target, controller: Controller, request: Request): void {
  const lid = request.cdw10 & 0xff;
  const offset = request.cdw12 + request.cdw13 * 0x1_0000_0000;
  if (offset % 4 !== 0 || (request.cdw14 & OFFSET_IS_INDEX) !== 0) {
    request.refuse(Status.invalidField);
    return;
  }
  const status = controller.isDiscovery
    ? readDiscovery(target, controller, request, lid, offset)
    : readPage(target, controller, request, lid, offset);
  if (status !== 0) {
    request.refuse(status);
    return;
  }
  // reading with Retain Asynchronous Event cleared: the host knows what there is to know
  if ((request.cdw10 & RAE) === 0) {
    if (lid === LogPageId.changedNamespaceList) controller.changedNamespaces = new Set();
    controller.events.logRead(lid);
  }
  request.complete(Status.success);
}

function readDiscovery(
  target: Target,
  controller: Controller,
  request: Request,
  lid: number,
  offset: number,
): number {
  if (lid !== LogPageId.discovery) return readPage(target, controller, request, lid, offset);
  if (!isForAll(request)) return Status.invalidField;
  // the log may have become shorter since the host read its header: what is past the end is zero, GENCTR tells why
  if (offset > DISCOVERY_OFFSET_MAX) return Status.invalidField;
  encodeDiscoveryLog(discoveryLogFor(target, controller), offset, request.data);
  return 0;
}

function readPage(
  target: Target,
  controller: Controller,
  request: Request,
  lid: number,
  offset: number,
): number {
  if (!pagesOf(controller).includes(lid)) return Status.invalidLogPage;
  if (lid !== LogPageId.smartHealth && !isForAll(request)) return Status.invalidField;
  const page = buildPage(target, controller, request, lid);
  if (typeof page === 'number') return page;
  // nvme-cli 2.3 reads the ANA log up to the largest size that Identify lets it expect
  const size =
    lid === LogPageId.ana
      ? anaLogMaxBytes(controller.port.ana.maxGroups, target.settings.maxNamespaces)
      : page.length;
  if (offset > size) return Status.invalidField;
  const copied = offset < page.length ? page.copy(request.data, 0, offset) : 0;
  request.data.fill(0, copied);
  return 0;
}

/** Only the SMART page is about namespaces; one that is asked of another page is a mistake (base section 5.16). */
function isForAll({ nsid }: Request): boolean {
  return nsid === 0 || nsid === BROADCAST_NSID;
}

/** The whole page, or a status. */
function buildPage(target: Target, controller: Controller, request: Request, lid: number): Buffer | number {
  switch (lid) {
    case LogPageId.supportedLogPages:
      return encodeSupportedLogPages(
        pagesOf(controller).map((id) => [id, LogPageSupport.supported] as const),
      );
    case LogPageId.errorInformation:
      return errorLog(controller);
    case LogPageId.smartHealth:
      return smartLog(controller, request.nsid);
    case LogPageId.firmwareSlot:
      return encodeFirmwareSlotLog(target.settings.firmware);
    case LogPageId.changedNamespaceList:
      return controller.changedNamespaces === null
        ? manyNamespaces()
        : encodeChangedNamespaceList(controller.changedNamespaces);
    case LogPageId.commandsSupportedAndEffects:
      return controller.isDiscovery
        ? encodeCommandEffectsLog(DISCOVERY_EFFECTS, [])
        : encodeCommandEffectsLog(ADMIN_EFFECTS, IO_EFFECTS);
    case LogPageId.ana:
      return anaLog(controller, (request.cdw10 & (RGO << 8)) !== 0);
    case LogPageId.featureIdentifiersSupportedAndEffects:
      return encodeFeatureEffectsLog(
        featureIdsOf(controller).map((id) => [
          id,
          Effects.supported |
            Effects.controllerScope |
            (CHANGEABLE_FEATURE_IDS.has(id) ? Effects.controllerCapabilityChange : 0),
        ]),
      );
    case MI_EFFECTS:
      return Buffer.alloc(MI_EFFECTS_BYTES);
    default:
      return Status.invalidLogPage;
  }
}

function manyNamespaces(): Buffer {
  const page = Buffer.alloc(4096);
  page.writeUInt32LE(BROADCAST_NSID, 0);
  return page;
}

function errorLog(controller: Controller): Buffer {
  const entries = controller.errors.list().map((entry) => ({
    ...entry,
    status: (entry.status << 1) & 0xffff,
    parameterErrorLocation: 0xffff,
    trtype: 3,
  }));
  return encodeErrorLog(entries, ERROR_LOG_ENTRIES);
}

function smartLog(controller: Controller, nsid: number): Buffer | number {
  const all = nsid === 0 || nsid === BROADCAST_NSID;
  const one = controller.namespace(nsid);
  if (!all && one === undefined) return Status.invalidNamespaceOrFormat;
  let reads = 0;
  let writes = 0;
  let readBytes = 0;
  let writtenBytes = 0;
  let errors = 0;
  for (const { stats } of all ? controller.namespaces() : [one!]) {
    reads += stats.reads.count;
    writes += stats.writes.count;
    readBytes += stats.reads.bytes;
    writtenBytes += stats.writes.bytes;
    errors += stats.mediaErrors;
  }
  const upSeconds = controller.clock.nowMs() / 1000;
  return encodeSmartLog({
    // no sensor: a room temperature that no tool warns about
    compositeTemperature: 298,
    availableSpare: 100,
    availableSpareThreshold: 10,
    dataUnitsRead: dataUnits(readBytes),
    dataUnitsWritten: dataUnits(writtenBytes),
    hostReadCommands: reads,
    hostWriteCommands: writes,
    powerOnHours: Math.floor(upSeconds / 3600),
    mediaErrors: errors,
    errorLogEntries: controller.errors.count,
  });
}

/** Thousands of 512-byte units, rounded up. */
function dataUnits(bytes: number): number {
  return Math.ceil(bytes / 512_000);
}

/** Groups that exist on this gateway or hold a namespace that the host sees, ascending. */
function anaLog(controller: Controller, groupsOnly: boolean): Buffer {
  const ana = controller.port.ana;
  const members = new Map<number, number[]>();
  for (const namespace of controller.namespaces()) {
    const list = members.get(namespace.anaGroupId);
    if (list === undefined) members.set(namespace.anaGroupId, [namespace.nsid]);
    else list.push(namespace.nsid);
  }
  const groups = ana.groups
    .filter((group) => group.known || members.has(group.id))
    .map((group) => ({
      anagrpid: group.id,
      changeCount: group.changeCount,
      state: group.state,
      nsids: members.get(group.id) ?? [],
    }));
  return encodeAnaLog({ changeCount: ana.changeCount, groups }, groupsOnly);
}
