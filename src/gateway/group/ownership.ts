/**
 * What this gateway does with the ANA groups, as the monitor tells it: takes them over, hands them over, gives them up. The
 * one place that sets ANA states. A group that is served with a lease is admitted to and answered for only while that holds.
 */
import type { Timer, Timers } from '../../base/clock.ts';
import { AnagateError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { within } from '../../base/within.ts';
import type { ClientAddress } from '../../monitor/group-map.ts';
import type { GatewayCondition, GroupServer } from '../../monitor/group-server.ts';
import { AnaState, type AnaStates } from '../../target/ana.ts';
import { Lease } from '../../target/lease.ts';
import type { Target } from '../../target/target.ts';
import type { WatchedClock } from '../../target/watched-clock.ts';
import type { GroupBackends } from '../serving/backends.ts';

/** A group whose lease is over holds its commands for so long, then sends hosts to other paths. ANATT is longer. */
const LAPSE_HOLD_MS = 5000;
const LAPSE_LOOK_MS = 100;
/** New commands are held so long while those in flight finish. */
const DRAIN_HOLD_MS = 500;
/** A hand-over that is not done by then is called off. */
const RELEASE_LIMIT_MS = 5000;

/** How long a lease lasts, and the clock that it is compared with, which has to be the target's. */
export interface LeaseTerms {
  clock: WatchedClock;
  durationMs: number;
}

export interface OwnershipOptions {
  ana: AnaStates;
  target: Target;
  backends: GroupBackends;
  /** null: groups are served without lease, because nobody else could serve them. */
  lease: LeaseTerms | null;
  timers: Timers;
  log: Log;
  condition(): GatewayCondition;
  /** A group is to be served from now on: images of it that are not open are needed. */
  onTakeOver?(): void;
}

/** standby: another's, or nobody's. lapsed: served, but hosts were sent to other paths until the lease is renewed. */
type Activity = 'standby' | 'takingOver' | 'serving' | 'lapsed' | 'releasing';

interface Duty {
  readonly id: number;
  activity: Activity;
  /** Raised by whatever decides anew about the group: what was begun before is over. */
  turn: number;
  readonly lease: Lease | null;
  /** Since when the lease of a group that is served is over. */
  lapsedSinceMs: number | null;
  /** On standby: a wait for fences that is under way. */
  fencesSeen: Promise<void> | null;
}

export class Ownership implements GroupServer {
  readonly #options: OwnershipOptions;
  readonly #duties = new Map<number, Duty>();
  readonly #fencedListeners = new Set<(group: number) => void>();
  readonly #conditionListeners = new Set<() => void>();
  #lapseTimer: Timer | null = null;

  constructor(options: OwnershipOptions) {
    this.#options = options;
    options.backends.onUsable((group, usable) => this.#usable(this.#duty(group), usable));
    options.backends.onConnected(() => this.conditionChanged());
    options.lease?.clock.onGap((gapMs) => this.#heldUp(gapMs));
  }

  // ---- for the gateway ----

  /** Groups that exist from now on, for hosts to see in the ANA log. */
  exist(groups: Iterable<number>): void {
    const { ana } = this.#options;
    for (const group of groups) if (!ana.groups[group]!.known) ana.set(group, AnaState.inaccessible);
  }

  serves(group: number): boolean {
    return this.#duties.get(group)?.activity === 'serving';
  }

  /** Serves the group, or is about to. */
  isCalled(group: number): boolean {
    return (this.#duties.get(group)?.activity ?? 'standby') !== 'standby';
  }

  /** At the end: images whose client is fenced, or does not answer, are not waited for. */
  withdrawAll(): void {
    for (const { id, activity } of this.#duties.values()) if (activity !== 'standby') this.withdraw(id);
    // A command that a host sent before the fence and has repeated elsewhere since may still be on its way.
    this.#options.target.endAssociations('this gateway was fenced');
  }

  conditionChanged(): void {
    for (const listener of this.#conditionListeners) listener();
  }

  // ---- for the monitor ----

  condition(): GatewayCondition {
    return this.#options.condition();
  }

  onCondition(listener: () => void): void {
    this.#conditionListeners.add(listener);
  }

  onFenced(listener: (group: number) => void): void {
    this.#fencedListeners.add(listener);
  }

  clients(): readonly ClientAddress[] {
    return this.#options.backends.clients();
  }

  connect(group: number): Promise<string> {
    return this.#options.backends.connect(group);
  }

  async takeOver(group: number, afterFence: boolean): Promise<void> {
    const duty = this.#duty(group);
    const turn = this.#begin(duty, 'takingOver');
    this.#options.onTakeOver?.();
    try {
      if (afterFence) await this.#options.backends.waitForFences(group);
      this.#requireTurn(duty, turn);
      this.#serveImages(duty);
      if (duty.lease !== null) await this.#firstLease(duty);
      this.#requireTurn(duty, turn);
    } catch (error) {
      if (duty.turn === turn) this.withdraw(group);
      throw error;
    }
    this.#open(duty);
  }

  async release(group: number): Promise<boolean> {
    const { ana, backends, timers } = this.#options;
    const duty = this.#duty(group);
    const before = duty.activity;
    const turn = this.#begin(duty, 'releasing');
    const work = ana
      .drain(group, timers, DRAIN_HOLD_MS)
      .then((drained) => drained && duty.turn === turn && backends.serve(group, false))
      .catch(() => false);
    const released = await within(RELEASE_LIMIT_MS, timers, work);
    if (duty.turn !== turn) return false;
    if (released) {
      this.#begin(duty, 'standby');
      duty.lease?.end();
    } else this.#callOff(duty, before);
    return released ?? false;
  }

  withdraw(group: number): void {
    const duty = this.#duty(group);
    this.#begin(duty, 'standby');
    this.#close(duty);
    void this.#options.backends.serve(group, false).catch((err: unknown) => {
      this.#options.log.warn({ group, err }, 'images of a group that was given up are not released');
    });
  }

  async renew(group: number): Promise<boolean> {
    const { lease: terms, timers, backends } = this.#options;
    const duty = this.#duty(group);
    if (terms === null || duty.lease === null) return true;
    const request = duty.lease.ask();
    // Who does not serve asks whether it could: what a take-over waits for is waited for as well.
    const asked =
      duty.activity === 'standby'
        ? this.#seeFences(duty).then(() => backends.renewLease(group))
        : backends.renewLease(group);
    const goesOn = asked.then((granted) => {
      if (!granted) duty.lease?.end();
      else if (duty.activity !== 'standby' && duty.lease?.granted(request, terms.durationMs))
        this.#renewed(duty);
      return granted;
    });
    const answer = await within(terms.durationMs, timers, goesOn);
    if (answer === null) throw timedOut(group);
    return answer;
  }

  /** One wait at a time: without a quorum of Ceph's monitors it does not end. */
  #seeFences(duty: Duty): Promise<void> {
    duty.fencesSeen ??= this.#options.backends.waitForFences(duty.id).finally(() => {
      duty.fencesSeen = null;
    });
    return duty.fencesSeen;
  }

  async renewClients(): Promise<void> {
    this.withdrawAll();
    await this.#options.backends.replaceClients();
  }

  // ---- one group ----

  #duty(group: number): Duty {
    let duty = this.#duties.get(group);
    if (duty === undefined) {
      const { lease: terms, ana } = this.#options;
      const lease = terms === null ? null : new Lease(terms.clock);
      ana.groups[group]!.lease = lease;
      duty = { id: group, activity: 'standby', turn: 0, lease, lapsedSinceMs: null, fencesSeen: null };
      this.#duties.set(group, duty);
    }
    return duty;
  }

  #begin(duty: Duty, activity: Activity): number {
    duty.activity = activity;
    duty.turn += 1;
    return duty.turn;
  }

  #requireTurn(duty: Duty, turn: number): void {
    if (duty.turn === turn) return;
    throw new AnagateError(
      'BACKEND_UNAVAILABLE',
      `ANA group ${duty.id}: something else was decided meanwhile`,
    );
  }

  #serveImages({ id }: Duty): void {
    const { backends, log } = this.#options;
    backends.serve(id, true).then(
      (done) => {
        if (!done) log.warn({ group: id }, 'not all images of the ANA group can be served yet; trying on');
      },
      (err: unknown) => log.error({ group: id, err }, 'images of the ANA group cannot be served'),
    );
  }

  /** A renewal that is answered late or over a gap gives no lease: another one does. */
  async #firstLease(duty: Duty): Promise<void> {
    do {
      if (!(await this.renew(duty.id)))
        throw new AnagateError('BACKEND_UNAVAILABLE', `the lease of ANA group ${duty.id} was revoked`);
    } while (!duty.lease!.isValid && duty.activity === 'takingOver');
  }

  /** Hosts are let in, or held until the lease is valid again. */
  #open(duty: Duty): void {
    duty.activity = 'serving';
    duty.lapsedSinceMs = null;
    this.#options.ana.set(duty.id, AnaState.optimized);
    if (duty.lease !== null) this.#watchLapses();
  }

  /** A release is not to be: back to what was before. */
  #callOff(duty: Duty, before: Activity): void {
    this.#options.log.warn(
      { group: duty.id },
      'an ANA group is not released: what is in flight does not end',
    );
    this.#begin(duty, before === 'lapsed' ? 'lapsed' : 'standby');
    if (before === 'lapsed' || before === 'serving') this.#serveImages(duty);
    if (before === 'serving') this.#open(duty);
  }

  /** Hosts are sent to other paths at once, also with what the backend still works on. The log tells it first. */
  #close(duty: Duty): void {
    const { ana, target } = this.#options;
    duty.lease?.end();
    ana.set(duty.id, AnaState.inaccessible);
    target.abandon(ana.groups[duty.id]!);
  }

  /** The group's client was fenced (false), or there is a new one (true). */
  #usable(duty: Duty, usable: boolean): void {
    if (usable) {
      if (duty.lease === null && duty.activity === 'lapsed') this.#open(duty);
      return;
    }
    if (duty.activity !== 'standby') {
      this.#begin(duty, 'lapsed');
      this.#close(duty);
    }
    for (const listener of this.#fencedListeners) listener(duty.id);
    this.conditionChanged();
  }

  // ---- leases ----

  #renewed(duty: Duty): void {
    if (duty.activity === 'lapsed') {
      this.#options.log.info({ group: duty.id }, 'the lease of the ANA group is renewed; it is served again');
      this.#open(duty);
      return;
    }
    duty.lapsedSinceMs = null;
    this.#options.ana.resume(duty.id);
  }

  /** Whoever was held up does not know what happened meanwhile: only what is asked for from now on counts. */
  #heldUp(gapMs: number): void {
    const served = [...this.#duties.values()].filter(({ activity }) => activity !== 'standby');
    for (const { lease } of served) lease?.end();
    if (served.length === 0) return;
    this.#options.log.warn(
      { gapMs: Math.round(gapMs) },
      'this process was held up; its leases are asked for anew',
    );
    for (const { id } of served) void this.renew(id).catch(() => {});
  }

  /** Looks after groups whose lease is over, as long as any group is served. */
  #watchLapses(): void {
    this.#lapseTimer ??= this.#options.timers.after(LAPSE_LOOK_MS, () => {
      this.#lapseTimer = null;
      const serving = [...this.#duties.values()].filter(({ activity }) => activity === 'serving');
      for (const duty of serving) this.#lookAt(duty);
      if (serving.length > 0) this.#watchLapses();
    });
  }

  #lookAt(duty: Duty): void {
    const { lease: terms, log } = this.#options;
    const nowMs = terms!.clock.nowMs();
    if (duty.lease!.isValid) {
      duty.lapsedSinceMs = null;
      return;
    }
    duty.lapsedSinceMs ??= nowMs;
    if (nowMs - duty.lapsedSinceMs < LAPSE_HOLD_MS) return;
    log.warn(
      { group: duty.id },
      'the lease of the ANA group was not renewed in time; hosts are sent to other paths',
    );
    this.#begin(duty, 'lapsed');
    this.#close(duty);
  }
}

function timedOut(group: number): Error {
  return Object.assign(new Error(`the lease of ANA group ${group} could not be asked for in time`), {
    code: 'ETIMEDOUT',
  });
}
