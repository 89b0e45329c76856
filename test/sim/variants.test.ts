/**
 * The simulation is worth something only if it notices when a rule is broken: each of these breaks one. The product as it is must
 * come through the very world in which that was noticed.
 */
import { expect, it } from 'vitest';
import { faultsOf, firstCaught, runSeed } from './run.ts';
import { intact, VARIANTS } from './variants.ts';

const SEEDS = 300;

for (const variant of VARIANTS) {
  it(`is noticed: ${variant.name} (${variant.what})`, async () => {
    const caught = await firstCaught(variant, SEEDS);
    expect(caught?.violation, `not noticed within ${SEEDS} seeds`).toBeInstanceOf(Error);
    const { seed } = caught!;
    const product = await runSeed({ seed, faults: faultsOf(variant), variant: intact(variant) });
    expect(product.violation, `seed ${seed}, intact`).toBeNull();
  });
}

for (const variant of VARIANTS.filter(({ hurts }) => hurts === true)) {
  it(`is noticed by hosts alone: ${variant.name}`, async () => {
    const caught = await firstCaught(variant, SEEDS, true);
    expect(caught?.violation?.rule).toBe('lost or stale data');
  });
}
