/** The direct side of `npm run bench:rbd`: `rbd bench`, a process of its own, with the settings of the gateway's clients. */
import { spawnSync } from 'node:child_process';
import { CLIENT_OPTIONS } from '../../src/backend/rbd/image-settings.ts';

export interface DirectResult {
  operations: number;
  iops: number;
  /** User and system time of the process, less what one costs that does no I/O. */
  cpuNs: number;
}

export interface DirectLoad {
  write: boolean;
  bytes: number;
  depth: number;
  operations: number;
}

/** The `rbd` command on one cluster. */
export class DirectClient {
  readonly #conf: string;
  readonly #settings: readonly string[];
  #idleCpuNs = 0;

  /** `defaults`: with librbd's own settings, but for the cache. */
  constructor(conf: string, defaults: boolean) {
    this.#conf = conf;
    const settings = defaults ? { rbd_cache: 'false' } : CLIENT_OPTIONS;
    this.#settings = Object.entries(settings).map(([key, value]) => `--${key.replaceAll('_', '-')}=${value}`);
    this.#requireSettings(settings);
  }

  /** `rbd bench` ends after a number of operations. */
  load(image: string, { write, bytes, depth, operations }: DirectLoad): DirectResult {
    if (this.#idleCpuNs === 0) this.#idleCpuNs = this.run('info', image).cpuNs;
    const { stdout, cpuNs } = this.run(
      ...['bench', image, '--io-type', write ? 'write' : 'read', '--io-pattern', 'rand'],
      ...['--io-size', String(bytes), '--io-threads', String(depth)],
      ...['--io-total', String(Math.max(operations, depth * 4) * bytes)],
    );
    const done = Number(/ops:\s*(\d+)/.exec(stdout)?.[1]);
    const iops = Number(/ops\/sec:\s*([\d.]+)/.exec(stdout)?.[1]);
    return { operations: done, iops, cpuNs: Math.max(0, cpuNs - this.#idleCpuNs) };
  }

  run(...args: string[]): { stdout: string; cpuNs: number } {
    const script = 'TIMEFORMAT="cpu %U %S"; time rbd "$@"';
    const command = ['-c', script, 'bash', '-c', this.#conf, ...this.#settings, ...args];
    const { stdout, stderr, status } = spawnSync('bash', command, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`rbd ${args.join(' ')}: ${stderr}`);
    const [, user, system] = /cpu ([\d.]+) ([\d.]+)/.exec(stderr) ?? [];
    return { stdout, cpuNs: (Number(user) + Number(system)) * 1e9 };
  }

  /** Reads back what the command really runs with. */
  #requireSettings(settings: Readonly<Record<string, string>>): void {
    const { stdout } = this.run('--show-config');
    for (const [key, value] of Object.entries(settings)) {
      const effective = new RegExp(`^${key} = (.*)$`, 'm').exec(stdout)?.[1];
      if (effective !== value)
        throw new Error(`rbd bench would run with ${key} = ${effective}, not ${value}`);
    }
  }
}
