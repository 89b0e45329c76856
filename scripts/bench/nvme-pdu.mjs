/** NVMe/TCP PDUs and commands, as many as a benchmark needs (NVMe/TCP transport 1.1 section 3.6.2, NVMe base 2.1). */
import { crc32c } from './crc32c.mjs';

export const PDU = {
  icReq: 0x00,
  icResp: 0x01,
  h2cTermReq: 0x02,
  c2hTermReq: 0x03,
  capsuleCmd: 0x04,
  capsuleResp: 0x05,
  h2cData: 0x06,
  c2hData: 0x07,
  r2t: 0x09,
};
export const FLAG = { headerDigest: 0x01, dataDigest: 0x02, last: 0x04, success: 0x08 };
export const OPCODE = {
  flush: 0x00,
  write: 0x01,
  read: 0x02,
  identify: 0x06,
  setFeatures: 0x09,
  keepAlive: 0x18,
  fabrics: 0x7f,
};

export const CAPSULE_HEADER = 72;
const DIGEST = 4;
/** PSDT 01b: the data is described by one SGL. */
const USES_SGL = 0x40;
const SGL_IN_CAPSULE = 0x01;
const SGL_TRANSPORT = 0x5a;

/** The first PDU of a connection. @returns {Buffer} */
export function icReq({ headerDigest, dataDigest }) {
  const pdu = Buffer.alloc(128);
  pdu[0] = PDU.icReq;
  pdu[2] = 128;
  pdu.writeUInt32LE(128, 4);
  pdu[11] = (headerDigest ? 1 : 0) | (dataDigest ? 2 : 0);
  // MAXR2T is 0's based: the benchmark takes as many as come.
  pdu.writeUInt32LE(15, 12);
  return pdu;
}

/**
 * The header part of a command capsule: 72 bytes, its digest when `digests.headerDigest`, padding up to PDO. In-capsule
 * data and its digest are not part of it, but counted in PLEN.
 */
export function capsuleHeader(sqe, inCapsuleBytes, digests, dataAlignment = 4) {
  const bare = CAPSULE_HEADER + (digests.headerDigest ? DIGEST : 0);
  const pdo = inCapsuleBytes > 0 ? Math.ceil(bare / dataAlignment) * dataAlignment : 0;
  const ddgst = inCapsuleBytes > 0 && digests.dataDigest ? DIGEST : 0;
  const header = Buffer.alloc(Math.max(bare, pdo));
  header[0] = PDU.capsuleCmd;
  header[1] = (digests.headerDigest ? FLAG.headerDigest : 0) | (ddgst ? FLAG.dataDigest : 0);
  header[2] = CAPSULE_HEADER;
  header[3] = pdo;
  header.writeUInt32LE(header.length + inCapsuleBytes + ddgst, 4);
  sqe.copy(header, 8);
  if (digests.headerDigest) header.writeUInt32LE(crc32c(header, 0, CAPSULE_HEADER), CAPSULE_HEADER);
  return header;
}

/** The header part of one H2CData PDU, answering an R2T. */
export function h2cDataHeader({ cid, ttag, offset, length, last }, digests, dataAlignment = 4) {
  const bare = 24 + (digests.headerDigest ? DIGEST : 0);
  const header = Buffer.alloc(Math.ceil(bare / dataAlignment) * dataAlignment);
  header[0] = PDU.h2cData;
  header[1] =
    (last ? FLAG.last : 0) |
    (digests.headerDigest ? FLAG.headerDigest : 0) |
    (digests.dataDigest ? FLAG.dataDigest : 0);
  header[2] = 24;
  header[3] = header.length;
  header.writeUInt32LE(header.length + length + (digests.dataDigest ? DIGEST : 0), 4);
  header.writeUInt16LE(cid, 8);
  header.writeUInt16LE(ttag, 10);
  header.writeUInt32LE(offset, 12);
  header.writeUInt32LE(length, 16);
  if (digests.headerDigest) header.writeUInt32LE(crc32c(header, 0, 24), 24);
  return header;
}

export function digestOf(bytes, start = 0, end = bytes.length) {
  const digest = Buffer.alloc(DIGEST);
  digest.writeUInt32LE(crc32c(bytes, start, end));
  return digest;
}

/** A submission queue entry. `dataBytes` of data go with the capsule or are asked for by the controller. */
export function command({ opcode, cid = 0, nsid = 0, dataBytes = 0, inCapsule = false, words = {} }) {
  const sqe = Buffer.alloc(64);
  sqe[0] = opcode;
  sqe[1] = USES_SGL;
  sqe.writeUInt16LE(cid, 2);
  sqe.writeUInt32LE(nsid, 4);
  sqe.writeUInt32LE(dataBytes, 32);
  sqe[39] = inCapsule ? SGL_IN_CAPSULE : SGL_TRANSPORT;
  for (const [word, value] of Object.entries(words)) sqe.writeUInt32LE(value >>> 0, Number(word) * 4);
  return sqe;
}

/** Read or Write of `blocks` blocks from `lba`. */
export function ioCommand({ opcode, cid, nsid, lba, blocks, dataBytes, inCapsule }) {
  const words = { 10: lba % 2 ** 32, 11: Math.floor(lba / 2 ** 32), 12: blocks - 1 };
  return command({ opcode, cid, nsid, dataBytes, inCapsule, words });
}

function fabricsCommand(type, dataBytes = 0) {
  const sqe = command({ opcode: OPCODE.fabrics, dataBytes, inCapsule: dataBytes > 0 });
  sqe[4] = type;
  return sqe;
}

/** Fabrics Connect and its data. `sqSize` is 0's based. SQ flow control is off unless asked for, so that SUCCESS may be used. */
export function connectCommand({ qid, sqSize, cntlid, kato, hostId, hostNqn, subsystemNqn, flowControl }) {
  const sqe = fabricsCommand(0x01, 1024);
  sqe.writeUInt16LE(qid, 42);
  sqe.writeUInt16LE(sqSize, 44);
  sqe[46] = flowControl ? 0 : 0x04;
  sqe.writeUInt32LE(kato, 48);
  const data = Buffer.alloc(1024);
  hostId.copy(data, 0);
  data.writeUInt16LE(cntlid, 16);
  data.write(subsystemNqn, 256, 'latin1');
  data.write(hostNqn, 512, 'latin1');
  return { sqe, data };
}

export function propertyGet(offset, bytes) {
  const sqe = fabricsCommand(0x04);
  sqe[40] = bytes === 8 ? 1 : 0;
  sqe.writeUInt32LE(offset, 44);
  return sqe;
}

export function propertySet(offset, value) {
  const sqe = fabricsCommand(0x00);
  sqe.writeUInt32LE(offset, 44);
  sqe.writeUInt32LE(value, 48);
  return sqe;
}
