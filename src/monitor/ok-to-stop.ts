/** Whether gateways may be stopped together without a host losing its last path. Pure. */
import type { Beacon } from './beacon.ts';
import type { GroupMap } from './group-map.ts';
import { covers, obstacle } from './placement.ts';

const NAMED_HOSTS = 5;

/** Why not, a reason each; empty: they may. `seen`: last beacon of each gateway. */
export function whyNotToStop(
  map: GroupMap,
  seen: ReadonlyMap<string, Beacon>,
  gateways: readonly string[],
): readonly string[] {
  const stopped = new Set(gateways);
  const unknown = gateways.filter((name) => map.gateways.every((entry) => entry.name !== name));
  if (unknown.length > 0) return unknown.map((name) => `there is no gateway ${name}`);
  const left = map.gateways
    .filter((entry) => !stopped.has(entry.name) && obstacle(entry, seen) === null)
    .map(({ name }) => name);
  if (left.length === 0) return ['no other gateway is left that could serve'];
  return [
    ...groupsWithout(map, seen, stopped, left),
    ...hostsWithout(seen, stopped, left),
    ...unsettled(map, stopped),
  ];
}

/** The first few of them, for people. */
export function listedHosts(hosts: readonly string[]): string {
  const more = hosts.length - NAMED_HOSTS;
  return hosts.slice(0, NAMED_HOSTS).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function groupsWithout(
  { groups }: GroupMap,
  seen: ReadonlyMap<string, Beacon>,
  stopped: ReadonlySet<string>,
  left: readonly string[],
): string[] {
  return groups
    .filter(
      ({ id, owner }) =>
        owner !== null && stopped.has(owner.gateway) && !left.some((name) => covers(name, id, seen)),
    )
    .map(({ id }) => `ANA group ${id}: a subsystem in it has no listener on any gateway that is left`);
}

function hostsWithout(
  seen: ReadonlyMap<string, Beacon>,
  stopped: ReadonlySet<string>,
  left: readonly string[],
): string[] {
  const connected = new Set(left.flatMap((name) => seen.get(name)?.hosts ?? []));
  const lost = new Set(
    [...stopped].flatMap((name) => seen.get(name)?.hosts ?? []).filter((host) => !connected.has(host)),
  );
  return lost.size === 0 ? [] : [`hosts without a path to a gateway that is left: ${listedHosts([...lost])}`];
}

/** What is under way elsewhere would lose the one that it waits for, or come on top. */
function unsettled({ groups }: GroupMap, stopped: ReadonlySet<string>): string[] {
  return groups
    .filter(({ owner, holders }) => owner !== null && !stopped.has(owner.gateway) && holders.length > 1)
    .map(({ id, owner }) => `ANA group ${id}: ${owner!.gateway} is still taking it over`);
}
