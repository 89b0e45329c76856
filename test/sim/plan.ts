/** Which faults come when, drawn from the seed. Everything heals in the end. */
import type { Random } from './engine/random.ts';
import { FAULTS, type Fault } from './faults.ts';
import type { World } from './world.ts';

interface Moment {
  readonly fault: Fault;
  readonly atMs: number;
  readonly untilMs: number;
}

export interface Plan {
  readonly faults: readonly Moment[];
  /** Nothing is broken any more from then on. */
  readonly healedMs: number;
  /** Hosts do so much less, and faults last so much longer, than otherwise. */
  readonly stretch: number;
}

const FIRST_MS = 1500;
const LAST_MS = 5000;
/** Everything heals at the latest then. */
const HEALED_MS = 10_000;
const LASTS_MS = [100, 5000] as const;
/** Some worlds are long: hosts' time-outs run out, and operators act late. */
const LONG = { probability: 0.01, stretch: 8 } as const;

/** `isHarsh`: more goes wrong than otherwise. */
export function drawPlan(random: Random, faults: readonly Fault[] = FAULTS, isHarsh = false): Plan {
  const stretch = random.chance(LONG.probability) ? LONG.stretch : 1;
  const count = random.pick(isHarsh ? [2, 3, 3, 4] : [1, 1, 1, 2, 2, 3, 4]);
  const moments: Moment[] = [];
  let atMs = random.between(FIRST_MS, LAST_MS);
  for (let i = 0; i < count; i++) {
    const fault = draw(random, faults);
    const [least, most] = fault.lastsMs ?? LASTS_MS;
    const lastsMs = random.between(least, most) * (fault.lastsMs === undefined ? stretch : 1);
    moments.push({ fault, atMs, untilMs: Math.min(atMs + lastsMs, HEALED_MS * stretch) });
    // often several at once, or one while the last still hurts
    const soon = Math.min(atMs + random.exponential(400), LAST_MS);
    atMs = random.chance(0.5) ? soon : random.between(FIRST_MS, LAST_MS);
  }
  return { faults: moments, healedMs: Math.max(...moments.map(({ untilMs }) => untilMs)), stretch };
}

/** Puts the plan into the world's time. */
export function carryOut(world: World, { faults }: Plan): void {
  const { simulation } = world;
  for (const { fault, atMs, untilMs } of faults) {
    const random = world.random.fork();
    simulation.at(atMs, () => {
      simulation.note(() => `FAULT ${fault.name}`);
      const heal = fault.begin(world, random, untilMs - atMs);
      if (heal === null) return;
      simulation.at(untilMs, () => {
        simulation.note(() => `END of ${fault.name}`);
        heal();
      });
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
