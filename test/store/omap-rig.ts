/** Stores in RADOS for tests, with faults to order between a store and its cluster. */
import { randomUUID } from 'node:crypto';
import { systemTimers } from '../../src/base/clock.ts';
import type { Log, LogFields } from '../../src/base/log.ts';
import { Cluster, type IoContext, RadosError } from '../../src/node-rados/lib/node-rados.ts';
import { OmapStore } from '../../src/store/omap-store.ts';
import { StoreConnection, type StoreObjects } from '../../src/store/store-connection.ts';
import { cephConf, freshName } from '../node-rados/harness/with-cluster.ts';

export const POOL = 'rbd';

let cluster: Cluster | null = null;
/** The test's own hands in the pool. */
export let admin: IoContext;

export async function startAdmin(): Promise<void> {
  cluster = await Cluster.connect({ confFile: cephConf });
  admin = await cluster.openPool(POOL);
}

export async function stopAdmin(): Promise<void> {
  await cluster?.close();
}

export interface Place {
  object: string;
  remove(): Promise<void>;
}

/** An object that is not there yet. */
export function freshPlace(): Place {
  const object = `${freshName('anagate')}.config`;
  return { object, remove: () => admin.remove(object).catch(() => {}) };
}

/** What a test may do to the operations of one store. Each applies until it is taken back. */
export interface Faults {
  /** Called before each write; what it throws is its answer, and it is not sent. */
  beforeWrite?: (() => Promise<void> | void) | undefined;
  /** Called after each write was done; what it throws is its answer. */
  afterWrite?: (() => Promise<void> | void) | undefined;
  beforeRead?: (() => Promise<void> | void) | undefined;
  /** Notifies are not sent. */
  mute?: boolean;
}

export interface OpenStore {
  store: OmapStore;
  faults: Faults;
  /** The present client. */
  cluster(): Cluster;
  /** Clients that were connected. */
  connects(): number;
  complaints: string[];
}

export interface OpenOptions {
  gateway?: string;
  lookMs?: number;
  /** A client of its own, not the one of all. */
  ownClient?: boolean;
  /** Of its own client, seconds. */
  opTimeoutS?: number;
}

export async function openStore(
  { object }: Place,
  { gateway = 'gw', lookMs = 60_000, ownClient = false, opTimeoutS = 5 }: OpenOptions = {},
): Promise<OpenStore> {
  const faults: Faults = {};
  const complaints: string[] = [];
  const log = collect(complaints);
  let present = cluster!;
  let connects = 0;
  const connect = async () => {
    connects += 1;
    if (ownClient)
      present = await Cluster.connect({ confFile: cephConf, options: { rados_osd_op_timeout: opTimeoutS } });
    const client = present;
    const context = await client.openPool(POOL);
    return {
      objects: faulty(context, faults),
      id: client.instanceId,
      close: () => (ownClient ? client.close() : context.close()),
    };
  };
  const connection = await StoreConnection.open(connect, systemTimers, log);
  const store = await OmapStore.open({
    connection,
    object,
    pool: POOL,
    gateway,
    newCommitId: randomUUID,
    timers: systemTimers,
    log,
    lookMs,
  });
  return { store, faults, cluster: () => present, connects: () => connects, complaints };
}

function faulty(context: IoContext, faults: Faults): StoreObjects {
  return {
    async write(object, operation) {
      await faults.beforeWrite?.();
      const version = await context.write(object, operation);
      await faults.afterWrite?.();
      return version;
    },
    async readObject(object, operation) {
      await faults.beforeRead?.();
      return context.readObject(object, operation);
    },
    omapGetAll: (object, prefix, attempts) => context.omapGetAll(object, prefix, attempts),
    watch: (object, handlers, timeoutS) => context.watch(object, handlers, timeoutS),
    async notify(object, data, timeoutMs) {
      if (faults.mute) return { answers: [], missing: [] };
      return context.notify(object, data, timeoutMs);
    },
  };
}

/** What librados says when nobody answered in time. */
export function timedOut(): RadosError {
  return new RadosError('rados_aio_operate', 110);
}

function collect(complaints: string[]): Log {
  const complain = (_fields: LogFields, message: string): void => {
    complaints.push(message);
  };
  const log: Log = { debug: () => {}, info: () => {}, warn: complain, error: complain, child: () => log };
  return log;
}
