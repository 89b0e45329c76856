/**
 * A watch on a RADOS object that is taken anew whenever it is lost, and a look at the object every few seconds besides: a
 * notify is a hint that comes quickly, not a promise that it comes.
 */
import type { Timer, Timers } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { ObjectWatch, WatchHandlers } from '../node-rados/lib/node-rados.ts';

/** A watch that failed is taken anew at once, then after these times. */
const REWATCH_MS = [0, 100, 500, 1000, 2000, 5000];

export interface KeptWatchOptions {
  /** Registers the watch; rejects when that is not possible now. */
  watch(handlers: WatchHandlers): Promise<ObjectWatch>;
  /** What notifies are answered with. */
  answer: string;
  /** The watch is registered. */
  onKept(): void;
  /** Something may have changed: a notify, a time without a watch that is over, or the regular look. */
  onHint(): void;
  /** The watch was lost or could not be had; awaited before the next attempt. Never rejects. */
  onLost(error: Error): Promise<void>;
  /** Time between regular looks, ms. */
  lookMs: number;
  timers: Timers;
  log: Log;
}

export class KeptWatch {
  readonly #options: KeptWatchOptions;
  #watch: ObjectWatch | null = null;
  #lost: ((error: Error) => void) | null = null;
  #lookTimer: Timer | null = null;
  #closed = false;
  /** Since the watch was last seen to hold. */
  #failures = 0;
  #wake: (() => void) | null = null;
  readonly #keeping: Promise<void>;

  /** Resolved once the first attempt is over, watching or not. */
  readonly started: Promise<void>;

  constructor(options: KeptWatchOptions) {
    this.#options = options;
    let begun: () => void = () => {};
    this.started = new Promise((resolve) => {
      begun = resolve;
    });
    this.#keeping = this.#keep(begun);
    this.#scheduleLook();
  }

  /** Whether notifies are heard at the moment. */
  get watching(): boolean {
    return this.#watch !== null;
  }

  /** No hint comes after it resolved. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#lookTimer?.cancel();
    this.#wake?.();
    this.#lost?.(new Error('closed'));
    await this.#keeping;
  }

  async #keep(begun: () => void): Promise<void> {
    while (!this.#closed) {
      try {
        const { lost } = await this.#register();
        begun();
        this.#options.onKept();
        // What happened while nobody listened.
        this.#hint();
        await this.#lose(await lost);
      } catch (error) {
        begun();
        await this.#lose(error as Error);
      }
      if (this.#closed) return;
      await this.#pause(REWATCH_MS[Math.min(this.#failures, REWATCH_MS.length - 1)]!);
      this.#failures += 1;
    }
  }

  /** Resolves once the watch is registered, with the promise of its end. */
  async #register(): Promise<{ lost: Promise<Error> }> {
    const lost = new Promise<Error>((resolve) => {
      this.#lost = resolve;
    });
    this.#watch = await this.#options.watch({
      // Acknowledged at once: the notifier must not wait for our work.
      onNotify: () => {
        this.#hint();
        return this.#options.answer;
      },
      onError: (error) => this.#lost?.(error),
    });
    return { lost };
  }

  async #lose(error: Error): Promise<void> {
    const watch = this.#watch;
    this.#watch = null;
    this.#lost = null;
    await watch?.close().catch(() => {});
    if (!this.#closed) await this.#options.onLost(error);
  }

  #hint(): void {
    if (!this.#closed) this.#options.onHint();
  }

  #scheduleLook(): void {
    this.#lookTimer = this.#options.timers.after(this.#options.lookMs, () => {
      this.#checkWatch();
      this.#hint();
      if (!this.#closed) this.#scheduleLook();
    });
  }

  /** A watch can be broken without having said so. */
  #checkWatch(): void {
    try {
      this.#watch?.check();
      if (this.#watch !== null) this.#failures = 0;
    } catch (error) {
      this.#lost?.(error as Error);
    }
  }

  #pause(ms: number): Promise<void> {
    if (ms === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#options.timers.after(ms, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
