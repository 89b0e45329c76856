/**
 * What the leader does about fences that the map has: revokes the lease and blocklists the client, all of them at once, and
 * tells when both are done and the lease is over (ha-design S3, S4). Complete fences are renewed, so that none runs out (S6).
 */
import type { Clock, Timer, Timers } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Coordination } from './coordination.ts';
import { type Fence, type GroupMap, pendingFences } from './group-map.ts';

/** Clocks of two machines drift apart by less than this in the time of a lease. */
const DRIFT = 1.05;
/** What the cluster did not do is asked for again after so long. */
const AGAIN_MS = 250;
/** What it refuses, so long. */
const REFUSED_AGAIN_MS = 30_000;
const REFUSED =
  'the cluster refuses its address, so its ANA groups are served by nobody; see "group show", and the log of that gateway for its address';
/** How long a lease is, is asked again after so long. */
const ASK_AGAIN_MS = 500;
/** Complete fences are renewed so long after the beginning, when failovers are over, and then this often. */
const FIRST_RENEWAL_MS = 600_000;
const RENEWAL_MS = 86_400_000;

export interface FenceWorkOptions {
  readonly coordination: Coordination;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  /** How long leases of this incarnation last, ms. */
  leaseOf(incarnation: string): number;
  /** The client can neither change images nor answer hosts any more. */
  onFenced(fence: Fence): void;
  /** A call of ours failed; EBLOCKLISTED is for others to judge. */
  onFailure(error: NodeJS.ErrnoException): void;
}

export class FenceWork {
  readonly #options: FenceWorkOptions;
  readonly #underWay = new Set<string>();
  #committed: readonly Fence[] = [];
  #renewal: Timer;
  #stopped = false;

  constructor(options: FenceWorkOptions) {
    this.#options = options;
    this.#renewal = options.timers.after(FIRST_RENEWAL_MS, () => this.#renew());
  }

  /** Begins what `map`, which is committed, asks for and is not under way yet. */
  work(map: GroupMap): void {
    this.#committed = map.fences.filter(({ state }) => state === 'committed');
    for (const fence of pendingFences(map)) {
      const key = `${fence.incarnation} ${fence.address}`;
      if (this.#underWay.has(key)) continue;
      this.#underWay.add(key);
      void this.#fence(fence);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#renewal.cancel();
  }

  async #fence(fence: Fence): Promise<void> {
    const { coordination, onFenced } = this.#options;
    await Promise.all([
      this.#insist(fence, 'revoked', () => coordination.revoke(fence)).then(() => this.#leaseOver(fence)),
      this.#insist(fence, 'put on the blocklist', () => coordination.blocklist(fence)),
    ]);
    if (!this.#stopped) onFenced(fence);
  }

  /** Counted from the acknowledgement of the revocation. How long a lease is may become known only now. */
  async #leaseOver({ incarnation }: Fence): Promise<void> {
    const { clock, leaseOf } = this.#options;
    const sinceMs = clock.nowMs();
    for (;;) {
      const restMs = sinceMs + leaseOf(incarnation) * DRIFT - clock.nowMs();
      if (restMs <= 0 || this.#stopped) return;
      await this.#pause(Math.min(restMs, ASK_AGAIN_MS));
    }
  }

  async #insist(fence: Fence, done: string, what: () => Promise<void>): Promise<void> {
    const { gateway, incarnation, address, reason } = fence;
    const { log, onFailure } = this.#options;
    for (let told = false; !this.#stopped; ) {
      try {
        await what();
        log.info({ gateway, incarnation, address, reason }, `a fenced client was ${done}`);
        return;
      } catch (err) {
        const { code } = err as NodeJS.ErrnoException;
        const isRefused = code === 'INVALID_ARGUMENT' || code === 'EINVAL';
        const fields = { gateway, incarnation, address, err };
        if (isRefused) log.error(fields, `a client cannot be ${done}: ${REFUSED}`);
        else if (!told) log.warn(fields, `a client cannot be ${done} yet`);
        told = true;
        if (!this.#stopped) onFailure(err as NodeJS.ErrnoException);
        await this.#pause(isRefused ? REFUSED_AGAIN_MS : AGAIN_MS);
      }
    }
  }

  #renew(): void {
    const { coordination, timers, log } = this.#options;
    for (const fence of this.#committed) {
      coordination.blocklist(fence).catch((err: unknown) => {
        log.warn({ address: fence.address, err }, 'a fence could not be renewed; it is tried again tomorrow');
      });
    }
    this.#renewal = timers.after(RENEWAL_MS, () => this.#renew());
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.timers.after(ms, resolve);
    });
  }
}
