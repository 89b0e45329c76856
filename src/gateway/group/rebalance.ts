/**
 * Which namespaces to move so that the ANA groups carry about the same: every group with a home gateway within one namespace
 * of the others, per subsystem as far as that goes, with as few moves as possible. A namespace that has a location goes only to
 * groups whose home gateway is there, if there is one. Pure.
 */
import { type HomeLocations, type Homes, homesAt, NO_LOCATIONS } from '../plans/homes.ts';

/** A namespace, as far as placement goes. */
export interface PlacedNamespace {
  readonly nqn: string;
  readonly nsid: number;
  readonly anaGroupId: number;
  /** Where it belongs; absent: anywhere. */
  readonly location?: string;
}

export interface NamespaceMove extends PlacedNamespace {
  /** The ANA group that it goes to. */
  readonly to: number;
}

/** A namespace on its way. */
interface Placed extends NamespaceMove {
  to: number;
  /** The groups that suit it; one array for all that belong at the same place. */
  readonly homes: readonly number[];
}

/** Why groups are out of balance for good, not for a while; null: they are not. */
export function imbalance(
  namespaces: Iterable<PlacedNamespace>,
  homeGroups: readonly number[],
  locations: HomeLocations = NO_LOCATIONS,
): string | null {
  const placed = place(namespaces, { groups: homeGroups, locations });
  const counts = countByGroup(placed, homeGroups);
  const homeless = [...counts.keys()].filter((group) => !homeGroups.includes(group));
  if (homeless.length > 0) return `ANA group ${homeless.join(', ')} has no home gateway any more`;
  const astray = placed.find(({ homes, anaGroupId }) => !homes.includes(anaGroupId));
  if (astray !== undefined)
    return `namespace ${astray.nsid} of ${astray.nqn} is not at its location ${astray.location}`;
  const empty = homeGroups.filter(
    (group) =>
      counts.get(group) === 0 &&
      placed.some(({ homes, anaGroupId }) => homes.includes(group) && counts.get(anaGroupId)! > 1),
  );
  return empty.length > 0 ? `ANA group ${empty.join(', ')} has a home gateway and no namespace` : null;
}

/** The moves, in the order in which to make them; empty when no move makes two groups more alike. */
export function planRebalance(
  namespaces: Iterable<PlacedNamespace>,
  homeGroups: readonly number[],
  locations: HomeLocations = NO_LOCATIONS,
): readonly NamespaceMove[] {
  if (homeGroups.length === 0) return [];
  const placed = place(namespaces, { groups: homeGroups, locations });
  const counts = countByGroup(placed, homeGroups);
  const move = (namespace: Placed, to: number): void => {
    counts.set(namespace.to, counts.get(namespace.to)! - 1);
    counts.set(to, counts.get(to)! + 1);
    namespace.to = to;
  };
  for (const namespace of placed) {
    if (!namespace.homes.includes(namespace.to)) move(namespace, least(namespace.homes, counts));
  }
  for (let step = nextStep(placed, counts); step !== null; step = nextStep(placed, counts)) {
    const { from, to, homes } = step;
    const movable = placed.filter((namespace) => namespace.homes === homes);
    move(mostLopsided(movable, from, to), to);
  }
  return placed
    .filter(({ anaGroupId, to }) => anaGroupId !== to)
    .map(({ nqn, nsid, anaGroupId, to }) => ({ nqn, nsid, anaGroupId, to }));
}

function place(namespaces: Iterable<PlacedNamespace>, all: Homes): Placed[] {
  const homesOf = new Map<string, readonly number[]>();
  return [...namespaces].map(({ nqn, nsid, anaGroupId, location = '' }) => {
    let homes = homesOf.get(location);
    if (homes === undefined) {
      homes = homesAt(location, all);
      homesOf.set(location, homes);
    }
    return { nqn, nsid, anaGroupId, location, to: anaGroupId, homes };
  });
}

function countByGroup(
  namespaces: Iterable<PlacedNamespace>,
  homeGroups: readonly number[],
): Map<number, number> {
  const counts = new Map(homeGroups.map((group) => [group, 0]));
  for (const { anaGroupId } of namespaces) counts.set(anaGroupId, (counts.get(anaGroupId) ?? 0) + 1);
  return counts;
}

function least(groups: readonly number[], counts: ReadonlyMap<number, number>): number {
  return groups.reduce((best, group) => (counts.get(group)! < counts.get(best)! ? group : best));
}

/** Between which groups a move makes the greatest difference, of a namespace with which homes; null: none helps. */
function nextStep(placed: readonly Placed[], counts: ReadonlyMap<number, number>) {
  const emptiest = new Map<readonly number[], number>();
  let best: { from: number; to: number; homes: readonly number[]; surplus: number } | null = null;
  for (const { to: from, homes } of placed) {
    const to = emptiest.get(homes) ?? least(homes, counts);
    emptiest.set(homes, to);
    const surplus = counts.get(from)! - counts.get(to)!;
    if (surplus <= 1) continue;
    const isBetter =
      best === null || surplus > best.surplus || (surplus === best.surplus && from < best.from);
    if (isBetter) best = { from, to, homes, surplus };
  }
  return best;
}

/** The namespace in `from` of the subsystem that has the most there compared with `to`. */
function mostLopsided<T extends { nqn: string; to: number }>(
  placed: readonly T[],
  from: number,
  to: number,
): T {
  const surplus = new Map<string, number>();
  for (const namespace of placed) {
    const weight = namespace.to === from ? 1 : namespace.to === to ? -1 : 0;
    surplus.set(namespace.nqn, (surplus.get(namespace.nqn) ?? 0) + weight);
  }
  return placed
    .filter((namespace) => namespace.to === from)
    .reduce((best, namespace) => (surplus.get(namespace.nqn)! > surplus.get(best.nqn)! ? namespace : best));
}
