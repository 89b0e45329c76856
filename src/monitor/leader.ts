/**
 * What the leader does beside deciding: tells the machine what it sees, does what the committed map asks for, and tells
 * everybody that there is a new map. Lasts for one term.
 */
import type { Clock, Timers } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Beacon } from './beacon.ts';
import type { BeaconWatch } from './beacon-watch.ts';
import type { Coordination, MapReading } from './coordination.ts';
import { FenceWork } from './fence-work.ts';
import type { GroupMap } from './group-map.ts';
import { Tenure } from './tenure.ts';
import { LONGEST_LEASE_MS, type MonitorTimes } from './times.ts';

/** What an incarnation that no map knows has left behind is removed after so long without a change. */
const LEFT_BEHIND_MS = 60_000;
/** A process that was frozen for longer than its entry on the blocklist lasts, 30 days, gets no lease either when it wakes. */
const REVOKED_FOR_MS = 60 * 86_400_000;

export interface LeaderOptions {
  readonly coordination: Coordination;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly times: MonitorTimes;
  readonly log: Log;
  readonly watch: BeaconWatch;
  /** What this gateway has become the leader with. */
  readonly begin: MapReading;
  /** After a map was committed. */
  onCommit(reading: MapReading): void;
  onDeposed(): void;
  onFailure(error: NodeJS.ErrnoException): void;
}

export class Leader {
  readonly #options: LeaderOptions;
  readonly #tenure: Tenure;
  readonly #fences: FenceWork;
  /** Sequence of the last beacon of each incarnation that the machine was given. */
  readonly #given = new Map<string, number>();
  /** Sequence of the first beacon that was seen in this term of an incarnation that the map does not know. */
  readonly #strangers = new Map<string, number>();
  /** Of incarnations whose beacon was heard. */
  readonly #leases = new Map<string, number>();
  readonly #forgetting = new Set<string>();
  readonly #begunMs: number;
  /** Incarnations that the committed map knows something of. */
  #known: ReadonlySet<string>;

  constructor(options: LeaderOptions) {
    const { coordination, clock, timers, times, log, watch, begin, onDeposed, onFailure } = options;
    this.#options = options;
    this.#known = incarnationsOf(begin.map);
    this.#begunMs = clock.nowMs();
    this.#fences = new FenceWork({
      coordination,
      clock,
      timers,
      log,
      leaseOf: (incarnation) => this.#leaseOf(incarnation),
      onFenced: ({ incarnation, address }) => this.#tenure.take({ kind: 'fenced', incarnation, address }),
      onFailure,
    });
    this.#tenure = new Tenure({
      coordination,
      clock,
      timers,
      times,
      log,
      begin,
      beacons: watch.beacons(),
      isBlind: () => watch.isBlind,
      onCommit: (reading) => this.#committed(reading),
      onDeposed,
      onFailure,
    });
    this.#fences.work(begin.map);
    coordination.notify(begin.map.epoch);
  }

  get term(): number {
    return this.#tenure.committed.leadership.term;
  }

  /** The beacons have been read, as they were at `readMs` or later. */
  look(readMs: number): void {
    const { watch } = this.#options;
    for (const beacon of watch.beacons()) {
      if (this.#known.has(beacon.incarnation) || (readMs >= this.#begunMs && this.#lives(beacon)))
        this.hear(beacon);
    }
    for (const { gateway, incarnation, silentMs } of watch.suspects())
      this.lose(gateway, incarnation, `silent for ${(silentMs / 1000).toFixed(1)} s`);
    this.#tenure.take({ kind: 'tick' });
    this.#clearUp();
  }

  /** A beacon that was just made. */
  hear(beacon: Beacon): void {
    if (beacon.sequence <= (this.#given.get(beacon.incarnation) ?? -1)) return;
    this.#given.set(beacon.incarnation, beacon.sequence);
    this.#leases.set(beacon.incarnation, beacon.leaseMs ?? this.#options.times.lease);
    this.#tenure.take({ kind: 'beacon', beacon });
  }

  lose(gateway: string, incarnation: string, reason: string): void {
    this.#tenure.take({ kind: 'lost', gateway, incarnation, reason });
  }

  /** Commits what is still to be committed and leaves the place to others. */
  async resign(): Promise<void> {
    this.#fences.stop();
    await this.#tenure.resign();
  }

  /** Leaves the place to others as it is. */
  vacate(): void {
    this.#fences.stop();
    void this.#tenure.vacate();
  }

  /** Others lead, or nobody shall know. */
  end(): void {
    this.#fences.stop();
    this.#tenure.end();
  }

  #committed(reading: MapReading): void {
    const { coordination, onCommit } = this.#options;
    const { map } = reading;
    const known = incarnationsOf(map);
    const gone = [...this.#known].filter((incarnation) => !known.has(incarnation));
    this.#known = known;
    this.#fences.work(map);
    coordination.notify(map.epoch);
    onCommit(reading);
    for (const incarnation of gone) this.#forget(incarnation);
  }

  /** As it has told: gateways may be configured differently, while that is being changed. Unknown: as long as can be. */
  #leaseOf(incarnation: string): number {
    return this.#leases.get(incarnation) ?? LONGEST_LEASE_MS;
  }

  /** Whether the beacon has changed in this term: an old one, left behind by a run that ended well, would pass for a restart. */
  #lives({ incarnation, sequence }: Beacon): boolean {
    const first = this.#strangers.get(incarnation);
    if (first === undefined) this.#strangers.set(incarnation, sequence);
    return first !== undefined && sequence > first;
  }

  /** What those have left behind that never came into the map, or whose leader died before it could clear up. */
  #clearUp(): void {
    const { watch } = this.#options;
    for (const beacon of watch.beacons()) {
      if (watch.ageMs(beacon.incarnation)! > LEFT_BEHIND_MS && !this.#known.has(beacon.incarnation))
        this.#forget(beacon.incarnation);
    }
  }

  #forget(incarnation: string): void {
    if (this.#forgetting.has(incarnation)) return;
    this.#forgetting.add(incarnation);
    this.#given.delete(incarnation);
    this.#leases.delete(incarnation);
    this.#strangers.delete(incarnation);
    const { coordination, clock, log } = this.#options;
    coordination
      .forget(incarnation, clock.wallMs() - REVOKED_FOR_MS)
      .catch((err: unknown) => log.debug({ incarnation, err }, 'a beacon was left behind'))
      .finally(() => this.#forgetting.delete(incarnation));
  }
}

/** All incarnations that the map knows something of. */
function incarnationsOf({ gateways, groups, fences }: GroupMap): Set<string> {
  return new Set([
    ...gateways.flatMap(({ incarnation }) => (incarnation === null ? [] : [incarnation.id])),
    ...groups.flatMap(({ holders }) => holders.map(({ incarnation }) => incarnation)),
    ...fences.map(({ incarnation }) => incarnation),
  ]);
}
