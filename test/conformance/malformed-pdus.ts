/** PDUs that break the transport's rules, each with what the specification has the controller answer (NVMe/TCP 1.1 section 3.5). */
import { connectSqe, IoOpcode, ioSqe, Sgl, setSgl } from '../initiator/command.ts';
import {
  buildPdu,
  Fes,
  h2cDataSpecific,
  h2cTermReq,
  icReq,
  icReqSpecific,
  PduFlag,
  PduType,
} from '../initiator/pdu.ts';
import type { R2t } from '../initiator/queue.ts';

export interface BadPdu {
  name: string;
  /** Digests that ICReq asks for; the bytes are built to go with them. */
  hdgst?: boolean;
  ddgst?: boolean;
  bytes: () => Buffer;
  /** Fatal error status values that are right; empty: the connection ends without a C2HTermReq. */
  fes: readonly number[];
  /** Header field offsets that are right with FES 1 and 6. */
  fei?: readonly number[];
}

const {
  invalidHeaderField: FIELD,
  sequenceError: SEQUENCE,
  dataOutOfRange: RANGE,
  dataLimitExceeded: LIMIT,
  unsupportedParameter: PARAMETER,
} = Fes;

function capsule(overrides: Partial<Parameters<typeof buildPdu>[0]> = {}): Buffer {
  return buildPdu({ type: PduType.capsuleCmd, specific: connectSqe(), ...overrides });
}

function h2cData(
  ttag: number,
  length: number,
  overrides: Partial<Parameters<typeof buildPdu>[0]> = {},
): Buffer {
  return buildPdu({
    type: PduType.h2cData,
    flags: PduFlag.last,
    specific: h2cDataSpecific(1, ttag, 0, length),
    data: Buffer.alloc(length),
    ...overrides,
  });
}

function writeCapsule(length: number, overrides: Partial<Parameters<typeof buildPdu>[0]> = {}): Buffer {
  const command = ioSqe(IoOpcode.write, 1, 0, Math.max(1, length / 512));
  setSgl(command, Sgl.inCapsule, length);
  return buildPdu({
    type: PduType.capsuleCmd,
    specific: command,
    data: Buffer.alloc(length, 0x5a),
    ...overrides,
  });
}

/** As the first bytes of a connection. */
export const BEFORE_ICREQ: readonly BadPdu[] = [
  {
    name: 'unknown type 0Fh',
    bytes: () => buildPdu({ type: 0x0f, plen: 128, hlen: 128, specific: Buffer.alloc(120) }),
    fes: [FIELD, SEQUENCE],
    fei: [0],
  },
  { name: 'type FFh', bytes: () => Buffer.alloc(128, 0xff), fes: [FIELD, SEQUENCE], fei: [0] },
  {
    name: 'HTTP',
    bytes: () => Buffer.from('GET / HTTP/1.1\r\nHost: gateway\r\nAccept: */*\r\n\r\n'),
    fes: [FIELD, SEQUENCE],
    fei: [0],
  },
  { name: 'CapsuleCmd', bytes: () => capsule(), fes: [SEQUENCE] },
  { name: 'CapsuleCmd with data', bytes: () => capsule({ data: Buffer.alloc(1024) }), fes: [SEQUENCE] },
  { name: 'H2CData', bytes: () => h2cData(0, 512), fes: [SEQUENCE] },
  {
    name: 'ICResp',
    bytes: () => buildPdu({ type: PduType.icResp, specific: Buffer.alloc(120) }),
    fes: [FIELD, SEQUENCE],
    fei: [0],
  },
  {
    name: 'C2HTermReq',
    bytes: () => buildPdu({ type: PduType.c2hTermReq }),
    fes: [FIELD, SEQUENCE],
    fei: [0],
  },
  {
    name: 'ICReq with HLEN 127',
    bytes: () => buildPdu({ type: PduType.icReq, specific: icReqSpecific(), hlen: 127 }),
    fes: [FIELD],
    fei: [2],
  },
  {
    name: 'ICReq with HLEN 0',
    bytes: () => buildPdu({ type: PduType.icReq, specific: icReqSpecific(), hlen: 0 }),
    fes: [FIELD],
    fei: [2],
  },
  {
    name: 'ICReq with HLEN 255',
    bytes: () => buildPdu({ type: PduType.icReq, specific: icReqSpecific(), hlen: 255 }),
    fes: [FIELD],
    fei: [2],
  },
  ...[0, 8, 127, 129, 0x10000, 0xffffffff].map((plen) => ({
    name: `ICReq with PLEN ${plen}`,
    bytes: () => buildPdu({ type: PduType.icReq, specific: icReqSpecific(), plen }),
    fes: [FIELD],
    fei: [4],
  })),
  { name: 'ICReq with PFV 1', bytes: () => icReq({ pfv: 1 }), fes: [FIELD, PARAMETER], fei: [8] },
  { name: 'ICReq with PFV FFFFh', bytes: () => icReq({ pfv: 0xffff }), fes: [FIELD, PARAMETER], fei: [8] },
  { name: 'ICReq with HPDA 32', bytes: () => icReq({ hpda: 32 }), fes: [FIELD, PARAMETER], fei: [10] },
  { name: 'ICReq with HPDA 255', bytes: () => icReq({ hpda: 255 }), fes: [FIELD, PARAMETER], fei: [10] },
  { name: 'H2CTermReq', bytes: () => h2cTermReq(1, 0), fes: [] },
];

