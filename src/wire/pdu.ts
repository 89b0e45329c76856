/**
 * NVMe/TCP PDUs: types, layout and the writers of what a controller sends.
 * NVMe/TCP Transport Specification 1.0, section 3.6. All fields are little-endian.
 */

export const PduType = {
  icReq: 0x00,
  icResp: 0x01,
  h2cTermReq: 0x02,
  c2hTermReq: 0x03,
  capsuleCmd: 0x04,
  capsuleResp: 0x05,
  h2cData: 0x06,
  c2hData: 0x07,
  r2t: 0x09,
} as const;

/** Common header FLAGS. Which bits are defined depends on the PDU type. */
export const PduFlag = {
  hdgst: 0x01,
  ddgst: 0x02,
  /** H2CData and C2HData: last PDU of this transfer. */
  lastPdu: 0x04,
  /** C2HData: the command succeeded and no CapsuleResp follows. */
  success: 0x08,
} as const;

/** Offsets within the 8-byte common header, also used as FEI of a fault. */
export const COMMON_HEADER_LENGTH = 8;
export const OFFSET_TYPE = 0;
export const OFFSET_FLAGS = 1;
export const OFFSET_HLEN = 2;
export const OFFSET_PDO = 3;
export const OFFSET_PLEN = 4;

export const IC_LENGTH = 128;
export const CAPSULE_CMD_HLEN = 72;
export const CAPSULE_RESP_HLEN = 24;
export const DATA_HLEN = 24;
export const R2T_HLEN = 24;
export const TERM_REQ_HLEN = 24;
/** A TermReq carries at most 128 bytes of the offending header. */
export const TERM_REQ_MAX_LENGTH = 152;
export const DIGEST_LENGTH = 4;
/** Largest header a controller receives before data or digest. */
export const MAX_HLEN = IC_LENGTH;

/** ICReq and ICResp fields. */
export const IC_PFV = 8;
export const IC_PDA = 10;
export const IC_DGST = 11;
export const IC_MAX = 12;
export const IC_HPDA_MAX = 31;
export const DGST_HDGST = 0x01;
export const DGST_DDGST = 0x02;

/** H2CData, C2HData and R2T fields. */
export const DATA_CCCID = 8;
export const DATA_TTAG = 10;
export const DATA_OFFSET = 12;
export const DATA_LENGTH = 16;

/** TermReq fields. */
export const TERM_FES = 8;
export const TERM_FEI = 10;

/** Fatal Error Status of a TermReq. */
export const Fes = {
  /** FEI holds the byte offset of the field in the PDU header. */
  invalidHeaderField: 0x01,
  pduSequenceError: 0x02,
  /** FEI holds the digest that was received. */
  headerDigestError: 0x03,
  dataTransferOutOfRange: 0x04,
  dataTransferLimitExceeded: 0x05,
  /** FEI holds the byte offset of the parameter. */
  unsupportedParameter: 0x06,
} as const;

/** Writes an ICResp of 128 bytes at `at`. `maxH2cData` is in bytes, a multiple of 4, at least 4096. */
export function writeIcResp(buf: Buffer, at: number, cpda: number, dgst: number, maxH2cData: number): number {
  buf.fill(0, at, at + IC_LENGTH);
  buf[at + OFFSET_TYPE] = PduType.icResp;
  buf[at + OFFSET_HLEN] = IC_LENGTH;
  buf.writeUInt32LE(IC_LENGTH, at + OFFSET_PLEN);
  buf[at + IC_PDA] = cpda;
  buf[at + IC_DGST] = dgst;
  buf.writeUInt32LE(maxH2cData, at + IC_MAX);
  return IC_LENGTH;
}

function put16(buf: Buffer, at: number, value: number): void {
  buf[at] = value;
  buf[at + 1] = value >>> 8;
}

function put32(buf: Buffer, at: number, value: number): void {
  buf[at] = value;
  buf[at + 1] = value >>> 8;
  buf[at + 2] = value >>> 16;
  buf[at + 3] = value >>> 24;
}

/** Writes the 24-byte CapsuleResp header with its completion entry. The digest, if any, is the caller's. */
export function writeCapsuleResp(
  buf: Buffer,
  at: number,
  hdgst: boolean,
  dw0: number,
  dw1: number,
  sqhd: number,
  cid: number,
  status: number,
): void {
  put32(buf, at, PduType.capsuleResp | (hdgst ? PduFlag.hdgst << 8 : 0) | (CAPSULE_RESP_HLEN << 16));
  put32(buf, at + 4, hdgst ? CAPSULE_RESP_HLEN + DIGEST_LENGTH : CAPSULE_RESP_HLEN);
  put32(buf, at + 8, dw0);
  put32(buf, at + 12, dw1);
  put16(buf, at + 16, sqhd);
  put16(buf, at + 18, 0); // SQID is reserved on fabrics
  put16(buf, at + 20, cid);
  put16(buf, at + 22, status << 1); // phase tag is reserved on fabrics
}

/** Writes the 24-byte C2HData header. `pdo` and `plen` count header, digests, padding and data. */
export function writeC2hDataHeader(
  buf: Buffer,
  at: number,
  flags: number,
  pdo: number,
  plen: number,
  cccid: number,
  offset: number,
  length: number,
): void {
  put32(buf, at, PduType.c2hData | (flags << 8) | (DATA_HLEN << 16) | (pdo << 24));
  put32(buf, at + 4, plen);
  put32(buf, at + 8, cccid);
  put32(buf, at + 12, offset);
  put32(buf, at + 16, length);
  put32(buf, at + 20, 0);
}

/** Writes the 24-byte R2T header. */
export function writeR2t(
  buf: Buffer,
  at: number,
  hdgst: boolean,
  cccid: number,
  ttag: number,
  offset: number,
  length: number,
): void {
  put32(buf, at, PduType.r2t | (hdgst ? PduFlag.hdgst << 8 : 0) | (R2T_HLEN << 16));
  put32(buf, at + 4, hdgst ? R2T_HLEN + DIGEST_LENGTH : R2T_HLEN);
  put16(buf, at + 8, cccid);
  put16(buf, at + 10, ttag);
  put32(buf, at + 12, offset);
  put32(buf, at + 16, length);
  put32(buf, at + 20, 0);
}

/** Builds a C2HTermReq that quotes the offending header (section 3.6.2.4). */
export function buildC2hTermReq(fes: number, fei: number, header: Buffer): Buffer {
  const quoted = header.subarray(0, Math.min(header.length, TERM_REQ_MAX_LENGTH - TERM_REQ_HLEN));
  const pdu = Buffer.alloc(TERM_REQ_HLEN + quoted.length);
  pdu[OFFSET_TYPE] = PduType.c2hTermReq;
  pdu[OFFSET_HLEN] = TERM_REQ_HLEN;
  pdu.writeUInt32LE(pdu.length, OFFSET_PLEN);
  pdu.writeUInt16LE(fes, TERM_FES);
  pdu.writeUInt32LE(fei >>> 0, TERM_FEI);
  quoted.copy(pdu, TERM_REQ_HLEN);
  return pdu;
}
