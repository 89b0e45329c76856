/**
 * Log pages (NVMe base 2.0 section 5.16) as pure functions from values to the whole page; cutting out what Get Log
 * Page asks for (LPO, NUMD) is the caller's. Fields are named as the specification abbreviates them.
 */
import { ascii, encodeFields, type FieldValues, u8, u16, u32, u64, u128 } from './layout.ts';

/** Log page identifiers (base figure 202). */
export const LogPageId = {
  supportedLogPages: 0x00,
  errorInformation: 0x01,
  smartHealth: 0x02,
  firmwareSlot: 0x03,
  changedNamespaceList: 0x04,
  commandsSupportedAndEffects: 0x05,
  deviceSelfTest: 0x06,
  telemetryHostInitiated: 0x07,
  telemetryControllerInitiated: 0x08,
  enduranceGroup: 0x09,
  ana: 0x0c,
  persistentEvent: 0x0d,
  featureIdentifiersSupportedAndEffects: 0x12,
  discovery: 0x70,
  reservationNotification: 0x80,
  sanitizeStatus: 0x81,
} as const;

/** Error Information Log Entry, LID 01h (base figure 206). */
const ERROR_ENTRY_LAYOUT = {
  /** Counts from 1; 0 marks an invalid entry. */
  errorCount: u64(0),
  sqid: u16(8),
  cid: u16(10),
  /** As in the completion, phase tag included: status in bits 15:1. */
  status: u16(12),
  /** Byte 7:0, bit 10:8; FFFFh: no particular place. */
  parameterErrorLocation: u16(14),
  lba: u64(16),
  nsid: u32(24),
  vendorLogPage: u8(28),
  trtype: u8(29),
  csi: u8(30),
  opcode: u8(31),
  commandSpecific: u64(32),
  transportSpecific: u16(40),
  /** 1h: CSI and opcode are valid. */
  version: u8(63),
};
export const ERROR_ENTRY_BYTES = 64;

export type ErrorEntry = FieldValues<typeof ERROR_ENTRY_LAYOUT>;

/** Error information: newest entry first; `slots` is ELPE + 1, and the slots without an entry are zero. */
export function encodeErrorLog(newestFirst: readonly ErrorEntry[], slots: number): Buffer {
  const buf = Buffer.alloc(slots * ERROR_ENTRY_BYTES);
  newestFirst.slice(0, slots).forEach((entry, i) => {
    encodeFields(ERROR_ENTRY_LAYOUT, entry, buf, i * ERROR_ENTRY_BYTES);
  });
  return buf;
}

/** SMART / Health Information, LID 02h (base figure 207). Temperatures in kelvins. */
const SMART_LAYOUT = {
  criticalWarning: u8(0),
  compositeTemperature: u16(1),
  availableSpare: u8(3),
  availableSpareThreshold: u8(4),
  percentageUsed: u8(5),
  enduranceGroupCriticalWarning: u8(6),
  /** Thousands of 512-byte units, rounded up. */
  dataUnitsRead: u128(32),
  dataUnitsWritten: u128(48),
  hostReadCommands: u128(64),
  hostWriteCommands: u128(80),
  /** Minutes. */
  controllerBusyTime: u128(96),
  powerCycles: u128(112),
  powerOnHours: u128(128),
  unsafeShutdowns: u128(144),
  mediaErrors: u128(160),
  errorLogEntries: u128(176),
  warningTemperatureTime: u32(192),
  criticalTemperatureTime: u32(196),
};

export type SmartHealth = FieldValues<typeof SMART_LAYOUT>;

export function encodeSmartLog(values: SmartHealth): Buffer {
  const buf = Buffer.alloc(512);
  encodeFields(SMART_LAYOUT, values, buf);
  return buf;
}

/** Firmware Slot Information, LID 03h (base figure 208). */
const FIRMWARE_SLOT_LAYOUT = {
  /** Bits 2:0 the active slot, 6:4 the slot of the next reset. */
  afi: u8(0),
  frs1: ascii(8, 8),
};

/** One slot, active, with that firmware revision (at most 8 ASCII characters). */
export function encodeFirmwareSlotLog(revision: string): Buffer {
  const buf = Buffer.alloc(512);
  encodeFields(FIRMWARE_SLOT_LAYOUT, { afi: 1, frs1: revision }, buf);
  return buf;
}

/** Namespace ids that the Changed Namespace List can name. */
const CHANGED_NAMESPACES_MAX = 1024;

/**
 * Changed Namespace List, LID 04h (base section 5.16.1.5): ascending ids, or FFFFFFFFh alone when more changed than
 * the list holds.
 */
export function encodeChangedNamespaceList(nsids: Iterable<number>): Buffer {
  const buf = Buffer.alloc(CHANGED_NAMESPACES_MAX * 4);
  const ascending = [...nsids].sort((a, b) => a - b);
  if (ascending.length > CHANGED_NAMESPACES_MAX) {
    buf.writeUInt32LE(0xffffffff, 0);
  } else {
    ascending.forEach((nsid, i) => {
      buf.writeUInt32LE(nsid, i * 4);
    });
  }
  return buf;
}

/** Bits of a command's or feature's "supported and effects" entry (base figures 211 and 231). */
export const Effects = {
  /** CSUPP, FSUPP. */
  supported: 1 << 0,
  /** LBCC, UDCC: changes logical block content. */
  contentChange: 1 << 1,
  namespaceCapabilityChange: 1 << 2,
  namespaceInventoryChange: 1 << 3,
  controllerCapabilityChange: 1 << 4,
  uuidSelection: 1 << 19,
  /** Scope of a feature, in bits 31:20. */
  namespaceScope: 1 << 20,
  controllerScope: 1 << 21,
  subsystemScope: 1 << 25,
} as const;

/** Numbers of commands, features or log pages, each with its 32-bit entry. */
export type SupportTable = Iterable<readonly [id: number, entry: number]>;

/** Commands Supported and Effects, LID 05h (base figure 210): tables by opcode. */
export function encodeCommandEffectsLog(adminCommands: SupportTable, ioCommands: SupportTable): Buffer {
  const buf = Buffer.alloc(4096);
  putSupport(buf, 0, adminCommands);
  putSupport(buf, 1024, ioCommands);
  return buf;
}

/** Feature Identifiers Supported and Effects, LID 12h (base figure 230). */
export function encodeFeatureEffectsLog(features: SupportTable): Buffer {
  const buf = Buffer.alloc(1024);
  putSupport(buf, 0, features);
  return buf;
}

/** Bits of an entry of the Supported Log Pages (base figure 204); bits 31:16 are the page's own. */
export const LogPageSupport = {
  supported: 1 << 0,
  /** The offset may be an index (OT bit). */
  indexOffset: 1 << 1,
} as const;

/** Supported Log Pages, LID 00h (base figure 203). */
export function encodeSupportedLogPages(pages: SupportTable): Buffer {
  const buf = Buffer.alloc(1024);
  putSupport(buf, 0, pages);
  return buf;
}

function putSupport(buf: Buffer, base: number, table: SupportTable): void {
  for (const [id, entry] of table) {
    if (!Number.isInteger(id) || id < 0 || id > 255) throw new RangeError(`no such identifier: ${id}`);
    buf.writeUInt32LE(entry >>> 0, base + id * 4);
  }
}
