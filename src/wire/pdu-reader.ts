/**
 * The receive machine of one NVMe/TCP connection: chunks of bytes in, checked headers and placed data out.
 *
 * header -> data -> data digest -> header ... A header that lies whole inside the chunk is read in place; one that is
 * cut is gathered in a small buffer first. PDU data is copied straight from the chunk into the buffer that the sink
 * named, or dropped. The machine is pure: no socket, no clock. NVMe/TCP 1.0 sections 3.3, 3.6 and 3.7.
 */
import { crc32c } from './crc32c.ts';
import {
  CAPSULE_CMD_HLEN,
  COMMON_HEADER_LENGTH,
  DATA_HLEN,
  DIGEST_LENGTH,
  Fes,
  IC_LENGTH,
  MAX_HLEN,
  OFFSET_FLAGS,
  OFFSET_HLEN,
  OFFSET_PDO,
  OFFSET_PLEN,
  OFFSET_TYPE,
  PduFlag,
  PduType,
  TERM_REQ_HLEN,
  TERM_REQ_MAX_LENGTH,
} from './pdu.ts';

/** What the reader tells its owner. Any callback may call {@link PduReader.stop}. */
export interface PduSink {
  /**
   * A whole header whose common fields and digest are right. `dataLength` bytes of PDU data follow; to keep them, call
   * {@link PduReader.place} before returning, otherwise they are dropped.
   */
  onHeader(type: number, flags: number, buf: Buffer, at: number, dataLength: number): void;
  /** All data of the PDU has arrived. `digestOk` is false when the data digest differs. Not called for PDUs without data. */
  onData(digestOk: boolean): void;
  /** The peer broke the protocol; the reader has stopped. `header` is what there is of the offending header. */
  onFault(fes: number, fei: number, header: Buffer): void;
}

/** Is gathering a header / data / the data digest; stopped reads nothing more. */
type ReadState = 'header' | 'data' | 'digest' | 'stopped';

/** HLEN per PDU type that a controller receives; 0 = not a PDU that a host sends. */
const HLEN = new Uint8Array(256);
HLEN[PduType.icReq] = IC_LENGTH;
HLEN[PduType.h2cTermReq] = TERM_REQ_HLEN;
HLEN[PduType.capsuleCmd] = CAPSULE_CMD_HLEN;
HLEN[PduType.h2cData] = DATA_HLEN;

/** FLAGS bits that are defined per PDU type. */
const DEFINED_FLAGS = new Uint8Array(256);
DEFINED_FLAGS[PduType.capsuleCmd] = PduFlag.hdgst | PduFlag.ddgst;
DEFINED_FLAGS[PduType.h2cData] = PduFlag.hdgst | PduFlag.ddgst | PduFlag.lastPdu;

function get32(buf: Buffer, at: number): number {
  return (buf[at] | (buf[at + 1] << 8) | (buf[at + 2] << 16) | (buf[at + 3] << 24)) >>> 0;
}

export class PduReader {
  private readonly sink: PduSink;
  /** Largest PDU data accepted per type, bytes. */
  private readonly maxCapsuleData: number;
  private readonly maxH2cData: number;
  private state: ReadState = 'header';
  private hdgst = false;
  private ddgst = false;
  /** CPDA in bytes: alignment of PDO that this controller asked for. */
  private alignment = 4;

  /** A header that was cut by the end of a chunk. */
  private readonly partial = Buffer.allocUnsafeSlow(MAX_HLEN + 128 + DIGEST_LENGTH);
  private partialLength = 0;

  /** Data of the current PDU. */
  private destination: Buffer | null = null;
  private destinationStart = 0;
  private dataDone = 0;
  private dataLength = 0;
  private withDataDigest = false;
  private digestBytes = 0;
  private digestValue = 0;

  constructor(sink: PduSink, maxCapsuleData: number, maxH2cData: number) {
    this.sink = sink;
    this.maxCapsuleData = maxCapsuleData;
    this.maxH2cData = maxH2cData;
  }

  /** Turns digests on once ICReq/ICResp have agreed on them. */
  setDigests(hdgst: boolean, ddgst: boolean): void {
    this.hdgst = hdgst;
    this.ddgst = ddgst;
  }

  /** Keeps the data of the PDU whose header is being handled: it goes to `buf` from `at`. Only inside onHeader. */
  place(buf: Buffer, at: number): void {
    this.destination = buf;
    this.destinationStart = at;
  }

  /** Reads nothing more, the rest of the current chunk included. */
  stop(): void {
    this.state = 'stopped';
    this.destination = null;
  }

