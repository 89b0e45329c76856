/** What an acknowledged write means, what a stalled cluster does to I/O, and what a fence does. */
import { afterEach, beforeAll, expect, it } from 'vitest';
import { EBLOCKLISTED, type Image, type IoContext } from '../../src/node-rados/lib/node-rados.ts';
import { cephScript } from './harness/ceph-cluster.ts';
import { cephEnvironment, codeOf, connect, describeWithCeph, freshName } from './harness/with-cluster.ts';

describeWithCeph('a cluster in trouble', () => {
  let admin: IoContext;
  beforeAll(async () => {
    admin = await (await connect()).openPool('rbd');
  });
  const pause = () => admin.cluster.monCommand({ prefix: 'osd set', key: 'pause' });
  const unpause = () => admin.cluster.monCommand({ prefix: 'osd unset', key: 'pause' });
  afterEach(async () => {
    await unpause();
  });

  async function openFresh(context: IoContext): Promise<Image> {
    const name = freshName('image');
    await context.images.create(name, 16 * 2 ** 20, { features: ['layering', 'exclusive-lock'] });
    const image = await context.openImage(name);
    await image.acquireLock();
    await image.promises.write(0, Buffer.alloc(4096, 1));
    return image;
  }

  it('acknowledges nothing while its OSDs are paused, and everything in the end', async () => {
    const image = await openFresh(admin);
    await pause();
    // This client has the map of the pause before the writes go out.
    await admin.cluster.waitForLatestOsdMap();
    let acknowledged = 0;
    const writes = Array.from({ length: 64 }, async (_, i) => {
      await image.promises.write(i * 4096, Buffer.alloc(4096, 2));
      acknowledged += 1;
    });
    const flush = image.promises.flush().then(() => {
      acknowledged += 1;
    });
    // The event loop goes on meanwhile; a monitor still answers.
    for (let i = 0; i < 20; i++) await admin.cluster.monCommand({ prefix: 'osd stat' });
    expect(acknowledged).toBe(0);
    await unpause();
    await Promise.all([...writes, flush]);
    expect(acknowledged).toBe(65);
    expect((await image.promises.read(63 * 4096, 1))[0]).toBe(2);
    await image.close();
  });

  it('keeps the event loop free with thousands of object operations stalled', async () => {
    const object = freshName('object');
    await pause();
    await admin.cluster.waitForLatestOsdMap();
    const beganMs = performance.now();
    const writes = Array.from({ length: 4000 }, (_, i) => admin.omapSet(object, [[`${i}`, 'x']]));
    await new Promise((resolve) => setImmediate(resolve));
    expect(performance.now() - beganMs).toBeLessThan(2000);
    await unpause();
    await Promise.all(writes);
    expect((await admin.omapGetAll(object)).entries.size).toBe(4000);
  });

  it('keeps I/O waiting while an OSD is dead', async () => {
    const image = await openFresh(admin);
    await cephScript(cephEnvironment, 'kill', 'osd.0');
    const write = image.promises.write(8192, Buffer.from('patience'));
    await cephScript(cephEnvironment, 'revive', 'osd.0');
    await write;
    expect(String(await image.promises.read(8192, 8))).toBe('patience');
    await image.close();
  });

  it('that fenced one client leaves the others of the process alone', async () => {
    const fenced = await connect();
    const context = await fenced.openPool('rbd');
    const image = await openFresh(context);
    const other = await openFresh(admin);
    const address = fenced.addresses;
    const beganMs = performance.now();
    await admin.cluster.blocklistAdd(address);
    await fenced.waitForLatestOsdMap();
    const results = await Promise.all(
      Array.from(
        { length: 32 },
        (_, i) =>
          new Promise<number>((resolve) => {
            const completion = { ioDone: resolve };
            if (i % 2 === 0) image.write(i * 4096, Buffer.alloc(4096, 3), completion);
            else image.read((i - 1) * 4096, Buffer.alloc(4096), completion);
          }),
      ),
    );
    expect(performance.now() - beganMs).toBeLessThan(2000);
    expect(new Set(results)).toEqual(new Set([-EBLOCKLISTED]));
    await other.promises.write(0, Buffer.from('serving'));
    expect(await codeOf(context.omapSet(freshName('object'), [['a', '1']]))).toBe('EBLOCKLISTED');

    // a new client of the same process takes over
    const next = await connect({ options: { rbd_blocklist_on_break_lock: false } });
    const nextContext = await next.openPool('rbd');
    const again = await nextContext.openImage(image.name);
    const [owner] = await again.lockOwners();
    if (owner !== undefined) await again.breakLock(owner);
    await again.promises.write(0, Buffer.from('recovered'));
    await Promise.all([image.close().catch(() => undefined), other.close(), again.close()]);
    await fenced.close();
    await admin.cluster.blocklistRemove(address);
  });
});
