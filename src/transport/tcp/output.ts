/**
 * What a connection sends: responses and data PDUs of one turn, gathered and handed to the socket in one go. Data goes out
 * from the buffer that the backend filled, framed in its head and tail room; all small PDUs of a turn share a slab.
 */
import type { Socket } from 'node:net';
import { BUFFER_HEADROOM, type DataBuffer } from '../../base/buffer-pool.ts';
import { type Request, Transfer } from '../../target/request.ts';
import { crc32c } from '../../wire/crc32c.ts';
import {
  CAPSULE_RESP_HLEN,
  DATA_HLEN,
  DIGEST_LENGTH,
  PduFlag,
  R2T_HLEN,
  writeC2hDataHeader,
  writeCapsuleResp,
  writeR2t,
} from '../../wire/pdu.ts';

const SLAB_BYTES = 4096;
/** Room that one small PDU needs at most. */
const SMALL_PDU_BYTES = CAPSULE_RESP_HLEN + DIGEST_LENGTH;

/** Slabs of this thread that nobody uses. */
const freeSlabs: Buffer[] = [];
const FREE_SLABS_MAX = 1024;

/** What one hand-over to the socket keeps busy until its bytes have left. */
interface Batch {
  buffers: DataBuffer[];
  slabs: Buffer[];
}

export class Output {
  private readonly socket: Socket;
  /** The bytes of these buffers have left, or never will. */
  private readonly onSent: (buffers: DataBuffer[]) => void;
  private hdgst = false;
  private ddgst = false;
  /** Bytes from the start of a C2HData PDU to its data. */
  private pdo = DATA_HLEN;

  private slab: Buffer | null = null;
  private slabUsed = 0;
  private batch: Batch = { buffers: [], slabs: [] };
  /** Written one step late, so that the last piece of a turn is known as such. */
  private last: Buffer | null = null;
  private corked = false;

  constructor(socket: Socket, onSent: (buffers: DataBuffer[]) => void) {
    this.socket = socket;
    this.onSent = onSent;
  }

  /** What ICReq and ICResp agreed on. `hpda` is the host's data alignment, 0's based dwords. */
  configure(hdgst: boolean, ddgst: boolean, hpda: number): void {
    this.hdgst = hdgst;
    this.ddgst = ddgst;
    const alignment = (hpda + 1) * 4;
    this.pdo = Math.ceil((DATA_HLEN + (hdgst ? DIGEST_LENGTH : 0)) / alignment) * alignment;
  }

  /** Bytes accepted by the socket that the peer has not taken yet. */
  get backlogBytes(): number {
    return this.socket.writableLength;
  }

  /** Adds any bytes as they are (ICResp). */
  raw(bytes: Buffer): void {
    this.emit(bytes);
  }

  /** Asks for all data of a command. */
  r2t(request: Request): void {
    const at = this.room();
    writeR2t(this.slab!, at, this.hdgst, request.cid, request.slot, 0, request.dataLength);
    this.endSmall(at, R2T_HLEN);
  }

  /** Answers a command; a data buffer with data for the host goes along and comes back through `onSent`. */
  answer(request: Request): void {
    const buffer = request.buffer;
    if (buffer !== null && request.transfer === Transfer.toHost && request.status === 0) {
      this.dataAndAnswer(request, buffer);
      return;
    }
    const at = this.room();
    this.writeAnswer(this.slab!, at, request);
    this.slabUsed = at + this.answerLength;
  }

  /** Hands everything gathered to the socket. */
  flush(): void {
    this.closeSlab();
    const last = this.last;
    if (last === null) return;
    this.last = null;
    const batch = this.batch;
    this.batch = { buffers: [], slabs: [] };
    this.socket.write(last, () => this.sent(batch));
    if (this.corked) {
      this.corked = false;
      this.socket.uncork();
    }
  }

  /** The connection is gone: what was gathered is not sent. */
  discard(): void {
    if (this.slab !== null) this.batch.slabs.push(this.slab);
    this.slab = null;
    this.last = null;
    const batch = this.batch;
    this.batch = { buffers: [], slabs: [] };
    this.sent(batch);
  }

  private get answerLength(): number {
    return this.hdgst ? CAPSULE_RESP_HLEN + DIGEST_LENGTH : CAPSULE_RESP_HLEN;
  }

  /** [header][hdgst][padding][data][ddgst] and, unless the SUCCESS flag says it all, the CapsuleResp right behind. */
  private dataAndAnswer(request: Request, buffer: DataBuffer): void {
    const memory = buffer.memory;
    const length = request.dataLength;
    const start = BUFFER_HEADROOM - this.pdo;
    const success = !request.queue.flowControl && request.dw0 === 0 && request.dw1 === 0;
    let flags: number = success ? PduFlag.lastPdu | PduFlag.success : PduFlag.lastPdu;
    if (this.hdgst) flags |= PduFlag.hdgst;
    if (this.ddgst) flags |= PduFlag.ddgst;
    const plen = this.pdo + length + (this.ddgst ? DIGEST_LENGTH : 0);
    writeC2hDataHeader(memory, start, flags, this.pdo, plen, request.cid, 0, length);
    let headerEnd = start + DATA_HLEN;
    if (this.hdgst) {
      memory.writeUInt32LE(crc32c(memory, start, headerEnd), headerEnd);
      headerEnd += DIGEST_LENGTH;
    }
    if (headerEnd < BUFFER_HEADROOM) memory.fill(0, headerEnd, BUFFER_HEADROOM);
    let end = BUFFER_HEADROOM + length;
    if (this.ddgst) {
      memory.writeUInt32LE(crc32c(memory, BUFFER_HEADROOM, end), end);
      end += DIGEST_LENGTH;
    }
    if (!success) {
      this.writeAnswer(memory, end, request);
      end += this.answerLength;
    }
    request.buffer = null;
    this.batch.buffers.push(buffer);
    this.emit(buffer.frame(start, end - start));
  }

  private writeAnswer(into: Buffer, at: number, request: Request): void {
    writeCapsuleResp(
      into,
      at,
      this.hdgst,
      request.dw0,
      request.dw1,
      request.queue.reportedSqhd,
      request.cid,
      request.status,
    );
    if (this.hdgst) into.writeUInt32LE(crc32c(into, at, at + CAPSULE_RESP_HLEN), at + CAPSULE_RESP_HLEN);
  }

  /** Offset in the slab where a small PDU may be written. */
  private room(): number {
    if (this.slab !== null && this.slabUsed + SMALL_PDU_BYTES > SLAB_BYTES) this.closeSlab();
    if (this.slab === null) {
      this.slab = freeSlabs.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.slabUsed = 0;
    }
    return this.slabUsed;
  }

  private endSmall(at: number, length: number): void {
    let end = at + length;
    if (this.hdgst) {
      this.slab!.writeUInt32LE(crc32c(this.slab!, at, end), end);
      end += DIGEST_LENGTH;
    }
    this.slabUsed = end;
  }

  private closeSlab(): void {
    const slab = this.slab;
    if (slab === null) return;
    this.slab = null;
    this.batch.slabs.push(slab);
    this.emit(slab.subarray(0, this.slabUsed));
  }

  private emit(piece: Buffer): void {
    if (this.last !== null) {
      if (!this.corked) {
        this.corked = true;
        this.socket.cork();
      }
      this.socket.write(this.last);
    }
    this.last = piece;
  }

  private sent(batch: Batch): void {
    for (const slab of batch.slabs) if (freeSlabs.length < FREE_SLABS_MAX) freeSlabs.push(slab);
    this.onSent(batch.buffers);
  }
}
