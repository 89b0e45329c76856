/** A host's view of one controller: admin queue, I/O queues, and the start-up, events and keep-alive that Linux does. */
import {
  AdminOpcode,
  connectData,
  connectSqe,
  type DsmRange,
  disconnectSqe,
  dsmRanges,
  dsmSqe,
  Feature,
  getLogPageSqe,
  type IdentifySpec,
  IoOpcode,
  identifySqe,
  ioSqe,
  type LogSpec,
  Property,
  propertyGetSqe,
  propertySetSqe,
  sqe,
} from './command.ts';
import type { Endpoint } from './connection.ts';
import {
  type ControllerPage,
  type NamespacePage,
  parseController,
  parseNamespace,
  parseNamespaceList,
} from './identify-page.ts';
import { type AnaLog, LogId, parseAnaLog } from './log-page.ts';
import { type Completion, expectSuccess, HostQueue, type SubmitOptions } from './queue.ts';

export const DISCOVERY_NQN = 'nqn.2014-08.org.nvmexpress.discovery';

export interface HostOptions extends Endpoint {
  subnqn: string;
  hostnqn?: string;
  /** 16 bytes. */
  hostid?: Buffer;
  hdgst?: boolean;
  ddgst?: boolean;
  hpda?: number;
  /** 0-based MAXR2T. */
  maxR2t?: number;
  /** Keep alive timeout in milliseconds, 0 (default): none. */
  kato?: number;
  /** I/O queues; default 1. */
  ioQueues?: number;
  /** Entries per I/O queue, 1-based; default 128. */
  ioDepth?: number;
  flowControlOff?: boolean;
  maxH2cData?: number;
  commandTimeoutMs?: number;
  /** Milliseconds until a TCP connect, or the wait for ICResp, is given up; default 20000. */
  connectTimeoutMs?: number;
}

export interface AsyncEvent {
  type: number;
  info: number;
  lid: number;
}

let hosts = 0;

/** A host NQN and identifier that no other call gives. */
export function freshHost(): { hostnqn: string; hostid: Buffer } {
  const hostid = Buffer.alloc(16);
  hostid.writeUInt32BE(process.pid, 0);
  hostid.writeUInt32BE(++hosts, 12);
  hostid[6] = 0x40;
  const hex = hostid.toString('hex');
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join(
    '-',
  );
  return { hostnqn: `nqn.2014-08.org.nvmexpress:uuid:${uuid}`, hostid };
}

/** Connect refused; carries the completion. */
export class ConnectRefused extends Error {
  readonly completion: Completion;
  constructor(qid: number, completion: Completion) {
    super(
      `Connect of queue ${qid}: status ${completion.status.toString(16)}h dw0 ${completion.dw0.toString(16)}h`,
    );
    this.completion = completion;
  }
}

export class HostController {
  readonly options: Required<Pick<HostOptions, 'hostnqn' | 'hostid'>> & HostOptions;
  readonly admin: HostQueue;
  readonly cntlid: number;
  readonly io: HostQueue[] = [];
  cap = 0n;
  version = 0;
  id!: ControllerPage;
  /** Events not asked for by {@link nextEvent} yet. */
  readonly events: AsyncEvent[] = [];
  readonly #eventWaiters: ((event: AsyncEvent) => void)[] = [];
  #keepAlive: NodeJS.Timeout | null = null;

  /** TCP, ICReq and Connect of the admin queue; nothing else. */
  static async connectAdmin(options: HostOptions): Promise<HostController> {
    const identity = freshHost();
    const full = { ...identity, ...options };
    const admin = await HostQueue.open({ ...full, qid: 0, depth: 32 });
    const completion = await admin.submit(
      connectSqe({ qid: 0, sqsize: 31, kato: full.kato ?? 0, cattr: full.flowControlOff ? 4 : 0 }),
      {
        data: connectData({ hostid: full.hostid, subnqn: full.subnqn, hostnqn: full.hostnqn }),
        inCapsule: true,
      },
    );
    if (completion.status !== 0) {
      await admin.close();
      throw new ConnectRefused(0, completion);
    }
    return new HostController(full, admin, completion.dw0 & 0xffff);
  }

  /** Everything up to live I/O queues, in Linux's order. */
  static async connect(options: HostOptions): Promise<HostController> {
    const controller = await HostController.connectAdmin(options);
    try {
      await controller.enable();
      await controller.startIo();
    } catch (cause) {
      await controller.drop();
      throw cause;
    }
    return controller;
  }

  private constructor(options: HostController['options'], admin: HostQueue, cntlid: number) {
    this.options = options;
    this.admin = admin;
    this.cntlid = cntlid;
  }

  /** CAP, VS, CC.EN, CSTS.RDY, Identify Controller. */
  async enable(): Promise<void> {
    this.cap = (await this.propertyGet(Property.cap, 8)).value;
    this.version = Number((await this.propertyGet(Property.vs, 4)).value);
    // IOSQES 64, IOCQES 16, EN; CSS as Linux chooses it from CAP.CSS.
    const csi = (this.cap >> 43n) & 1n ? 6 << 4 : 0;
    await this.setCc(0x00460000 | csi | 1);
    await this.waitCsts((csts) => (csts & 1) === 1, 'CSTS.RDY');
    this.id = parseController((await this.identify({ cns: 1 })).data);
    if (this.options.kato) this.startKeepAlive(this.options.kato / 2);
  }

