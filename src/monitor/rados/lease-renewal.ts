/**
 * Leases of ANA groups. The client that has a group's images open asks the lease objects whether its address is revoked: a
 * fenced client gets no answer but EBLOCKLISTED, and one that is cut off none at all. A revocation is on a majority of the objects,
 * so no other majority can say that there is none.
 */
import type { Timers } from '../../base/clock.ts';
import { type Cluster, type IoContext, ReadOperation } from '../../node-rados/lib/node-rados.ts';
import { isFence, majorityOf } from './enough.ts';
import { timedOut, within } from './time-limit.ts';

/** Where the leases of a group of gateways are revoked. */
export interface LeasePlace {
  readonly pool: string;
  readonly objects: readonly string[];
}

export const REVOKED_PREFIX = 'revoked.';
const OPERATION = 'lease renewal';

/** Omap key of a revocation; its value is the incarnation. */
export function revokedKey(address: string): string {
  return REVOKED_PREFIX + address;
}

type LeaseObjects = Pick<IoContext, 'readObject'>;

/**
 * Resolves with true when a majority of the lease objects says that this client is not revoked, with false when one says that
 * it is: a revocation is decided before it is written, and never taken back. All were asked after the call. Rejects with
 * EBLOCKLISTED, or ETIMEDOUT after `timeoutMs`.
 */
export type RenewLease = (cluster: Cluster, timeoutMs: number) => Promise<boolean>;

export function leaseRenewal({ pool, objects }: LeasePlace, timers: Timers): RenewLease {
  const leases = new WeakMap<Cluster, Promise<ClientLease>>();
  return async (cluster, timeoutMs) => {
    let lease = leases.get(cluster);
    if (lease === undefined) {
      lease = cluster
        .openPool(pool)
        .then((context) => new ClientLease(context, objects, cluster.addresses, timers));
      leases.set(cluster, lease);
      lease.catch(() => leases.delete(cluster));
    }
    return (await within(lease, timeoutMs, timers, OPERATION)).renew(timeoutMs);
  };
}

/** The lease of one client. */
export class ClientLease {
  readonly #questions: readonly Question[];
  readonly #timers: Timers;

  constructor(context: LeaseObjects, objects: readonly string[], address: string, timers: Timers) {
    const operation = new ReadOperation();
    const found = operation.omapGetByKeys([revokedKey(address)]);
    const isRevoked = async (object: string) =>
      (await context.readObject(object, operation)).get(found).size > 0;
    this.#questions = objects.map((object) => new Question(() => isRevoked(object)));
    this.#timers = timers;
  }

  /** See {@link RenewLease}. */
  renew(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const asker = new Asker(this.#questions.length, resolve, reject);
      const timer = this.#timers.after(timeoutMs, () => asker.giveUp(timedOut(OPERATION)));
      asker.onEnd = () => timer.cancel();
      for (const question of this.#questions) question.ask(asker);
    });
  }
}

/** One renewal: counts answers until it is decided. */
class Asker {
  ended = false;
  onEnd: () => void = () => {};
  #absent = 0;
  #failed = 0;
  readonly #count: number;
  readonly #resolve: (isGranted: boolean) => void;
  readonly #reject: (error: Error) => void;

  constructor(count: number, resolve: (isGranted: boolean) => void, reject: (error: Error) => void) {
    this.#count = count;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  answer(isRevoked: boolean): void {
    if (this.ended) return;
    if (!isRevoked) this.#absent += 1;
    if (!isRevoked && this.#absent < majorityOf(this.#count)) return;
    this.#end();
    this.#resolve(!isRevoked);
  }

  fail(error: Error): void {
    this.#failed += 1;
    if (isFence(error) || this.#failed > this.#count - majorityOf(this.#count)) this.giveUp(error);
  }

  giveUp(error: Error): void {
    if (this.ended) return;
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.ended = true;
    this.onEnd();
  }
}

/**
 * What one object is asked again and again. Only one question is under way, however long the object does not answer; the latest
 * asker comes after it, because an answer counts only for who asked before it was sent.
 */
class Question {
  readonly #ask: () => Promise<boolean>;
  #busy = false;
  #next: Asker | null = null;

  constructor(ask: () => Promise<boolean>) {
    this.#ask = ask;
  }

  ask(asker: Asker): void {
    if (this.#busy) {
      this.#next = asker;
      return;
    }
    this.#busy = true;
    this.#ask()
      .then(
        (isRevoked) => asker.answer(isRevoked),
        (error: Error) => asker.fail(error),
      )
      .finally(() => this.#idle());
  }

  #idle(): void {
    const asker = this.#next;
    this.#busy = false;
    this.#next = null;
    if (asker !== null && !asker.ended) this.ask(asker);
  }
}
