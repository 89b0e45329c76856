/** What holds for every step of the machine, whatever the event. Says it in its own words, with none of the machine's code. */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { Beacon } from '../../src/monitor/beacon.ts';
import type { AnaGroupEntry, GroupMap, Holder } from '../../src/monitor/group-map.ts';
import { type MachineEvent, type MachineState, type Now, step, stepAll } from '../../src/monitor/machine.ts';
import { MONITOR_TIMES } from '../../src/monitor/times.ts';

export function checkStep(
  before: MachineState,
  events: readonly MachineEvent[],
  after: MachineState,
  now: Now,
): void {
  if (after.map !== before.map) {
    checkEpoch(before.map, after.map);
    checkMap(after.map);
    checkHolders(before, events, after);
    checkFences(before, events, after);
  }
  checkOwners(after);
  const again = step(withoutRequests(after), { kind: 'tick' }, now, MONITOR_TIMES);
  assert.equal(again.map, after.map, 'once through is enough');
}

/** What operators ask for is looked at once in a step, before what follows from it. */
function withoutRequests(state: MachineState): MachineState {
  const seen = [...state.seen].map(([name, beacon]) => [name, { ...beacon, requests: [] }] as const);
  return { ...state, seen: new Map(seen) };
}

/** The same input gives the same output, and is not written to. */
export function checkPurity(
  before: MachineState,
  events: readonly MachineEvent[],
  after: MachineState,
  now: Now,
): void {
  freeze(before.map);
  freeze(events);
  const [seen, since] = [[...before.seen], [...before.since]];
  assert.deepEqual(stepAll(before, events, now, MONITOR_TIMES), after);
  assert.deepEqual([[...before.seen], [...before.since]], [seen, since]);
}

/** Whoever writes to the value from now on throws. */
function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) freeze(part);
  }
  return value;
}

function checkEpoch(before: GroupMap, after: GroupMap): void {
  assert.equal(after.epoch, before.epoch + 1);
  const differs = (Object.keys(after) as (keyof GroupMap)[]).some(
    (part) => part !== 'epoch' && !isDeepStrictEqual(after[part], before[part]),
  );
  assert.ok(differs, 'a new epoch says something new');
}

function checkMap({ gateways, groups, epoch }: GroupMap): void {
  assert.equal(new Set(gateways.map(({ name }) => name)).size, gateways.length, 'names are unique');
  assert.ok(isRising(gateways.map(({ slot }) => slot)), 'slots are unique, and the gateways in their order');
  assert.ok(isRising(groups.map(({ id }) => id)), 'groups are in their order');
  for (const { id, owner, next, holders, epoch: since, fencedEpoch } of groups) {
    const runs = holders.map(({ incarnation }) => incarnation);
    assert.equal(new Set(runs).size, runs.length);
    if (owner === null) assert.equal(next, null);
    else assert.ok(runs.includes(owner.incarnation), `owner of ${id} is a holder`);
    if (next !== null) {
      assert.notEqual(next, owner?.gateway, `group ${id} moves to somebody else`);
      assert.ok(gateways.some(({ name }) => name === next));
    }
    assert.ok(since <= epoch && fencedEpoch <= epoch);
  }
}

function isRising(numbers: readonly number[]): boolean {
  return numbers.every((number, at) => at === 0 || number > numbers[at - 1]);
}

/** Nobody is taken for gone who has neither given the group back nor been fenced. */
function checkHolders(before: MachineState, events: readonly MachineEvent[], after: MachineState): void {
  for (const group of before.map.groups) {
    const left = after.map.groups.find(({ id }) => id === group.id)?.holders ?? [];
    for (const holder of group.holders) {
      if (left.some(({ incarnation }) => incarnation === holder.incarnation)) continue;
      const fair =
        saidGoodbye(events, holder) ||
        hasReleased(before, events, group, holder) ||
        isFencedOff(after.map, group, holder);
      assert.ok(fair, `${holder.incarnation} holds group ${group.id} no more`);
    }
  }
}