  /** True when no PDU is half received. */
  get idle(): boolean {
    return this.state === 'header' && this.partialLength === 0;
  }

  /** Takes the next `length` bytes of the stream. The chunk may be reused when this returns. */
  push(chunk: Buffer, length: number): void {
    let at = 0;
    while (at < length) {
      switch (this.state) {
        case 'header':
          at = this.readHeader(chunk, at, length);
          break;
        case 'data':
          at = this.readData(chunk, at, length);
          break;
        case 'digest':
          at = this.readDigest(chunk, at, length);
          break;
        default:
          return;
      }
    }
  }

  private readHeader(chunk: Buffer, at: number, end: number): number {
    if (this.partialLength === 0 && end - at >= COMMON_HEADER_LENGTH) {
      const need = this.checkCommonHeader(chunk, at, Math.min(end - at, MAX_HLEN));
      if (need === 0) return end;
      if (end - at >= need) {
        this.acceptHeader(chunk, at, need);
        return at + need;
      }
    }
    return this.gatherHeader(chunk, at, end);
  }

  /** The slow path: the header lies in more than one chunk. */
  private gatherHeader(chunk: Buffer, start: number, end: number): number {
    let at = start;
    let need = COMMON_HEADER_LENGTH;
    if (this.partialLength >= COMMON_HEADER_LENGTH) need = this.headerLength(this.partial, 0);
    for (;;) {
      const take = Math.min(need - this.partialLength, end - at);
      chunk.copy(this.partial, this.partialLength, at, at + take);
      this.partialLength += take;
      at += take;
      if (this.partialLength < need) return at;
      if (need === COMMON_HEADER_LENGTH) {
        need = this.checkCommonHeader(this.partial, 0, COMMON_HEADER_LENGTH);
        if (need === 0) return end;
        if (need > COMMON_HEADER_LENGTH) continue;
      }
      this.partialLength = 0;
      this.acceptHeader(this.partial, 0, need);
      return at;
    }
  }

  /** Bytes from the PDU's start to its data, or to its end when it has none. Needs a checked common header. */
  private headerLength(buf: Buffer, at: number): number {
    const plen = get32(buf, at + OFFSET_PLEN);
    const type = buf[at + OFFSET_TYPE];
    if (type === PduType.h2cTermReq) return TERM_REQ_HLEN;
    if (type === PduType.icReq) return IC_LENGTH; // its FLAGS and PDO are reserved
    const bare = buf[at + OFFSET_HLEN] + (buf[at + OFFSET_FLAGS] & PduFlag.hdgst ? DIGEST_LENGTH : 0);
    return plen === bare ? bare : buf[at + OFFSET_PDO];
  }

  /**
   * Checks the common header in the order of its fields, the lowest wrong one is reported (section 3.7).
   * Returns the number of bytes before the PDU data, or 0 after a fault.
   */
  private checkCommonHeader(buf: Buffer, at: number, available: number): number {
    const type = buf[at + OFFSET_TYPE];
    const flags = buf[at + OFFSET_FLAGS];
    const hlen = buf[at + OFFSET_HLEN];
    const pdo = buf[at + OFFSET_PDO];
    const plen = get32(buf, at + OFFSET_PLEN);

    const wantedHlen = HLEN[type];
    if (wantedHlen === 0) return this.headerFault(OFFSET_TYPE, buf, at, available);
    if (type === PduType.h2cTermReq) {
      // A wrong TermReq is never answered: the connection just ends (section 3.7).
      if (hlen !== TERM_REQ_HLEN || plen < TERM_REQ_HLEN || plen > TERM_REQ_MAX_LENGTH) {
        return this.fault(0, 0, buf, at, available);
      }
      return TERM_REQ_HLEN;
    }
    const digests = (this.hdgst ? PduFlag.hdgst : 0) | (this.ddgst ? PduFlag.ddgst : 0);
    if (type !== PduType.icReq) {
      const undefinedBits = flags & ~DEFINED_FLAGS[type];
      const hdgstWrong = (flags & PduFlag.hdgst) !== (digests & PduFlag.hdgst);
      const ddgstWrong = (flags & PduFlag.ddgst) !== 0 && !this.ddgst;
      if (undefinedBits !== 0 || hdgstWrong || ddgstWrong)
        return this.headerFault(OFFSET_FLAGS, buf, at, available);
    }
    if (hlen !== wantedHlen) return this.headerFault(OFFSET_HLEN, buf, at, available);
    if (type === PduType.icReq) {
      if (plen !== IC_LENGTH) return this.headerFault(OFFSET_PLEN, buf, at, available);
      return IC_LENGTH;
    }

    const bare = hlen + (flags & PduFlag.hdgst ? DIGEST_LENGTH : 0);
    if (plen < bare) return this.headerFault(OFFSET_PLEN, buf, at, available);
    if (plen === bare) {
      // no data: PDO is not looked at beyond being harmless
      if (type === PduType.h2cData) return this.headerFault(OFFSET_PLEN, buf, at, available);
      return bare;
    }
    if (this.ddgst && !(flags & PduFlag.ddgst)) return this.headerFault(OFFSET_FLAGS, buf, at, available);
    if (pdo < bare || pdo % this.alignment !== 0) return this.headerFault(OFFSET_PDO, buf, at, available);
    const trailer = flags & PduFlag.ddgst ? DIGEST_LENGTH : 0;
    const dataLength = plen - pdo - trailer;
    const most = type === PduType.capsuleCmd ? this.maxCapsuleData : this.maxH2cData;
    if (dataLength <= 0) return this.headerFault(OFFSET_PLEN, buf, at, available);
    if (dataLength > most) {
      return type === PduType.capsuleCmd
        ? this.headerFault(OFFSET_PLEN, buf, at, available)
        : this.fault(Fes.dataTransferLimitExceeded, 0, buf, at, available);
    }
    return pdo;
  }

