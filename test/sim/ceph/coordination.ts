/** The product's `Coordination` in the simulated cluster: the map object, three beacon objects, which are the lease objects too, and the fence. */
import type { Beacon } from '../../../src/monitor/beacon.ts';
import {
  type Coordination,
  type Leadership,
  type MapReading,
  NO_LEADER,
} from '../../../src/monitor/coordination.ts';
import { EMPTY_MAP, type Fence, type GroupMap } from '../../../src/monitor/group-map.ts';
import { revokedKey } from '../../../src/monitor/rados/lease-renewal.ts';
import type { SimProcess } from '../engine/process.ts';
import { type Ceph, ClusterError, type Outcome, RadosClient } from './client.ts';

const MAP_OBJECT = 'anagate.sim.map';
export const BEACON_OBJECTS = [
  'anagate.sim.beacons.0',
  'anagate.sim.beacons.1',
  'anagate.sim.beacons.2',
] as const;
/** Without an answer for so long a call is given up. */
const TIMEOUT_MS = 2000;
const MONITOR_TIMEOUT_MS = 8000;
/** The other beacon objects are waited for that long once one has answered. */
const STRAGGLERS_MS = 100;
const BLOCKLIST_MS = 30 * 86_400_000;

/** Told what the cluster sees. */
export interface CoordinationWatcher {
  committed(map: GroupMap, by: Leadership): void;
  /** The command leaves the leader now. */
  fencing(fence: Fence, process: SimProcess): void;
  /** A majority of the lease objects has it now. */
  revoked(fence: Fence): void;
}

/** What is kept in the objects. */
export class SharedState {
  leadership: Leadership = NO_LEADER;
  map: GroupMap = EMPTY_MAP;
  readonly beacons = BEACON_OBJECTS.map(() => new Map<string, Beacon>());
  /** Omap keys, by lease object. */
  readonly revoked = BEACON_OBJECTS.map(() => new Set<string>());
  /** Whoever is to be told that the map changed. */
  readonly listeners = new Set<() => void>();
  blocklistMs = BLOCKLIST_MS;
  readonly watcher: CoordinationWatcher;

  constructor(watcher: CoordinationWatcher) {
    this.watcher = watcher;
  }

  /** Those of the omap keys that a lease object has. */
  valuesOf(object: string, keys: readonly string[]): [string, Buffer][] {
    const revoked = this.revoked[BEACON_OBJECTS.indexOf(object as (typeof BEACON_OBJECTS)[number])]!;
    return keys.filter((key) => revoked.has(key)).map((key) => [key, Buffer.alloc(0)]);
  }
}

export class SimCoordination implements Coordination {
  readonly #process: SimProcess;
  readonly #ceph: Ceph;
  readonly #shared: SharedState;
  readonly #hints: (() => void)[] = [];
  readonly #onNotify = () => this.#hinted();
  #client: RadosClient;
  /** What this process has read, or committed. */
  lastMap = EMPTY_MAP;

