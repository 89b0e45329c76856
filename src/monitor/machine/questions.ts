/** What people ask of the machine's state. */
import type { Beacon } from '../beacon.ts';
import { isClientAddress } from '../client-address.ts';
import { type AnaGroupEntry, type GatewayEntry, gatewayOf, groupOf, type Holder } from '../group-map.ts';
import type { MachineState } from '../machine.ts';
import { type Board, choose, covers, homeOf, missingHosts, obstacle } from '../placement.ts';
import { fencesOf, isPopulated } from './ownership.ts';

const NAMED_HOSTS = 5;

export interface Permission {
  readonly ok: boolean;
  /** Why not. */
  readonly reasons: readonly string[];
}

/** Whether, with these gateways stopped, every ANA group would be served and every host of theirs keep a path to each. */
export function okToStop(state: MachineState, names: readonly string[]): Permission {
  const { map, seen } = state;
  const unknown = names.filter((name) => gatewayOf(map, name) === undefined);
  if (unknown.length > 0)
    return { ok: false, reasons: unknown.map((name) => `There is no gateway "${name}" in this group`) };
  const staying = map.gateways.filter(
    (gateway) => !names.includes(gateway.name) && obstacle(gateway, seen) === null,
  );
  const reasons: string[] = [];
  // Each group that finds its new owner is counted where it goes.
  let groups = map.groups;
  for (const group of map.groups) {
    const now = group.next ?? group.owner?.gateway ?? '';
    if (!isPopulated({ seen }, group.id)) continue;
    if (now !== '' && !names.includes(now)) {
      const wait = waitsForHolders(state, group);
      if (wait !== null) reasons.push(`ANA group ${group.id} is on its way to ${now}, and waits for ${wait}`);
      continue;
    }
    const hosts = seen.get(now)?.hosts ?? [];
    const board: Board = { gateways: map.gateways, groups, seen };
    const target = choose(board, staying, { group: group.id, hosts, location: null });
    reasons.push(...objections(board, group, now, target?.name ?? null, hosts));
    groups = groups.map((one) => (one.id === group.id ? { ...one, next: target?.name ?? null } : one));
  }
  if (reasons.length === 0) reasons.push(...hostsLost(state, names, staying));
  return { ok: reasons.length === 0, reasons };
}

/** Hosts that are connected to no other gateway, even if no namespace of theirs is at stake. */
function hostsLost(
  { seen }: MachineState,
  names: readonly string[],
  staying: readonly GatewayEntry[],
): string[] {
  const kept = new Set(staying.flatMap(({ name }) => seen.get(name)?.hosts ?? []));
  const all = new Set(names.flatMap((name) => seen.get(name)?.hosts ?? []));
  const lost = [...all].filter((host) => !kept.has(host));
  return lost.length === 0 ? [] : [`No path to a gateway that is left would have ${listedHosts(lost)}`];
}

