/**
 * The binding against the `rbd` command on one image, alternating: `CEPH_CONF=... node scripts/bench.mjs [--pool rbd]
 * [--seconds 4] [--depths 1,16,64] [--sizes 4096,131072] [--image-mib 1024] [--rounds 2] [--zero-copy]`.
 *
 * Both sides run without the cache, with librbd's other defaults; `--zero-copy` adds rbd_disable_zero_copy_writes=false to both.
 * CPU is user and system time of the client process per I/O. The best round of each side is printed, with all rounds behind it.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    pool: { type: 'string', default: 'rbd' },
    seconds: { type: 'string', default: '4' },
    depths: { type: 'string', default: '1,16,64' },
    sizes: { type: 'string', default: '4096,131072' },
    'image-mib': { type: 'string', default: '1024' },
    rounds: { type: 'string', default: '2' },
    'zero-copy': { type: 'boolean', default: false },
    'binding-only': { type: 'boolean', default: false },
    entry: { type: 'string', default: fileURLToPath(new URL('../dist/node-rados.js', import.meta.url)) },
  },
});
const { Cluster, ioCounters, libraryVersions } = await import(options.entry);

const SETTINGS = { rbd_cache: 'false' };
if (options['zero-copy']) SETTINGS.rbd_disable_zero_copy_writes = 'false';
const IMAGE = `bench-${process.pid}`;
const SIZE = Number(options['image-mib']) * 2 ** 20;
const seconds = Number(options.seconds);

/** One I/O that starts itself again until the time is over. */
class Loop {
  constructor(image, write, bytes, run) {
    this.image = image;
    this.write = write;
    this.run = run;
    this.bytes = bytes;
    this.buffer = Buffer.allocUnsafeSlow(bytes).fill(0x5a);
  }
  start() {
    const offset = Math.floor((Math.random() * SIZE) / this.bytes) * this.bytes;
    if (this.write) this.image.write(offset, this.buffer, this);
    else this.image.read(offset, this.buffer, this);
  }
  ioDone(result) {
    if (result < 0) throw new Error(`I/O failed: ${result}`);
    this.run.done += 1;
    if (performance.now() < this.run.endMs) this.start();
    else if (--this.run.active === 0) this.run.resolve();
  }
}

async function throughBinding(image, write, bytes, depth) {
  const cpu = process.cpuUsage();
  const before = ioCounters();
  const beganMs = performance.now();
  const run = { done: 0, active: depth, endMs: beganMs + seconds * 1000 };
  await new Promise((resolve) => {
    run.resolve = resolve;
    for (let i = 0; i < depth; i++) new Loop(image, write, bytes, run).start();
  });
  const { user, system } = process.cpuUsage(cpu);
  const after = ioCounters();
  return {
    iops: run.done / ((performance.now() - beganMs) / 1000),
    cpuUs: (user + system) / run.done,
    perBatch: (after.completed - before.completed) / (after.batches - before.batches),
  };
}

/** `rbd bench` ends after a number of bytes: as many as the binding just did, so that it takes about as long. */
function throughCommand(write, bytes, depth, total) {
  const settings = Object.entries(SETTINGS).map(([key, value]) => `--${key.replaceAll('_', '-')}=${value}`);
  const bench = [
    'bench',
    `${options.pool}/${IMAGE}`,
    '--io-type',
    write ? 'write' : 'read',
    '--io-size',
    String(bytes),
    '--io-threads',
    String(depth),
    '--io-total',
    String(Math.max(depth, total) * bytes),
    '--io-pattern',
    'rand',
    ...settings,
  ];
  const script = 'TIMEFORMAT="cpu %U %S"; time rbd "$@"';
  const { stdout, stderr, status } = spawnSync('bash', ['-c', script, 'bash', ...bench], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`rbd bench: ${stderr}`);
  const [, elapsed, ops] = /elapsed:\s*(\d+)\s+ops:\s*(\d+)/.exec(stdout) ?? [];
  const [, rate] = /ops\/sec:\s*([\d.]+)/.exec(stdout) ?? [];
  const [, user, system] = /cpu ([\d.]+) ([\d.]+)/.exec(stderr) ?? [];
  return {
    iops: Number(rate ?? Number(ops) / Number(elapsed)),
    cpuUs: ((Number(user) + Number(system)) * 1e6) / Number(ops),
  };
}

const best = (results) => results.reduce((a, b) => (b.iops > a.iops ? b : a));
const list = (results) => results.map(({ iops }) => Math.round(iops)).join(' ');

const cluster = await Cluster.connect({ options: SETTINGS });
const context = await cluster.openPool(options.pool);
await context.images.create(IMAGE, SIZE);
const image = await context.openImage(IMAGE);
const fill = Buffer.alloc(4 * 2 ** 20, 1);
for (let offset = 0; offset < SIZE; offset += fill.length) await image.promises.write(offset, fill);
process.stdout.write(
  `librbd ${libraryVersions().rbd}, Node ${process.versions.node}, image ${options['image-mib']} MiB, cache off${options['zero-copy'] ? ', zero-copy writes' : ''}\n`,
);
process.stdout.write(
  'case                    binding IOPS  rbd bench   ratio  CPU/IO us (binding, bench)  IOs/batch  rounds\n',
);
for (const bytes of options.sizes.split(',').map(Number)) {
  for (const depth of options.depths.split(',').map(Number)) {
    for (const write of [false, true]) {
      const ours = [];
      const theirs = [];
      for (let round = 0; round < Number(options.rounds); round++) {
        const result = await throughBinding(image, write, bytes, depth);
        ours.push(result);
        if (!options['binding-only']) {
          await image.releaseLock().catch(() => undefined);
          theirs.push(throughCommand(write, bytes, depth, Math.round(result.iops * seconds)));
        }
      }
      const a = best(ours);
      const b = theirs.length > 0 ? best(theirs) : { iops: Number.NaN, cpuUs: Number.NaN };
      const name = `${bytes / 1024} KiB ${write ? 'write' : 'read'} qd ${depth}`;
      process.stdout.write(
        `${name.padEnd(24)}${a.iops.toFixed(0).padStart(12)}${b.iops.toFixed(0).padStart(11)}${(a.iops / b.iops).toFixed(2).padStart(8)}${`${a.cpuUs.toFixed(1)} ${b.cpuUs.toFixed(1)}`.padStart(28)}${a.perBatch.toFixed(1).padStart(11)}  ${list(ours)} | ${list(theirs)}\n`,
      );
    }
  }
}
await image.close();
await context.images.remove(IMAGE);
await cluster.close();
