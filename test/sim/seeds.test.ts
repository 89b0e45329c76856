/** Thousands of worlds in which things break: no host is hurt, no rule is broken, and all is well again in time. */
import { expect, it } from 'vitest';
import { runSeed } from './run.ts';

const CHUNK = 250;
const CHUNKS = 8;

for (let chunk = 0; chunk < CHUNKS; chunk++) {
  const first = 1 + chunk * CHUNK;
  it(`seeds ${first} to ${first + CHUNK - 1}`, async () => {
    const failures: string[] = [];
    for (let seed = first; seed < first + CHUNK; seed++) {
      const { violation } = await runSeed({ seed });
      if (violation !== null) failures.push(`npm run sim -- --seed ${seed} --trace: ${violation.message}`);
    }
    expect(failures).toEqual([]);
  });
}

it('the same seed takes the same course', async () => {
  const course = async (): Promise<string[]> => {
    const lines: string[] = [];
    await runSeed({ seed: 4, trace: (line) => lines.push(line) });
    return lines;
  };
  const [one, other] = [await course(), await course()];
  expect(one.length).toBeGreaterThan(500);
  expect(other).toEqual(one);
});
