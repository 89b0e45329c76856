/** Prolongs the lease of an ANA group while it is served: again and again, by the group's own client, one renewal at a time. */
import type { Clock, Timers } from '../base/clock.ts';
import type { GroupServer } from './group-server.ts';
import { Rounds } from './rounds.ts';
import type { MonitorTimes } from './times.ts';

export interface RenewalsOptions {
  readonly group: number;
  readonly server: GroupServer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly times: MonitorTimes;
  /** The lease was revoked, or the client is on the blocklist. */
  onFenced(reason: string): void;
  /** The lease ran out before a renewal succeeded. */
  onLapse(): void;
}

/** Begins with its construction, which follows a first lease. The gate itself is shut by clock elsewhere; here is only its supply. */
export class Renewals {
  readonly #options: RenewalsOptions;
  readonly #rounds: Rounds;
  #validUntilMs: number;
  #lapsed = false;
  #stopped = false;

  constructor(options: RenewalsOptions) {
    const { clock, timers, times } = options;
    this.#options = options;
    this.#validUntilMs = clock.nowMs() + times.lease;
    this.#rounds = new Rounds({ clock, timers, everyMs: times.renewal, work: () => this.#renew() });
    this.#rounds.start();
  }

  get leased(): boolean {
    return this.#options.clock.nowMs() < this.#validUntilMs;
  }

  stop(): void {
    this.#stopped = true;
    this.#rounds.stop();
  }

  async #renew(): Promise<void> {
    const { group, server, clock, times, onFenced } = this.#options;
    const begunMs = clock.nowMs();
    this.#noticeLapse();
    try {
      const goesOn = await server.renew(group);
      if (this.#stopped) return;
      if (!goesOn) {
        onFenced(`the lease of ANA group ${group} was revoked`);
        return;
      }
      this.#noticeLapse();
      this.#validUntilMs = begunMs + times.lease;
      this.#lapsed = !this.leased;
    } catch (error) {
      if (this.#stopped) return;
      this.#noticeLapse();
      if ((error as NodeJS.ErrnoException).code === 'EBLOCKLISTED')
        onFenced(`the client of ANA group ${group} is on the blocklist`);
    }
  }

  #noticeLapse(): void {
    if (this.leased || this.#lapsed) return;
    this.#lapsed = true;
    this.#options.onLapse();
  }
}
