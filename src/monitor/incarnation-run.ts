/** One incarnation of this gateway: what it does with each ANA group as the map says, from its first beacon until it is fenced or leaves. */
import { type Beacon, type BeaconGroup, servesWithLease } from './beacon.ts';
import { GroupKeeper, type GroupKeeperOptions } from './group-keeper.ts';
import { type AnaGroupEntry, EMPTY_MAP, type GroupMap, gatewayOf, maySelfServe } from './group-map.ts';

/** A client that could not be connected is tried again. */
const CONNECT_AGAIN_MS = 1000;

export interface IncarnationRunOptions extends GroupKeeperOptions {
  /** Name of the gateway. */
  readonly gateway: string;
  /** Random, unique for ever. */
  readonly id: string;
}

export class IncarnationRun {
  readonly id: string;
  readonly #options: IncarnationRunOptions;
  readonly #keepers = new Map<number, GroupKeeper>();
  readonly #connecting = new Set<number>();
  #map: GroupMap = EMPTY_MAP;
  #abandoned = false;

  constructor(options: IncarnationRunOptions) {
    this.#options = options;
    this.id = options.id;
  }

  /** Of the last map that was applied. */
  get appliedEpoch(): number {
    return this.#map.epoch;
  }

  /** Nothing is in flight and no lock is held. */
  get idle(): boolean {
    return [...this.#keepers.values()].every(({ activity }) => activity === 'standby');
  }

  /** Begins what the map wants; a map that is older than the last one has no effect. */
  apply(map: GroupMap): void {
    if (map.epoch < this.#map.epoch) return;
    this.#map = map;
    for (const { id } of map.groups) {
      this.#keeper(id);
      void this.#connect(id);
    }
    for (const [id, keeper] of this.#keepers) keeper.want(this.#wish(id));
  }

  /** Clients came or went: whether a group may be served depends on them. */
  reconsider(): void {
    this.apply(this.#map);
  }

  /** Of every group that the last map has. */
  groups(): BeaconGroup[] {
    return this.#map.groups.map(({ id }) => this.#keeper(id).beacon());
  }

  /** Beacons of all gateways have been read: whether others get the leases that an owner does not get is for the leader to know. */
  look(beacons: readonly Beacon[]): void {
    for (const { id, owner } of this.#map.groups) {
      const beacon = beacons.find(({ incarnation }) => incarnation === owner?.incarnation);
      if (beacon === undefined || beacon.incarnation === this.id || servesWithLease(beacon, id)) continue;
      void this.#keeper(id).tryLease();
    }
  }

  /** Every group turns inaccessible at once. */
  abandon(): void {
    this.#abandoned = true;
    for (const keeper of this.#keepers.values()) keeper.abandon();
  }

  #keeper(group: number): GroupKeeper {
    let keeper = this.#keepers.get(group);
    if (keeper === undefined) {
      keeper = new GroupKeeper(group, this.#options);
      this.#keepers.set(group, keeper);
    }
    return keeper;
  }

  /** See {@link GroupKeeper.want}. */
  #wish(id: number): number | null {
    const group = this.#map.groups.find((entry) => entry.id === id);
    return group !== undefined && this.#mayServe(group) ? group.fencedEpoch : null;
  }

  /** Named in the map, with the very client that would do the I/O: nothing else can be fenced (ha-design S2). */
  #mayServe(group: AnaGroupEntry): boolean {
    const entry = gatewayOf(this.#map, this.#options.gateway);
    if (entry?.incarnation?.id !== this.id || entry.availability === 'DELETING') return false;
    const address = this.#options.server.clients().find((client) => client.group === group.id)?.address;
    const registered = entry.incarnation.clients.some(
      (client) => client.group === group.id && client.address === address,
    );
    return registered && maySelfServe(group, this.id);
  }

  /** Every group has its client here, registered long before it is needed. */
  async #connect(group: number): Promise<void> {
    const { server, timers, log, onChange, onFenced } = this.#options;
    if (this.#connecting.has(group) || server.clients().some((client) => client.group === group)) return;
    this.#connecting.add(group);
    try {
      await server.connect(group);
      this.#connecting.delete(group);
      if (this.#abandoned) return;
      onChange();
      this.reconsider();
    } catch (err) {
      if (this.#abandoned) return;
      if ((err as NodeJS.ErrnoException).code === 'EBLOCKLISTED') {
        // While the incarnation before this one joined anew, when nobody listened.
        onFenced(`the client of ANA group ${group} is on the blocklist`);
        return;
      }
      log.warn({ group, err }, 'no RADOS client for the ANA group; it is tried again');
      timers.after(CONNECT_AGAIN_MS, () => {
        this.#connecting.delete(group);
        if (!this.#abandoned) void this.#connect(group);
      });
    }
  }
}
