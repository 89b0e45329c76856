/**
 * One run of a gateway: the product's monitor, ownership, target and images in a simulated process. What is composed here is what
 * src/gateway/gateway.ts composes, without configuration store, listeners and gRPC.
 */
import { RbdBackend } from '../../../src/backend/rbd/rbd-backend.ts';
import type { RbdDevice } from '../../../src/backend/rbd/rbd-device.ts';
import type { Log } from '../../../src/base/log.ts';
import { Ownership } from '../../../src/gateway/group/ownership.ts';
import type { GroupBackends } from '../../../src/gateway/serving/backends.ts';
import type { Coordination } from '../../../src/monitor/coordination.ts';
import type { GatewayCondition, GroupServer } from '../../../src/monitor/group-server.ts';
import type { GatewayPlace } from '../../../src/monitor/monitor-client.ts';
import type { PeerStreams } from '../../../src/monitor/peer-stream.ts';
import type { RenewLease } from '../../../src/monitor/rados/lease-renewal.ts';
import { SharedMonitor } from '../../../src/monitor/shared-monitor.ts';
import type { MonitorTimes } from '../../../src/monitor/times.ts';
import type { Cluster } from '../../../src/node-rados/lib/node-rados.ts';
import { AnaStates } from '../../../src/target/ana.ts';
import { CntlidAllocator } from '../../../src/target/cntlid.ts';
import type { Port } from '../../../src/target/port.ts';
import type { Request } from '../../../src/target/request.ts';
import type { Subsystem } from '../../../src/target/subsystem.ts';
import { Target } from '../../../src/target/target.ts';
import { WatchedClock } from '../../../src/target/watched-clock.ts';
import type { SimProcess } from '../engine/process.ts';
import { type ConnectionOwner, type HostEnd, SimConnection } from './connection.ts';
import type { Listener } from './front-door.ts';
import { type Configuration, Namespaces } from './namespaces.ts';
import { traceLog } from './trace-log.ts';

export interface GatewayOptions {
  readonly name: string;
  readonly process: SimProcess;
  readonly times: MonitorTimes;
  readonly configuration: Configuration;
  readonly coordination: Coordination;
  readonly streams: PeerStreams;
  readonly renewLease: RenewLease;
  /** Says to `Cluster.connect` whose client is made. */
  readonly confFile: string;
  readonly newId: () => string;
  /** Peers whose I/O port it reaches, and does not. */
  readonly peers: () => Pick<GatewayCondition, 'reachable' | 'unreachable' | 'linkDown'>;
  /** Between the monitor and what serves it. */
  readonly wrapServer: (server: GroupServer) => GroupServer;
  readonly answersWithoutLease: boolean;
  readonly replaysHeld: boolean;
  /** A command of the group was answered with success. */
  readonly onAnswer: (group: number) => void;
}

export class SimGateway implements ConnectionOwner, Listener {
  readonly process: SimProcess;
  readonly target: Target;
  readonly ana: AnaStates;
  readonly monitor: SharedMonitor;
  readonly ownership: Ownership;
  readonly #options: GatewayOptions;
  readonly #log: Log;
  readonly #clock: WatchedClock;
  readonly #rbd: RbdBackend;
  readonly #namespaces: Namespaces;
  #onUsable: (group: number, usable: boolean) => void = () => {};
  #onConnected: () => void = () => {};
  #port: Port | null = null;

