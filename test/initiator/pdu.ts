/**
 * NVMe/TCP PDUs as bytes: the constants of the transport specification and one builder that makes right PDUs by
 * default and any wrong one on request. Nothing here comes from the gateway's sources.
 */
import { crc32c } from './crc32c.ts';

/** PDU types, NVMe/TCP 1.1 figure "PDU types". */
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

/** FLAGS bits of the common header. */
export const PduFlag = { hdgst: 0x01, ddgst: 0x02, last: 0x04, success: 0x08 } as const;

/** Fatal error status of a termination request. */
export const Fes = {
  invalidHeaderField: 0x01,
  sequenceError: 0x02,
  headerDigest: 0x03,
  dataOutOfRange: 0x04,
  dataLimitExceeded: 0x05,
  unsupportedParameter: 0x06,
} as const;

/** HLEN of each type. */
export const HEADER_LENGTH: Readonly<Record<number, number>> = {
  [PduType.icReq]: 128,
  [PduType.icResp]: 128,
  [PduType.h2cTermReq]: 24,
  [PduType.c2hTermReq]: 24,
  [PduType.capsuleCmd]: 72,
  [PduType.capsuleResp]: 24,
  [PduType.h2cData]: 24,
  [PduType.c2hData]: 24,
  [PduType.r2t]: 24,
};

/** What to build. Everything that is not given is computed as the specification says. */
export interface PduSpec {
  type: number;
  flags?: number;
  /** Bytes after the 8-byte common header; zero-filled up to the type's HLEN. */
  specific?: Uint8Array;
  data?: Uint8Array;
  hdgst?: boolean;
  ddgst?: boolean;
  /** Alignment of the data offset in bytes (the receiver's PDA); default none. */
  align?: number;
  hlen?: number;
  pdo?: number;
  plen?: number;
  /** XORed into the digest, so that any value but 0 spoils it. */
  spoilHdgst?: number;
  spoilDdgst?: number;
}

/** One PDU as bytes: header, header digest, padding, data, data digest. */
export function buildPdu(spec: PduSpec): Buffer {
  const headerLength = Math.max(HEADER_LENGTH[spec.type] ?? 8, 8 + (spec.specific?.length ?? 0));
  const digestLength = spec.hdgst ? 4 : 0;
  const dataLength = spec.data?.length ?? 0;
  let dataOffset = headerLength + digestLength;
  if (dataLength > 0 && spec.align) dataOffset = Math.ceil(dataOffset / spec.align) * spec.align;
  const withDdgst = spec.ddgst === true && dataLength > 0;
  const total = dataLength > 0 ? dataOffset + dataLength + (withDdgst ? 4 : 0) : headerLength + digestLength;

  const pdu = Buffer.alloc(total);
  pdu[0] = spec.type;
  pdu[1] = spec.flags ?? 0;
  if (spec.hdgst) pdu[1] |= PduFlag.hdgst;
  if (withDdgst) pdu[1] |= PduFlag.ddgst;
  pdu[2] = spec.hlen ?? headerLength;
  pdu[3] = spec.pdo ?? (dataLength > 0 ? dataOffset : 0);
  pdu.writeUInt32LE((spec.plen ?? total) >>> 0, 4);
  if (spec.specific) pdu.set(spec.specific, 8);
  if (spec.hdgst) {
    pdu.writeUInt32LE((crc32c(pdu.subarray(0, headerLength)) ^ (spec.spoilHdgst ?? 0)) >>> 0, headerLength);
  }
  if (spec.data && dataLength > 0) {
    pdu.set(spec.data, dataOffset);
    if (withDdgst) {
      pdu.writeUInt32LE((crc32c(spec.data) ^ (spec.spoilDdgst ?? 0)) >>> 0, dataOffset + dataLength);
    }
  }
  return pdu;
}

export interface IcReqSpec {
  pfv?: number;
  /** Host PDU data alignment, 0-based dwords. */
  hpda?: number;
  hdgst?: boolean;
  ddgst?: boolean;
  /** Digest byte as is, instead of the two flags. */
  dgst?: number;
  /** 0-based. */
  maxR2t?: number;
}

/** The PDU-specific 120 bytes of an ICReq. */
export function icReqSpecific(spec: IcReqSpec = {}): Buffer {
  const bytes = Buffer.alloc(120);
  bytes.writeUInt16LE(spec.pfv ?? 0, 0);
  bytes[2] = spec.hpda ?? 0;
  bytes[3] = spec.dgst ?? (spec.hdgst ? 1 : 0) | (spec.ddgst ? 2 : 0);
  bytes.writeUInt32LE(spec.maxR2t ?? 0, 4);
  return bytes;
}

export function icReq(spec: IcReqSpec = {}): Buffer {
  return buildPdu({ type: PduType.icReq, specific: icReqSpecific(spec) });
}

/** The PDU-specific 16 bytes of an H2CData PDU. */
export function h2cDataSpecific(cccid: number, ttag: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(cccid, 0);
  bytes.writeUInt16LE(ttag, 2);
  bytes.writeUInt32LE(offset >>> 0, 4);
  bytes.writeUInt32LE(length >>> 0, 8);
  return bytes;
}

/** An H2CTermReq; `failed` is the header of the PDU in error. */
export function h2cTermReq(fes: number, fei = 0, failed: Uint8Array = new Uint8Array(24)): Buffer {
  const specific = Buffer.alloc(16 + failed.length);
  specific.writeUInt16LE(fes, 0);
  specific.writeUInt32LE(fei, 2);
  specific.set(failed, 16);
  const pdu = buildPdu({ type: PduType.h2cTermReq, specific });
  pdu[2] = 24;
  return pdu;
}
