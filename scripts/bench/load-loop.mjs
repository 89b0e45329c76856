/**
 * The measured part: a closed loop on one connection. Built to cost little itself: commands are prepared beforehand, all
 * that one received chunk completed go out in one write, received data is counted, not looked at, and the clock is read
 * twice a chunk.
 */
import { LatencyRecord } from './latency-record.mjs';
import { splitData } from './nvme-connection.mjs';
import { capsuleHeader, digestOf, FLAG, h2cDataHeader, ioCommand, OPCODE, PDU } from './nvme-pdu.mjs';

/** Commands prepared for each queue, over all its slots: enough different places to defeat a CPU's caches. */
const PREPARED = 8192;
const HEADER = 24;

export class LoadLoop {
  latency = new LatencyRecord();
  completed = 0;
  failed = 0;
  running = true;
  /** Resolves when every command has come back after `stop`. */
  drained;
  #connection;
  #depth;
  #operationBytes;
  /** Prepared capsule headers: `variants` of each slot, one after another. */
  #headers;
  #headerBytes;
  #variants;
  #next;
  /** What follows a header within the capsule: data and its digest. Empty for reads and for writes that wait for R2T. */
  #tail;
  #payload;
  #ring;
  #ringAt = 0;
  #sentAt;
  #ready;
  #readyCount = 0;
  #outstanding = 0;
  /** Of the PDU being received: bytes still to skip, and the command that ends with them (-1: none). */
  #skip = 0;
  #endsWith = -1;
  /** A header that came in pieces. */
  #piece = Buffer.alloc(HEADER);
  #pieceBytes = 0;
  #onDrained;

