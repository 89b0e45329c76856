/**
 * A controller: what a host gets from a Fabrics Connect to an admin queue. It ties the host's queues together, keeps its
 * properties (CC, CSTS), features, keep-alive clock and events, and dies with its connections.
 */
import type { Clock, Timer, Timers } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { AsyncEvents, anaChange, namespaceAttributeChanged } from './async-events.ts';
import type { ConnectionStats } from './connection-stats.ts';
import { ErrorLog } from './error-log.ts';
import type { Namespace } from './namespace.ts';
import type { Port } from './port.ts';
import type { Queue } from './queue.ts';
import type { Subsystem } from './subsystem.ts';

/** Controller Configuration and Status bits, NVMe Base 2.0 sections 3.1.3.5 and 3.1.3.6. */
const CC_EN = 0x1;
const CSTS_RDY = 0x1;
const CSTS_CFS = 0x2;
const CSTS_SHUTDOWN = 0xc;
const CSTS_SHUTDOWN_COMPLETE = 0x8;
/** I/O queue entry sizes that CC must name: 64-byte SQE, 16-byte CQE. */
const IOSQES = 6;
const IOCQES = 4;
/**
 * Linux closes its I/O connections first when it disconnects or resets, and only then says so on the admin queue; SPDK
 * closes one whenever a thread of it needs no queue any more. A controller that lost an I/O connection and hears nothing
 * for this long has lost its host, unless a keep-alive clock will tell.
 */
const FAREWELL_MS = 2000;
/** KAS of Identify Controller, in milliseconds. */
const KEEP_ALIVE_GRANULARITY_MS = 100;
/** Log at most this many nsids one by one; more are reported as "many" (FFFFFFFFh). */
const CHANGED_NAMESPACES_MAX = 1024;

export interface ControllerHost {
  hostNqn: string;
  /** 16 bytes as 32 hexadecimal digits. */
  hostId: string;
}

export interface ControllerOptions {
  cntlid: number;
  host: ControllerHost;
  /** null: a discovery controller. */
  subsystem: Subsystem | null;
  port: Port;
  /** Keep-alive timeout in ms, 0 = none. */
  katoMs: number;
  maxAsyncEventRequests: number;
  ioStats: ConnectionStats | null;
  clock: Clock;
  timers: Timers;
  log: Log;
  /** The association has ended: all queues are gone. */
  onEnd(controller: Controller, reason: string): void;
}

export class Controller {
  readonly cntlid: number;
  readonly host: ControllerHost;
  readonly subsystem: Subsystem | null;
  readonly port: Port;
  readonly events: AsyncEvents;
  readonly errors = new ErrorLog();
  readonly log: Log;
  readonly clock: Clock;
  /** Connected queues by id; 0 is the admin queue. */
  readonly queues = new Map<number, Queue>();
  /** I/O queues granted by Set Features 07h. */
  ioQueuesGranted: number;
  katoMs: number;
  /** Its I/O by size; null while that is not counted. */
  ioStats: ConnectionStats | null;
  /** A command arrived since the keep-alive clock last looked (traffic based keep alive). */
  traffic = true;
  cc = 0;
  csts = 0;
  /** Namespaces that changed since the host last read log page 04h; null = too many to name. */
  changedNamespaces: Set<number> | null = new Set<number>();
  /** Why the association ended, when it has. */
  ended: string | null = null;

  private readonly timers: Timers;
  private readonly onEnd: (controller: Controller, reason: string) => void;
  private readonly unsubscribeAna: () => void;
  private keepAliveTimer: Timer | null = null;
  private keepAliveDueMs = 0;
  private farewellTimer: Timer | null = null;

  constructor(options: ControllerOptions, maxIoQueues: number) {
    this.cntlid = options.cntlid;
    this.host = options.host;
    this.subsystem = options.subsystem;
    this.port = options.port;
    this.events = new AsyncEvents(options.maxAsyncEventRequests);
    this.ioQueuesGranted = maxIoQueues;
    this.ioStats = options.ioStats;
    this.katoMs = roundUpKato(options.katoMs);
    this.clock = options.clock;
    this.timers = options.timers;
    this.log = options.log;
    this.onEnd = options.onEnd;
    this.unsubscribeAna =
      options.subsystem === null ? () => {} : options.port.ana.subscribe(() => this.events.raise(anaChange));
    this.restartKeepAlive();
  }

  get isDiscovery(): boolean {
    return this.subsystem === null;
  }

  /** CC.EN is set and the controller takes commands other than Fabrics ones. */
  get enabled(): boolean {
    return (this.csts & (CSTS_RDY | CSTS_CFS)) === CSTS_RDY;
  }

  /** The host said goodbye: it does not keep the association alive, and its connections may go in any order. */
  private get isShutDown(): boolean {
    return (this.csts & CSTS_SHUTDOWN) !== 0;
  }

  // ---- properties ----

