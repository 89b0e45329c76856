/**
 * Where beacons and revocations are kept: in objects of different placement groups, and if there are enough OSDs of different
 * primaries, so that one OSD that dies or hangs takes only one of them away.
 */
import type { Cluster } from '../../node-rados/lib/node-rados.ts';

/** Objects that are considered. A small pool may have a single placement group on some OSD, which one of 8 objects meets. */
const CANDIDATES = 64;

/** Where RADOS puts an object. */
interface Placement {
  readonly object: string;
  readonly pg: string;
  readonly primary: number;
}

type Commands = Pick<Cluster, 'monCommand'>;

/**
 * Chooses `count` of the objects `nameOf(0)`, `nameOf(1)`, ...; the first of them when the monitors do not say where they are.
 * `apart` is an object whose place is avoided if that is possible.
 */
export async function chooseObjects(
  cluster: Commands,
  pool: string,
  count: number,
  nameOf: (n: number) => string,
  apart: string,
): Promise<string[]> {
  const names = Array.from({ length: CANDIDATES }, (_, n) => nameOf(n));
  try {
    const [taken, ...candidates] = await Promise.all(
      [apart, ...names].map((object) => placementOf(cluster, pool, object)),
    );
    return furthestApart(candidates, count, taken!);
  } catch {
    return names.slice(0, count);
  }
}

async function placementOf(cluster: Commands, pool: string, object: string): Promise<Placement> {
  const { output } = await cluster.monCommand({ prefix: 'osd map', pool, object, format: 'json' });
  // "up" is where it belongs; "acting" may be elsewhere for the time that data moves.
  const { pgid, up_primary: primary } = JSON.parse(output.toString()) as { pgid: string; up_primary: number };
  return { object, pg: pgid, primary };
}

/** One after the other the candidate that shares least with those chosen before it. */
function furthestApart(candidates: readonly Placement[], count: number, apart: Placement): string[] {
  const chosen: Placement[] = [];
  while (chosen.length < count) {
    const cost = (one: Placement) => sharedWith(one, chosen) * 10 + sharedWith(one, [apart]);
    const free = candidates.filter((one) => !chosen.includes(one));
    chosen.push(free.reduce((best, one) => (cost(one) < cost(best) ? one : best)));
  }
  return chosen.map(({ object }) => object);
}

function sharedWith(one: Placement, others: readonly Placement[]): number {
  const samePg = others.some(({ pg }) => pg === one.pg) ? 2 : 0;
  return samePg + (others.some(({ primary }) => primary === one.primary) ? 1 : 0);
}
