/** Where namespaces belong: the ANA groups that have a home gateway, and where those gateways stand. Pure. */

/** ANA group -> location of its home gateway; groups of gateways without a location are not in it. */
export type HomeLocations = ReadonlyMap<number, string>;

export const NO_LOCATIONS: HomeLocations = new Map();

export interface Homes {
  /** ANA groups that have a home gateway, ascending; never empty. */
  readonly groups: readonly number[];
  readonly locations: HomeLocations;
}

/** The home groups at a location; all of them when no gateway is there, or `location` is '' or absent. */
export function homesAt(location: string | undefined, { groups, locations }: Homes): readonly number[] {
  if (!location) return groups;
  const there = groups.filter((group) => locations.get(group) === location);
  return there.length > 0 ? there : groups;
}
