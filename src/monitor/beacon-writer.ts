/**
 * Sends this gateway's beacons: every so often, and at once when something of them changed. A beacon is passed on directly
 * when it is made, and written to RADOS one at a time; of those that had to wait only the newest is written.
 */
import type { Timer, Timers } from '../base/clock.ts';
import type { Beacon } from './beacon.ts';

export interface BeaconWriterOptions {
  readonly timers: Timers;
  readonly everyMs: number;
  /** The beacon as of now; null: there is no incarnation to speak of at the moment. */
  compose(sequence: number): Beacon | null;
  /** Whoever hears it without RADOS: the leader. */
  pass(beacon: Beacon): void;
  /** Into RADOS. */
  write(beacon: Beacon): Promise<void>;
  onFailure(error: NodeJS.ErrnoException): void;
}

export class BeaconWriter {
  readonly #options: BeaconWriterOptions;
  #sequence = 0;
  #timer: Timer | null = null;
  #soon: Timer | null = null;
  /** To be written after the one under way. */
  #waiting: Beacon | null = null;
  #writing: Promise<void> | null = null;
  #stopped = false;

  constructor(options: BeaconWriterOptions) {
    this.#options = options;
  }

  /** Of the last beacon. */
  get sequence(): number {
    return this.#sequence;
  }

  start(): void {
    this.send();
  }

  /** A beacon at the end of this turn of the event loop: changes that come together need one. */
  soon(): void {
    this.#soon ??= this.#options.timers.after(0, () => this.send());
  }

  send(): void {
    if (this.#stopped) return;
    this.#soon?.cancel();
    this.#soon = null;
    this.#timer?.cancel();
    this.#timer = this.#options.timers.after(this.#options.everyMs, () => this.send());
    const beacon = this.#options.compose(this.#sequence + 1);
    if (beacon === null) return;
    this.#sequence += 1;
    this.#options.pass(beacon);
    this.#waiting = beacon;
    this.#writing ??= this.#write();
  }

  /** Sends one more, and no further one. Resolves when it is written or cannot be. */
  async end(): Promise<void> {
    this.send();
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#writing;
  }

  async #write(): Promise<void> {
    for (let beacon = this.#waiting; beacon !== null; beacon = this.#waiting) {
      this.#waiting = null;
      try {
        await this.#options.write(beacon);
      } catch (error) {
        this.#options.onFailure(error as NodeJS.ErrnoException);
      }
    }
    this.#writing = null;
  }
}
