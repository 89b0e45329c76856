/** The simulation is worth something only if it notices when a rule is broken: each of these breaks one. */
import { expect, it } from 'vitest';
import { firstCaught } from './run.ts';
import { VARIANTS } from './variants.ts';

const SEEDS = 250;
/** Not noticed within so many seeds: since a fenced gateway ends its hosts' associations they do no harm that hosts could see. */
const HARMLESS = ['held I/O replayed', 'W2'];
const NOTICED = VARIANTS.filter(({ name }) => !HARMLESS.includes(name));

for (const variant of NOTICED) {
  it(`is noticed: ${variant.name} (${variant.what})`, async () => {
    const caught = await firstCaught(variant, SEEDS);
    expect(caught?.violation, `not noticed within ${SEEDS} seeds`).toBeInstanceOf(Error);
  });
}

for (const variant of NOTICED.filter(({ hurts }) => hurts === true)) {
  it(`is noticed by hosts alone: ${variant.name}`, async () => {
    const caught = await firstCaught(variant, SEEDS, true);
    expect(caught?.violation?.rule).toBe('lost or stale data');
  });
}
