/**
 * A latency histogram for the hot path: fixed buckets, nothing allocated per sample, two array stores and one add.
 *
 * Upper bounds follow 1-2-5 from 10 microseconds to 10 seconds, so that they read well as Prometheus `le` values and any
 * power-of-two range holds at most one of them: the leading zero count finds the bucket to within one step.
 */

/** Upper bounds (inclusive) of the finite buckets, microseconds. One more bucket takes everything slower. */
export const LATENCY_BOUNDS_US: readonly number[] = [
  10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
  1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

/** Samples at or above this (16.8 s) go to the last bucket without a look-up; keeps clz32 within its 32 bits. */
const BEYOND_US = 1 << 24;
const OVERFLOW = LATENCY_BOUNDS_US.length;

/** The bounds with a last one nothing exceeds, for the single compare in {@link LatencyHistogram.record}. */
const BOUNDS = Float64Array.from([...LATENCY_BOUNDS_US, Number.POSITIVE_INFINITY]);

/** Leading zeros of the whole microseconds -> the first bucket a sample of that magnitude can belong to. */
const FIRST_BUCKET = Uint8Array.from({ length: 33 }, (_, leadingZeros) => {
  const least = leadingZeros === 32 ? 0 : 2 ** (31 - leadingZeros);
  return LATENCY_BOUNDS_US.filter((bound) => bound < least).length;
});

/** What a reader needs of a histogram; counts are per bucket, not cumulative. */
export interface HistogramView {
  /** Samples per bucket: one for each of {@link LATENCY_BOUNDS_US}, then one for everything slower. */
  readonly counts: ArrayLike<number>;
  /** Sum of all samples, microseconds. */
  readonly sumUs: number;
}

/** Counts latencies. Cumulative for ever: readers take differences. */
export class LatencyHistogram implements HistogramView {
  /** Doubles: exact up to 2^53 samples, and a store never allocates. */
  readonly counts: Float64Array = new Float64Array(OVERFLOW + 1);
  /** In an array of its own, because a double in a field may be boxed anew on each store. */
  readonly #sum: Float64Array = new Float64Array(1);

  /** Adds one sample of `us` microseconds (fractions welcome). Negative or not a number counts as 0: clocks are clocks. */
  record(us: number): void {
    if (!(us > 0)) {
      this.counts[0] += 1;
      return;
    }
    this.#sum[0] += us;
    if (us >= BEYOND_US) {
      this.counts[OVERFLOW] += 1;
      return;
    }
    const bucket = FIRST_BUCKET[Math.clz32(us)];
    this.counts[us > BOUNDS[bucket] ? bucket + 1 : bucket] += 1;
  }

  get sumUs(): number {
    return this.#sum[0];
  }

  /** Number of samples. */
  get count(): number {
    let total = 0;
    for (const n of this.counts) total += n;
    return total;
  }
}
