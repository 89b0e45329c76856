/** Which faults come when, drawn from the seed. Everything heals in the end. */
import type { Random } from './engine/random.ts';
import { FAULTS, type Fault } from './faults.ts';
import type { World } from './world.ts';

export interface Plan {
  readonly faults: readonly { readonly fault: Fault; readonly atMs: number }[];
  /** Nothing is broken any more from then on. */
  readonly healedMs: number;
  /** Hosts do so much less, and faults last so much longer, than otherwise. */
  readonly stretch: number;
}

const FIRST_MS = 2200;
const LAST_MS = 7000;
const HEALED_MS = 10_000;
/** Some worlds are long: hosts' time-outs run out, and operators act late. */
const LONG = { probability: 0.03, stretch: 7 } as const;

export function drawPlan(random: Random, faults: readonly Fault[] = FAULTS): Plan {
  const stretch = random.chance(LONG.probability) ? LONG.stretch : 1;
  const count = random.pick([1, 1, 1, 2, 2, 3, 4]);
  const moments: { fault: Fault; atMs: number }[] = [];
  let atMs = random.between(FIRST_MS, LAST_MS);
  for (let i = 0; i < count; i++) {
    moments.push({ fault: draw(random, faults), atMs });
    // often several at once, or one while the last still hurts
    const soon = Math.min(atMs + random.exponential(400), LAST_MS);
    atMs = random.chance(0.5) ? soon : random.between(FIRST_MS, LAST_MS);
  }
  return { faults: moments, healedMs: HEALED_MS * stretch, stretch };
}

/** Puts the plan into the world's time. */
export function carryOut(world: World, { faults, healedMs, stretch }: Plan): void {
  const { simulation } = world;
  for (const { fault, atMs } of faults) {
    const random = world.random.fork();
    const [least, most] = fault.lastsMs ?? [200, 6000];
    const lastsMs = random.between(least, most) * (fault.lastsMs === undefined ? stretch : 1);
    simulation.at(atMs, () => {
      simulation.note(() => `FAULT ${fault.name}`);
      const heal = fault.begin(world, random);
      if (heal !== null) simulation.at(Math.min(atMs + lastsMs, healedMs), heal);
    });
  }
}

function draw(random: Random, faults: readonly Fault[]): Fault {
  let left = random.next() * faults.reduce((sum, { weight = 1 }) => sum + weight, 0);
  return faults.find(({ weight = 1 }) => {
    left -= weight;
    return left < 0;
  })!;
}