  /** `need` bytes from `at` hold header, header digest and padding. */
  private acceptHeader(buf: Buffer, at: number, need: number): void {
    const type = buf[at + OFFSET_TYPE];
    const flags = buf[at + OFFSET_FLAGS];
    const hlen = buf[at + OFFSET_HLEN];
    if (type === PduType.h2cTermReq) {
      this.sink.onHeader(type, flags, buf, at, 0);
      return;
    }
    const withHdgst = type !== PduType.icReq && (flags & PduFlag.hdgst) !== 0;
    if (withHdgst) {
      const received = get32(buf, at + hlen);
      if (crc32c(buf, at, at + hlen) !== received) {
        this.fault(Fes.headerDigestError, received, buf, at, hlen);
        return;
      }
    }
    const plen = get32(buf, at + OFFSET_PLEN);
    const bare = withHdgst ? hlen + DIGEST_LENGTH : hlen;
    if (plen === bare) {
      this.sink.onHeader(type, flags, buf, at, 0);
      return;
    }
    this.withDataDigest = (flags & PduFlag.ddgst) !== 0;
    this.dataLength = plen - need - (this.withDataDigest ? DIGEST_LENGTH : 0);
    this.dataDone = 0;
    this.destination = null;
    this.state = 'data';
    this.sink.onHeader(type, flags, buf, at, this.dataLength);
  }

  private readData(chunk: Buffer, at: number, end: number): number {
    const take = Math.min(this.dataLength - this.dataDone, end - at);
    if (this.destination !== null)
      chunk.copy(this.destination, this.destinationStart + this.dataDone, at, at + take);
    this.dataDone += take;
    if (this.dataDone === this.dataLength) {
      if (this.withDataDigest) {
        this.state = 'digest';
        this.digestBytes = 0;
        this.digestValue = 0;
      } else {
        this.finishData(true);
      }
    }
    return at + take;
  }

  private readDigest(chunk: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && this.digestBytes < DIGEST_LENGTH) {
      this.digestValue = (this.digestValue | (chunk[at] << (8 * this.digestBytes))) >>> 0;
      this.digestBytes += 1;
      at += 1;
    }
    if (this.digestBytes === DIGEST_LENGTH) {
      const from = this.destinationStart;
      const ok =
        this.destination === null ||
        crc32c(this.destination, from, from + this.dataLength) === this.digestValue;
      this.finishData(ok);
    }
    return at;
  }

  private finishData(digestOk: boolean): void {
    this.state = 'header';
    this.destination = null;
    this.sink.onData(digestOk);
  }

  private headerFault(offset: number, buf: Buffer, at: number, available: number): 0 {
    return this.fault(Fes.invalidHeaderField, offset, buf, at, available);
  }

  /** fes 0: end the connection without a TermReq. */
  private fault(fes: number, fei: number, buf: Buffer, at: number, available: number): 0 {
    this.stop();
    const quoted = Math.max(COMMON_HEADER_LENGTH, Math.min(available, HLEN[buf[at]] || COMMON_HEADER_LENGTH));
    this.sink.onFault(fes, fei, Buffer.from(buf.subarray(at, at + quoted)));
    return 0;
  }
}
