/**
 * One run of a gateway: the product's monitor, ownership, target and images in a simulated process. What is composed here is what
 * src/gateway/gateway.ts composes, without configuration store, listeners and gRPC.
 */
import { PendingDevice } from '../../../src/backend/pending-device.ts';
import { RbdBackend } from '../../../src/backend/rbd/rbd-backend.ts';
import type { Log } from '../../../src/base/log.ts';
import type { GroupBackends } from '../../../src/gateway/backends.ts';
import { Ownership } from '../../../src/gateway/ownership.ts';
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
import type { Namespace } from '../../../src/target/namespace.ts';
import type { Port } from '../../../src/target/port.ts';
import type { Request } from '../../../src/target/request.ts';
import type { Subsystem } from '../../../src/target/subsystem.ts';
import { Target } from '../../../src/target/target.ts';
import { WatchedClock } from '../../../src/target/watched-clock.ts';
import type { SimProcess } from '../engine/process.ts';
import { type ConnectionOwner, type HostEnd, SimConnection } from './connection.ts';
import type { Listener } from './front-door.ts';
import { traceLog } from './trace-log.ts';

/** What every gateway of the group has configured. */
export interface Configuration {
  readonly subsystemNqn: string;
  readonly namespaces: readonly { nsid: number; group: number; image: string; sizeBytes: number }[];
  readonly maxGroups: number;
}

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

const DEVICE_AGAIN_MS = 1000;

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
  readonly #subsystem: Subsystem;
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
    this.#subsystem = this.target.addSubsystem({
      nqn: configuration.subsystemNqn,
      serial: 'SIM',
      model: 'Anagate',
      maxNamespaces: 64,
    });
    this.#subsystem.allowHost('*');
    this.#rbd = this.#makeRbd();
    this.ownership = new Ownership({
      ana: this.ana,
      target: this.target,
      backends: this.#backends(),
      lease: { clock, durationMs: times.lease },
      timers,
      log,
      condition: () => this.#condition(),
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

  /** As SIGTERM does. Resolves when the process may end. */
  async leave(): Promise<void> {
    await this.monitor.leave();
    this.#port = null;
    for (const controller of [...this.target.controllers()]) controller.end('the gateway is stopping');
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
    this.process.simulation.after(0.005, () => this.process.post(fn));
  }

  answering(request: Request): void {
    if (request.queue.qid <= 0 || request.status !== 0 || request.namespace === null) return;
    this.#options.onAnswer(request.namespace.anaGroupId);
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
      move: () => Promise.reject(new Error('not simulated')),
      trash: () => Promise.reject(new Error('not simulated')),
    };
  }

  /** Hosts are let in last. */
  async #offerAll({ minCntlid, maxCntlid }: GatewayPlace): Promise<void> {
    const { namespaces } = this.#options.configuration;
    this.ownership.exist(namespaces.map(({ group }) => group));
    await Promise.all(namespaces.map((namespace) => this.#offer(namespace)));
    this.#port = this.target.addPort({
      portId: 1,
      adrfam: 'ipv4',
      traddr: this.process.node.address,
      trsvcid: '4420',
      ana: this.ana,
      cntlids: new CntlidAllocator(minCntlid, maxCntlid),
    });
    this.#port.expose(this.#subsystem);
    this.ownership.conditionChanged();
  }

  /** Offered with a stand-in until its image is open. */
  async #offer({ nsid, group, image, sizeBytes }: Configuration['namespaces'][number]): Promise<void> {
    const hex = nsid.toString(16).padStart(32, '0');
    const namespace = this.#subsystem.addNamespace(
      {
        nsid,
        uuid: hex.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
        nguid: hex,
        anaGroupId: group,
        blockSize: 512,
        sizeBytes,
      },
      new PendingDevice(image, sizeBytes, this.process),
    );
    await this.#openDevice(namespace, image, group);
  }

  async #openDevice(namespace: Namespace, image: string, group: number): Promise<void> {
    try {
      const name = { pool: 'sim', radosNamespace: '', image };
      const device = await this.#rbd.open({ name, groupId: group, readOnly: false });
      (namespace.device as PendingDevice).become(device);
      namespace.device = device;
    } catch {
      this.process.after(DEVICE_AGAIN_MS, () => void this.#openDevice(namespace, image, group));
    }
  }

  #condition(): GatewayCondition {
    const hosts = [...new Set([...this.#subsystem.controllers].map(({ host }) => host.hostNqn))];
    return {
      available: this.#port !== null,
      populated: [...new Set(this.#options.configuration.namespaces.map(({ group }) => group))],
      uncovered: [],
      hosts,
      load: 0,
      ...this.#options.peers(),
    };
  }
}
