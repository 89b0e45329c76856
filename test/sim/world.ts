/** The world of one seed: a cluster, gateways on machines of their own, hosts, and whoever checks them. */

import { AnagateError } from '../../src/base/errors.ts';
import type { NamespaceRecord } from '../../src/gateway/configuration/records.ts';
import { EMPTY_MAP, type GroupMap, type Holder } from '../../src/monitor/group-map.ts';
import type { GroupServer } from '../../src/monitor/group-server.ts';
import type { AdminCommand } from '../../src/monitor/machine.ts';
import { decodeBeacon, decodeLeadership, decodeMap } from '../../src/monitor/map-codec.ts';
import { leaseRenewal, REVOKED_PREFIX } from '../../src/monitor/rados/lease-renewal.ts';
import { BEACON_PREFIX } from '../../src/monitor/rados/map-layout.ts';
import { RadosCoordination } from '../../src/monitor/rados/rados-coordination.ts';
import { MONITOR_TIMES, type MonitorTimes } from '../../src/monitor/times.ts';
import { Cluster, type ConnectOptions } from '../../src/node-rados/lib/node-rados.ts';
import { openGroupPool } from '../../src/store/group-store.ts';
import { type Ceph, call, type RadosClient } from './ceph/client.ts';
import { type Pool, SimCluster } from './ceph/cluster.ts';
import type { SimImage } from './ceph/image.ts';
import { ImageState, OBJECT_BYTES, SECTOR_BYTES } from './ceph/image-state.ts';
import { Monitors } from './ceph/monitors.ts';
import { ObjectStore } from './ceph/objects.ts';
import { OsdCluster } from './ceph/osds.ts';
import { History } from './check/history.ts';
import { OwnershipChecker } from './check/ownership.ts';
import { ServiceChecker } from './check/service.ts';
import { Network } from './engine/network.ts';
import { type Node, SimProcess } from './engine/process.ts';
import { Random } from './engine/random.ts';
import { Simulation } from './engine/simulation.ts';
import type { Fault } from './faults.ts';
import { FrontDoor } from './gateway/front-door.ts';
import { SimGateway } from './gateway/gateway.ts';
import type { Configuration } from './gateway/namespaces.ts';
import { PeerNetwork, SimPeerStreams } from './gateway/peers.ts';
import { traceLog } from './gateway/trace-log.ts';
import { type Disk, SimHost } from './host/host.ts';
import { carryOut, drawPlan, type Plan } from './plan.ts';
import { NO_VARIANT, type Variant } from './variants.ts';

const SUBSYSTEM_NQN = 'nqn.2026-11.io.anagate:sim';
const OSDS = 4;
const OBJECTS = 10;
/** A process that could not start is started again after so long. */
const START_AGAIN_MS = 1000;
const ASK_AGAIN_MS = 500;
const CONNECT_TIMEOUT_MS = 30_000;
/** Between two operations of an application. */
const THINK_MS = 110;

/** The same on every machine, seed and run. */
export interface WorldOptions {
  readonly seed: number;
  /** What may go wrong; everything unless said. */
  readonly faults?: readonly Fault[];
  /** Only hosts are asked whether all is well: no other rule is looked at. */
  readonly blackBox?: boolean;
  readonly variant?: Variant;
  readonly trace?: (line: string) => void;
}

/** A gateway's machine, with the process that runs on it now. */
export interface Machine {
  readonly node: Node;
  readonly door: FrontDoor;
  process: SimProcess | null;
  /** Once the process has connected to the cluster. */
  gateway: SimGateway | null;
  runs: number;
}

type TakenOver = (group: number, machine: Machine, afterFence: boolean) => boolean;

