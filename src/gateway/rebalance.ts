/**
 * Which namespaces to move so that the ANA groups carry about the same: every group with a home gateway within one namespace
 * of the others, per subsystem as far as that goes, with as few moves as possible. Pure.
 */

/** A namespace, as far as placement goes. */
export interface PlacedNamespace {
  readonly nqn: string;
  readonly nsid: number;
  readonly anaGroupId: number;
}

export interface NamespaceMove extends PlacedNamespace {
  /** The ANA group that it goes to. */
  readonly to: number;
}

/** Why groups are out of balance for good, not for a while; null: they are not. */
export function imbalance(
  namespaces: Iterable<PlacedNamespace>,
  homeGroups: readonly number[],
): string | null {
  const counts = countByGroup(namespaces, homeGroups);
  const homeless = [...counts.keys()].filter((group) => !homeGroups.includes(group));
  if (homeless.length > 0) return `ANA group ${homeless.join(', ')} has no home gateway any more`;
  const empty = homeGroups.filter((group) => counts.get(group) === 0);
  const most = Math.max(0, ...counts.values());
  if (empty.length > 0 && most > 1)
    return `ANA group ${empty.join(', ')} has a home gateway and no namespace`;
  return null;
}

/** The moves, in the order in which to make them; empty when groups differ by one namespace at most. */
export function planRebalance(
  namespaces: Iterable<PlacedNamespace>,
  homeGroups: readonly number[],
): readonly NamespaceMove[] {
  if (homeGroups.length === 0) return [];
  const placed = [...namespaces].map((namespace) => ({ ...namespace, to: namespace.anaGroupId }));
  const counts = countByGroup(placed, homeGroups);
  const home = new Set(homeGroups);
  const move = (namespace: (typeof placed)[number], to: number): void => {
    counts.set(namespace.to, counts.get(namespace.to)! - 1);
    counts.set(to, counts.get(to)! + 1);
    namespace.to = to;
  };
  for (const namespace of placed) {
    if (!home.has(namespace.to)) move(namespace, least(homeGroups, counts));
  }
  for (;;) {
    const from = most(homeGroups, counts);
    const to = least(homeGroups, counts);
    if (counts.get(from)! - counts.get(to)! <= 1) break;
    move(mostLopsided(placed, from, to), to);
  }
  return placed.filter(({ anaGroupId, to }) => anaGroupId !== to);
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

function most(groups: readonly number[], counts: ReadonlyMap<number, number>): number {
  return groups.reduce((best, group) => (counts.get(group)! > counts.get(best)! ? group : best));
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
