/** A gateway whose namespaces are images of a real cluster, seen by a host of our own. */
import { afterEach, expect, it, vi } from 'vitest';
import { systemClock, systemTimers } from '../../src/base/clock.ts';
import { nullLog } from '../../src/base/log.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import type { NamespaceSpec, RbdSpec } from '../../src/gateway/plans/requests.ts';
import { Backends } from '../../src/gateway/serving/backends.ts';
import { MemoryRecords } from '../../src/store/memory-store.ts';
import { code, freePort, host, listen, listener, makeRig, NQN, type Rig } from '../gateway/rig.ts';
import type { HostController } from '../initiator/controller.ts';
import { cephScript } from '../node-rados/harness/ceph-cluster.ts';
import {
  cephConf,
  cephEnvironment,
  describeWithCeph,
  freshName,
} from '../node-rados/harness/with-cluster.ts';
import { bytesOf, MIB, newImage, outside, POOL } from './rig.ts';

const OPTIMIZED = 1;
/** 3h/02h */
const PATH_STATUS = 0x302;
const block = (byte: number): Buffer => Buffer.alloc(4096, byte);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A gateway and its backends, which end after it. */
const made: { gateway: Gateway; backends: Backends }[] = [];
afterEach(async () => {
  for (const { gateway, backends } of made.splice(0)) {
    await gateway.stop();
    await backends.close();
  }
});

/** A gateway that is not started. */
function makeGateway(options: Parameters<typeof makeRig>[0] = {}): Rig {
  const backends = new Backends({
    ceph: { confFile: cephConf },
    clock: systemClock,
    timers: systemTimers,
    log: nullLog,
  });
  const rig = makeRig({ openBackend: backends.open, groups: backends, ...options });
  made.push({ gateway: rig.gateway, backends });
  return rig;
}

/** A gateway with a listener and no namespace. */
async function serve(options: Parameters<typeof makeRig>[0] = {}): Promise<Rig & { port: number }> {
  const rig = makeGateway(options);
  await rig.gateway.start();
  await rig.gateway.addSubsystem({ nqn: NQN, serial: 'S1' });
  await rig.gateway.addHost(NQN, '*');
  const port = await freePort();
  await rig.gateway.addListener(listener(port));
  return { ...rig, port };
}

function rbd(image: string, spec: Partial<NamespaceSpec> = {}, more: Partial<RbdSpec> = {}): NamespaceSpec {
  return { nqn: NQN, blockSize: 4096, backend: { type: 'rbd', pool: POOL, image, ...more }, ...spec };
}

async function stateOf(controller: HostController, group: number): Promise<number | undefined> {
  return (await controller.anaLog()).groups.find(({ id }) => id === group)?.state;
}

