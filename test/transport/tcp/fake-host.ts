/** A host on a socket that is not one: bytes move when the test says so, in any order between hosts. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { Port } from '../../../src/target/port.ts';
import type { Target } from '../../../src/target/target.ts';
import { type ConnectionOwner, TcpConnection } from '../../../src/transport/tcp/connection.ts';
import { connectData, connectSqe, Sgl, setSgl } from '../../initiator/command.ts';
import { buildPdu, h2cDataSpecific, icReq, PduFlag, PduType } from '../../initiator/pdu.ts';
import { type Pdu, PduParser } from '../../initiator/pdu-parser.ts';
import { HOST_ID, HOST_NQN, SUBSYSTEM_NQN } from '../../target/target-world.ts';

/** The target's end. What is written stays in `unread` until the host reads it. */
class FakeSocket extends EventEmitter {
  readonly remoteAddress = '192.0.2.10';
  readonly remotePort = 50000;
  readonly localAddress = '192.0.2.1';
  destroyed = false;
  paused = false;
  writableLength = 0;
  unread: Buffer[] = [];
  #callbacks: (() => void)[] = [];

  write(piece: Buffer, sent?: () => void): boolean {
    this.unread.push(piece);
    this.writableLength += piece.length;
    if (sent !== undefined) this.#callbacks.push(sent);
    return true;
  }

  /** The host reads everything that was sent. */
  take(): Buffer[] {
    const pieces = this.unread.map((piece) => Buffer.from(piece));
    this.unread = [];
    this.writableLength = 0;
    for (const sent of this.#callbacks.splice(0)) sent();
    return pieces;
  }

  cork(): void {}
  uncork(): void {}
  end(): void {}

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  destroy(): void {
    this.destroyed = true;
  }
}

/** Stands for the listener. */
export class FakeOwner implements ConnectionOwner {
  readonly target: Target;
  readonly port: Port;
  readonly icReqTimeoutMs = 10_000;
  readonly connectTimeoutMs = 10_000;
  readonly closed: string[] = [];
  readonly faults: number[] = [];
  readonly missed: string[] = [];
  short = 0;
  #dirty: TcpConnection[] = [];

  constructor(target: Target, port: Port) {
    this.target = target;
    this.port = port;
  }

  scheduleFlush(connection: TcpConnection): void {
    this.#dirty.push(connection);
  }

  /** The end of a turn of the event loop. */
  endTurn(): void {
    for (const connection of this.#dirty.splice(0)) connection.flush();
  }

  connectionClosed(_connection: TcpConnection, reason: string): void {
    this.closed.push(reason);
  }

  buffersShort(): void {
    this.short += 1;
  }

  deadlineMissed(deadline: string): void {
    this.missed.push(deadline);
  }

  protocolError(_connection: TcpConnection, fes: number): void {
    this.faults.push(fes);
  }
}

export class FakeHost {
  readonly socket = new FakeSocket();
  readonly connection: TcpConnection;
  readonly owner: FakeOwner;
  /** PDUs that came, oldest first. */
  readonly received: Pdu[] = [];
  /** Commands without an answer: CID to what a write still has to send. */
  readonly open = new Map<number, Buffer | null>();
  /** R2Ts that the host has not answered. */
  readonly asked: { cid: number; ttag: number; offset: number; length: number }[] = [];
  /** Status of each answer, by CID. */
  readonly answers = new Map<number, number>();
  #outbox: Buffer[] = [];
  #gathering = false;
  #cid = 0;
  readonly #parser = new PduParser((pdu) => this.#onPdu(pdu));

  constructor(owner: FakeOwner) {
    this.owner = owner;
    this.connection = new TcpConnection(owner, this.socket as unknown as Socket);
  }