  /** Property Set CC. False when the value asks for what this controller cannot do. */
  setCc(value: number): boolean {
    const enable = (value & CC_EN) !== 0;
    const was = (this.cc & CC_EN) !== 0;
    if (enable && !was) {
      const css = (value >>> 4) & 0x7;
      const mps = (value >>> 7) & 0xf;
      const ams = (value >>> 11) & 0x7;
      const iosqes = (value >>> 16) & 0xf;
      const iocqes = (value >>> 20) & 0xf;
      const sizesWrong = !this.isDiscovery && (iosqes !== IOSQES || iocqes !== IOCQES);
      if (mps !== 0 || ams !== 0 || (css !== 0 && css !== 6) || sizesWrong) return this.fatal(value);
      this.cc = value;
      this.csts = CSTS_RDY;
    } else if (!enable && was) {
      this.reset(value);
    } else {
      this.cc = value;
    }
    const shn = (value >>> 14) & 0x3;
    if (shn !== 0 || !enable) this.cancelFarewell();
    if (shn !== 0) {
      this.csts = (this.csts & ~CSTS_SHUTDOWN) | CSTS_SHUTDOWN_COMPLETE;
      this.restartKeepAlive();
    } else if (this.keepAliveTimer === null) {
      this.restartKeepAlive();
    }
    return true;
  }

  /** Controller Fatal Status: nothing but properties is served until the host resets it. */
  private fatal(value: number): boolean {
    this.cc = value;
    this.csts = CSTS_CFS;
    this.log.warn(
      { cntlid: this.cntlid, hostNqn: this.host.hostNqn },
      'controller fatal status: host enabled it with unsupported settings',
    );
    return false;
  }

  /** Controller level reset through CC.EN: I/O queues go, the admin queue stays for the host's next steps. */
  private reset(value: number): void {
    for (const queue of [...this.queues.values()])
      if (queue.qid !== 0) this.detach(queue, 'controller reset');
    const admin = this.queues.get(0);
    for (const request of this.events.reset()) if (admin !== undefined) admin.discard(request);
    this.changedNamespaces = new Set();
    this.cc = value;
    this.csts = 0;
  }

  private detach(queue: Queue, reason: string): void {
    this.queues.delete(queue.qid);
    queue.transport.close(reason);
  }

  // ---- keep alive ----

  /** Sets KATO, milliseconds, 0 = none; rounded up to what KAS promises. */
  setKeepAlive(katoMs: number): void {
    this.katoMs = roundUpKato(katoMs);
    this.restartKeepAlive();
  }

  private restartKeepAlive(): void {
    this.keepAliveTimer?.cancel();
    this.keepAliveTimer = null;
    if (this.katoMs > 0 && this.ended === null && !this.isShutDown) this.armKeepAlive();
  }

  private armKeepAlive(): void {
    this.traffic = false;
    this.keepAliveDueMs = this.clock.nowMs() + this.katoMs;
    this.keepAliveTimer = this.timers.after(this.katoMs, () => this.keepAliveElapsed());
  }

  private keepAliveElapsed(): void {
    // a late timer means that this process was held up: what the host sent meanwhile has not been read yet
    const late = this.clock.nowMs() - this.keepAliveDueMs > Math.max(100, this.katoMs / 4);
    if (this.traffic || late) this.armKeepAlive();
    else this.end('keep alive timeout');
  }

  // ---- namespaces ----

  /** The namespace with that NSID, if this host may see it: any other is not there, whatever the command. Not for discovery. */
  namespace(nsid: number): Namespace | undefined {
    const namespace = this.subsystem!.namespaces.get(nsid);
    return namespace?.isVisibleTo(this) ? namespace : undefined;
  }

  /** All that this host may see, by ascending NSID. */
  *namespaces(): Generator<Namespace> {
    for (const namespace of this.subsystem!.namespaces.values()) {
      if (namespace.isVisibleTo(this)) yield namespace;
    }
  }

  // ---- changes that hosts must hear of ----

  namespaceChanged(nsid: number): void {
    if (this.changedNamespaces !== null) {
      this.changedNamespaces.add(nsid);
      if (this.changedNamespaces.size > CHANGED_NAMESPACES_MAX) this.changedNamespaces = null;
    }
    this.events.raise(namespaceAttributeChanged);
  }

  // ---- life of the association ----

  /** A connection of this controller is gone. Without its admin queue, or with no word from the host, the association ends. */
  queueClosed(queue: Queue): void {
    if (this.queues.get(queue.qid) !== queue) return;
    this.queues.delete(queue.qid);
    if (queue.qid === 0) this.end('admin queue connection closed');
    else if (this.farewellTimer === null && this.enabled && this.katoMs === 0 && !this.isShutDown) {
      const reason = `I/O queue ${queue.qid} connection closed`;
      this.farewellTimer = this.timers.after(FAREWELL_MS, () => this.end(reason));
    }
  }

  private cancelFarewell(): void {
    this.farewellTimer?.cancel();
    this.farewellTimer = null;
  }

  /** The host deletes one I/O queue with a Disconnect command. */
  disconnectIoQueue(queue: Queue): void {
    this.queues.delete(queue.qid);
  }

  /** Ends the association and closes all its connections. */
  end(reason: string): void {
    if (this.ended !== null) return;
    this.ended = reason;
    this.keepAliveTimer?.cancel();
    this.cancelFarewell();
    this.unsubscribeAna();
    const queues = [...this.queues.values()];
    this.queues.clear();
    for (const queue of queues) queue.transport.close(reason);
    this.onEnd(this, reason);
  }
}

function roundUpKato(katoMs: number): number {
  return Math.min(Math.ceil(katoMs / KEEP_ALIVE_GRANULARITY_MS) * KEEP_ALIVE_GRANULARITY_MS, 0xffff_ffff);
}
