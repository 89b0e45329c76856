/**
 * A gateway with as much to serve as it may have: `npm run bench:scale -- [options]`.
 *
 * Writes the configuration straight into the store, starts the real process (dist/), and measures how long it takes to answer,
 * to serve, and what changes at that size do to its event loop and to a host's reads.
 *
 * CEPH_CONF names the cluster; without it the benchmark starts one of its own, in memory. With --groups the configuration file
 * has a table of owners, in which this gateway has the first ANA group only.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { GatewayClient } from '../../src/cli/client.ts';
import { inTheClear } from '../../src/control/tls.ts';
import { cpuTimeNs } from './cpu-time.mjs';
import { build, freePorts } from './gateway.ts';
import { killAll, ROOT, stop } from './processes.ts';
import { type BenchCluster, benchCluster } from './rbd-cluster.ts';
import type { ReadFigures, Wanted } from './scale-probe.ts';
import { groupOf, nqnOf, placeOf, type Shape, writeGroupState, writeStateFile } from './scale-state.ts';

const LIMIT_MS = 120_000;
const POLL_MS = 5;
const CALL_LIMIT_MS = 20_000;
const CHANGES = 10;

const { values: options } = parseArgs({
  options: {
    backend: { type: 'string', default: 'rbd' },
    subsystems: { type: 'string', default: '128' },
    // one less than the limit, so that one more can be added
    namespaces: { type: 'string', default: '4095' },
    groups: { type: 'string', default: '1' },
    pool: { type: 'string', default: 'bench' },
    /** Flags for the gateway's Node, e.g. "--cpu-prof --cpu-prof-dir=/tmp/profile". */
    'node-flags': { type: 'string', default: '' },
    'no-build': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

type Figures = Record<string, number>;

/** What loop-delay.mjs says. */
interface Stalls {
  longestMs: number;
  /** Less the time for which the kernel gave the CPU to others. */
  longestOwnMs: number;
}

class Run {
  readonly figures: Figures = {};
  readonly stateDir = mkdtempSync(join(tmpdir(), 'anagate-scale-'));
  readonly shape: Shape;
  readonly #grpcPort: number;
  readonly #metricsPort: number;
  #gateway!: ChildProcess;
  #client!: GatewayClient;
  #host: ChildProcess | null = null;
  #startMs = 0;

  constructor(ioPort: number, grpcPort: number, metricsPort: number) {
    this.#grpcPort = grpcPort;
    this.#metricsPort = metricsPort;
    this.shape = {
      subsystems: Number(options.subsystems),
      namespaces: Number(options.namespaces),
      groups: Number(options.groups),
      ioPort,
    };
  }

