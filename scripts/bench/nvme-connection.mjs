/**
 * One NVMe/TCP connection of the load generator: the handshake and single commands, slow and simple. For the measured part
 * a {@link LoadLoop} takes the received bytes over.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { crc32c } from './crc32c.mjs';
import { capsuleHeader, digestOf, FLAG, h2cDataHeader, icReq, PDU } from './nvme-pdu.mjs';

const RECEIVE_BYTES = 256 * 1024;
const HEADER_BYTES = {
  [PDU.icResp]: 128,
  [PDU.capsuleResp]: 24,
  [PDU.c2hData]: 24,
  [PDU.r2t]: 24,
  [PDU.c2hTermReq]: 24,
};

export class NvmeConnection {
  /** Where received bytes go: `consume(buffer, length)`. */
  consumer;
  socket;
  digests = { headerDigest: false, dataDigest: false };
  /** Offsets of data in PDUs to the controller are multiples of this (CPDA). */
  dataAlignment = 4;
  maxH2cData = 0;
  /** Set before an expected end, so that it is not an error. */
  closing = false;
  #pending = Buffer.alloc(0);
  #waiters = new Map();
  #nextCid = 0;
  #onIcResp;
  #failure;

  static async open({ host, port }) {
    const connection = new NvmeConnection();
    connection.consumer = (buffer, length) => connection.#consumeSlowly(buffer, length);
    const onread = {
      buffer: Buffer.allocUnsafeSlow(RECEIVE_BYTES),
      callback: (length, buffer) => {
        connection.consumer(buffer, length);
        return true;
      },
    };
    const socket = connect({ host, port, noDelay: true, onread });
    connection.socket = socket;
    await once(socket, 'connect');
    socket.on('error', (err) => connection.#fail(err));
    socket.on('close', () => connection.#fail(new Error('the target closed the connection')));
    return connection;
  }

  /** ICReq and ICResp. Throws when the target does not agree to the digests. */
  async initialize(digests) {
    const answer = new Promise((resolve, reject) => {
      this.#onIcResp = { resolve, reject };
    });
    this.socket.write(icReq(digests));
    const icResp = await answer;
    this.dataAlignment = (icResp[10] + 1) * 4;
    this.maxH2cData = icResp.readUInt32LE(12);
    this.digests = { headerDigest: (icResp[11] & 1) !== 0, dataDigest: (icResp[11] & 2) !== 0 };
    if (
      this.digests.headerDigest !== digests.headerDigest ||
      this.digests.dataDigest !== digests.dataDigest
    ) {
      throw new Error(`the target does not agree to the digests: DGST ${icResp[11]}`);
    }
  }

  /**
   * Sends one command and resolves with its completion entry and data. `out` goes in the capsule when `sqe` says so, else
   * as R2Ts ask for it. Throws when the status is not 0.
   */
  async execute(sqe, out = Buffer.alloc(0), inBytes = 0) {
    const cid = this.#nextCid++ & 0x7fff;
    sqe.writeUInt16LE(cid, 2);
    const inCapsule = out.length > 0 && sqe[39] === 0x01;
    const answer = new Promise((resolve, reject) => {
      this.#waiters.set(cid, { resolve, reject, out, data: Buffer.alloc(inBytes), received: 0 });
    });
    if (this.#failure) throw this.#failure;
    const parts = [capsuleHeader(sqe, inCapsule ? out.length : 0, this.digests, this.dataAlignment)];
    if (inCapsule) parts.push(out);
    if (inCapsule && this.digests.dataDigest) parts.push(digestOf(out));
    this.socket.write(Buffer.concat(parts));
    const result = await answer;
    if (result.status !== 0) {
      throw new Error(`command ${sqe[0].toString(16)}h failed with status ${result.status.toString(16)}h`);
    }
    return result;
  }

  close() {
    this.closing = true;
    this.socket.destroy();
  }

  #fail(err) {
    if (this.closing || this.#failure) return;
    this.#failure = err;
    this.#onIcResp?.reject(err);
    for (const { reject } of this.#waiters.values()) reject(err);
    this.onFailure?.(err);
  }

  /** Told when the connection breaks while nobody waits for an answer. */
  onFailure;

  #consumeSlowly(buffer, length) {
    this.#pending = Buffer.concat([this.#pending, buffer.subarray(0, length)]);
    while (this.#pending.length >= 8) {
      const plen = this.#pending.readUInt32LE(4);
      if (this.#pending.length < plen) return;
      const pdu = this.#pending.subarray(0, plen);
      this.#pending = this.#pending.subarray(plen);
      this.#take(pdu);
    }
  }

  #take(pdu) {
    const type = pdu[0];
    const headerBytes = HEADER_BYTES[type];
    if (headerBytes === undefined || pdu[2] !== headerBytes) throw new Error(`unexpected PDU type ${type}`);
    if (type === PDU.icResp) return this.#onIcResp.resolve(Buffer.from(pdu));
    if (type === PDU.c2hTermReq)
      throw new Error(`the target ended the connection: FES ${pdu.readUInt16LE(8)}`);
    if (this.digests.headerDigest && pdu.readUInt32LE(headerBytes) !== crc32c(pdu, 0, headerBytes)) {
      throw new Error('wrong header digest');
    }
    if (type === PDU.capsuleResp) return this.#complete(pdu.readUInt16LE(20), pdu.subarray(8, 24));
    if (type === PDU.r2t) return this.#sendData(pdu);
    this.#takeData(pdu);
  }

  #takeData(pdu) {
    const cid = pdu.readUInt16LE(8);
    const waiter = this.#waiters.get(cid);
    const offset = pdu.readUInt32LE(12);
    const bytes = pdu.readUInt32LE(16);
    const at = pdu[3];
    if (waiter === undefined || offset + bytes > waiter.data.length)
      throw new Error('data that nobody asked for');
    if (this.digests.dataDigest && pdu.readUInt32LE(at + bytes) !== crc32c(pdu, at, at + bytes)) {
      throw new Error('wrong data digest');
    }
    pdu.copy(waiter.data, offset, at, at + bytes);
    waiter.received += bytes;
    if (pdu[1] & FLAG.success) this.#complete(cid, Buffer.alloc(16));
  }

  #sendData(pdu) {
    const [cid, ttag] = [pdu.readUInt16LE(8), pdu.readUInt16LE(10)];
    const [start, length] = [pdu.readUInt32LE(12), pdu.readUInt32LE(16)];
    const { out } = this.#waiters.get(cid);
    for (const part of splitData(start, length, this.maxH2cData)) {
      const data = out.subarray(part.offset, part.offset + part.length);
      this.socket.write(h2cDataHeader({ cid, ttag, ...part }, this.digests, this.dataAlignment));
      this.socket.write(data);
      if (this.digests.dataDigest) this.socket.write(digestOf(data));
    }
  }

  #complete(cid, cqe) {
    const waiter = this.#waiters.get(cid);
    if (waiter === undefined) throw new Error(`completion of command ${cid}, which is not outstanding`);
    this.#waiters.delete(cid);
    const { data, received } = waiter;
    waiter.resolve({ status: cqe.readUInt16LE(14) >> 1, result: cqe.readBigUInt64LE(0), data, received });
  }
}

/** What one R2T asks for, in pieces of at most `most` bytes. */
export function* splitData(start, length, most) {
  const piece = most > 0 ? most : length;
  for (let done = 0; done < length; done += piece) {
    const bytes = Math.min(piece, length - done);
    yield { offset: start + done, length: bytes, last: done + bytes === length };
  }
}
