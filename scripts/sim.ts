/**
 * The simulation of failovers from seeds:
 * `npm run sim -- [--seed N] [--seeds COUNT] [--fault NAME] [--variant NAME] [--trace]`. Says what seeds that fail have found, and
 * exits with 1. The same seed takes the same course; --trace shows it.
 */
import { parseArgs } from 'node:util';
import { FAULTS } from '../test/sim/faults.ts';
import { firstCaught, runSeed } from '../test/sim/run.ts';
import { VARIANTS } from '../test/sim/variants.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    fault: { type: 'string' },
    variant: { type: 'string' },
    variants: { type: 'boolean', default: false },
    'black-box': { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
  },
});

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The one of that name; ends the program when there is none. */
function named<T extends { readonly name: string }>(
  list: readonly T[],
  name: string | undefined,
): T | undefined {
  const found = list.find((one) => one.name === name);
  if (name !== undefined && found === undefined) {
    say(`There is no "${name}". There are:`);
    for (const one of list) say(`  ${one.name}`);
    process.exit(64);
  }
  return found;
}

async function catchVariants(): Promise<void> {
  for (const variant of VARIANTS) {
    const caught = await firstCaught(variant, count, blackBox);
    const found = caught === null ? 'NOT CAUGHT' : `seed ${caught.seed}: ${caught.violation!.message}`;
    say(`${variant.name.padEnd(32)} ${found}`);
    if (caught === null) process.exitCode = 1;
  }
}

const variant = named(VARIANTS, values.variant);
const fault = named(FAULTS, values.fault);
const faults = fault
  ? [fault]
  : variant && FAULTS.filter(({ name }) => variant.faults?.includes(name) ?? true);
const first = Number(values.seed);
const count = Number(values.seeds);
const blackBox = values['black-box'];
if (values.variants) {
  await catchVariants();
  process.exit();
}
const began = process.cpuUsage();
let [ms, steps, operations, failures, unservedMs] = [0, 0, 0, 0, 0];
for (let seed = first; seed < first + count; seed++) {
  const result = await runSeed({
    seed,
    ...(faults && { faults }),
    blackBox,
    ...(variant && { variant }),
    ...(values.trace && { trace: say }),
  });
  ms += result.ms;
  steps += result.steps;
  operations += result.operations;
  unservedMs = Math.max(unservedMs, result.unservedMs);
  if (result.violation === null) continue;
  failures += 1;
  say(`seed ${seed}: ${result.violation.message}`);
}
const { user, system } = process.cpuUsage(began);
say(
  `${count} seeds, ${failures} failed; ${(ms / 1000).toFixed(0)} s of worlds, ${steps} events, ${operations} operations of hosts, ` +
    `a group not served for ${(unservedMs / 1000).toFixed(1)} s at most; ${((user + system) / 1e6).toFixed(1)} s of CPU`,
);
if (failures > 0) process.exitCode = 1;
