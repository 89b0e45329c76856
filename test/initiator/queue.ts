/**
 * One queue pair over one connection: ICReq to completions, the way Linux's nvme-tcp host does it, and strict: everything that a
 * controller does against the specification lands in {@link HostQueue.violations}.
 */
import { Sgl, setSgl } from './command.ts';
import { type ConnectionEnd, type Endpoint, RawConnection } from './connection.ts';
import { buildPdu, h2cDataSpecific, type IcReqSpec, icReq, PduFlag, PduType } from './pdu.ts';
import type { Pdu } from './pdu-parser.ts';
import { statusName } from './status.ts';

export interface QueueOptions extends Endpoint, IcReqSpec {
  qid: number;
  /** Entries, 1-based. */
  depth: number;
  /** Cuts H2CData PDUs to at most this many bytes, on top of the controller's MAXH2CDATA. */
  maxH2cData?: number;
  /** Connect asked for SQ flow control to be off. */
  flowControlOff?: boolean;
  /** Milliseconds that a command may take before its promise rejects; default 30000 as in Linux. */
  commandTimeoutMs?: number;
  /** Milliseconds until a TCP connect, or the wait for ICResp, is given up; default 20000. */
  connectTimeoutMs?: number;
}

export interface Completion {
  cid: number;
  sqhd: number;
  dw0: number;
  dw1: number;
  /** `sct << 8 | sc`. */
  status: number;
  sct: number;
  sc: number;
  /** Command retry delay index. */
  crd: number;
  more: boolean;
  dnr: boolean;
  /** Bytes that C2HData brought, as long as the command asked for (the rest zero). */
  data: Buffer;
  /** How many of them came. */
  received: number;
  /** The completion was the SUCCESS flag of the last C2HData. */
  bySuccessFlag: boolean;
  /** Data PDUs and R2Ts that this command took. */
  dataPdus: number;
  r2ts: number;
}

export interface SubmitOptions {
  /** Host to controller data. */
  data?: Uint8Array;
  /** Controller to host bytes expected. */
  readLength?: number;
  /** Send `data` in the capsule (default: when it fits IOCCSZ, see {@link HostQueue.inCapsuleLimit}). */
  inCapsule?: boolean;
  /** The SGL descriptor is already in the command as the test wants it. */
  keepSgl?: boolean;
  spoilDdgst?: boolean;
  /** The command may stay open for ever (an Asynchronous Event Request). */
  noTimeout?: boolean;
  /** Called once, before the first H2CData of each R2T is sent; the answer is awaited. */
  beforeR2tAnswer?: () => Promise<void>;
  /** Instead of answering R2Ts. */
  onR2t?: (r2t: R2t) => void;
}

export interface R2t {
  cccid: number;
  ttag: number;
  offset: number;
  length: number;
}

/** Queues have at most this many entries; the CID bits above hold the generation. */
const CID_GENERATION = 1024;

interface Pending {
  cid: number;
  out: Uint8Array | null;
  inCapsule: boolean;
  options: SubmitOptions;
  data: Buffer;
  received: number;
  dataPdus: number;
  r2ts: number;
  r2tsOpen: number;
  solicited: number;
  sawLast: boolean;
  resolve: (completion: Completion) => void;
  reject: (cause: Error) => void;
  timer: NodeJS.Timeout;
}

export interface IcRespInfo {
  pfv: number;
  cpda: number;
  hdgst: boolean;
  ddgst: boolean;
  maxH2cData: number;
}

/** The connection ended while commands were open. */
export class QueueClosed extends Error {
  readonly end: ConnectionEnd;
  readonly termReq: Pdu | null;
  constructor(qid: number, end: ConnectionEnd, termReq: Pdu | null) {
    const fes = termReq ? `, C2HTermReq FES ${termReq.header.readUInt16LE(8)}` : '';
    super(`queue ${qid}: connection over (${end.how}${end.error ? ` ${end.error.message}` : ''})${fes}`);
    this.end = end;
    this.termReq = termReq;
  }
}

export class HostQueue {
  readonly connection: RawConnection;
  readonly options: QueueOptions;
  readonly ic: IcRespInfo;
  readonly violations: string[] = [];
  /** Largest in-capsule data, bytes: 8192 on an admin queue, IOCCSZ * 16 - 64 on an I/O queue. */
  inCapsuleLimit = 8192;
  termReq: Pdu | null = null;
  closed: QueueClosed | null = null;
  onClosed: ((cause: QueueClosed) => void) | null = null;
  readonly #pending = new Map<number, Pending>();
  readonly #freeCids: number[] = [];
  readonly #waiting: (() => void)[] = [];
  #expectedSqhd = 0;
  #answered = 0;
  /** SQHD checks need every command to have gone through {@link submit}. */
  checkSqhd = true;

