/** What one step of the machine writes to: the state before it, and what becomes of it. */
import type { Beacon } from '../beacon.ts';
import {
  type AdminAnswer,
  type AnaGroupEntry,
  type Fence,
  type GatewayEntry,
  type GroupMap,
  MAX_HISTORY,
  type OwnershipChange,
} from '../group-map.ts';
import type { AdminRequest, MachineState, Now } from '../machine.ts';
import type { Board } from '../placement.ts';
import type { MonitorTimes } from '../times.ts';

/** A group that lost its owner in this step. */
export interface Orphan {
  readonly from: string;
  readonly location: string | null;
  readonly hosts: readonly string[];
}

/** Things that the leader remembers for a time, whether or not anything waits for them: prefix of the key, and how long, ms. */
const REMEMBERED = { backoff: 30_000, gone: 3_600_000 } as const;

export class Draft implements Board {
  readonly now: Now;
  readonly times: MonitorTimes;
  /** Of the map that this step makes, if it makes one. */
  readonly epoch: number;
  readonly orphans = new Map<number, Orphan>();
  /** Asked in this step at gateways that are not in the map. */
  petitions: readonly AdminRequest[] = [];
  gateways: readonly GatewayEntry[];
  groups: readonly AnaGroupEntry[];
  fences: readonly Fence[];
  history: readonly OwnershipChange[];
  answers: readonly AdminAnswer[];
  seen: ReadonlyMap<string, Beacon>;
  readonly #before: MachineState;
  readonly #since = new Map<string, number>();

  constructor(before: MachineState, now: Now, times: MonitorTimes) {
    this.#before = before;
    this.now = now;
    this.times = times;
    const { map } = before;
    this.epoch = map.epoch + 1;
    this.gateways = map.gateways;
    this.groups = map.groups;
    this.fences = map.fences;
    this.history = map.history;
    this.answers = map.answers;
    this.seen = before.seen;
    this.#keepRemembered();
  }

  gateway(name: string): GatewayEntry | undefined {
    return this.gateways.find((gateway) => gateway.name === name);
  }

  /** Adds the entry, or replaces the one of that name. */
  putGateway(entry: GatewayEntry): void {
    const others = this.gateways.filter(({ name }) => name !== entry.name);
    this.gateways = [...others, entry].sort((a, b) => a.slot - b.slot);
  }

  dropGateway(name: string): void {
    this.gateways = this.gateways.filter((gateway) => gateway.name !== name);
  }

  group(id: number): AnaGroupEntry | undefined {
    return this.groups.find((group) => group.id === id);
  }

  /** Adds the entry, or replaces the one with that id. */
  putGroup(entry: AnaGroupEntry): void {
    const at = this.groups.findIndex(({ id }) => id === entry.id);
    this.groups = at >= 0 ? this.groups.with(at, entry) : [...this.groups, entry].sort((a, b) => a.id - b.id);
  }

  dropGroup(id: number): void {
    this.groups = this.groups.filter((group) => group.id !== id);
  }

  /** The client is done for: on the blocklist, without lease. */
  commitFence(incarnation: string, address: string): void {
    const ends = (fence: Fence) =>
      fence.incarnation === incarnation && fence.address === address && fence.state === 'intended';
    if (!this.fences.some(ends)) return;
    this.fences = this.fences.map((fence) => (ends(fence) ? { ...fence, state: 'committed' } : fence));
  }

  putBeacon(beacon: Beacon): void {
    this.seen = new Map(this.seen).set(beacon.gateway, beacon);
  }

  dropBeacon(gateway: string): void {
    if (!this.seen.has(gateway)) return;
    const seen = new Map(this.seen);
    seen.delete(gateway);
    this.seen = seen;
  }

  /** The last beacon of this very incarnation. */
  beaconOf({ gateway, incarnation }: { gateway: string; incarnation: string }): Beacon | undefined {
    const beacon = this.seen.get(gateway);
    return beacon?.incarnation === incarnation ? beacon : undefined;
  }

  /** For how long, ms, each step until now has found the same thing waiting. */
  waiting(key: string): number {
    const since = this.#before.since.get(key) ?? this.now.ms;
    this.#since.set(key, since);
    return this.now.ms - since;
  }

  /** What begins to wait in this step, even if something of that name waited before. */
  beginWaiting(key: string): void {
    this.#since.set(key, this.now.ms);
  }

  remember(what: keyof typeof REMEMBERED, of: string | number): void {
    this.#since.set(`${what} ${of}`, this.now.ms);
  }

  remembers(what: keyof typeof REMEMBERED, of: string | number): boolean {
    return this.#since.has(`${what} ${of}`);
  }

  /** Adds to the history of a group. */
  record(change: Omit<OwnershipChange, 'epoch' | 'marks'>): void {
    const entry = { ...change, epoch: this.epoch, marks: { decided: this.now.wallMs } };
    this.history = [...this.history, entry].slice(-MAX_HISTORY);
  }

  /** The group's last change of ownership, if the history still has it. */
  lastChange(group: number): OwnershipChange | undefined {
    return this.history.findLast((change) => change.group === group);
  }

  /** Marks the group's last change, the first time. */
  mark(group: number, name: string): void {
    const at = this.history.findLastIndex((change) => change.group === group);
    if (at < 0 || name in this.history[at].marks) return;
    const { marks } = this.history[at];
    this.history = this.history.with(at, {
      ...this.history[at],
      marks: { ...marks, [name]: this.now.wallMs },
    });
  }

  /** The state after the step; what did not change is the same object as before. */
  finish(): MachineState {
    const { map, seen, since } = this.#before;
    const after = {
      map: this.#map(map),
      seen: this.seen,
      since: sameEntries(since, this.#since) ? since : this.#since,
    };
    const same = after.map === map && after.seen === seen && after.since === since;
    return same ? this.#before : after;
  }

  #map(before: GroupMap): GroupMap {
    const { gateways, groups, fences, history, answers } = this;
    const changed =
      gateways !== before.gateways ||
      groups !== before.groups ||
      fences !== before.fences ||
      history !== before.history ||
      answers !== before.answers;
    return changed ? { epoch: this.epoch, gateways, groups, fences, history, answers } : before;
  }

  #keepRemembered(): void {
    for (const [key, since] of this.#before.since) {
      const lasts = REMEMBERED[key.split(' ', 1)[0] as keyof typeof REMEMBERED];
      if (lasts !== undefined && this.now.ms - since < lasts) this.#since.set(key, since);
    }
  }
}

function sameEntries(one: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>): boolean {
  return one.size === other.size && [...one].every(([key, value]) => other.get(key) === value);
}
