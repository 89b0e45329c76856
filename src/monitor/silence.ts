/**
 * Who has fallen silent, judged by changes of the beacons on the judge's own monotonic clock. Every gateway watches at all times,
 * so that a new leader knows at once. Who sees nothing move, itself included, suspects nobody; who looks late, because it was held up
 * or the cluster is slow, counts only the time in which it would have looked in vain (ha-design L3, L4).
 */
import type { Beacon } from './beacon.ts';
import type { Holder } from './group-map.ts';
import type { MonitorTimes } from './times.ts';

export interface Suspect extends Holder {
  readonly silentMs: number;
}

interface Watched extends Holder {
  /** Of its newest beacon; -1: none was seen. */
  readonly sequence: number;
  /** When that was new, or when the clocks started anew. */
  readonly sinceMs: number;
}

export class Silence {
  readonly #times: MonitorTimes;
  #watched = new Map<string, Watched>();
  #expected = new Set<string>();
  #self = '';
  #lookedMs = Number.NEGATIVE_INFINITY;
  #judgedMs: number;

  constructor(times: MonitorTimes, nowMs: number) {
    this.#times = times;
    this.#judgedMs = nowMs;
  }

  /** When it last was in a position to say who is silent; at first, when it began. */
  get judgedMs(): number {
    return this.#judgedMs;
  }

  /** The judge's own incarnation: until its beacon comes back, nobody is suspected. */
  become(incarnation: string, nowMs: number): void {
    this.#self = incarnation;
    this.startAnew(nowMs);
  }

  /** Runs that the map names, which are the ones to judge: the clock of one that was never seen starts here. */
  expect(runs: readonly Holder[], nowMs: number): void {
    this.#expected = new Set(runs.map(({ incarnation }) => incarnation));
    for (const { gateway, incarnation } of runs) {
      if (!this.#watched.has(incarnation))
        this.#watch({ gateway, incarnation, sequence: -1, sinceMs: nowMs });
    }
  }

  /** All beacons, as just read. */
  saw(beacons: readonly Beacon[], nowMs: number): void {
    this.#moveClocksOn(nowMs);
    this.#lookedMs = nowMs;
    if (this.#isBlind(nowMs)) this.startAnew(nowMs);
    else this.#judgedMs = nowMs;
    for (const beacon of beacons) this.#notice(beacon, nowMs);
    this.#forgetOthers(beacons);
  }

  /** Runs that the map names and whose beacons have not changed for the grace, the judge's own excepted. */
  suspects(nowMs: number): readonly Suspect[] {
    if (nowMs - this.#lookedMs > 2 * this.#times.tick || this.#isBlind(nowMs)) return [];
    return [...this.#watched.values()]
      .filter(({ incarnation }) => incarnation !== this.#self && this.#expected.has(incarnation))
      .map(({ gateway, incarnation, sinceMs }) => ({ gateway, incarnation, silentMs: nowMs - sinceMs }))
      .filter(({ silentMs }) => silentMs >= this.#times.grace);
  }

  /** A look that came late, or took long: of the time since the last one no more than a tick counts. */
  #moveClocksOn(nowMs: number): void {
    const gapMs = nowMs - this.#lookedMs;
    if (gapMs <= 2 * this.#times.tick) return;
    const lostMs = gapMs - this.#times.tick;
    for (const watched of this.#watched.values())
      this.#watch({ ...watched, sinceMs: Math.min(nowMs, watched.sinceMs + lostMs) });
  }

  /** The judge may have missed something: nobody has been silent. */
  startAnew(nowMs: number): void {
    for (const watched of this.#watched.values()) this.#watch({ ...watched, sinceMs: nowMs });
  }

  /** Its own beacon does not come back: that the others' do not says nothing about them. */
  #isBlind(nowMs: number): boolean {
    const own = this.#watched.get(this.#self);
    return own === undefined || own.sequence < 0 || nowMs - own.sinceMs >= this.#times.grace / 2;
  }

  #notice({ gateway, incarnation, sequence }: Beacon, nowMs: number): void {
    const known = this.#watched.get(incarnation)?.sequence ?? -1;
    if (sequence > known) this.#watch({ gateway, incarnation, sequence, sinceMs: nowMs });
  }

  #watch(watched: Watched): void {
    this.#watched.set(watched.incarnation, watched);
  }

  /** Neither in the map nor among the beacons: it is over. */
  #forgetOthers(beacons: readonly Beacon[]): void {
    const present = new Set(beacons.map(({ incarnation }) => incarnation));
    for (const incarnation of this.#watched.keys()) {
      const isOver = !present.has(incarnation) && !this.#expected.has(incarnation);
      if (isOver && incarnation !== this.#self) this.#watched.delete(incarnation);
    }
  }
}
