/** Watch and notify: answers, who is missing, the loss of a watch. */
import { beforeAll, expect, it } from 'vitest';
import type { IoContext, Notification, RadosError } from '../../src/node-rados/lib/node-rados.ts';
import { codeOf, connect, describeWithCeph, freshName, later } from './harness/with-cluster.ts';

describeWithCeph('watches', () => {
  let mine: IoContext;
  let theirs: IoContext;
  const noError = (error: RadosError) => {
    throw error;
  };
  beforeAll(async () => {
    const [a, b] = await Promise.all([connect(), connect()]);
    mine = await a.openPool('rbd');
    theirs = await b.openPool('rbd');
  });

  it('bring notifies, whose sender gets every answer', async () => {
    const object = freshName('watched');
    expect(await codeOf(mine.watch(object, { onNotify: () => undefined, onError: noError }))).toBe('ENOENT');
    await mine.writeFull(object, Buffer.alloc(0));
    const seen: Notification[] = [];
    const first = await mine.watch(object, {
      onNotify(notification) {
        seen.push(notification);
        return 'first';
      },
      onError: noError,
    });
    const second = await theirs.watch(object, {
      onNotify: async () => Buffer.from([0, 1]),
      onError: noError,
    });
    const { answers, missing } = await theirs.notify(object, Buffer.from('epoch 5'));
    expect(missing).toEqual([]);
    expect(answers.map(({ client, data }) => [client, data]).sort()).toEqual(
      [
        [mine.cluster.instanceId, Buffer.from('first')],
        [theirs.cluster.instanceId, Buffer.from([0, 1])],
      ].sort(),
    );
    expect(seen).toMatchObject([{ notifier: theirs.cluster.instanceId, data: Buffer.from('epoch 5') }]);
    expect(first.check()).toBeLessThan(30_000);
    await first.close();
    await second.close();
    expect(() => first.check()).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(await theirs.notify(object)).toEqual({ answers: [], missing: [] });
  });

  it('name those who did not answer in time', async () => {
    const object = freshName('watched');
    await mine.writeFull(object, Buffer.alloc(0));
    const never = later<undefined>();
    const watch = await mine.watch(object, { onNotify: () => never.promise, onError: noError });
    const { answers, missing } = await theirs.notify(object, '', 1000);
    expect(answers).toEqual([]);
    expect(missing.map(({ client }) => client)).toEqual([mine.cluster.instanceId]);
    never.resolve(undefined);
    await watch.close();
    await watch.close();
  });

  it('deliver notifies in order', async () => {
    const object = freshName('watched');
    await mine.writeFull(object, Buffer.alloc(0));
    const seen: string[] = [];
    const watch = await mine.watch(object, {
      onNotify: ({ data }) => {
        seen.push(String(data));
        return undefined;
      },
      onError: noError,
    });
    for (let i = 0; i < 20; i++) await theirs.notify(object, `${i}`);
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`));
    await watch.close();
  });

  it('tell when they are lost by a fence, and close all the same', async () => {
    const client = await connect();
    const context = await client.openPool('rbd');
    const object = freshName('watched');
    await context.writeFull(object, Buffer.alloc(0));
    const lost = later<RadosError>();
    const watch = await context.watch(object, { onNotify: () => undefined, onError: lost.resolve });
    const address = client.addresses;
    await mine.cluster.blocklistAdd(address, 60);
    await client.waitForLatestOsdMap();
    expect(['ENOTCONN', 'EBLOCKLISTED']).toContain((await lost.promise).code);
    expect(() => watch.check()).toThrow();
    expect(await codeOf(context.omapSet(object, [['a', '1']]))).toBe('EBLOCKLISTED');
    await watch.close();
    await client.close();
    await mine.cluster.blocklistRemove(address);
  });
});