  /** TCP connect, ICReq, ICResp. */
  static async open(options: QueueOptions): Promise<HostQueue> {
    const connection = await RawConnection.open(options);
    connection.send(icReq(options));
    const pdu = await connection.nextPdu(options.connectTimeoutMs ?? 20_000);
    if (!pdu || pdu.type !== PduType.icResp) {
      await connection.close();
      throw new Error(pdu ? `PDU type ${pdu.type} instead of ICResp` : 'connection over before ICResp');
    }
    return new HostQueue(connection, options, pdu);
  }

  private constructor(connection: RawConnection, options: QueueOptions, icResp: Pdu) {
    this.connection = connection;
    this.options = options;
    const header = icResp.header;
    this.ic = {
      pfv: header.readUInt16LE(8),
      cpda: header[10],
      hdgst: (header[11] & 1) !== 0,
      ddgst: (header[11] & 2) !== 0,
      maxH2cData: header.readUInt32LE(12),
    };
    this.#checkIcResp(icResp);
    connection.parser.digests = { hdgst: this.ic.hdgst, ddgst: this.ic.ddgst };
    connection.parser.alignment = 4 * ((options.hpda ?? 0) + 1);
    // A ring of n entries is full with n - 1 commands.
    for (let cid = options.depth - 2; cid >= 0; cid--) this.#freeCids.push(cid);
    connection.onPdu = (pdu) => this.#take(pdu);
    connection.onEnd = (end) => this.#over(end);
  }

  get qid(): number {
    return this.options.qid;
  }

  get outstanding(): number {
    return this.#pending.size;
  }

  /** CIDs of commands that have no completion yet. */
  openCids(): IterableIterator<number> {
    return this.#pending.keys();
  }

