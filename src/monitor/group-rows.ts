/** The map and the beacons as operators see them. Pure. */
import type { GatewayRow, GroupRow } from './admin.ts';
import type { Beacon } from './beacon.ts';
import {
  type AnaGroupEntry,
  type GatewayEntry,
  type GroupMap,
  pendingFences,
  stateName,
} from './group-map.ts';
import { homeOf, missingHosts } from './placement.ts';

export interface GatewaySight {
  /** Last one of its present incarnation. */
  readonly beacon: Beacon | undefined;
  readonly beaconAgeMs: number | null;
  readonly leader: boolean;
}

export function gatewayRow(map: GroupMap, entry: GatewayEntry, sight: GatewaySight): GatewayRow {
  const { name, slot, location, availability, enabled, drain, peerAddress, peerPort, sinceMs } = entry;
  return {
    name,
    slot,
    location,
    availability,
    enabled,
    drain,
    incarnation: entry.incarnation?.id ?? null,
    peerAddress,
    peerPort,
    leader: sight.leader,
    groups: map.groups.filter(({ owner }) => owner?.gateway === name).map(({ id }) => id),
    hosts: sight.beacon?.hosts ?? [],
    load: sight.beacon?.load ?? 0,
    beaconAgeMs: sight.beaconAgeMs,
    sinceMs,
  };
}

export function groupRow(map: GroupMap, group: AnaGroupEntry, seen: ReadonlyMap<string, Beacon>): GroupRow {
  const { id, owner, sinceMs, why, epoch } = group;
  return {
    id,
    owner: owner?.gateway ?? null,
    home: homeOf(map.gateways, id)?.name ?? null,
    state: owner === null ? 'STANDBY' : stateName(group, owner.gateway),
    states: map.gateways.map(({ name }) => ({ gateway: name, state: stateName(group, name) })),
    sinceMs,
    why,
    epoch,
    awaited: awaitedBy(map, group, seen),
  };
}

/** What has to happen before the group is served by its owner; null: nothing. */
function awaitedBy(map: GroupMap, group: AnaGroupEntry, seen: ReadonlyMap<string, Beacon>): string | null {
  const { id, owner, next, holders, epoch } = group;
  const others = holders.filter(({ incarnation }) => incarnation !== owner?.incarnation);
  for (const { gateway, incarnation } of others) {
    const pending = pendingFences(map).filter((fence) => fence.incarnation === incarnation);
    if (pending.length > 0) return `the fence of ${gateway} (${pending[0].reason})`;
    return `${gateway}, to release it in epoch ${epoch}`;
  }
  if (owner === null) return 'a gateway that can serve it';
  if (next !== null) return `${owner.gateway}, to release it to ${next} in epoch ${epoch}`;
  const beacon = seen.get(owner.gateway);
  const activity = beacon?.groups.find((entry) => entry.id === id)?.activity;
  if (activity !== 'serving' || (beacon?.appliedEpoch ?? 0) < epoch)
    return `${owner.gateway}, to take it over in epoch ${epoch}`;
  return awaitedHosts(map, group, owner.gateway, seen);
}

/** A planned move that waits for hosts to connect to where the group would go. */
function awaitedHosts(
  map: GroupMap,
  { id }: AnaGroupEntry,
  owner: string,
  seen: ReadonlyMap<string, Beacon>,
): string | null {
  const home = homeOf(map.gateways, id);
  if (home === undefined || home.name === owner || home.availability !== 'AVAILABLE') return null;
  const missing = missingHosts(seen.get(owner)?.hosts ?? [], home.name, seen);
  return missing.length === 0 ? null : `${missing.length} hosts, to connect to ${home.name}, its home`;
}
