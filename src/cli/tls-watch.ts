/** Notices that files of TLS were replaced, and has them read again: certificates are renewed without a restart. */
import { stat } from 'node:fs/promises';
import type { Timer, Timers } from '../base/clock.ts';
import type { Log } from '../base/log.ts';

/** Between looks at the files. */
export const LOOK_MS = 10_000;

export interface TlsWatchOptions {
  /** Paths; symbolic links are followed. */
  readonly files: readonly string[];
  readonly timers: Timers;
  readonly log: Log;
}

export class TlsWatch {
  readonly #options: TlsWatchOptions;
  readonly #users: (() => void)[] = [];
  /** Of the files that are used, and of those that were refused last. */
  #used = '';
  #refused = '';
  #told = '';
  #timer: Timer | null = null;
  #stopped = false;

  private constructor(options: TlsWatchOptions) {
    this.#options = options;
  }

  /** Resolves when it watches: to be called before the files are read for the first time, so that it misses no change. */
  static async start(options: TlsWatchOptions): Promise<TlsWatch> {
    const watch = new TlsWatch(options);
    watch.#used = await stampOf(options.files);
    if (options.files.length > 0) watch.#arm();
    return watch;
  }

  /** `renew` reads files and uses them from now on; it throws when they do not go together, and goes on with those from before. */
  onChange(renew: () => void): void {
    this.#users.push(renew);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Looks now. */
  async look(): Promise<void> {
    const stamp = await stampOf(this.#options.files);
    if (!this.#stopped && stamp !== this.#used) this.#renew(stamp);
  }

  #renew(stamp: string): void {
    const { files, log } = this.#options;
    try {
      for (const renew of this.#users) renew();
      this.#used = stamp;
      log.info({ files }, 'certificates were replaced; the new ones are used for connections from now on');
    } catch (err) {
      // The first time some of the files may still be on their way.
      if (stamp === this.#refused && stamp !== this.#told) {
        log.warn({ err }, 'certificates were replaced by ones that cannot be used; the old ones stay in use');
        this.#told = stamp;
      }
      this.#refused = stamp;
    }
  }

  #arm(): void {
    this.#timer = this.#options.timers.after(LOOK_MS, () => {
      void this.look().then(() => {
        if (!this.#stopped) this.#arm();
      });
    });
  }
}

/** Differs when one of the files is another, or has changed. */
async function stampOf(files: readonly string[]): Promise<string> {
  const stamps = files.map(async (file) => {
    const found = await stat(file).catch(() => null);
    return found === null ? 'none' : `${found.dev}:${found.ino}:${found.size}:${found.mtimeMs}`;
  });
  return (await Promise.all(stamps)).join(' ');
}
