/** Planned moves of ANA groups: back home, and away from gateways that should not serve them. The owner releases first. */
import type { AnaGroupEntry, GatewayEntry } from '../group-map.ts';
import {
  burden,
  choose,
  covers,
  homeOf,
  isIsolated,
  missingHosts,
  obstacle,
  obstacleInBeacons,
  obstacleInMap,
} from '../placement.ts';
import type { Draft } from './draft.ts';
import { disown, isPopulated } from './ownership.ts';
import { isUnfit } from './unserved.ts';

interface Move {
  readonly why: string;
  /** Whom it may go to. */
  readonly candidates: readonly GatewayEntry[];
  /** Does not wait for hosts that have no path to the target. */
  readonly force: boolean;
}

/** Calls off hand-overs that cannot or do not end. The owner goes on serving. */
export function cancelMoves(draft: Draft): void {
  for (const group of draft.groups) {
    if (group.next === null) continue;
    const target = draft.gateway(group.next);
    const late = draft.waiting(`hand-over ${group.id}`) >= draft.times.handOver && !isLeaving(draft, group);
    if (late) draft.remember('backoff', group.id);
    if (late || target === undefined || isUnable(draft, target)) cancel(draft, group);
  }
}

/** Begins the moves that are due, or notes what they wait for. */
export function planMoves(draft: Draft): void {
  const able = draft.gateways.filter((gateway) => obstacle(gateway, draft.seen) === null);
  for (const group of draft.groups) {
    const beacon = group.owner === null ? undefined : draft.beaconOf(group.owner);
    if (beacon === undefined || group.next !== null) continue;
    if (draft.remembers('backoff', group.id) && !beacon.leaving) continue;
    const others = able.filter(({ name }) => name !== beacon.gateway);
    const move =
      moveAway(draft, group, others) ?? moveHome(draft, group, others) ?? level(draft, group, others);
    if (move === null) continue;
    const { hosts } = beacon;
    const location = draft.gateway(beacon.gateway)?.location ?? null;
    const target = choose(draft, move.candidates, { group: group.id, hosts, location });
    if (target === null) {
      if (beacon.leaving)
        disown(draft, group, `${beacon.gateway} is stopping, and no other gateway can serve it`);
    } else if (move.force || missingHosts(hosts, target.name, draft.seen).length === 0) {
      beginMove(draft, group, target.name, move.why, false);
    } else draft.waiting(`hosts ${group.id}`);
  }
}

/** The owner shall release the group to `target`. */
export function beginMove(
  draft: Draft,
  group: AnaGroupEntry,
  target: string,
  why: string,
  stays: boolean,
): void {
  draft.putGroup({ ...group, next: target, stays, epoch: draft.epoch });
  draft.record({ group: group.id, from: group.owner?.gateway ?? null, to: target, why });
  draft.beginWaiting(`hand-over ${group.id}`);
}

/** The owner should not have the group. */
function moveAway(draft: Draft, group: AnaGroupEntry, others: readonly GatewayEntry[]): Move | null {
  const owner = draft.gateway(group.owner!.gateway)!;
  const beacon = draft.seen.get(owner.name)!;
  const away = (what: string, candidates: readonly GatewayEntry[], force = false) => ({
    why: `hand-over from ${owner.name}, which ${what}`,
    candidates,
    force,
  });
  if (beacon.leaving || beacon.linkDown)
    return away(obstacleInBeacons(owner.name, draft.seen)!, others, true);
  if (!owner.enabled) return away('is disabled', others, true);
  if (owner.drain === 'force') return away('is drained', others, true);
  const covering = others.filter(({ name }) => covers(name, group.id, draft.seen));
  const covered = covers(owner.name, group.id, draft.seen);
  const fit = covered ? covering : others;
  if (obstacleInMap(owner) !== null) return away(obstacleInMap(owner)!, fit);
  if (isIsolated(owner.name, draft.seen)) return away(obstacleInBeacons(owner.name, draft.seen)!, fit);
  if (!covered && covering.length > 0) return away('has no listener for a subsystem of it', covering);
  return awayFromHostless(draft, group, covering, away);
}

/** Nobody is connected to the owner, while others have hosts: they cannot reach it. */
function awayFromHostless(
  draft: Draft,
  group: AnaGroupEntry,
  covering: readonly GatewayEntry[],
  away: (what: string, candidates: readonly GatewayEntry[]) => Move,
): Move | null {
  if (draft.seen.get(group.owner!.gateway)!.hosts.length > 0 || !isPopulated(draft, group.id)) return null;
  const busy = covering.filter(({ name }) => draft.seen.get(name)!.hosts.length > 0);
  if (busy.length === 0 || draft.waiting(`hostless ${group.id}`) < draft.times.failbackDelay) return null;
  return away('has no host connected', busy);
}

/** Failback: the home gateway is able again, and has been for a while. One that could not serve it of late waits longer. */
function moveHome(draft: Draft, group: AnaGroupEntry, others: readonly GatewayEntry[]): Move | null {
  const home = others.find(({ slot }) => slot === group.id - 1);
  if (home === undefined || isUnfit(draft, home.name)) return null;
  if (group.stays || !isAsGood(draft, group, home.name)) return null;
  if (draft.waiting(`failback ${group.id}`) < draft.times.failbackDelay) return null;
  return { why: `failback from ${group.owner!.gateway}`, candidates: [home], force: false };
}

/** A group without home, or whose home is not coming back, goes where there are fewer. */
function level(draft: Draft, group: AnaGroupEntry, others: readonly GatewayEntry[]): Move | null {
  const home = homeOf(draft.gateways, group.id);
  if ((home !== undefined && home.availability !== 'DELETING') || group.stays) return null;
  const owner = group.owner!.gateway;
  const limit = burden(draft.groups, owner) - 2;
  const candidates = others.filter(
    ({ name }) => burden(draft.groups, name) <= limit && isAsGood(draft, group, name),
  );
  if (candidates.length === 0 || draft.waiting(`failback ${group.id}`) < draft.times.failbackDelay)
    return null;
  return { why: `${owner} has more groups`, candidates, force: false };
}

/** Covers the group, or the owner does not either. */
function isAsGood(draft: Draft, group: AnaGroupEntry, target: string): boolean {
  return covers(target, group.id, draft.seen) || !covers(group.owner!.gateway, group.id, draft.seen);
}

function isLeaving(draft: Draft, group: AnaGroupEntry): boolean {
  return group.owner !== null && draft.beaconOf(group.owner)?.leaving === true;
}

/** A target that this leader has not heard of yet may well be able. */
function isUnable(draft: Draft, target: GatewayEntry): boolean {
  if (obstacleInMap(target) !== null) return true;
  return draft.seen.has(target.name) && obstacleInBeacons(target.name, draft.seen) !== null;
}

function cancel(draft: Draft, group: AnaGroupEntry): void {
  draft.mark(group.id, 'cancelled');
  draft.putGroup({ ...group, next: null, stays: false, epoch: draft.epoch });
}
