/**
 * What one controller's host did, by size of I/O: how many, and where the time went. In an array of doubles, so that a command
 * costs a few adds and nothing is allocated. Moments are those of the turns in which things happened.
 */

/** Upper bounds of the buckets, KiB; the last has everything larger as well. */
export const SIZES_KIB: readonly number[] = [4, 8, 16, 32, 64, 128, 256, 512, 1024];

/** The parts of a command's time, in milliseconds. */
const PARTS = ['total', 'backend', 'net', 'limits'] as const;
export type Part = (typeof PARTS)[number];

export interface Latency {
  readonly sumMs: number;
  /** Infinite when there was none. */
  readonly leastMs: number;
  readonly mostMs: number;
}

/** One bucket of one direction. */
export interface SizeStats extends Readonly<Record<Part, Latency>> {
  readonly count: number;
}

/** A bucket: its count, then sum, least and most of each part. */
const SUM = 0;
const LEAST = 1;
const MOST = 2;
const FIELDS = 3;
const WIDTH = 1 + PARTS.length * FIELDS;
const WRITES = SIZES_KIB.length * WIDTH;

export class ConnectionStats {
  readonly #cells = new Float64Array(2 * WRITES);

  constructor() {
    this.reset();
  }

  reset(): void {
    this.#cells.fill(0);
    for (let at = 1 + LEAST; at < this.#cells.length; at += WIDTH) {
      for (let part = 0; part < PARTS.length; part += 1)
        this.#cells[at + part * FIELDS] = Number.POSITIVE_INFINITY;
    }
  }

  /** A command that succeeded. What is neither the backend's time nor that of limits is the network's: data of a write, waits for a buffer. */
  record(isRead: boolean, bytes: number, totalMs: number, backendMs: number, limitsMs: number): void {
    const size = Math.min(SIZES_KIB.length - 1, bytes <= 4096 ? 0 : 20 - Math.clz32(bytes - 1));
    const at = (isRead ? 0 : WRITES) + size * WIDTH;
    this.#cells[at] += 1;
    this.#add(at + 1, totalMs);
    this.#add(at + 1 + FIELDS, backendMs);
    this.#add(at + 1 + 2 * FIELDS, Math.max(0, totalMs - backendMs - limitsMs));
    this.#add(at + 1 + 3 * FIELDS, limitsMs);
  }

  /** Adds what another one counted. */
  add(other: ConnectionStats): void {
    for (let at = 0; at < this.#cells.length; at += 1) {
      const field = at % WIDTH === 0 ? SUM : ((at % WIDTH) - 1) % FIELDS;
      const theirs = other.#cells[at];
      if (field === SUM) this.#cells[at] += theirs;
      else this.#cells[at] = (field === LEAST ? Math.min : Math.max)(this.#cells[at], theirs);
    }
  }

  /** `size` is an index of {@link SIZES_KIB}. */
  of(direction: 'read' | 'write', size: number): SizeStats {
    const at = (direction === 'read' ? 0 : WRITES) + size * WIDTH;
    const parts = PARTS.map((name, part) => [name, this.#latency(at + 1 + part * FIELDS)]);
    return { count: this.#cells[at], ...(Object.fromEntries(parts) as Record<Part, Latency>) };
  }

  #add(at: number, ms: number): void {
    const cells = this.#cells;
    cells[at + SUM] += ms;
    if (ms < cells[at + LEAST]) cells[at + LEAST] = ms;
    if (ms > cells[at + MOST]) cells[at + MOST] = ms;
  }

  #latency(at: number): Latency {
    const cells = this.#cells;
    return { sumMs: cells[at + SUM], leastMs: cells[at + LEAST], mostMs: cells[at + MOST] };
  }
}
