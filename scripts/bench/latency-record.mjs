/** Latencies at 3 % resolution from a quarter of a microsecond up: 32 buckets for each power of two. */

const UNITS_PER_US = 4;
const BUCKETS = 28 * 32 + 64;

export class LatencyRecord {
  #counts = new Float64Array(BUCKETS);
  #sumUs = 0;
  #maxUs = 0;
  #count = 0;

  /** Adds `count` samples of `us` microseconds. */
  record(us) {
    this.#count++;
    this.#sumUs += us;
    if (us > this.#maxUs) this.#maxUs = us;
    const units = Math.min(us * UNITS_PER_US, 0x7fffffff) | 0;
    const shift = units < 64 ? 0 : 26 - Math.clz32(units);
    this.#counts[shift * 32 + (units >>> shift)]++;
  }

  reset() {
    this.#counts.fill(0);
    this.#sumUs = 0;
    this.#maxUs = 0;
    this.#count = 0;
  }

  /** Counts of another record, added to this one. */
  add(other) {
    for (let i = 0; i < BUCKETS; i++) this.#counts[i] += other.#counts[i];
    this.#sumUs += other.#sumUs;
    this.#maxUs = Math.max(this.#maxUs, other.#maxUs);
    this.#count += other.#count;
  }

  get count() {
    return this.#count;
  }

  summary() {
    return {
      meanUs: this.#count === 0 ? 0 : this.#sumUs / this.#count,
      p50Us: this.#quantile(0.5),
      p99Us: this.#quantile(0.99),
      p999Us: this.#quantile(0.999),
      maxUs: this.#maxUs,
    };
  }

  #quantile(q) {
    const rank = Math.ceil(this.#count * q);
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket];
      if (seen >= rank && seen > 0) return Math.min(upperBoundUs(bucket), this.#maxUs);
    }
    return this.#maxUs;
  }
}

function upperBoundUs(bucket) {
  if (bucket < 64) return (bucket + 1) / UNITS_PER_US;
  const shift = (bucket >> 5) - 1;
  return ((bucket - shift * 32 + 1) * 2 ** shift) / UNITS_PER_US;
}
