/** The object with leadership and map, of one client. */
import { AnagateError } from '../../base/errors.ts';
import { type IoContext, ReadOperation } from '../../node-rados/lib/node-rados.ts';
import type { Leadership, MapReading } from '../coordination.ts';
import type { GroupMap } from '../group-map.ts';
import {
  ALL_KEYS,
  creation,
  decodeHead,
  decodeWholeMap,
  HEAD_KEYS,
  type MapHead,
  replacement,
} from './map-layout.ts';

export type MapPool = Pick<IoContext, 'write' | 'readObject'>;

export class MapObject {
  readonly name: string;
  readonly #pool: MapPool;
  #format = 0;
  /** The last map that was read or written. */
  #map: GroupMap | null = null;

  constructor(name: string, pool: MapPool) {
    this.name = name;
    this.#pool = pool;
  }

  /** Makes the object; one that exists stays as it is. */
  async create(beaconObjects: readonly string[]): Promise<void> {
    await this.#pool.write(this.name, creation(beaconObjects)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }

  /** Null when there is no such object. */
  async beaconObjects(): Promise<readonly string[] | null> {
    try {
      return (await this.#head(HEAD_KEYS)).head.beaconObjects;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  }

  async read(): Promise<MapReading> {
    try {
      const { head } = await this.#head(HEAD_KEYS);
      if (head.epoch === this.#map?.epoch) return { leadership: head.leadership, map: this.#map };
      return await this.#readWhole();
    } catch (error) {
      throw isMissing(error) ? gone(this.name, error) : error;
    }
  }

  /** See Coordination.lead. */
  async replace(before: Leadership, after: Leadership, map?: GroupMap): Promise<boolean> {
    if (this.#format === 0) await this.#head(HEAD_KEYS);
    try {
      await this.#pool.write(this.name, replacement(this.#format, before, after, map));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ECANCELED') return false;
      throw isMissing(error) ? gone(this.name, error) : error;
    }
    if (map !== undefined) this.#map = map;
    return true;
  }

  async #readWhole(): Promise<MapReading> {
    const { head, entries } = await this.#head(ALL_KEYS);
    const map = decodeWholeMap(entries, this.name);
    if (this.#map === null || map.epoch > this.#map.epoch) this.#map = map;
    return { leadership: head.leadership, map: map.epoch === this.#map.epoch ? this.#map : map };
  }

  async #head(keys: readonly string[]): Promise<{ head: MapHead; entries: Map<string, Buffer> }> {
    const operation = new ReadOperation().assertExists();
    const found = operation.omapGetByKeys(keys);
    const entries = (await this.#pool.readObject(this.name, operation)).get(found);
    const head = decodeHead(entries, this.name);
    this.#format = head.format;
    return { head, entries };
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function gone(object: string, cause: unknown): AnagateError {
  return new AnagateError(
    'STATE_CORRUPT',
    `RADOS object ${object} with the map of the group is gone. Stop all gateways of the group, and start them again`,
    { cause },
  );
}
