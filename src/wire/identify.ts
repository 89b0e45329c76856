/**
 * Identify data structures (NVMe base 2.0 section 5.17, NVM command set 1.0 section 4.1.5). Each encoder writes
 * into a zeroed page of 4096 bytes; fields are named as the specification abbreviates them, and a field that is not
 * given stays 0.
 */
import {
  ascii,
  bytes,
  encodeFields,
  type Field,
  type FieldValues,
  nested,
  repeated,
  u8,
  u16,
  u24,
  u32,
  u64,
  u128,
} from './layout.ts';
import { NQN_FIELD_BYTES, writeNqn } from './nqn.ts';

/** Size of every Identify data structure. */
export const IDENTIFY_BYTES = 4096;

/** CNS values (base figure 273, NVM command set). */
export const Cns = {
  namespace: 0x00,
  controller: 0x01,
  activeNamespaces: 0x02,
  namespaceDescriptors: 0x03,
  nvmSetList: 0x04,
  commandSetNamespace: 0x05,
  commandSetController: 0x06,
  commandSetActiveNamespaces: 0x07,
  independentNamespace: 0x08,
  allocatedNamespaces: 0x10,
  allocatedNamespace: 0x11,
  attachedControllers: 0x12,
  controllers: 0x13,
  namespaceGranularity: 0x16,
  uuidList: 0x17,
  domainList: 0x18,
  commandSetAllocatedNamespaces: 0x1a,
  commandSetAllocatedNamespace: 0x1b,
  commandSetCombinations: 0x1c,
} as const;

/** Command set identifiers (CSI). */
export const CommandSet = { nvm: 0x00, keyValue: 0x01, zoned: 0x02 } as const;

function nqnField(offset: number): Field<string> {
  return { offset, bytes: NQN_FIELD_BYTES, write: (buf, at, value) => writeNqn(value, buf, at) };
}

/** Power State Descriptor (base figure 276). */
const POWER_STATE = {
  mp: u16(0),
  /** Bit 0: scale of MP is 0.0001 W, bit 1: non-operational. */
  mxpsNops: u8(3),
  enlat: u32(4),
  exlat: u32(8),
  rrt: u8(12),
  rrl: u8(13),
  rwt: u8(14),
  rwl: u8(15),
  idlp: u16(16),
  ips: u8(18),
  actp: u16(20),
  apwAps: u8(22),
};

/** Identify Controller, CNS 01h (base figure 275), discovery controllers included. */
export const CONTROLLER_LAYOUT = {
  // Controller capabilities and features
  vid: u16(0),
  ssvid: u16(2),
  sn: ascii(4, 20),
  mn: ascii(24, 40),
  fr: ascii(64, 8),
  rab: u8(72),
  ieee: u24(73),
  cmic: u8(76),
  mdts: u8(77),
  cntlid: u16(78),
  ver: u32(80),
  rtd3r: u32(84),
  rtd3e: u32(88),
  oaes: u32(92),
  ctratt: u32(96),
  rrls: u16(100),
  cntrltype: u8(111),
  fguid: bytes(112, 16),
  crdt1: u16(128),
  crdt2: u16(130),
  crdt3: u16(132),
  nvmsr: u8(253),
  vwci: u8(254),
  mec: u8(255),
  // Admin command set attributes
  oacs: u16(256),
  acl: u8(258),
  aerl: u8(259),
  frmw: u8(260),
  lpa: u8(261),
  elpe: u8(262),
  npss: u8(263),
  avscc: u8(264),
  apsta: u8(265),
  wctemp: u16(266),
  cctemp: u16(268),
  mtfa: u16(270),
  hmpre: u32(272),
  hmmin: u32(276),
  tnvmcap: u128(280),
  unvmcap: u128(296),
  rpmbs: u32(312),
  edstt: u16(316),
  dsto: u8(318),
  fwug: u8(319),
  kas: u16(320),
  hctma: u16(322),
  mntmt: u16(324),
  mxtmt: u16(326),
  sanicap: u32(328),
  hmminds: u32(332),
  hmmaxd: u16(336),
  nsetidmax: u16(338),
  endgidmax: u16(340),
  anatt: u8(342),
  anacap: u8(343),
  anagrpmax: u32(344),
  nanagrpid: u32(348),
  pels: u32(352),
  domainid: u16(356),
  megcap: u128(368),
  /** Command Quiesce Time in milliseconds (base 2.1). */
  cqt: u16(386),
  // NVM command set attributes
  sqes: u8(512),
  cqes: u8(513),
  maxcmd: u16(514),
  nn: u32(516),
  oncs: u16(520),
  fuses: u16(522),
  fna: u8(524),
  vwc: u8(525),
  awun: u16(526),
  awupf: u16(528),
  icsvscc: u8(530),
  nwpc: u8(531),
  acwu: u16(532),
  ocfs: u16(534),
  sgls: u32(536),
  mnan: u32(540),
  maxdna: u128(544),
  maxcna: u32(560),
  subnqn: nqnField(768),
  // Fabrics specific
  ioccsz: u32(1792),
  iorcsz: u32(1796),
  icdoff: u16(1800),
  fcatt: u8(1802),
  msdbd: u8(1803),
  ofcs: u16(1804),
  dctype: u8(1806),
  psd0: nested(2048, 32, POWER_STATE),
};

export type IdentifyControllerFields = FieldValues<typeof CONTROLLER_LAYOUT>;

export function encodeIdentifyController(fields: IdentifyControllerFields, buf: Buffer): void {
  encodeFields(CONTROLLER_LAYOUT, fields, buf);
}

