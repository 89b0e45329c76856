/**
 * The ANA group table of one gateway, and the gate that every I/O command passes (NVMe Base 2.0 section 8.1).
 *
 * Something else decides the states (the monitor) and calls {@link AnaStates.set} or {@link AnaStates.drain}. The log page
 * and the events change before the first command is turned away, so that a host which sees a path status always finds
 * the reason in the log.
 */
import { BufferAccount } from '../base/buffer-pool.ts';
import type { Timers } from '../base/clock.ts';
import { AnaStateCode } from '../wire/ana-log.ts';
import { Status } from '../wire/status.ts';
import type { Lease } from './lease.ts';
import type { Namespace } from './namespace.ts';
import type { Request } from './request.ts';

/** The ANA states that this target uses. */
export const AnaState = {
  optimized: AnaStateCode.optimized,
  nonOptimized: AnaStateCode.nonOptimized,
  inaccessible: AnaStateCode.inaccessible,
} as const;
export type AnaState = (typeof AnaState)[keyof typeof AnaState];

export const ANA_STATE_NAME: Readonly<Record<AnaState, string>> = {
  [AnaState.optimized]: 'optimized',
  [AnaState.nonOptimized]: 'non-optimized',
  [AnaState.inaccessible]: 'inaccessible',
};

/** One ANA group on this gateway. */
export class AnaGroup {
  readonly id: number;
  state: AnaState = AnaState.inaccessible;
  /** Somebody set this group: it exists and is in the log page. */
  known = false;
  /** Change count of the group descriptor. */
  changeCount = 0;
  /** Commands go straight to the backend: the state serves I/O and nothing drains. */
  open = false;
  /** While it is over nothing is admitted and nothing answered. null: the group is served without one. */
  lease: Lease | null = null;
  /** New commands wait until the drain has ended. */
  draining = false;
  /** Admitted commands that have not completed. */
  inFlight = 0;
  /** Commands held back by the drain, or until the lease is renewed, in order of arrival. */
  held: Request[] = [];
  /** Commands that are done, and whose answers wait for the lease to be renewed, in order. */
  withheld: Request[] = [];
  /** Data buffers of its commands: a backend that stands still shall not keep those of other groups from theirs. */
  readonly buffers = new BufferAccount();
  /** Namespaces on which commands may wait for orphaned writes or for the namespace's limits. */
  readonly namespacesWaiting = new Set<Namespace>();
  /** Called when a drain may have moved on. */
  onQuiet: (() => void) | null = null;
  onHeldOverLimit: (() => void) | null = null;
  /** The drain that is under way: asking for it again joins it. */
  drained: Promise<boolean> | null = null;

  constructor(id: number) {
    this.id = id;
  }

  /** Commands are answered with the path status, neither run nor held. */
  get turnsAway(): boolean {
    return !this.open && !this.draining;
  }

  /** Asks to start a command. True: it is counted and may run. False: it was held or answered here. */
  admit(request: Request): boolean {
    if (this.open && (this.lease === null || this.lease.isValid)) {
      this.inFlight += 1;
      request.group = this;
      request.counted = true;
      return true;
    }
    if (this.turnsAway) turnAway(request);
    else this.hold(request);
    return false;
  }

  /**
   * Whether the answer of a command that was admitted here may leave. False: it will be given to the transport again. A
   * group that lost its right to serve while it worked on the command has nothing to say but that.
   */
  mayAnswer(request: Request): boolean {
    if (this.lease === null || this.lease.isValid) return true;
    if (this.turnsAway) {
      request.status = Status.asymmetricAccessInaccessible;
      return true;
    }
    this.withheld.push(request);
    return false;
  }

  /** A counted command has completed. */
  leave(): void {
    this.inFlight -= 1;
    if (this.inFlight === 0 && this.onQuiet !== null) this.onQuiet();
  }

  private hold(request: Request): void {
    this.held.push(request);
    const queue = request.queue;
    queue.held += 1;
    // a held command occupies the host's tags for every namespace of the queue
    if (queue.held * 2 > queue.size && this.onHeldOverLimit !== null) this.onHeldOverLimit();
  }
}

/** Linux requeues the command and re-reads the ANA log, which says the same. DNR and CRD stay 0. */
function turnAway(request: Request): void {
  request.complete(Status.asymmetricAccessInaccessible);
}

export class AnaStates {
  /** Index = group id; 0 is unused. */
  readonly groups: readonly AnaGroup[];
  /** Change count of the log page: never goes back while the process lives. */
  changeCount = 0;
  private readonly listeners = new Set<(group: number) => void>();

  /** `maxGroups` is ANAGRPMAX, a constant of the group of gateways. */
  constructor(maxGroups: number) {
    this.groups = Array.from({ length: maxGroups + 1 }, (_, id) => new AnaGroup(id));
  }

