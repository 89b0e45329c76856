/** A share of the fuzzing that `npm run fuzz` does by the million: no crash, no hang, no leak, other hosts served. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fuzz } from './fuzzer.ts';
import { liveBytes, openDescriptors } from './gauges.ts';
import { Sentinel } from './sentinel.ts';
import { eventually } from './waiting.ts';
import { EXTERNAL, startWorld, type World } from './world.ts';

const MIB = 1024 * 1024;

describe.skipIf(EXTERNAL)('fuzzing', () => {
  let world: World;
  let sentinel: Sentinel;
  beforeAll(async () => {
    world = await startWorld();
    sentinel = await Sentinel.start(world, { pauseMs: 5 });
  });
  afterAll(async () => {
    await sentinel.stop();
    await world.stop();
  });

  it('100 000 mutated PDUs', async () => {
    const options = { endpoint: world.a, subnqn: world.subnqn };
    // Warm-up: pools fill, code is compiled.
    await fuzz({ ...options, seed: 1, count: 10_000 });
    await eventually('quiet', () => world.control!.connectionCount() === 2);
    const memory = liveBytes();
    const descriptors = openDescriptors();
    const seed = Number(process.env.ANAGATE_FUZZ_SEED ?? Date.now() % 0x7fffffff);
    process.stdout.write(`fuzz: seed ${seed}\n`);
    const report = await fuzz({ ...options, seed, count: 100_000 });
    expect(report.pdus).toBeGreaterThanOrEqual(100_000);
    expect(report.answered).toBeGreaterThan(50_000);
    expect(report.terminated).toBeGreaterThan(500);
    sentinel.check();
    await eventually(
      'every connection but the sentinel to be gone',
      () => world.control!.connectionCount() === 2,
    );
    await eventually('every controller to be gone', () => world.control!.controllerCount() === 0);
    expect(world.control!.borrowedBytes()).toBe(0);
    expect(openDescriptors()).toBeLessThanOrEqual(descriptors);
    await eventually('the memory to be flat', () => liveBytes() - memory < 8 * MIB);
    process.stdout.write(
      `fuzz: ${JSON.stringify(report)}, sentinel ${sentinel.rounds} rounds, slowest ${sentinel.slowestMs.toFixed(0)} ms\n`,
    );
  }, 180_000);
});