  /**
   * `load`: depth, write (boolean), operationBytes, blockBytes, firstBlock, blocks (the range to work on), sequential,
   * inCapsuleBytes, nsid.
   */
  constructor(connection, load) {
    this.#connection = connection;
    this.#depth = load.depth;
    this.#operationBytes = load.operationBytes;
    this.#payload = Buffer.alloc(load.write ? load.operationBytes : 0, 'anagate bench ');
    const inCapsule = load.write && load.operationBytes <= load.inCapsuleBytes;
    const { digests } = connection;
    const ddgst = inCapsule && digests.dataDigest ? [digestOf(this.#payload)] : [];
    this.#tail = inCapsule ? Buffer.concat([this.#payload, ...ddgst]) : Buffer.alloc(0);
    this.#variants = Math.max(1, Math.floor(PREPARED / load.depth));
    this.#prepare(load, inCapsule);
    this.#next = new Uint32Array(load.depth);
    this.#sentAt = new Float64Array(load.depth);
    this.#ready = new Uint16Array(load.depth);
    // A place in the ring is free again once its command has been answered: two rounds are always enough.
    this.#ring = Buffer.alloc((this.#headerBytes + this.#tail.length) * load.depth * 2);
    if (this.#tail.length > 0) this.#fillTails();
    this.drained = new Promise((resolve) => {
      this.#onDrained = resolve;
    });
    connection.consumer = (buffer, length) => this.#consume(buffer, length);
  }

  /** Capsule headers for all slots and variants, header digests included. */
  #prepare(load, inCapsule) {
    const blocks = load.operationBytes / load.blockBytes;
    const places = Math.floor(load.blocks / blocks);
    const headers = [];
    for (let slot = 0; slot < load.depth; slot++) {
      for (let variant = 0; variant < this.#variants; variant++) {
        const place = load.sequential
          ? (variant * load.depth + slot) % places
          : Math.floor(Math.random() * places);
        const sqe = ioCommand({
          opcode: load.write ? OPCODE.write : OPCODE.read,
          cid: slot,
          nsid: load.nsid,
          lba: load.firstBlock + place * blocks,
          blocks,
          dataBytes: load.operationBytes,
          inCapsule,
        });
        const { digests, dataAlignment } = this.#connection;
        headers.push(capsuleHeader(sqe, inCapsule ? load.operationBytes : 0, digests, dataAlignment));
      }
    }
    this.#headerBytes = headers[0].length;
    this.#headers = Buffer.concat(headers);
  }

  /** The data behind each header in the ring never changes, so it is put there once. */
  #fillTails() {
    const step = this.#headerBytes + this.#tail.length;
    for (let at = this.#headerBytes; at < this.#ring.length; at += step) this.#tail.copy(this.#ring, at);
  }

  start() {
    for (let slot = 0; slot < this.#depth; slot++) this.#ready[slot] = slot;
    this.#readyCount = this.#depth;
    this.#submit();
  }

  stop() {
    this.running = false;
  }

  /** Forgets what was measured so far. */
  reset() {
    this.latency.reset();
    this.completed = 0;
    this.failed = 0;
  }

  #consume(buffer, length) {
    const now = performance.now();
    let at = 0;
    while (at < length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, length - at);
        this.#skip -= step;
        at += step;
      } else if (this.#pieceBytes === 0 && length - at >= HEADER) {
        this.#takeHeader(buffer, at);
        at += HEADER;
      } else {
        const step = Math.min(HEADER - this.#pieceBytes, length - at);
        buffer.copy(this.#piece, this.#pieceBytes, at, at + step);
        this.#pieceBytes += step;
        at += step;
        if (this.#pieceBytes < HEADER) break;
        this.#pieceBytes = 0;
        this.#takeHeader(this.#piece, 0);
      }
      if (this.#skip === 0 && this.#endsWith >= 0) this.#complete(now);
    }
    if (this.#readyCount > 0) this.#submit();
  }

  #takeHeader(pdu, at) {
    const plen = pdu[at + 4] | (pdu[at + 5] << 8) | (pdu[at + 6] << 16) | (pdu[at + 7] << 24);
    this.#skip = plen - HEADER;
    switch (pdu[at]) {
      case PDU.c2hData:
        this.#endsWith = (pdu[at + 1] & FLAG.success) !== 0 ? pdu[at + 8] | (pdu[at + 9] << 8) : -1;
        break;
      case PDU.capsuleResp:
        if ((pdu[at + 22] & 0xfe) !== 0 || pdu[at + 23] !== 0) this.failed++;
        this.#endsWith = pdu[at + 20] | (pdu[at + 21] << 8);
        break;
      case PDU.r2t:
        this.#endsWith = -1;
        this.#sendData(pdu.subarray(at, at + HEADER));
        break;
      default:
        throw new Error(`unexpected PDU type ${pdu[at]} (length ${plen})`);
    }
  }

  #complete(now) {
    const slot = this.#endsWith;
    this.#endsWith = -1;
    this.#outstanding--;
    this.completed++;
    this.latency.record((now - this.#sentAt[slot]) * 1000);
    if (this.running) this.#ready[this.#readyCount++] = slot;
    else if (this.#outstanding === 0) this.#onDrained();
  }

  /** Sends the next command of every ready slot, in one write. */
  #submit() {
    const step = this.#headerBytes + this.#tail.length;
    const count = this.#readyCount;
    if (this.#ringAt + count * step > this.#ring.length) this.#ringAt = 0;
    const start = this.#ringAt;
    for (let i = 0; i < count; i++) {
      const slot = this.#ready[i];
      const variant = this.#next[slot];
      this.#next[slot] = variant + 1 === this.#variants ? 0 : variant + 1;
      const from = (slot * this.#variants + variant) * this.#headerBytes;
      this.#headers.copy(this.#ring, this.#ringAt, from, from + this.#headerBytes);
      this.#ringAt += step;
    }
    this.#readyCount = 0;
    this.#outstanding += count;
    const now = performance.now();
    for (let i = 0; i < count; i++) this.#sentAt[this.#ready[i]] = now;
    this.#connection.socket.write(this.#ring.subarray(start, this.#ringAt));
  }

  #sendData(r2t) {
    const [cid, ttag] = [r2t.readUInt16LE(8), r2t.readUInt16LE(10)];
    const { socket, digests, dataAlignment, maxH2cData } = this.#connection;
    socket.cork();
    for (const part of splitData(r2t.readUInt32LE(12), r2t.readUInt32LE(16), maxH2cData)) {
      socket.write(h2cDataHeader({ cid, ttag, ...part }, digests, dataAlignment));
      socket.write(this.#payload.subarray(part.offset, part.offset + part.length));
      if (digests.dataDigest) socket.write(this.#payloadDigest(part.offset, part.length));
    }
    socket.uncork();
  }

  #payloadDigests = new Map();

  #payloadDigest(offset, length) {
    const key = offset * 2 ** 24 + length;
    let digest = this.#payloadDigests.get(key);
    if (digest === undefined) {
      digest = digestOf(this.#payload, offset, offset + length);
      this.#payloadDigests.set(key, digest);
    }
    return digest;
  }

  get bytes() {
    return this.completed * this.#operationBytes;
  }
}
