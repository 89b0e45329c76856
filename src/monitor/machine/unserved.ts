/**
 * Owners that live and do not serve what they own: cut off from what a lease needs, while another gateway is not. Where nobody gets a
 * lease (`osd pause`) it is the cluster that everybody waits for.
 */
import { type Beacon, servesWithLease } from '../beacon.ts';
import { type AnaGroupEntry, maySelfServe } from '../group-map.ts';
import { obstacle } from '../placement.ts';
import type { Draft } from './draft.ts';
import { lose } from './members.ts';

/** How a fence's reason begins. It is what tells such a gateway from others, also to the next leader. */
const REASON = 'had no lease for ANA group';
/** So long a gateway gets no group if others can have it, ms. */
const UNFIT_MS = 600_000;
/** Owners of one group that were replaced within this time make the next one wait longer, ms. */
const REPEATED_MS = 3_600_000;
const MOST_DOUBLINGS = 6;
/** One that has not begun to serve yet may be slow to start. */
const SLOW_START = 3;

export function fenceUnserving(draft: Draft): void {
  for (const group of draft.groups) {
    const beacon = group.owner === null ? undefined : draft.beaconOf(group.owner);
    if (beacon === undefined || !isStuck(group, beacon) || !isLeaseToBeHad(draft, group.id, beacon)) continue;
    const began = activityOf(beacon, group.id) === 'serving';
    const patience = draft.times.handOver * (began ? 1 : SLOW_START) * 2 ** repetitions(draft, group.id);
    if (draft.waiting(`unserved ${group.id}`) < patience) continue;
    lose(draft, beacon.gateway, beacon.incarnation, reasonFor(group.id));
  }
}

/** Whether it was found not to get leases that others get, not long ago. */
export function isUnfit({ fences, now }: Draft, name: string): boolean {
  return fences.some(
    ({ gateway, reason, sinceMs }) =>
      gateway === name && reason.startsWith(REASON) && now.wallMs - sinceMs < UNFIT_MS,
  );
}

/** Nothing but its own lease and its own client is in its way. */
function isStuck(group: AnaGroupEntry, beacon: Beacon): boolean {
  const knows = beacon.appliedEpoch >= group.epoch;
  return knows && maySelfServe(group, beacon.incarnation) && !servesWithLease(beacon, group.id);
}

/** Another gateway that could own the group says that its client of that group would get a lease. */
function isLeaseToBeHad({ gateways, seen }: Draft, group: number, owner: Beacon): boolean {
  return gateways.some((other) => {
    if (other.name === owner.gateway || obstacle(other, seen) !== null) return false;
    return seen.get(other.name)!.groups.some(({ id, leased }) => id === group && leased);
  });
}

/** Against groups that go to and fro: how often that did not help of late. */
function repetitions({ fences, now }: Draft, group: number): number {
  const recent = fences.filter(
    ({ reason, sinceMs }) => reason === reasonFor(group) && now.wallMs - sinceMs < REPEATED_MS,
  );
  return Math.min(new Set(recent.map(({ incarnation }) => incarnation)).size, MOST_DOUBLINGS);
}

function reasonFor(group: number): string {
  return `${REASON} ${group} while others had`;
}

function activityOf({ groups }: Beacon, group: number): string | undefined {
  return groups.find(({ id }) => id === group)?.activity;
}
