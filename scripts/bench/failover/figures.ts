/** Runs as a line of a table. */
import { median } from '../report.ts';
import type { Case, Run } from './cases.ts';

export interface Measured {
  propose: string;
  images: number;
  runs: readonly Run[];
}

const COLUMNS = [
  ['case', 10],
  ['propose', 7],
  ['images', 6],
  ['first', 14],
  ['all', 14],
  ['stuck', 14],
  ['marks (medians)', 0],
] as const;

export const HEADER = COLUMNS.map(([name, width]) => name.padStart(width)).join('  ');

/** `940 (1210)`; what did not come is told. */
function figure(values: readonly (number | null)[]): string {
  const came = values.filter((value) => value !== null);
  if (came.length === 0) return 'never';
  const missing = values.length - came.length;
  const text = `${Math.round(median(came))} (${Math.round(Math.max(...came))})`;
  return missing === 0 ? text : `${text}, ${missing} never`;
}

function marksOf(runs: readonly Run[]): string {
  const names = [...new Set(runs.flatMap(({ marks }) => Object.keys(marks)))];
  const of = (name: string): number[] => runs.flatMap(({ marks }) => marks[name] ?? []);
  return names
    .map((name) => ({ name, at: Math.round(median(of(name))) }))
    .sort((a, b) => a.at - b.at)
    .map(({ name, at }) => `${name} ${at}`)
    .join(', ');
}

export function describeRuns({ name, goal }: Case, { propose, images, runs }: Measured): string {
  const cells = [
    name,
    propose,
    String(images),
    figure(runs.map(({ firstMs }) => firstMs)),
    figure(runs.map(({ allMs }) => allMs)),
    figure(runs.map(({ stuckMs }) => stuckMs)),
  ];
  const aligned = cells.map((cell, at) => cell.padStart(COLUMNS[at][1]));
  return [...aligned, `${marksOf(runs)}; goal: ${goal}`].join('  ');
}
