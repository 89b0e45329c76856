/** Locks of objects: exclusive and shared, expiry, renewal, break, and as an assertion of an operation. */
import { beforeAll, expect, it } from 'vitest';
import { HeldLock, type IoContext, WriteOperation } from '../../src/node-rados/lib/node-rados.ts';
import { codeOf, connect, describeWithCeph, freshName, later } from './harness/with-cluster.ts';

describeWithCeph('locks of objects', () => {
  let mine: IoContext;
  let theirs: IoContext;
  beforeAll(async () => {
    const [a, b] = await Promise.all([connect(), connect()]);
    mine = await a.openPool('rbd');
    theirs = await b.openPool('rbd');
  });

  it('exclude others, until released', async () => {
    const object = freshName('lock');
    await mine.lock(object, 'leader', { cookie: 'c1', description: 'a test' });
    expect(await codeOf(theirs.lock(object, 'leader'))).toBe('EBUSY');
    expect(await codeOf(mine.lock(object, 'leader', { cookie: 'c1' }))).toBe('EEXIST');
    expect(await codeOf(mine.lock(object, 'leader', { cookie: 'c2' }))).toBe('EBUSY');
    expect(await theirs.lockState(object, 'leader')).toEqual({
      exclusive: true,
      tag: '',
      lockers: [
        { client: `client.${mine.cluster.instanceId}`, cookie: 'c1', address: expect.stringContaining('/') },
      ],
    });
    expect(await codeOf(mine.unlock(object, 'leader', 'c2'))).toBe('ENOENT');
    await mine.unlock(object, 'leader', 'c1');
    await theirs.lock(object, 'leader');
  });

  it('are shared by those who agree on the tag', async () => {
    const object = freshName('lock');
    await mine.lock(object, 'readers', { type: 'shared', tag: 't' });
    await theirs.lock(object, 'readers', { type: 'shared', tag: 't' });
    expect(await codeOf(theirs.lock(object, 'readers', { type: 'shared', tag: 'u', cookie: 'x' }))).toBe(
      'EBUSY',
    );
    expect((await mine.lockState(object, 'readers')).lockers).toHaveLength(2);
  });

  it('expire unless renewed', async () => {
    const object = freshName('lock');
    await mine.lock(object, 'leader', { durationMs: 1000 });
    await mine.lock(object, 'leader', { durationMs: 1000, renewal: 'must' });
    expect(await codeOf(theirs.lock(object, 'leader', { renewal: 'may' }))).toBe('EBUSY');
    await expect
      .poll(() => theirs.lock(object, 'leader').then(() => 'taken', String), { timeout: 5000 })
      .toBe('taken');
    expect(
      await codeOf(mine.lock(object, 'leader', { durationMs: 1000, renewal: 'must' })),
    ).not.toBeUndefined();
  });

  it('can be asserted by the operation that they protect', async () => {
    const object = freshName('lock');
    await mine.lock(object, 'leader', { cookie: 'term7' });
    const change = () =>
      new WriteOperation().assertLocked('leader', { cookie: 'term7' }).omapSet([['map', '1']]);
    await mine.write(object, change());
    expect(await codeOf(theirs.write(object, change()))).toBe('EBUSY');
    const wrongTerm = new WriteOperation()
      .assertLocked('leader', { cookie: 'term6' })
      .omapSet([['map', '2']]);
    expect(await codeOf(mine.write(object, wrongTerm))).toBe('EBUSY');
    await mine.unlock(object, 'leader', 'term7');
    expect(await codeOf(mine.write(object, change()))).toBe('EBUSY');
  });

  it('can be taken together with a change', async () => {
    const object = freshName('lock');
    await mine.write(object, new WriteOperation().lock('leader').omapSet([['leader', 'mine']]));
    const both = new WriteOperation().lock('leader').omapSet([['leader', 'theirs']]);
    expect(await codeOf(theirs.write(object, both))).toBe('EBUSY');
    expect(String((await theirs.omapGetAll(object)).entries.get('leader'))).toBe('mine');
  });

  it('are renewed while held, and tell when they were broken', async () => {
    const object = freshName('lock');
    const lost = later<Error>();
    const lock = await HeldLock.acquire(mine, object, 'leader', {
      cookie: 'c',
      durationMs: 1200,
      renewMs: 100,
      onLost: lost.resolve,
    });
    expect(lock.held).toBe(true);
    const heldUntil = performance.now() + 2000;
    await expect.poll(() => performance.now() > heldUntil, { timeout: 4000, interval: 200 }).toBe(true);
    expect(lock.held).toBe(true);
    const [locker] = (await theirs.lockState(object, 'leader')).lockers;
    await theirs.breakLock(object, 'leader', locker);
    expect(await lost.promise).toMatchObject({ code: 'ENOENT' });
    expect(lock.held).toBe(false);
    await lock.release();
    await theirs.lock(object, 'leader');
  });

  it('are given back by release', async () => {
    const object = freshName('lock');
    const lock = await HeldLock.acquire(mine, object, 'leader', {
      durationMs: 5000,
      onLost: () => undefined,
    });
    expect(
      await codeOf(HeldLock.acquire(theirs, object, 'leader', { durationMs: 5000, onLost: () => undefined })),
    ).toBe('EBUSY');
    await lock.release();
    await lock.release();
    const next = await HeldLock.acquire(theirs, object, 'leader', {
      durationMs: 5000,
      onLost: () => undefined,
    });
    await next.release();
  });
});
