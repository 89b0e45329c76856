/** What gateways of a group share, in memory, with the faults of a real cluster: slow, paused, cut off, and a blocklist. */
import type { Timers } from '../../../src/base/clock.ts';
import type { Beacon } from '../../../src/monitor/beacon.ts';
import {
  type Coordination,
  type Leadership,
  type MapReading,
  NO_LEADER,
} from '../../../src/monitor/coordination.ts';
import { EMPTY_MAP, type Fence, type GroupMap } from '../../../src/monitor/group-map.ts';

/** A round trip, ms. */
const TRIP_MS = 2;
const BLOCKLIST_MS = 40;
/** A call that is not answered by then rejects. */
const CALL_MS = 1500;

export class FakeCeph {
  leadership: Leadership = NO_LEADER;
  map: GroupMap = EMPTY_MAP;
  /** Every map that was committed. */
  readonly maps: GroupMap[] = [];
  readonly beacons = new Map<string, Beacon>();
  readonly revoked = new Set<string>();
  readonly blocklisted = new Set<string>();
  /** `osd pause`: nothing is answered, and all is done later. */
  paused = false;
  readonly #waiting: (() => void)[] = [];
  readonly #hints: (() => void)[] = [];
  #nonce = 1000;

  newAddress(host: string): string {
    this.#nonce += 1;
    return `${host}:0/${this.#nonce}`;
  }

  pause(): void {
    this.paused = true;
  }

  unpause(): void {
    this.paused = false;
    for (const done of this.#waiting.splice(0)) done();
  }

  onHint(listener: () => void): void {
    this.#hints.push(listener);
  }

  notify(): void {
    for (const hint of this.#hints) hint();
  }

  lead(before: Leadership, after: Leadership, map?: GroupMap): boolean {
    if (JSON.stringify(before) !== JSON.stringify(this.leadership)) return false;
    if (map !== undefined && map.epoch !== this.map.epoch + 1) return false;
    this.leadership = after;
    if (map !== undefined) {
      this.map = map;
      this.maps.push(map);
    }
    return true;
  }

  /** Does `work` for the client at `address` when the OSDs come to it, and answers over `link`. */
  call<T>(link: FakeLink, address: string, work: () => T, limitMs = CALL_MS, takesMs = TRIP_MS): Promise<T> {
    return new Promise((resolve, reject) => {
      const limit = link.timers.after(limitMs, () => reject(failure('ETIMEDOUT')));
      const execute = (): void => {
        if (this.paused || link.cut) {
          if (this.paused) this.#waiting.push(execute);
          else link.waiting.push(execute);
          return;
        }
        const fenced = this.blocklisted.has(address);
        const result = fenced ? null : work();
        link.timers.after(takesMs / 2, () => {
          limit.cancel();
          if (fenced) reject(failure('EBLOCKLISTED'));
          else resolve(result as T);
        });
      };
      // A request that has left arrives whatever becomes of its sender.
      link.wire.after(takesMs / 2, execute);
    });
  }

  /** The monitors: a pause of the OSDs does not touch them. */
  command(link: FakeLink, work: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const limit = link.timers.after(10_000, () => reject(failure('ETIMEDOUT')));
      link.wire.after(BLOCKLIST_MS, () => {
        if (link.cut) return;
        work();
        link.timers.after(1, () => {
          limit.cancel();
          resolve();
        });
      });
    });
  }
}

/** One machine's way to the cluster. */
export class FakeLink {
  /** Of the process: they stop with it. */
  readonly timers: Timers;
  /** Of the world. */
  readonly wire: Timers;
  readonly waiting: (() => void)[] = [];
  cut = false;

  constructor(timers: Timers, wire: Timers) {
    this.timers = timers;
    this.wire = wire;
  }

  mend(): void {
    this.cut = false;
    for (const execute of this.waiting.splice(0)) execute();
  }
}

export class FakeCoordination implements Coordination {
  readonly #ceph: FakeCeph;
  readonly #link: FakeLink;
  readonly #host: string;
  #address: string;
  /** Calls that were made, by name. */
  readonly calls: string[] = [];
  /** The OSDs of the beacon objects are not reached, those of the map are. */
  beaconsCut = false;

  constructor(ceph: FakeCeph, link: FakeLink, host: string) {
    this.#ceph = ceph;
    this.#link = link;
    this.#host = host;
    this.#address = ceph.newAddress(host);
  }

  get address(): string {
    return this.#address;
  }

  readMap(): Promise<MapReading> {
    return this.#call(() => ({ leadership: this.#ceph.leadership, map: this.#ceph.map }));
  }

  lead(before: Leadership, after: Leadership, map?: GroupMap): Promise<boolean> {
    return this.#call(() => this.#ceph.lead(before, after, map));
  }

  writeBeacon(beacon: Beacon): Promise<void> {
    if (this.beaconsCut) return this.#unanswered();
    return this.#call(() => {
      this.#ceph.beacons.set(beacon.incarnation, beacon);
    });
  }

  readBeacons(): Promise<readonly Beacon[]> {
    if (this.beaconsCut) return this.#unanswered();
    return this.#call(() => [...this.#ceph.beacons.values()]);
  }

  forget(incarnation: string): Promise<void> {
    return this.#call(() => {
      this.#ceph.beacons.delete(incarnation);
    });
  }

  revoke({ address }: Fence): Promise<void> {
    this.calls.push(`revoke ${address}`);
    return this.#call(() => {
      this.#ceph.revoked.add(address);
    });
  }

  blocklist({ address }: Fence): Promise<void> {
    this.calls.push(`blocklist ${address}`);
    return this.#ceph.command(this.#link, () => this.#ceph.blocklisted.add(address));
  }

  notify(): void {
    this.#link.wire.after(1, () => this.#ceph.notify());
  }

  onHint(listener: () => void): void {
    this.#ceph.onHint(() => this.#link.timers.after(0, listener));
  }

  async renew(): Promise<void> {
    this.#address = this.#ceph.newAddress(this.#host);
  }

  async close(): Promise<void> {}

  #unanswered(): Promise<never> {
    return new Promise((_, reject) => {
      this.#link.timers.after(CALL_MS, () => reject(failure('ETIMEDOUT')));
    });
  }

  #call<T>(work: () => T): Promise<T> {
    return this.#ceph.call(this.#link, this.#address, work);
  }
}

export function failure(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code });
}
