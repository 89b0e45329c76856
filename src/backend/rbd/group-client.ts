/**
 * The RADOS client of one ANA group: the unit that is fenced. The images of a group share it. When it is fenced, the group
 * stops at once. A new client with a new address, in which the images are opened, is made when whoever decides about
 * ownership says so; if nobody does, at once.
 */
import type { Clock, Timer, Timers } from '../../base/clock.ts';
import { AnagateError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { Cluster } from '../../node-rados/lib/node-rados.ts';
import { FencedClients } from './fenced-clients.ts';
import { CLIENT_OPTIONS } from './image-settings.ts';
import { RadosSession } from './rados-session.ts';
import type { RbdDevice } from './rbd-device.ts';

/** A group without I/O notices a fence by asking. */
const PROBE_MS = 1000;
/** After one fence a new client is made at once; after another one that soon, later and later. */
const CALM_MS = 60_000;
const FIRST_BACKOFF_MS = 1000;
const MOST_BACKOFF_MS = 30_000;
/** Images that are opened, locked or released at a time. */
const PARALLEL_IMAGES = 32;

export interface CephOptions {
  /** undefined: $CEPH_CONF or /etc/ceph/ceph.conf. */
  confFile?: string | undefined;
  /** `admin` or `client.admin`. */
  id?: string | undefined;
}

/** What gateways that fence one another know and ask. */
export interface FenceAuthority {
  /** The fence of that client is committed; 'soon': it is under way. Addresses are like `192.0.2.1:0/4711`. */
  isFenced(address: string): boolean | 'soon';
  /** Asks, with the client of a group, whether the lease of the group goes on. Resolves with false when it was revoked. */
  renewLease(cluster: Cluster): Promise<boolean>;
}

export interface GroupClientOptions {
  id: number;
  ceph: CephOptions;
  /** null: nobody decides about ownership, and a fenced client is replaced at once. */
  authority: FenceAuthority | null;
  clock: Clock;
  timers: Timers;
  log: Log;
  /** Told before the first operation of the group fails because of a fence (false), and when a new client is there (true). */
  onUsable(groupId: number, usable: boolean): void;
  /** Told when a client is connected, the first one too. */
  onConnected(groupId: number): void;
}

export class GroupClient {
  readonly id: number;
  readonly #options: GroupClientOptions;
  readonly #devices = new Set<RbdDevice>();
  #session: RadosSession | null = null;
  #connecting: Promise<RadosSession> | null = null;
  #serving = false;
  #recovering: Promise<void> | null = null;
  /** Fenced, and not replaced yet. */
  #awaitsReplacement = false;
  #closed = false;
  #lastFenceMs = Number.NEGATIVE_INFINITY;
  #backoffMs = 0;
  #probe: Timer | null = null;

  constructor(options: GroupClientOptions) {
    this.id = options.id;
    this.#options = options;
  }

  /** The client that can be used now. */
  get session(): RadosSession | null {
    return this.#session;
  }

  /** Whether this gateway is to serve the group: holds the locks of its images. */
  get serving(): boolean {
    return this.#serving;
  }

  /** Other gateways may serve the group. */
  get isShared(): boolean {
    return this.#options.authority !== null;
  }

  /** Connects if need be; not in the place of a client that was fenced: EBLOCKLISTED. Rejects with BACKEND_FAILED or BACKEND_UNAVAILABLE. */
  async connected(): Promise<RadosSession> {
    if (this.#awaitsReplacement) throw blocklisted(this.id);
    return this.#ensureSession();
  }

  /** As {@link connected}; null while a client that was fenced is not replaced. */
  async reached(): Promise<RadosSession | null> {
    return this.#awaitsReplacement ? null : this.connected();
  }

  #ensureSession(): Promise<RadosSession> {
    if (this.#session !== null) return Promise.resolve(this.#session);
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = null;
    });
    return this.#connecting;
  }

  add(device: RbdDevice): void {
    this.#devices.add(device);
  }

  remove(device: RbdDevice): void {
    this.#devices.delete(device);
  }

  /** Begins or ends to serve the group. Resolves once that is so for all its images: false if for some it is not yet. */
  async serve(serving: boolean): Promise<boolean> {
    if (serving !== this.#serving) {
      this.#serving = serving;
      for (const device of this.#devices) device.groupChanged();
    }
    return this.#settleAll();
  }

  /** The client of `session` is on the blocklist. */
  fenced(session: RadosSession): void {
    session.fenced = true;
    if (session !== this.#session) return;
    const { log, clock, authority, onUsable } = this.#options;
    const again = clock.nowMs() - this.#lastFenceMs < CALM_MS;
    this.#lastFenceMs = clock.nowMs();
    this.#backoffMs = again ? Math.min(Math.max(this.#backoffMs * 2, FIRST_BACKOFF_MS), MOST_BACKOFF_MS) : 0;
    log.error(
      { group: this.id, address: session.address, nextClientMs: this.#backoffMs },
      again
        ? 'ANA group fenced again: somebody keeps putting its RADOS client on the blocklist; a new client waits longer'
        : 'ANA group fenced: its RADOS client is on the blocklist; its I/O goes to other paths, or waits',
    );
    this.#awaitsReplacement = true;
    onUsable(this.id, false);
    this.#leave(session);
    if (authority === null) void this.#recover();
  }

  /** Ends the client, which is fenced or about to be. Resolves when a new one is connected; images follow. */
  async replace(): Promise<void> {
    await this.#connecting?.catch(() => undefined);
    if (this.#session !== null) {
      this.#session.fenced = true;
      this.#leave(this.#session);
    }
    return this.#recover();
  }

  /** Asks whether the group's lease goes on, see {@link FenceAuthority.renewLease}. Rejects with EBLOCKLISTED after a fence. */
  async renewLease(): Promise<boolean> {
    const session = this.#session;
    if (session === null) throw blocklisted(this.id);
    try {
      return (await this.#options.authority?.renewLease(session.cluster)) ?? true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EBLOCKLISTED') this.fenced(session);
      throw error;
    }
  }

  /** What is done from now on is done after every fence that was committed at the call. */
  async waitForFences(): Promise<void> {
    if (this.#session === null) throw blocklisted(this.id);
    await this.#session.cluster.waitForLatestOsdMap();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#probe?.cancel();
    const session = this.#session;
    this.#session = null;
    await session?.close();
  }

  async #connect(): Promise<RadosSession> {
    const { ceph } = this.#options;
    let cluster: Cluster;
    try {
      cluster = await Cluster.connect({
        ...(ceph.confFile !== undefined && { confFile: ceph.confFile }),
        ...(ceph.id !== undefined && { name: ceph.id }),
        options: CLIENT_OPTIONS,
      });
    } catch (error) {
      throw connectError(error, ceph);
    }
    const { authority, clock } = this.#options;
    const session = new RadosSession(
      cluster,
      new FencedClients({
        isKnown: (address) => authority?.isFenced(address) ?? false,
        readBlocklist: () => cluster.blocklist(),
        waitForFences: () => cluster.waitForLatestOsdMap(),
        clock,
      }),
    );
    if (this.#closed) {
      await session.close();
      throw new AnagateError('SHUTTING_DOWN', 'the gateway is stopping');
    }
    // What a predecessor of this client still had under way is refused by every OSD that this client will talk to.
    await cluster.waitForLatestOsdMap();
    this.#session = session;
    this.#scheduleProbe(session);
    this.#options.log.info(
      { group: this.id, address: session.address },
      'RADOS client of ANA group connected',
    );
    this.#options.onConnected(this.id);
    return session;
  }

  #leave(session: RadosSession): void {
    this.#session = null;
    this.#probe?.cancel();
    for (const device of this.#devices) device.sessionLost(session);
    session
      .close()
      .catch((err: unknown) =>
        this.#options.log.warn({ group: this.id, err }, 'the fenced client did not close'),
      );
  }

  #recover(): Promise<void> {
    this.#recovering ??= this.#connectUntilDone().finally(() => {
      this.#recovering = null;
    });
    return this.#recovering;
  }

  async #connectUntilDone(): Promise<void> {
    const { log, clock, onUsable } = this.#options;
    const isCalm = clock.nowMs() - this.#lastFenceMs > CALM_MS;
    let waitMs = isCalm ? 0 : this.#backoffMs;
    for (; !this.#closed && this.#session === null; waitMs = FIRST_BACKOFF_MS) {
      await this.#sleep(waitMs);
      if (this.#closed) break;
      await this.#ensureSession().catch((err: unknown) =>
        log.warn({ group: this.id, err }, 'no new RADOS client yet'),
      );
    }
    if (this.#closed) return;
    this.#awaitsReplacement = false;
    onUsable(this.id, true);
    void this.#settleAll();
  }

  async #settleAll(): Promise<boolean> {
    const waiting = [...this.#devices];
    // Those first that hosts wait for.
    const next = (): RbdDevice | undefined => {
      const awaited = waiting.findIndex(({ isAwaited }) => isAwaited);
      return waiting.splice(Math.max(awaited, 0), 1)[0];
    };
    let settled = true;
    const worker = async (): Promise<void> => {
      for (let device = next(); device !== undefined; device = next()) {
        if (!(await device.settle())) settled = false;
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_IMAGES }, worker));
    return settled;
  }

  #scheduleProbe(session: RadosSession): void {
    this.#probe = this.#options.timers.after(PROBE_MS, () => {
      session.probe().then(
        () => {
          if (session === this.#session) this.#scheduleProbe(session);
        },
        () => this.fenced(session),
      );
    });
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#options.timers.after(ms, resolve));
  }
}

function blocklisted(groupId: number): Error {
  return Object.assign(new Error(`ANA group ${groupId} has no RADOS client: it was fenced`), {
    code: 'EBLOCKLISTED',
  });
}

function connectError(error: unknown, { confFile, id = 'admin' }: CephOptions): AnagateError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ERR_RADOS_UNAVAILABLE')
    return new AnagateError('BACKEND_UNAVAILABLE', message, { cause: error });
  return new AnagateError(
    'BACKEND_FAILED',
    `the Ceph cluster of ${confFile ?? '$CEPH_CONF or /etc/ceph/ceph.conf'} cannot be reached as client.${id}: ${message}; ` +
      'check the file (--ceph-conf), that user and its keyring (--ceph-id), and the network',
    { cause: error },
  );
}
