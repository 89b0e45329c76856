/**
 * The limits of one namespace on what hosts may do to it per second, and the commands that wait because of them.
 *
 * A command is asked for before it has a data buffer, so that those that wait keep none from others. Reads wait in one line
 * and what changes something in another, so that a limit on writes does not slow reads; who came first takes first from what
 * both share. A waiting command is nobody's but the limiter's: it goes when its connection does, and is answered when its ANA
 * group stops serving, as one held by a drain is.
 */
import type { Clock, Timer, Timers } from '../../base/clock.ts';
import { TokenBucket } from '../../base/token-bucket.ts';
import { IoOpcode } from '../../wire/opcodes.ts';
import { Status } from '../../wire/status.ts';
import type { Namespace } from '../namespace.ts';
import type { Request } from '../request.ts';
import { FUSE_MASK } from './fused.ts';
import { isTurnedAway } from './plan.ts';
import { WaitingLine } from './waiting-line.ts';

/** Per second; 0 is no limit. */
export interface IoLimits {
  /** Read, Write, Compare, Write Zeroes and Dataset Management commands. */
  readonly commands: number;
  /** Data that moves between hosts and the gateway. */
  readonly bytes: number;
  readonly readBytes: number;
  readonly writeBytes: number;
}

/** Sets, changes or lifts (null) the limits of a namespace, also for commands that wait. `time` is the target's. */
export function limitNamespace(
  namespace: Namespace,
  limits: IoLimits | null,
  time: { clock: Clock; timers: Timers },
): void {
  const { limiter } = namespace;
  if (limits === null) {
    namespace.limiter = null;
    limiter?.setLimits(NO_LIMITS);
  } else if (limiter === null) namespace.limiter = new IoLimiter(limits, time.clock, time.timers);
  else limiter.setLimits(limits);
}

