/**
 * One term of this gateway as the leader: takes events, has the machine decide, and commits what it decided, one write at a
 * time. All events that came in meanwhile go into the next commit. Ends when the map has another leader (ha-design S5).
 */
import type { Clock, Timer, Timers } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Beacon } from './beacon.ts';
import type { Coordination, Leadership, MapReading } from './coordination.ts';
import { beginWith, type MachineEvent, type MachineState, stepAll } from './machine.ts';
import { Rounds } from './rounds.ts';
import type { MonitorTimes } from './times.ts';

/** A map that could not be read back is read again after so long. */
const READ_AGAIN_MS = 250;

export interface TenureOptions {
  readonly coordination: Coordination;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly times: MonitorTimes;
  readonly log: Log;
  /** What this gateway has become the leader with. */
  readonly begin: MapReading;
  /** What it knows of the others. */
  readonly beacons: readonly Beacon[];
  /** This gateway cannot judge the others: it shows no life as the leader, so that one that can takes its place. */
  isBlind(): boolean;
  /** After a map was committed, and before anything else happens. */
  onCommit(reading: MapReading): void;
  /** Somebody else leads. */
  onDeposed(): void;
  onFailure(error: NodeJS.ErrnoException): void;
}

export class Tenure {
  readonly #options: TenureOptions;
  readonly #beats: Rounds;
  /** What the map object holds. */
  #committed: MapReading;
  /** The machine's, with the committed map. */
  #state: MachineState;
  /** Not decided on, or decided and not committed; the newest of a kind. */
  #events = new Map<string, MachineEvent>();
  #soon: Timer | null = null;
  #writing: Promise<void> | null = null;
  #writtenMs: number;
  #ended = false;

  constructor(options: TenureOptions) {
    const { clock, timers, times, begin, beacons } = options;
    this.#options = options;
    this.#committed = begin;
    this.#state = beginWith(begin.map, beacons);
    this.#writtenMs = clock.nowMs();
    this.#beats = new Rounds({ clock, timers, everyMs: times.beacon / 2, work: () => this.#beat() });
    this.#beats.start();
  }

  get committed(): MapReading {
    return this.#committed;
  }

  /** The machine decides on it at the end of this turn of the event loop, or after the commit under way. */
  take(event: MachineEvent): void {
    if (this.#ended) return;
    this.#put(event);
    this.#soon ??= this.#options.timers.after(0, () => this.#advance());
  }

  /** Nothing is committed any more, except by a write that is under way. */
  end(): void {
    this.#ended = true;
    this.#beats.stop();
    this.#soon?.cancel();
  }

  /** Commits what is to be committed, then leaves the place to others. */
  async resign(): Promise<void> {
    this.#advance();
    while (this.#writing !== null && !this.#ended) await this.#writing;
    if (!this.#ended) await this.vacate();
  }

  /** Leaves the place to others at once: they need not wait until its beat has stood still. */
  async vacate(): Promise<void> {
    this.end();
    await this.#writing;
    const { leadership } = this.#committed;
    const vacant = { ...leadership, gateway: '', incarnation: '', beat: leadership.beat + 1 };
    await this.#options.coordination.lead(leadership, vacant).catch(() => false);
  }

  /** At the end, in place of an earlier one of its kind. */
  #put(event: MachineEvent): void {
    const key = keyOf(event);
    this.#events.delete(key);
    this.#events.set(key, event);
  }

  #advance(): void {
    this.#soon?.cancel();
    this.#soon = null;
    if (this.#writing !== null || this.#ended || this.#events.size === 0) return;
    const { clock, times } = this.#options;
    const now = { ms: clock.nowMs(), wallMs: clock.wallMs() };
    const events = this.#events;
    const before = this.#state;
    const after = stepAll(before, [...events.values()], now, times);
    this.#events = new Map();
    if (after.map === before.map) {
      this.#state = after;
      return;
    }
    this.#begin(this.#write(after, events));
  }

  #beat(): void {
    const { clock, times, isBlind } = this.#options;
    if (this.#writing !== null || this.#ended || isBlind()) return;
    if (clock.nowMs() - this.#writtenMs < times.beacon * 0.75) return;
    this.#begin(this.#write(this.#state, new Map()));
  }

  #begin(write: Promise<void>): void {
    this.#writing = write.then(() => {
      this.#writing = null;
      this.#advance();
    });
  }

  /** `events` led to `state`; they are taken anew if it cannot be committed. */
  async #write(state: MachineState, events: ReadonlyMap<string, MachineEvent>): Promise<void> {
    const { coordination, clock, isBlind } = this.#options;
    const { leadership: before, map: mapBefore } = this.#committed;
    const changed = state.map !== mapBefore;
    const after: Leadership = { ...before, beat: before.beat + (isBlind() ? 0 : 1) };
    this.#writtenMs = clock.nowMs();
    let done = false;
    try {
      done = await coordination.lead(before, after, ...(changed ? [state.map] : []));
    } catch (error) {
      if (!this.#ended) this.#options.onFailure(error as NodeJS.ErrnoException);
    }
    const committed = done ? { leadership: after, map: state.map } : await this.#readBack();
    if (committed === null || this.#ended) return;
    this.#committed = committed;
    if (done) this.#state = state;
    else {
      // A map that was read back may be that of an earlier try, come true late and without some of the events.
      this.#state = { ...this.#state, map: committed.map };
      this.#events = new Map([...events, ...this.#events]);
    }
    if (committed.map.epoch !== mapBefore.epoch) this.#options.onCommit(committed);
  }

  /** After a write whose outcome is not known: what the map object holds. null: somebody else leads. */
  async #readBack(): Promise<MapReading | null> {
    const { coordination, timers, log, onDeposed } = this.#options;
    while (!this.#ended) {
      const reading = await coordination.readMap().catch(() => null);
      if (this.#ended) return null;
      if (reading === null) {
        await new Promise<void>((resolve) => {
          timers.after(READ_AGAIN_MS, resolve);
        });
        continue;
      }
      const { term, gateway, incarnation } = this.#committed.leadership;
      if (reading.leadership.term === term && reading.leadership.incarnation === incarnation) return reading;
      log.warn({ gateway, term, leader: reading.leadership.gateway }, 'this gateway leads no more');
      this.end();
      onDeposed();
    }
    return null;
  }
}

function keyOf(event: MachineEvent): string {
  switch (event.kind) {
    case 'beacon':
      return `beacon ${event.beacon.incarnation}`;
    case 'lost':
      return `lost ${event.incarnation}`;
    case 'fenced':
      return `fenced ${event.incarnation} ${event.address}`;
    case 'tick':
      return 'tick';
  }
}
