/**
 * The simulation of failovers from seeds:
 * `npm run sim -- [--seed N] [--seeds COUNT] [--jobs J] [--fault NAME] [--variant NAME | --variants] [--black-box] [--trace]`.
 * Says what seeds that fail have found, and exits with 1. The same seed takes the same course; --trace shows it. Many seeds are
 * shared out to J processes (one for each CPU unless said). --variants: how many of the seeds notice each broken variant.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { FAULTS, type Fault } from '../test/sim/faults.ts';
import { faultsOf, runSeed } from '../test/sim/run.ts';
import { VARIANTS, type Variant } from '../test/sim/variants.ts';

/** Seeds that one process runs at a time. */
const MOST_AT_A_TIME = 2000;

interface Tally {
  seeds: number;
  failures: number;
  /** What the first seed that failed has found. */
  first: string | null;
  /** Milliseconds of all worlds. */
  ms: number;
  steps: number;
  operations: number;
  /** Longest time that any group was not served. */
  unservedMs: number;
  cpuS: number;
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    jobs: { type: 'string' },
    fault: { type: 'string' },
    variant: { type: 'string' },
    variants: { type: 'boolean', default: false },
    'black-box': { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed);
const count = Number(values.seeds);
const jobs = values.trace ? 1 : Number(values.jobs ?? availableParallelism());
const blackBox = values['black-box'];

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

function nothing(): Tally {
  return { seeds: 0, failures: 0, first: null, ms: 0, steps: 0, operations: 0, unservedMs: 0, cpuS: 0 };
}

function sum(a: Tally, b: Tally): Tally {
  return {
    seeds: a.seeds + b.seeds,
    failures: a.failures + b.failures,
    first: a.first ?? b.first,
    ms: a.ms + b.ms,
    steps: a.steps + b.steps,
    operations: a.operations + b.operations,
    unservedMs: Math.max(a.unservedMs, b.unservedMs),
    cpuS: a.cpuS + b.cpuS,
  };
}

/** Runs seeds in this process. */
async function run(from: number, to: number, variant: Variant | undefined, fault: Fault | undefined) {
  const began = process.cpuUsage();
  const tally = nothing();
  const faults = fault === undefined ? faultsOf(variant) : [fault];
  for (let seed = from; seed < to; seed++) {
    const result = await runSeed({
      seed,
      faults,
      blackBox,
      ...(variant && { variant }),
      ...(values.trace && { trace: say }),
    });
    tally.seeds += 1;
    tally.ms += result.ms;
    tally.steps += result.steps;
    tally.operations += result.operations;
    tally.unservedMs = Math.max(tally.unservedMs, result.unservedMs);
    if (result.violation === null) continue;
    tally.failures += 1;
    const found = `seed ${seed}: ${result.violation.message}`;
    tally.first ??= found;
    if (!values.variants) say(found);
  }
  const { user, system } = process.cpuUsage(began);
  return { ...tally, cpuS: (user + system) / 1e6 };
}

/** Runs seeds in another process. One that ends before its time has failed. */
function runElsewhere(from: number, to: number, variant: Variant | undefined): Promise<Tally> {
  const script = fileURLToPath(import.meta.url);
  const runner = fileURLToPath(new URL('run-ts.mjs', import.meta.url));
  const own = ['--seed', String(from), '--seeds', String(to - from), '--jobs', '1'];
  if (variant !== undefined) own.push('--variant', variant.name);
  if (values.fault !== undefined) own.push('--fault', values.fault);
  if (blackBox) own.push('--black-box');
  // what its seeds find is of no interest when variants are counted
  const stdio = ['ignore', values.variants ? 'ignore' : 'inherit', 'inherit', 'ipc'] as const;
  const child: ChildProcess = fork(runner, [script, ...own], { stdio: [...stdio] });
  return new Promise((resolve) => {
    let tally: Tally | null = null;
    child.on('message', (message) => {
      tally = message as Tally;
    });
    child.on('exit', (code, signal) => {
      const found = `seeds ${from} to ${to - 1}: their process ended (${signal ?? code})`;
      if (tally === null) say(found);
      resolve(tally ?? { ...nothing(), seeds: to - from, failures: 1, first: found });
    });
  });
}

/** Shares seeds out to processes. */
async function runAll(variant: Variant | undefined, fault: Fault | undefined): Promise<Tally> {
  if (jobs === 1 || count < 2 * jobs) return run(first, first + count, variant, fault);
  const atATime = Math.min(Math.ceil(count / jobs), MOST_AT_A_TIME);
  const began = performance.now();
  let next = first;
  let all = nothing();
  const work = async () => {
    while (next < first + count) {
      const from = next;
      next = Math.min(from + atATime, first + count);
      const tally = await runElsewhere(from, next, variant);
      all = sum(all, tally);
      const perSecond = all.seeds / ((performance.now() - began) / 1000);
      if (count > 2 * jobs * MOST_AT_A_TIME)
        say(`${all.seeds} of ${count} seeds, ${all.failures} failed, ${perSecond.toFixed(1)} a second`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return all;
}

async function countVariants(chosen: readonly Variant[]): Promise<void> {
  for (const variant of chosen) {
    const { seeds, failures, first: found } = await runAll(variant, undefined);
    const share = `${failures} of ${seeds} (${((100 * failures) / seeds).toFixed(1)} %)`;
    say(`${variant.name.padEnd(44)} ${share.padEnd(22)} ${found ?? 'NOT NOTICED'}`);
    if (failures === 0) process.exitCode = 1;
  }
}

const variant = named(VARIANTS, values.variant);
const fault = named(FAULTS, values.fault);
if (values.variants) await countVariants(variant === undefined ? VARIANTS : [variant]);
else {
  const began = performance.now();
  const tally = await runAll(variant, fault);
  const { seeds, failures, ms, steps, operations, unservedMs, cpuS } = tally;
  // a process of many tells the one that shares out
  if (process.send !== undefined) process.send(tally);
  else
    say(
      `${seeds} seeds, ${failures} failed; ${(ms / 1000).toFixed(0)} s of worlds, ${steps} events, ${operations} operations of hosts, ` +
        `a group not served for ${(unservedMs / 1000).toFixed(1)} s at most; ${cpuS.toFixed(1)} s of CPU, ` +
        `${(seeds / ((performance.now() - began) / 1000)).toFixed(1)} seeds a second`,
    );
  if (failures > 0) process.exitCode = 1;
}