  #checkIcResp(pdu: Pdu): void {
    const v = (text: string) => this.violations.push(`ICResp: ${text}`);
    for (const fault of pdu.faults) v(fault);
    if (pdu.plen !== 128 || pdu.hlen !== 128) v(`HLEN ${pdu.hlen} PLEN ${pdu.plen}`);
    if (pdu.flags !== 0 || pdu.pdo !== 0) v(`FLAGS ${pdu.flags} PDO ${pdu.pdo}`);
    if (this.ic.pfv !== 0) v(`PFV ${this.ic.pfv}`);
    if (this.ic.cpda > 31) v(`CPDA ${this.ic.cpda}`);
    if (this.ic.maxH2cData < 4096 || this.ic.maxH2cData % 4 !== 0) v(`MAXH2CDATA ${this.ic.maxH2cData}`);
    if ((pdu.header[11] & 0xfc) !== 0) v(`DGST ${pdu.header[11]}`);
    if (pdu.header.subarray(16).some((byte) => byte !== 0)) v('reserved bytes set');
    // A digest that the host did not enable may not be enabled (section 3.6.2.3).
    if (this.ic.hdgst && !this.options.hdgst) v('header digest not asked for');
    if (this.ic.ddgst && !this.options.ddgst) v('data digest not asked for');
  }

  /** Sends a command and resolves with its completion; rejects when the connection ends or the time is over. */
  async submit(command: Buffer, options: SubmitOptions = {}): Promise<Completion> {
    while (this.#freeCids.length === 0 && !this.closed) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.submitNow(command, options);
  }

  /** Like {@link submit}, without waiting for a slot: the command is written in this very call. */
  submitNow(command: Buffer, options: SubmitOptions = {}): Promise<Completion> {
    if (this.closed) return Promise.reject(this.closed);
    const cid = this.#freeCids.pop();
    if (cid === undefined) return Promise.reject(new Error(`queue ${this.qid} is full`));
    const out = options.data ?? null;
    const inCapsule = out !== null && (options.inCapsule ?? out.length <= this.inCapsuleLimit);
    if (!options.keepSgl) {
      if (out) setSgl(command, inCapsule ? Sgl.inCapsule : Sgl.transport, out.length);
      else setSgl(command, Sgl.transport, options.readLength ?? 0);
    }
    command.writeUInt16LE(cid, 2);
    return new Promise((resolve, reject) => {
      const limit = options.noTimeout ? 2 ** 31 - 1 : (this.options.commandTimeoutMs ?? 30_000);
      const timer = setTimeout(() => {
        const opcode = command[0].toString(16);
        reject(new Error(`queue ${this.qid}: command ${opcode}h CID ${cid} not completed in time`));
      }, limit);
      if (options.noTimeout) timer.unref();
      this.#pending.set(cid, {
        cid,
        out,
        inCapsule,
        options,
        data: Buffer.alloc(options.readLength ?? 0),
        received: 0,
        dataPdus: 0,
        r2ts: 0,
        r2tsOpen: 0,
        solicited: 0,
        sawLast: false,
        resolve,
        reject,
        timer,
      });
      this.connection.send(
        this.capsule(command, inCapsule ? (out as Uint8Array) : undefined, options.spoilDdgst === true),
      );
    });
  }

  /** The bytes of a CapsuleCmd under this connection's digests and alignment. */
  capsule(command: Uint8Array, data?: Uint8Array, spoilDdgst = false): Buffer {
    return buildPdu({
      type: PduType.capsuleCmd,
      specific: command,
      ...(data ? { data } : {}),
      hdgst: this.ic.hdgst,
      ddgst: this.ic.ddgst,
      align: 4 * (this.ic.cpda + 1),
      ...(spoilDdgst ? { spoilDdgst: 1 } : {}),
    });
  }

  /** The bytes of one H2CData PDU under this connection's digests and alignment. */
  h2cData(
    cccid: number,
    ttag: number,
    offset: number,
    data: Uint8Array,
    last: boolean,
    spoil = false,
  ): Buffer {
    return buildPdu({
      type: PduType.h2cData,
      flags: last ? PduFlag.last : 0,
      specific: h2cDataSpecific(cccid, ttag, offset, data.length),
      data,
      hdgst: this.ic.hdgst,
      ddgst: this.ic.ddgst,
      align: 4 * (this.ic.cpda + 1),
      ...(spoil ? { spoilDdgst: 1 } : {}),
    });
  }

  /** Closes the socket; open commands reject with {@link QueueClosed}. */
  close(): Promise<void> {
    return this.connection.close();
  }

  #take(pdu: Pdu): void {
    for (const fault of pdu.faults) this.#violation(`PDU type ${pdu.type}: ${fault}`);
    if (pdu.type === PduType.capsuleResp) this.#takeResponse(pdu);
    else if (pdu.type === PduType.c2hData) this.#takeData(pdu);
    else if (pdu.type === PduType.r2t) this.#takeR2t(pdu);
    else if (pdu.type === PduType.c2hTermReq) this.termReq = pdu;
    else this.#violation(`unexpected PDU type ${pdu.type}`);
  }

  #takeResponse(pdu: Pdu): void {
    const cqe = pdu.header.subarray(8);
    const cid = cqe.readUInt16LE(12);
    const pending = this.#pending.get(cid);
    if (!pending) {
      this.#violation(`completion for CID ${cid} which is not open`);
      return;
    }
    // SQID is reserved in a fabrics completion; Linux's target fills it in, the specification wants it cleared or the queue's.
    const sqid = cqe.readUInt16LE(10);
    if (sqid !== 0 && sqid !== this.qid) this.#violation(`SQID ${sqid} in a completion of queue ${this.qid}`);
    const field = cqe.readUInt16LE(14);
    if ((field & 1) !== 0) this.#violation('phase tag set in a completion');
    const sqhd = cqe.readUInt16LE(8);
    this.#checkSqhd(sqhd);
    this.#answered++;
    const status = (field >> 1) & 0x7ff;
    if (status === 0 && pending.received < pending.data.length && pending.options.readLength) {
      if (pending.dataPdus > 0 && !pending.sawLast) this.#violation('success before the last C2HData');
    }
    if (status === 0 && pending.out && !pending.inCapsule && pending.solicited < pending.out.length) {
      this.#violation(`success with ${pending.solicited} of ${pending.out.length} bytes solicited`);
    }
    this.#complete(pending, {
      cid,
      sqhd,
      dw0: cqe.readUInt32LE(0),
      dw1: cqe.readUInt32LE(4),
      status,
      sct: status >> 8,
      sc: status & 0xff,
      crd: (field >> 12) & 3,
      more: (field & 0x4000) !== 0,
      dnr: (field & 0x8000) !== 0,
      data: pending.data,
      received: pending.received,
      bySuccessFlag: false,
      dataPdus: pending.dataPdus,
      r2ts: pending.r2ts,
    });
  }

  #checkSqhd(sqhd: number): void {
    if (!this.checkSqhd) return;
    if (this.options.flowControlOff) {
      // FFFFh in the Connect response says that flow control is off; later the field is reserved.
      if (sqhd !== 0xffff && !(this.#answered > 0 && sqhd === 0))
        this.#violation(`SQHD ${sqhd} although flow control is off`);
      return;
    }
    // The controller may have fetched more entries than it completed: the head lies within what was sent.
    if (sqhd >= this.options.depth)
      this.#violation(`SQHD ${sqhd} of a queue with ${this.options.depth} entries`);
    this.#expectedSqhd = sqhd;
  }

  /** SQHD of the last completion. */
  get lastSqhd(): number {
    return this.#expectedSqhd;
  }

  #takeData(pdu: Pdu): void {
    const cid = pdu.header.readUInt16LE(8);
    const offset = pdu.header.readUInt32LE(12);
    const pending = this.#pending.get(cid);
    if (!pending) {
      this.#violation(`C2HData for CID ${cid} which is not open`);
      return;
    }
    if (offset !== pending.received) this.#violation(`C2HData at ${offset}, expected ${pending.received}`);
    if (pending.sawLast) this.#violation('C2HData after LAST');
    if (offset + pdu.data.length > pending.data.length) {
      this.#violation(`C2HData ${offset}+${pdu.data.length} past ${pending.data.length}`);
      return;
    }
    pdu.data.copy(pending.data, offset);
    pending.received += pdu.data.length;
    pending.dataPdus++;
    const last = (pdu.flags & PduFlag.last) !== 0;
    pending.sawLast = last;
    if (!last && pending.received === pending.data.length) this.#violation('all data came without LAST');
    if ((pdu.flags & PduFlag.success) !== 0) {
      if (!this.options.flowControlOff) this.#violation('SUCCESS flag although flow control is on');
      this.#complete(pending, {
        cid,
        sqhd: 0xffff,
        dw0: 0,
        dw1: 0,
        status: 0,
        sct: 0,
        sc: 0,
        crd: 0,
        more: false,
        dnr: false,
        data: pending.data,
        received: pending.received,
        bySuccessFlag: true,
        dataPdus: pending.dataPdus,
        r2ts: pending.r2ts,
      });
    }
  }

  #takeR2t(pdu: Pdu): void {
    const r2t: R2t = {
      cccid: pdu.header.readUInt16LE(8),
      ttag: pdu.header.readUInt16LE(10),
      offset: pdu.header.readUInt32LE(12),
      length: pdu.header.readUInt32LE(16),
    };
    const pending = this.#pending.get(r2t.cccid);
    if (!pending?.out || pending.inCapsule) {
      this.#violation(`R2T for CID ${r2t.cccid} that waits for none`);
      return;
    }
    pending.r2ts++;
    if (++pending.r2tsOpen > (this.options.maxR2t ?? 0) + 1)
      this.#violation(`${pending.r2tsOpen} R2Ts open, over MAXR2T`);
    if (r2t.length === 0) this.#violation('R2T of no length');
    if (r2t.offset !== pending.solicited)
      this.#violation(`R2T at ${r2t.offset}, expected ${pending.solicited}`);
    if (r2t.offset + r2t.length > pending.out.length) {
      this.#violation(`R2T ${r2t.offset}+${r2t.length} past ${pending.out.length}`);
      return;
    }
    pending.solicited = r2t.offset + r2t.length;
    if (pending.options.onR2t) pending.options.onR2t(r2t);
    else if (pending.options.beforeR2tAnswer) {
      pending.options.beforeR2tAnswer().then(() => this.#answerR2t(pending, r2t));
    } else this.#answerR2t(pending, r2t);
  }

  #answerR2t(pending: Pending, r2t: R2t): void {
    const piece = Math.min(this.ic.maxH2cData, this.options.maxH2cData ?? this.ic.maxH2cData);
    const end = r2t.offset + r2t.length;
    pending.r2tsOpen--;
    this.connection.socket.cork();
    for (let at = r2t.offset; at < end; at += piece) {
      const to = Math.min(end, at + piece);
      const data = (pending.out as Uint8Array).subarray(at, to);
      this.connection.send(
        this.h2cData(r2t.cccid, r2t.ttag, at, data, to === end, pending.options.spoilDdgst === true),
      );
    }
    this.connection.socket.uncork();
  }

  #complete(pending: Pending, completion: Completion): void {
    clearTimeout(pending.timer);
    this.#pending.delete(pending.cid);
    // Like Linux, count a generation in the upper bits: a late answer to an old command is noticed.
    this.#freeCids.unshift((pending.cid + CID_GENERATION) & 0xffff);
    pending.resolve(completion);
    this.#waiting.shift()?.();
  }

  #violation(text: string): void {
    this.violations.push(`queue ${this.qid}: ${text}`);
  }

  #over(end: ConnectionEnd): void {
    this.closed = new QueueClosed(this.qid, end, this.termReq);
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer);
      pending.reject(this.closed);
    }
    this.#pending.clear();
    for (const waiter of this.#waiting.splice(0)) waiter();
    this.onClosed?.(this.closed);
  }
}

/** Throws, naming the status, unless the command succeeded. */
export function expectSuccess(completion: Completion, what: string): Completion {
  if (completion.status !== 0)
    throw new Error(`${what}: ${statusName(completion.status)} dw0 ${completion.dw0.toString(16)}h`);
  return completion;
}
