/** A lock of an object that is renewed until it is released or lost. */
import type { IoContext } from './io-context.ts';
import type { LockOptions } from './object-lock.ts';

export interface HeldLockOptions extends Omit<LockOptions, 'durationMs' | 'renewal'> {
  /** How long the lock lasts without renewal. */
  durationMs: number;
  /** Time between renewals; default a third of the duration. */
  renewMs?: number;
  /**
   * The lock is, or must be taken to be, gone: a renewal was refused, or none was answered within the duration counted from
   * the sending of the last one that was. Called once.
   */
  onLost(error: Error): void;
}

/** Made by {@link HeldLock.acquire}. */
export class HeldLock {
  readonly object: string;
  readonly name: string;
  readonly #context: IoContext;
  readonly #options: HeldLockOptions;
  #renewTimer: NodeJS.Timeout | undefined;
  #expiryTimer: NodeJS.Timeout | undefined;
  #state: 'held' | 'lost' | 'released' = 'held';
  #renewal: Promise<void> = Promise.resolve();

  private constructor(context: IoContext, object: string, name: string, options: HeldLockOptions) {
    this.#context = context;
    this.object = object;
    this.name = name;
    this.#options = options;
  }

  /** EBUSY when another holds it. */
  static async acquire(
    context: IoContext,
    object: string,
    name: string,
    options: HeldLockOptions,
  ): Promise<HeldLock> {
    const lock = new HeldLock(context, object, name, options);
    const sentMs = performance.now();
    await context.lock(object, name, { ...options, renewal: 'may' });
    lock.#confirmed(sentMs);
    return lock;
  }

  get held(): boolean {
    return this.#state === 'held';
  }

  /** Gives the lock back. Not an error when it was lost before. */
  async release(): Promise<void> {
    if (this.#state !== 'held') return;
    this.#end('released');
    await this.#renewal;
    await this.#context.unlock(this.object, this.name, this.#options.cookie);
  }

  #confirmed(sentMs: number): void {
    if (this.#state !== 'held') return;
    const { durationMs, renewMs = durationMs / 3 } = this.#options;
    const elapsedMs = performance.now() - sentMs;
    clearTimeout(this.#expiryTimer);
    this.#expiryTimer = setTimeout(
      () => this.#lost(new Error(`lock ${this.name} of ${this.object}: no renewal within ${durationMs} ms`)),
      Math.max(0, durationMs - elapsedMs),
    );
    this.#renewTimer = setTimeout(
      () => {
        this.#renewal = this.#renew();
      },
      Math.max(0, renewMs - elapsedMs),
    );
    this.#expiryTimer.unref();
    this.#renewTimer.unref();
  }

  async #renew(): Promise<void> {
    const sentMs = performance.now();
    try {
      await this.#context.lock(this.object, this.name, { ...this.#options, renewal: 'must' });
      this.#confirmed(sentMs);
    } catch (error) {
      this.#lost(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #end(state: 'lost' | 'released'): void {
    this.#state = state;
    clearTimeout(this.#renewTimer);
    clearTimeout(this.#expiryTimer);
  }

  #lost(error: Error): void {
    if (this.#state !== 'held') return;
    this.#end('lost');
    this.#options.onLost(error);
  }
}