  /** ICReq and Connect; returns the controller id. */
  connect(options: { qid?: number; sqsize?: number; cntlid?: number; cattr?: number } = {}): number {
    this.transmit(icReq());
    this.read();
    const command = connectSqe({ sqsize: 31, ...options });
    const data = connectData({
      hostid: HOST_ID,
      subnqn: SUBSYSTEM_NQN,
      hostnqn: HOST_NQN,
      cntlid: options.cntlid ?? 0xffff,
    });
    this.command(command, { data, inCapsule: true });
    this.read();
    const answer = this.received.at(-1)!;
    if (answer.header.readUInt16LE(22) !== 0) throw new Error('Connect failed');
    return answer.header.readUInt16LE(8);
  }

  /** Sends a command; the bytes wait while the target does not read. Returns the CID. */
  command(sqe: Buffer, options: { data?: Buffer; length?: number; inCapsule?: boolean } = {}): number {
    const cid = this.#cid;
    this.#cid = (cid + 1) & 0xffff;
    const bytes = Buffer.from(sqe);
    bytes.writeUInt16LE(cid, 2);
    const { data } = options;
    const inCapsule = options.inCapsule === true && data !== undefined;
    setSgl(bytes, inCapsule ? Sgl.inCapsule : Sgl.transport, data?.length ?? options.length ?? 0);
    this.open.set(cid, inCapsule ? null : (data ?? null));
    this.transmit(buildPdu({ type: PduType.capsuleCmd, specific: bytes, ...(inCapsule ? { data } : {}) }));
    return cid;
  }

  /** Answers the R2T at `index` with one H2CData PDU of at most `most` bytes. */
  sendData(index: number, most = Number.MAX_SAFE_INTEGER): void {
    const r2t = this.asked[index];
    const length = Math.min(most, r2t.length);
    const last = length === r2t.length;
    const data = this.open.get(r2t.cid)!.subarray(r2t.offset, r2t.offset + length);
    this.transmit(
      buildPdu({
        type: PduType.h2cData,
        flags: last ? PduFlag.last : 0,
        specific: h2cDataSpecific(r2t.cid, r2t.ttag, r2t.offset, length),
        data,
      }),
    );
    if (last) this.asked.splice(index, 1);
    else this.asked[index] = { ...r2t, offset: r2t.offset + length, length: r2t.length - length };
  }

  /** Puts bytes on the wire. */
  transmit(bytes: Buffer): void {
    this.#outbox.push(bytes);
    if (!this.#gathering) this.push();
  }

  /** What `send` sends arrives in one chunk. */
  together(send: () => void): void {
    this.#gathering = true;
    send();
    this.#gathering = false;
    this.push();
  }

  /** The target reads what is on the wire, unless it does not want to. */
  push(): void {
    if (this.#outbox.length === 0 || this.socket.paused || this.socket.destroyed) return;
    const chunk = Buffer.concat(this.#outbox);
    this.#outbox = [];
    if (!this.connection.received(chunk, chunk.length)) this.socket.pause();
  }

  /** The host reads what the target sent. */
  read(): void {
    for (const piece of this.socket.take()) this.#parser.push(piece);
  }

  #onPdu(pdu: Pdu): void {
    if (pdu.faults.length > 0) throw new Error(pdu.faults.join(', '));
    this.received.push(pdu);
    if (pdu.type === PduType.r2t) {
      this.asked.push({
        cid: pdu.header.readUInt16LE(8),
        ttag: pdu.header.readUInt16LE(10),
        offset: pdu.header.readUInt32LE(12),
        length: pdu.header.readUInt32LE(16),
      });
    } else if (pdu.type === PduType.capsuleResp) {
      this.#answered(pdu.header.readUInt16LE(20), pdu.header.readUInt16LE(22) >> 1);
    } else if (pdu.type === PduType.c2hData && (pdu.flags & PduFlag.success) !== 0) {
      this.#answered(pdu.header.readUInt16LE(8), 0);
    }
  }

  #answered(cid: number, status: number): void {
    if (!this.open.delete(cid)) throw new Error(`command ${cid} answered twice or never sent`);
    this.answers.set(cid, status);
  }
}
