/**
 * Fuzzes a gateway's engine in this process with mutated PDUs: `npm run fuzz -- [--seed N] [--count N] [--episode N]`.
 * Prints the seed first; exits 1 on a crash, a hang, wrong data for the well-behaved host beside it, or a leak.
 * `--episode N` with the seed of a failed run begins with that episode, one at a time.
 */
import { parseArgs } from 'node:util';
import { type FuzzReport, fuzz } from '../test/conformance/fuzzer.ts';
import { liveBytes, openDescriptors } from '../test/conformance/gauges.ts';
import { Sentinel } from '../test/conformance/sentinel.ts';
import { eventually } from '../test/conformance/waiting.ts';
import { startWorld } from '../test/conformance/world.ts';

const LEAK_BYTES = 16 * 1024 * 1024;
const print = (text: string) => process.stdout.write(`${text}\n`);

const { values } = parseArgs({
  options: { seed: { type: 'string' }, count: { type: 'string' }, episode: { type: 'string' } },
});
const seed = Number(values.seed ?? Date.now() % 0x7fffffff);
const count = Number(values.count ?? 1_000_000);
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(count) || count < 1) {
  process.stderr.write('usage: npm run fuzz -- [--seed N] [--count N] [--episode N]\n');
  process.exit(64);
}

function fail(what: string, cause: unknown): never {
  process.stderr.write(
    `\nfuzz: ${what} (seed ${seed}): ${cause instanceof Error ? cause.stack : String(cause)}\n`,
  );
  process.exit(1);
}
process.on('uncaughtException', (cause) => fail('the target threw', cause));
process.on('unhandledRejection', (cause) => fail('an unhandled rejection', cause));

async function main(): Promise<void> {
  const began = performance.now();
  print(`fuzz: seed ${seed}, ${count} mutated PDUs`);
  const world = await startWorld();
  const { control } = world;
  if (!control) throw new Error('fuzzing needs the target in this process: unset ANAGATE_TEST_ADDR');
  const sentinel = await Sentinel.start(world, { pauseMs: 5 });
  const options = { endpoint: world.a, subnqn: world.subnqn };
  const quiet = () =>
    eventually(
      'every connection but the well-behaved host to be gone',
      () => control.connectionCount() === 2 && control.controllerCount() === 0,
    );
  await fuzz({ ...options, seed: 1, count: Math.min(10_000, count) });
  await quiet();
  const memory = liveBytes();
  const descriptors = openDescriptors();

  const onProgress = (report: FuzzReport) => {
    sentinel.check();
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    if (report.episodes % 5000 === 0)
      print(`fuzz: ${report.pdus} PDUs, ${report.connections} connections, ${seconds} s`);
  };
  const episode = values.episode === undefined ? {} : { firstEpisode: Number(values.episode), parallel: 1 };
  const report = await fuzz({ ...options, seed, count, onProgress, ...episode });
  await quiet();
  await sentinel.stop();
  const leaked = () => liveBytes() - memory;
  await eventually(
    `memory to be flat (${(leaked() / 2 ** 20).toFixed(1)} MiB more)`,
    () => leaked() < LEAK_BYTES,
  );
  if (openDescriptors() > descriptors)
    throw new Error(`${openDescriptors() - descriptors} descriptors leaked`);
  if (control.borrowedBytes() !== 0)
    throw new Error(`${control.borrowedBytes()} bytes of data buffers leaked`);
  await world.stop();
  const seconds = (performance.now() - began) / 1000;
  print(
    `fuzz: passed: ${report.pdus} PDUs on ${report.connections} connections in ${seconds.toFixed(0)} s; ${report.answered} answered, ` +
      `${report.terminated} C2HTermReq, ${report.closed} closed; the other host did ${sentinel.rounds} rounds, slowest ${sentinel.slowestMs.toFixed(0)} ms; ` +
      `memory ${(leaked() / 2 ** 20).toFixed(1)} MiB`,
  );
}

await main().catch((cause: unknown) => fail('failed', cause));