export class World {
  readonly random: Random;
  readonly plan: Plan;
  readonly simulation: Simulation;
  readonly network: Network;
  readonly monitors: Monitors;
  readonly osds: OsdCluster;
  readonly ceph: Ceph;
  readonly machines: readonly Machine[];
  /** Whom most faults are about. */
  readonly victim: Machine;
  readonly hosts: readonly SimHost[];
  readonly disks: readonly Disk[];
  readonly history = new History();
  readonly checker: OwnershipChecker;
  readonly service: ServiceChecker;
  readonly times: MonitorTimes;
  readonly pool: Pool;
  readonly peers: PeerNetwork;
  readonly variant: Variant;
  readonly #images = new Map<string, ImageState>();
  readonly #clients: RadosClient[] = [];
  readonly #opened: SimImage[] = [];
  /** What was last written, by incarnation. */
  readonly #beacons = new Map<string, Buffer>();
  readonly #mend: () => void;
  readonly #incarnations = new Map<string, SimProcess>();
  readonly #configuration: Configuration;
  #whenTakenOver: TakenOver[] = [];

  constructor({ seed, faults, blackBox = false, variant = NO_VARIANT, trace }: WorldOptions) {
    this.random = new Random(seed);
    this.plan = drawPlan(this.random.fork(), faults, variant.isHarsh);
    this.variant = variant;
    this.simulation = new Simulation(this.random.fork(), trace ?? null, blackBox);
    const { simulation, random } = this;
    this.network = new Network(simulation);
    const slowest = random.pick([60, 1000, 1000]);
    const gossipMs = random.pick([400, 400, 4000]);
    this.monitors = new Monitors(simulation, { commitMs: [slowest / 2, slowest] });
    this.osds = new OsdCluster(OSDS, simulation, this.network, this.monitors);
    this.osds.gossipMs = gossipMs;
    this.ceph = {
      simulation,
      network: this.network,
      monitors: this.monitors,
      osds: this.osds,
      clients: this.#clients,
      lostAnswers: 0,
    };
    this.times = { ...MONITOR_TIMES, failbackDelay: 500, ...variant.times };
    this.machines = this.#makeMachines(random.pick([2, 3, 3]));
    this.victim = random.pick(this.machines);
    this.checker = new OwnershipChecker(this);
    this.service = new ServiceChecker(this);
    this.pool = this.#makePool();
    this.peers = new PeerNetwork(simulation, this.network);
    // one group may be nobody's home
    const groups = this.machines.length + random.pick([0, 0, 1]);
    this.disks = Array.from({ length: groups }, (_, i) => this.#makeDisk(i + 1));
    this.#configuration = {
      nqn: SUBSYSTEM_NQN,
      maxGroups: 8,
      namespaces: () => this.disks.map((disk) => recordOf(disk)),
    };
    this.hosts = this.#makeHosts(random.pick([2, 2, 3]));
    Cluster.connect = (options) => this.#connect(options);
    variant.circumstances?.(this);
    this.#mend = variant.prepare?.(this) ?? (() => {});
  }

  /** Everything is switched on. */
  start(): void {
    for (const machine of this.machines) {
      this.simulation.after(this.random.between(0, 200), () => this.startGateway(machine));
    }
    for (const host of this.hosts) this.simulation.after(300, () => host.start());
    carryOut(this, this.plan);
    this.service.start(this.plan.faults.map(({ fault }) => fault));
  }

  /** A namespace is put into another ANA group. Gateways learn of it one by one. */
  moveNamespace(disk: Disk, group: number): void {
    this.simulation.note(() => `namespace ${disk.nsid} goes from group ${disk.group} to ${group}`);
    disk.group = group;
    for (const { gateway } of this.machines) {
      const isMissed = this.random.chance(0.1);
      const ms = isMissed ? this.random.between(1000, 4000) : this.random.between(1, 30);
      this.simulation.after(ms, () => gateway?.process.post(() => gateway.follow()));
    }
  }

