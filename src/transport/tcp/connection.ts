/**
 * One TCP connection = one queue. The turn: read a chunk, cut PDUs, start commands, and send all answers in one go.
 *
 * A host can cause an NVMe status, a C2HTermReq or the end of its connection here, never an exception.
 */
import type { Socket } from 'node:net';
import { BUFFER_HEADROOM, type DataBuffer } from '../../base/buffer-pool.ts';
import type { Timer } from '../../base/clock.ts';
import { failData, mayGoOn, plan } from '../../target/dispatch.ts';
import type { Port } from '../../target/port.ts';
import { Queue, type QueueTransport } from '../../target/queue.ts';
import { type Request, Transfer } from '../../target/request.ts';
import type { Target } from '../../target/target.ts';
import {
  buildC2hTermReq,
  CAPSULE_CMD_HLEN,
  COMMON_HEADER_LENGTH,
  DATA_CCCID,
  DATA_HLEN,
  DATA_LENGTH,
  DATA_OFFSET,
  DATA_TTAG,
  DGST_DDGST,
  DGST_HDGST,
  Fes,
  IC_DGST,
  IC_HPDA_MAX,
  IC_LENGTH,
  IC_PDA,
  IC_PFV,
  OFFSET_FLAGS,
  PduFlag,
  PduType,
  TERM_FEI,
  TERM_FES,
  writeIcResp,
} from '../../wire/pdu.ts';
import { PduReader, type PduSink } from '../../wire/pdu-reader.ts';
import { DNR, Status } from '../../wire/status.ts';
import { Admission, type AdmissionOwner } from './admission.ts';
import { Output } from './output.ts';
import { checkSgl } from './sgl.ts';

/** A peer that leaves more than this unread is not read from until it has caught up. */
const BACKLOG_HIGH_BYTES = 1024 * 1024;
const BACKLOG_LOW_BYTES = 256 * 1024;
/** How long a peer may take to close after a C2HTermReq. */
const TERMINATION_MS = 5_000;

/** What the listener provides. */
export interface ConnectionOwner {
  readonly target: Target;
  readonly port: Port;
  readonly icReqTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** Asks for a {@link TcpConnection.flush} at the end of this turn of the event loop. */
  scheduleFlush(connection: TcpConnection): void;
  /** The connection is gone. `reason` in words. */
  connectionClosed(connection: TcpConnection, reason: string): void;
  /** Data buffers of the process have run out, somebody waits. */
  buffersShort(): void;
  /** The host did not say in time what it had to: `no-icreq`, `no-connect`. */
  deadlineMissed(deadline: string): void;
  /** The peer broke the protocol. */
  protocolError(connection: TcpConnection, fes: number): void;
}

/** opening: before ICReq. ready: commands flow. ending: nothing more is read, what was sent may still leave. closed: gone. */
export type ConnectionState = 'opening' | 'ready' | 'ending' | 'closed';

export class TcpConnection implements PduSink, QueueTransport, AdmissionOwner {
  readonly queue: Queue;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  state: ConnectionState = 'opening';
  /** Asked for a flush at the end of the turn. */
  flushScheduled = false;

  private readonly owner: ConnectionOwner;
  private readonly target: Target;
  private readonly socket: Socket;
  private readonly reader: PduReader;
  private readonly output: Output;
  readonly admission: Admission;
  private deadline: Timer;
  /** When bytes moved last, in either direction. */
  private turnMs = 0;
  private inTurn = false;
  private paused = false;
  private endWhenFlushed = false;
  private reason = '';

  /** Answers gathered for the next flush. */
  private answers: Request[] = [];
  private anythingToSend = false;
  /** The command whose data is being received, and how much of it this PDU carries. */
  private receiving: Request | null = null;
  private receivingStatus = 0;
  private receivingBytes = 0;
  private receivingInCapsule = false;

  constructor(owner: ConnectionOwner, socket: Socket) {
    this.owner = owner;
    this.target = owner.target;
    this.socket = socket;
    this.remoteAddress = plainAddress(socket.remoteAddress);
    this.remotePort = socket.remotePort ?? 0;
    this.localAddress = plainAddress(socket.localAddress);
    this.queue = new Queue(this, owner.port);
    const settings = owner.target.settings;
    this.reader = new PduReader(this, settings.inCapsuleDataBytes, settings.maxTransferBytes);
    this.output = new Output(socket, (buffers) => this.buffersSent(buffers));
    this.admission = new Admission(this, this.queue, owner.target.buffers);
    this.deadline = owner.target.timers.after(owner.icReqTimeoutMs, () =>
      this.late('no-icreq', 'no ICReq in time'),
    );
    socket.on('error', (error) => this.noteReason(`socket: ${error.message}`));
    socket.on('end', () => this.close('closed by host'));
    socket.on('close', () => this.closed());
  }