describeWithCeph('A namespace on an image', () => {
  it('is made with it, served, and goes without it', async () => {
    const { gateway, port } = await serve();
    const image = freshName('made');
    const added = await gateway.addNamespace(rbd(image, { sizeBytes: 16 * MIB }, { create: true }));
    expect(added).toMatchObject({
      sizeBytes: 16 * MIB,
      backend: { type: 'rbd', pool: POOL, image },
      imageWasShrunk: false,
    });
    const controller = await host(port);
    expect(await controller.identifyNamespace(1)).toMatchObject({
      nsze: 4096,
      noiob: 1024,
      npwg: 1,
      npdg: 16,
      nows: 256,
    });
    expect((await controller.write(1, 3, 1, block(7))).status).toBe(0);
    expect((await controller.read(1, 3, 1, 4096)).data).toEqual(block(7));
    expect((await controller.compare(1, 3, 1, block(7))).status).toBe(0);
    expect((await controller.deallocate(1, [{ slba: 3, blocks: 1 }])).status).toBe(0);
    expect((await controller.read(1, 3, 1, 4096)).data).toEqual(block(0));
    expect((await controller.flush(1)).status).toBe(0);
    await gateway.deleteNamespace(NQN, 1);
    const { pool } = await outside();
    expect((await pool.images.list()).map(({ name }) => name)).toContain(image);
  });

  it('moves its image to the trash if that was said, twice', async () => {
    const { gateway } = await serve();
    const { image } = await newImage(MIB);
    await gateway.addNamespace(rbd(image, {}, { trashOnDelete: true }));
    await expect(gateway.deleteNamespace(NQN, 1)).rejects.toThrow(/--i-am-sure/);
    expect(gateway.listNamespaces()).toHaveLength(1);
    await gateway.deleteNamespace(NQN, 1, true);
    const { pool } = await outside();
    expect((await pool.images.list()).map(({ name }) => name)).not.toContain(image);
  });

  it('keeps the image to itself', async () => {
    const { gateway } = await serve();
    const { image } = await newImage(MIB);
    await gateway.addNamespace(rbd(image));
    await expect(gateway.addNamespace(rbd(image))).rejects.toThrowError(code('IMAGE_IN_USE'));
    expect(gateway.listNamespaces()).toHaveLength(1);
  });

  it('leaves no image behind when it cannot be added', async () => {
    const { gateway, store } = await serve();
    const image = freshName('undone');
    const commit = vi.spyOn(store, 'commit').mockRejectedValueOnce(new Error('no'));
    await expect(gateway.addNamespace(rbd(image, { sizeBytes: MIB }, { create: true }))).rejects.toThrow(
      'no',
    );
    commit.mockRestore();
    const { pool } = await outside();
    expect((await pool.images.list()).map(({ name }) => name)).not.toContain(image);
    await expect(gateway.addNamespace(rbd(image))).rejects.toMatchObject({
      code: 'STORAGE_NOT_FOUND',
      message: expect.stringMatching(/there is no image/),
    });
  });

  it('refuses a size that is not that of the image, and an image with a cache', async () => {
    const { gateway } = await serve();
    const { image } = await newImage(2 * MIB);
    await expect(gateway.addNamespace(rbd(image, { sizeBytes: MIB }, { create: true }))).rejects.toThrow(
      /exists and has 2097152 bytes/,
    );
    const { pool } = await outside();
    const opened = await pool.openImage(image);
    await opened.setMetadata('conf_rbd_cache', 'true');
    await opened.close();
    await expect(gateway.addNamespace(rbd(image))).rejects.toThrow(/conf_rbd_cache/);
  });

  it('grows with the image and tells hosts; a cut is flagged; both after a start as well', async () => {
    const records = new MemoryRecords();
    const { gateway, port, complaints } = await serve({ records });
    const { image } = await newImage(8 * MIB);
    await gateway.addNamespace(rbd(image));
    const controller = await host(port);
    await listen(controller);
    const { pool } = await outside();
    const opened = await pool.openImage(image);
    await opened.resize(16 * MIB);
    expect(await controller.nextEvent()).toMatchObject({ type: 2, info: 0 });
    expect((await controller.identifyNamespace(1)).nsze).toBe(4096);
    expect((await controller.write(1, 4095, 1, block(1))).status).toBe(0);
    expect(gateway.listNamespaces()[0]).toMatchObject({ sizeBytes: 16 * MIB, imageWasShrunk: false });

    await gateway.resizeNamespace(NQN, 1, 24 * MIB);
    expect(await opened.sizeBytes()).toBe(24 * MIB);

    await opened.resize(4 * MIB, true);
    await vi.waitFor(() => expect(gateway.listNamespaces()[0]).toMatchObject({ imageWasShrunk: true }));
    expect(gateway.listNamespaces()[0]).toMatchObject({ sizeBytes: 24 * MIB });
    expect(complaints.some((line) => line.includes('was cut from outside'))).toBe(true);
    expect((await controller.read(1, 2000, 1, 4096)).status & 0xff).toBe(0x80);

    await gateway.stop();
    await opened.resize(32 * MIB);
    await opened.close();
    const again = makeGateway({ records });
    await again.gateway.start();
    await vi.waitFor(() =>
      expect(again.gateway.listNamespaces()[0]).toMatchObject({ sizeBytes: 32 * MIB, imageWasShrunk: false }),
    );
  });

  it('keeps its size when the image grows if that was said, until something else is said', async () => {
    const { gateway, port } = await serve();
    const names = [await newImage(8 * MIB), await newImage(8 * MIB)];
    await gateway.addNamespace(rbd(names[0].image, { disableAutoResize: true }));
    await gateway.addNamespace(rbd(names[1].image));
    const controller = await host(port);
    const { pool } = await outside();
    for (const { image } of names) {
      const opened = await pool.openImage(image);
      await opened.resize(16 * MIB);
      await opened.close();
    }
    const sizes = () => gateway.listNamespaces().map(({ sizeBytes }) => sizeBytes / MIB);
    await vi.waitFor(() => expect(sizes()).toEqual([8, 16]));
    expect((await controller.read(1, 2048, 1, 4096)).status & 0xff).toBe(0x80);
    await gateway.changeImageTreatment(NQN, 2, { autoResize: false });
    await gateway.changeImageTreatment(NQN, 1, { autoResize: true });
    await vi.waitFor(() => expect(sizes()).toEqual([16, 16]));
    expect((await controller.write(1, 4095, 1, block(1))).status).toBe(0);
    await expect(gateway.changeImageTreatment(NQN, 1, { trashOnDelete: true })).resolves.toBeUndefined();
    await expect(gateway.deleteNamespace(NQN, 1)).rejects.toThrow(/--i-am-sure/);
  });

  it('moves to another ANA group with its image, under I/O', async () => {
    const { gateway, port } = await serve();
    const name = await newImage(8 * MIB);
    await gateway.addNamespace(rbd(name.image, { anaGroupId: 1 }));
    const controller = await host(port);
    const writes = Array.from({ length: 64 }, (_, i) => controller.write(1, i, 1, block(i)));
    await gateway.changeNamespaceAnaGroup(NQN, 1, 2);
    const statuses = (await Promise.all(writes)).map(({ status }) => status);
    expect(statuses.every((status) => status === 0 || status === PATH_STATUS)).toBe(true);
    expect((await controller.write(1, 0, 1, block(9))).status).toBe(0);
    expect(await bytesOf(name, 0, 4096)).toEqual(block(9));
  });
});

