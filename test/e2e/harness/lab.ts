/**
 * One lab per test file: a network namespace with two bridges (10.88.0.1 and 10.89.0.1), Linux hosts in qemu on them, and
 * gateways inside the namespace. Names are unique, so labs run side by side. A reaper process in a session of its own
 * removes everything when this process ends, in whatever way it does.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { mustRun } from './command.ts';
import { Gateway, type GatewayOptions } from './gateway.ts';
import { LinuxHost, type LinuxHostOptions } from './linux-host.ts';
import { LAB_TOOL, type Place } from './place.ts';
import { TwoPathTarget } from './two-path-target.ts';

/** $1 namespace, $2 folder, $3 lab.sh. Waits until its stdin ends, then kills what lives in the namespaces and removes all. */
const REAPER = `
read -r _
"$3" --netns "$1" down
rm -rf -- "$2"`;

let labsOfThisProcess = 0;

export class Lab implements Place {
  readonly namespace = `ag${process.pid}x${labsOfThisProcess++}`;
  #directory = '';
  #reaper: ChildProcess | null = null;
  #targets: { readonly logFile: string }[] = [];
  #gatewayCount = 0;
  #hosts: LinuxHost[] = [];

  get directory(): string {
    return this.#directory;
  }

  async open(): Promise<void> {
    this.#directory = mkdtempSync(join(tmpdir(), 'anagate-e2e-'));
    this.#reaper = spawn('bash', ['-c', REAPER, 'reaper', this.namespace, this.#directory, LAB_TOOL], {
      detached: true,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    await this.tool('up', '0');
  }

  async close(): Promise<void> {
    const reaper = this.#reaper;
    this.#reaper = null;
    if (reaper === null) return;
    const gone = once(reaper, 'exit');
    reaper.stdin?.end('\n');
    await gone;
  }

  /** Boots a Linux host (3-6 s); its number decides its host NQN and addresses. */
  async bootHost(options: LinuxHostOptions = {}): Promise<LinuxHost> {
    const host = new LinuxHost(this, this.#hosts.length, options);
    this.#hosts.push(host);
    await host.boot();
    return host;
  }

  /** A gateway of its own state folder, not started yet. */
  gateway(options: GatewayOptions = {}): Gateway {
    const gateway = new Gateway(this, this.#gatewayCount++, options);
    this.#targets.push(gateway);
    return gateway;
  }

  /** Two gateways in one process, one on each address; not started yet. */
  twoPathTarget(sizeBytes: number): TwoPathTarget {
    const target = new TwoPathTarget(this, sizeBytes);
    this.#targets.push(target);
    return target;
  }

  /** Anything with a log that the report of a failed test shall show. */
  watch(part: { readonly logFile: string }): void {
    this.#targets.push(part);
  }

  /** A command of scripts/lab.sh. */
  async tool(...words: string[]): Promise<void> {
    await mustRun(LAB_TOOL, ['--netns', this.namespace, ...words]);
  }

  inside(command: string, args: readonly string[]): [string, string[]] {
    return ['ip', ['netns', 'exec', this.namespace, command, ...args]];
  }

  /** What a reader of a failed test wants to see: the ends of the logs. */
  report(): string {
    const parts = [
      ...this.#targets.map((target) => target.logFile),
      ...this.#hosts.map((host) => host.consoleFile),
    ]
      .filter((file) => existsSync(file))
      .map((file) => `--- end of ${file}\n${readFileSync(file, 'utf8').split('\n').slice(-40).join('\n')}`);
    return [`--- lab ${this.namespace}: ${readdirSync(this.#directory).join(' ')}`, ...parts].join('\n');
  }
}

/** A lab for the tests of one file: opened before them, removed after; when one failed the ends of its logs are printed. */
export function useLab(): Lab {
  const lab = new Lab();
  let ran = false; // a failed beforeAll leaves no test that could say so
  let failed = false;
  beforeAll(() => lab.open());
  afterEach(({ task }) => {
    ran = true;
    if (task.result?.state === 'fail') failed = true;
  });
  afterAll(async () => {
    if (failed || !ran) process.stderr.write(`${lab.report()}\n`);
    await lab.close();
  });
  return lab;
}
