/** Identify pages as the host reads them; offsets from NVMe base 2.0 and the NVM command set. */

export interface ControllerPage {
  raw: Buffer;
  vid: number;
  serial: string;
  model: string;
  firmware: string;
  cmic: number;
  mdts: number;
  cntlid: number;
  version: number;
  oaes: number;
  ctratt: number;
  cntrltype: number;
  oacs: number;
  acl: number;
  aerl: number;
  frmw: number;
  lpa: number;
  elpe: number;
  kas: number;
  anatt: number;
  anacap: number;
  anagrpmax: number;
  nanagrpid: number;
  sqes: number;
  cqes: number;
  maxcmd: number;
  nn: number;
  oncs: number;
  fuses: number;
  vwc: number;
  awun: number;
  awupf: number;
  acwu: number;
  sgls: number;
  mnan: number;
  subnqn: string;
  ioccsz: number;
  iorcsz: number;
  icdoff: number;
  fcatt: number;
  msdbd: number;
}

const ascii = (page: Buffer, from: number, to: number) => page.toString('latin1', from, to);

/** A NUL-terminated string in a fixed field. */
export function cString(page: Buffer, from: number, to: number): string {
  const field = page.subarray(from, to);
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end < 0 ? field.length : end);
}

export function parseController(page: Buffer): ControllerPage {
  return {
    raw: page,
    vid: page.readUInt16LE(0),
    serial: ascii(page, 4, 24),
    model: ascii(page, 24, 64),
    firmware: ascii(page, 64, 72),
    cmic: page[76],
    mdts: page[77],
    cntlid: page.readUInt16LE(78),
    version: page.readUInt32LE(80),
    oaes: page.readUInt32LE(92),
    ctratt: page.readUInt32LE(96),
    cntrltype: page[111],
    oacs: page.readUInt16LE(256),
    acl: page[258],
    aerl: page[259],
    frmw: page[260],
    lpa: page[261],
    elpe: page[262],
    kas: page.readUInt16LE(320),
    anatt: page[342],
    anacap: page[343],
    anagrpmax: page.readUInt32LE(344),
    nanagrpid: page.readUInt32LE(348),
    sqes: page[512],
    cqes: page[513],
    maxcmd: page.readUInt16LE(514),
    nn: page.readUInt32LE(516),
    oncs: page.readUInt16LE(520),
    fuses: page.readUInt16LE(522),
    vwc: page[525],
    awun: page.readUInt16LE(526),
    awupf: page.readUInt16LE(528),
    acwu: page.readUInt16LE(532),
    sgls: page.readUInt32LE(536),
    mnan: page.readUInt32LE(540),
    subnqn: cString(page, 768, 1024),
    ioccsz: page.readUInt32LE(1792),
    iorcsz: page.readUInt32LE(1796),
    icdoff: page.readUInt16LE(1800),
    fcatt: page[1802],
    msdbd: page[1803],
  };
}

export interface NamespacePage {
  raw: Buffer;
  /** Blocks. */
  nsze: number;
  ncap: number;
  nuse: number;
  nsfeat: number;
  nlbaf: number;
  flbas: number;
  nmic: number;
  rescap: number;
  dlfeat: number;
  /** Blocks; 0: there is no boundary. */
  noiob: number;
  /** Blocks: preferred granularity and alignment of writes and of deallocations, best size of a write. */
  npwg: number;
  npwa: number;
  npdg: number;
  npda: number;
  nows: number;
  anagrpid: number;
  nsattr: number;
  nguid: string;
  eui64: string;
  /** Bytes per block of the current format. */
  blockSize: number;
  metadataSize: number;
}

export function parseNamespace(page: Buffer): NamespacePage {
  const flbas = page[26];
  const format = page.readUInt32LE(128 + 4 * (flbas & 0xf));
  return {
    raw: page,
    nsze: Number(page.readBigUInt64LE(0)),
    ncap: Number(page.readBigUInt64LE(8)),
    nuse: Number(page.readBigUInt64LE(16)),
    nsfeat: page[24],
    nlbaf: page[25],
    flbas,
    nmic: page[30],
    rescap: page[31],
    dlfeat: page[33],
    noiob: page.readUInt16LE(46),
    npwg: page.readUInt16LE(64) + 1,
    npwa: page.readUInt16LE(66) + 1,
    npdg: page.readUInt16LE(68) + 1,
    npda: page.readUInt16LE(70) + 1,
    nows: page.readUInt16LE(72) + 1,
    anagrpid: page.readUInt32LE(92),
    nsattr: page[99],
    nguid: page.toString('hex', 104, 120),
    eui64: page.toString('hex', 120, 128),
    blockSize: 2 ** ((format >>> 16) & 0xff),
    metadataSize: format & 0xffff,
  };
}

/** The ascending NSIDs of a namespace list, ended by 0 or the page's end. */
export function parseNamespaceList(page: Buffer): number[] {
  const list: number[] = [];
  for (let at = 0; at + 4 <= page.length; at += 4) {
    const nsid = page.readUInt32LE(at);
    if (nsid === 0) break;
    list.push(nsid);
  }
  return list;
}

/** A controller list: count, then ascending ids. */
export function parseControllerList(page: Buffer): number[] {
  const count = page.readUInt16LE(0);
  return Array.from({ length: count }, (_, i) => page.readUInt16LE(2 + 2 * i));
}

export interface NamespaceDescriptor {
  /** 1 EUI64, 2 NGUID, 3 UUID, 4 CSI. */
  type: number;
  value: Buffer;
}

export function parseDescriptors(page: Buffer): NamespaceDescriptor[] {
  const list: NamespaceDescriptor[] = [];
  for (let at = 0; at + 4 <= page.length; ) {
    const length = page[at + 1];
    if (length === 0) break;
    list.push({ type: page[at], value: page.subarray(at + 4, at + 4 + length) });
    at += 4 + length;
  }
  return list;
}
