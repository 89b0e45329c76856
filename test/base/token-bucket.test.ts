import { describe, expect, it } from 'vitest';
import { BURST_MS, TokenBucket } from '../../src/base/token-bucket.ts';

/** Takes `units` whenever it may, until `endMs`; returns how many units went. */
function drain(bucket: TokenBucket, units: number, fromMs: number, endMs: number): number {
  let taken = 0;
  for (let nowMs = fromMs; nowMs < endMs; ) {
    const waitMs = bucket.waitMs(nowMs);
    if (waitMs > 0) nowMs += waitMs;
    else {
      bucket.take(units);
      taken += units;
    }
  }
  return taken;
}

describe('a token bucket', () => {
  it.each([
    [1000, 1],
    [7, 1],
    [100_000_000, 4096],
    [1_000_000, 1_000_000],
    [1_000_000, 5_000_000],
  ])('of %d a second gives that in pieces of %d, and a tenth of a second at the start', (rate, units) => {
    const bucket = new TokenBucket(rate, 50);
    const taken = drain(bucket, units, 50, 100_050);
    expect(taken).toBeGreaterThan(rate * 100 - units);
    expect(taken).toBeLessThan(rate * (100 + BURST_MS / 1000) + 2 * units);
  });

  it('keeps a tenth of a second of what was not used, and no more', () => {
    const bucket = new TokenBucket(1000, 0);
    expect(drain(bucket, 1, 3_600_000, 3_600_000 + 0.5)).toBe(101);
    expect(drain(bucket, 1, 3_600_000, 3_600_100)).toBeLessThanOrEqual(101);
  });

  it('waits until a debt is paid, at the rate of now', () => {
    const bucket = new TokenBucket(1000, 0);
    bucket.take(2100);
    expect(bucket.waitMs(0)).toBe(2000);
    expect(bucket.waitMs(500)).toBe(1500);
    bucket.setRate(10_000, 1000);
    expect(bucket.waitMs(1000)).toBe(100);
    expect(bucket.waitMs(1100.1)).toBe(0);
  });

  it('holds no more than the new rate gives when it is lowered', () => {
    const bucket = new TokenBucket(1_000_000, 0);
    bucket.setRate(10, 0);
    bucket.take(1);
    expect(bucket.waitMs(0)).toBe(0.01);
    bucket.take(1);
    expect(bucket.waitMs(0)).toBe(100);
  });

  it('a clock that stands still or goes back does no harm', () => {
    const bucket = new TokenBucket(1000, 1000);
    bucket.take(101);
    expect(bucket.waitMs(1000)).toBe(1);
    expect(bucket.waitMs(900)).toBe(1);
    expect(bucket.waitMs(1001.5)).toBe(0);
  });
});