  constructor(process: SimProcess, ceph: Ceph, shared: SharedState) {
    this.#process = process;
    this.#ceph = ceph;
    this.#shared = shared;
    this.#client = new RadosClient(process, ceph);
    shared.listeners.add(this.#onNotify);
  }

  get address(): string {
    return this.#client.address;
  }

  get client(): RadosClient {
    return this.#client;
  }

  async readMap(): Promise<MapReading> {
    const { leadership, map } = await this.#operate(MAP_OBJECT, false, () => ({
      leadership: this.#shared.leadership,
      map: this.#shared.map,
    }));
    this.#remember(map);
    return { leadership, map };
  }

  async lead(before: Leadership, after: Leadership, map?: GroupMap): Promise<boolean> {
    const done = await this.#exchanged(before, after, map);
    if (done && map !== undefined) this.#remember(map);
    return done;
  }

  #exchanged(before: Leadership, after: Leadership, map: GroupMap | undefined): Promise<boolean> {
    const loses = this.#ceph.simulation.random.chance(0.004);
    return this.#call(TIMEOUT_MS, (done) => {
      this.#client.operate<boolean>(
        MAP_OBJECT,
        true,
        () => this.#exchange(before, after, map),
        (error, value) => {
          // it was done, and nobody hears of it
          if (!loses || error !== null) done(error, value);
        },
      );
    });
  }

  async writeBeacon(beacon: Beacon): Promise<void> {
    const writes = BEACON_OBJECTS.map((object, i) =>
      this.#operate(object, true, () => void this.#shared.beacons[i]!.set(beacon.incarnation, beacon)),
    );
    await firstOf(writes);
  }

  async readBeacons(): Promise<readonly Beacon[]> {
    const newest = new Map<string, Beacon>();
    const reads = BEACON_OBJECTS.map((object, i) =>
      this.#operate(object, false, () => [...this.#shared.beacons[i]!.values()]).then((beacons) => {
        for (const beacon of beacons) {
          const known = newest.get(beacon.incarnation);
          if (known === undefined || known.sequence < beacon.sequence) newest.set(beacon.incarnation, beacon);
        }
      }),
    );
    await firstOf(reads);
    await Promise.race([Promise.allSettled(reads), this.#sleep(STRAGGLERS_MS)]);
    return [...newest.values()];
  }

  async forget(incarnation: string): Promise<void> {
    await Promise.allSettled(
      BEACON_OBJECTS.map((object, i) =>
        this.#operate(object, true, () => this.#shared.beacons[i]!.delete(incarnation)),
      ),
    );
  }

  async revoke(fence: Fence): Promise<void> {
    const writes = BEACON_OBJECTS.map((object, i) =>
      this.#operate(object, true, () => {
        const { revoked } = this.#shared;
        const key = revokedKey(fence.address);
        if (revoked[i]!.has(key)) return;
        revoked[i]!.add(key);
        if (revoked.filter((set) => set.has(key)).length === 2) this.#shared.watcher.revoked(fence);
      }),
    );
    await majorityOf(writes);
  }

  blocklist(fence: Fence): Promise<void> {
    this.#shared.watcher.fencing(fence, this.#process);
    return this.#call(MONITOR_TIMEOUT_MS, (done) =>
      this.#client.blocklist(fence.address, this.#shared.blocklistMs, done),
    );
  }

  notify(): void {
    const { random } = this.#ceph.simulation;
    for (const listener of this.#shared.listeners) {
      if (random.chance(0.1)) continue;
      this.#ceph.simulation.after(
        random.chance(0.05) ? random.between(1000, 20_000) : random.between(0.5, 10),
        listener,
      );
    }
  }

  onHint(listener: () => void): void {
    this.#hints.push(listener);
  }

  async renew(): Promise<void> {
    this.#client.close();
    this.#client = new RadosClient(this.#process, this.#ceph);
    await this.#call<void>(TIMEOUT_MS, (done) => this.#client.waitForLatestMap(done));
  }

  async close(): Promise<void> {
    this.#client.close();
    this.#shared.listeners.delete(this.#onNotify);
  }

  #exchange(before: Leadership, after: Leadership, map: GroupMap | undefined): boolean {
    const shared = this.#shared;
    if (!isSame(shared.leadership, before)) return false;
    if (map !== undefined && map.epoch !== shared.map.epoch + 1) return false;
    shared.leadership = after;
    if (map !== undefined) {
      shared.map = map;
      shared.watcher.committed(map, after);
    }
    return true;
  }

  #remember(map: GroupMap): void {
    if (map.epoch > this.lastMap.epoch) this.lastMap = map;
  }

  #hinted(): void {
    if (!this.#ceph.network.reaches(this.#process.node.name, this.#ceph.osds.of(MAP_OBJECT).name)) return;
    this.#process.post(() => {
      for (const listener of this.#hints) listener();
    });
  }

  #operate<T>(object: string, isWrite: boolean, execute: () => T): Promise<T> {
    return this.#call(TIMEOUT_MS, (done) => this.#client.operate(object, isWrite, execute, done));
  }

  #call<T>(timeoutMs: number, start: (done: Outcome<T>) => void): Promise<T> {
    return call(this.#process, timeoutMs, start);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#process.after(ms, resolve));
  }
}

/** What a thread answers, for the event loop; given up after a while (0: never). */
export function call<T>(
  process: SimProcess,
  timeoutMs: number,
  start: (done: Outcome<T>) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer =
      timeoutMs > 0 ? process.after(timeoutMs, () => reject(new ClusterError('ETIMEDOUT'))) : null;
    start((error, value) =>
      process.post(() => {
        timer?.cancel();
        if (error === null) resolve(value);
        else reject(error);
      }),
    );
  });
}

function isSame(a: Leadership, b: Leadership): boolean {
  return (
    a.term === b.term &&
    a.gateway === b.gateway &&
    a.incarnation === b.incarnation &&
    a.beat === b.beat &&
    a.peerAddress === b.peerAddress &&
    a.peerPort === b.peerPort
  );
}

/** Resolves with the first that succeeds; rejects as the first did when all fail. */
async function firstOf(calls: readonly Promise<unknown>[]): Promise<void> {
  await Promise.any(calls).catch((error: AggregateError) => {
    throw error.errors[0];
  });
}

/** Resolves once more than half have succeeded. */
export async function majorityOf(calls: readonly Promise<unknown>[]): Promise<void> {
  const needed = Math.floor(calls.length / 2) + 1;
  await new Promise<void>((resolve, reject) => {
    let done = 0;
    let failed = 0;
    for (const one of calls) {
      one.then(
        () => {
          done += 1;
          if (done === needed) resolve();
        },
        (error: unknown) => {
          failed += 1;
          if (failed > calls.length - needed) reject(error);
        },
      );
    }
  });
}
