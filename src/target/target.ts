/**
 * The NVMe target of one process: subsystems, ports and controllers. It knows no sockets and no Ceph; transports bring it
 * commands, devices keep the bytes, and a gateway tells it what to offer.
 */
import { BufferPool } from '../base/buffer-pool.ts';
import type { Clock, Timers } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { AnaGroup } from './ana.ts';
import { discoveryLogChanged } from './async-events.ts';
import { ConnectionStats } from './connection-stats.ts';
import { Controller, type ControllerHost } from './controller.ts';
import { Port, type PortConfig } from './port.ts';
import { RemotePorts } from './remote-ports.ts';
import { Subsystem, type SubsystemConfig } from './subsystem.ts';

/** What a target needs to know about sizes; every number with its reason is in src/limits.ts. */
export interface TargetSettings {
  /** I/O queues granted to one controller. */
  maxIoQueues: number;
  /** MQES + 1. */
  maxIoQueueDepth: number;
  /** Entries of an admin queue at most. */
  maxAdminQueueDepth: number;
  /** AERL + 1. */
  maxAsyncEventRequests: number;
  /** MDTS in bytes: 4096 times a power of two. */
  maxTransferBytes: number;
  /** In-capsule data in bytes (IOCCSZ * 16 - 64). */
  inCapsuleDataBytes: number;
  /** MNAN and NN. */
  maxNamespaces: number;
  /** ANATT in seconds. */
  anaTransitionSeconds: number;
  /** Data buffers in use at once, bytes. */
  bufferPoolBytes: number;
  /** FR: 8 ASCII characters at most. */
  firmware: string;
}

export const DEFAULT_TARGET_SETTINGS: TargetSettings = {
  maxIoQueues: 8,
  maxIoQueueDepth: 128,
  maxAdminQueueDepth: 128,
  maxAsyncEventRequests: 4,
  maxTransferBytes: 1024 * 1024,
  inCapsuleDataBytes: 8192,
  maxNamespaces: 4096,
  anaTransitionSeconds: 30,
  bufferPoolBytes: 256 * 1024 * 1024,
  firmware: '1',
};

export interface TargetOptions {
  clock: Clock;
  timers: Timers;
  log: Log;
  settings?: Partial<TargetSettings>;
}

/** Names kept of hosts whose keep-alive ran out: any host may come under names without end, and the oldest are forgotten. */
const KEEP_ALIVE_TIMEOUTS_KEPT = 2048;

/** A host that looks around without a keep-alive timeout is let go after this silence, as other targets do it. */
const DISCOVERY_ACTIVITY_MS = 120_000;

/** Why controllers ended, counted since start. */
export type EndReasons = Map<string, number>;

export class Target {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly settings: TargetSettings;
  readonly buffers: BufferPool;
  readonly subsystems = new Map<string, Subsystem>();
  readonly ports = new Set<Port>();
  /** What other gateways of the group offer. */
  readonly remotePorts = new RemotePorts((subsystem) => this.offerChanged(subsystem));
  readonly discoveryControllers = new Set<Controller>();
  /** GENCTR: rises with every change, also across restarts because it begins with the wall clock. */
  discoveryGeneration: number;
  readonly endReasons: EndReasons = new Map();
  /** Hosts whose last controller ended by keep-alive timeout: `subsystem NQN` + space + `host NQN`. */
  readonly keepAliveTimeouts = new Set<string>();
  /** false: Connect is answered Controller Busy, so that hosts try again later (starting, stopping). */
  accepting = true;
  /** Queues that hosts connected since start. */
  readonly queuesConnected = { admin: 0, io: 0 };
  #countsIo = true;

  constructor(options: TargetOptions) {
    this.clock = options.clock;
    this.timers = options.timers;
    this.log = options.log;
    this.settings = { ...DEFAULT_TARGET_SETTINGS, ...options.settings };
    this.buffers = new BufferPool(this.settings.bufferPoolBytes, this.settings.maxTransferBytes);
    this.discoveryGeneration = Math.floor(options.clock.wallMs());
  }

  // ---- what is offered ----

  addSubsystem(config: SubsystemConfig): Subsystem {
    if (this.subsystems.has(config.nqn)) throw new Error(`subsystem ${config.nqn} exists`);
    const subsystem: Subsystem = new Subsystem(config, (isConcerned) => {
      if (this.isOffered(subsystem)) this.discoveryChanged(isConcerned);
    });
    this.subsystems.set(config.nqn, subsystem);
    return subsystem;
  }

  /** Ends its controllers and takes it off every port. Devices stay the caller's to close. */
  removeSubsystem(nqn: string): Subsystem | undefined {
    const subsystem = this.subsystems.get(nqn);
    if (subsystem === undefined) return undefined;
    this.subsystems.delete(nqn);
    for (const port of this.ports) port.unexpose(subsystem);
    subsystem.endControllers('subsystem removed');
    return subsystem;
  }

