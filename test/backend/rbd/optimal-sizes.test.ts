import { expect, it } from 'vitest';
import { optimalSizesOf } from '../../../src/backend/rbd/optimal-sizes.ts';
import type { ConfigOption } from '../../../src/node-rados/lib/node-rados.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

function sizesOf(objectBytes: number, stripeUnitBytes: number, stripeCount: number, discard?: number) {
  const config: ConfigOption[] =
    discard === undefined
      ? []
      : [{ name: 'rbd_discard_granularity_bytes', value: String(discard), source: 'pool' }];
  return optimalSizesOf({ objectBytes, stripeUnitBytes, stripeCount }, config);
}

it.for([
  { what: 'plain', sizes: sizesOf(4 * MIB, 4 * MIB, 1), are: [4 * MIB, 4 * KIB, 4 * MIB, 64 * KIB] },
  {
    what: 'stripes over four objects',
    sizes: sizesOf(4 * MIB, 64 * KIB, 4),
    are: [16 * MIB, 4 * KIB, 256 * KIB, 64 * KIB],
  },
  {
    what: 'stripes over six: the boundary is a power of two that divides the set of objects',
    sizes: sizesOf(4 * MIB, 64 * KIB, 6),
    are: [8 * MIB, 4 * KIB, 384 * KIB, 64 * KIB],
  },
  {
    what: 'objects smaller than a discard',
    sizes: sizesOf(16 * KIB, 16 * KIB, 1),
    are: [16 * KIB, 4 * KIB, 16 * KIB, 16 * KIB],
  },
  {
    what: 'stripes smaller than what OSDs prefer',
    sizes: sizesOf(4 * MIB, 512, 8),
    are: [32 * MIB, 512, 4 * KIB, 64 * KIB],
  },
  {
    what: 'discards as configured',
    sizes: sizesOf(4 * MIB, 4 * MIB, 1, 4 * KIB),
    are: [4 * MIB, 4 * KIB, 4 * MIB, 4 * KIB],
  },
])('$what', ({ sizes, are: [boundary, write, bestWrite, discard] }) => {
  expect(sizes).toEqual({ boundary, write, bestWrite, discard });
});
