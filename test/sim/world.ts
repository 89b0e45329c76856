/** The world of one seed: a cluster, gateways on machines of their own, hosts, and whoever checks them. */
import { EMPTY_MAP, type GroupMap } from '../../src/monitor/group-map.ts';
import type { GroupServer } from '../../src/monitor/group-server.ts';
import { leaseRenewal } from '../../src/monitor/rados/lease-renewal.ts';
import { MONITOR_TIMES, type MonitorTimes } from '../../src/monitor/times.ts';
import { Cluster, type ConnectOptions } from '../../src/node-rados/lib/node-rados.ts';
import type { Ceph, RadosClient } from './ceph/client.ts';
import { SimCluster } from './ceph/cluster.ts';
import { BEACON_OBJECTS, call, SharedState, SimCoordination } from './ceph/coordination.ts';
import { ImageState, OBJECT_BYTES, SECTOR_BYTES } from './ceph/image-state.ts';
import { Monitors } from './ceph/monitors.ts';
import { OsdCluster } from './ceph/osds.ts';
import { History } from './check/history.ts';
import { OwnershipChecker } from './check/ownership.ts';
import { Network } from './engine/network.ts';
import { type Node, SimProcess } from './engine/process.ts';
import { Random } from './engine/random.ts';
import { Simulation } from './engine/simulation.ts';
import { FrontDoor } from './gateway/front-door.ts';
import { type Configuration, SimGateway } from './gateway/gateway.ts';
import { PeerNetwork, SimPeerStreams } from './gateway/peers.ts';
import { type Disk, SimHost } from './host/host.ts';
import { NO_VARIANT, type Variant } from './variants.ts';

const SUBSYSTEM_NQN = 'nqn.2026-11.io.anagate:sim';
const OSDS = 4;
const OBJECTS = 10;
const CONNECT_TIMEOUT_MS = 30_000;

/** The same on every machine, seed and run. */
export interface WorldOptions {
  readonly seed: number;
  readonly variant?: Variant;
  readonly trace?: (line: string) => void;
}

/** A gateway's machine, with the process that runs on it now. */
export interface Machine {
  readonly node: Node;
  readonly door: FrontDoor;
  gateway: SimGateway | null;
  runs: number;
}

export class World {
  readonly random: Random;
  readonly simulation: Simulation;
  readonly network: Network;
  readonly monitors: Monitors;
  readonly osds: OsdCluster;
  readonly ceph: Ceph;
  readonly machines: readonly Machine[];
  readonly hosts: readonly SimHost[];
  readonly disks: readonly Disk[];
  readonly history = new History();
  readonly checker: OwnershipChecker;
  readonly times: MonitorTimes;
  readonly shared: SharedState;
  readonly peers: PeerNetwork;
  readonly variant: Variant;
  readonly #images = new Map<string, ImageState>();
  readonly #clients: RadosClient[] = [];
  readonly #incarnations = new Map<string, SimProcess>();
  readonly #configuration: Configuration;

  constructor({ seed, variant = NO_VARIANT, trace }: WorldOptions) {
    this.random = new Random(seed);
    this.variant = variant;
    this.simulation = new Simulation(this.random.fork(), trace ?? null);
    const { simulation, random } = this;
    this.network = new Network(simulation);
    const slowest = random.pick([60, 1000, 1000]);
    this.monitors = new Monitors(simulation, { commitMs: [slowest / 2, slowest] });
    this.osds = new OsdCluster(OSDS, simulation, this.network, this.monitors);
    this.ceph = {
      simulation,
      network: this.network,
      monitors: this.monitors,
      osds: this.osds,
      clients: this.#clients,
    };
    this.times = { ...MONITOR_TIMES, failbackDelay: 1000 };
    this.machines = this.#makeMachines(random.pick([2, 3, 3]));
    this.checker = new OwnershipChecker(
      simulation,
      this.monitors,
      {
        processOf: (incarnation) => this.#incarnations.get(incarnation),
        isBusy: (process, group) => this.gatewayOf(process)?.isBusy(group) ?? false,
      },
      this.times,
      groupOf,
    );
    this.shared = new SharedState(this.checker);
    this.peers = new PeerNetwork(simulation, this.network);
    this.disks = this.machines.map((_, i) => this.#makeDisk(i + 1));
    this.#configuration = {
      subsystemNqn: SUBSYSTEM_NQN,
      maxGroups: 8,
      namespaces: this.disks.map(({ nsid, group }) => ({
        nsid,
        group,
        image: `image-${group}`,
        sizeBytes: OBJECTS * OBJECT_BYTES,
      })),
    };
    this.hosts = this.#makeHosts(random.pick([2, 2, 3]));
    Cluster.connect = (options) => this.#connect(options);
    variant.prepare?.(this);
  }