/** LBA Format (NVM figure 98). */
const LBA_FORMAT = {
  /** Metadata bytes per block. */
  ms: u16(0),
  /** Data size as a power of two: 9 or 12. */
  lbads: u8(2),
  /** Relative performance, 0 best .. 3. */
  rp: u8(3),
};

/** Identify Namespace of the NVM command set, CNS 00h and 11h (NVM figure 97). */
export const NAMESPACE_LAYOUT = {
  nsze: u64(0),
  ncap: u64(8),
  nuse: u64(16),
  nsfeat: u8(24),
  /** 0's based. */
  nlbaf: u8(25),
  flbas: u8(26),
  mc: u8(27),
  dpc: u8(28),
  dps: u8(29),
  nmic: u8(30),
  rescap: u8(31),
  fpi: u8(32),
  dlfeat: u8(33),
  nawun: u16(34),
  nawupf: u16(36),
  nacwu: u16(38),
  nabsn: u16(40),
  nabo: u16(42),
  nabspf: u16(44),
  noiob: u16(46),
  nvmcap: u128(48),
  npwg: u16(64),
  npwa: u16(66),
  npdg: u16(68),
  npda: u16(70),
  nows: u16(72),
  mssrl: u16(74),
  mcl: u32(76),
  msrc: u8(80),
  nulbaf: u8(82),
  anagrpid: u32(92),
  nsattr: u8(99),
  nvmsetid: u16(100),
  endgid: u16(102),
  nguid: bytes(104, 16),
  eui64: bytes(120, 8),
  lbaf: repeated(128, 4, 64, LBA_FORMAT),
};

export type IdentifyNamespaceFields = FieldValues<typeof NAMESPACE_LAYOUT>;

export function encodeIdentifyNamespace(fields: IdentifyNamespaceFields, buf: Buffer): void {
  encodeFields(NAMESPACE_LAYOUT, fields, buf);
}

/** I/O command set independent Identify Namespace, CNS 08h (base figure 280). */
const INDEPENDENT_NAMESPACE_LAYOUT = {
  nsfeat: u8(0),
  nmic: u8(1),
  rescap: u8(2),
  fpi: u8(3),
  anagrpid: u32(4),
  nsattr: u8(8),
  nvmsetid: u16(10),
  endgid: u16(12),
  /** Bit 0: the namespace is ready. */
  nstat: u8(14),
};

export type IndependentNamespaceFields = FieldValues<typeof INDEPENDENT_NAMESPACE_LAYOUT>;

export function encodeIndependentNamespace(fields: IndependentNamespaceFields, buf: Buffer): void {
  encodeFields(INDEPENDENT_NAMESPACE_LAYOUT, fields, buf);
}

/** NVM command set Identify Namespace, CNS 05h with CSI 0 (NVM figure 100). */
const NVM_NAMESPACE_LAYOUT = {
  lbstm: u64(0),
  pic: u8(8),
  pifa: u8(9),
  npdgl: u32(268),
  nprg: u32(272),
  npra: u32(276),
  nors: u32(280),
  npdal: u32(284),
};

export type NvmNamespaceFields = FieldValues<typeof NVM_NAMESPACE_LAYOUT>;

export function encodeNvmNamespace(fields: NvmNamespaceFields, buf: Buffer): void {
  encodeFields(NVM_NAMESPACE_LAYOUT, fields, buf);
}

/** NVM command set Identify Controller, CNS 06h with CSI 0 (NVM figure 101). Limits; 0 means none. */
const NVM_CONTROLLER_LAYOUT = {
  /** Verify, Write Zeroes, Write Uncorrectable: powers of two in units of CAP.MPSMIN. */
  vsl: u8(0),
  wzsl: u8(1),
  wusl: u8(2),
  /** Dataset Management: ranges per command, blocks per range, blocks per command. */
  dmrl: u8(3),
  dmrsl: u32(4),
  dmsl: u64(8),
};

export type NvmControllerFields = FieldValues<typeof NVM_CONTROLLER_LAYOUT>;

export function encodeNvmController(fields: NvmControllerFields, buf: Buffer): void {
  encodeFields(NVM_CONTROLLER_LAYOUT, fields, buf);
}

/** How a namespace is told from all others; what is absent gets no descriptor. */
export interface NamespaceIdentifiers {
  /** 8 bytes. */
  eui64?: Buffer;
  /** 16 bytes. */
  nguid?: Buffer;
  /** 16 bytes, in the order of the text. */
  uuid?: Buffer;
  /** Command set identifier. */
  csi?: number;
}

/** Namespace Identification Descriptor list, CNS 03h (base figure 277): NIDT, NIDL, 2 reserved bytes, identifier. */
export function encodeNamespaceDescriptors(identifiers: NamespaceIdentifiers, buf: Buffer): void {
  const { eui64, nguid, uuid, csi } = identifiers;
  let at = 0;
  at = putDescriptor(buf, at, 1, 8, eui64);
  at = putDescriptor(buf, at, 2, 16, nguid);
  at = putDescriptor(buf, at, 3, 16, uuid);
  putDescriptor(buf, at, 4, 1, csi === undefined ? undefined : Buffer.of(csi));
}

function putDescriptor(buf: Buffer, at: number, nidt: number, nidl: number, nid: Buffer | undefined): number {
  if (nid === undefined) return at;
  if (nid.length !== nidl) throw new RangeError(`namespace identifier type ${nidt} has ${nidl} bytes`);
  buf.writeUInt8(nidt, at);
  buf.writeUInt8(nidl, at + 1);
  buf.set(nid, at + 4);
  return at + 4 + nidl;
}
