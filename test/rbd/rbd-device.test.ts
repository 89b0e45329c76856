/** An RBD image as a block device, on a real cluster. */
import { describe, expect, it } from 'vitest';
import { BlockStatus } from '../../src/base/block-device.ts';
import { itIsABlockDevice } from '../backend/block-device-contract.ts';
import { PromisedDevice } from '../backend/completions.ts';
import { describeWithCeph } from '../node-rados/harness/with-cluster.ts';
import { bytesOf, MIB, newImage, outside, POOL, RbdRig } from './rig.ts';

describeWithCeph('RbdDevice', () => {
  describe('with objects of 1 MiB, so that extents cross them', () => {
    itIsABlockDevice(
      async (sizeBytes) => new RbdRig().serve(await newImage(sizeBytes, { objectBytes: MIB })),
      5,
    );
  });

  describe('with stripes of 64 KiB over objects of 1 MiB', () => {
    itIsABlockDevice(async (sizeBytes) => {
      const striped = { objectBytes: MIB, stripeUnitBytes: 65_536, stripeCount: 4 };
      return new RbdRig().serve(await newImage(sizeBytes, striped));
    }, 2);
  });

  it('names the image, and prefers I/O that suits its objects and stripes', async () => {
    const name = await newImage(8 * MIB);
    const device = await new RbdRig().serve(name);
    expect(device.description).toBe(`rbd:${POOL}/${name.image}`);
    expect(device.optimal).toEqual({ boundary: 4 * MIB, write: 4096, bestWrite: 4 * MIB, discard: 65_536 });
    const layout = { objectBytes: MIB, stripeUnitBytes: 65_536, stripeCount: 4 };
    const striped = await new RbdRig().serve(await newImage(8 * MIB, layout));
    expect(striped.optimal).toMatchObject({ boundary: 4 * MIB, bestWrite: 262_144 });
  });

  it('prefers discards of the size that librbd is configured to for the image', async () => {
    const name = await newImage(8 * MIB);
    const { pool } = await outside();
    const image = await pool.openImage(name.image);
    await image.setMetadata('conf_rbd_discard_granularity_bytes', '16384');
    await image.close();
    expect((await new RbdRig().serve(name)).optimal.discard).toBe(16_384);
  });

  it('serves an image of a RADOS namespace', async () => {
    const { cluster, pool } = await outside();
    await pool.images.createNamespace('tenant');
    const tenant = await cluster.openPool(POOL, 'tenant');
    await tenant.images.create('disk', MIB);
    const rig = new RbdRig();
    const device = await rig.serve({ pool: POOL, radosNamespace: 'tenant', image: 'disk' });
    expect(await new PromisedDevice(device).write(0, Buffer.alloc(512, 7))).toBe(BlockStatus.ok);
    expect(device.description).toBe(`rbd:${POOL}/tenant/disk`);
    await rig.close();
    await tenant.images.remove('disk');
  });

  it('does not write to what is read-only', async () => {
    const name = await newImage(MIB);
    const rig = new RbdRig();
    const device = new PromisedDevice(await rig.open(name, 1, true));
    await rig.backend.serve(1, true);
    expect(await device.write(0, Buffer.alloc(512, 1))).toBe(BlockStatus.readOnly);
    expect(await device.flush()).toBe(BlockStatus.ok);
    expect(await device.bytes(0, 512)).toEqual(Buffer.alloc(512));
  });

  it.for([
    {
      name: { pool: POOL, radosNamespace: '', image: 'absent' },
      says: /image rbd\/absent cannot be opened: there is no image absent in pool rbd; make it/,
    },
    {
      name: { pool: 'no-pool', radosNamespace: '', image: 'x' },
      says: /no-pool\/x cannot be opened: there is no pool no-pool/,
    },
    {
      name: { pool: POOL, radosNamespace: 'nobody', image: 'x' },
      says: /no image x in namespace nobody of pool/,
    },
  ])('says what is missing: $name.pool/$name.radosNamespace/$name.image', async ({ name, says }) => {
    await expect(new RbdRig().open(name)).rejects.toThrow(says);
  });

  it('says when the cluster cannot be reached', async () => {
    const { RbdBackend } = await import('../../src/backend/rbd/rbd-backend.ts');
    const { systemClock, systemTimers } = await import('../../src/base/clock.ts');
    const { nullLog } = await import('../../src/base/log.ts');
    const ceph = { confFile: '/nonexistent/ceph.conf', id: 'nobody' };
    const backend = new RbdBackend({
      ceph,
      authority: null,
      clock: systemClock,
      timers: systemTimers,
      log: nullLog,
      onUsable: () => {},
      onConnected: () => {},
    });
    const name = { pool: POOL, radosNamespace: '', image: 'x' };
    await expect(backend.open({ name, groupId: 1, readOnly: false })).rejects.toThrow(
      /the Ceph cluster of \/nonexistent\/ceph.conf cannot be reached as client\.nobody/,
    );
  });

  it('creates an image, says when it was there, and moves it to the trash', async () => {
    const rig = new RbdRig();
    const name = { ...(await newImage(MIB)), image: `made-${process.pid}` };
    const request = { name, groupId: 1, sizeBytes: 2 * MIB };
    expect(await rig.backend.create(request)).toBe(true);
    expect(await rig.backend.create(request)).toBe(false);
    const device = await rig.serve(name);
    expect(device.sizeBytes).toBe(2 * MIB);
    await device.close();
    await rig.backend.trash(name, 1);
    const { pool } = await outside();
    expect((await pool.images.list()).map((image) => image.name)).not.toContain(name.image);
    expect((await pool.images.trashList()).map((image) => image.name)).toContain(name.image);
  });

  it('tells of sizes that change outside, and refuses what lies past a new end', async () => {
    const name = await newImage(8 * MIB);
    const device = await new RbdRig().serve(name);
    const sizes: number[] = [];
    let changed: () => void = () => {};
    device.onResize = (sizeBytes) => {
      sizes.push(sizeBytes);
      changed();
    };
    const next = () =>
      new Promise<void>((resolve) => {
        changed = resolve;
      });
    const { pool } = await outside();
    const image = await pool.openImage(name.image);

    const grown = next();
    await image.resize(16 * MIB);
    await grown;
    expect(device.sizeBytes).toBe(16 * MIB);
    expect(await new PromisedDevice(device).write(15 * MIB, Buffer.alloc(4096, 3))).toBe(BlockStatus.ok);

    const shrunk = next();
    await image.resize(4 * MIB, true);
    await shrunk;
    expect(await new PromisedDevice(device).write(4 * MIB, Buffer.alloc(4096, 3))).toBe(
      BlockStatus.outOfRange,
    );
    expect(sizes).toEqual([16 * MIB, 4 * MIB]);
    await image.close();
  });

  it('resizes the image of a group that others serve without keeping its lock', async () => {
    const name = await newImage(8 * MIB);
    const rig = new RbdRig();
    const device = await rig.open(name);
    await device.resize(16 * MIB);
    expect(device.sizeBytes).toBe(16 * MIB);
    const { pool } = await outside();
    const image = await pool.openImage(name.image);
    expect(await image.lockOwners()).toEqual([]);
    await image.close();
  });

  it('gives back the space of what is discarded', async () => {
    const name = await newImage(16 * MIB);
    const device = new PromisedDevice(await new RbdRig().serve(name));
    await device.write(0, Buffer.alloc(8 * MIB, 1));
    const { pool } = await outside();
    const objects = async () => {
      const prefix = 'rbd_data.';
      const opened = await pool.openImage(name.image, { readOnly: true });
      const { id } = await opened.stat();
      await opened.close();
      return (await pool.listObjects()).filter((object) => object.startsWith(`${prefix}${id}.`)).length;
    };
    expect(await objects()).toBe(2);
    expect(await device.discard(4 * MIB + 512, 4 * MIB - 512)).toBe(BlockStatus.ok);
    expect(await device.discard(0, 4 * MIB)).toBe(BlockStatus.ok);
    expect(await objects()).toBe(1);
    expect(await bytesOf(name, 4 * MIB, 1024)).toEqual(
      Buffer.concat([Buffer.alloc(512, 1), Buffer.alloc(512)]),
    );
  });

  it('opens many images at once', async () => {
    const rig = new RbdRig();
    const names = await Promise.all(Array.from({ length: 40 }, () => newImage(MIB)));
    const devices = await Promise.all(names.map((name) => rig.open(name)));
    expect(await rig.backend.serve(1, true)).toBe(true);
    const statuses = await Promise.all(
      devices.map((device) => new PromisedDevice(device).write(0, Buffer.alloc(512, 1))),
    );
    expect(new Set(statuses)).toEqual(new Set([BlockStatus.ok]));
  });
});

describeWithCeph('An image that would not keep what the gateway promises', () => {
  it.for([
    { key: 'rbd_cache', value: 'true' },
    { key: 'rbd_persistent_cache_mode', value: 'rwl' },
    { key: 'rbd_disable_zero_copy_writes', value: 'false' },
  ])('is refused, with the key: $key in the image', async ({ key, value }) => {
    const name = await newImage(MIB);
    const { pool } = await outside();
    const image = await pool.openImage(name.image);
    await image.setMetadata(`conf_${key}`, value);
    await image.close();
    await expect(new RbdRig().open(name)).rejects.toThrow(
      new RegExp(`${key} = ${value}.*image-meta remove rbd/${name.image} conf_${key}`),
    );
  });

  it('is refused when the pool says so', async () => {
    const name = await newImage(MIB);
    const { pool } = await outside();
    await pool.images.setMetadata('conf_rbd_cache', 'true');
    try {
      await expect(new RbdRig().open(name)).rejects.toThrow(
        /the pool sets conf_rbd_cache; .*rbd config pool remove rbd/,
      );
    } finally {
      await pool.images.setMetadata('conf_rbd_cache', null);
    }
    expect((await new RbdRig().open(name)).sizeBytes).toBe(MIB);
  });
});
