/**
 * The simulation of failovers from seeds: `npm run sim -- [--seed N] [--seeds COUNT] [--variant NAME] [--trace]`. Says what
 * seeds that fail have found, and exits with 1. The same seed takes the same course; --trace shows it.
 */
import { parseArgs } from 'node:util';
import { runSeed } from '../test/sim/run.ts';
import { VARIANTS } from '../test/sim/variants.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    variant: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const variant = VARIANTS.find(({ name }) => name === values.variant);
if (values.variant !== undefined && variant === undefined) {
  say(`There is no variant "${values.variant}". There are:`);
  for (const { name, what } of VARIANTS) say(`  ${name}: ${what}`);
  process.exit(64);
}
const first = Number(values.seed);
const count = Number(values.seeds);
const began = performance.now();
let [ms, steps, operations] = [0, 0, 0];
for (let seed = first; seed < first + count; seed++) {
  const result = await runSeed(seed, variant, values.trace ? say : undefined);
  ms += result.ms;
  steps += result.steps;
  operations += result.operations;
  if (result.violation === null) continue;
  say(`seed ${seed}: ${result.violation.message}`);
  say(
    `again: npm run sim -- --seed ${seed}${variant === undefined ? '' : ` --variant ${variant.name}`} --trace`,
  );
  process.exitCode = 1;
}
const tookS = (performance.now() - began) / 1000;
say(
  `${(ms / 1000).toFixed(0)} s of worlds, ${steps} events, ${operations} operations of hosts in ${tookS.toFixed(1)} s`,
);