  get #sinceStartMs(): number {
    return performance.now() - this.#startMs;
  }

  /** From the start of the process to the first read of the last own namespace. */
  async start(cluster: BenchCluster | null, group: string): Promise<void> {
    const file = join(this.stateDir, 'anagate.conf');
    writeFileSync(file, configurationFile(this.shape, cluster, group));
    const ports = [
      '--grpc-port',
      String(this.#grpcPort),
      '--discovery-port',
      '0',
      '--metrics-port',
      String(this.#metricsPort),
    ];
    const flags = ['--import', join(ROOT, 'scripts/bench/loop-delay.mjs'), ...words(options['node-flags'])];
    const serve = ['serve', '--no-demo', '--state-dir', this.stateDir, '--config', file, ...ports];
    this.#startMs = performance.now();
    this.#gateway = spawn(process.execPath, [...flags, join(ROOT, 'dist/main.js'), ...serve], {
      cwd: ROOT,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, UV_THREADPOOL_SIZE: '8' },
    });
    let log = '';
    this.#gateway.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-4096);
    });
    this.#gateway.on('exit', (code) => code !== 0 && process.stderr.write(log));
    this.#client = connectTo(this.#grpcPort);
    await this.#awaitInfo(() => true);
    this.figures['first gRPC answer, ms'] = this.#sinceStartMs;
    await this.#stalls();
    this.figures['initialized, ms'] = await this.#awaitInfo((isOver) => isOver);
    await this.#stalls('until initialized');
    await this.#awaitServed();
    this.figures['all own namespaces read, ms'] = this.#sinceStartMs;
    await this.#stalls('from then on');
    Object.assign(this.figures, memoryOf(this.#gateway.pid!));
  }

  /** What each call does to the caller, to the event loop and to a host that reads. */
  async changes(image: object): Promise<void> {
    const nqn = nqnOf(0);
    const nsid = 1000;
    await this.#measure('idle (1 s)', 1, () => new Promise((resolve) => setTimeout(resolve, 1000)));
    await this.#measure('namespace_add + namespace_delete', CHANGES, async () => {
      const add = { subsystem_nqn: nqn, nsid, block_size: 4096, anagrpid: 1, ...image };
      requireDone(await this.#client.call('namespace_add', add as never));
      requireDone(await this.#client.call('namespace_delete', { subsystem_nqn: nqn, nsid }));
    });
    await this.#measure('add_host + remove_host', CHANGES, async () => {
      const host = { subsystem_nqn: nqn, host_nqn: 'nqn.2026-11.io.anagate:somebody' };
      requireDone(await this.#client.call('add_host', host));
      requireDone(await this.#client.call('remove_host', host));
    });
    await this.#measure('list_namespaces of all', CHANGES, async () => {
      const answer = await this.#client.call('list_namespaces', { subsystem: '' });
      if (answer.namespaces.length !== this.shape.namespaces) throw new Error('namespaces are missing');
    });
    await this.#measure('metrics page', CHANGES, async () => {
      await (await fetch(`http://127.0.0.1:${this.#metricsPort}/metrics`)).text();
    });
    await this.#measure('list_subsystems', CHANGES, async () => {
      await this.#client.call('list_subsystems', {});
    });
  }

  async end(): Promise<void> {
    this.#client?.close();
    if (this.#host !== null) await stop(this.#host);
    if (this.#gateway !== undefined) {
      const startMs = performance.now();
      await stop(this.#gateway);
      this.figures['stop, ms'] = performance.now() - startMs;
    }
    rmSync(this.stateDir, { recursive: true, force: true });
  }

  async #measure(name: string, times: number, work: () => Promise<void>): Promise<void> {
    await this.#stalls();
    await this.#reads();
    const startMs = performance.now();
    for (let i = 0; i < times; i++) await work();
    this.figures[`${name}: ms`] = (performance.now() - startMs) / times;
    await this.#stalls(name);
    this.figures[`${name}: longest read, ms`] = (await this.#reads()).longestMs;
  }

  async #awaitServed(): Promise<void> {
    const wanted: Wanted = { port: this.shape.ioPort, namespaces: {} };
    for (let i = 0; i < this.shape.namespaces; i++) {
      if (groupOf(this.shape, i) !== 1) continue;
      const { nqn, nsid } = placeOf(this.shape, i);
      wanted.namespaces[nqn] ??= [];
      wanted.namespaces[nqn].push(nsid);
    }
    this.#host = spawn(
      process.execPath,
      [join(ROOT, 'scripts/run-ts.mjs'), join(ROOT, 'scripts/bench/scale-probe.ts')],
      { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
    );
    this.#host.send(wanted);
    await once(this.#host, 'message');
  }

  async #reads(): Promise<ReadFigures> {
    this.#host!.send('?');
    const [figures] = await once(this.#host!, 'message');
    return figures as ReadFigures;
  }

  /** Longest stalls of the gateway's event loop since the call before, as `name`. */
  async #stalls(name?: string): Promise<void> {
    this.#gateway.send('?');
    const [{ longestMs, longestOwnMs }] = (await once(this.#gateway, 'message')) as [Stalls];
    if (name === undefined) return;
    this.figures[`${name}: longest stall, ms`] = longestMs;
    this.figures[`${name}: longest stall of its own, ms`] = longestOwnMs;
  }

  /** Resolves with the time since the start, ms. */
  async #awaitInfo(accept: (isOver: boolean) => boolean): Promise<number> {
    for (;;) {
      const info = await this.#client.call('get_gateway_info', {}).catch(() => null);
      if (info !== null && accept(info.gateway_initialization_over === true)) return this.#sinceStartMs;
      if (this.#sinceStartMs > LIMIT_MS || this.#gateway.exitCode !== null)
        throw new Error('the gateway does not start');
      if (info === null) this.#reconnect();
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** A gRPC channel that was refused waits a second before it tries again. */
  #reconnect(): void {
    this.#client.close();
    this.#client = connectTo(this.#grpcPort);
  }
}

function connectTo(port: number): GatewayClient {
  const server = { host: '127.0.0.1', port };
  return new GatewayClient([server], { timeoutMs: CALL_LIMIT_MS, tls: inTheClear, secure: false });
}

function configurationFile({ groups }: Shape, cluster: BenchCluster | null, group: string): string {
  const gateway = ['[gateway]', 'name = gw-1', `group = ${group}`];
  if (cluster === null) return gateway.join('\n');
  const ceph = ['[ceph]', `pool = ${cluster.pool}`, `config_file = ${cluster.conf}`, 'id = admin'];
  const owners = Array.from({ length: groups }, (_, i) => `${i + 1}:gw-${i + 1}`).join(', ');
  const table = groups > 1 ? ['[monitor]', `owners = ${owners}`] : [];
  return [...gateway, ...ceph, ...table].join('\n');
}

function memoryOf(pid: number): Figures {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  return {
    'CPU until then, ms': cpuTimeNs(pid) / 1e6,
    'RSS, MiB': field('VmRSS') / 1024,
    'most RSS, MiB': field('VmHWM') / 1024,
    threads: field('Threads'),
  };
}

function requireDone({ status, error_message }: { status: number; error_message: string }): void {
  if (status !== 0) throw new Error(error_message);
}

function words(text: string): string[] {
  return text.split(' ').filter((word) => word !== '');
}

async function main(): Promise<void> {
  if (!options['no-build']) build();
  const [ioPort, grpcPort, metricsPort] = await freePorts(3);
  const run = new Run(ioPort, grpcPort, metricsPort);
  const group = `scale-${process.pid}`;
  const cluster = options.backend === 'rbd' ? await benchCluster(options.pool) : null;
  try {
    const { shape, stateDir } = run;
    if (cluster !== null) await writeGroupState(shape, cluster, group);
    else writeStateFile(stateDir, shape, options.backend as 'memory' | 'file');
    process.stderr.write('the configuration is written\n');
    await run.start(cluster, group);
    const size = { size: '4194304' };
    const image =
      cluster === null
        ? { backend: 'memory', ...size }
        : { rbd_pool_name: cluster.pool, rbd_image_name: `${group}-new`, create_image: true, ...size };
    await run.changes(image);
  } finally {
    await run.end();
    killAll();
    cluster?.stop();
  }
  if (options.json) process.stdout.write(`${JSON.stringify(run.figures)}\n`);
  else
    for (const [name, figure] of Object.entries(run.figures))
      process.stdout.write(`${name.padEnd(56)} ${figure.toFixed(figure < 100 ? 1 : 0).padStart(8)}\n`);
}

await main();