/** After ICResp, before or after Connect. */
export const AFTER_ICRESP: readonly BadPdu[] = [
  { name: 'a second ICReq', bytes: () => icReq(), fes: [SEQUENCE] },
  ...[0x08, 0x0a, 0x0b, 0x7f, 0xff].map((type) => ({
    name: `unknown type ${type}`,
    bytes: () => buildPdu({ type, hlen: 72, plen: 72, specific: Buffer.alloc(64) }),
    fes: [FIELD],
    fei: [0],
  })),
  ...[PduType.icResp, PduType.c2hTermReq, PduType.capsuleResp, PduType.c2hData, PduType.r2t].map((type) => ({
    name: `a controller's PDU type ${type}`,
    bytes: () => buildPdu({ type, specific: Buffer.alloc(16) }),
    fes: [FIELD, SEQUENCE],
    fei: [0],
  })),
  ...[0, 8, 71, 73, 128, 255].map((hlen) => ({
    name: `CapsuleCmd with HLEN ${hlen}`,
    bytes: () => capsule({ hlen }),
    fes: [FIELD],
    fei: [2],
  })),
  ...[0, 1, 7, 8, 71].map((plen) => ({
    name: `CapsuleCmd with PLEN ${plen}`,
    bytes: () => capsule({ plen }),
    fes: [FIELD],
    fei: [4],
  })),
  ...[0x00100000, 0x7fffffff, 0x80000000, 0xffffffff].map((plen) => ({
    name: `CapsuleCmd with PLEN ${plen}`,
    bytes: () => writeCapsule(512, { plen }),
    fes: [FIELD, LIMIT, RANGE],
    fei: [4],
  })),
  {
    name: 'CapsuleCmd with PLEN 73 and PDO 0',
    bytes: () => capsule({ plen: 73 }),
    fes: [FIELD],
    fei: [3, 4],
  },
  {
    name: 'CapsuleCmd with more data than IOCCSZ',
    bytes: () => writeCapsule(65536),
    fes: [FIELD, LIMIT, RANGE],
    fei: [4],
  },
  ...[0, 8, 71].map((pdo) => ({
    name: `CapsuleCmd with data and PDO ${pdo}`,
    bytes: () => writeCapsule(512, { pdo }),
    fes: [FIELD],
    fei: [3],
  })),
  {
    name: 'CapsuleCmd with PDO 73, not aligned',
    bytes: () => writeCapsule(512, { pdo: 73 }),
    fes: [FIELD],
    fei: [3],
  },
  {
    name: 'CapsuleCmd with PDO past PLEN',
    bytes: () => writeCapsule(8, { pdo: 200 }),
    fes: [FIELD],
    fei: [3, 4],
  },
  { name: 'HDGSTF without agreement', bytes: () => capsule({ hdgst: true }), fes: [FIELD], fei: [1] },
  {
    name: 'DDGSTF without agreement',
    bytes: () => writeCapsule(512, { ddgst: true }),
    fes: [FIELD],
    fei: [1],
  },
  { name: 'no HDGSTF although agreed', hdgst: true, bytes: () => capsule(), fes: [FIELD], fei: [1] },
  { name: 'no DDGSTF although agreed', ddgst: true, bytes: () => writeCapsule(512), fes: [FIELD], fei: [1] },
  {
    name: 'a wrong header digest',
    hdgst: true,
    bytes: () => capsule({ hdgst: true, spoilHdgst: 0xffffffff }),
    fes: [Fes.headerDigest],
  },
  {
    name: 'a header changed behind its digest',
    hdgst: true,
    bytes: () => {
      const pdu = capsule({ hdgst: true });
      pdu[40] ^= 1;
      return pdu;
    },
    fes: [Fes.headerDigest],
  },
  {
    name: 'H2CData that nobody asked for',
    bytes: () => h2cData(0, 512),
    fes: [FIELD, SEQUENCE, RANGE],
    fei: [8, 10],
  },
  {
    name: 'H2CData with TTAG FFFFh',
    bytes: () => h2cData(0xffff, 512),
    fes: [FIELD, SEQUENCE, RANGE],
    fei: [8, 10],
  },
  {
    name: 'H2CData without data',
    bytes: () => h2cData(0, 0),
    fes: [FIELD, SEQUENCE, RANGE],
    fei: [3, 4, 8, 10, 16],
  },
  {
    name: 'H2CData over MAXH2CDATA',
    bytes: () => h2cData(0, 512, { plen: 0x40000000 }),
    fes: [FIELD, LIMIT, RANGE],
    fei: [4, 16],
  },
  { name: 'H2CData with HLEN 72', bytes: () => h2cData(0, 512, { hlen: 72 }), fes: [FIELD], fei: [2] },
  { name: 'H2CTermReq', bytes: () => h2cTermReq(2, 0), fes: [] },
  { name: 'H2CTermReq with the largest header', bytes: () => h2cTermReq(1, 4, Buffer.alloc(128)), fes: [] },
  {
    name: 'H2CTermReq with HLEN 23',
    bytes: () => {
      const pdu = h2cTermReq(1);
      pdu[2] = 23;
      return pdu;
    },
    fes: [],
  },
  {
    name: 'H2CTermReq with PLEN 1000',
    bytes: () => {
      const pdu = h2cTermReq(1);
      pdu.writeUInt32LE(1000, 4);
      return pdu;
    },
    fes: [],
  },
];

