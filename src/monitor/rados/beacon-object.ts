/**
 * One of the objects with beacons and revocations. However long it does not answer, one beacon and one reading are under way
 * and no more: what piles up would be in the way of the other objects.
 */
import type { Log } from '../../base/log.ts';
import { type IoContext, WriteOperation } from '../../node-rados/lib/node-rados.ts';
import type { Beacon } from '../beacon.ts';
import { decodeBeacon, encodeBeacon } from '../map-codec.ts';
import { REVOKED_PREFIX, revokedKey } from './lease-renewal.ts';
import { BEACON_PREFIX, beaconKey } from './map-layout.ts';

/** That of a gateway with all hosts that it may have is half of this. */
const MAX_BEACON_BYTES = 1024 * 1024;

export type BeaconPool = Pick<IoContext, 'write' | 'omapGetAll'>;

/** What a key was last seen to hold; null: nothing that makes sense. */
interface Seen {
  readonly value: Buffer;
  readonly beacon: Beacon | null;
}

/** A beacon that waits for the one before it. */
interface Waiting {
  readonly beacon: Beacon;
  readonly written: Promise<void>;
  readonly write: () => void;
}

export class BeaconObject {
  readonly name: string;
  readonly #pool: BeaconPool;
  readonly #log: Log;
  #writing: Promise<unknown> | null = null;
  #waiting: Waiting | null = null;
  #reading: Promise<ReadonlyMap<string, Beacon>> | null = null;
  #seen: ReadonlyMap<string, Seen> = new Map();
  readonly #revoking = new Map<string, Promise<void>>();

  constructor(name: string, pool: BeaconPool, log: Log) {
    this.name = name;
    this.#pool = pool;
    this.#log = log;
  }

  /** Resolves once this beacon, or one that came after it, is written. */
  put(beacon: Beacon): Promise<void> {
    if (this.#writing === null) return this.#write(beacon);
    const before = this.#waiting;
    if (before !== null) {
      this.#waiting = { ...before, beacon };
      return before.written;
    }
    let write = () => {};
    const written = new Promise<void>((resolve) => {
      write = () => resolve(this.#write(this.#waiting!.beacon));
    });
    this.#waiting = { beacon, written, write };
    return written;
  }

  /** Resolves when no beacon is under way. */
  async idle(): Promise<void> {
    while (this.#writing !== null) await this.#writing.catch(() => {});
  }

  /** A reading is under way. */
  get isReading(): boolean {
    return this.#reading !== null;
  }

  /** All beacons that make sense, by incarnation; what the reading under way finds if there is one. */
  read(): Promise<ReadonlyMap<string, Beacon>> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  /** `sinceMs`: wall clock of the fence's intent, by which it is known when it may be forgotten. */
  revoke(address: string, incarnation: string, sinceMs: number): Promise<void> {
    const underWay = this.#revoking.get(address);
    if (underWay !== undefined) return underWay;
    const revoking = this.#change(
      new WriteOperation().assertExists().omapSet([[revokedKey(address), `${incarnation} ${sinceMs}`]]),
    ).finally(() => this.#revoking.delete(address));
    this.#revoking.set(address, revoking);
    return revoking;
  }

  /** Removes the beacon of an incarnation, and every revocation of before `beforeMs`, wall clock. */
  async forget(incarnation: string, beforeMs: number): Promise<void> {
    const { entries } = await this.#pool.omapGetAll(this.name, REVOKED_PREFIX);
    const old = [...entries].filter(([, value]) => {
      const [whose, sinceMs] = value.toString().split(' ');
      // Those that say nothing of their time were written by an older Anagate, which removed them with the incarnation.
      return sinceMs === undefined ? whose === incarnation : Number(sinceMs) < beforeMs;
    });
    const keys = [beaconKey(incarnation), ...old.map(([key]) => key)];
    await this.#change(new WriteOperation().assertExists().omapRemove(keys));
  }

  #write(beacon: Beacon): Promise<void> {
    // An object that was removed is not made again by the way: the revocations that were in it are gone.
    const operation = new WriteOperation()
      .assertExists()
      .omapSet([[beaconKey(beacon.incarnation), encodeBeacon(beacon)]]);
    const writing = this.#change(operation).finally(() => {
      this.#writing = null;
      const next = this.#waiting;
      next?.write();
      this.#waiting = null;
    });
    this.#writing = writing;
    return writing;
  }

  async #change(operation: WriteOperation): Promise<void> {
    await this.#pool.write(this.name, operation);
  }

  async #read(): Promise<ReadonlyMap<string, Beacon>> {
    const { entries } = await this.#pool.omapGetAll(this.name, BEACON_PREFIX);
    const seen = new Map<string, Seen>();
    const beacons = new Map<string, Beacon>();
    for (const [key, value] of entries) {
      const before = this.#seen.get(key);
      const now = before?.value.equals(value) ? before : { value, beacon: this.#decode(key, value) };
      seen.set(key, now);
      if (now.beacon !== null) beacons.set(now.beacon.incarnation, now.beacon);
    }
    this.#seen = seen;
    return beacons;
  }

  #decode(key: string, value: Buffer): Beacon | null {
    const beacon = value.length > MAX_BEACON_BYTES ? null : decodeBeacon(value.toString());
    if (beacon !== null && beaconKey(beacon.incarnation) === key) return beacon;
    this.#log.warn({ object: this.name, key }, 'a beacon makes no sense here and is ignored');
    return null;
  }
}