  constructor(options: GatewayOptions) {
    const { process, times, configuration, coordination, name, newId, streams } = options;
    this.#options = options;
    this.process = process;
    this.#log = traceLog(process);
    const timers = process;
    this.#clock = new WatchedClock(process, timers, times.lease / 4);
    const clock = this.#clock;
    const log = this.#log;
    this.ana = new AnaStates(configuration.maxGroups);
    this.target = new Target({
      clock,
      timers,
      log,
      settings: { maxTransferBytes: 65_536, bufferPoolBytes: 4 * 1024 * 1024 },
    });
    this.#rbd = this.#makeRbd();
    const groups = this.#backends();
    this.ownership = new Ownership({
      ana: this.ana,
      target: this.target,
      backends: groups,
      lease: { clock, durationMs: times.lease },
      timers,
      log,
      condition: () => this.#condition(),
    });
    this.#namespaces = new Namespaces({
      process,
      configuration,
      target: this.target,
      rbd: this.#rbd,
      groups,
      log,
      onGroups: (ids) => {
        this.ownership.conditionChanged();
        this.ownership.exist(ids);
      },
    });
    const port = { address: process.node.address, port: 5500 };
    this.monitor = new SharedMonitor({
      gateway: name,
      location: '',
      coordination,
      streams,
      clock: process,
      timers,
      times,
      log,
      newId,
      peer: () => port,
    });
    this.monitor.attach(options.wrapServer(this.ownership));
  }

  /** In its event loop. */
  start(): void {
    this.#clock.start();
    void this.monitor.start().then((place) => this.#offerAll(place));
  }

  /** The configuration has changed. */
  follow(): void {
    if (this.#port !== null) void this.#namespaces.follow();
  }

  /** As SIGTERM does. Resolves when the process may end. */
  async leave(): Promise<void> {
    await this.monitor.leave();
    this.#port = null;
    for (const controller of [...this.target.controllers()]) controller.end('the gateway is stopping');
    await this.#namespaces.close();
    await this.#rbd.close();
    await this.monitor.stop();
  }

  // ---- for hosts ----

  accept(host: HostEnd): SimConnection | null {
    return this.#port === null ? null : new SimConnection(this, this.#port, host);
  }

  get answersWithoutLease(): boolean {
    return this.#options.answersWithoutLease;
  }

  get replaysHeld(): boolean {
    return this.#options.replaysHeld;
  }

  later(fn: () => void): void {
    this.process.simulation.after(0.005, () => this.process.postSoon(fn));
  }

  answering(request: Request): void {
    if (request.status === 0 && request.group !== null) this.#options.onAnswer(request.group.id);
  }

  // ---- for the checker ----

  isBusy(groupId: number): boolean {
    const group = this.ana.groups[groupId]!;
    return group.inFlight > 0 || group.open || group.draining;
  }

  isServing(groupId: number): boolean {
    const { open, lease } = this.ana.groups[groupId]!;
    return !this.process.isDead && open && (lease === null || this.process.nowMs() < lease.validUntilMs);
  }

  // ---- composition ----

  #makeRbd(): RbdBackend {
    const { process, times, renewLease, confFile } = this.#options;
    return new RbdBackend({
      ceph: { confFile },
      authority: {
        isFenced: (address) => this.monitor.isFenced(address),
        renewLease: (cluster: Cluster) => renewLease(cluster, times.lease),
      },
      clock: this.#clock,
      timers: process,
      log: this.#log,
      onUsable: (group, usable) => this.#onUsable(group, usable),
      onConnected: () => this.#onConnected(),
    });
  }

  #backends(): GroupBackends {
    const rbd = this.#rbd;
    return {
      serve: (group, serving) => rbd.serve(group, serving),
      connect: (group) => rbd.connect(group),
      clients: () => rbd.clients(),
      waitForFences: (group) => rbd.waitForFences(group),
      renewLease: (group) => rbd.renewLease(group),
      replaceClients: () => rbd.replaceClients(),
      onUsable: (listener) => {
        this.#onUsable = listener;
      },
      onConnected: (listener) => {
        this.#onConnected = listener;
      },
      move: (device, group) => rbd.move(device as RbdDevice, group),
      trash: () => Promise.reject(new Error('not simulated')),
    };
  }

  /** Hosts are let in last. */
  async #offerAll({ minCntlid, maxCntlid }: GatewayPlace): Promise<void> {
    await this.#namespaces.start();
    this.#port = this.target.addPort({
      portId: 1,
      adrfam: 'ipv4',
      traddr: this.process.node.address,
      trsvcid: '4420',
      ana: this.ana,
      cntlids: new CntlidAllocator(minCntlid, maxCntlid),
    });
    this.#port.expose(this.#subsystem!);
    this.ownership.conditionChanged();
  }

  get #subsystem(): Subsystem | undefined {
    return this.target.subsystems.get(this.#options.configuration.nqn);
  }

  #condition(): GatewayCondition {
    const controllers = this.#subsystem?.controllers ?? [];
    const hosts = [...new Set([...controllers].map(({ host }) => host.hostNqn))];
    return {
      available: this.#port !== null,
      populated: this.#namespaces.groups,
      uncovered: [],
      hosts,
      load: 0,
      ...this.#options.peers(),
    };
  }
}
