/**
 * The OSDs. Each has its own epoch of the map and learns of newer ones late; an operation whose client knows a newer one waits
 * until the OSD has it. The blocklist is looked at when an operation is executed.
 */
import { RadosError } from '../../../src/node-rados/lib/node-rados.ts';
import type { Network } from '../engine/network.ts';
import type { Simulation } from '../engine/simulation.ts';
import { type ClusterError, clusterError } from './client.ts';
import type { Monitors } from './monitors.ts';

/** An operation on one object. It is executed once however often it is sent, as the PG log sees to it. */
export interface OsdOperation {
  readonly address: string;
  readonly object: string;
  /** Epoch that the client knew when it sent this. */
  epoch: number;
  execute(): unknown;
  /** Set once executed: the result, or the error. */
  outcome: { value: unknown } | { error: ClusterError } | null;
  /** Sends the outcome back, with the OSD's epoch. */
  answer(epoch: number): void;
}

/** An OSD learns of an epoch after so many mean times at most, unless an operation asks for it. */
const GOSSIP_MOST = 10;

export class Osd {
  readonly name: string;
  epoch = 1;
  /** Its placement groups are not served until then. */
  #inactiveUntilMs = 0;
  readonly #simulation: Simulation;
  readonly #network: Network;
  readonly #monitors: Monitors;
  readonly #cluster: OsdCluster;
  #waiting: OsdOperation[] = [];
  #fetching = false;

  constructor(
    name: string,
    simulation: Simulation,
    network: Network,
    monitors: Monitors,
    cluster: OsdCluster,
  ) {
    this.name = name;
    this.#simulation = simulation;
    this.#network = network;
    this.#monitors = monitors;
    this.#cluster = cluster;
  }

  get isActive(): boolean {
    return this.#simulation.now >= this.#inactiveUntilMs;
  }

  receive(operation: OsdOperation): void {
    if (operation.epoch > this.epoch) this.#fetch();
    if (this.#mustWait(operation)) this.#waiting.push(operation);
    else this.#execute(operation);
  }

  /** Placement groups stand still, as while they peer. */
  stop(ms: number): void {
    this.#simulation.note(() => `${this.name} stands still for ${ms.toFixed(0)} ms`);
    this.#inactiveUntilMs = Math.max(this.#inactiveUntilMs, this.#simulation.now + ms);
    this.#simulation.after(ms, () => this.retry());
  }

  /** A newer map than its own exists. */
  heard(epoch: number): void {
    const { random } = this.#simulation;
    const mean = this.#cluster.gossipMs;
    const ms = Math.min(random.exponential(mean), GOSSIP_MOST * mean);
    this.#network.send('monitors', this.name, ms, () => this.#learn(epoch));
  }

  retry(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const operation of waiting) this.receive(operation);
  }

  #mustWait(operation: OsdOperation): boolean {
    return operation.epoch > this.epoch || !this.isActive || this.#cluster.paused;
  }

  #fetch(): void {
    if (this.#fetching) return;
    this.#fetching = true;
    const { random } = this.#simulation;
    this.#network.send(this.name, 'monitors', random.between(1, 10), () => {
      this.#fetching = false;
      this.#learn(this.#monitors.epoch);
    });
  }

  #learn(epoch: number): void {
    if (epoch <= this.epoch) return;
    this.epoch = epoch;
    this.retry();
  }

  #execute(operation: OsdOperation): void {
    if (operation.outcome === null) {
      if (this.#monitors.isFenced(operation.address, this.epoch))
        operation.outcome = { error: clusterError('EBLOCKLISTED') };
      else operation.outcome = executed(operation);
    }
    operation.answer(this.epoch);
  }
}

function executed(operation: OsdOperation): OsdOperation['outcome'] {
  try {
    return { value: operation.execute() };
  } catch (error) {
    if (error instanceof RadosError) return { error };
    throw error;
  }
}

export class OsdCluster {
  readonly osds: readonly Osd[];
  /** `ceph osd pause`. */
  paused = false;
  /** How much longer than usual everything takes, at most: disks are slow, threads are busy. */
  slowMs = 0;
  /** How long it takes on average until an OSD learns of an epoch that no operation asks for. */
  gossipMs = 400;
  /** Part of what programs ask of librbd that does not come to an end for seconds. */
  hanging = 0;

  constructor(count: number, simulation: Simulation, network: Network, monitors: Monitors) {
    this.osds = Array.from(
      { length: count },
      (_, i) => new Osd(`osd-${i}`, simulation, network, monitors, this),
    );
    monitors.onEpoch((epoch) => {
      for (const osd of this.osds) osd.heard(epoch);
    });
  }

  /** The OSD that has the object, for ever. */
  of(object: string): Osd {
    let hash = 0;
    for (let i = 0; i < object.length; i++) hash = (Math.imul(hash, 31) + object.charCodeAt(i)) >>> 0;
    return this.osds[hash % this.osds.length]!;
  }

  /** Some operations wait, whoever sends them. */
  get isDisturbed(): boolean {
    return this.paused || this.osds.some(({ isActive }) => !isActive);
  }

  pause(paused: boolean): void {
    this.paused = paused;
    if (!paused) for (const osd of this.osds) osd.retry();
  }
}