/** Answers to an R2T for all of 32 KiB. */
export interface BadAnswer {
  name: string;
  pdus: (r2t: R2t, data: Buffer) => Buffer[];
}

const answer = (
  cccid: number,
  ttag: number,
  offset: number,
  data: Uint8Array,
  last: boolean,
  declared = data.length,
) =>
  buildPdu({
    type: PduType.h2cData,
    flags: last ? PduFlag.last : 0,
    specific: h2cDataSpecific(cccid, ttag, offset, declared),
    data,
  });

/** Each is fatal to the connection: FES 1 (with the field's offset), 2, 4 or 5. */
export const BAD_R2T_ANSWERS: readonly BadAnswer[] = [
  { name: 'another TTAG', pdus: (r, d) => [answer(r.cccid, (r.ttag + 1) & 0xffff, 0, d, true)] },
  { name: 'TTAG FFFFh', pdus: (r, d) => [answer(r.cccid, 0xffff, 0, d, true)] },
  { name: 'another CCCID', pdus: (r, d) => [answer((r.cccid + 1) & 0xffff, r.ttag, 0, d, true)] },
  {
    name: 'an offset that leaves a gap',
    pdus: (r, d) => [answer(r.cccid, r.ttag, 4096, d.subarray(4096), true)],
  },
  {
    name: 'the same piece twice',
    pdus: (r, d) => [
      answer(r.cccid, r.ttag, 0, d.subarray(0, 4096), false),
      answer(r.cccid, r.ttag, 0, d.subarray(0, 4096), false),
    ],
  },
  {
    name: 'an offset that goes back',
    pdus: (r, d) => [
      answer(r.cccid, r.ttag, 0, d.subarray(0, 8192), false),
      answer(r.cccid, r.ttag, 4096, d.subarray(4096), true),
    ],
  },
  {
    name: 'data past the end',
    pdus: (r, d) => [answer(r.cccid, r.ttag, 0, Buffer.concat([d, d.subarray(0, 512)]), true)],
  },
  {
    name: 'data past the end, without LAST',
    pdus: (r, d) => [answer(r.cccid, r.ttag, 0, Buffer.concat([d, d, d, d]), false)],
  },
  {
    name: 'a second piece past the end, without LAST',
    pdus: (r, d) => [
      answer(r.cccid, r.ttag, 0, d.subarray(0, 4096), false),
      answer(r.cccid, r.ttag, 4096, Buffer.concat([d, d]), false),
    ],
  },
  {
    name: 'an offset near 2^32',
    pdus: (r, d) => [answer(r.cccid, r.ttag, 0xfffffe00, d.subarray(0, 512), true)],
  },
  {
    name: 'DATAL larger than the PDU',
    pdus: (r, d) => [answer(r.cccid, r.ttag, 0, d.subarray(0, 4096), false, 8192)],
  },
  {
    name: 'DATAL smaller than the PDU',
    pdus: (r, d) => [answer(r.cccid, r.ttag, 0, d.subarray(0, 8192), false, 4096)],
  },
  { name: 'LAST too early', pdus: (r, d) => [answer(r.cccid, r.ttag, 0, d.subarray(0, 4096), true)] },
  { name: 'no LAST at the end', pdus: (r, d) => [answer(r.cccid, r.ttag, 0, d, false)] },
  {
    name: 'data after the end',
    pdus: (r, d) => [answer(r.cccid, r.ttag, 0, d, true), answer(r.cccid, r.ttag, 0, d, true)],
  },
];
