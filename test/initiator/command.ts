/** Submission queue entries: opcodes, SGL descriptors and builders for every command that the tests send. */

export const AdminOpcode = {
  deleteSq: 0x00,
  createSq: 0x01,
  getLogPage: 0x02,
  identify: 0x06,
  abort: 0x08,
  setFeatures: 0x09,
  getFeatures: 0x0a,
  asyncEvent: 0x0c,
  nsManagement: 0x0d,
  keepAlive: 0x18,
  fabrics: 0x7f,
} as const;

export const IoOpcode = {
  flush: 0x00,
  write: 0x01,
  read: 0x02,
  writeUncorrectable: 0x04,
  compare: 0x05,
  writeZeroes: 0x08,
  dsm: 0x09,
  verify: 0x0c,
  reservationRegister: 0x0d,
  copy: 0x19,
} as const;

export const Fctype = {
  propertySet: 0x00,
  connect: 0x01,
  propertyGet: 0x04,
  authSend: 0x05,
  disconnect: 0x08,
} as const;

export const Feature = {
  arbitration: 0x01,
  powerManagement: 0x02,
  temperature: 0x04,
  errorRecovery: 0x05,
  volatileWriteCache: 0x06,
  numberOfQueues: 0x07,
  interruptCoalescing: 0x08,
  writeAtomicity: 0x0a,
  asyncEvent: 0x0b,
  apst: 0x0c,
  hostMemoryBuffer: 0x0d,
  timestamp: 0x0e,
  keepAlive: 0x0f,
  hostBehavior: 0x16,
  hostIdentifier: 0x81,
} as const;

export const Property = { cap: 0x00, vs: 0x08, cc: 0x14, csts: 0x1c, nssr: 0x20 } as const;

/** How a command's data travels. */
export const Sgl = {
  /** Data Block descriptor with offset subtype: the data is in the capsule. */
  inCapsule: 0x01,
  /** Transport Data Block descriptor: C2HData or R2T. */
  transport: 0x5a,
} as const;

/** The 64 bytes of one command with CID 0; a queue fills in the CID. */
export interface Sqe {
  opcode: number;
  /** FUSE bits 1:0 of the flags byte: 1 first, 2 second. */
  fuse?: number;
  nsid?: number;
  /** CDW10..CDW15. */
  cdw?: readonly number[];
}

/** The bytes of a command; PSDT says SGL, the descriptor is empty until {@link setSgl}. */
export function sqe(spec: Sqe): Buffer {
  const bytes = Buffer.alloc(64);
  bytes[0] = spec.opcode;
  bytes[1] = 0x40 | (spec.fuse ?? 0);
  bytes.writeUInt32LE((spec.nsid ?? 0) >>> 0, 4);
  setSgl(bytes, Sgl.transport, 0);
  spec.cdw?.forEach((value, i) => {
    bytes.writeUInt32LE(value >>> 0, 40 + 4 * i);
  });
  return bytes;
}

export function setSgl(command: Buffer, descriptor: number, length: number, address = 0): void {
  command.writeBigUInt64LE(BigInt(address), 24);
  command.writeUInt32LE(length >>> 0, 32);
  command.fill(0, 36, 39);
  command[39] = descriptor;
}

export interface ConnectSpec {
  qid?: number;
  /** 0-based. */
  sqsize?: number;
  cattr?: number;
  /** Milliseconds. */
  kato?: number;
  recfmt?: number;
}

export function connectSqe(spec: ConnectSpec = {}): Buffer {
  const bytes = fabricsSqe(Fctype.connect);
  bytes.writeUInt16LE(spec.recfmt ?? 0, 40);
  bytes.writeUInt16LE(spec.qid ?? 0, 42);
  bytes.writeUInt16LE(spec.sqsize ?? 31, 44);
  bytes[46] = spec.cattr ?? 0;
  bytes.writeUInt32LE((spec.kato ?? 0) >>> 0, 48);
  return bytes;
}

export interface ConnectDataSpec {
  /** 16 bytes. */
  hostid: Uint8Array;
  cntlid?: number;
  subnqn: string;
  hostnqn: string;
}

