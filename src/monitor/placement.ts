/** Who can own an ANA group, and who is best. Pure. */
import type { Beacon } from './beacon.ts';
import type { AnaGroupEntry, GatewayEntry } from './group-map.ts';
import { remembered } from './remembered.ts';

/** What placement looks at. */
export interface Board {
  readonly gateways: readonly GatewayEntry[];
  readonly groups: readonly AnaGroupEntry[];
  /** Last beacon of each gateway's present incarnation. */
  readonly seen: ReadonlyMap<string, Beacon>;
}

/** What the new owner of a group should be like. */
export interface Wish {
  readonly group: number;
  /** NQNs of hosts that the old owner had. */
  readonly hosts: readonly string[];
  /** Where the group should stay if its home gateway is unknown. */
  readonly location: string | null;
}

/** Why the gateway cannot own a group, as far as the map says; null: it can. Follows its name in a sentence. */
export function obstacleInMap(gateway: GatewayEntry): string | null {
  switch (gateway.availability) {
    case 'DELETING':
      return 'is being deleted';
    case 'UNAVAILABLE':
      return 'is not running';
    case 'CREATED':
      return gateway.incarnation === null ? 'has never run' : 'has no subsystem with a listener';
    case 'AVAILABLE':
      if (gateway.incarnation === null) return 'is not running';
      if (!gateway.enabled) return 'is disabled';
      return gateway.drain === 'no' ? null : 'is drained';
  }
}

/** Why the gateway cannot own a group by what it and its peers report; null: it can. */
export function obstacleInBeacons(gateway: string, seen: ReadonlyMap<string, Beacon>): string | null {
  const beacon = seen.get(gateway);
  if (beacon === undefined) return 'has not reported to the present leader';
  if (beacon.leaving) return 'is stopping';
  if (beacon.linkDown) return 'has no link on its front network';
  return isIsolated(gateway, seen) ? 'is not reached by its peers on its front network' : null;
}

/** Why the gateway cannot own a group; null: it is able. */
export function obstacle(gateway: GatewayEntry, seen: ReadonlyMap<string, Beacon>): string | null {
  return obstacleInMap(gateway) ?? obstacleInBeacons(gateway.name, seen);
}

/** At least two peers that reach one another do not reach it: it is cut off, not they. */
export function isIsolated(gateway: string, seen: ReadonlyMap<string, Beacon>): boolean {
  const host = seen.get(gateway)?.hostName ?? gateway;
  const complainers = [...seen.values()].filter(({ unreachable }) => unreachable.includes(host));
  const reaches = (one: Beacon, other: Beacon) => one.reachable.includes(other.hostName ?? other.gateway);
  return complainers.some((one) => complainers.some((other) => reaches(one, other) && reaches(other, one)));
}

/** Every subsystem with a namespace in the group has a listener there. */
export function covers(gateway: string, group: number, seen: ReadonlyMap<string, Beacon>): boolean {
  return !(seen.get(gateway)?.uncovered.includes(group) ?? false);
}

/** Those of the hosts that have no controller at the gateway. */
export function missingHosts(
  hosts: readonly string[],
  gateway: string,
  seen: ReadonlyMap<string, Beacon>,
): readonly string[] {
  const connected = seen.get(gateway)?.hosts;
  return connected === undefined ? hosts : difference(hosts, connected);
}

/** The gateway in the slot that the group belongs to. */
export function homeOf(gateways: readonly GatewayEntry[], group: number): GatewayEntry | undefined {
  return gateways.find(({ slot }) => slot === group - 1);
}

/** Groups that the gateway owns or is about to. */
export function burden(groups: readonly AnaGroupEntry[], gateway: string): number {
  return burdens(groups).get(gateway) ?? 0;
}

/** The best of the candidates, which are able; null when there is none. The first difference decides. */
export function choose(board: Board, candidates: readonly GatewayEntry[], wish: Wish): GatewayEntry | null {
  const location = homeOf(board.gateways, wish.group)?.location ?? wish.location;
  let best: GatewayEntry | null = null;
  let bestRank: readonly number[] = [];
  for (const candidate of candidates) {
    const rank = rankOf(board, candidate, wish, location);
    if (best === null || isLess(rank, bestRank)) {
      best = candidate;
      bestRank = rank;
    }
  }
  return best;
}

/** Smaller is better. */
function rankOf(
  { groups, seen }: Board,
  { name, slot, location }: GatewayEntry,
  wish: Wish,
  wanted: string | null,
): readonly number[] {
  return [
    covers(name, wish.group, seen) ? 0 : 1,
    missingHosts(wish.hosts, name, seen).length,
    slot === wish.group - 1 ? 0 : 1,
    wanted === null || location === wanted ? 0 : 1,
    burden(groups, name),
    seen.get(name)?.load ?? 0,
    slot,
  ];
}

function isLess(one: readonly number[], other: readonly number[]): boolean {
  const at = one.findIndex((value, index) => value !== other[index]);
  return at >= 0 && one[at] < other[at];
}

/** Asked for many groups at a time. */
const burdens = remembered((groups: readonly AnaGroupEntry[]): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const { owner, next } of groups) {
    const gateway = next ?? owner?.gateway;
    if (gateway !== undefined) counts.set(gateway, (counts.get(gateway) ?? 0) + 1);
  }
  return counts;
});

const differencesFrom = remembered((connected: readonly string[]) => {
  const set = new Set(connected);
  return remembered((hosts: readonly string[]) => hosts.filter((host) => !set.has(host)));
});

function difference(hosts: readonly string[], connected: readonly string[]): readonly string[] {
  return differencesFrom(connected)(hosts);
}
