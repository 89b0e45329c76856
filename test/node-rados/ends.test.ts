/** How processes and worker threads end with clients connected, images open and I/O in flight. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { IoContext } from '../../src/node-rados/lib/node-rados.ts';
import { cephConf, connect, describeWithCeph, freshName } from './harness/with-cluster.ts';

const RUN_TS = fileURLToPath(new URL('../../scripts/run-ts.mjs', import.meta.url));
const CHILD = fileURLToPath(new URL('harness/child.ts', import.meta.url));

interface Ended {
  code: number | null;
  signal: string | null;
  output: string;
  errors: string;
}

describeWithCeph('the end of a process', () => {
  let io: IoContext;
  /** Of the last run; a process that was torn from its image leaves the lock behind. */
  let image = '';
  beforeAll(async () => {
    io = await (await connect()).openPool('rbd');
  });
  afterAll(async () => {
    await io?.cluster.monCommand({ prefix: 'osd unset', key: 'pause' });
  });

  /** Runs a scenario of child.ts; `onReady` is called when it says so, then its standard input is given a line. */
  async function run(
    scenario: string,
    { env = {}, onReady }: { env?: NodeJS.ProcessEnv; onReady?: () => Promise<void> } = {},
  ): Promise<Ended> {
    image = freshName('image');
    await io.images.create(image, 16 * 2 ** 20);
    const child = spawn(process.execPath, [RUN_TS, CHILD, scenario, cephConf, image], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (data) => {
      output += data;
      if (onReady !== undefined && output.endsWith('ready\n'))
        void onReady().then(() => child.stdin.write('go\n'));
    });
    child.stderr.on('data', (data) => {
      errors += data;
    });
    return new Promise((resolve) => {
      child.once('close', (code, signal) => resolve({ code, signal, output, errors }));
    });
  }

  it('by process.exit with I/O in flight keeps its exit status', async () => {
    expect(await run('exit-in-flight')).toEqual({ code: 3, signal: null, output: 'leaving\n', errors: '' });
  });

  it('by an exception with I/O in flight shows the exception', async () => {
    expect(await run('throw-in-flight')).toMatchObject({
      code: 1,
      signal: null,
      errors: expect.stringContaining('on purpose'),
    });
  });

  it('does not wait for a cluster that does not answer', async () => {
    const pause = (on: boolean) =>
      io.cluster.monCommand({ prefix: on ? 'osd set' : 'osd unset', key: 'pause' });
    let pausedMs = 0;
    const ended = await run('exit-stalled', {
      onReady: async () => {
        await pause(true);
        pausedMs = performance.now();
      },
    });
    expect(performance.now() - pausedMs).toBeLessThan(5000);
    await pause(false);
    expect(ended).toMatchObject({ code: 4, signal: null });
  });

  it('comes when nothing is left to do, with everything left open', async () => {
    expect(await run('end-open')).toMatchObject({ code: 0, signal: null, output: 'idle\n' });
    const opened = await io.openImage(image);
    expect(await opened.lockOwners()).toEqual([]);
    await opened.close();
  });

  it('waits for I/O that was started', async () => {
    expect(await run('end-after-io')).toMatchObject({ code: 0, signal: null, output: 'read 512\n' });
  });

  it('of workers with I/O in flight leaves the process well', async () => {
    expect(await run('terminate')).toMatchObject({
      code: 0,
      signal: null,
      output: 'terminated 1\n'.repeat(3),
    });
  });

  it('of a worker waits for I/O that the cluster does not answer: its buffers must not go first', async () => {
    expect(await run('terminate-stalled')).toMatchObject({ code: 0, signal: null, output: 'waits\nended\n' });
  });

  it('of workers beside one another is each one’s own', async () => {
    expect(await run('workers')).toMatchObject({ code: 0, signal: null, output: 'ended 0 0\n' });
  });

  it('without the addon, a use of it says in one line what to install', async () => {
    const ended = await run('unavailable', { env: { NODE_RADOS_ADDON: '/no/such/addon.node' } });
    expect(ended.output).toBe(
      'RadosUnavailableError: RBD is not available: its addon is not built; install g++, make, python3, librbd-dev and librados-dev, then run "npm run build:rados"\n',
    );
  });
});
