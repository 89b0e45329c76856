import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LATENCY_BOUNDS_US, LatencyHistogram } from '../../src/base/histogram.ts';

/** The definition, written the slow way. */
function bucketOf(us: number): number {
  const found = LATENCY_BOUNDS_US.findIndex((bound) => us <= bound);
  return found < 0 ? LATENCY_BOUNDS_US.length : found;
}

function bucketHit(us: number): number {
  const histogram = new LatencyHistogram();
  histogram.record(us);
  return histogram.counts.indexOf(1);
}

describe('LatencyHistogram', () => {
  it('has ascending bounds from 10 us to 10 s and one bucket more', () => {
    expect(LATENCY_BOUNDS_US[0]).toBe(10);
    expect(LATENCY_BOUNDS_US.at(-1)).toBe(10_000_000);
    expect([...LATENCY_BOUNDS_US].sort((a, b) => a - b)).toEqual(LATENCY_BOUNDS_US);
    expect(new LatencyHistogram().counts.length).toBe(LATENCY_BOUNDS_US.length + 1);
  });

  it('puts a bound into its own bucket and anything above into the next', () => {
    for (const [index, bound] of LATENCY_BOUNDS_US.entries()) {
      expect(bucketHit(bound)).toBe(index);
      expect(bucketHit(bound + 0.001)).toBe(index + 1);
      expect(bucketHit(bound - 0.001)).toBe(index);
    }
  });

  it('finds the bucket that the definition finds, for any latency', () => {
    const latency = fc.oneof(
      fc.double({ min: 0, max: 2e7, noNaN: true }),
      fc.integer({ min: 0, max: 0x7fffffff }),
      fc.constantFrom(0, 1, 2 ** 24 - 1, 2 ** 24, 2 ** 31, 2 ** 32, 2 ** 40, Number.POSITIVE_INFINITY),
    );
    fc.assert(
      fc.property(latency, (us) => bucketHit(us) === bucketOf(us)),
      { numRuns: 2000 },
    );
  });

  it('counts a clock that went backwards as zero and keeps its sum clean', () => {
    const histogram = new LatencyHistogram();
    histogram.record(-5);
    histogram.record(Number.NaN);
    histogram.record(7.5);
    expect(histogram.counts[0]).toBe(3);
    expect(histogram.count).toBe(3);
    expect(histogram.sumUs).toBe(7.5);
  });

  it('sums and counts', () => {
    const histogram = new LatencyHistogram();
    for (const us of [1, 15, 15, 1e8]) histogram.record(us);
    expect(histogram.count).toBe(4);
    expect(histogram.sumUs).toBe(1e8 + 31);
    expect([histogram.counts[0], histogram.counts[1], histogram.counts.at(-1)]).toEqual([1, 2, 1]);
  });
});