  // ---- receiving ----

  /** Bytes from the socket. Returns false when nothing more shall be read for now. */
  received(chunk: Buffer, length: number): boolean {
    if (this.state === 'closed' || this.state === 'ending') return true;
    this.turnMs = this.target.clock.nowMs();
    this.inTurn = true;
    this.reader.push(chunk, length);
    this.inTurn = false;
    this.flush();
    this.admission.afterReading();
    return !this.paused && !this.admission.starved;
  }

  onHeader(type: number, flags: number, buf: Buffer, at: number, dataLength: number): void {
    if (type === PduType.h2cTermReq) {
      const fes = buf.readUInt16LE(at + TERM_FES);
      const fei = buf.readUInt32LE(at + TERM_FEI);
      this.target.log.warn({ ...this.describe(), fes, fei }, 'host terminated the connection (H2CTermReq)');
      this.reader.stop();
      this.close(`H2CTermReq FES ${fes}`);
      return;
    }
    if (type === PduType.icReq) {
      if (this.state === 'opening') this.icReq(buf, at);
      else this.sequenceFault(buf, at, IC_LENGTH);
      return;
    }
    if (this.state === 'opening') {
      this.sequenceFault(buf, at, COMMON_HEADER_LENGTH);
      return;
    }
    if (type === PduType.capsuleCmd) this.capsule(buf, at, dataLength);
    else this.h2cData(flags, buf, at, dataLength);
  }

  onData(digestOk: boolean): void {
    const request = this.receiving!;
    this.receiving = null;
    if (this.receivingInCapsule) {
      const status =
        this.receivingStatus !== 0 ? this.receivingStatus : digestOk ? 0 : Status.transientTransportError;
      if (status !== 0) failData(request, status);
      else if (mayGoOn(request)) request.execute(request);
      return;
    }
    request.received += this.receivingBytes;
    if (!digestOk) request.damaged = true;
    if (request.received < request.dataLength) return;
    request.solicited = false;
    request.startedMs = this.turnMs;
    if (request.damaged) failData(request, Status.transientTransportError);
    else request.execute(request);
  }

  onFault(fes: number, fei: number, header: Buffer): void {
    this.owner.protocolError(this, fes);
    if (fes === 0) {
      this.close('malformed H2CTermReq');
      return;
    }
    this.terminate(fes, fei, header);
  }

  private icReq(buf: Buffer, at: number): void {
    const pfv = buf[at + IC_PFV] | (buf[at + IC_PFV + 1] << 8);
    if (pfv !== 0) {
      this.fault(Fes.unsupportedParameter, IC_PFV, buf, at, IC_LENGTH);
      return;
    }
    const hpda = buf[at + IC_PDA];
    if (hpda > IC_HPDA_MAX) {
      this.fault(Fes.invalidHeaderField, IC_PDA, buf, at, IC_LENGTH);
      return;
    }
    const hdgst = (buf[at + IC_DGST] & DGST_HDGST) !== 0;
    const ddgst = (buf[at + IC_DGST] & DGST_DDGST) !== 0;
    const response = Buffer.allocUnsafe(IC_LENGTH);
    const dgst = (hdgst ? DGST_HDGST : 0) | (ddgst ? DGST_DDGST : 0);
    writeIcResp(response, 0, 0, dgst, this.target.settings.maxTransferBytes);
    this.output.raw(response);
    this.anythingToSend = true;
    this.reader.setDigests(hdgst, ddgst);
    this.output.configure(hdgst, ddgst, hpda);
    this.state = 'ready';
    this.deadline.cancel();
    this.deadline = this.target.timers.after(this.owner.connectTimeoutMs, () => {
      if (this.queue.controller === null) this.late('no-connect', 'no Connect in time');
    });
  }

