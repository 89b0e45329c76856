/**
 * What follows from who is in the group, what gateways report and what operators want, whatever happened before: each step
 * ends with it. Once through is enough: a second time would change nothing.
 */
import { LIMITS } from '../../limits.ts';
import { type Fence, maySelfServe } from '../group-map.ts';
import type { Draft } from './draft.ts';
import { lose } from './members.ts';
import { cancelMoves, planMoves } from './moves.ts';
import {
  assignUnowned,
  disown,
  endHolds,
  hasReleased,
  isPopulated,
  isWanted,
  recordOrphans,
} from './ownership.ts';
import { fenceUnserving } from './unserved.ts';

/** Complete fences, which image locks may be broken by, are kept so long and so many. */
const FENCES_KEPT_MS = 24 * 3_600_000;
const FENCES_KEPT = 256;

export function settle(draft: Draft): void {
  eraseDeleted(draft);
  addGroups(draft);
  fenceOverdue(draft);
  fenceUnserving(draft);
  cancelMoves(draft);
  endHolds(draft);
  retireGroups(draft);
  assignUnowned(draft);
  planMoves(draft);
  recordOrphans(draft);
  markServing(draft);
  pruneFences(draft);
}

/** A deleted gateway's slot is free once no namespace is in the group whose home it was. */
function eraseDeleted(draft: Draft): void {
  if (!seesEverything(draft)) return;
  for (const { name, slot, availability } of draft.gateways) {
    if (availability === 'DELETING' && !isPopulated(draft, slot + 1)) draft.dropGateway(name);
  }
}

function addGroups(draft: Draft): void {
  const wanted = new Set(draft.gateways.map(({ slot }) => slot + 1));
  for (const { populated } of draft.seen.values()) for (const id of populated) wanted.add(id);
  for (const id of wanted) {
    if (id < 1 || id > LIMITS.maxAnaGroups || draft.group(id) !== undefined) continue;
    draft.putGroup({
      id,
      owner: null,
      next: null,
      holders: [],
      epoch: draft.epoch,
      fencedEpoch: 0,
      sinceMs: draft.now.wallMs,
      why: '',
    });
  }
}

/** A run that is alone in keeping a group from its owner, and does not let go, is fenced. */
function fenceOverdue(draft: Draft): void {
  for (const group of draft.groups) {
    if (group.owner === null) continue;
    for (const holder of group.holders) {
      const { gateway, incarnation } = holder;
      if (incarnation === group.owner.incarnation || hasReleased(draft, group, holder)) continue;
      if (draft.gateway(gateway)?.incarnation?.id !== incarnation) continue;
      if (draft.waiting(`release ${group.id}`) < draft.times.handOver) continue;
      lose(draft, gateway, incarnation, `did not release ANA group ${group.id}`);
    }
  }
}

/** Groups that nobody needs any more go once nobody holds them. */
function retireGroups(draft: Draft): void {
  if (!seesEverything(draft)) return;
  for (const group of draft.groups) {
    if (isWanted(draft, group.id)) continue;
    if (group.holders.length === 0) draft.dropGroup(group.id);
    else disown(draft, group, '');
  }
}

/** What no beacon says is not so: all that run have reported, one of them with the configuration applied. */
function seesEverything({ gateways, seen }: Draft): boolean {
  const running = gateways.filter(({ incarnation }) => incarnation !== null);
  return running.every(({ name }) => seen.has(name)) && [...seen.values()].some(({ available }) => available);
}

function markServing(draft: Draft): void {
  for (const { group: id, to, marks } of draft.history) {
    if ('serving' in marks || 'cancelled' in marks) continue;
    const group = draft.group(id);
    const owner = group?.owner;
    if (group === undefined || owner == null || owner.gateway !== to) continue;
    const beacon = draft.beaconOf(owner);
    if (beacon === undefined || beacon.appliedEpoch < group.epoch) continue;
    const serves = beacon.groups.find((one) => one.id === id)?.activity === 'serving';
    if (serves && maySelfServe(group, owner.incarnation)) draft.mark(id, 'serving');
  }
}

function pruneFences(draft: Draft): void {
  const old = draft.now.wallMs - FENCES_KEPT_MS;
  if (draft.fences.length <= FENCES_KEPT && draft.fences.every(({ sinceMs }) => sinceMs > old)) return;
  const held = new Set(draft.groups.flatMap(({ holders }) => holders.map(({ incarnation }) => incarnation)));
  const isDone = ({ state, incarnation }: Fence) => state === 'committed' && !held.has(incarnation);
  const done = draft.fences.filter(isDone);
  const kept = new Set(done.slice(-FENCES_KEPT).filter(({ sinceMs }) => sinceMs > old));
  if (kept.size < done.length)
    draft.fences = draft.fences.filter((fence) => !isDone(fence) || kept.has(fence));
}