  /**
   * An operator commands something, at any gateway, again and again until it is done. Returns how the operator does something
   * else instead, which waits for the last word about this.
   */
  command(command: AdminCommand): (next: () => void) => void {
    let isDone = false;
    let isWaiting = false;
    let next: (() => void) | null = null;
    const ask = () => {
      if (isDone) return;
      if (isWaiting || next !== null) {
        if (!isWaiting) finish();
        else this.simulation.after(ASK_AGAIN_MS, ask);
        return;
      }
      this.simulation.after(ASK_AGAIN_MS, ask);
      const { gateway, node } = this.random.pick(this.machines);
      // one that is in the group: others have no say in it
      const isIn = command.kind === 'move' || node.name !== command.gateway;
      if (gateway?.process.state !== 'running' || !isIn) return;
      isWaiting = true;
      this.#askAt(gateway, command, (isFinal) => {
        isWaiting = false;
        if (isFinal) finish();
      });
    };
    const finish = () => {
      isDone = true;
      next?.();
    };
    ask();
    return (then) => {
      next = then;
      if (isDone) then();
    };
  }

  /** `answered` is told whether that is the last word. */
  #askAt(
    { process, monitor }: SimGateway,
    command: AdminCommand,
    answered: (isFinal: boolean) => void,
  ): void {
    this.simulation.note(() => `an operator at ${process.name}: ${JSON.stringify(command)}`);
    let isAnswered = false;
    const answer = (isFinal: boolean) => {
      if (!isAnswered) answered(isFinal);
      isAnswered = true;
    };
    const refused = (error: Error) => {
      this.simulation.note(() => `${process.name} refuses: ${error.message}`);
      answer(command.kind === 'move' && error instanceof AnagateError && error.code === 'INVALID_ARGUMENT');
    };
    process.enter(() => void monitor.admin.request(command).then(() => answer(true), refused));
    const look = () => {
      if (process.isDead) answer(false);
      else if (!isAnswered) this.simulation.after(ASK_AGAIN_MS, look);
    };
    look();
  }

  // ---- gateways ----

  startGateway(machine: Machine): void {
    if (machine.process !== null) return;
    machine.runs += 1;
    const process = new SimProcess(this.simulation, `${machine.node.name}#${machine.runs}`, machine.node);
    machine.process = process;
    this.simulation.note(() => `${process.name} starts`);
    process.enter(() => void this.#open(machine, process));
  }

  /** A gateway that cannot reach the cluster ends, and is started again by whoever looks after it. */
  async #open(machine: Machine, process: SimProcess): Promise<void> {
    try {
      const coordination = await RadosCoordination.open({
        connect: () => openGroupPool({ pool: 'sim', configFile: machine.node.name, id: 'sim' }),
        group: 'sim',
        timers: process,
        log: traceLog(process),
      });
      machine.gateway = this.#makeGateway(machine, process, coordination);
      machine.door.listener = machine.gateway;
      machine.gateway.start();
    } catch (error) {
      this.simulation.note(() => `${process.name} cannot start: ${(error as Error).message}`);
      process.after(START_AGAIN_MS, () => void this.#open(machine, process));
    }
  }

  #makeGateway(machine: Machine, process: SimProcess, coordination: RadosCoordination): SimGateway {
    const { variant } = this;
    let letter = 0;
    return new SimGateway({
      name: machine.node.name,
      process,
      times: this.times,
      configuration: this.#configuration,
      coordination: variant.wrapCoordination?.(coordination, process, this) ?? coordination,
      streams: new SimPeerStreams(process, this.peers, (beacon) =>
        variant.withoutStreams === true ? null : beacon,
      ),
      renewLease: leaseRenewal(coordination.leasePlace, process),
      confFile: machine.node.name,
      newId: () => {
        const id = `${process.name}${String.fromCharCode(97 + letter++)}`;
        this.#incarnations.set(id, process);
        return id;
      },
      peers: () => this.#peersOf(machine),
      wrapServer: (server: GroupServer) => variant.wrapServer?.(server, process, this) ?? server,
      answersWithoutLease: variant.answersWithoutLease ?? false,
      replaysHeld: variant.replaysHeld ?? false,
      onAnswer: (group) => this.checker.acted(process, group, 'answers a command'),
    });
  }

  /** SIGKILL, or a crash. `silently`: nobody is told, as when the machine loses its power. */
  killGateway(machine: Machine, silently: boolean): void {
    const { process } = machine;
    if (process === null) return;
    process.kill();
    machine.process = null;
    machine.gateway = null;
    if (silently) {
      machine.door.listener = null;
      return;
    }
    machine.door.died(process);
    this.peers.died(process);
  }

  /** SIGTERM. */
  stopGateway(machine: Machine): void {
    const { gateway } = machine;
    if (gateway?.process.state !== 'running') return;
    this.simulation.note(() => `${gateway.process.name} is asked to stop`);
    gateway.process.enter(() => {
      void gateway.leave().then(() => {
        if (machine.gateway === gateway) this.killGateway(machine, false);
      });
    });
  }

  gatewayOf(process: SimProcess): SimGateway | undefined {
    return this.machines.find(({ gateway }) => gateway?.process === process)?.gateway ?? undefined;
  }

  /** Who calls itself so; undefined: nobody ever did. */
  processOf(incarnation: string): SimProcess | undefined {
    return this.#incarnations.get(incarnation);
  }

  /** Whether the process admits commands of the group now, or has any of them in its hands. */
  isBusy(process: SimProcess, group: number): boolean {
    return this.gatewayOf(process)?.isBusy(group) ?? false;
  }

  /** Calls `listener` whenever somebody takes a group over, until it returns true. */
  whenTakenOver(listener: TakenOver): void {
    this.#whenTakenOver.push(listener);
  }

  /** `afterFence`: the last owner was not asked. */
  takenOver(group: number, { gateway }: Holder, afterFence: boolean): void {
    const machine = this.machines.find(({ node }) => node.name === gateway)!;
    this.#whenTakenOver = this.#whenTakenOver.filter((listener) => !listener(group, machine, afterFence));
  }

  /** Something is done to the process that it need not survive. */
  disturbed(process: SimProcess): void {
    this.service.disturbed(process);
  }

  /** Images that are open in librbd, of all processes. */
  get openImages(): readonly SimImage[] {
    return this.#opened.filter((image) => !image.closed);
  }

  /** The ANA group whose images the client opens; 0: none. */
  groupOf(client: RadosClient): number {
    return this.checker.registrationOf(client.address)?.group ?? 0;
  }

  /** Whether the incarnation's last beacon says that it serves the group. */
  hasReported({ incarnation }: Holder, group: number): boolean {
    const beacon = this.#beacons.get(incarnation);
    const groups = beacon === undefined ? [] : (decodeBeacon(beacon.toString())?.groups ?? []);
    return groups.some(({ id, activity }) => id === group && activity === 'serving');
  }

  /** A process puts an address on the blocklist. */
  fence(process: SimProcess, address: string, expireMs: number): Promise<void> {
    const [client] = this.clientsOf(process);
    this.pool.onBlocklist(address, expireMs, client!);
    return call(process, 0, (done) => client!.blocklist(address, expireMs, done));
  }

  get images(): Iterable<ImageState> {
    return this.#images.values();
  }

  get map(): GroupMap {
    return this.checker.map ?? EMPTY_MAP;
  }

  /** RADOS clients of a process that are open. */
  clientsOf(process: SimProcess): readonly RadosClient[] {
    return this.#clients.filter((client) => client.process === process && !client.closed);
  }

  /** Nothing of it is referred to any more. */
  end(): void {
    this.#mend();
    for (const { process } of this.machines) process?.kill();
  }

  /** Parties of the network that a gateway's machine has on its side of Ceph. */
  get cephParties(): readonly string[] {
    return ['monitors', ...this.osds.osds.map(({ name }) => name)];
  }

  #peersOf(machine: Machine) {
    const others = this.machines.filter((other) => other !== machine);
    const isReached = ({ door, gateway }: Machine) =>
      this.network.reaches(machine.door.party, door.party) && gateway !== null;
    return {
      reachable: others.filter(isReached).map(({ node }) => node.name),
      unreachable: others.filter((other) => !isReached(other)).map(({ node }) => node.name),
      linkDown: false,
    };
  }

  async #connect({ confFile, options = {} }: ConnectOptions = {}): Promise<Cluster> {
    const machine = this.machines.find(({ node }) => node.name === confFile);
    const process = machine!.process!;
    const { variant } = this;
    const librbd = {
      cache: options.rbd_cache !== 'false' || variant.cache === true,
      blocklistOnBreak: options.rbd_blocklist_on_break_lock !== 'false',
      onOpen: (image: SimImage) => this.#opened.push(image),
      onOperation: (image: ImageState, client: RadosClient) => this.checker.admitted(client, image),
    };
    const cluster = new SimCluster(process, this.ceph, this.pool, librbd, variant.blindLocks !== true);
    await call<void>(process, CONNECT_TIMEOUT_MS, (done) => cluster.client.waitForLatestMap(done));
    return cluster as unknown as Cluster;
  }

  // ---- what there is ----

  #makeMachines(count: number): Machine[] {
    return Array.from({ length: count }, (_, i) => {
      const name = `gw-${String.fromCharCode(97 + i)}`;
      const rate = 1 + this.random.between(-0.01, 0.01);
      return {
        node: { name, address: `192.0.2.${11 + i}`, rate },
        door: new FrontDoor(name, this.simulation, this.network),
        process: null,
        gateway: null,
        runs: 0,
      };
    });
  }

  #makePool(): Pool {
    const objects = new ObjectStore();
    const onBlocklist = (address: string, expireMs: number, by: RadosClient) =>
      this.checker.fencing(address, expireMs, by);
    objects.onOmapSet = ({ omap }, keys) => {
      for (const key of keys) {
        if (key.startsWith(BEACON_PREFIX)) this.#beacons.set(key.slice(BEACON_PREFIX.length), omap.get(key)!);
        if (key.startsWith(REVOKED_PREFIX)) this.checker.revoking(key.slice(REVOKED_PREFIX.length));
      }
      if (!keys.includes('map') || !keys.includes('leader')) return;
      const map = decodeMap(omap.get('map')!.toString());
      // the first writes of the object are no leader's
      if (map.epoch > 0) this.checker.committed(map, decodeLeadership(omap.get('leader')!.toString()));
    };
    return { images: this.#images, objects, onBlocklist };
  }

  #makeDisk(nsid: number): Disk {
    const image = new ImageState(imageOf(nsid), OBJECTS, this.checker);
    this.#images.set(image.name, image);
    const sectors = Array.from({ length: OBJECTS }, (_, i) => (i * OBJECT_BYTES) / SECTOR_BYTES);
    return { nsid, group: nsid, sectors };
  }

  #makeHosts(count: number): SimHost[] {
    const keepAliveMs = this.random.pick([2000, 5000]);
    const doors = this.machines.map(({ door }) => door);
    return Array.from(
      { length: count },
      (_, i) =>
        new SimHost(
          {
            name: `host-${i + 1}`,
            number: i + 1,
            simulation: this.simulation,
            network: this.network,
            history: this.history,
            subsystemNqn: SUBSYSTEM_NQN,
            keepAliveMs,
            reconnectMs: this.random.pick([500, 2000]),
            depth: 3,
            thinkMs: THINK_MS * this.plan.stretch,
            disks: this.disks,
          },
          this.random.shuffle([...doors]),
        ),
    );
  }
}

function recordOf({ nsid, group }: Disk): NamespaceRecord {
  return {
    kind: 'namespace',
    nqn: SUBSYSTEM_NQN,
    nsid,
    uuid: `00000000-0000-4000-8000-${String(nsid).padStart(12, '0')}`,
    anaGroupId: group,
    blockSize: SECTOR_BYTES,
    sizeBytes: OBJECTS * OBJECT_BYTES,
    readOnly: false,
    backend: { type: 'rbd', pool: 'sim', image: imageOf(nsid) },
  };
}

function imageOf(nsid: number): string {
  return `image-${nsid}`;
}
