/** Ends of processes and workers, acted out in a process of their own: `run-ts.mjs child.ts SCENARIO CEPH_CONF IMAGE`. */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { Cluster, type Image } from '../../../src/node-rados/lib/node-rados.ts';

const [scenario = '', conf = '', imageName = ''] = process.argv.slice(2);
const RUN_TS = fileURLToPath(new URL('../../../scripts/run-ts.mjs', import.meta.url));
const SELF = fileURLToPath(import.meta.url);

const say = (text: string) => process.stdout.write(`${text}\n`);

const connect = () => Cluster.connect({ confFile: conf, options: { rbd_cache: false } });

async function open(readOnly = true, cluster?: Cluster): Promise<Image> {
  const context = await (cluster ?? (await connect())).openPool('rbd');
  return context.openImage(imageName, { readOnly });
}

/** Reads for ever, `depth` at a time. */
function load(image: Image, depth: number): void {
  for (let i = 0; i < depth; i++) {
    const data = Buffer.allocUnsafeSlow(65_536);
    const completion = {
      ioDone(result: number) {
        if (result >= 0) image.read(i * data.length, data, completion);
      },
    };
    image.read(i * data.length, data, completion);
  }
}

function worker(role: string): Worker {
  return new Worker(RUN_TS, { argv: [SELF, role, conf, imageName] });
}

const SCENARIOS: Record<string, () => Promise<void>> = {
  /** process.exit while I/O is under way. */
  async 'exit-in-flight'() {
    load(await open(), 64);
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.exitCode = 3;
    say('leaving');
    process.exit();
  },
  /** An exception that nobody catches while I/O is under way. */
  async 'throw-in-flight'() {
    load(await open(), 64);
    setTimeout(() => {
      throw new Error('on purpose');
    }, 100);
  },
  /** Writes that the cluster does not answer (the test has paused it), then process.exit. */
  async 'exit-stalled'() {
    const image = await open(false);
    await image.promises.write(0, Buffer.alloc(4096, 1));
    say('ready');
    await once(process.stdin, 'data');
    for (let i = 0; i < 16; i++) image.write(i * 4096, Buffer.alloc(4096), { ioDone: () => undefined });
    setTimeout(() => process.exit(4), 200);
  },
  /** Nothing left to do, everything left open. */
  async 'end-open'() {
    const image = await open(false);
    await image.promises.write(0, Buffer.from('x'));
    say('idle');
  },
  /** The answer to a last I/O is waited for by the process. */
  async 'end-after-io'() {
    const image = await open();
    image.read(0, Buffer.alloc(512), { ioDone: (result) => say(`read ${result}`) });
  },
  /** A worker is terminated while I/O is under way, three times. */
  async terminate() {
    for (let i = 0; i < 3; i++) {
      const one = worker('loaded-worker');
      await once(one, 'message');
      await new Promise((resolve) => setTimeout(resolve, 50));
      say(`terminated ${await one.terminate()}`);
    }
  },
  /** A worker is terminated while the cluster does not answer its reads. */
  async 'terminate-stalled'() {
    const admin = await Cluster.connect({ confFile: conf });
    const one = worker('reading-worker');
    await once(one, 'message');
    await admin.monCommand({ prefix: 'osd set', key: 'pause' });
    one.postMessage('read');
    await once(one, 'message');
    let ended = false;
    const ending = one.terminate().then(() => {
      ended = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 700));
    say(ended ? 'did not wait' : 'waits');
    await admin.monCommand({ prefix: 'osd unset', key: 'pause' });
    await ending;
    say('ended');
    await admin.close();
  },
  async 'reading-worker'() {
    const cluster = await connect();
    const image = await open(false, cluster);
    await image.promises.write(0, Buffer.alloc(4096));
    parentPort?.postMessage('open');
    parentPort?.once('message', async () => {
      // that the monitors have the pause does not mean that client and OSD have
      await cluster.waitForLatestOsdMap();
      for (let i = 0; i < 64; i++) {
        image.read(i * 4096, Buffer.allocUnsafeSlow(65_536), { ioDone: () => undefined });
      }
      parentPort?.postMessage('started');
    });
  },
  async 'loaded-worker'() {
    load(await open(), 64);
    parentPort?.postMessage('loaded');
  },
  /** Two workers and the main thread work at once; each ends by itself, one without closing anything. */
  async workers() {
    const image = await open();
    load(image, 8);
    const both = [worker('tidy-worker'), worker('untidy-worker')];
    const codes = await Promise.all(both.map(async (one) => (await once(one, 'exit'))[0] as number));
    say(`ended ${codes.join(' ')}`);
    await image.close();
  },
  async 'tidy-worker'() {
    const image = await open();
    for (let i = 0; i < 200; i++) await image.promises.read(i * 4096, 4096);
    await image.close();
  },
  async 'untidy-worker'() {
    const image = await open();
    for (let i = 0; i < 200; i++) await image.promises.read(i * 4096, 4096);
  },
  /** What a user sees without the addon (NODE_RADOS_ADDON names one that is not there). */
  async unavailable() {
    await Cluster.connect({ confFile: conf }).catch((error: Error) => say(`${error.name}: ${error.message}`));
  },
};

await SCENARIOS[scenario]?.();
if (!isMainThread) process.exitCode = 0;
