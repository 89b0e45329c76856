/** The gateway under test: the built program, as a user starts it, inside the lab's namespace. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mustRun, type Outcome, run } from './command.ts';
import { LAB_ADDRESSES, type Place, PROJECT } from './place.ts';

export interface GatewayOptions {
  /** What `serve` is told to be reached at; default all addresses. */
  address?: string;
  /** Make the demo subsystem; default no. */
  demo?: boolean;
  /** More arguments for `serve`. */
  serve?: readonly string[];
  /** Makes it a member of the group, managed at its `address`. */
  member?: GroupMember;
}

/** What a member of a group is told in its configuration file. */
export interface GroupMember {
  name: string;
  /** As in the file: `1:gw-a, 2:gw-b`. */
  owners: string;
  /** ceph.conf of the cluster that has the group's configuration. */
  cephConf: string;
}

export interface NamespaceOptions {
  nsid: number;
  /** Absent: the backing file is there already, and has its size. */
  sizeMiB?: number;
  blockSize?: 512 | 4096;
}

export const SUBSYSTEM = 'nqn.2026-11.io.anagate:e2e';
const GROUP = 'e2e';
const PROGRAM = join(PROJECT, 'dist', 'main.js');
const START_LIMIT_MS = 30_000;

export class Gateway {
  readonly logFile: string;
  readonly #lab: Place;
  readonly #args: string[];
  /** Where it listens for management and for discovery. */
  readonly #management: string;
  readonly #address: string;
  #process: ChildProcess | null = null;

  constructor(lab: Place, number: number, options: GatewayOptions) {
    this.#lab = lab;
    this.logFile = join(lab.directory, `gateway${number}.log`);
    const { address = '0.0.0.0', demo = false, serve = [], member } = options;
    this.#address = address;
    this.#management = member === undefined ? '127.0.0.1' : address;
    const place = join(lab.directory, `gateway${number}`);
    const state = ['--state-dir', place];
    if (member !== undefined) {
      writeFileSync(`${place}.conf`, configuration(address, member));
      state.push('--config', `${place}.conf`);
    }
    this.#args = ['serve', ...state, '--address', address, ...(demo ? [] : ['--no-demo']), ...serve];
  }

  /** Starts it, and does not wait. */
  launch(): void {
    const log = openSync(this.logFile, 'a');
    const [command, args] = this.#lab.inside(process.execPath, [PROGRAM, ...this.#args]);
    this.#process = spawn(command, args, { stdio: ['ignore', log, log] });
    closeSync(log);
  }

  /** Starts it and waits until it takes hosts and commands; resolves with how long that took, in ms. */
  async start(): Promise<number> {
    const began = performance.now();
    this.launch();
    while (!(await this.#listens())) {
      const status = this.#process?.exitCode ?? null;
      if (status !== null) throw new Error(`the gateway ended with status ${status}, see its log`);
      if (performance.now() - began > START_LIMIT_MS) throw new Error('the gateway does not listen');
      await sleep(50);
    }
    return performance.now() - began;
  }

  /** Ends it; resolves with its exit status, or the signal that killed it. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<number | string> {
    const child = this.#process;
    if (child === null) throw new Error('the gateway does not run');
    this.#process = null;
    const gone = once(child, 'exit');
    child.kill(signal);
    const [status, bySignal] = await gone;
    return status ?? bySignal;
  }

  /** Memory that the process has at the moment. */
  async residentMiB(): Promise<number> {
    const status = await readFile(`/proc/${this.#process?.pid}/status`, 'utf8');
    return Math.round(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024);
  }

  /** A second process on the same state directory, to its end. */
  tryAnother(): Promise<Outcome> {
    return this.try(...this.#args);
  }

  /** One command of the CLI. */
  try(...args: string[]): Promise<Outcome> {
    const [command, all] = this.#lab.inside(process.execPath, [PROGRAM, ...args]);
    return run(command, all, { env: { CEPH_NVMEOF_SERVER_ADDRESS: this.#management } });
  }

  /** As {@link try}; rejects when the status is not 0. */
  async cli(...args: string[]): Promise<string> {
    const { status, output } = await this.try(...args);
    if (status !== 0) throw new Error(`anagate ${args.join(' ')}: status ${status}\n${output}`);
    return output;
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.cli('--format', 'json', ...args)) as T;
  }

  /** A subsystem with a listener on every address of the lab, open to any host unless told otherwise. */
  async addSubsystem(nqn: string = SUBSYSTEM, anyHost = true): Promise<void> {
    await this.cli('subsystem', 'add', '-n', nqn);
    for (const address of LAB_ADDRESSES)
      await this.cli('listener', 'add', '-n', nqn, '-t', '*', '-a', address, '-s', '4420');
    if (anyHost) await this.cli('host', 'add', '-n', nqn, '-t', '*');
  }

  /** Adds a file-backed namespace and resolves with the file's path. */
  async addNamespace(options: NamespaceOptions, nqn: string = SUBSYSTEM): Promise<string> {
    const path = this.backingFile(options.nsid);
    const size = options.sizeMiB === undefined ? [] : ['--size', `${options.sizeMiB}MiB`];
    const layout = ['--nsid', String(options.nsid), '--block-size', String(options.blockSize ?? 512)];
    await this.cli('namespace', 'add', '-n', nqn, '--backend', 'file', '--path', path, ...size, ...layout);
    return path;
  }

  backingFile(nsid: number): string {
    return join(this.#lab.directory, `namespace${nsid}.img`);
  }

  /** A backing file with something in it, made before the gateway knows it. */
  async makeBackingFile(nsid: number, content: Buffer): Promise<string> {
    const path = this.backingFile(nsid);
    await writeFile(path, content, { flag: 'wx' });
    return path;
  }

  async #listens(): Promise<boolean> {
    const [command, args] = this.#lab.inside('ss', ['-ltnH']);
    const listeners = await mustRun(command, args);
    return [`${this.#management}:5500`, `${this.#address}:8009`].every((at) => listeners.includes(` ${at} `));
  }
}

function configuration(address: string, { name, owners, cephConf }: GroupMember): string {
  const sections = {
    gateway: { name, group: GROUP, addr: address, enable_auth: 'False' },
    ceph: { pool: 'rbd', config_file: cephConf },
    monitor: { owners },
  };
  return Object.entries(sections)
    .map(([section, keys]) =>
      [`[${section}]`, ...Object.entries(keys).map(([k, v]) => `${k} = ${v}`)].join('\n'),
    )
    .join('\n');
}