  private capsule(buf: Buffer, at: number, inCapsule: number): void {
    const request = this.queue.take();
    if (request === null) {
      this.target.log.warn(this.describe(), 'host sent more commands than its queue has entries');
      this.sequenceFault(buf, at, CAPSULE_CMD_HLEN);
      return;
    }
    request.arrivedMs = this.turnMs;
    request.parse(buf, at + COMMON_HEADER_LENGTH);
    let status = this.queue.register(request) ? plan(this.target, request) : Status.commandIdConflict | DNR;
    const toController = request.transfer === Transfer.toController;
    if (status === 0) {
      status = checkSgl(request, inCapsule, toController);
      if (status !== 0 && inCapsule === 0) {
        failData(request, status);
        return;
      }
    }
    if (inCapsule > 0) {
      this.receiving = request;
      this.receivingInCapsule = true;
      this.receivingStatus = status;
      if (status === 0) {
        this.admission.borrow(request);
        this.reader.place(request.buffer!.memory, BUFFER_HEADROOM);
      }
    } else if (status !== 0) {
      request.complete(status);
    } else if (mayGoOn(request)) {
      this.proceed(request);
    }
  }

  proceed(request: Request): void {
    if (request.buffer?.parked) this.admission.unpark(request.buffer);
    if (request.dataLength === 0 || request.buffer !== null) request.execute(request);
    else this.admission.admit(request);
  }

  private h2cData(flags: number, buf: Buffer, at: number, dataLength: number): void {
    const cccid = buf.readUInt16LE(at + DATA_CCCID);
    const ttag = buf.readUInt16LE(at + DATA_TTAG);
    const offset = buf.readUInt32LE(at + DATA_OFFSET);
    const length = buf.readUInt32LE(at + DATA_LENGTH);
    const request = this.queue.bySlot(ttag);
    if (request === null || !request.solicited) {
      this.fault(Fes.invalidHeaderField, DATA_TTAG, buf, at, DATA_HLEN);
    } else if (request.cid !== cccid) {
      this.fault(Fes.invalidHeaderField, DATA_CCCID, buf, at, DATA_HLEN);
    } else if (offset !== request.received || offset + length > request.dataLength) {
      this.fault(Fes.dataTransferOutOfRange, 0, buf, at, DATA_HLEN);
    } else if (length !== dataLength) {
      this.fault(Fes.invalidHeaderField, DATA_LENGTH, buf, at, DATA_HLEN);
    } else if (((flags & PduFlag.lastPdu) !== 0) !== (offset + length === request.dataLength)) {
      this.fault(Fes.invalidHeaderField, OFFSET_FLAGS, buf, at, DATA_HLEN);
    } else {
      this.receiving = request;
      this.receivingInCapsule = false;
      this.receivingBytes = length;
      this.reader.place(request.buffer!.memory, BUFFER_HEADROOM + offset);
    }
  }

  // ---- data buffers ----

  start(request: Request): void {
    if (request.transfer === Transfer.toHost) {
      // outside of a turn of this connection it waited for its buffer
      if (!this.inTurn) request.startedMs = this.target.clock.nowMs();
      request.execute(request);
      return;
    }
    request.solicited = true;
    this.output.r2t(request);
    this.sendSoon();
  }

  starve(): void {
    this.socket.pause();
  }

  feed(): void {
    if (!this.paused && this.state === 'ready') this.socket.resume();
  }

  buffersShort(): void {
    this.owner.buffersShort();
  }

  dropBuffer(request: Request): void {
    const buffer = request.buffer;
    if (buffer === null) return;
    request.buffer = null;
    this.admission.giveBack(buffer);
  }

  park(request: Request): void {
    if (request.buffer !== null) this.admission.park(request.buffer);
  }

  writeOff(request: Request): void {
    if (request.buffer !== null) this.admission.writeOff(request.buffer);
  }

  private buffersSent(buffers: DataBuffer[]): void {
    for (const buffer of buffers) this.admission.giveBack(buffer);
    this.turnMs = this.target.clock.nowMs();
    // a host may take completions as a sign of life and then send no Keep Alive (Linux before 6.5)
    if (this.queue.controller !== null) this.queue.controller.traffic = true;
    if (this.state === 'closed') return;
    this.admission.startWaiting();
    if (this.paused && this.output.backlogBytes < BACKLOG_LOW_BYTES) {
      this.paused = false;
      if (!this.admission.starved) this.socket.resume();
    }
  }

  // ---- answering ----

  respond(request: Request): void {
    this.answers.push(request);
    this.sendSoon();
  }