describeWithCeph('A fence of one ANA group', () => {
  it('is in the log page before the first path status; the other group goes on; the group comes back', async () => {
    const { gateway, port } = await serve();
    const [one, two] = [await newImage(8 * MIB), await newImage(8 * MIB)];
    await gateway.addNamespace(rbd(one.image, { anaGroupId: 1 }));
    await gateway.addNamespace(rbd(two.image, { anaGroupId: 2 }));
    const controller = await host(port);
    await listen(controller);
    expect((await controller.write(1, 0, 1, block(1))).status).toBe(0);
    expect((await controller.write(2, 0, 1, block(1))).status).toBe(0);

    const { cluster } = await outside();
    await cluster.blocklistAdd(await ownerOf(one.image), 600);
    const fencedAtMs = performance.now();
    let refused = 0;
    for (let i = 0; ; i += 1) {
      const { status } = await controller.write(1, 1, 1, block(2));
      expect((await controller.write(2, 1, 1, block(i % 256))).status).toBe(0);
      if (status === 0) {
        if (refused > 0) break;
      } else {
        expect(status).toBe(PATH_STATUS);
        if (refused === 0) expect(performance.now() - fencedAtMs).toBeLessThan(2000);
        refused += 1;
      }
    }
    // The change to inaccessible, then that back.
    expect(await controller.nextEvent()).toMatchObject({ type: 2, info: 3 });
    await vi.waitFor(async () => expect(await stateOf(controller, 1)).toBe(OPTIMIZED));
    expect(await bytesOf(one, 4096, 4096)).toEqual(block(2));
    expect(controller.violations).toEqual([]);
  });
});

describeWithCeph('Trouble in the cluster', () => {
  it('OSDs paused for 20 s: I/O waits and goes on, keep-alives go on, the path is not touched', async () => {
    const { gateway, port } = await serve();
    const name = await newImage(8 * MIB);
    await gateway.addNamespace(rbd(name.image));
    const controller = await host(port);
    expect((await controller.write(1, 0, 1, block(1))).status).toBe(0);
    const { cluster } = await outside();
    await cluster.monCommand({ prefix: 'osd pause' });
    let answered = 0;
    let writes: Promise<number>[] = [];
    try {
      // The pause is in force once a write is not answered.
      let paused: Promise<number>;
      do paused = controller.write(1, 0, 1, block(0), { noTimeout: true }).then(({ status }) => status);
      while ((await Promise.race([paused, sleep(500)])) !== undefined);
      writes = Array.from({ length: 32 }, async (_, i) => {
        const { status } = await controller.write(1, i, 1, block(i), { noTimeout: true });
        answered += 1;
        return status;
      });
      for (let second = 0; second < 20; second += 1) {
        await sleep(1000);
        expect((await controller.keepAlive()).status).toBe(0);
      }
      expect(answered).toBe(0);
      expect(await stateOf(controller, 1)).toBe(OPTIMIZED);
    } finally {
      await cluster.monCommand({ prefix: 'osd unpause' });
    }
    expect(await Promise.all(writes)).toEqual(writes.map(() => 0));
    expect((await bytesOf(name, 31 * 4096, 4096)).equals(block(31))).toBe(true);
  }, 90_000);

  it('an OSD killed and revived under I/O: no error', async () => {
    const { gateway, port } = await serve();
    const name = await newImage(8 * MIB);
    await gateway.addNamespace(rbd(name.image));
    const controller = await host(port);
    let running = true;
    const statuses: number[] = [];
    const load = Promise.all(
      [0, 1, 2, 3].map(async (lane) => {
        for (let i = 0; running; i += 1) {
          statuses.push((await controller.write(1, lane, 1, block(i % 256), { noTimeout: true })).status);
        }
      }),
    );
    await sleep(300);
    await cephScript(cephEnvironment, 'kill', 'osd.0');
    await sleep(1500);
    const before = statuses.length;
    await cephScript(cephEnvironment, 'revive', 'osd.0');
    await vi.waitFor(() => expect(statuses.length).toBeGreaterThan(before + 8), { timeout: 40_000 });
    running = false;
    await load;
    expect(statuses.every((status) => status === 0)).toBe(true);
  }, 90_000);
});

/** Address of the client that holds the image's lock. */
async function ownerOf(imageName: string): Promise<string> {
  const { pool } = await outside();
  const image = await pool.openImage(imageName, { readOnly: true });
  try {
    const { id } = await image.stat();
    const [locker] = (await pool.lockState(`rbd_header.${id}`, 'rbd_lock')).lockers;
    return locker?.address ?? '';
  } finally {
    await image.close();
  }
}
