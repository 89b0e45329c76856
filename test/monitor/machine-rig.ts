/** A leader's machine with gateways that follow its map: honestly, late, or not at all. */
import { expect } from 'vitest';
import type { Beacon, GroupActivity } from '../../src/monitor/beacon.ts';
import {
  type AnaGroupEntry,
  type ClientAddress,
  type Fence,
  type GatewayEntry,
  type GroupMap,
  gatewayOf,
  groupOf,
  isFenced,
  maySelfServe,
  pendingFences,
} from '../../src/monitor/group-map.ts';
import {
  type AdminCommand,
  type AdminRequest,
  beginWith,
  type MachineEvent,
  type MachineState,
  NOTHING,
  stepAll,
} from '../../src/monitor/machine.ts';
import { MONITOR_TIMES } from '../../src/monitor/times.ts';
import { checkPurity, checkStep } from './machine-invariants.ts';

export const TIMES = MONITOR_TIMES;

let addresses = 0;

/** One gateway. What it says is in `condition`; what it does follows from the maps that it applies. */
export class FakeGateway {
  readonly name: string;
  condition: Partial<Beacon> = {};
  requests: AdminRequest[] = [];
  incarnation = '';
  appliedEpoch = 0;
  /** Its clients get leases, or would. */
  leases = true;
  #run = 0;
  #sequence = 0;
  #clients = new Map<number, ClientAddress>();
  #activities = new Map<number, GroupActivity>();

  constructor(name: string) {
    this.name = name;
    this.restart();
  }

  /** A new process, or a new incarnation in the old one. */
  restart(): void {
    this.#run += 1;
    this.incarnation = `${this.name}.${this.#run}`;
    this.#sequence = 0;
    this.appliedEpoch = 0;
    this.#activities = new Map();
    this.#clients = new Map();
    this.#connect(0);
  }

  beacon(changes: Partial<Beacon> = {}): Beacon {
    this.#sequence += 1;
    return {
      gateway: this.name,
      incarnation: this.incarnation,
      sequence: this.#sequence,
      available: true,
      leaving: false,
      goodbye: false,
      location: '',
      peerAddress: '192.0.2.1',
      peerPort: 5500,
      clients: [...this.#clients.values()],
      appliedEpoch: this.appliedEpoch,
      groups: [...this.#activities].map(([id, activity]) => ({
        id,
        activity,
        leased: this.leases && activity !== 'taking-over',
      })),
      populated: [],
      uncovered: [],
      hosts: [],
      load: 0,
      linkDown: false,
      unreachable: [],
      reachable: [],
      requests: [...this.requests],
      ...this.condition,
      ...changes,
    };
  }

  activity(group: number): GroupActivity | undefined {
    return this.#activities.get(group);
  }

  /** Groups that it may be writing to. */
  writes(): readonly number[] {
    const busy = [...this.#activities].filter(
      ([, activity]) => activity === 'serving' || activity === 'releasing',
    );
    return busy.map(([id]) => id);
  }

  clientOf(group: number): ClientAddress | undefined {
    return this.#clients.get(group);
  }

  /** Reads the map and starts to obey it; found fenced, it begins anew. A lazy one does not take over yet. */
  apply(map: GroupMap, lazy = false): void {
    if (isFenced(map, this.incarnation)) {
      this.restart();
      return;
    }
    const registered = gatewayOf(map, this.name)?.incarnation;
    const gone = [...this.#activities.keys()].filter((id) => groupOf(map, id) === undefined);
    for (const id of gone)
      if (this.#activities.get(id) !== 'standby') throw new Error('group left the map while served');
    for (const id of gone) this.#activities.delete(id);
    for (const group of map.groups) {
      this.#connect(group.id);
      this.#activities.set(
        group.id,
        this.#next(group, registered?.id === this.incarnation ? registered.clients : [], lazy),
      );
    }
    this.appliedEpoch = map.epoch;
    this.requests = this.requests.filter(({ id }) => map.answers.every((answer) => answer.id !== id));
  }

  /** What it was releasing is released now. */
  finishReleases(): void {
    for (const [id, activity] of this.#activities)
      if (activity === 'releasing') this.#activities.set(id, 'standby');
  }

  #next(group: AnaGroupEntry, registered: readonly ClientAddress[], lazy: boolean): GroupActivity {
    const now = this.#activities.get(group.id) ?? 'standby';
    if (group.owner?.incarnation !== this.incarnation || group.next !== null) {
      return now === 'serving' ? 'releasing' : now === 'taking-over' ? 'standby' : now;
    }
    if (lazy) return now;
    if (!maySelfServe(group, this.incarnation)) return now === 'standby' ? 'taking-over' : now;
    const known = registered.some(({ address }) => address === this.clientOf(group.id)?.address);
    return known ? 'serving' : 'taking-over';
  }

  #connect(group: number): void {
    if (this.#clients.has(group)) return;
    addresses += 1;
    this.#clients.set(group, { group, address: `192.0.2.${1 + (addresses % 250)}:0/${addresses}` });
  }
}

