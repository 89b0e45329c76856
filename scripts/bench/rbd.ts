/**
 * An image through the gateway against the same image directly, in alternation: `npm run bench:rbd -- [options]`.
 *
 * CEPH_CONF names the cluster; without it the benchmark starts one of its own. Direct is `rbd bench` with the settings that the
 * gateway's clients have. It needs the image's lock, so the namespace is added for each measurement of the gateway and taken
 * away again.
 *
 * Nothing is pinned: OSD, gateway, generator and `rbd` share what CPUs there are. On a machine that they fill, throughput is
 * the number of CPUs by the CPU time per I/O of all of them; the ratio that follows from it is shown beside the measured one.
 */
import { cpus, loadavg } from 'node:os';
import { delimiter, dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { cpuTimeNs } from './cpu-time.mjs';
import { BENCH_NQN, build, type Gateway, startGateway } from './gateway.ts';
import { killAll, type LoadResult, runJob, stop } from './processes.ts';
import { type BenchCluster, benchCluster } from './rbd-cluster.ts';
import { DirectClient } from './rbd-direct.ts';
import { type Case, type Figures, HEADING, type Round, row } from './rbd-report.ts';

const MIB = 1024 * 1024;
const HOST_NQN = 'nqn.2026-11.io.anagate:bench-host';
const WARMUP_MS = 300;

const { values: options } = parseArgs({
  options: {
    pool: { type: 'string', default: 'bench' },
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    depths: { type: 'string', default: '1,16,64' },
    sizes: { type: 'string', default: '4096,131072' },
    'image-mib': { type: 'string', default: '1024' },
    connections: { type: 'string', default: '1' },
    // the direct side with librbd's own settings instead of the gateway's (no cache all the same)
    'direct-defaults': { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
  },
});
const seconds = Number(options.seconds);
const imageBytes = Number(options['image-mib']) * MIB;
const connections = Number(options.connections);
const image = `bench-${process.pid}`;

interface Parties {
  gateway: Gateway;
  cluster: BenchCluster;
  direct: DirectClient;
}

/** Nanoseconds of CPU that the OSD takes during `work`; 0 when it is not ours to look at. */
async function withOsd<T>({ cluster }: Parties, work: () => Promise<T> | T): Promise<[T, number]> {
  if (cluster.osdPid === undefined) return [await work(), 0];
  const before = cpuTimeNs(cluster.osdPid);
  const result = await work();
  return [result, cpuTimeNs(cluster.osdPid) - before];
}

async function load(gateway: Gateway, { write, bytes, depth }: Case): Promise<LoadResult> {
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
  if (result.failed > 0) throw new Error(`${result.failed} commands failed`);
  return result;
}

function figures(result: LoadResult, osdNs: number): Figures {
  const iops = result.commands / result.seconds;
  return {
    iops,
    serverUs: result.serverCpuNs / 1000 / result.commands,
    loopUs: result.serverLoopCpuNs / 1000 / result.commands,
    generatorUs: (result.generatorBusy * 1e6) / iops,
    // the OSD worked during the warm-up too
    osdUs: osdNs / 1000 / (iops * (result.seconds + WARMUP_MS / 1000)),
    meanUs: result.latency.meanUs,
    p99Us: result.latency.p99Us,
  };
}

async function measure(parties: Parties, one: Case): Promise<Round> {
  const { gateway, direct, cluster } = parties;
  await addNamespace(gateway, cluster.pool);
  const [result, osdNs] = await withOsd(parties, () => load(gateway, one));
  await gateway.call('namespace_delete', { subsystem_nqn: BENCH_NQN, nsid: 1 });
  // As many operations as the gateway just did, so that it takes about as long.
  const [raw, directOsdNs] = await withOsd(parties, () =>
    direct.load(`${cluster.pool}/${image}`, { ...one, operations: result.commands }),
  );
  return {
    gateway: figures(result, osdNs),
    direct: {
      iops: raw.iops,
      serverUs: raw.cpuNs / 1000 / raw.operations,
      loopUs: 0,
      generatorUs: 0,
      osdUs: directOsdNs / 1000 / raw.operations,
      meanUs: (one.depth * 1e6) / raw.iops,
      p99Us: Number.NaN,
    },
  };
}

function addNamespace(gateway: Gateway, pool: string, more: object = {}): Promise<void> {
  return gateway.call('namespace_add', {
    subsystem_nqn: BENCH_NQN,
    nsid: 1,
    block_size: 4096,
    rbd_pool_name: pool,
    rbd_image_name: image,
    ...more,
  });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function measureAll(parties: Parties): Promise<void> {
  say(HEADING);
  for (const bytes of options.sizes.split(',').map(Number)) {
    for (const depth of options.depths.split(',').map(Number)) {
      for (const write of [false, true]) {
        const rounds: Round[] = [];
        for (let round = 0; round < Number(options.rounds); round += 1) {
          rounds.push(await measure(parties, { write, bytes, depth }));
        }
        say(row({ write, bytes, depth }, rounds));
      }
    }
  }
}

async function withGateway(cluster: BenchCluster): Promise<void> {
  const direct = new DirectClient(cluster.conf, options['direct-defaults']);
  const serve = ['--ceph-conf', cluster.conf];
  const gateway = await startGateway({ serve, nodeFlags: [], hostNqn: HOST_NQN, pinned: false });
  try {
    await addNamespace(gateway, cluster.pool, { create_image: true, size: imageBytes });
    await runJob({ kind: 'fill', target: gateway.target, workingSetBytes: imageBytes }, false);
    await gateway.call('namespace_delete', { subsystem_nqn: BENCH_NQN, nsid: 1 });
    say(
      `Node ${process.version}, ${cpus().length} CPUs, load ${loadavg()[0]?.toFixed(1)}; ${cluster.describe}; image ` +
        `${options['image-mib']} MiB, ${connections} connection(s), ${options.rounds} rounds of ${seconds} s, medians`,
    );
    await measureAll({ gateway, cluster, direct });
  } finally {
    await stop(gateway.child);
    gateway.clean();
    direct.run('rm', `${cluster.pool}/${image}`, '--no-progress');
  }
}

async function main(): Promise<void> {
  // `rbd` of the same release as the librbd that this Node loads: that of Ceph 20 lies beside its Node.
  process.env.PATH = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;
  const cluster = await benchCluster(options.pool);
  process.on('exit', cluster.stop);
  if (!options['no-build']) build();
  await withGateway(cluster);
}

process.on('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
try {
  await main();
} catch (err) {
  process.stderr.write(`bench:rbd: ${(err as Error).message}\n`);
  process.exit(1);
}
