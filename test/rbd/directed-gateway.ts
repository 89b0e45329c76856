/** Gateways of a group on the cluster under test, told by the test who serves what; and a host that writes through all of them. */
import { afterEach } from 'vitest';
import { systemClock, systemTimers } from '../../src/base/clock.ts';
import { nullLog } from '../../src/base/log.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import type { NamespaceSpec } from '../../src/gateway/plans/requests.ts';
import { Backends } from '../../src/gateway/serving/backends.ts';
import type { GroupServer } from '../../src/monitor/group-server.ts';
import { type GatewayPlace, type MonitorClient, placeOfSlot } from '../../src/monitor/monitor-client.ts';
import { leaseRenewal, revokedKey } from '../../src/monitor/rados/lease-renewal.ts';
import { MemoryRecords, MemoryStore } from '../../src/store/memory-store.ts';
import { WatchedClock } from '../../src/target/watched-clock.ts';
import { freePort, host, listener, makeRig, NQN } from '../gateway/rig.ts';
import type { HostController } from '../initiator/controller.ts';
import { cephConf, freshName } from '../node-rados/harness/with-cluster.ts';
import { outside, POOL } from './rig.ts';

export const LEASE_MS = 1000;
const RENEWAL_MS = 200;
export const PATH_STATUS = 0x302;

/** Does nothing by itself but renew the leases of what it was told to take. */
class DirectedMonitor implements MonitorClient {
  readonly admin = null;
  readonly fenced: number[] = [];
  server!: GroupServer;
  readonly #slot: number;
  #stopped = false;

  constructor(slot: number) {
    this.#slot = slot;
  }

  attach(server: GroupServer): void {
    this.server = server;
    server.onFenced((group) => this.fenced.push(group));
  }

  async start(): Promise<GatewayPlace> {
    return placeOfSlot(this.#slot);
  }

  homeGroups(): readonly number[] {
    return [1, 2];
  }

  homeLocations(): ReadonlyMap<number, string> {
    return new Map();
  }

  onChange(): () => void {
    return () => {};
  }

  async leave(): Promise<void> {}

  async stop(): Promise<void> {
    this.#stopped = true;
  }

  async take(group: number, afterFence = false): Promise<void> {
    await this.server.connect(group);
    await this.server.takeOver(group, afterFence);
    void this.#renew(group);
  }

  async #renew(group: number): Promise<void> {
    while (!this.#stopped) {
      const goesOn = await this.server.renew(group).catch(() => true);
      if (!goesOn) return;
      await new Promise((resolve) => setTimeout(resolve, RENEWAL_MS));
    }
  }
}

/** What gateways of one group share. */
export class DirectedGroup {
  readonly records = new MemoryRecords();
  /** Addresses whose fences are committed. */
  readonly fences = new Set<string>();
  readonly leaseObjects = [1, 2, 3].map((i) => freshName(`lease-${i}`));

  static async make(): Promise<DirectedGroup> {
    const group = new DirectedGroup();
    const { pool } = await outside();
    for (const object of group.leaseObjects) await pool.omapSet(object, [['made', '1']]);
    return group;
  }

  /** As the leader does it: no renewal from now on, no write of that client either. */
  async fence(address: string): Promise<void> {
    const { pool, cluster } = await outside();
    for (const object of this.leaseObjects) await pool.omapSet(object, [[revokedKey(address), '1']]);
    await cluster.blocklistAdd(address, 600);
    this.fences.add(address);
  }
}

export interface DirectedGateway {
  gateway: Gateway;
  monitor: DirectedMonitor;
  server: GroupServer;
  host: HostController;
  /** The host comes back with a new association. */
  reconnect(): Promise<HostController>;
  address(group: number): string;
}

const made: { gateway: Gateway; backends: Backends }[] = [];
afterEach(async () => {
  for (const { gateway, backends } of made.splice(0)) {
    await gateway.stop();
    await backends.close();
  }
});

/** A gateway in `slot` that has a listener, and the host connected to it. The first one makes the subsystem. */
export async function directedGateway(group: DirectedGroup, slot: number): Promise<DirectedGateway> {
  const place = { pool: POOL, objects: group.leaseObjects };
  const renew = leaseRenewal(place, systemTimers);
  const backends = new Backends({
    ceph: { confFile: cephConf },
    authority: {
      isFenced: (address) => group.fences.has(address),
      renewLease: (cluster) => renew(cluster, LEASE_MS),
    },
    clock: systemClock,
    timers: systemTimers,
    log: nullLog,
  });
  const monitor = new DirectedMonitor(slot);
  const name = `gw-${slot}`;
  const { gateway } = makeRig({
    store: new MemoryStore(group.records),
    monitor,
    openBackend: backends.open,
    groups: backends,
    timers: systemTimers,
    lease: { clock: new WatchedClock(systemClock, systemTimers, LEASE_MS / 4), durationMs: LEASE_MS },
    identity: { version: '1', name, group: 'g', hostname: name, address: '127.0.0.1', port: 5500 },
  });
  made.push({ gateway, backends });
  await gateway.start();
  if (gateway.listSubsystems().length === 0) {
    await gateway.addSubsystem({ nqn: NQN, serial: 'S1' });
    await gateway.addHost(NQN, '*');
  }
  const port = await freePort();
  await gateway.addListener(listener(port, { hostName: name }));
  const { server } = monitor;
  return {
    gateway,
    monitor,
    server,
    host: await host(port),
    reconnect: () => host(port),
    address: (id) => server.clients().find((client) => client.group === id)!.address,
  };
}

export function onImage(image: string, anaGroupId: number): NamespaceSpec {
  return { nqn: NQN, blockSize: 4096, anaGroupId, backend: { type: 'rbd', pool: POOL, image } };
}

/** Writes ever higher numbers to block 0 through whichever path takes it, as a host with multipath does. */
export class Writer {
  /** The last number that was acknowledged. */
  acknowledged = 0;
  longestMs = 0;
  readonly statuses = new Set<number>();
  #hosts: readonly HostController[];
  readonly #end: Promise<void>;
  #running = true;

  constructor(...hosts: HostController[]) {
    this.#hosts = hosts;
    this.#end = this.#run();
  }

  /** Goes on with these; the former are done with. */
  use(...hosts: HostController[]): void {
    this.#hosts = hosts;
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#end;
  }

  /** Resolves after `count` more writes. */
  async progress(count = 20): Promise<void> {
    const goal = this.acknowledged + count;
    while (this.acknowledged < goal) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async #run(): Promise<void> {
    for (let number = 1; this.#running; number += 1) {
      const data = Buffer.alloc(4096);
      data.writeUInt32LE(number);
      const startMs = performance.now();
      await this.#write(data);
      this.longestMs = Math.max(this.longestMs, performance.now() - startMs);
      this.acknowledged = number;
    }
  }

  async #write(data: Buffer): Promise<void> {
    for (let at = 0; ; at += 1) {
      const { status } = await this.#hosts[at % this.#hosts.length]!.write(1, 0, 1, data);
      if (status === 0) return;
      this.statuses.add(status);
      if (at % this.#hosts.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}
