/**
 * Has the gateway do what the map wants with one ANA group, for the length of one incarnation. One transition at a time; what
 * is wanted may change while one is under way, and the last wish wins.
 */
import type { Clock, Timer, Timers } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { BeaconGroup, GroupActivity } from './beacon.ts';
import type { GroupServer } from './group-server.ts';
import { Renewals } from './renewals.ts';
import type { MonitorTimes } from './times.ts';

/** What could not be done is tried again after these times. */
const TAKE_OVER_AGAIN_MS = 250;
const RELEASE_AGAIN_MS = 1000;
/** Whether a lease could be had on standby: tried this often, and known for so long. */
const TRY_MS = 2000;
const PROVEN_MS = 5000;

export interface GroupKeeperOptions {
  readonly server: GroupServer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly times: MonitorTimes;
  readonly log: Log;
  /** The leader should know of a change. */
  onChange(): void;
  /** A client of this incarnation is fenced or about to be. */
  onFenced(reason: string): void;
  /** The lease of a group that is served ran out. */
  onLapse(group: number): void;
}

export class GroupKeeper {
  readonly #group: number;
  readonly #options: GroupKeeperOptions;
  #activity: GroupActivity = 'standby';
  /** fencedEpoch of the group that shall be served; null: it shall not. */
  #wish: number | null = null;
  /** fencedEpoch as of the last wait for the latest OSD map. */
  #waitedFor = 0;
  #renewals: Renewals | null = null;
  #moving = false;
  #abandoned = false;
  #troubled = false;
  #endPause: (() => void) | null = null;
  /** When it was last tried to get a lease on standby, and when that last succeeded. */
  #triedMs = Number.NEGATIVE_INFINITY;
  #provenMs = Number.NEGATIVE_INFINITY;

  constructor(group: number, options: GroupKeeperOptions) {
    this.#group = group;
    this.#options = options;
  }

  get activity(): GroupActivity {
    return this.#activity;
  }

  beacon(): BeaconGroup {
    return { id: this.#group, activity: this.#activity, leased: this.#leased };
  }

  /** The owner has no lease: whether this gateway would get one shows in its beacons, if nothing is done with the group here. */
  async tryLease(): Promise<void> {
    const { server, clock } = this.#options;
    const begunMs = clock.nowMs();
    if (this.#activity !== 'standby' || this.#abandoned || begunMs - this.#triedMs < TRY_MS) return;
    this.#triedMs = begunMs;
    try {
      if (await server.renew(this.#group)) this.#provenMs = begunMs;
    } catch {
      // Then it would get none, for whatever reason.
    }
  }

  get #leased(): boolean {
    if (this.#activity === 'standby') return this.#options.clock.nowMs() - this.#provenMs < PROVEN_MS;
    return this.#renewals?.leased ?? false;
  }

  /** The group is to be served, on the OSD map of `fencedEpoch` or a later one; null: it is to be given back. */
  want(fencedEpoch: number | null): void {
    const turned = (fencedEpoch === null) !== (this.#wish === null);
    this.#wish = fencedEpoch;
    if (turned) this.#endPause?.();
    if (!this.#moving) void this.#move();
  }

  /** The incarnation is over. Nothing is waited for: its clients are fenced or about to be. */
  abandon(): void {
    this.#abandoned = true;
    this.#renewals?.stop();
    this.#endPause?.();
    if (this.#activity !== 'standby') this.#options.server.withdraw(this.#group);
  }

  async #move(): Promise<void> {
    this.#moving = true;
    while (!this.#abandoned && !this.#asWished()) {
      if (this.#wish === null) await this.#release();
      else await this.#takeOver(this.#wish);
    }
    this.#moving = false;
  }

  #asWished(): boolean {
    return this.#activity === (this.#wish === null ? 'standby' : 'serving');
  }

  async #takeOver(fencedEpoch: number): Promise<void> {
    const { server, log } = this.#options;
    this.#become('taking-over');
    try {
      await server.takeOver(this.#group, fencedEpoch > this.#waitedFor);
    } catch (error) {
      this.#report(error as NodeJS.ErrnoException, 'cannot be served yet');
      if (!this.#abandoned && this.#wish !== null) await this.#pause(TAKE_OVER_AGAIN_MS);
      return;
    }
    if (this.#abandoned) return;
    this.#waitedFor = fencedEpoch;
    this.#troubled = false;
    log.info({ group: this.#group }, 'the ANA group is served here now');
    this.#startRenewals();
    this.#become('serving');
  }

  async #release(): Promise<void> {
    const { server, log } = this.#options;
    const before = this.#activity;
    this.#become('releasing');
    const released = await server.release(this.#group).catch((error: NodeJS.ErrnoException) => {
      this.#report(error, 'cannot be given back yet');
      return false;
    });
    if (this.#abandoned) return;
    if (!released) {
      // As it was: it may be wanted again by now.
      this.#become(before);
      if (this.#wish === null) await this.#pause(RELEASE_AGAIN_MS);
      return;
    }
    this.#troubled = false;
    this.#renewals?.stop();
    this.#renewals = null;
    log.info({ group: this.#group }, 'the ANA group is given back');
    this.#become('standby');
  }

  #startRenewals(): void {
    const { server, clock, timers, times, onFenced, onLapse } = this.#options;
    this.#renewals?.stop();
    this.#renewals = new Renewals({
      group: this.#group,
      server,
      clock,
      timers,
      times,
      onFenced,
      onLapse: () => onLapse(this.#group),
    });
  }

  #become(activity: GroupActivity): void {
    if (activity === this.#activity) return;
    this.#activity = activity;
    this.#options.onChange();
  }

  /** Once until it is well again. */
  #report(err: NodeJS.ErrnoException, what: string): void {
    if (this.#abandoned) return;
    if (!this.#troubled) this.#options.log.warn({ group: this.#group, err }, `the ANA group ${what}`);
    this.#troubled = true;
    if (err.code === 'EBLOCKLISTED')
      this.#options.onFenced(`the client of ANA group ${this.#group} is on the blocklist`);
  }

  /** Ends early when the wish turns or the incarnation is over. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer: Timer = this.#options.timers.after(ms, () => this.#endPause?.());
      this.#endPause = () => {
        this.#endPause = null;
        timer.cancel();
        resolve();
      };
    });
  }
}
