/**
 * The rules of ownership (ha-design S1 to S8), looked at whenever something happens that they speak of: a map is committed, a
 * fence is sent, a command is admitted or answered, an OSD executes a write.
 */
import type { Leadership } from '../../../src/monitor/coordination.ts';
import { type AnaGroupEntry, type GroupMap, gatewayOf, type Holder } from '../../../src/monitor/group-map.ts';
import type { RadosClient } from '../ceph/client.ts';
import type { ImageState, ImageWatcher } from '../ceph/image-state.ts';
import type { SimProcess } from '../engine/process.ts';
import type { World } from '../world.ts';

/** S6. */
const FENCE_MS = 30 * 86_400_000;
/** Of three lease objects. */
const MAJORITY = 2;

/** Somebody whom a map named owner of a group, until it is certain that nothing of it is left. */
interface Holding {
  readonly holder: Holder;
  state: 'held' | 'released' | 'fenced';
}

interface GroupRecord {
  readonly holdings: Map<string, Holding>;
  /** Epoch at which each process was last named owner. */
  readonly named: Map<SimProcess, number>;
  /** Highest such epoch of those that have acted. */
  lastTenure: number;
  lastActor: SimProcess | null;
}

export interface Registration extends Holder {
  readonly group: number;
}

export class OwnershipChecker implements ImageWatcher {
  readonly #world: World;
  readonly #groups = new Map<number, GroupRecord>();
  /** By address: what a committed map says, or has said. */
  readonly #registered = new Map<string, Registration>();
  /** Lease objects that have the revocation. */
  readonly #revocations = new Map<string, number>();
  readonly #revokedMs = new Map<string, number>();
  #map: GroupMap | null = null;
  #term = 0;

  constructor(world: World) {
    this.#world = world;
    world.monitors.onExpiry = (address) => this.#expired(address);
  }

  get map(): GroupMap | null {
    return this.#map;
  }

  /** What a committed map says, or has said, of an address. */
  registrationOf(address: string): Registration | undefined {
    return this.#registered.get(address);
  }

  // ---- the map ----

  committed(map: GroupMap, by: Leadership): void {
    const before = this.#map;
    this.#map = map;
    this.#world.simulation.note(
      () => `map ${map.epoch} of ${by.gateway}, term ${by.term}: ${describeMap(map)}`,
    );
    if (by.term < this.#term) this.#fail('S5', `term ${by.term} wrote a map after term ${this.#term}`);
    this.#term = Math.max(this.#term, by.term);
    this.#register(map);
    this.#checkFences(map);
    this.#world.service.committed(map);
    for (const group of map.groups) {
      const { id, owner, next, holders, epoch } = group;
      const last = before?.groups.find((one) => one.id === id);
      const isSame = owner !== null && last?.owner?.incarnation === owner.incarnation;
      if (owner !== null && isAlone(group) && !(isSame && isAlone(last)))
        this.#world.takenOver(id, owner, isSame);
      const record = this.#record(id);
      if (owner !== null) {
        const process = this.#world.processOf(owner.incarnation);
        if (process !== undefined && next === null) record.named.set(process, epoch);
        if (!record.holdings.has(owner.incarnation) || before === null)
          record.holdings.set(owner.incarnation, { holder: owner, state: 'held' });
        record.holdings.get(owner.incarnation)!.state = 'held';
      }
      for (const holding of record.holdings.values()) {
        const isHolder = holders.some(({ incarnation }) => incarnation === holding.holder.incarnation);
        if (!isHolder && holding.state === 'held') this.#dropped(map, id, holding);
      }
    }
  }