/** Steps the machine and checks after each step what has to hold always. */
export class Rig {
  state: MachineState = NOTHING;
  nowMs = 1_000_000;
  /** Steps are taken twice, on values that cannot be written to. */
  checksPurity = false;
  readonly gateways = new Map<string, FakeGateway>();
  #requests = 0;

  get map(): GroupMap {
    return this.state.map;
  }

  /** Gateways that run: the first beacon of each is in, then they have had time to settle. */
  static running(names: readonly string[], condition: Partial<Beacon> = {}): Rig {
    const rig = new Rig();
    for (const name of names) rig.add(name, condition);
    rig.rounds(12);
    return rig;
  }

  add(name: string, condition: Partial<Beacon> = {}): FakeGateway {
    const gateway = new FakeGateway(name);
    gateway.condition = condition;
    this.gateways.set(name, gateway);
    this.send({ kind: 'beacon', beacon: gateway.beacon() });
    return gateway;
  }

  get(name: string): FakeGateway {
    const gateway = this.gateways.get(name);
    if (gateway === undefined) throw new Error(`no fake gateway ${name}`);
    return gateway;
  }

  send(...events: MachineEvent[]): void {
    const before = this.state;
    const now = { ms: this.nowMs, wallMs: 1_700_000_000_000 + this.nowMs };
    this.state = stepAll(before, events, now, TIMES);
    checkStep(before, events, this.state, now);
    if (this.checksPurity) checkPurity(before, events, this.state, now);
  }

  beacon(name: string, changes: Partial<Beacon> = {}): void {
    this.send({ kind: 'beacon', beacon: this.get(name).beacon(changes) });
  }

  tick(ms = 0): void {
    this.nowMs += ms;
    this.send({ kind: 'tick' });
  }

  lose(name: string, reason = 'silent for 2.0 s'): void {
    this.send({
      kind: 'lost',
      gateway: name,
      incarnation: gatewayOf(this.map, name)?.incarnation?.id ?? '',
      reason,
    });
  }

  fence({ incarnation, address }: Pick<Fence, 'incarnation' | 'address'>): void {
    this.send({ kind: 'fenced', incarnation, address });
  }

  fenceAll(): void {
    for (const fence of pendingFences(this.map)) this.fence(fence);
  }

  /** Everybody reads the map, does what it says, and reports; `count` times, `ms` apart. */
  rounds(count: number, ms = TIMES.beacon, names: Iterable<string> = this.gateways.keys()): void {
    const present = [...names];
    for (let round = 0; round < count; round += 1) {
      for (const name of present) {
        this.get(name).finishReleases();
        this.get(name).apply(this.map);
        this.beacon(name);
      }
      this.tick(ms);
    }
  }

  /** A request of an operator, made at a gateway. Returns its refusal, null when done, undefined when there is no answer yet. */
  ask(at: string, command: AdminCommand): string | null | undefined {
    this.#requests += 1;
    const id = `request-${this.#requests}`;
    this.get(at).requests.push({ id, command });
    this.beacon(at);
    return this.answer(id);
  }

  answer(id = `request-${this.#requests}`): string | null | undefined {
    return this.map.answers.find((answer) => answer.id === id)?.refusal;
  }

  group(id: number): AnaGroupEntry {
    const group = groupOf(this.map, id);
    if (group === undefined) throw new Error(`no ANA group ${id}`);
    return group;
  }

  entry(name: string): GatewayEntry {
    const entry = gatewayOf(this.map, name);
    if (entry === undefined) throw new Error(`no gateway ${name} in the map`);
    return entry;
  }

  /** Owner of each group, by id. */
  owners(): Record<number, string | null> {
    return Object.fromEntries(this.map.groups.map(({ id, owner }) => [id, owner?.gateway ?? null]));
  }

  /** Names of the gateways that hold the group. */
  holders(id: number): readonly string[] {
    return this.group(id).holders.map(({ incarnation }) => incarnation);
  }

  /** Another gateway leads from now on: only the map is left. */
  changeLeader(): void {
    this.state = beginWith(this.map);
  }

  /** Each group is served by its owner and by nobody else. */
  expectServed(): void {
    for (const { id, owner, next, holders } of this.map.groups) {
      expect({ id, next, holders: holders.length }).toEqual({ id, next: null, holders: 1 });
      expect(this.get(owner?.gateway ?? '').activity(id)).toBe('serving');
    }
  }
}
