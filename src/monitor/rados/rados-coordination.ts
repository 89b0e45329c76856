/**
 * What the gateways of a group share, in RADOS objects of the group's pool (see map-layout.ts). Each call has a time limit of its
 * own: librados counts whole seconds, and a cluster that stands still must not keep the leader's ticks waiting.
 */
import type { Timers } from '../../base/clock.ts';
import { AnagateError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { EBLOCKLISTED, type IoContext, RadosError } from '../../node-rados/lib/node-rados.ts';
import { KeptWatch } from '../../store/kept-watch.ts';
import { OwnNotifies } from '../../store/own-notifies.ts';
import type { Beacon } from '../beacon.ts';
import { isClientAddress } from '../client-address.ts';
import type { Coordination, Leadership, MapReading } from '../coordination.ts';
import type { Fence, GroupMap } from '../group-map.ts';
import { readAll } from './beacon-readings.ts';
import { ControlClient } from './control-client.ts';
import { enough, isFence, majorityOf } from './enough.ts';
import type { LeasePlace } from './lease-renewal.ts';
import { timedOut, within } from './time-limit.ts';

/** Limit of a call, unless set otherwise. */
const CALL_MS = 1500;
/** A blocklist entry is there when the monitors have agreed on it; they may have to elect a leader before. */
const BLOCKLIST_MS = 10_000;
/** Time between hints when nobody notifies. */
const LOOK_MS = 2000;
/** A watcher that hangs is not waited for longer. */
const NOTIFY_MS = 3000;
/** How long the end waits for what is in flight. */
const CLOSE_MS = 2000;

export interface RadosCoordinationOptions {
  /** A new client in the group's pool. */
  connect(): Promise<IoContext>;
  /** Name of the group of gateways; '' is one too. */
  group: string;
  timers: Timers;
  log: Log;
  /** Limit of a call, ms; default 1500. That of a blocklist command is longer. */
  callMs?: number;
}

export class RadosCoordination implements Coordination {
  readonly #options: RadosCoordinationOptions;
  readonly #callMs: number;
  readonly #listeners: (() => void)[] = [];
  #client: ControlClient;
  #watch: KeptWatch;
  #notifies: OwnNotifies;
  #fenced = false;
  #renewing: Promise<void> | null = null;
  #closed = false;

  private constructor(options: RadosCoordinationOptions, client: ControlClient) {
    this.#options = options;
    this.#callMs = options.callMs ?? CALL_MS;
    this.#client = client;
    this.#watch = this.#keepWatch();
    this.#notifies = this.#ownNotifies();
  }

  /**
   * Makes the group's objects if there are none. Rejects as `connect` does, with INVALID_ARGUMENT for a pool without omap, or
   * NOT_SUPPORTED for a map of a newer Anagate.
   */
  static async open(options: RadosCoordinationOptions): Promise<RadosCoordination> {
    const coordination = new RadosCoordination(options, await openClient(options));
    await coordination.#watching();
    return coordination;
  }

  get address(): string {
    return this.#client.address;
  }

  /** Tells this group from all others, in this cluster and elsewhere. */
  get groupId(): string {
    const { cluster, pool } = this.#client.pool;
    return `${cluster.fsid}/${pool}/${this.#options.group}`;
  }

  /** Where leases of this group are renewed, see lease-renewal.ts. The same for the life of the group. */
  get leasePlace(): LeasePlace {
    const { pool, beacons } = this.#client;
    return { pool: pool.pool, objects: beacons.map(({ name }) => name) };
  }

  readMap(): Promise<MapReading> {
    return this.#call('reading the map', ({ map }) => map.read());
  }

  lead(before: Leadership, after: Leadership, map?: GroupMap): Promise<boolean> {
    return this.#call('writing the map', (client) => client.map.replace(before, after, map));
  }

  writeBeacon(beacon: Beacon): Promise<void> {
    return this.#call('writing a beacon', ({ beacons }) =>
      enough(
        beacons.map((object) => object.put(beacon)),
        1,
      ),
    );
  }

  readBeacons(): Promise<readonly Beacon[]> {
    return this.#call('reading beacons', ({ beacons }) => readAll(beacons, this.#options.timers));
  }

  /** Rejects unless a majority of the objects has forgotten it. */
  forget(incarnation: string, beforeMs: number): Promise<void> {
    return this.#call('removing a beacon', ({ beacons }) =>
      enough(
        beacons.map((object) => object.forget(incarnation, beforeMs)),
        majorityOf(beacons.length),
      ),
    );
  }

  revoke({ address, incarnation, sinceMs }: Fence): Promise<void> {
    return this.#call('revoking a lease', ({ beacons }) =>
      enough(
        beacons.map((object) => object.revoke(address, incarnation, sinceMs)),
        majorityOf(beacons.length),
      ),
    );
  }

  /** Rejects with INVALID_ARGUMENT for an address that stands for more than one client, or for none. */
  async blocklist({ address }: Fence): Promise<void> {
    if (!isClientAddress(address)) throw notOneClient(address);
    // The monitors take commands of a fenced client, too.
    if (this.#fenced) throw new RadosError('blocklist', EBLOCKLISTED);
    await this.#call('blocklist', (client) => client.blocklist(address), BLOCKLIST_MS);
  }

  notify(_epoch: number): void {
    this.#notifies.send();
  }

  onHint(listener: () => void): void {
    this.#listeners.push(listener);
  }

  renew(): Promise<void> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  /** Waits for what is in flight, for a while. */
  async close(): Promise<void> {
    this.#closed = true;
    const ended = Promise.all([this.#watch.close(), this.#client.close()]);
    await within(ended, CLOSE_MS, this.#options.timers, 'closing').catch(() => {});
  }

  async #renew(): Promise<void> {
    const client = await openClient(this.#options);
    const [oldWatch, oldClient] = [this.#watch, this.#client];
    this.#client = client;
    this.#fenced = false;
    this.#watch = this.#keepWatch();
    this.#notifies = this.#ownNotifies();
    await this.#watching();
    // Not waited for: what a fenced client has in flight ends when it likes.
    void Promise.all([oldWatch.close(), oldClient.close()]).catch(() => {});
    if (this.#closed) await this.close();
  }

  async #call<T>(
    operation: string,
    work: (client: ControlClient) => Promise<T>,
    limitMs = this.#callMs,
  ): Promise<T> {
    const client = this.#client;
    try {
      return await within(work(client), limitMs, this.#options.timers, operation);
    } catch (error) {
      if (!isFence(error)) throw error;
      // A call that was under way when a new client took over says nothing of that one.
      if (client !== this.#client) throw timedOut(operation);
      this.#fenced = true;
      throw error;
    }
  }

  #ownNotifies(): OwnNotifies {
    const { pool, map } = this.#client;
    return new OwnNotifies(() => pool.notify(map.name, '', NOTIFY_MS));
  }

  /** Resolves once the map is watched, or that takes too long: hints are a help, and not needed. */
  async #watching(): Promise<void> {
    await within(this.#watch.started, this.#callMs, this.#options.timers, 'watching the map').catch(() => {});
  }

  #keepWatch(): KeptWatch {
    const { timers, log } = this.#options;
    const { pool, map } = this.#client;
    return new KeptWatch({
      answer: '',
      watch: (handlers) => pool.watch(map.name, handlers),
      onHint: () => {
        for (const listener of this.#listeners) listener();
      },
      onKept: () => {},
      onLost: async (err) => log.debug({ object: map.name, err }, 'the watch of the map is taken anew'),
      lookMs: LOOK_MS,
      timers,
      log,
    });
  }
}

async function openClient({ connect, group, log }: RadosCoordinationOptions): Promise<ControlClient> {
  const pool = await connect();
  try {
    return await ControlClient.open(pool, group, log);
  } catch (error) {
    await pool.cluster.close();
    throw error;
  }
}

function notOneClient(address: string): AnagateError {
  return new AnagateError(
    'INVALID_ARGUMENT',
    `"${address}" is not the address of one RADOS client (IP:PORT/NONCE, with a nonce other than 0): it cannot be fenced`,
  );
}
