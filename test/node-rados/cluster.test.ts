/** RADOS clients: connection, commands, identity, fencing, pools, and the end of a client. */
import { expect, it } from 'vitest';
import { Cluster, libraryVersions } from '../../src/node-rados/lib/node-rados.ts';
import { releaseOfThisNode } from './harness/ceph-cluster.ts';
import { cephConf, codeOf, connect, describeWithCeph, freshName } from './harness/with-cluster.ts';

describeWithCeph('a RADOS client', () => {
  it('uses the librbd of the release under test', () => {
    expect(libraryVersions().rbd).toBe(`1.${releaseOfThisNode()}.0`);
  });

  it('has an address with a nonce, a number of its own, and the cluster’s identity', async () => {
    const [a, b] = await Promise.all([connect(), connect()]);
    expect(a.addresses).toMatch(/^127\.0\.0\.1:0\/[1-9]\d*$/);
    expect(a.addresses).not.toBe(b.addresses);
    expect(a.instanceId).not.toBe(b.instanceId);
    expect(a.fsid).toBe(b.fsid);
  });

  it('takes options over those of the file', async () => {
    const client = await connect({ options: { rbd_cache: false, rados_osd_op_timeout: 7 } });
    expect(client.config('rados_osd_op_timeout')).toMatch(/^7(\.0*)?$/);
    expect(client.config('rbd_cache')).toBe('false');
    expect(() => client.config('no_such_setting')).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });

  it('says why it cannot connect', async () => {
    expect(await codeOf(Cluster.connect({ confFile: '/no/such/ceph.conf' }))).toBe('ENOENT');
    expect(await codeOf(Cluster.connect({ confFile: cephConf, options: { no_such_setting: 1 } }))).toBe(
      'ENOENT',
    );
    expect(['ENOENT', 'EACCES', 'EIO']).toContain(
      await codeOf(Cluster.connect({ confFile: cephConf, name: 'nobody' })),
    );
  });

  it('sends commands to monitors and manager, and passes on what they say', async () => {
    const client = await connect();
    const { output } = await client.monCommand({ prefix: 'osd stat', format: 'json' });
    expect(JSON.parse(output.toString())).toMatchObject({ num_osds: 1, num_up_osds: 1 });
    await expect(client.monCommand({ prefix: 'no such command' })).rejects.toMatchObject({
      code: 'EINVAL',
      message: expect.stringContaining('command not known'),
    });
    const mgr = await client.mgrCommand({ prefix: 'pg stat', format: 'json' });
    expect(JSON.parse(mgr.output.toString())).toHaveProperty('pg_summary');
  });

  it('fences an address and lifts the fence', async () => {
    const client = await connect();
    const address = '192.0.2.7:0/4711';
    await client.blocklistAdd(address);
    const [entry] = (await client.blocklist()).filter((one) => one.address === address);
    const days = (Date.parse(entry.until.replace(/(\d\d)(\d\d)$/, '$1:$2')) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(29);
    await client.waitForLatestOsdMap();
    await client.blocklistRemove(address);
    expect((await client.blocklist()).map((one) => one.address)).not.toContain(address);
  });

  it('makes, finds, lists and deletes pools', async () => {
    const client = await connect();
    const pool = freshName('pool');
    expect(await codeOf(client.lookupPool(pool))).toBe('ENOENT');
    await client.createPool(pool);
    expect(await client.lookupPool(pool)).toBeGreaterThan(0);
    expect(await client.listPools()).toEqual(expect.arrayContaining(['rbd', pool]));
    expect(await codeOf(client.createPool(pool))).toBe('EEXIST');
    await client.deletePool(pool);
    expect(await client.listPools()).not.toContain(pool);
    expect(await codeOf(client.openPool('no-such-pool'))).toBe('ENOENT');
  });

  it('ends once, whatever is asked of it afterwards', async () => {
    const client = await connect();
    const context = await client.openPool('rbd');
    await Promise.all([client.close(), client.close()]);
    await client.close();
    expect(() => client.addresses).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(await codeOf(client.monCommand({ prefix: 'status' }))).toBe('EBADF');
    expect(await codeOf(client.openPool('rbd'))).toBe('EBADF');
    expect(await codeOf(context.read('object'))).toBe('EBADF');
    expect(await codeOf(context.openImage('image'))).toBe('EBADF');
    await context.close();
  });

  it('finishes what is in flight before it ends', async () => {
    const client = await connect();
    const context = await client.openPool('rbd');
    const object = freshName('object');
    const writes = Array.from({ length: 100 }, (_, i) => context.omapSet(object, [[`key${i}`, 'x']]));
    const closing = client.close();
    await expect(Promise.all(writes)).resolves.toHaveLength(100);
    await closing;
  });

  it('connects and ends many times', async () => {
    for (let i = 0; i < 20; i++) await (await Cluster.connect({ confFile: cephConf })).close();
  });
});
