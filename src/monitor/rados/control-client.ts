/** The RADOS client with which a gateway takes part in its group, and the objects of the group as that client sees them. */
import { constants } from 'node:os';
import { AnagateError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { type IoContext, WriteOperation } from '../../node-rados/lib/node-rados.ts';
import { errorOfRead, errorOfWrite } from '../../store/rados-failures.ts';
import { BeaconObject } from './beacon-object.ts';
import { beaconObjectOf, mapObjectOf } from './map-layout.ts';
import { MapObject } from './map-object.ts';
import { chooseObjects } from './object-choice.ts';

/** A majority of them is there while one cannot be reached. */
const BEACON_OBJECTS = 3;

export class ControlClient {
  readonly pool: IoContext;
  readonly map: MapObject;
  readonly beacons: readonly BeaconObject[];
  /** As the blocklist takes it. */
  readonly address: string;
  readonly #blocklisting = new Map<string, Promise<void>>();

  private constructor(pool: IoContext, map: MapObject, beacons: readonly BeaconObject[]) {
    this.pool = pool;
    this.map = map;
    this.beacons = beacons;
    this.address = pool.cluster.addresses;
  }

  /** Makes the objects of the group if there are none. */
  static async open(pool: IoContext, group: string, log: Log): Promise<ControlClient> {
    const map = new MapObject(mapObjectOf(group), pool);
    const known = await map.beaconObjects().catch((error: unknown) => {
      throw errorOfRead(error, map.name);
    });
    const names = known ?? (await createObjects(pool, group, map));
    const beacons = names.map((name) => new BeaconObject(name, pool, log));
    return new ControlClient(pool, map, beacons);
  }

  /** As Cluster.blocklistAdd; one command at a time for an address, whoever asks. */
  blocklist(address: string): Promise<void> {
    let command = this.#blocklisting.get(address);
    if (command === undefined) {
      command = this.pool.cluster.blocklistAdd(address).finally(() => this.#blocklisting.delete(address));
      this.#blocklisting.set(address, command);
    }
    return command;
  }

  /** Waits for what is in flight. */
  async close(): Promise<void> {
    await Promise.all(this.beacons.map((object) => object.idle()));
    await this.pool.cluster.close();
  }
}

/** The map comes last: once it is there everything is. */
async function createObjects(pool: IoContext, group: string, map: MapObject): Promise<readonly string[]> {
  const names = await chooseObjects(
    pool.cluster,
    pool.pool,
    BEACON_OBJECTS,
    (n) => beaconObjectOf(group, n),
    map.name,
  );
  try {
    await Promise.all(names.map((name) => pool.write(name, new WriteOperation().create(false))));
    await map.create(names);
  } catch (error) {
    throw (error as NodeJS.ErrnoException).errno === constants.errno.EOPNOTSUPP
      ? erasureCoded(pool.pool, error)
      : errorOfWrite(error as Error, map.name);
  }
  // Another gateway may have been faster, with other names.
  return (await map.beaconObjects()) ?? names;
}

function erasureCoded(pool: string, cause: unknown): AnagateError {
  return new AnagateError(
    'INVALID_ARGUMENT',
    `Pool ${pool} is erasure-coded and has no omap: the gateways of a group cannot meet there ([ceph] pool). Name a replicated ` +
      'pool; images may have their data in an erasure-coded one all the same',
    { cause },
  );
}