  /** ANAGRPMAX. */
  get maxGroups(): number {
    return this.groups.length - 1;
  }

  stateOf(group: number): AnaState {
    return this.groups[group].state;
  }

  /** Calls `listener` after each change, with the group id. Returns the way to stop it. */
  subscribe(listener: (group: number) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /**
   * Sets the state of a group at once. Commands in flight complete as they will; held ones run when the group serves,
   * otherwise they are answered with the path status. Ends a drain.
   */
  set(groupId: number, state: AnaState): void {
    const group = this.groups[groupId];
    if (group === undefined || groupId === 0)
      throw new RangeError(`ANA group ${groupId} is not in 1..${this.maxGroups}`);
    const changed = group.state !== state || !group.known;
    group.draining = false;
    group.known = true;
    group.state = state;
    group.open = state === AnaState.optimized || state === AnaState.nonOptimized;
    if (changed) this.changed(group);
    if (group.open && group.onQuiet !== null) group.onQuiet();
    releaseWithheld(group);
    releaseHeld(group);
    if (!group.open) releaseWaiting(group);
  }

  /** The lease of a group is valid again: what was done meanwhile is answered, what came meanwhile runs. */
  resume(groupId: number): void {
    const group = this.groups[groupId];
    releaseWithheld(group);
    if (!group.draining) releaseHeld(group);
  }

  /**
   * Planned hand-over: holds new commands, lets those in flight complete, then turns the group inaccessible and answers
   * what was held with the path status. Holding ends early after `holdMs` or when a queue holds half of its slots;
   * the group then turns inaccessible while commands are still in flight. Resolves true once the group is inaccessible with
   * nothing in flight, false when another {@link set} ended the drain before that.
   */
  drain(groupId: number, timers: Timers, holdMs = 500): Promise<boolean> {
    const group = this.groups[groupId];
    if (group.drained !== null) return group.drained;
    group.draining = group.open;
    group.open = false;
    const drained = new Promise<boolean>((resolve) => {
      const close = () => {
        timer.cancel();
        group.onHeldOverLimit = null;
        if (group.draining) this.set(groupId, AnaState.inaccessible);
      };
      const timer = timers.after(holdMs, close);
      group.onHeldOverLimit = close;
      group.onQuiet = () => {
        const cancelled = group.open;
        if (!cancelled) close();
        else timer.cancel();
        group.onQuiet = null;
        group.onHeldOverLimit = null;
        group.drained = null;
        resolve(!cancelled);
      };
    });
    group.drained = drained;
    if (group.inFlight === 0) group.onQuiet?.();
    return drained;
  }

  /** Takes a held command out of the line. True: it was held, and is the caller's to complete. */
  unhold(request: Request): boolean {
    // its namespace may have moved to another group since
    const group = this.groups.find(({ held }) => held.includes(request));
    if (group === undefined) return false;
    group.held.splice(group.held.indexOf(request), 1);
    request.queue.held -= 1;
    return true;
  }

  /** The namespaces of a group changed: the log page is different although no state is. */
  membersChanged(groupId: number): void {
    this.changed(this.groups[groupId]);
  }

  /**
   * A namespace of the group came or went: the log page is different. Hosts hear of it by the event of the namespace, and
   * shall not by this page's as well (base figure 149).
   */
  memberCameOrWent(groupId: number): void {
    this.count(this.groups[groupId]);
  }

  private count(group: AnaGroup): void {
    group.changeCount += 1;
    this.changeCount += 1;
  }

  private changed(group: AnaGroup): void {
    this.count(group);
    for (const listener of this.listeners) listener(group.id);
  }
}

function releaseWithheld(group: AnaGroup): void {
  if (group.withheld.length === 0) return;
  const withheld = group.withheld;
  group.withheld = [];
  for (const request of withheld) {
    if (request.queue.closed) request.queue.discard(request);
    else request.queue.transport.respond(request);
  }
}

function releaseHeld(group: AnaGroup): void {
  if (group.held.length === 0) return;
  const held = group.held;
  group.held = [];
  for (const request of held) {
    request.queue.held -= 1;
    // a command whose connection is gone is discarded unexecuted, never replayed
    if (request.queue.closed) request.queue.discard(request);
    else request.execute(request);
  }
}

/** Commands that wait for orphaned writes, or for their limits, must not wait on when the group serves no more: another path may have them. */
function releaseWaiting(group: AnaGroup): void {
  if (group.namespacesWaiting.size === 0) return;
  const namespaces = [...group.namespacesWaiting];
  group.namespacesWaiting.clear();
  for (const namespace of namespaces) namespace.turnAwayWaiting();
}
