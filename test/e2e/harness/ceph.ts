/** A Ceph cluster inside a lab's namespace, where the lab's gateways reach it. It ends with the lab. */
import { join } from 'node:path';
import { mustRun } from './command.ts';
import { type Place, PROJECT } from './place.ts';

const SCRIPT = join(PROJECT, 'scripts', 'ceph', 'ceph16.sh');
/** Ends itself after this, whatever happens. Seconds. */
const LIFE_S = 900;

export interface CephOptions {
  /** Of the lab's namespace. Default: its loopback, which only what runs in that namespace reaches. */
  address?: string;
  /** Monitors of the cluster; default 1. */
  monitors?: number;
  lifeSeconds?: number;
}

export class CephCluster {
  readonly #lab: Place;
  readonly #directory: string;
  readonly #variables: readonly string[];

  constructor(lab: Place, options: CephOptions = {}) {
    const { address = '127.0.0.1', monitors = 1, lifeSeconds = LIFE_S } = options;
    this.#lab = lab;
    this.#directory = join(lab.directory, 'ceph');
    const cluster = [`CEPH_DIR=${this.#directory}`, `CEPH_ADDR=${address}`, `LIFE=${lifeSeconds}`];
    this.#variables = [...cluster, `MONS=${monitors}`, 'MGR=0'];
  }

  get conf(): string {
    return join(this.#directory, 'ceph.conf');
  }

  async start(): Promise<void> {
    await this.script('start');
  }

  /** `kill osd.0`, `revive osd.0`, `stop`. */
  async script(...words: string[]): Promise<string> {
    return mustRun(...this.#lab.inside('env', [...this.#variables, SCRIPT, ...words]));
  }

  ceph(...words: string[]): Promise<string> {
    return mustRun(...this.#lab.inside('ceph', ['-c', this.conf, ...words]));
  }

  rbd(...words: string[]): Promise<string> {
    return mustRun(...this.#lab.inside('rbd', ['-c', this.conf, ...words]));
  }

  /** Address of the client that has the image's exclusive lock. */
  async lockOwner(image: string): Promise<string> {
    const text = await this.rbd('lock', 'ls', image, '--format', 'json');
    const [locker] = JSON.parse(text) as { address: string }[];
    if (locker === undefined) throw new Error(`nobody has the lock of ${image}`);
    return locker.address;
  }

  /** MD5 of the image's bytes. */
  async digest(image: string): Promise<string> {
    const script = `rbd -c "$1" export --no-progress "$2" - | md5sum | cut -d' ' -f1`;
    return (await mustRun(...this.#lab.inside('bash', ['-c', script, 'digest', this.conf, image]))).trim();
  }
}