export class IoLimiter {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #onTimer = (): void => {
    this.#timer = null;
    this.#releaseDue();
  };
  #commands: TokenBucket | null = null;
  #bytes: TokenBucket | null = null;
  #readBytes: TokenBucket | null = null;
  #writeBytes: TokenBucket | null = null;
  readonly #reads = new WaitingLine();
  readonly #writes = new WaitingLine();
  /** Commands that had to wait, since the limits were first set. */
  #waited = 0;
  /** Runs while somebody waits. */
  #timer: Timer | null = null;
  #dueMs = 0;

  constructor(limits: IoLimits, clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
    this.setLimits(limits);
  }

  get isWaitedFor(): boolean {
    return !this.#reads.isEmpty || !this.#writes.isEmpty;
  }

  /** Takes effect at once, also for those that wait. */
  setLimits(limits: IoLimits): void {
    const nowMs = this.#clock.nowMs();
    this.#commands = changed(this.#commands, limits.commands, nowMs);
    this.#bytes = changed(this.#bytes, limits.bytes, nowMs);
    this.#readBytes = changed(this.#readBytes, limits.readBytes, nowMs);
    this.#writeBytes = changed(this.#writeBytes, limits.writeBytes, nowMs);
    this.#releaseDue();
  }

  /** True: the command may go on. False: it waits, and {@link QueueTransport.proceed} is called when its turn has come. */
  admit(request: Request): boolean {
    if (!isLimited(request)) return true;
    const nowMs = this.#clock.nowMs();
    const waits = this.isWaitedFor;
    if (!waits && this.#sharedWaitMs(nowMs) === 0 && this.#ownWaitMs(request, nowMs) === 0) {
      this.#take(request);
      return true;
    }
    request.limitedSinceMs = nowMs;
    this.#waited += 1;
    request.limitedNumber = this.#waited;
    // in-capsule data has come with it
    request.queue.transport.park(request);
    this.#lineOf(request).push(request);
    this.#watchGroup(request);
    // whoever is due by now, so that newcomers do not take what those in front wait for
    this.#releaseDue();
    return false;
  }

  /** Takes a command out of the line. True: it waited, and is the caller's to complete. */
  remove(request: Request): boolean {
    const removed = this.#reads.remove(request) || this.#writes.remove(request);
    if (removed) request.namespace!.unwatch(request);
    if (!this.isWaitedFor) this.#stopTimer();
    return removed;
  }

  /** The namespace went, for all or for some hosts, or its ANA group does not serve any more: those that wait are told. */
  turnAway(): void {
    for (const line of [this.#reads, this.#writes]) {
      for (const request of line.takeAll()) {
        request.namespace!.unwatch(request);
        if (isGone(request)) request.refuse(Status.invalidNamespaceOrFormat);
        else if (isTurnedAway(request)) request.complete(Status.asymmetricAccessInaccessible);
        else {
          line.push(request);
          this.#watchGroup(request);
        }
      }
    }
    if (!this.isWaitedFor) this.#stopTimer();
  }

  #releaseDue(): void {
    const nowMs = this.#clock.nowMs();
    while (this.isWaitedFor) {
      const waitMs = this.#releaseNext(nowMs);
      if (waitMs > 0) {
        this.#look(nowMs + waitMs);
        return;
      }
    }
    this.#stopTimer();
  }

  /** Sees to it that somebody looks again then. A timer that fires sooner will do: it is set anew then, and not for each command. */
  #look(dueMs: number): void {
    if (this.#timer !== null && this.#dueMs <= dueMs) return;
    this.#stopTimer();
    this.#dueMs = dueMs;
    this.#timer = this.#timers.after(Math.max(0, dueMs - this.#clock.nowMs()), this.#onTimer);
  }

  /** Lets the next command go on. Not 0: nobody may for so many milliseconds. */
  #releaseNext(nowMs: number): number {
    const sharedMs = this.#sharedWaitMs(nowMs);
    if (sharedMs > 0) return sharedMs;
    const read = this.#reads.first;
    const write = this.#writes.first;
    const readMs = read === null ? Number.POSITIVE_INFINITY : this.#ownWaitMs(read, nowMs);
    const writeMs = write === null ? Number.POSITIVE_INFINITY : this.#ownWaitMs(write, nowMs);
    if (readMs > 0 && writeMs > 0) return Math.min(readMs, writeMs);
    const readFirst = writeMs > 0 || (readMs === 0 && read!.limitedNumber < write!.limitedNumber);
    const request = (readFirst ? this.#reads : this.#writes).shift();
    request.namespace!.unwatch(request);
    this.#take(request);
    request.limitedMs = nowMs - request.limitedSinceMs;
    request.startedMs = nowMs;
    request.queue.transport.proceed(request);
    return 0;
  }

  /** Until the buckets of reads and writes together have something. */
  #sharedWaitMs(nowMs: number): number {
    return Math.max(this.#commands?.waitMs(nowMs) ?? 0, this.#bytes?.waitMs(nowMs) ?? 0);
  }

  /** Until the bucket of its direction has something. */
  #ownWaitMs(request: Request, nowMs: number): number {
    return (isRead(request) ? this.#readBytes : this.#writeBytes)?.waitMs(nowMs) ?? 0;
  }

  #take(request: Request): void {
    const bytes = dataBytes(request);
    this.#commands?.take(1);
    this.#bytes?.take(bytes);
    (isRead(request) ? this.#readBytes : this.#writeBytes)?.take(bytes);
  }

  #lineOf(request: Request): WaitingLine {
    return isRead(request) ? this.#reads : this.#writes;
  }

  /** So that {@link turnAway} is called when the command's ANA group stops serving. */
  #watchGroup({ namespace, queue }: Request): void {
    queue.port.ana.groups[namespace!.anaGroupId].namespacesWaiting.add(namespace!);
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}

const NO_LIMITS: IoLimits = { commands: 0, bytes: 0, readBytes: 0, writeBytes: 0 };

/** The namespace, for all or for this host. */
function isGone({ namespace, queue }: Request): boolean {
  return namespace!.removed || !namespace!.isVisibleTo(queue.controller!);
}

function changed(bucket: TokenBucket | null, perSecond: number, nowMs: number): TokenBucket | null {
  if (perSecond === 0) return null;
  if (bucket === null) return new TokenBucket(perSecond, nowMs);
  bucket.setRate(perSecond, nowMs);
  return bucket;
}

/** Flush and fused pairs pass: they move next to nothing, and others wait for what they guard. */
function isLimited(request: Request): boolean {
  if ((request.flags & FUSE_MASK) !== 0) return false;
  switch (request.opcode) {
    case IoOpcode.read:
    case IoOpcode.write:
    case IoOpcode.compare:
    case IoOpcode.writeZeroes:
    case IoOpcode.datasetManagement:
      return true;
    default:
      return false;
  }
}

/** A Compare changes nothing, and reads what it compares with. */
function isRead({ opcode }: Request): boolean {
  return opcode === IoOpcode.read || opcode === IoOpcode.compare;
}

/** What is zeroed or deallocated does not move. */
function dataBytes(request: Request): number {
  const { opcode, length } = request;
  return opcode === IoOpcode.writeZeroes || opcode === IoOpcode.datasetManagement ? 0 : length;
}