  private sendSoon(): void {
    this.anythingToSend = true;
    if (this.inTurn || this.flushScheduled) return;
    this.flushScheduled = true;
    this.owner.scheduleFlush(this);
  }

  /** Sends everything that was answered since the last flush. */
  flush(): void {
    this.flushScheduled = false;
    if (!this.anythingToSend || this.state === 'closed') return;
    this.anythingToSend = false;
    const answers = this.answers;
    if (answers.length > 0) {
      const nowMs = this.target.clock.nowMs();
      for (let i = 0; i < answers.length; i++) {
        const request = answers[i];
        if (!this.queue.mayAnswer(request)) continue;
        request.account(nowMs);
        this.output.answer(request);
        if (request.buffer !== null) this.dropBuffer(request);
        this.queue.release(request);
      }
      answers.length = 0;
    }
    this.output.flush();
    if (this.output.backlogBytes > BACKLOG_HIGH_BYTES && !this.paused) {
      this.paused = true;
      this.socket.pause();
    }
    this.admission.startWaiting();
    if (this.endWhenFlushed) this.end();
  }

  // ---- ending ----

  /** Closes the connection when it holds data buffers and no byte of it has moved for `ms`. */
  closeIfStalled(ms: number): boolean {
    const holdsData =
      this.admission.heldBytes > 0 && (this.output.backlogBytes > 0 || this.queue.awaitsData());
    if (!holdsData || this.target.clock.nowMs() - this.turnMs <= ms) return false;
    this.close('stalled: holds data buffers that others wait for');
    return true;
  }

  /** A Connect has made it a queue. */
  get isConnected(): boolean {
    return this.queue.qid >= 0;
  }

  /** For logs. */
  describe(): Record<string, unknown> {
    const controller = this.queue.controller;
    return {
      address: `${this.remoteAddress}:${this.remotePort}`,
      qid: this.queue.qid,
      ...(controller === null
        ? {}
        : {
            hostNqn: controller.host.hostNqn,
            subsystemNqn: controller.subsystem?.nqn ?? 'discovery',
            cntlid: controller.cntlid,
          }),
    };
  }

  closeAfterAnswer(reason: string): void {
    this.noteReason(reason);
    this.endWhenFlushed = true;
  }

  close(reason: string): void {
    this.noteReason(reason);
    if (this.state === 'closed') return;
    this.socket.destroy();
    this.closed();
  }

  private sequenceFault(buf: Buffer, at: number, length: number): void {
    this.fault(Fes.pduSequenceError, 0, buf, at, length);
  }

  private fault(fes: number, fei: number, buf: Buffer, at: number, length: number): void {
    this.owner.protocolError(this, fes);
    this.reader.stop();
    this.terminate(fes, fei, Buffer.from(buf.subarray(at, at + length)));
  }

  /** Sends a C2HTermReq and ends the connection (NVMe/TCP 1.0 section 3.7). */
  private terminate(fes: number, fei: number, header: Buffer): void {
    this.target.log.warn(
      { ...this.describe(), fes, fei },
      'protocol error by host, connection terminated (C2HTermReq)',
    );
    this.noteReason(`protocol error FES ${fes} FEI ${fei}`);
    this.output.flush();
    this.socket.write(buildC2hTermReq(fes, fei, header));
    this.end();
  }

  /** No more is read or answered; what was handed to the socket still leaves. */
  private end(): void {
    if (this.state === 'closed' || this.state === 'ending') return;
    this.state = 'ending';
    this.reader.stop();
    const unread = this.paused || this.admission.starved;
    this.releaseEverything();
    this.deadline.cancel();
    this.deadline = this.target.timers.after(TERMINATION_MS, () => this.socket.destroy());
    this.socket.end();
    if (unread) this.socket.resume();
  }

  private late(deadline: string, reason: string): void {
    this.owner.deadlineMissed(deadline);
    this.close(reason);
  }

  private noteReason(reason: string): void {
    if (this.reason === '') this.reason = reason;
  }

  private closed(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.reader.stop();
    this.deadline.cancel();
    this.releaseEverything();
    this.owner.connectionClosed(this, this.reason || 'closed');
  }

  /** Gives back every buffer that nobody works on any more, and tells the controller. */
  private releaseEverything(): void {
    this.receiving = null;
    this.admission.close();
    this.queue.close();
    this.answers.length = 0;
    this.output.discard();
  }
}

/** IPv4 addresses on a dual-stack socket without their IPv6 prefix. */
function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '');
}