function saidGoodbye(events: readonly MachineEvent[], { incarnation }: Holder): boolean {
  return beaconsIn(events).some((beacon) => beacon.incarnation === incarnation && beacon.goodbye);
}

function hasReleased(
  before: MachineState,
  events: readonly MachineEvent[],
  group: AnaGroupEntry,
  { incarnation }: Holder,
): boolean {
  if (group.owner?.incarnation === incarnation && group.next === null) return false;
  return [...before.seen.values(), ...beaconsIn(events)].some(
    (beacon) =>
      beacon.incarnation === incarnation &&
      beacon.appliedEpoch >= group.epoch &&
      beacon.groups.some(({ id, activity }) => id === group.id && activity === 'standby'),
  );
}

function isFencedOff(map: GroupMap, group: AnaGroupEntry, { incarnation }: Holder): boolean {
  const fences = map.fences.filter((fence) => fence.incarnation === incarnation);
  const own = fences.filter((fence) => fence.group === group.id);
  const needed = own.length > 0 ? own : fences;
  return needed.length > 0 && needed.every(({ state }) => state === 'committed');
}

/** A run ends with a goodbye, or with a fence for each client that it ever had. Fences in progress do not get lost. */
function checkFences(before: MachineState, events: readonly MachineEvent[], after: MachineState): void {
  const running = new Set(after.map.gateways.map(({ incarnation }) => incarnation?.id));
  for (const { name, incarnation } of before.map.gateways) {
    if (incarnation === null || running.has(incarnation.id)) continue;
    if (saidGoodbye(events, { gateway: name, incarnation: incarnation.id })) continue;
    for (const { address } of incarnation.clients) {
      const fenced = after.map.fences.some(
        (fence) => fence.incarnation === incarnation.id && fence.address === address,
      );
      assert.ok(fenced, `${address} of ${incarnation.id} is fenced`);
    }
  }
  const held = new Set(
    after.map.groups.flatMap(({ holders }) => holders.map(({ incarnation }) => incarnation)),
  );
  for (const fence of before.map.fences) {
    const kept = after.map.fences.some(
      ({ incarnation, address }) => incarnation === fence.incarnation && address === fence.address,
    );
    if (fence.state === 'intended') assert.ok(kept, 'a fence in progress stays');
    else if (held.has(fence.incarnation)) assert.ok(kept, 'a fence that a group waits for stays');
  }
}

/** A group that somebody can serve has an owner at once; an owner is a run that the map knows. */
function checkOwners({ map, seen }: MachineState): void {
  const able = map.gateways.filter(({ name, availability, enabled, drain }) => {
    const beacon = seen.get(name);
    const fit = availability === 'AVAILABLE' && enabled && drain === 'no' && beacon !== undefined;
    return fit && !beacon.leaving && !beacon.linkDown && !isCutOff(name, [...seen.values()]);
  });
  const populated = new Set([...seen.values()].flatMap((beacon) => beacon.populated));
  for (const { id, owner } of map.groups) {
    const run = map.gateways.find(({ name }) => name === owner?.gateway)?.incarnation?.id;
    if (owner !== null) assert.equal(run, owner.incarnation, `group ${id}: its owner runs`);
    const wanted = populated.has(id) || map.gateways.some(({ slot }) => slot + 1 === id);
    if (owner === null && wanted) assert.deepEqual(able, [], `group ${id} could be served`);
  }
}

function isCutOff(name: string, beacons: readonly Beacon[]): boolean {
  return beacons.some((one) =>
    beacons.some(
      (other) =>
        one.unreachable.includes(name) &&
        other.unreachable.includes(name) &&
        one.reachable.includes(other.gateway) &&
        other.reachable.includes(one.gateway),
    ),
  );
}

function beaconsIn(events: readonly MachineEvent[]): readonly Beacon[] {
  return events.filter((event) => event.kind === 'beacon').map(({ beacon }) => beacon);
}
