/** Bytes from a controller cut into PDUs, with every digest verified and every layout rule checked. */
import { crc32c } from './crc32c.ts';
import { HEADER_LENGTH, PduFlag, PduType } from './pdu.ts';

export interface Pdu {
  type: number;
  flags: number;
  hlen: number;
  pdo: number;
  plen: number;
  /** `hlen` bytes from the common header on. */
  header: Buffer;
  data: Buffer;
  /** What the PDU does against the specification; empty when it is right. */
  faults: string[];
}

export interface Digests {
  hdgst: boolean;
  ddgst: boolean;
}

const CONTROLLER_TYPES: ReadonlySet<number> = new Set([
  PduType.icResp,
  PduType.c2hTermReq,
  PduType.capsuleResp,
  PduType.c2hData,
  PduType.r2t,
]);

/** Larger than anything a controller may send to us. */
const PLEN_LIMIT = 64 * 1024 * 1024;

export class PduParser {
  /** What was agreed in ICReq/ICResp; set by the owner before the first PDU after ICResp. */
  digests: Digests = { hdgst: false, ddgst: false };
  /** HPDA as bytes: alignment that the controller must give to C2HData. */
  alignment = 4;
  readonly #chunks: Buffer[] = [];
  #length = 0;
  #onPdu: (pdu: Pdu) => void;

  constructor(onPdu: (pdu: Pdu) => void) {
    this.#onPdu = onPdu;
  }

  /** Bytes that belong to a PDU which is not complete yet. */
  get pendingBytes(): number {
    return this.#length;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    while (this.#length >= 8) {
      const head = this.#peek(8);
      const plen = head.readUInt32LE(4);
      if (plen < 8 || plen > PLEN_LIMIT)
        throw new Error(`controller sent PLEN ${plen}: ${head.toString('hex')}`);
      if (this.#length < plen) return;
      this.#onPdu(this.#parse(this.#take(plen)));
    }
  }

  #peek(count: number): Buffer {
    if (this.#chunks[0].length >= count) return this.#chunks[0];
    const joined = Buffer.concat(this.#chunks);
    this.#chunks.length = 0;
    this.#chunks.push(joined);
    return joined;
  }

  #take(count: number): Buffer {
    if (this.#chunks[0].length < count) {
      const joined = Buffer.concat(this.#chunks);
      this.#chunks.length = 0;
      this.#chunks.push(joined);
    }
    const first = this.#chunks[0];
    if (first.length === count) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(count);
    this.#length -= count;
    return first.subarray(0, count);
  }

  #parse(raw: Buffer): Pdu {
    const [type, flags, hlen, pdo] = raw;
    const plen = raw.length;
    const faults: string[] = [];
    const { hdgst, ddgst } = this.digests;
    const hasData = type === PduType.c2hData;
    // ICResp and termination requests never carry digests (NVMe/TCP 1.1 section 3.6.1).
    const digestable = type === PduType.capsuleResp || type === PduType.c2hData || type === PduType.r2t;

    if (!CONTROLLER_TYPES.has(type)) faults.push(`type ${type} is not a controller's`);
    const expectedHlen = HEADER_LENGTH[type];
    if (expectedHlen !== undefined && hlen !== expectedHlen) faults.push(`HLEN ${hlen}, not ${expectedHlen}`);
    const wantsHdgst = digestable && hdgst;
    if (((flags & PduFlag.hdgst) !== 0) !== wantsHdgst) faults.push(`HDGSTF ${flags & 1}`);
    if (((flags & PduFlag.ddgst) !== 0) !== (hasData && ddgst)) faults.push(`DDGSTF ${flags & 2}`);
    const legalFlags = hasData ? 0x0f : digestable ? 0x01 : 0;
    if ((flags & ~legalFlags) !== 0) faults.push(`reserved flags ${flags.toString(16)}`);

    if (wantsHdgst && raw.length >= hlen + 4) {
      if (raw.readUInt32LE(hlen) !== crc32c(raw.subarray(0, hlen))) faults.push('header digest wrong');
    }
    let data = raw.subarray(plen, plen);
    if (hasData) {
      const tail = ddgst ? 4 : 0;
      const least = hlen + (wantsHdgst ? 4 : 0);
      if (pdo < least || pdo % 4 !== 0 || pdo % this.alignment !== 0) faults.push(`PDO ${pdo}`);
      data = raw.subarray(pdo, Math.max(pdo, plen - tail));
      const declared = raw.readUInt32LE(16);
      if (data.length !== declared) faults.push(`DATAL ${declared} but PLEN leaves ${data.length}`);
      if (ddgst && raw.readUInt32LE(plen - 4) !== crc32c(data)) faults.push('data digest wrong');
      if ((flags & PduFlag.success) !== 0 && (flags & PduFlag.last) === 0)
        faults.push('SUCCESS without LAST');
    } else if (type === PduType.c2hTermReq) {
      if (pdo !== 0) faults.push(`PDO ${pdo}`);
      data = raw.subarray(hlen);
      if (plen < 24 || plen > 152) faults.push(`C2HTermReq PLEN ${plen}`);
    } else {
      if (type !== PduType.icResp && pdo !== 0) faults.push(`PDO ${pdo}`);
      if (plen !== hlen + (wantsHdgst ? 4 : 0)) faults.push(`PLEN ${plen}`);
    }
    return { type, flags, hlen, pdo, plen, header: raw.subarray(0, hlen), data, faults };
  }
}
