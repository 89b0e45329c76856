/** Objects: atomic operations and their assertions, omap, attributes, namespaces. */
import { beforeAll, expect, it } from 'vitest';
import { type IoContext, ReadOperation, WriteOperation } from '../../src/node-rados/lib/node-rados.ts';
import { codeOf, connect, describeWithCeph, freshName } from './harness/with-cluster.ts';

describeWithCeph('objects', () => {
  let io: IoContext;
  beforeAll(async () => {
    io = await (await connect()).openPool('rbd');
  });

  it('are written, read, measured and removed', async () => {
    const object = freshName('object');
    expect(await codeOf(io.read(object))).toBe('ENOENT');
    const version = await io.writeFull(object, Buffer.from('hello, world'));
    expect(await io.stat(object)).toMatchObject({ sizeBytes: 12, version });
    expect((await io.read(object)).toString()).toBe('hello, world');
    expect((await io.read(object, 7, 100)).toString()).toBe('world');
    await io.write(
      object,
      new WriteOperation().write(7, Buffer.from('there')).append(Buffer.from('!')).zero(5, 1),
    );
    expect((await io.read(object)).toString()).toBe('hello\0 there!');
    await io.write(object, new WriteOperation().truncate(5));
    expect((await io.read(object)).toString()).toBe('hello');
    expect(await io.listObjects()).toContain(object);
    await io.remove(object);
    expect(await codeOf(io.stat(object))).toBe('ENOENT');
    expect(await codeOf(io.remove(object))).toBe('ENOENT');
  });

  it('are created only once when asked so', async () => {
    const object = freshName('object');
    await io.write(object, new WriteOperation().create());
    expect(await codeOf(io.write(object, new WriteOperation().create()))).toBe('EEXIST');
    await io.write(object, new WriteOperation().create(false));
    expect(await codeOf(io.write(freshName('none'), new WriteOperation().assertExists().truncate(1)))).toBe(
      'ENOENT',
    );
  });

  it('change only in the version that was asserted', async () => {
    const object = freshName('object');
    const first = await io.omapSet(object, [['key', '1']]);
    const second = await io.write(object, new WriteOperation().assertVersion(first).omapSet([['key', '2']]));
    expect(second).toBeGreaterThan(first);
    const stale = io.write(object, new WriteOperation().assertVersion(first).omapSet([['key', '3']]));
    expect(await codeOf(stale)).toBe('ERANGE');
    const future = io.write(object, new WriteOperation().assertVersion(second + 5).omapSet([['key', '3']]));
    expect(await codeOf(future)).toBe('EOVERFLOW');
    const { version, entries } = await io.omapGetAll(object);
    expect([version, String(entries.get('key'))]).toEqual([second, '2']);
  });

  it('let exactly one of many rivals win a compare-and-swap', async () => {
    const object = freshName('object');
    await io.omapSet(object, [['epoch', '1']]);
    const rivals = Array.from({ length: 20 }, (_, i) =>
      io
        .write(
          object,
          new WriteOperation().compareOmap('epoch', '1').omapSet([
            ['epoch', '2'],
            ['winner', `${i}`],
          ]),
        )
        .then(
          () => i,
          (error) => error.code as string,
        ),
    );
    const outcomes = await Promise.all(rivals);
    expect(outcomes.filter((outcome) => outcome === 'ECANCELED')).toHaveLength(19);
    const [winner] = outcomes.filter((outcome) => typeof outcome === 'number');
    expect(String((await io.omapGetAll(object)).entries.get('winner'))).toBe(String(winner));
  });

  it('do nothing of an operation whose assertion fails', async () => {
    const object = freshName('object');
    await io.write(object, new WriteOperation().writeFull(Buffer.from('old')).omapSet([['a', '1']]));
    const wrong = new WriteOperation()
      .writeFull(Buffer.from('new'))
      .compareOmap('a', '2')
      .omapSet([['b', '1']]);
    expect(await codeOf(io.write(object, wrong))).toBe('ECANCELED');
    expect((await io.read(object)).toString()).toBe('old');
    expect([...(await io.omapGetAll(object)).entries.keys()]).toEqual(['a']);
  });

  it('compare omap values: a missing key is an empty value', async () => {
    const object = freshName('object');
    await io.omapSet(object, [['key', 'm']]);
    const passes = async (operation: WriteOperation) =>
      io.write(object, operation.create(false)).then(
        () => true,
        (error) => (error.code === 'ECANCELED' ? false : Promise.reject(error)),
      );
    expect(await passes(new WriteOperation().compareOmap('missing', ''))).toBe(true);
    expect(await passes(new WriteOperation().compareOmap('missing', '', 'greater'))).toBe(false);
    expect(await passes(new WriteOperation().compareOmap('key', 'm'))).toBe(true);
    expect(await passes(new WriteOperation().compareOmap('key', '', 'greater'))).toBe(true);
    expect(await passes(new WriteOperation().compareOmap('key', 'a', 'greater'))).toBe(true);
    expect(await passes(new WriteOperation().compareOmap('key', 'z', 'greater'))).toBe(false);
    expect(await passes(new WriteOperation().compareOmap('key', 'z', 'less'))).toBe(true);
  });

  it('keep binary keys’ values, empty ones too', async () => {
    const object = freshName('object');
    const value = Buffer.from([0, 1, 255, 0, 128]);
    await io.omapSet(object, [
      ['clé', value],
      ['empty', ''],
    ]);
    const entries = await io.omapGetByKeys(object, ['clé', 'empty', 'missing']);
    expect(entries).toEqual(
      new Map([
        ['clé', value],
        ['empty', Buffer.alloc(0)],
      ]),
    );
    await io.omapRemove(object, ['clé', 'missing']);
    expect([...(await io.omapGetAll(object)).entries.keys()]).toEqual(['empty']);
    await io.write(object, new WriteOperation().omapClear());
    expect((await io.omapGetAll(object)).entries.size).toBe(0);
  });

  it('are read as one state however many keys they have', async () => {
    const object = freshName('object');
    const keys = Array.from({ length: 3000 }, (_, i) => `ns.${String(i).padStart(5, '0')}`);
    await io.omapSet(
      object,
      keys.map((key) => [key, 'x'.repeat(100)] as const),
    );
    await io.omapSet(object, [['other', '1']]);
    const all = await io.omapGetAll(object, 'ns.');
    expect([...all.entries.keys()]).toEqual(keys);
    let stop = false;
    const writer = (async () => {
      for (let i = 0; !stop && i < 5; i++) await io.omapSet(object, [['other', `${i}`]]);
    })();
    expect((await io.omapGetAll(object, '', 50)).entries.size).toBe(3001);
    stop = true;
    await writer;
  });

  it('have attributes that can be compared', async () => {
    const object = freshName('object');
    await io.write(object, new WriteOperation().setXattr('format', '1').setXattr('owner', 'me'));
    const read = new ReadOperation().compareXattr('format', '1');
    const xattrs = read.xattrs();
    expect((await io.readObject(object, read)).get(xattrs)).toEqual(
      new Map([
        ['format', Buffer.from('1')],
        ['owner', Buffer.from('me')],
      ]),
    );
    expect(
      await codeOf(io.write(object, new WriteOperation().compareXattr('format', '2').removeXattr('owner'))),
    ).toBe('ECANCELED');
    await io.write(object, new WriteOperation().compareXattr('format', '1').removeXattr('owner'));
  });

  it('compare extents and say where they differ', async () => {
    const object = freshName('object');
    await io.writeFull(object, Buffer.from('0123456789'));
    const operation = new WriteOperation().compareExtent(2, Buffer.from('23x5')).write(0, Buffer.from('no'));
    await expect(io.write(object, operation)).rejects.toMatchObject({ errno: 4095 + 2 });
    await io.write(
      object,
      new WriteOperation().compareExtent(2, Buffer.from('2345')).write(0, Buffer.from('ok')),
    );
    expect((await io.read(object)).toString()).toBe('ok23456789');
  });

  it('of one namespace are not seen in another', async () => {
    const other = await io.cluster.openPool('rbd', 'tenant');
    const object = freshName('object');
    await io.writeFull(object, Buffer.from('default'));
    await other.writeFull(object, Buffer.from('tenant'));
    expect((await io.read(object)).toString()).toBe('default');
    expect((await other.read(object)).toString()).toBe('tenant');
    await other.remove(object);
    expect(await other.listObjects()).not.toContain(object);
    expect((await io.read(object)).toString()).toBe('default');
    await other.close();
    await other.close();
    expect(await codeOf(other.read(object))).toBe('EBADF');
  });

  it('take thousands of operations at once', async () => {
    const object = freshName('object');
    await Promise.all(Array.from({ length: 3000 }, (_, i) => io.omapSet(object, [[`k${i}`, `${i}`]])));
    expect((await io.omapGetAll(object)).entries.size).toBe(3000);
  });

  it('refuse what is not an operation', async () => {
    const wrong = [
      io.write('x', new WriteOperation().writeFull('text' as unknown as Buffer)),
      io.write('x', { steps: [[99]] } as unknown as WriteOperation),
      io.write(5 as unknown as string, new WriteOperation().create()),
    ];
    for (const promise of wrong) await expect(promise).rejects.toThrow(TypeError);
  });
});
