/** What hosts wrote and read, sector by sector, and whether one disk could have answered so. */

/** `end` is when it was answered; a write that may or may not have been done has one too if it cannot be done later. */
interface Write {
  readonly value: number;
  readonly start: number;
  end: number;
  isSure: boolean;
  readonly by: string;
}

interface Read {
  readonly value: number;
  readonly start: number;
  readonly end: number;
  readonly by: string;
}

/** All operations that have to do with one value: it must have been the sector's content at some moment of each. */
interface Cluster {
  readonly write: Write;
  readonly reads: Read[];
  /** Earliest end and latest start of them all. */
  firstEnd: number;
  lastStart: number;
}

class SectorHistory {
  readonly writes = new Map<number, Write>();
  readonly reads: Read[] = [];

  constructor() {
    this.writes.set(0, { value: 0, start: -2, end: -1, isSure: true, by: 'nobody' });
  }
}

export class History {
  readonly #sectors = new Map<string, SectorHistory>();
  #nextValue = 1;
  operations = 0;

  /** A write is sent; returns its value, which no other write has. */
  writes(sector: string, by: string, now: number): number {
    const value = this.#nextValue++;
    const write = { value, start: now, end: Number.POSITIVE_INFINITY, isSure: false, by };
    this.#of(sector).writes.set(value, write);
    return value;
  }

  /** The write was acknowledged, or (not `isSure`) a later attempt of the same was: it must not be done after this. */
  wrote(sector: string, value: number, isSure: boolean, now: number): void {
    const write = this.#of(sector).writes.get(value)!;
    write.end = now;
    write.isSure = isSure;
    if (isSure) this.operations += 1;
  }

  read(sector: string, value: number, by: string, start: number, now: number): void {
    this.#of(sector).reads.push({ value, start, end: now, by });
    this.operations += 1;
  }

  /** What is wrong first, in words; null: nothing. */
  contradiction(): string | null {
    for (const [sector, history] of this.#sectors) {
      const wrong = contradictionOf(history);
      if (wrong !== null) return `${sector}: ${wrong}`;
    }
    return null;
  }

  #of(sector: string): SectorHistory {
    let history = this.#sectors.get(sector);
    if (history === undefined) {
      history = new SectorHistory();
      this.#sectors.set(sector, history);
    }
    return history;
  }
}

/**
 * Each value is written once, so the history has an order if and only if (Gibbons and Korach) no two values were both
 * certainly the content at one moment, and none had its only moment while another certainly was the content.
 */
function contradictionOf(history: SectorHistory): string | null {
  const clusters = new Map<number, Cluster>();
  for (const write of history.writes.values()) {
    clusters.set(write.value, { write, reads: [], firstEnd: write.end, lastStart: write.start });
  }
  for (const read of history.reads) {
    const cluster = clusters.get(read.value);
    if (cluster === undefined) return `${describeRead(read)}, which nobody wrote`;
    if (read.end < cluster.write.start) return `${describeRead(read)} before it was written`;
    cluster.reads.push(read);
    cluster.firstEnd = Math.min(cluster.firstEnd, read.end);
    cluster.lastStart = Math.max(cluster.lastStart, read.start);
  }
  const seen = [...clusters.values()].filter(({ write, reads }) => write.isSure || reads.length > 0);
  const lasting = seen.filter(isLasting).sort((a, b) => a.firstEnd - b.firstEnd);
  for (let i = 1; i < lasting.length; i++) {
    const [before, after] = [lasting[i - 1]!, lasting[i]!];
    if (after.firstEnd < before.lastStart) return describePair(before, after);
  }
  for (const moment of seen) {
    if (isLasting(moment)) continue;
    const around = lasting.find((one) => one.firstEnd < moment.lastStart && moment.firstEnd < one.lastStart);
    if (around !== undefined) return describePair(around, moment);
  }
  return null;
}

/** It was certainly the content from `firstEnd` to `lastStart`. */
function isLasting({ firstEnd, lastStart }: Cluster): boolean {
  return firstEnd < lastStart;
}

function describePair(a: Cluster, b: Cluster): string {
  return `[${describeCluster(a)}] contradicts [${describeCluster(b)}]`;
}

function describeCluster({ write, reads }: Cluster): string {
  const kind = write.isSure ? 'written' : 'perhaps written';
  const texts = [`${write.value} ${kind} by ${write.by} ${span(write)}`];
  for (const read of reads.slice(0, 2)) texts.push(describeRead(read));
  const last = reads.at(-1);
  if (reads.length > 2 && last !== undefined) texts.push('...', describeRead(last));
  return texts.join('; ');
}

function describeRead(read: Read): string {
  return `${read.by} read ${read.value} ${span(read)}`;
}

function span({ start, end }: { start: number; end: number }): string {
  return `${(start / 1000).toFixed(4)}..${(end / 1000).toFixed(4)}`;
}
