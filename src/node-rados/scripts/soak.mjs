/**
 * Does the same for a long time and looks at the memory: `CEPH_CONF=... node --expose-gc scripts/soak.mjs [--pool rbd]
 * [--ios 100000] [--opens 2000] [--objects 20000] [--clients 50] [--tolerance-mib 24]`.
 *
 * Each part runs once to warm up (caches, malloc arenas, the JIT) with a quarter of its count; then with all of it; the
 * resident memory must not have grown by more than the tolerance in the second run, and no file descriptor or thread may be
 * left. Exit status 1 otherwise. Run it under a build with --sanitize=address to find wrong accesses.
 */
import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';

// the package as its users get it; built, so not there for those who read the sources
const { Cluster, ioCounters, WriteOperation } = await import(
  new URL('../dist/node-rados.js', import.meta.url).href
);

const { values: options } = parseArgs({
  options: {
    pool: { type: 'string', default: 'rbd' },
    ios: { type: 'string', default: '100000' },
    opens: { type: 'string', default: '2000' },
    objects: { type: 'string', default: '20000' },
    clients: { type: 'string', default: '50' },
    'tolerance-mib': { type: 'string', default: '24' },
  },
});
const SETTINGS = { rbd_cache: 'false' };
const MIB = 2 ** 20;
const SIZE = 64 * MIB;
const IMAGE = `soak-${process.pid}`;
const DEPTH = 64;

const rssMib = () => {
  globalThis.gc?.();
  return process.memoryUsage().rss / MIB;
};
const count = (what) => readdirSync(`/proc/self/${what}`).length;

const cluster = await Cluster.connect({ options: SETTINGS });
const context = await cluster.openPool(options.pool);
await context.images.create(IMAGE, SIZE);

/** `total` I/Os of every kind, `DEPTH` at a time. */
async function ios(total) {
  const image = await context.openImage(IMAGE);
  let left = total;
  let active = DEPTH;
  await new Promise((resolve, reject) => {
    for (let i = 0; i < DEPTH; i++) {
      const data = Buffer.allocUnsafeSlow(4096).fill(i);
      const parts = [Buffer.alloc(1024, i), Buffer.alloc(3072, i)];
      const completion = {
        ioDone(result) {
          if (result < 0 && result !== -84) reject(new Error(`I/O failed: ${result}`));
          if (left-- > 0) start();
          else if (--active === 0) resolve();
        },
      };
      const offset = () => Math.floor(Math.random() * (SIZE / 4096)) * 4096;
      const kinds = [
        () => image.read(offset(), data, completion),
        () => image.write(offset(), data, completion),
        () => image.readv(offset(), parts, completion),
        () => image.writev(offset(), parts, completion),
        () => image.flush(completion),
        () => image.discard(offset(), 4096, completion),
        () => image.writeZeroes(offset(), 4096, completion),
        () => image.writeSame(offset(), 4096, data.subarray(0, 512), completion),
        () => image.compareAndWrite(offset(), data.subarray(0, 512), data.subarray(0, 512), completion),
      ];
      function start() {
        kinds[left % kinds.length]();
      }
      start();
    }
  });
  await image.close();
}

async function opens(total) {
  let left = total;
  await Promise.all(
    Array.from({ length: 8 }, async (_, i) => {
      while (left-- > 0) {
        const image = await context.openImage(IMAGE, { readOnly: i % 2 === 0 });
        if (i % 2 === 1) await image.watchUpdates(() => undefined);
        await image.promises.read(0, 512);
        await image.stat();
        const open = context.openImage('no-such-image').catch(() => undefined);
        await Promise.all([open, image.close()]);
      }
    }),
  );
}

async function objects(total) {
  const object = `soak-${process.pid}`;
  await context.writeFull(object, Buffer.alloc(100));
  const watch = await context.watch(object, { onNotify: () => 'reply', onError: () => undefined });
  let left = total;
  await Promise.all(
    Array.from({ length: 32 }, async (_, i) => {
      while (left-- > 0) {
        await context.write(object, new WriteOperation().omapSet([[`key${i}`, 'x'.repeat(100)]]));
        await context.omapGetAll(object);
        await context
          .write(object, new WriteOperation().compareOmap('none', 'y').create(false))
          .catch(() => undefined);
        if (left % 20 === 0) await context.notify(object, 'hello');
        if (left % 50 === 0) await cluster.monCommand({ prefix: 'osd stat' });
      }
    }),
  );
  await watch.close();
  await context.remove(object);
}

async function clients(total) {
  for (let i = 0; i < total; i++) {
    const client = await Cluster.connect({ options: SETTINGS });
    const own = await client.openPool(options.pool);
    await own.openImage(IMAGE, { readOnly: true });
    await client.close();
  }
}

let failed = false;
for (const [name, part] of Object.entries({ ios, opens, objects, clients })) {
  const total = Number(options[name]);
  await part(Math.ceil(total / 4));
  const before = { rss: rssMib(), fds: count('fd'), threads: count('task') };
  const beganMs = performance.now();
  await part(total);
  const after = { rss: rssMib(), fds: count('fd'), threads: count('task') };
  const grown = after.rss - before.rss;
  const bad =
    grown > Number(options['tolerance-mib']) || after.fds > before.fds + 2 || ioCounters().inFlight !== 0;
  failed ||= bad;
  process.stdout.write(
    `${name} ${total}: ${((performance.now() - beganMs) / 1000).toFixed(1)} s, resident ${before.rss.toFixed(1)} -> ${after.rss.toFixed(1)} MiB, descriptors ${before.fds} -> ${after.fds}, threads ${before.threads} -> ${after.threads}${bad ? '  LEAK?' : ''}\n`,
  );
}
await context.images.remove(IMAGE);
await cluster.close();
process.exit(failed ? 1 : 0);
