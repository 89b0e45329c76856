/**
 * The RADOS client of the shared configuration. A client that was fenced never comes back; a new one takes its place, at
 * growing distances, because somebody has a reason for fencing.
 */
import type { Timer, Timers } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { IoContext } from '../node-rados/lib/node-rados.ts';
import { codeOf } from './rados-failures.ts';

const RECONNECT_MS = [0, 5000, 15_000, 60_000];
/** A client that lived so long was not fenced for good. */
const CALM_MS = 600_000;

/** What of a pool the store uses. */
export type StoreObjects = Pick<IoContext, 'write' | 'readObject' | 'omapGetAll' | 'watch' | 'notify'>;

/** One client, connected. */
export interface StoreClient {
  readonly objects: StoreObjects;
  /** Number of the client, unique in the cluster for ever. */
  readonly id: bigint;
  /** Waits for what is in flight. */
  close(): Promise<void>;
}

export class StoreConnection {
  readonly #connect: () => Promise<StoreClient>;
  readonly #timers: Timers;
  readonly #log: Log;
  #client: StoreClient;
  #epoch = 1;
  #renewing: Promise<void> | null = null;
  #fences = 0;
  #calm: Timer | null = null;
  #closed = false;
  #wake: () => void = () => {};

  private constructor(connect: () => Promise<StoreClient>, client: StoreClient, timers: Timers, log: Log) {
    this.#connect = connect;
    this.#client = client;
    this.#timers = timers;
    this.#log = log;
  }

  /** Rejects as `connect` does. */
  static async open(connect: () => Promise<StoreClient>, timers: Timers, log: Log): Promise<StoreConnection> {
    return new StoreConnection(connect, await connect(), timers, log);
  }

  /** Of the present client: ask anew each time. */
  get objects(): StoreObjects {
    return this.#client.objects;
  }

  /** Number of the present client. */
  get clientId(): bigint {
    return this.#client.id;
  }

  /** Which client it is: the first, the second. To be kept for {@link renewAfter}. */
  get epoch(): number {
    return this.#epoch;
  }

  /**
   * If `error`, met with the client of `epoch`, says that it is fenced, waits for a new one. Resolves with whether there is
   * one; never rejects.
   */
  async renewAfter(error: unknown, epoch: number): Promise<boolean> {
    if (codeOf(error) !== 'EBLOCKLISTED' || this.#closed) return false;
    if (epoch !== this.#epoch) return true;
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    await this.#renewing;
    return !this.#closed;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#calm?.cancel();
    this.#wake();
    await this.#renewing;
    await this.#client.close();
  }

  async #renew(): Promise<void> {
    const fenced = this.#client;
    this.#log.error(
      { fences: this.#fences + 1 },
      'the RADOS client of the configuration was fenced; connecting anew',
    );
    while (!this.#closed) {
      await this.#pause(RECONNECT_MS[Math.min(this.#fences, RECONNECT_MS.length - 1)]!);
      this.#fences += 1;
      if (this.#closed) return;
      try {
        this.#client = await this.#connect();
        this.#epoch += 1;
        this.#calm?.cancel();
        this.#calm = this.#timers.after(CALM_MS, () => {
          this.#fences = 0;
        });
        // Not waited for: what is in flight there ends when it likes.
        void fenced.close().catch(() => {});
        return;
      } catch (err) {
        this.#log.error({ err }, 'no new RADOS client for the configuration');
      }
    }
  }

  #pause(ms: number): Promise<void> {
    if (ms === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#timers.after(ms, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