/** The first few of them, for people. */
export function listedHosts(hosts: readonly string[]): string {
  const more = hosts.length - NAMED_HOSTS;
  return hosts.slice(0, NAMED_HOSTS).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function objections(
  { seen }: Board,
  group: AnaGroupEntry,
  owner: string,
  target: string | null,
  hosts: readonly string[],
): readonly string[] {
  if (target === null) return [`Nobody would serve ANA group ${group.id}`];
  const reasons: string[] = [];
  if (!covers(target, group.id, seen) && covers(owner, group.id, seen)) {
    reasons.push(`ANA group ${group.id} would go to ${target}, where a subsystem of it has no listener`);
  }
  const missing = missingHosts(hosts, target, seen);
  if (missing.length > 0) {
    reasons.push(`ANA group ${group.id} would go to ${target}, where ${listedHosts(missing)} has no path`);
  }
  return reasons;
}

/** What an ANA group waits for before it is served where it should be; null: for nothing. */
export function waitsFor(state: MachineState, id: number): string | null {
  const group = groupOf(state.map, id);
  if (group === undefined) return null;
  return (
    waitsForHolders(state, group) ??
    waitsForAbleGateway(state, group) ??
    waitsForOwner(state, group) ??
    waitsForMove(state, group)
  );
}

function waitsForHolders(state: MachineState, group: AnaGroupEntry): string | null {
  const waits = group.holders
    .filter(({ incarnation }) => group.next !== null || incarnation !== group.owner?.incarnation)
    .map((holder) => fenceText(state, group, holder) ?? releaseText(state, group, holder));
  return waits.length === 0 ? null : waits.join('; ');
}

function fenceText({ map }: MachineState, group: AnaGroupEntry, holder: Holder): string | null {
  const fences = fencesOf(map.fences, group.id, holder).filter(({ state }) => state === 'intended');
  if (fences.length === 0) return null;
  const addresses = fences.map(({ address }) => address).join(', ');
  const strange = fences.find(({ address }) => !isClientAddress(address));
  const problem = strange && `; ${strange.address} is no address of one client, and no blocklist takes it`;
  return `fence of ${holder.gateway} (${addresses}): ${fences[0].reason}${problem ?? ''}`;
}

function releaseText(state: MachineState, group: AnaGroupEntry, holder: Holder): string {
  const to = group.next ?? group.owner?.gateway;
  return `${holder.gateway} to release it${to === undefined ? '' : ` to ${to}`} (${progress(state, group, holder)})`;
}

function waitsForAbleGateway({ map, seen }: MachineState, group: AnaGroupEntry): string | null {
  if (group.owner !== null) return null;
  const obstacles = map.gateways.map((gateway) => `${gateway.name} ${obstacle(gateway, seen) ?? 'is able'}`);
  return `a gateway that can serve it: ${obstacles.join(', ') || 'there is none'}`;
}

function waitsForOwner(state: MachineState, group: AnaGroupEntry): string | null {
  const { owner } = group;
  if (owner === null || activityOf(beaconOf(state, owner), group) === 'serving') return null;
  return `${owner.gateway} to serve it (${progress(state, group, owner)})`;
}

/** A planned move that is due, but may not begin yet. */
function waitsForMove({ map, seen, since }: MachineState, group: AnaGroupEntry): string | null {
  const owner = group.owner?.gateway ?? '';
  const hosts = seen.get(owner)?.hosts ?? [];
  const home = homeOf(map.gateways, group.id);
  // Of those who do not lead nobody knows since when.
  const isKeptAway = home?.availability === 'AVAILABLE' && missingHosts(hosts, home.name, seen).length > 0;
  if (since.has(`hosts ${group.id}`) || (home?.name !== owner && !group.stays && isKeptAway)) {
    const lacks = map.gateways
      .filter((gateway) => gateway.name !== owner && obstacle(gateway, seen) === null)
      .map(({ name }) => `${name} lacks ${missingHosts(hosts, name, seen).join(', ') || 'none'}`);
    return `hosts of ${owner} to connect to the gateway that it is to move to: ${lacks.join('; ')}`;
  }
  if (since.has(`backoff ${group.id}`))
    return `${owner}, which did not release it in time, before it is asked again`;
  if (!since.has(`failback ${group.id}`)) return null;
  return `failback to ${homeOf(map.gateways, group.id)?.name ?? 'a gateway with fewer groups'}, which has to stay able for a while`;
}

/** How far the gateway has come with the epoch that it has to acknowledge. */
function progress(state: MachineState, group: AnaGroupEntry, holder: Holder): string {
  const beacon = beaconOf(state, holder);
  if (beacon === undefined) return `epoch ${group.epoch}; it has not reported`;
  const activity = activityOf(beacon, group);
  return `epoch ${group.epoch}; it has applied ${beacon.appliedEpoch} and is ${activity ?? 'without the group'}`;
}

function activityOf(beacon: Beacon | undefined, group: AnaGroupEntry): string | undefined {
  return beacon?.groups.find(({ id }) => id === group.id)?.activity;
}

function beaconOf({ seen }: MachineState, { gateway, incarnation }: Holder): Beacon | undefined {
  const beacon = seen.get(gateway);
  return beacon?.incarnation === incarnation ? beacon : undefined;
}