  /** Everything is switched on. */
  start(): void {
    for (const machine of this.machines) {
      this.simulation.after(this.random.between(0, 200), () => this.startGateway(machine));
    }
    for (const host of this.hosts) this.simulation.after(500, () => host.start());
  }

  // ---- gateways ----

  startGateway(machine: Machine): void {
    if (machine.gateway !== null) return;
    machine.runs += 1;
    const { node } = machine;
    const process = new SimProcess(this.simulation, `${node.name}#${machine.runs}`, node);
    const coordination = new SimCoordination(process, this.ceph, this.shared);
    let letter = 0;
    const gateway = new SimGateway({
      name: node.name,
      process,
      times: this.times,
      configuration: this.#configuration,
      coordination: this.variant.wrapCoordination?.(coordination, this) ?? coordination,
      map: () => coordination.lastMap,
      streams: new SimPeerStreams(process, this.peers),
      renewLease: leaseRenewal({ pool: 'sim', objects: BEACON_OBJECTS }, process),
      confFile: node.name,
      newId: () => {
        const id = `${node.name}#${machine.runs}${String.fromCharCode(97 + letter++)}`;
        this.#incarnations.set(id, process);
        return id;
      },
      peers: () => this.#peersOf(machine),
      wrapServer: (server: GroupServer) => this.variant.wrapServer?.(server, process, this) ?? server,
      onAnswer: (group) => this.checker.acted(process, group, 'answers a command'),
    });
    machine.gateway = gateway;
    machine.door.listener = gateway;
    this.simulation.note(() => `${process.name} starts`);
    process.enter(() => gateway.start());
  }

  /** SIGKILL, or a crash. `silently`: nobody is told, as when the machine loses its power. */
  killGateway(machine: Machine, silently: boolean): void {
    const { gateway } = machine;
    if (gateway === null) return;
    const { process } = gateway;
    process.kill();
    machine.gateway = null;
    if (silently) {
      machine.door.listener = null;
      return;
    }
    machine.door.died(process);
    this.peers.died(process);
  }

  gatewayOf(process: SimProcess): SimGateway | undefined {
    return this.machines.find(({ gateway }) => gateway?.process === process)?.gateway ?? undefined;
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
    for (const machine of this.machines) machine.gateway?.process.kill();
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
    const { process } = machine!.gateway!;
    const cluster = new SimCluster(
      process,
      this.ceph,
      { images: this.#images, shared: this.shared },
      {
        cache: options.rbd_cache !== 'false' || this.variant.cache === true,
        blocklistOnBreak: options.rbd_blocklist_on_break_lock !== 'false',
        onOperation: (image, client) => this.checker.admitted(client, groupOf(image.name)),
      },
    );
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
        gateway: null,
        runs: 0,
      };
    });
  }

  #makeDisk(group: number): Disk {
    const image = new ImageState(`image-${group}`, OBJECTS, this.checker);
    this.#images.set(image.name, image);
    const sectors = Array.from({ length: OBJECTS }, (_, i) => (i * OBJECT_BYTES) / SECTOR_BYTES);
    return { nsid: group, group, sectors };
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
            thinkMs: 60,
            disks: this.disks,
          },
          this.random.shuffle([...doors]),
        ),
    );
  }
}

function groupOf(image: string): number {
  return Number(image.slice('image-'.length));
}
