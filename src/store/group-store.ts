/** Opens the shared configuration of a group of gateways in a Ceph cluster: the client, the pool, the store. */
import type { Timers } from '../base/clock.ts';
import { AnagateError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { Cluster, type IoContext, RadosUnavailableError } from '../node-rados/lib/node-rados.ts';
import { objectNameOf } from './omap-layout.ts';
import { OmapStore } from './omap-store.ts';
import { codeOf } from './rados-failures.ts';
import { type StoreClient, StoreConnection } from './store-connection.ts';

/** A pool, and the Ceph user that may use it. */
export interface PoolPlace {
  pool: string;
  /** ceph.conf. */
  configFile: string;
  /** Ceph user without "client.". */
  id: string;
}

/** Where a group keeps its configuration, and who asks. */
export interface GroupPlace extends PoolPlace {
  group: string;
  /** Name of this gateway. */
  gateway: string;
  /** What this gateway says of itself to the others. */
  introduction: string;
}

export interface GroupStoreOptions extends GroupPlace {
  /** false: the configuration has to be there; INVALID_ARGUMENT when it is not. */
  create?: boolean;
  newCommitId(): string;
  timers: Timers;
  log: Log;
}

/**
 * A request is not kept waiting for a cluster that stands still: what the operator is told after these times is that the
 * outcome is not known. Seconds.
 */
const CLIENT_OPTIONS = { client_mount_timeout: 30, rados_mon_op_timeout: 30, rados_osd_op_timeout: 5 };

/**
 * Rejects with BACKEND_UNAVAILABLE (no Ceph libraries here; says what to install), INVALID_ARGUMENT (no such pool, file or
 * user), or as {@link OmapStore.open}.
 */
export async function openGroupStore(options: GroupStoreOptions): Promise<OmapStore> {
  const { pool, group, gateway, introduction, create, newCommitId, timers, log } = options;
  const connection = await StoreConnection.open(() => connectClient(options), timers, log);
  try {
    const object = objectNameOf(group);
    return await OmapStore.open({
      connection,
      object,
      pool,
      gateway,
      introduction,
      create,
      newCommitId,
      timers,
      log,
    });
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** A client of its own for the configuration. */
export async function connectClient(place: GroupPlace): Promise<StoreClient> {
  const objects = await openGroupPool(place);
  const { cluster } = objects;
  return { objects, id: cluster.instanceId, close: () => cluster.close() };
}

/** The pool in which a group meets, with a new client that does nothing else. */
export async function openGroupPool(place: PoolPlace): Promise<IoContext> {
  const cluster = await connect(place);
  try {
    return await cluster.openPool(place.pool);
  } catch (error) {
    await cluster.close();
    throw codeOf(error) === 'ENOENT' ? noPool(place.pool) : cannotConnect(place, error);
  }
}

async function connect(place: PoolPlace): Promise<Cluster> {
  try {
    return await Cluster.connect({ confFile: place.configFile, name: place.id, options: CLIENT_OPTIONS });
  } catch (error) {
    if (error instanceof RadosUnavailableError)
      throw new AnagateError('BACKEND_UNAVAILABLE', error.message, { cause: error });
    throw cannotConnect(place, error);
  }
}

function noPool(pool: string): AnagateError {
  return new AnagateError(
    'INVALID_ARGUMENT',
    `The Ceph cluster has no pool ${pool} ([ceph] pool). Make it with "ceph osd pool create ${pool}" and "rbd pool init ${pool}"`,
  );
}

function cannotConnect({ configFile, id }: PoolPlace, error: unknown): AnagateError {
  return new AnagateError(
    'BACKEND_FAILED',
    `The Ceph cluster of ${configFile} cannot be reached as client.${id}: ${(error as Error).message}. Check [ceph] config_file ` +
      'and id, the keyring, and the monitors',
    { cause: error },
  );
}
