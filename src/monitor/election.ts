/**
 * When this gateway stands for leader. Any gateway can lead; who does is decided by a compare-and-swap of the leadership in the
 * map object, so that a candidate too many does no harm. A leader is replaced when it has resigned, when its stream ended
 * abruptly, or when its beat stood still for long enough on the clock of whoever replaces it (ha-design L4).
 */
import type { Clock, Timer, Timers } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Coordination, Leadership, MapReading } from './coordination.ts';
import type { GroupMap } from './group-map.ts';
import type { MonitorTimes } from './times.ts';

/** Candidates stand one after the other, by slot: the first wins before the next one tries. */
const STAGGER_MS = 40;
/** One that does not see the beacons comes so much later: it could not judge the others. */
const BLIND_MS = 1000;

export interface Candidate {
  readonly gateway: string;
  readonly incarnation: string;
  readonly peerAddress: string;
  readonly peerPort: number;
  /** It goes soon: others first. */
  readonly leaving: boolean;
}

export interface ElectionOptions {
  readonly coordination: Coordination;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly times: MonitorTimes;
  readonly log: Log;
  /** This gateway; null: it has no incarnation at the moment. */
  candidate(): Candidate | null;
  /** This gateway cannot read the beacons. */
  isBlind(): boolean;
  onWon(reading: MapReading): void;
  onFailure(error: NodeJS.ErrnoException): void;
}

export class Election {
  readonly #options: ElectionOptions;
  #last: MapReading | null = null;
  #readMs = Number.NEGATIVE_INFINITY;
  #movedMs = 0;
  #standing: Timer | null = null;
  /** Leadership that this gateway wrote and that may have been taken without an answer. */
  #claimed: Leadership | null = null;
  #stopped = false;

  constructor(options: ElectionOptions) {
    this.#options = options;
  }

  /** Last seen. */
  get leadership(): Leadership | null {
    return this.#last?.leadership ?? null;
  }

  /** ms since the leader was last seen to do something. */
  get silentMs(): number {
    return this.#options.clock.nowMs() - this.#movedMs;
  }

  /** What was read just now, in the order of reading. */
  observe(reading: MapReading): void {
    const { clock, times } = this.#options;
    const before = this.#last?.leadership;
    const { leadership } = reading;
    if (before !== undefined && isOlder(leadership, before)) return;
    const nowMs = clock.nowMs();
    // Whoever was late itself has not seen the leader stand still.
    const late = nowMs - this.#readMs > times.beacon * 3;
    if (late || before === undefined || !isSame(leadership, before)) this.#movedMs = nowMs;
    if (before !== undefined && !isSameTerm(leadership, before)) this.#withdraw();
    this.#last = reading;
    this.#readMs = nowMs;
    if (this.#claimed !== null && isSameTerm(leadership, this.#claimed)) this.#win(reading);
    else if (this.#isVacant(leadership)) this.#stand(isSameTerm);
    else if (this.silentMs >= times.leaderGrace && !this.#options.isBlind()) this.#stand(isSame);
  }

  /** The stream to this leader ended as if its process had. */
  ended({ term }: Leadership): void {
    if (this.#last?.leadership.term === term) this.#stand(isSameTerm);
  }

  stop(): void {
    this.#stopped = true;
    this.#withdraw();
  }

  /** There is no leader, it has resigned, or it was a former run of this gateway: of its name, and at its place. */
  #isVacant({ gateway, incarnation, peerAddress, peerPort }: Leadership): boolean {
    const own = this.#options.candidate();
    if (incarnation === '' || own === null) return incarnation === '';
    const isHere = peerAddress === own.peerAddress && peerPort === own.peerPort;
    return gateway === own.gateway && incarnation !== own.incarnation && isHere;
  }

  /** Claims the place when its turn comes, if the leadership then still `isStale` compared with the one known now. */
  #stand(isStale: typeof isSame): void {
    const { candidate, timers, isBlind } = this.#options;
    const own = candidate();
    if (this.#standing !== null || this.#stopped || own === null) return;
    const { leadership, map } = this.#last!;
    if (leadership.incarnation === own.incarnation) return;
    const rank = rankOf(map, own, leadership.gateway);
    const delayMs = rank * STAGGER_MS + (isBlind() ? BLIND_MS : 0);
    this.#standing = timers.after(delayMs, () => void this.#claim(own, (now) => isStale(now, leadership)));
  }

  #withdraw(): void {
    this.#standing?.cancel();
    this.#standing = null;
  }

  /** Unless the leader has shown life, or another one came. */
  async #claim(own: Candidate, isStale: (now: Leadership) => boolean): Promise<void> {
    const { coordination, candidate, onFailure } = this.#options;
    try {
      const reading = await coordination.readMap();
      const { leadership } = reading;
      if (this.#stopped || candidate()?.incarnation !== own.incarnation) return;
      if (!isStale(leadership)) return;
      const { gateway, incarnation, peerAddress, peerPort } = own;
      const claim = { term: leadership.term + 1, gateway, incarnation, beat: 1, peerAddress, peerPort };
      this.#claimed = claim;
      // If not, or not known: an earlier try may have come true late. That shows with the next reading.
      if (await coordination.lead(leadership, claim)) this.#win({ leadership: claim, map: reading.map });
    } catch (error) {
      if (!this.#stopped) onFailure(error as NodeJS.ErrnoException);
    } finally {
      this.#standing = null;
    }
  }

  #win(reading: MapReading): void {
    this.#claimed = null;
    if (this.#stopped || this.#options.candidate()?.incarnation !== reading.leadership.incarnation) return;
    this.#last = reading;
    this.#movedMs = this.#options.clock.nowMs();
    this.#options.log.info({ term: reading.leadership.term }, 'this gateway leads the group');
    this.#options.onWon(reading);
  }
}

/** 0 stands first. Whoever is not in the map yet, or leaves, comes after the others. */
function rankOf(map: GroupMap, own: Candidate, leader: string): number {
  const others = map.gateways.filter(
    ({ name, availability }) => availability === 'AVAILABLE' && name !== leader && name !== own.gateway,
  );
  const slot = map.gateways.find(({ name }) => name === own.gateway)?.slot;
  if (slot === undefined || own.leaving) return others.length;
  return others.filter((other) => other.slot < slot).length;
}

function isSameTerm(one: Leadership, other: Leadership): boolean {
  return one.term === other.term && one.incarnation === other.incarnation;
}

function isSame(one: Leadership, other: Leadership): boolean {
  return isSameTerm(one, other) && one.beat === other.beat;
}

function isOlder(one: Leadership, other: Leadership): boolean {
  return one.term < other.term || (one.term === other.term && one.beat < other.beat);
}
