/** One gateway of a group: the built program in a network namespace of its own, with one cable to the hosts and one to Ceph. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mustRun, type Outcome, run } from './command.ts';
import type { Lab } from './lab.ts';
import { PROJECT } from './place.ts';

export type Cable = 'host' | 'ceph' | 'all';
/** silent: packets vanish in both directions; unplug: the gateway also sees that there is no carrier. */
export type Cut = 'silent' | 'unplug';

export interface NodeOptions {
  group: string;
  cephConf: string;
  /** `[monitor] owners`; absent: the gateways agree by themselves. */
  owners?: string | undefined;
}

/** The program under test; another build of it can be named. */
const PROGRAM = process.env.ANAGATE_PROGRAM ?? join(PROJECT, 'dist', 'main.js');
const START_LIMIT_MS = 30_000;
export const GRPC_PORT = 5500;
const DISCOVERY_PORT = 8009;

export class GatewayNode {
  readonly name: string;
  /** Place in the lab, from 1: namespace and addresses. */
  readonly place: number;
  /** Where hosts reach it. */
  readonly address: string;
  readonly logFile: string;
  readonly #lab: Lab;
  readonly #options: NodeOptions;
  readonly #configFile: string;
  #process: ChildProcess | null = null;
  /** The end that it was told to come to. */
  #stopping: Promise<unknown> = Promise.resolve();

  constructor(lab: Lab, place: number, name: string, options: NodeOptions) {
    this.#lab = lab;
    this.#options = options;
    this.place = place;
    this.name = name;
    this.address = `10.88.0.${100 + place}`;
    this.logFile = join(lab.directory, `${this.name}.log`);
    this.#configFile = join(lab.directory, `${this.name}.conf`);
  }

  /** Starts it, and does not wait until it serves. */
  async launch(): Promise<void> {
    await writeFile(this.#configFile, this.#config());
    const log = openSync(this.logFile, 'a');
    const [command, args] = this.#inside(process.execPath, [PROGRAM, 'serve', '--config', this.#configFile]);
    const env = { ...process.env, UV_THREADPOOL_SIZE: '8' };
    this.#process = spawn(command, args, { stdio: ['ignore', log, log], env });
    closeSync(log);
  }

  /** Starts it and waits until it takes hosts and commands; resolves with how long that took, in ms. */
  async start(): Promise<number> {
    const began = performance.now();
    await this.launch();
    while (!(await this.#listens(GRPC_PORT, DISCOVERY_PORT))) {
      if (!this.running) throw new Error(`${this.name} ended (${this.#process?.exitCode}), see its log`);
      if (performance.now() - began > START_LIMIT_MS) throw new Error(`${this.name} does not listen`);
      await sleep(50);
    }
    return performance.now() - began;
  }

  get running(): boolean {
    return this.#process !== null && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** SIGSTOP freezes it with whatever it has in its hands, SIGCONT wakes it. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child().kill(signal);
  }

  /** Ends it; resolves with its exit status, or the signal that killed it. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string> {
    const child = this.#child();
    const gone = once(child, 'exit');
    this.#stopping = gone;
    child.kill(signal);
    const [status, bySignal] = await gone;
    this.#process = null;
    return status ?? bySignal;
  }

  /** Resolves once it has ended, if it was told to. */
  async stopped(): Promise<void> {
    await this.#stopping;
  }

  cut(cable: Cable, how: Cut = 'silent'): Promise<void> {
    return this.#lab.tool('cut', String(this.place), cable, how);
  }

  heal(cable: Cable = 'all'): Promise<void> {
    return this.#lab.tool('heal', String(this.place), cable);
  }

  /** One command of the CLI, given from the hosts' network. */
  try(...words: string[]): Promise<Outcome> {
    const server = ['--server-address', this.address, '--server-port', String(GRPC_PORT)];
    return run(...this.#lab.inside(process.execPath, [PROGRAM, ...server, ...words]));
  }

  /** As {@link try}; rejects when the status is not 0. */
  async cli(...words: string[]): Promise<string> {
    const { status, output } = await this.try(...words);
    if (status !== 0)
      throw new Error(`anagate ${words.join(' ')} at ${this.name}: status ${status}\n${output}`);
    return output;
  }

  async json<T>(...words: string[]): Promise<T> {
    return JSON.parse(await this.cli('--format', 'json', ...words)) as T;
  }

  #child(): ChildProcess {
    if (this.#process === null || !this.running) throw new Error(`${this.name} does not run`);
    return this.#process;
  }

  #config(): string {
    const { group, cephConf, owners } = this.#options;
    return [
      '[gateway]',
      `name = ${this.name}`,
      `group = ${group}`,
      `addr = ${this.address}`,
      `port = ${GRPC_PORT}`,
      `override_hostname = ${this.name}`,
      'enable_auth = False',
      '[ceph]',
      'pool = rbd',
      `config_file = ${cephConf}`,
      ...(owners === undefined ? [] : ['[monitor]', `owners = ${owners}`]),
      '',
    ].join('\n');
  }

  #inside(command: string, args: readonly string[]): [string, string[]] {
    return ['ip', ['netns', 'exec', `${this.#lab.namespace}-gw${this.place}`, command, ...args]];
  }

  async #listens(...ports: number[]): Promise<boolean> {
    const listeners = await mustRun(...this.#inside('ss', ['-ltnH']));
    return ports.every((port) => new RegExp(`:${port}\\s`).test(listeners));
  }
}