  #register(map: GroupMap): void {
    for (const { name, incarnation } of map.gateways) {
      for (const { group, address } of incarnation?.clients ?? []) {
        this.#registered.set(address, { gateway: name, incarnation: incarnation!.id, group });
      }
    }
  }

  /** Committed means: on the blocklist, and the lease over. */
  #checkFences(map: GroupMap): void {
    const { now } = this.#world.simulation;
    for (const { address, state, gateway } of map.fences) {
      if (state !== 'committed') continue;
      if (this.#world.monitors.fencedSince(address) > this.#world.monitors.epoch)
        this.#fail(
          'S3',
          `the fence of ${gateway} ${address} is called complete, and it is not on the blocklist`,
        );
      const revokedMs = this.#revokedMs.get(address) ?? Number.POSITIVE_INFINITY;
      if (now < revokedMs + this.#world.times.lease * 0.98)
        this.#fail(
          'S4',
          `the fence of ${gateway} ${address} is called complete, and its lease may not be over`,
        );
    }
  }

  /** The map has no holder any more that it once named. */
  #dropped(map: GroupMap, group: number, holding: Holding): void {
    const { incarnation, gateway } = holding.holder;
    const fences = map.fences.filter((fence) => fence.incarnation === incarnation);
    const own = fences.filter((fence) => fence.group === group);
    const needed = own.length > 0 ? own : fences;
    if (needed.length > 0 && needed.every(({ state }) => state === 'committed')) {
      holding.state = 'fenced';
      return;
    }
    holding.state = 'released';
    const process = this.#world.processOf(incarnation);
    const isBusy = process !== undefined && !process.isDead && this.#world.isBusy(process, group);
    for (const { name, locker } of this.#world.images) {
      const registration = this.#registered.get(locker?.client.address ?? '');
      if (registration?.incarnation === incarnation && registration.group === group)
        this.#fail(
          'S8',
          `${gateway} does not hold group ${group} any more by the map, and has the lock of ${name}`,
        );
    }
    const isOwnerNow = map.groups.find(({ id }) => id === group)?.owner?.incarnation === incarnation;
    if (isBusy && !isOwnerNow)
      this.#fail('S3', `${gateway} does not hold group ${group} any more by the map, and still works on it`);
  }

  // ---- fences ----

  /** The command leaves a leader now. */
  fencing(address: string, expireMs: number, by: RadosClient): void {
    this.#world.simulation.note(() => `${by.process.name} fences ${address}`);
    if (!this.#map?.fences.some((fence) => fence.address === address))
      this.#fail('S5', `${address} is fenced, and no committed map says so`);
    if (expireMs < FENCE_MS) this.#fail('S6', `${address} is fenced for ${expireMs} ms only`);
  }

  /** A lease object has the revocation now. */
  revoking(address: string): void {
    const count = (this.#revocations.get(address) ?? 0) + 1;
    this.#revocations.set(address, count);
    if (count !== MAJORITY) return;
    this.#world.simulation.note(() => `lease of ${address} is revoked`);
    this.#revokedMs.set(address, this.#world.simulation.now);
  }

  /** A client that was fenced may write again. */
  #expired(address: string): void {
    const registration = this.#registered.get(address);
    const process = registration && this.#world.processOf(registration.incarnation);
    if (process !== undefined && !process.isDead)
      this.#fail('S6', `the fence of ${registration!.gateway} ${address} has run out, and its process lives`);
  }

  // ---- serving ----

  /** A command goes to librbd, with this client. */
  admitted(client: RadosClient, image: ImageState): void {
    const registration = this.#registered.get(client.address);
    if (registration === undefined) {
      this.#fail(
        'S2',
        `${client.process.name} serves ${image.name} with ${client.address}, which no map has`,
      );
      return;
    }
    const { group } = registration;
    this.acted(client.process, group, 'admits a command');
    for (const { holder, state } of this.#record(group).holdings.values()) {
      if (holder.incarnation === registration.incarnation) continue;
      const name = `${holder.gateway} ${holder.incarnation}`;
      if (state === 'held' && this.#mayStillServe(holder, client.process, group))
        this.#fail('S3', `${client.process.name} serves group ${group} while ${name} holds it`);
      if (state === 'fenced') this.#checkFence(holder, client, group);
    }
  }

  /** A command is admitted, or answered with success. */
  acted(process: SimProcess, group: number, what: string): void {
    const record = this.#record(group);
    const tenure = record.named.get(process);
    if (tenure === undefined) {
      this.#fail('S1', `${process.name} ${what} of group ${group}, and no map ever named it owner`);
      return;
    }
    if (tenure < record.lastTenure)
      this.#fail(
        'S1',
        `${process.name} ${what} of group ${group} after ${record.lastActor?.name} has served it`,
      );
    record.lastTenure = Math.max(record.lastTenure, tenure);
    record.lastActor = process;
  }

  /** Whoever was named later than `process` waits for it, not the other way round. */
  #mayStillServe(holder: Holder, process: SimProcess, group: number): boolean {
    const { named } = this.#record(group);
    const other = this.#world.processOf(holder.incarnation);
    return other !== undefined && other !== process && (named.get(other) ?? 0) < (named.get(process) ?? 0);
  }

  /** The client knows of the fence, so every OSD that it talks to does. */
  #checkFence({ gateway, incarnation }: Holder, client: RadosClient, group: number): void {
    for (const [address, registration] of this.#registered) {
      if (registration.incarnation !== incarnation || registration.group !== group) continue;
      const since = this.#world.monitors.fencedSince(address);
      if (since > client.epoch)
        this.#fail(
          'S3',
          `${client.process.name} serves group ${group} with the OSD map of epoch ${client.epoch}, and ${gateway} ${address} is fenced since ${since}`,
        );
    }
  }

  // ---- images ----

  wrote(image: ImageState, client: RadosClient): void {
    this.#checkClient(image, client, 'writes to');
  }

  locked(image: ImageState, client: RadosClient): void {
    this.#world.simulation.note(() => `${client.process.name} has the lock of ${image.name}`);
    this.#checkClient(image, client, 'takes the lock of');
  }

  #checkClient(image: ImageState, client: RadosClient, what: string): void {
    const registration = this.#registered.get(client.address);
    if (registration === undefined) {
      this.#fail(
        'S2',
        `${client.process.name} ${what} ${image.name} with ${client.address}, which no map has`,
      );
    } else if (!this.#record(registration.group).holdings.has(registration.incarnation)) {
      this.#fail(
        'S8',
        `${client.process.name} ${what} ${image.name}, and never owned group ${registration.group}`,
      );
    }
  }

  #record(group: number): GroupRecord {
    let record = this.#groups.get(group);
    if (record === undefined) {
      record = { holdings: new Map(), named: new Map(), lastTenure: 0, lastActor: null };
      this.#groups.set(group, record);
    }
    return record;
  }

  #fail(rule: string, what: string): void {
    this.#world.simulation.fail(rule, what);
  }
}

