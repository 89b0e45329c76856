/** Images apart from I/O: making, finding, describing, snapshots, clones, the trash, locks, resize. */
import { beforeAll, expect, it } from 'vitest';
import type { IoContext } from '../../src/node-rados/lib/node-rados.ts';
import { codeOf, connect, describeWithCeph, freshName, later } from './harness/with-cluster.ts';

const MIB = 2 ** 20;

describeWithCeph('images', () => {
  let io: IoContext;
  let theirs: IoContext;
  beforeAll(async () => {
    const [a, b] = await Promise.all([connect(), connect()]);
    io = await a.openPool('rbd');
    theirs = await b.openPool('rbd');
  });

  it('are made with the features, object size and stripes that are asked for', async () => {
    const name = freshName('image');
    await io.images.create(name, 64 * MIB, {
      features: ['layering', 'exclusive-lock', 'striping'],
      objectBytes: MIB,
      stripeUnitBytes: 65_536,
      stripeCount: 4,
    });
    expect(await codeOf(io.images.create(name, MIB))).toBe('EEXIST');
    const image = await io.openImage(name);
    expect(await image.stat()).toMatchObject({
      sizeBytes: 64 * MIB,
      objectBytes: MIB,
      objectCount: 64,
      stripeUnitBytes: 65_536,
      stripeCount: 4,
      features: ['layering', 'striping', 'exclusive-lock'],
      dataPoolId: io.poolId,
    });
    await image.setFeatures(['object-map'], true);
    expect((await image.stat()).features).toContain('object-map');
    await image.setFeatures(['object-map'], false);
    const { id } = await image.stat();
    await image.close();
    expect(await io.images.list()).toContainEqual({ name, id });
    const byId = await io.openImage(id, { byId: true });
    expect(await byId.sizeBytes()).toBe(64 * MIB);
    await byId.close();
    const renamed = freshName('image');
    await io.images.rename(name, renamed);
    await io.images.remove(renamed);
    expect(await codeOf(io.openImage(renamed))).toBe('ENOENT');
  });

  it('keep their data in another pool when told so', async () => {
    const pool = freshName('data');
    await io.cluster.createPool(pool);
    await io.cluster.monCommand({ prefix: 'osd pool application enable', pool, app: 'rbd' });
    const name = freshName('image');
    await io.images.create(name, 8 * MIB, { dataPool: pool });
    const image = await io.openImage(name);
    await image.promises.write(0, Buffer.from('data'));
    const stat = await image.stat();
    expect(stat.dataPoolId).toBe(await io.cluster.lookupPool(pool));
    expect(stat.features).toContain('data-pool');
    await image.close();
    await io.images.remove(name);
  });

  it('of one namespace are not seen in another', async () => {
    const namespace = freshName('ns');
    await io.images.createNamespace(namespace);
    expect(await io.images.listNamespaces()).toContain(namespace);
    const tenant = await io.cluster.openPool('rbd', namespace);
    const name = freshName('image');
    await tenant.images.create(name, MIB);
    expect((await tenant.images.list()).map((one) => one.name)).toEqual([name]);
    expect((await io.images.list()).map((one) => one.name)).not.toContain(name);
    await tenant.images.remove(name);
    await tenant.close();
    await io.images.removeNamespace(namespace);
  });

  it('have snapshots that keep what was, and clones that share it', async () => {
    const name = freshName('image');
    await io.images.create(name, 8 * MIB);
    const image = await io.openImage(name);
    await image.promises.write(0, Buffer.from('before'));
    await image.createSnapshot('s1');
    await image.protectSnapshot('s1');
    await image.promises.write(0, Buffer.from('after!'));
    expect(await image.snapshots()).toMatchObject([{ name: 's1', sizeBytes: 8 * MIB, isProtected: true }]);

    const snapshot = await io.openImage(name, { snapshot: 's1' });
    expect(String(await snapshot.promises.read(0, 6))).toBe('before');
    expect(await codeOf(snapshot.promises.write(0, Buffer.from('x')))).toBe('EROFS');
    await snapshot.close();

    const cloneName = freshName('clone');
    await io.images.clone(io.images, name, 's1', cloneName);
    const clone = await io.openImage(cloneName);
    expect(String(await clone.promises.read(0, 6))).toBe('before');
    expect((await clone.stat()).overlapBytes).toBe(8 * MIB);
    await clone.flatten();
    expect((await clone.stat()).overlapBytes).toBe(0);
    await clone.close();

    await image.releaseLock();
    await image.rollbackSnapshot('s1');
    expect(String(await image.promises.read(0, 6))).toBe('before');
    await image.unprotectSnapshot('s1');
    await image.removeSnapshot('s1');
    await image.close();
    await io.images.remove(cloneName);
    await io.images.remove(name);
  });

  it('have metadata, some of which overrides the configuration', async () => {
    const name = freshName('image');
    await io.images.create(name, MIB);
    const image = await io.openImage(name);
    const long = 'v'.repeat(5000);
    await image.setMetadata('note', long);
    await image.setMetadata('conf_rbd_cache', 'true');
    expect(await image.getMetadata('note')).toBe(long);
    expect(await codeOf(image.getMetadata('missing'))).toBe('ENOENT');
    for (let i = 0; i < 100; i++) await image.setMetadata(`key${i}`, `${i}`);
    expect((await image.metadata()).size).toBe(102);
    await image.close();

    const again = await io.openImage(name);
    const config = await again.config();
    expect(config.find((option) => option.name === 'rbd_cache')).toEqual({
      name: 'rbd_cache',
      value: 'true',
      source: 'image',
    });
    expect(config.find((option) => option.name === 'rbd_cache_size')?.source).toBe('config');
    await again.setMetadata('conf_rbd_cache', null);
    await again.close();

    await io.images.setMetadata('conf_rbd_cache_size', '1048576');
    expect(await io.images.metadata()).toEqual(new Map([['conf_rbd_cache_size', '1048576']]));
    const ofPool = (await io.images.config()).find((option) => option.name === 'rbd_cache_size');
    expect(ofPool).toEqual({ name: 'rbd_cache_size', value: '1048576', source: 'pool' });
    await io.images.setMetadata('conf_rbd_cache_size', null);
    await io.images.remove(name);
  });

  it('go to the trash and come back', async () => {
    const name = freshName('image');
    await io.images.create(name, MIB);
    await io.images.trashMove(name, 3600);
    const [entry] = (await io.images.trashList()).filter((one) => one.name === name);
    expect(entry.deferredUntilS - entry.deletedS).toBeGreaterThanOrEqual(3599);
    expect(await codeOf(io.images.trashRemove(entry.id))).toBe('EPERM');
    await io.images.trashRestore(entry.id);
    await io.images.trashMove(name);
    await io.images.trashRemove(entry.id, true);
    expect((await io.images.trashList()).map((one) => one.name)).not.toContain(name);
  });

  it('tell of a resize from outside', async () => {
    const name = freshName('image');
    await io.images.create(name, 8 * MIB);
    const image = await io.openImage(name);
    let told = later<void>();
    await image.watchUpdates(() => told.resolve());
    await expect(image.watchUpdates(() => undefined)).rejects.toThrow('watched already');
    const other = await theirs.openImage(name);
    await other.resize(16 * MIB);
    await told.promise;
    await expect.poll(() => image.sizeBytes()).toBe(16 * MIB);
    expect(await codeOf(other.resize(MIB))).toBe('EINVAL');
    told = later<void>();
    await other.resize(4 * MIB, true);
    await told.promise;
    await expect.poll(() => image.sizeBytes()).toBe(4 * MIB);
    await other.close();
    await image.close();
    await io.images.remove(name);
  });

  it('opened read-only do not disturb the owner of the lock', async () => {
    const name = freshName('image');
    await io.images.create(name, MIB);
    const owner = await io.openImage(name);
    await owner.acquireLock();
    const reader = await theirs.openImage(name, { readOnly: true });
    await owner.promises.write(0, Buffer.from('shared'));
    expect(String(await reader.promises.read(0, 6))).toBe('shared');
    expect(await codeOf(reader.promises.write(0, Buffer.from('x')))).toBe('EROFS');
    expect(await owner.isLockOwner()).toBe(true);
    await reader.close();
    await owner.close();
    await io.images.remove(name);
  });

  it('held by an exclusive lock refuse others’ writes, until it is released', async () => {
    const name = freshName('image');
    await io.images.create(name, MIB);
    const [owner, rival] = await Promise.all([io.openImage(name), theirs.openImage(name)]);
    expect(await owner.lockOwners()).toEqual([]);
    await owner.acquireLock();
    expect(await rival.lockOwners()).toEqual([io.cluster.addresses]);
    expect((await rival.watchers()).map((one) => one.address).sort()).toEqual(
      [io.cluster.addresses, theirs.cluster.addresses].sort(),
    );
    expect(await codeOf(rival.acquireLock())).toBe('EROFS');
    expect(await codeOf(rival.promises.write(0, Buffer.from('x')))).toBe('EROFS');
    expect(await rival.promises.read(0, 1)).toHaveLength(1);
    expect(await codeOf(theirs.images.remove(name))).toBe('EBUSY');
    expect(await codeOf(rival.releaseLock())).toBe('EINVAL');
    await owner.releaseLock();
    expect(await codeOf(owner.releaseLock())).toBe('EINVAL');
    await rival.acquireLock();
    expect([await owner.isLockOwner(), await rival.isLockOwner()]).toEqual([false, true]);
    await Promise.all([owner.close(), rival.close()]);
    await io.images.remove(name);
  });

  it('can be taken from an owner that was fenced', async () => {
    const name = freshName('image');
    await io.images.create(name, MIB);
    const dead = await connect();
    const deadContext = await dead.openPool('rbd');
    const old = await deadContext.openImage(name);
    await old.acquireLock();
    await old.promises.write(0, Buffer.from('mine'));
    const address = dead.addresses;

    const rescuer = await connect({ options: { rbd_blocklist_on_break_lock: false } });
    const context = await rescuer.openPool('rbd');
    const image = await context.openImage(name);
    await rescuer.blocklistAdd(address, 60);
    await rescuer.waitForLatestOsdMap();
    const [owner] = await image.lockOwners();
    expect(owner).toBe(address);
    await image.breakLock(owner);
    await image.acquireLock();
    await image.promises.write(0, Buffer.from('ours'));
    expect(await codeOf(old.promises.write(0, Buffer.from('late')))).toBe('EBLOCKLISTED');
    expect(String(await image.promises.read(0, 4))).toBe('ours');
    await image.close();
    await old.close().catch(() => undefined);
    await dead.close();
    await rescuer.blocklistRemove(address);
    await io.images.remove(name);
  });

  it('open many at once and close with their client', async () => {
    const client = await connect();
    const context = await client.openPool('rbd');
    const names = Array.from({ length: 40 }, () => freshName('image'));
    await Promise.all(names.map((name) => context.images.create(name, MIB)));
    const images = await Promise.all(names.map((name) => context.openImage(name)));
    await Promise.all(images.map((image) => image.promises.write(0, Buffer.from(image.name))));
    await client.close();
    expect(images.every((image) => image.closed)).toBe(true);
    await Promise.all(names.map((name) => io.images.remove(name)));
  });
});
