/** Reads what `node --cpu-prof` wrote: self time by function and by file. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface ProfileNode {
  id: number;
  callFrame: { functionName: string; url: string; lineNumber: number };
}

interface CpuProfile {
  nodes: ProfileNode[];
  /** Microseconds, a clock of its own. */
  startTime: number;
  samples: number[];
  timeDeltas: number[];
}

export interface ProfileLine {
  name: string;
  us: number;
}

export interface ProfileSummary {
  /** Time in the window in which V8 was not idle, microseconds. What libuv reads from sockets counts as idle. */
  busyUs: number;
  functions: ProfileLine[];
  files: ProfileLine[];
}

export function readProfile(folder: string): CpuProfile {
  const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile'));
  if (file === undefined) throw new Error('the gateway left no profile: did it end by itself?');
  return JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile;
}

/** What ran between `fromUs` and `toUs` after the profile's start. */
export function summarize(profile: CpuProfile, fromUs: number, toUs: number): ProfileSummary {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const functions = new Map<string, number>();
  const files = new Map<string, number>();
  let [at, busyUs] = [0, 0];
  for (const [index, id] of profile.samples.entries()) {
    const us = profile.timeDeltas[index];
    at += us;
    const frame = nodes.get(id)?.callFrame;
    if (at < fromUs || at > toUs || frame === undefined || frame.functionName === '(idle)') continue;
    busyUs += us;
    const file = shortUrl(frame.url);
    const name = `${frame.functionName || '(anonymous)'}${file === '' ? '' : `  ${file}:${frame.lineNumber + 1}`}`;
    functions.set(name, (functions.get(name) ?? 0) + us);
    files.set(file || frame.functionName, (files.get(file || frame.functionName) ?? 0) + us);
  }
  return { busyUs, functions: sorted(functions), files: sorted(files) };
}

function shortUrl(url: string): string {
  return url.replace(/^.*\/(dist|node_modules)\//, '$1/').replace(/^dist\//, '');
}

function sorted(times: Map<string, number>): ProfileLine[] {
  return [...times].map(([name, us]) => ({ name, us })).sort((a, b) => b.us - a.us);
}

/** A table of the first `top` lines: share of the busy time, and microseconds per command. */
export function table(lines: ProfileLine[], top: number, busyUs: number, commands: number): string {
  return lines
    .slice(0, top)
    .map(({ name, us }) => {
      const share = `${((us / busyUs) * 100).toFixed(1).padStart(6)} %`;
      return `${share} ${(us / commands).toFixed(3).padStart(7)} us  ${name}`;
    })
    .join('\n');
}