export function describeMap(map: GroupMap): string {
  const groups = map.groups.map(({ id, owner, next, holders }) => {
    const others = holders.filter(({ incarnation }) => incarnation !== owner?.incarnation);
    const waits = others.length > 0 ? ` after ${others.map(({ incarnation }) => incarnation).join('+')}` : '';
    return `${id}=${owner?.incarnation ?? 'nobody'}${next === null ? '' : `>${next}`}${waits}`;
  });
  const gateways = map.gateways.map(({ name, availability }) => `${name} ${availability}`);
  const fences = map.fences.filter(({ state }) => state === 'intended').length;
  return `${groups.join(', ')}; ${gateways.join(', ')}${fences > 0 ? `; ${fences} fences under way` : ''}`;
}

/** Whether the owner needs not wait for others. */
function isAlone({ owner, holders }: AnaGroupEntry): boolean {
  return owner !== null && holders.every(({ incarnation }) => incarnation === owner.incarnation);
}

/** Whether each group is served at its home, so far as the map says. */
export function isHome(map: GroupMap): boolean {
  return map.groups.every(({ id, owner, next, holders, stays }) => {
    const entry = owner === null ? undefined : gatewayOf(map, owner.gateway);
    const hasHome = map.gateways.some(({ slot }) => slot === id - 1);
    return (
      (entry?.slot === id - 1 || !hasHome || stays === true) &&
      owner !== null &&
      next === null &&
      holders.length === 1
    );
  });
}
