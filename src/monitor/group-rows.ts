/** The map and the beacons as operators see them. Pure. */
import type { GatewayRow, GroupRow } from './admin.ts';
import type { Beacon } from './beacon.ts';
import { type AnaGroupEntry, type GatewayEntry, type GroupMap, stateName } from './group-map.ts';
import { waitsFor } from './machine.ts';
import { homeOf } from './placement.ts';

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
    // Since when something waits only the leader knows.
    awaited: waitsFor({ map, seen, since: new Map() }, id),
  };
}