  /** Asks for the I/O queues and connects as many as were granted. */
  async startIo(): Promise<void> {
    const wanted = this.options.ioQueues ?? 1;
    if (wanted === 0) return;
    const granted = await this.setFeature(Feature.numberOfQueues, (wanted - 1) | ((wanted - 1) << 16));
    const count = Math.min(wanted, (granted.dw0 & 0xffff) + 1, (granted.dw0 >>> 16) + 1);
    const depth = Math.min(this.options.ioDepth ?? 128, Number(this.cap & 0xffffn) + 1);
    for (let qid = 1; qid <= count; qid++) this.io.push(await this.connectIoQueue(qid, depth));
  }

  /** Connects one more I/O queue of this controller. */
  async connectIoQueue(qid: number, depth = this.options.ioDepth ?? 128): Promise<HostQueue> {
    const queue = await HostQueue.open({ ...this.options, qid, depth });
    if (this.id) queue.inCapsuleLimit = Math.max(0, this.id.ioccsz * 16 - 64);
    const completion = await queue.submit(
      connectSqe({ qid, sqsize: depth - 1, cattr: this.options.flowControlOff ? 4 : 0 }),
      {
        data: connectData({
          hostid: this.options.hostid,
          cntlid: this.cntlid,
          subnqn: this.options.subnqn,
          hostnqn: this.options.hostnqn,
        }),
        inCapsule: true,
      },
    );
    if (completion.status !== 0) {
      await queue.close();
      throw new ConnectRefused(qid, completion);
    }
    return queue;
  }

  async propertyGet(offset: number, size: 4 | 8): Promise<{ completion: Completion; value: bigint }> {
    const completion = await this.admin.submit(propertyGetSqe(offset, size));
    const high = size === 8 ? BigInt(completion.dw1) << 32n : 0n;
    return { completion, value: BigInt(completion.dw0) | high };
  }

  propertySet(offset: number, value: number, size: 4 | 8 = 4): Promise<Completion> {
    return this.admin.submit(propertySetSqe(offset, value, size));
  }

  async setCc(value: number): Promise<void> {
    expectSuccess(await this.propertySet(Property.cc, value), 'Property Set CC');
  }

  async csts(): Promise<number> {
    return Number((await this.propertyGet(Property.csts, 4)).value);
  }

