/**
 * The RADOS client of one ANA group: the unit that is fenced. The images of a group share it. When it is fenced, the group
 * stops at once, a new client with a new address is made, and the images are opened in that.
 */
import type { Clock, Timer, Timers } from '../../base/clock.ts';
import { AnagateError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { Cluster } from '../../node-rados/lib/node-rados.ts';
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
const PARALLEL_IMAGES = 16;

export interface CephOptions {
  /** undefined: $CEPH_CONF or /etc/ceph/ceph.conf. */
  confFile?: string | undefined;
  /** `admin` or `client.admin`. */
  id?: string | undefined;
}

export interface GroupClientOptions {
  id: number;
  ceph: CephOptions;
  clock: Clock;
  timers: Timers;
  log: Log;
  /** Told before the first operation of the group fails because of a fence (false), and when a new client is there (true). */
  onUsable(groupId: number, usable: boolean): void;
}

export class GroupClient {
  readonly id: number;
  readonly #options: GroupClientOptions;
  readonly #devices = new Set<RbdDevice>();
  #session: RadosSession | null = null;
  #connecting: Promise<RadosSession> | null = null;
  #serving = false;
  #recovering = false;
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

  /** Connects if need be. Rejects with BACKEND_FAILED or BACKEND_UNAVAILABLE. */
  connected(): Promise<RadosSession> {
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
    this.#session = null;
    this.#probe?.cancel();
    const { log, clock, onUsable } = this.#options;
    const again = clock.nowMs() - this.#lastFenceMs < CALM_MS;
    this.#lastFenceMs = clock.nowMs();
    this.#backoffMs = again ? Math.min(Math.max(this.#backoffMs * 2, FIRST_BACKOFF_MS), MOST_BACKOFF_MS) : 0;
    log.error(
      { group: this.id, address: session.address, nextClientMs: this.#backoffMs },
      again
        ? 'ANA group fenced again: somebody keeps putting its RADOS client on the blocklist; a new client waits longer'
        : 'ANA group fenced: its RADOS client is on the blocklist; its I/O goes to other paths, or waits',
    );
    onUsable(this.id, false);
    for (const device of this.#devices) device.sessionLost();
    session
      .close()
      .catch((err: unknown) => log.warn({ group: this.id, err }, 'the fenced client did not close'));
    void this.#recover();
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
    const session = new RadosSession(cluster);
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
    return session;
  }

  async #recover(): Promise<void> {
    if (this.#recovering) return;
    this.#recovering = true;
    const { log, onUsable } = this.#options;
    for (let waitMs = this.#backoffMs; !this.#closed && this.#session === null; waitMs = FIRST_BACKOFF_MS) {
      await this.#sleep(waitMs);
      if (this.#closed) break;
      await this.connected().catch((err: unknown) =>
        log.warn({ group: this.id, err }, 'no new RADOS client yet'),
      );
    }
    this.#recovering = false;
    if (this.#closed) return;
    onUsable(this.id, true);
    await this.#settleAll();
  }

  async #settleAll(): Promise<boolean> {
    const waiting = [...this.#devices];
    let settled = true;
    const worker = async (): Promise<void> => {
      for (let device = waiting.shift(); device !== undefined; device = waiting.shift()) {
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

function connectError(error: unknown, { confFile, id = 'admin' }: CephOptions): AnagateError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ERR_RADOS_UNAVAILABLE')
    return new AnagateError('BACKEND_UNAVAILABLE', message, { cause: error });
  return new AnagateError(
    'BACKEND_FAILED',
    `the Ceph cluster of ${confFile ?? '$CEPH_CONF or /etc/ceph/ceph.conf'} cannot be reached as ${id}: ${message}`,
    { cause: error },
  );
}
