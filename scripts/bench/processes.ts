/** The processes of a measurement: servers on one CPU, the load generator on another, so that neither takes the other's time. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
export const ROOT = join(HERE, '..', '..');

export const SERVER_CPU = 0;
const GENERATOR_CPU = 1;

function pins(): boolean {
  if (availableParallelism() < 2) return false;
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Whether processes are pinned to CPUs; shown with the results, because they mean less when not. */
export const PINNED = pins();

const children = new Set<ChildProcess>();

/** Starts `node ARGS` on a CPU of its own, or on any (null). Its standard output is piped, its errors go to ours unless `errors` says 'pipe'. */
export function spawnNode(
  args: string[],
  cpu: number | null,
  errors: 'inherit' | 'pipe' = 'inherit',
): ChildProcess {
  const command =
    PINNED && cpu !== null
      ? ['taskset', '-c', String(cpu), process.execPath, ...args]
      : [process.execPath, ...args];
  const child = spawn(command[0], command.slice(1), {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', errors],
  });
  children.add(child);
  child.on('exit', () => children.delete(child));
  return child;
}

/** A little more than a gateway allows itself. */
const STOP_LIMIT_MS = 30_000;

/** Ends a process the gentle way and waits for it. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
  await exited;
  clearTimeout(limit);
}

/** For the end of the benchmark, however it ends. */
export function killAll(): void {
  for (const child of children) child.kill('SIGKILL');
}

export interface FloorTarget {
  kind: 'floor';
  host: string;
  port: number;
}

export interface NvmeTarget {
  kind: 'nvme';
  host: string;
  port: number;
  subsystemNqn: string;
  hostNqn: string;
  nsid: number;
}

export interface Job {
  kind: 'load' | 'idle' | 'check' | 'fill';
  target: FloorTarget | NvmeTarget;
  /** The server's process, for its CPU time. */
  pid?: number | undefined;
  seconds?: number;
  warmupMs?: number;
  connections?: number;
  depth?: number;
  write?: boolean;
  operationBytes?: number;
  sequential?: boolean;
  digests?: boolean;
  flowControl?: boolean;
  workingSetBytes?: number;
}

export interface LatencySummary {
  meanUs: number;
  p50Us: number;
  p99Us: number;
  p999Us: number;
  maxUs: number;
}

export interface LoadResult {
  commands: number;
  bytes: number;
  failed: number;
  seconds: number;
  depth: number;
  latency: LatencySummary;
  serverCpuNs: number;
  /** Part of it that the server's event loop took. */
  serverLoopCpuNs: number;
  /** Share of a core that the generator took: near 1, it is what was measured. */
  generatorBusy: number;
}

export interface IdleResult {
  seconds: number;
  serverCpuNs: number;
  connections: number;
}

/** Runs one job in a load generator of its own. Rejects when it fails. */
export async function runJob<T>(job: Job, pinned = true): Promise<T> {
  const generator = [join(HERE, 'generator.mjs'), JSON.stringify(job)];
  const child = spawnNode(generator, pinned ? GENERATOR_CPU : null);
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`the load generator failed in job ${JSON.stringify(job)}`);
  return JSON.parse(output) as T;
}

export interface Server<Target> {
  target: Target;
  pid: number;
  child: ChildProcess;
}

/** `keepMib`: the floor keeps that much data instead of none. */
export async function startFloor(nodeFlags: string[], keepMib?: number): Promise<Server<FloorTarget>> {
  const keeps = keepMib === undefined ? [] : [String(keepMib)];
  const child = spawnNode([...nodeFlags, join(HERE, 'floor-server.mjs'), ...keeps], SERVER_CPU);
  const [first] = (await once(child.stdout!, 'data')) as [Buffer];
  const { port } = JSON.parse(first.toString()) as { port: number };
  return { target: { kind: 'floor', host: '127.0.0.1', port }, pid: child.pid!, child };
}
