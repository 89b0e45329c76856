/** Medians of rounds, and the table for people. */
import type { LoadCase } from './cases.ts';
import type { LoadResult } from './processes.ts';

/** One side of a case: the median of its rounds, each figure for itself. */
export interface Figures {
  iops: number;
  megabytesPerSecond: number;
  meanUs: number;
  p50Us: number;
  p99Us: number;
  p999Us: number;
  /** Of the server, per command; 0 when it was not measured. */
  cpuUs: number;
  generatorBusy: number;
  depth: number;
  failed: number;
}

export interface CaseResult {
  case: LoadCase;
  gateway: Figures;
  /** The floor, or the gateway without digests. */
  reference: Figures | undefined;
  /** CPU per command against the reference: median of the rounds' ratios, as neighbours in time share the machine's mood. */
  ratio: number | undefined;
}

export function median(numbers: number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function cpuUs(result: LoadResult): number {
  return result.commands === 0 ? 0 : result.serverCpuNs / 1000 / result.commands;
}

export function figures(results: LoadResult[]): Figures {
  const of = (read: (result: LoadResult) => number): number => median(results.map(read));
  return {
    iops: of((result) => result.commands / result.seconds),
    megabytesPerSecond: of((result) => result.bytes / result.seconds / 1e6),
    meanUs: of((result) => result.latency.meanUs),
    p50Us: of((result) => result.latency.p50Us),
    p99Us: of((result) => result.latency.p99Us),
    p999Us: of((result) => result.latency.p999Us),
    cpuUs: of(cpuUs),
    generatorBusy: of((result) => result.generatorBusy),
    depth: results[0].depth,
    failed: results.reduce((total, result) => total + result.failed, 0),
  };
}

const REFERENCE_NAMES: Record<LoadCase['against'], string> = {
  floor: 'floor',
  'keeping-floor': 'floor that keeps data',
  plain: 'without digests',
};

const COLUMNS = ['case', 'IOPS', 'MB/s', 'mean us', 'p50', 'p99', 'p99.9', 'CPU us/cmd', 'ratio', ''];
const WIDTHS = [34, 9, 8, 9, 9, 9, 9, 11, 7, 0];

export function header(): string {
  return line(COLUMNS);
}

export function rows({ case: { name, against, goal }, gateway, reference, ratio }: CaseResult): string {
  const notes = [verdict(ratio, goal)];
  if (gateway.failed > 0) notes.push(`${gateway.failed} COMMANDS FAILED`);
  if (gateway.generatorBusy > 0.95) notes.push('the generator is the limit');
  const asked = Number(/qd(\d+)/.exec(name)?.[1]);
  if (gateway.depth !== asked) notes.push(`at QD ${gateway.depth}, all that its queue holds`);
  const own = row(
    name,
    gateway,
    ratio === undefined ? '' : `${ratio.toFixed(2)}x`,
    notes.filter(Boolean).join('; '),
  );
  return reference === undefined ? own : `${own}\n${row(`  ${REFERENCE_NAMES[against]}`, reference, '', '')}`;
}

function row(name: string, side: Figures, ratio: string, note: string): string {
  const whole = (n: number): string => n.toFixed(0);
  const short = (n: number): string => (n < 100 ? n.toFixed(1) : n.toFixed(0));
  const { iops, megabytesPerSecond, meanUs, p50Us, p99Us, p999Us } = side;
  const latencies = [meanUs, p50Us, p99Us, p999Us].map(short);
  return line([
    name,
    whole(iops),
    whole(megabytesPerSecond),
    ...latencies,
    side.cpuUs > 0 ? side.cpuUs.toFixed(2) : '-',
    ratio,
    note,
  ]);
}

export function verdict(value: number | undefined, goal: number | undefined): string {
  if (value === undefined || goal === undefined) return '';
  return `${value <= goal ? 'goal met' : 'GOAL MISSED'} (<= ${goal.toFixed(1)}x)`;
}

function line(cells: string[]): string {
  return cells
    .map((cell, at) =>
      at === 0 || at === cells.length - 1 ? cell.padEnd(WIDTHS[at]) : cell.padStart(WIDTHS[at]),
    )
    .join(' ')
    .trimEnd();
}
