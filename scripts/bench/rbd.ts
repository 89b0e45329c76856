/**
 * An image through the gateway against the same image directly, in alternation: `npm run bench:rbd -- [options]`, with
 * CEPH_CONF naming the cluster.
 *
 * Direct is `rbd bench`, with the settings that the gateway has (no cache). It needs the image's lock, so the namespace is added
 * for each measurement of the gateway and taken away again. Nothing is pinned to a CPU: OSD, gateway, generator and `rbd`
 * share what there is. CPU is user and system time of the gateway, or of `rbd`, per I/O.
 */
import { spawnSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { BENCH_NQN, build, type Gateway, startGateway } from './gateway.ts';
import { killAll, type LoadResult, runJob, stop } from './processes.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const HOST_NQN = 'nqn.2026-11.io.anagate:bench-host';
const WARMUP_MS = 300;

const { values: options } = parseArgs({
  options: {
    pool: { type: 'string', default: 'rbd' },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '2' },
    depths: { type: 'string', default: '1,16,64' },
    sizes: { type: 'string', default: '4096,131072' },
    'image-mib': { type: 'string', default: '1024' },
    connections: { type: 'string', default: '1' },
    'no-build': { type: 'boolean', default: false },
  },
});
const conf = process.env.CEPH_CONF ?? '/etc/ceph/ceph.conf';
const seconds = Number(options.seconds);
const imageBytes = Number(options['image-mib']) * MIB;
const connections = Number(options.connections);
const image = `bench-${process.pid}`;

interface Figures {
  iops: number;
  cpuUs: number;
  meanUs: number;
  p99Us?: number;
}

interface Case {
  write: boolean;
  bytes: number;
  depth: number;
}

function rbd(...args: string[]): { stdout: string; stderr: string } {
  const script = 'TIMEFORMAT="cpu %U %S"; time rbd "$@"';
  const { stdout, stderr, status } = spawnSync('bash', ['-c', script, 'bash', '-c', conf, ...args], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`rbd ${args.join(' ')}: ${stderr}`);
  return { stdout, stderr };
}

/** `rbd bench` ends after a number of bytes: as many as the gateway just did, so that it takes about as long. */
function direct({ write, bytes, depth }: Case, commands: number): Figures {
  const { stdout, stderr } = rbd(
    ...['bench', `${options.pool}/${image}`, '--io-type', write ? 'write' : 'read'],
    ...['--io-size', String(bytes), '--io-threads', String(depth), '--io-pattern', 'rand'],
    ...['--io-total', String(Math.max(commands, depth * 4) * bytes), '--rbd-cache=false'],
  );
  const iops = Number(/ops\/sec:\s*([\d.]+)/.exec(stdout)?.[1]);
  const operations = Number(/ops:\s*(\d+)/.exec(stdout)?.[1]);
  const [, user, system] = /cpu ([\d.]+) ([\d.]+)/.exec(stderr) ?? [];
  return {
    iops,
    cpuUs: ((Number(user) + Number(system)) * 1e6) / operations,
    meanUs: (depth * 1e6) / iops,
  };
}

async function through(gateway: Gateway, { write, bytes, depth }: Case): Promise<[Figures, number]> {
  await addNamespace(gateway);
  const result = await runJob<LoadResult>(
    {
      kind: 'load',
      target: gateway.target,
      pid: gateway.pid,
      seconds,
      warmupMs: WARMUP_MS,
      connections,
      depth: Math.max(1, Math.round(depth / connections)),
      write,
      operationBytes: bytes,
      sequential: false,
      workingSetBytes: imageBytes,
    },
    false,
  );
  await removeNamespace(gateway);
  if (result.failed > 0) throw new Error(`${result.failed} commands failed`);
  const figures = {
    iops: result.commands / result.seconds,
    cpuUs: result.serverCpuNs / 1000 / result.commands,
    meanUs: result.latency.meanUs,
    p99Us: result.latency.p99Us,
  };
  return [figures, result.commands];
}

async function addNamespace(gateway: Gateway, more: object = {}): Promise<void> {
  await gateway.call('namespace_add', {
    subsystem_nqn: BENCH_NQN,
    nsid: 1,
    block_size: 4096,
    rbd_pool_name: options.pool,
    rbd_image_name: image,
    ...more,
  });
}

async function removeNamespace(gateway: Gateway): Promise<void> {
  await gateway.call('namespace_delete', { subsystem_nqn: BENCH_NQN, nsid: 1 });
}

async function measure(gateway: Gateway, one: Case): Promise<void> {
  const ours: Figures[] = [];
  const theirs: Figures[] = [];
  for (let round = 0; round < Number(options.rounds); round += 1) {
    const [figures, commands] = await through(gateway, one);
    ours.push(figures);
    theirs.push(direct(one, commands));
  }
  const best = (list: Figures[]): Figures => list.reduce((a, b) => (b.iops > a.iops ? b : a));
  const [a, b] = [best(ours), best(theirs)];
  const all = (list: Figures[]): string => list.map(({ iops }) => iops.toFixed(0)).join(' ');
  say(
    [
      `${one.bytes / KIB} KiB ${one.write ? 'write' : 'read'} qd ${one.depth}`.padEnd(22),
      a.iops.toFixed(0).padStart(8),
      b.iops.toFixed(0).padStart(8),
      (a.iops / b.iops).toFixed(2).padStart(6),
      `${a.meanUs.toFixed(0)} (p99 ${a.p99Us?.toFixed(0)})`.padStart(20),
      b.meanUs.toFixed(0).padStart(8),
      a.cpuUs.toFixed(1).padStart(9),
      b.cpuUs.toFixed(1).padStart(8),
      `  ${all(ours)} | ${all(theirs)}`,
    ].join(' '),
  );
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function main(): Promise<void> {
  if (!options['no-build']) build();
  const folder = { serve: ['--ceph-conf', conf], nodeFlags: [], hostNqn: HOST_NQN, pinned: false };
  const gateway = await startGateway(folder);
  try {
    await addNamespace(gateway, { create_image: true, size: imageBytes });
    await runJob({ kind: 'fill', target: gateway.target, workingSetBytes: imageBytes }, false);
    await removeNamespace(gateway);
    say(
      `Node ${process.version}, ${cpus().length} CPUs, load ${loadavg()[0]?.toFixed(1)}; image ${options['image-mib']} MiB, ` +
        `${connections} connection(s), ${options.rounds} rounds of ${seconds} s, the best of each`,
    );
    say(
      'case                    gateway   direct  ratio  latency us, gateway   direct  CPU us/IO, direct   rounds',
    );
    for (const bytes of options.sizes.split(',').map(Number)) {
      for (const depth of options.depths.split(',').map(Number)) {
        for (const write of [false, true]) await measure(gateway, { write, bytes, depth });
      }
    }
  } finally {
    await stop(gateway.child);
    gateway.clean();
    rbd('rm', `${options.pool}/${image}`, '--no-progress');
  }
}

process.on('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
await main();
