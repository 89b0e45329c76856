/** Lets the world of a seed take its course: it starts, things break, they heal, and all must be well again in time. */
import { isHome } from './check/ownership.ts';
import type { Violation } from './engine/simulation.ts';
import { FAULTS, type Fault } from './faults.ts';
import type { Variant } from './variants.ts';
import { World, type WorldOptions } from './world.ts';

/** After everything has healed: every group is served, at home, and no operation of a host waits. */
const RECOVERY_MS = 45_000;
const LOOK_MS = 500;
/** Operations of a host that are older wait for something. */
const PROMPT_MS = 400;
const READ_ALL_MS = 10_000;

export interface SeedResult {
  readonly seed: number;
  readonly violation: Violation | null;
  /** Milliseconds of the world. */
  readonly ms: number;
  readonly steps: number;
  /** Of hosts, that were answered. */
  readonly operations: number;
  /** Longest time that any group was not served. */
  readonly unservedMs: number;
}

export async function runSeed(options: WorldOptions): Promise<SeedResult> {
  const world = new World(options);
  const { simulation, history } = world;
  world.start();
  await course(world);
  if (simulation.violation === null) {
    const wrong = history.contradiction();
    if (wrong !== null) simulation.fail('lost or stale data', wrong);
  }
  world.end();
  const { violation, now, steps } = simulation;
  return {
    seed: options.seed,
    violation,
    ms: now,
    steps,
    operations: history.operations,
    unservedMs: world.service.longestMs,
  };
}

/** What goes wrong where the product is broken in this way, or not at all. */
export function faultsOf(variant: Variant | undefined): readonly Fault[] {
  return FAULTS.filter(({ name }) => variant?.faults?.includes(name) ?? true);
}

/** The first of so many seeds with which the simulation notices that something is broken; null: none. */
export async function firstCaught(
  variant: Variant,
  seeds: number,
  blackBox = false,
): Promise<SeedResult | null> {
  const faults = faultsOf(variant);
  for (let seed = 1; seed <= seeds; seed++) {
    const result = await runSeed({ seed, faults, variant, blackBox });
    if (result.violation !== null) return result;
  }
  return null;
}

async function course(world: World): Promise<void> {
  const { simulation, hosts, plan } = world;
  await simulation.run(plan.healedMs);
  await until(world, plan.healedMs + RECOVERY_MS, () => whatIsAmiss(world));
  if (simulation.violation !== null) return;
  for (const host of hosts) {
    host.rest();
    host.readAll();
  }
  await until(world, simulation.now + READ_ALL_MS, () => whoWaits(world, 0));
}

/** Until nothing is amiss any more; that is to be so by `byMs`. */
async function until(world: World, byMs: number, amiss: () => string | null): Promise<void> {
  const { simulation } = world;
  for (let wrong = amiss(); wrong !== null && simulation.violation === null; wrong = amiss()) {
    if (simulation.now >= byMs) {
      simulation.fail('L1', `not well again: ${wrong}`);
      return;
    }
    await simulation.run(simulation.now + LOOK_MS);
  }
}

function whatIsAmiss(world: World): string | null {
  const { map, machines } = world;
  if (!isHome(map)) return 'not every group is at home';
  for (const { id, owner } of map.groups) {
    const gateway = machines.find(({ node }) => node.name === owner?.gateway)?.gateway;
    if (gateway?.isServing(id) !== true) return `group ${id} is not served by ${owner?.gateway}`;
  }
  return whoWaits(world, PROMPT_MS);
}

/** Operations that began more than `ms` ago. */
function whoWaits({ hosts, simulation }: World, ms: number): string | null {
  const waiting = hosts.find(
    ({ waitsSinceMs }) => waitsSinceMs !== null && waitsSinceMs <= simulation.now - ms,
  );
  return waiting === undefined
    ? null
    : `an operation of ${waiting.name} waits since ${waiting.waitsSinceMs} ms`;
}