  /** Polls CSTS until `accept` says yes; at most ten seconds. */
  async waitCsts(accept: (csts: number) => boolean, what: string): Promise<number> {
    const end = performance.now() + 10_000;
    for (;;) {
      const csts = await this.csts();
      if (accept(csts)) return csts;
      if (performance.now() > end) throw new Error(`${what}: CSTS stays ${csts.toString(16)}h`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async identify(spec: IdentifySpec): Promise<Completion> {
    return this.admin.submit(identifySqe(spec), { readLength: 4096 });
  }

  async identifyNamespace(nsid: number): Promise<NamespacePage> {
    return parseNamespace(
      expectSuccess(await this.identify({ cns: 0, nsid }), `Identify Namespace ${nsid}`).data,
    );
  }

  async activeNamespaces(): Promise<number[]> {
    return parseNamespaceList(
      expectSuccess(await this.identify({ cns: 2, nsid: 0 }), 'Active Namespace List').data,
    );
  }

  getLog(spec: LogSpec): Promise<Completion> {
    return this.admin.submit(getLogPageSqe(spec), { readLength: spec.length });
  }

  /** The ANA log read in one piece, as Linux sizes it. */
  async anaLog(options: { rgo?: boolean; rae?: boolean } = {}): Promise<AnaLog> {
    const length = Math.min(16 + this.id.nanagrpid * 32 + (this.id.mnan || this.id.nn) * 4, 128 * 1024);
    const completion = await this.getLog({
      lid: LogId.ana,
      length,
      lsp: options.rgo ? 1 : 0,
      rae: options.rae ?? false,
    });
    return parseAnaLog(expectSuccess(completion, 'ANA log').data);
  }

  setFeature(
    fid: number,
    value: number,
    options: SubmitOptions & { nsid?: number; save?: boolean } = {},
  ): Promise<Completion> {
    return this.admin.submit(
      sqe({
        opcode: AdminOpcode.setFeatures,
        nsid: options.nsid ?? 0,
        cdw: [fid | (options.save ? 1 << 31 : 0), value],
      }),
      options,
    );
  }

  getFeature(
    fid: number,
    options: SubmitOptions & { nsid?: number; sel?: number } = {},
  ): Promise<Completion> {
    return this.admin.submit(
      sqe({
        opcode: AdminOpcode.getFeatures,
        nsid: options.nsid ?? 0,
        cdw: [fid | ((options.sel ?? 0) << 8)],
      }),
      options,
    );
  }

  keepAlive(): Promise<Completion> {
    return this.admin.submit(sqe({ opcode: AdminOpcode.keepAlive }));
  }

  startKeepAlive(everyMs: number): void {
    this.stopKeepAlive();
    this.#keepAlive = setInterval(() => this.keepAlive().catch(() => this.stopKeepAlive()), everyMs);
  }

  stopKeepAlive(): void {
    if (this.#keepAlive) clearInterval(this.#keepAlive);
    this.#keepAlive = null;
  }

  /** One Asynchronous Event Request; resolves with its completion, whenever that is. */
  asyncEvent(): Promise<Completion> {
    return this.admin.submit(sqe({ opcode: AdminOpcode.asyncEvent }), { noTimeout: true });
  }

  /** Keeps `count` requests outstanding; what comes is in {@link events}. */
  armAsyncEvents(count = 1): void {
    for (let i = 0; i < count; i++) this.#armOne();
  }

  #armOne(): void {
    // Open for as long as the controller lives: no command timeout.
    this.admin
      .submit(sqe({ opcode: AdminOpcode.asyncEvent }), { noTimeout: true })
      .then((completion) => {
        if (completion.status !== 0) return;
        const event = parseEvent(completion.dw0);
        const waiter = this.#eventWaiters.shift();
        if (waiter) waiter(event);
        else this.events.push(event);
        this.#armOne();
      })
      .catch(() => undefined);
  }

  /** The next event, in order. */
  nextEvent(timeoutMs = 10_000): Promise<AsyncEvent> {
    const ready = this.events.shift();
    if (ready) return Promise.resolve(ready);
    return new Promise((resolve, reject) => {
      const waiter = (event: AsyncEvent) => {
        clearTimeout(timer);
        resolve(event);
      };
      const timer = setTimeout(() => {
        this.#eventWaiters.splice(this.#eventWaiters.indexOf(waiter), 1);
        reject(new Error(`no asynchronous event within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#eventWaiters.push(waiter);
    });
  }

  read(
    nsid: number,
    slba: number,
    blocks: number,
    blockSize: number,
    options: IoOptions = {},
  ): Promise<Completion> {
    return (options.queue ?? this.io[0]).submit(ioSqe(IoOpcode.read, nsid, slba, blocks, options.bits), {
      ...options,
      readLength: blocks * blockSize,
    });
  }

  write(
    nsid: number,
    slba: number,
    blocks: number,
    data: Uint8Array,
    options: IoOptions = {},
  ): Promise<Completion> {
    return (options.queue ?? this.io[0]).submit(ioSqe(IoOpcode.write, nsid, slba, blocks, options.bits), {
      ...options,
      data,
    });
  }

  compare(
    nsid: number,
    slba: number,
    blocks: number,
    data: Uint8Array,
    options: IoOptions = {},
  ): Promise<Completion> {
    return (options.queue ?? this.io[0]).submit(ioSqe(IoOpcode.compare, nsid, slba, blocks, options.bits), {
      ...options,
      data,
    });
  }

  writeZeroes(nsid: number, slba: number, blocks: number, options: IoOptions = {}): Promise<Completion> {
    return (options.queue ?? this.io[0]).submit(
      ioSqe(IoOpcode.writeZeroes, nsid, slba, blocks, options.bits),
      options,
    );
  }

  flush(nsid: number, options: IoOptions = {}): Promise<Completion> {
    return (options.queue ?? this.io[0]).submit(sqe({ opcode: IoOpcode.flush, nsid }), options);
  }

  deallocate(nsid: number, ranges: readonly DsmRange[], options: IoOptions = {}): Promise<Completion> {
    return (options.queue ?? this.io[0]).submit(dsmSqe(nsid, ranges.length), {
      ...options,
      data: dsmRanges(ranges),
    });
  }

  /** Normal shutdown through CC.SHN, then the sockets are closed. */
  async shutdown(): Promise<void> {
    this.stopKeepAlive();
    await Promise.all(this.io.map((queue) => queue.close()));
    await this.setCc(0x00464001);
    await this.waitCsts((csts) => ((csts >> 2) & 3) === 2, 'CSTS.SHST');
    await this.admin.close();
  }

  /** Fabrics Disconnect on one I/O queue. */
  disconnectQueue(queue: HostQueue): Promise<Completion> {
    return queue.submit(disconnectSqe());
  }

  /** Closes every socket without a word, like a host that lost power. */
  async drop(): Promise<void> {
    this.stopKeepAlive();
    await Promise.all([...this.io, this.admin].map((queue) => queue.close()));
  }

  /** What the controller did wrong on any of its queues. */
  get violations(): string[] {
    return [this.admin, ...this.io].flatMap((queue) => queue.violations);
  }
}

export interface IoOptions extends SubmitOptions {
  queue?: HostQueue;
  /** CDW12 bits, see `Cdw12`. */
  bits?: number;
}

/** DW0 of an Asynchronous Event Request's completion. */
export function parseEvent(dw0: number): AsyncEvent {
  return { type: dw0 & 7, info: (dw0 >>> 8) & 0xff, lid: (dw0 >>> 16) & 0xff };
}