/** The 1024 bytes of Connect data. */
export function connectData(spec: ConnectDataSpec): Buffer {
  const bytes = Buffer.alloc(1024);
  bytes.set(spec.hostid, 0);
  bytes.writeUInt16LE(spec.cntlid ?? 0xffff, 16);
  bytes.write(spec.subnqn, 256, 256, 'latin1');
  bytes.write(spec.hostnqn, 512, 256, 'latin1');
  return bytes;
}

export function propertyGetSqe(offset: number, size: 4 | 8): Buffer {
  const bytes = fabricsSqe(Fctype.propertyGet);
  bytes[40] = size === 8 ? 1 : 0;
  bytes.writeUInt32LE(offset, 44);
  return bytes;
}

export function propertySetSqe(offset: number, value: number, size: 4 | 8 = 4): Buffer {
  const bytes = fabricsSqe(Fctype.propertySet);
  bytes[40] = size === 8 ? 1 : 0;
  bytes.writeUInt32LE(offset, 44);
  bytes.writeUInt32LE(value >>> 0, 48);
  return bytes;
}

export function disconnectSqe(recfmt = 0): Buffer {
  const bytes = fabricsSqe(Fctype.disconnect);
  bytes.writeUInt16LE(recfmt, 40);
  return bytes;
}

export function fabricsSqe(fctype: number): Buffer {
  const bytes = sqe({ opcode: AdminOpcode.fabrics });
  bytes[4] = fctype;
  return bytes;
}

export interface IdentifySpec {
  cns: number;
  cntid?: number;
  nsid?: number;
  csi?: number;
  /** CNS specific identifier, CDW11 15:0. */
  cnssid?: number;
}

export function identifySqe(spec: IdentifySpec): Buffer {
  return sqe({
    opcode: AdminOpcode.identify,
    nsid: spec.nsid ?? 0,
    cdw: [spec.cns | ((spec.cntid ?? 0) << 16), (spec.cnssid ?? 0) | ((spec.csi ?? 0) << 24)],
  });
}

export interface LogSpec {
  lid: number;
  /** Bytes to read, a multiple of 4. */
  length: number;
  /** Bytes. */
  offset?: number;
  lsp?: number;
  rae?: boolean;
  nsid?: number;
}

export function getLogPageSqe(spec: LogSpec): Buffer {
  const numd = spec.length / 4 - 1;
  const offset = spec.offset ?? 0;
  return sqe({
    opcode: AdminOpcode.getLogPage,
    nsid: spec.nsid ?? 0xffffffff,
    cdw: [
      spec.lid | ((spec.lsp ?? 0) << 8) | (spec.rae ? 1 << 15 : 0) | ((numd & 0xffff) << 16),
      numd >>> 16,
      offset % 2 ** 32,
      Math.floor(offset / 2 ** 32),
    ],
  });
}

/** Read, Write, Compare and Write Zeroes: SLBA, block count (1-based here), CDW12 bits such as FUA (bit 30). */
export function ioSqe(opcode: number, nsid: number, slba: number, blocks: number, bits = 0): Buffer {
  return sqe({
    opcode,
    nsid,
    cdw: [slba % 2 ** 32, Math.floor(slba / 2 ** 32), ((blocks - 1) & 0xffff) | bits],
  });
}

export const Cdw12 = { deac: 1 << 25, fua: 1 << 30, lr: 1 << 31 } as const;

export interface DsmRange {
  slba: number;
  blocks: number;
}

/** Dataset Management ranges, 16 bytes each. */
export function dsmRanges(ranges: readonly DsmRange[]): Buffer {
  const bytes = Buffer.alloc(16 * ranges.length);
  ranges.forEach((range, i) => {
    bytes.writeUInt32LE(range.blocks >>> 0, 16 * i + 4);
    bytes.writeBigUInt64LE(BigInt(range.slba), 16 * i + 8);
  });
  return bytes;
}

/** `attributes` bit 2: deallocate. */
export function dsmSqe(nsid: number, ranges: number, attributes = 4): Buffer {
  return sqe({ opcode: IoOpcode.dsm, nsid, cdw: [(ranges - 1) & 0xff, attributes] });
}
