/** The table of `npm run bench:rbd`. */

export interface Case {
  write: boolean;
  bytes: number;
  depth: number;
}

/** What one side did. CPU in microseconds per I/O. */
export interface Figures {
  iops: number;
  /** Of the gateway, or of `rbd`. */
  serverUs: number;
  /** Part of it that the gateway's event loop took; the rest is librbd's threads. */
  loopUs: number;
  generatorUs: number;
  /** 0 when not known. */
  osdUs: number;
  meanUs: number;
  p99Us: number;
}

export interface Round {
  gateway: Figures;
  direct: Figures;
}

const COLUMNS: readonly [heading: string, width: number][] = [
  ['', 20],
  ['gateway', 8],
  ['direct', 7],
  ['ratio', 6],
  ['by CPU', 7],
  ['us: gateway', 18],
  ['direct', 7],
  ['CPU us/IO: gateway', 19],
  ['(loop)', 8],
  ['generator', 10],
  ['OSD', 6],
  ['| rbd', 7],
  ['OSD', 6],
  ['  ratio of each round', 0],
];

const line = (cells: readonly string[]): string =>
  cells.map((cell, i) => (i === 0 ? cell.padEnd(COLUMNS[0]![1]) : cell.padStart(COLUMNS[i]![1]))).join('');

export const HEADING: string = line(COLUMNS.map(([heading]) => heading));

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** All CPU time of an I/O. */
const costUs = ({ serverUs, generatorUs, osdUs }: Figures): number => serverUs + generatorUs + osdUs;

export function row({ write, bytes, depth }: Case, rounds: readonly Round[]): string {
  const of = (read: (round: Round) => number): number => median(rounds.map(read));
  const ratios = rounds.map(({ gateway, direct }) => gateway.iops / direct.iops);
  const known = rounds.every(({ direct }) => direct.osdUs > 0);
  const p99Us = of(({ gateway }) => gateway.p99Us);
  return line([
    `${bytes / 1024} KiB ${write ? 'write' : 'read'} qd ${depth}`,
    of(({ gateway }) => gateway.iops).toFixed(0),
    of(({ direct }) => direct.iops).toFixed(0),
    median(ratios).toFixed(2),
    known ? of(({ gateway, direct }) => costUs(direct) / costUs(gateway)).toFixed(2) : '-',
    `${of(({ gateway }) => gateway.meanUs).toFixed(0)} (p99 ${p99Us.toFixed(0)})`,
    of(({ direct }) => direct.meanUs).toFixed(0),
    of(({ gateway }) => gateway.serverUs).toFixed(1),
    `(${of(({ gateway }) => gateway.loopUs).toFixed(1)})`,
    of(({ gateway }) => gateway.generatorUs).toFixed(1),
    known ? of(({ gateway }) => gateway.osdUs).toFixed(1) : '-',
    `| ${of(({ direct }) => direct.serverUs).toFixed(1)}`,
    known ? of(({ direct }) => direct.osdUs).toFixed(1) : '-',
    `  ${ratios.map((ratio) => ratio.toFixed(2)).join(' ')}`,
  ]);
}
