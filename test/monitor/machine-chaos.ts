/** What can happen to a group of gateways, drawn by a seed. */
import assert from 'node:assert/strict';
import type { Beacon } from '../../src/monitor/beacon.ts';
import { groupOf, isFenced, pendingFences } from '../../src/monitor/group-map.ts';
import { type AdminCommand, beginWith } from '../../src/monitor/machine.ts';
import { type FakeGateway, Rig, TIMES } from './machine-rig.ts';

const NAMES = ['gw-a', 'gw-b', 'gw-c', 'gw-d', 'gw-e'];
const HOSTS = ['nqn.h1', 'nqn.h2', 'nqn.h3'];
const LOCATIONS = ['', 'east', 'west'];

export class Chaos {
  readonly rig = new Rig();
  readonly #pick: Picker;
  /** Gateways whose process runs. */
  readonly #alive = new Set<string>();
  /** Runs that their gateway has left, and the groups that they may still be writing to. */
  readonly #ghosts = new Map<string, readonly number[]>();
  /** Run and group of clients that cannot write any more. */
  readonly #fenced = new Set<string>();
  /** Beacons that are delivered once more, late. */
  #old: Beacon[] = [];

  constructor(seed: number) {
    this.#pick = new Picker(seed);
    for (const name of NAMES.slice(0, 2 + this.#pick.below(4))) this.#start(name);
  }

  run(steps: number): void {
    for (let done = 0; done < steps; done += 1) {
      this.rig.nowMs += this.#pick.below(4) === 0 ? this.#pick.below(4000) : this.#pick.below(400);
      this.#happen();
      this.#checkWriters();
    }
  }

  /** Whoever is in the group runs and is well connected; operators undo what they asked for. */
  calmDown(): void {
    for (const { name, availability } of this.rig.map.gateways) {
      if (!this.#alive.has(name) && availability !== 'DELETING') this.#start(name);
    }
    this.#start('gw-z');
    for (const name of this.#alive) {
      const gateway = this.rig.get(name);
      gateway.condition = { hosts: HOSTS, populated: [1, 2] };
      gateway.requests = [];
    }
    for (let round = 0; round < 32; round += 1) {
      for (const name of this.#alive) this.#live(name);
      this.rig.fenceAll();
      this.rig.tick(4 * TIMES.beacon);
      if (round === 3) this.#undo();
    }
  }

  expectWell(): void {
    const { map } = this.rig;
    for (const { id, owner, next, holders, stays } of map.groups) {
      assert.equal(next, null, `group ${id} does not move`);
      assert.equal(holders.length, 1, `group ${id} has one holder`);
      assert.equal(this.rig.get(owner?.gateway ?? '').activity(id), 'serving', `group ${id} is served`);
      // One that could not serve of late waits longer for its group than this world lasts.
      const home = map.gateways.find(
        ({ name, slot, availability }) =>
          slot === id - 1 &&
          availability === 'AVAILABLE' &&
          !map.fences.some(({ gateway, reason }) => gateway === name && reason.startsWith('had no lease')),
      );
      if (home !== undefined && !stays) assert.equal(owner?.gateway, home.name, `group ${id} is at home`);
    }
    for (const id of [1, 2]) assert.ok(groupOf(map, id), `group ${id} exists`);
    assert.deepEqual(pendingFences(map), []);
    for (const name of this.#alive) {
      const entry = map.gateways.find((gateway) => gateway.name === name);
      if (entry?.availability !== 'DELETING')
        assert.equal(entry?.availability, 'AVAILABLE', `${name} is back`);
    }
  }

  #happen(): void {
    const { rig } = this;
    const name = this.#pick.from(NAMES);
    const gateway = rig.gateways.get(name);
    const what = this.#pick.below(100);
    if (gateway === undefined || !this.#alive.has(name)) {
      if (what < 60) this.#start(name);
      else rig.lose(name);
    } else if (what < 40) this.#live(name, this.#pick.below(3) === 0);
    else if (what < 50) this.#beat(gateway);
    else if (what < 55) gateway.finishReleases();
    else if (what < 63) this.#finishFence();
    else if (what < 66) this.#stop(name);
    else if (what < 69) rig.lose(name, 'suspected while it is alive');
    else if (what < 71) this.#restart(gateway);
    else if (what < 80) this.#change(gateway);
    else if (what < 83) gateway.condition = { ...gateway.condition, leaving: true };
    else if (what < 86) this.#goodbye(gateway);
    else if (what < 92) gateway.requests.push({ id: `r${rig.nowMs}.${what}`, command: this.#command() });
    else if (what < 95) this.#changeLeader();
    else if (what < 98) rig.tick(this.#pick.below(12_000));
    else if (this.#old.length > 0) rig.send({ kind: 'beacon', beacon: this.#pick.from(this.#old) });
  }

  #start(name: string): void {
    this.#alive.add(name);
    const gateway = this.rig.gateways.get(name);
    if (gateway === undefined) this.rig.add(name, this.#condition());
    else {
      this.#leaveGhost(gateway);
      gateway.restart();
      gateway.condition = this.#condition();
      this.#beat(gateway);
    }
  }

  /** Reads the map, obeys, reports. */
  #live(name: string, lazy = false): void {
    const gateway = this.rig.get(name);
    gateway.finishReleases();
    if (isFenced(this.rig.map, gateway.incarnation)) this.#leaveGhost(gateway);
    gateway.apply(this.rig.map, lazy);
    this.#beat(gateway);
  }

  #beat(gateway: FakeGateway): void {
    const beacon = gateway.beacon();
    if (this.#pick.below(8) === 0) this.#old = [...this.#old.slice(-20), beacon];
    this.rig.send({ kind: 'beacon', beacon });
  }

  #finishFence(): void {
    const pending = pendingFences(this.rig.map);
    if (pending.length > 0) this.rig.fence(this.#pick.from(pending));
  }

  /** It dies, or hangs for ever: what it was doing then may go on. */
  #stop(name: string): void {
    this.#alive.delete(name);
    if (this.#pick.below(2) === 0) this.rig.lose(name, 'its process ended');
  }

  #restart(gateway: FakeGateway): void {
    this.#leaveGhost(gateway);
    gateway.restart();
    gateway.condition = this.#condition();
  }

  /** Says goodbye once nothing is held, as it must. */
  #goodbye(gateway: FakeGateway): void {
    if (gateway.writes().length > 0) return;
    this.rig.send({ kind: 'beacon', beacon: gateway.beacon({ goodbye: true, clients: [] }) });
    this.#alive.delete(gateway.name);
    gateway.restart();
    // What was written before the goodbye is not to be mistaken for a restart; the new leader's watch sees to that.
    this.#old = this.#old.filter((beacon) => beacon.gateway !== gateway.name);
  }

  #change(gateway: FakeGateway): void {
    gateway.condition = {
      ...gateway.condition,
      ...this.#condition(),
      leaving: gateway.condition.leaving ?? false,
    };
  }

  #condition(): Partial<Beacon> {
    const pick = this.#pick;
    const others = NAMES.filter(() => pick.below(6) === 0);
    return {
      available: pick.below(6) > 0,
      location: pick.from(LOCATIONS),
      hosts: HOSTS.filter(() => pick.below(3) > 0),
      populated: [1, 2, 3, 7].filter(() => pick.below(3) > 0),
      uncovered: [1, 2, 3].filter(() => pick.below(8) === 0),
      load: pick.below(1000),
      linkDown: pick.below(12) === 0,
      unreachable: others,
      reachable: NAMES.filter((name) => !others.includes(name)),
    };
  }

  #command(): AdminCommand {
    const pick = this.#pick;
    const gateway = pick.from(NAMES);
    const force = pick.below(2) === 0;
    switch (pick.below(9)) {
      case 0:
        return { kind: 'create', gateway, location: pick.from(LOCATIONS) };
      case 1:
        return { kind: 'delete', gateway };
      case 2:
        return { kind: 'disable', gateway };
      case 3:
        return { kind: 'enable', gateway };
      case 4:
        return { kind: 'undrain', gateway };
      case 5:
        return { kind: 'set-location', gateway, location: pick.from(LOCATIONS) };
      case 6:
        return { kind: 'drain', gateway, force };
      default:
        return { kind: 'move', gateway, group: 1 + pick.below(4), force };
    }
  }

  #undo(): void {
    const isMember = (name: string) => this.rig.state.seen.has(name);
    const at = this.#pick.from([...this.#alive].filter(isMember));
    for (const { name, enabled, drain } of this.rig.map.gateways) {
      if (!enabled) this.rig.ask(at, { kind: 'enable', gateway: name });
      if (drain !== 'no') this.rig.ask(at, { kind: 'undrain', gateway: name });
    }
  }

  #changeLeader(): void {
    const known = this.#pick.below(2) === 0 ? [...this.rig.state.seen.values()] : [];
    this.rig.state = beginWith(this.rig.map, known);
  }

  #leaveGhost({ incarnation, name }: FakeGateway): void {
    this.#ghosts.set(incarnation, this.rig.get(name).writes());
  }

  /** Whoever may be writing to a group is alone with it: all others have their client of the group fenced. */
  #checkWriters(): void {
    for (const { incarnation, group, state } of this.rig.map.fences) {
      if (state === 'committed') this.#fenced.add(`${incarnation} ${group}`);
    }
    const writers = new Map<number, string>();
    const runs = [...this.rig.gateways.values()].map((one) => [one.incarnation, one.writes()] as const);
    for (const [incarnation, groups] of [...runs, ...this.#ghosts]) {
      for (const group of groups) {
        if (this.#fenced.has(`${incarnation} ${group}`)) continue;
        assert.ok(!writers.has(group), `group ${group}: ${incarnation} and ${writers.get(group)} write`);
        writers.set(group, incarnation);
      }
    }
  }
}

/** mulberry32. */
class Picker {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) % limit;
  }

  from<T>(things: readonly T[]): T {
    return things[this.below(things.length)];
  }
}