  addPort(config: PortConfig): Port {
    const port = new Port(config, (subsystem) => this.offerChanged(subsystem));
    this.ports.add(port);
    return port;
  }

  removePort(port: Port): void {
    for (const subsystem of [...port.subsystems]) port.unexpose(subsystem);
    this.ports.delete(port);
    for (const controller of [...this.discoveryControllers]) {
      if (controller.port === port) controller.end('listener removed');
    }
  }

  /** A subsystem came to a port or left it. */
  private offerChanged({ hosts }: Subsystem): void {
    this.discoveryChanged((hostNqn) => hosts.isAllowed(hostNqn));
  }

  /** Only hosts whose own discovery log is another one now are told. */
  private discoveryChanged(isConcerned: (hostNqn: string) => boolean): void {
    this.discoveryGeneration += 1;
    for (const { host, events } of this.discoveryControllers) {
      if (isConcerned(host.hostNqn)) events.raise(discoveryLogChanged);
    }
  }

  /** Whether it is in any discovery log. */
  private isOffered(subsystem: Subsystem): boolean {
    for (const port of this.ports) if (port.subsystems.has(subsystem)) return true;
    for (const offer of this.remotePorts) if (offer.subsystem === subsystem) return true;
    return false;
  }

  // ---- controllers ----

  /** A new controller, or null when the port has no controller id left. `subsystem` null: a discovery controller. */
  createController(
    port: Port,
    subsystem: Subsystem | null,
    host: ControllerHost,
    katoMs: number,
  ): Controller | null {
    const cntlid = port.cntlids.take(subsystem);
    if (cntlid === null) return null;
    const controller = new Controller(
      {
        cntlid,
        host,
        subsystem,
        port,
        katoMs: subsystem === null && katoMs === 0 ? DISCOVERY_ACTIVITY_MS : katoMs,
        maxAsyncEventRequests: this.settings.maxAsyncEventRequests,
        ioStats: this.#countsIo && subsystem !== null ? new ConnectionStats() : null,
        clock: this.clock,
        timers: this.timers,
        log: this.log,
        onEnd: (ended, reason) => this.controllerEnded(ended, reason),
      },
      this.settings.maxIoQueues,
    );
    if (subsystem === null) this.discoveryControllers.add(controller);
    else {
      subsystem.controllers.add(controller);
      this.keepAliveTimeouts.delete(`${subsystem.nqn} ${host.hostNqn}`);
    }
    return controller;
  }

  /** The controller that an I/O queue Connect names. */
  findController(port: Port, subsystem: Subsystem, cntlid: number): Controller | undefined {
    for (const controller of subsystem.controllers) {
      if (controller.cntlid === cntlid && controller.port.cntlids === port.cntlids) return controller;
    }
    return undefined;
  }

  /** Every live controller, discovery ones included. */
  *controllers(): Generator<Controller> {
    yield* this.discoveryControllers;
    for (const subsystem of this.subsystems.values()) yield* subsystem.controllers;
  }

  /** Answers every command of an ANA group that its backend still works on, see {@link Queue.abandon}. */
  abandon(group: AnaGroup): void {
    for (const { controllers } of this.subsystems.values()) {
      for (const { queues } of controllers) for (const queue of queues.values()) queue.abandon(group);
    }
  }

  /** Ends every host's association with a subsystem; hosts come back with new ones. Discovery is not touched. */
  endAssociations(reason: string): void {
    for (const { controllers } of this.subsystems.values()) {
      for (const controller of [...controllers]) controller.end(reason);
    }
  }

  // ---- statistics ----

  /** Whether each controller's I/O is counted by size. Switched off, what was counted is forgotten. */
  get countsIo(): boolean {
    return this.#countsIo;
  }

  set countsIo(counts: boolean) {
    if (counts === this.#countsIo) return;
    this.#countsIo = counts;
    for (const { controllers } of this.subsystems.values()) {
      for (const controller of controllers) controller.ioStats = counts ? new ConnectionStats() : null;
    }
  }

  private controllerEnded(controller: Controller, reason: string): void {
    controller.port.cntlids.release(controller.cntlid, controller.subsystem);
    this.endReasons.set(reason, (this.endReasons.get(reason) ?? 0) + 1);
    const subsystem = controller.subsystem;
    if (subsystem === null) {
      this.discoveryControllers.delete(controller);
      return;
    }
    subsystem.controllers.delete(controller);
    if (reason === 'keep alive timeout') this.rememberTimeout(`${subsystem.nqn} ${controller.host.hostNqn}`);
  }

  private rememberTimeout(name: string): void {
    const names = this.keepAliveTimeouts;
    names.delete(name);
    names.add(name);
    for (const oldest of names) {
      if (names.size <= KEEP_ALIVE_TIMEOUTS_KEPT) return;
      names.delete(oldest);
    }
  }
}
