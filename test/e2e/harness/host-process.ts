/** Drives ../multipath-host.ts: a multipath host on our own initiator, inside a lab's namespace. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Place, PROJECT } from './place.ts';
import type { LoadOptions, LoadReport, Recovery } from './verifying-load.ts';

export type HostRequest =
  | { do: 'connect'; address: string }
  | { do: 'paths' }
  | { do: 'start'; options: LoadOptions }
  | { do: 'begin' }
  | { do: 'recovery'; faultMs: number; notAt: readonly string[]; limitMs: number }
  | { do: 'stop' };

export interface PathReport {
  address: string;
  live: boolean;
  /** ANA state by group. */
  groups: Record<string, string>;
}

interface Waiting {
  resolve: (result: unknown) => void;
  reject: (cause: Error) => void;
}

export class HostProcess {
  readonly logFile: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, Waiting>();
  #requests = 0;

  constructor(place: Place, nqn: string, katoMs: number) {
    this.logFile = join(place.directory, 'multipath-host.log');
    const program = ['--import', 'tsx', join(PROJECT, 'test', 'e2e', 'multipath-host.ts')];
    const [command, args] = place.inside(process.execPath, [...program, nqn, String(katoMs)]);
    this.#child = spawn(command, args, { cwd: PROJECT });
    this.#child.stderr.pipe(createWriteStream(this.logFile));
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#take(line));
    this.#child.on('exit', () => {
      for (const { reject } of this.#waiting.values())
        reject(new Error('the multipath host ended, see its log'));
    });
  }

  async connect(...addresses: string[]): Promise<void> {
    for (const address of addresses) await this.#ask({ do: 'connect', address });
  }

  paths(): Promise<PathReport[]> {
    return this.#ask({ do: 'paths' });
  }

  /** Owner of each ANA group by live paths: the addresses that say `optimized`. */
  async owners(): Promise<Map<number, string[]>> {
    const owners = new Map<number, string[]>();
    for (const { address, live, groups } of await this.paths())
      for (const [group, state] of Object.entries(groups))
        if (live && state === 'optimized')
          owners.set(Number(group), [...(owners.get(Number(group)) ?? []), address]);
    return owners;
  }

  /** Waits until each of these groups has one owner and all paths live. */
  async settled(
    groups: readonly number[],
    wanted?: ReadonlyMap<number, string>,
    seconds = 60,
  ): Promise<void> {
    const end = performance.now() + seconds * 1000;
    for (;;) {
      const [paths, owners] = [await this.paths(), await this.owners()];
      const single = groups.every((group) => {
        const [owner, second] = owners.get(group) ?? [];
        return owner !== undefined && second === undefined && owner === (wanted?.get(group) ?? owner);
      });
      if (single && paths.every(({ live }) => live)) return;
      if (performance.now() > end) throw new Error(`not settled: ${JSON.stringify(paths)}`);
      await sleep(50);
    }
  }

  start(options: LoadOptions): Promise<void> {
    return this.#ask({ do: 'start', options });
  }

  begin(): Promise<void> {
    return this.#ask({ do: 'begin' });
  }

  recovery(faultMs: number, notAt: readonly string[], limitMs: number): Promise<Recovery> {
    return this.#ask({ do: 'recovery', faultMs, notAt, limitMs });
  }

  stop(): Promise<LoadReport> {
    return this.#ask({ do: 'stop' });
  }

  end(): void {
    this.#child.stdin.end();
  }

  #ask<T>(request: HostRequest): Promise<T> {
    const id = ++this.#requests;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.#child.stdin.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }

  #take(line: string): void {
    const { id, result, error } = JSON.parse(line) as { id: number; result?: unknown; error?: string };
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error));
  }
}
