/** Who owns an ANA group, and who still holds it. */
import type { AnaGroupEntry, Fence, GatewayEntry, Holder } from '../group-map.ts';
import { choose, homeOf, obstacle, obstacleInMap } from '../placement.ts';
import { remembered } from '../remembered.ts';
import type { Draft } from './draft.ts';
import { isUnfit } from './unserved.ts';

/** Takes the group from its owner, who stays a holder until it has released the group or is fenced. */
export function disown(draft: Draft, group: AnaGroupEntry, why: string): void {
  const owner = group.owner;
  if (owner === null) return;
  if (group.next !== null) draft.mark(group.id, 'cancelled');
  draft.orphans.set(group.id, {
    from: owner.gateway,
    location: draft.gateway(owner.gateway)?.location ?? null,
    hosts: draft.beaconOf(owner)?.hosts ?? [],
  });
  draft.putGroup({
    ...group,
    owner: null,
    next: null,
    stays: false,
    epoch: draft.epoch,
    sinceMs: draft.now.wallMs,
    why,
  });
}

/** Gives groups that have no owner to those who can serve them. */
export function assignUnowned(draft: Draft): void {
  const able = draft.gateways.filter((gateway) => obstacle(gateway, draft.seen) === null);
  for (const group of draft.groups) {
    if (group.owner !== null || !isWanted(draft, group.id)) continue;
    const orphan = draft.orphans.get(group.id);
    const wish = { group: group.id, hosts: orphan?.hosts ?? [], location: orphan?.location ?? null };
    const fit = able.filter(({ name }) => !isUnfit(draft, name));
    const target = choose(draft, fit.length > 0 ? fit : able, wish);
    if (target === null) continue;
    const why = whyOwned(draft, group, target.name);
    draft.record({ group: group.id, from: orphan?.from ?? null, to: target.name, why });
    draft.orphans.delete(group.id);
    setOwner(draft, group, runOf(target), why);
  }
}

/** Writes down who lost a group that nobody got. */
export function recordOrphans(draft: Draft): void {
  for (const [group, { from }] of draft.orphans) {
    draft.record({
      group,
      from,
      to: null,
      why: draft.group(group)?.why || 'no namespace is in it, and no gateway has it as its home',
    });
  }
}

/** Holders that have given the group back, or whose fence is complete, hold it no more; a hand-over ends with that. */
export function endHolds(draft: Draft): void {
  for (const group of draft.groups) {
    if (group.holders.length === 0 || isSettled(group)) continue;
    dropHolders(draft, group, (holder) => hasReleased(draft, group, holder), 'released');
    dropHolders(draft, draft.group(group.id)!, (holder) => isFencedOff(draft, group.id, holder), 'fenced');
    completeHandOver(draft, draft.group(group.id)!);
  }
}

/** The incarnation is gone for good and took nothing with it: hand-overs from it are complete. */
export function releaseAll(draft: Draft, incarnation: string): void {
  for (const group of draft.groups) {
    dropHolders(draft, group, (holder) => holder.incarnation === incarnation, 'released');
    completeHandOver(draft, draft.group(group.id)!);
  }
}

/** Groups have to exist for every gateway's home and for every namespace. */
export function isWanted(draft: Draft, group: number): boolean {
  return homeOf(draft.gateways, group) !== undefined || isPopulated(draft, group);
}

export function isPopulated({ seen }: Pick<Draft, 'seen'>, group: number): boolean {
  return [...seen.values()].some((beacon) => beacon.populated.includes(group));
}

/** It acknowledged a map in which it has to let go, and has nothing in flight and no lock. */
export function hasReleased(draft: Draft, group: AnaGroupEntry, holder: Holder): boolean {
  if (group.next === null && group.owner?.incarnation === holder.incarnation) return false;
  const beacon = draft.beaconOf(holder);
  if (beacon === undefined || beacon.appliedEpoch < group.epoch) return false;
  return beacon.groups.find(({ id }) => id === group.id)?.activity === 'standby';
}

const fencesByRun = remembered((fences: readonly Fence[]): ReadonlyMap<string, readonly Fence[]> => {
  const runs = new Map<string, Fence[]>();
  for (const fence of fences) {
    const run = runs.get(fence.incarnation);
    if (run === undefined) runs.set(fence.incarnation, [fence]);
    else run.push(fence);
  }
  return runs;
});

/** Fences that have to be complete before the holder cannot touch the group's images any more. */
export function fencesOf(fences: readonly Fence[], group: number, holder: Holder): readonly Fence[] {
  const all = fencesByRun(fences).get(holder.incarnation) ?? [];
  const own = all.filter((fence) => fence.group === group);
  // Without a client of the group that the map knew it cannot have served. Take no chances.
  return own.length > 0 ? own : all;
}

function isFencedOff(draft: Draft, group: number, holder: Holder): boolean {
  const fences = fencesOf(draft.fences, group, holder);
  return fences.length > 0 && fences.every(({ state }) => state === 'committed');
}

function isSettled({ holders, owner, next }: AnaGroupEntry): boolean {
  return next === null && holders.length === 1 && holders[0].incarnation === owner?.incarnation;
}

function dropHolders(
  draft: Draft,
  group: AnaGroupEntry,
  leaves: (holder: Holder) => boolean,
  mark: 'released' | 'fenced',
): void {
  const holders = group.holders.filter((holder) => !leaves(holder));
  if (holders.length === group.holders.length) return;
  const fencedEpoch = mark === 'fenced' ? draft.epoch : group.fencedEpoch;
  draft.putGroup({ ...group, holders, fencedEpoch });
  const isLast = holders.every(({ incarnation }) => incarnation === group.owner?.incarnation);
  if (mark === 'released' || isLast) draft.mark(group.id, mark);
}

/** The owner has released the group to the next one. */
function completeHandOver(draft: Draft, group: AnaGroupEntry): void {
  const { owner, next, holders } = group;
  if (next === null || holders.some(({ incarnation }) => incarnation === owner?.incarnation)) return;
  const target = draft.gateway(next);
  if (target === undefined || obstacleInMap(target) !== null) return;
  const why = draft.lastChange(group.id)?.why ?? `hand-over from ${owner?.gateway}`;
  setOwner(draft, group, runOf(target), why);
}

function setOwner(draft: Draft, group: AnaGroupEntry, owner: Holder, why: string): void {
  draft.putGroup({
    ...group,
    owner,
    next: null,
    holders: [...group.holders.filter(({ incarnation }) => incarnation !== owner.incarnation), owner],
    epoch: draft.epoch,
    sinceMs: draft.now.wallMs,
    why,
  });
}

function whyOwned(draft: Draft, group: AnaGroupEntry, target: string): string {
  const home = homeOf(draft.gateways, group.id);
  if (home?.name === target) return 'home';
  if (group.why !== '') return group.why;
  if (home === undefined) return 'no gateway has this group as its home';
  return `its home ${home.name} ${obstacle(home, draft.seen) ?? 'has fewer of the hosts or listeners'}`;
}

function runOf({ name, incarnation }: GatewayEntry): Holder {
  return { gateway: name, incarnation: incarnation!.id };
}
