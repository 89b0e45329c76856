/** The shared configuration on a real cluster: races, lost answers, missed notifies, lost watches, formats. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { LIMITS } from '../../src/limits.ts';
import { WriteOperation } from '../../src/node-rados/lib/node-rados.ts';
import { cephScript } from '../node-rados/harness/ceph-cluster.ts';
import { cephEnvironment, describeWithCeph } from '../node-rados/harness/with-cluster.ts';
import {
  admin,
  freshPlace,
  type OpenOptions,
  type OpenStore,
  openStore,
  type Place,
  startAdmin,
  stopAdmin,
  timedOut,
} from './omap-rig.ts';

const PROPAGATION_MS = 200;

const code = (expected: string) => expect.objectContaining({ code: expected });
const set = (key: string, value = 'x') => [{ key, value }];

/** Lets a fault happen once. */
function once(
  faults: OpenStore['faults'],
  at: 'beforeWrite' | 'afterWrite' | 'beforeRead',
  act: () => Promise<void> | void,
) {
  faults[at] = () => {
    faults[at] = undefined;
    return act();
  };
}

describeWithCeph('the store in RADOS', () => {
  let place: Place;
  const open: OpenStore[] = [];
  beforeAll(startAdmin);
  afterAll(stopAdmin);
  beforeEach(() => {
    place = freshPlace();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map(({ store }) => store.close()));
    await place.remove();
  });

  async function opened(options?: OpenOptions): Promise<OpenStore> {
    const one = await openStore(place, options);
    open.push(one);
    return one;
  }

  async function three(options?: OpenOptions): Promise<[OpenStore, OpenStore, OpenStore]> {
    return [
      await opened({ ...options, gateway: 'gw-a' }),
      await opened({ ...options, gateway: 'gw-b' }),
      await opened({ ...options, gateway: 'gw-c' }),
    ];
  }

  describe('several gateways', () => {
    it('see one sequence of commits; of two at one version one wins, and the other learns from whom', async () => {
      const [a, b, c] = await three();
      const results = await Promise.allSettled([a.store.commit(0, set('a')), b.store.commit(0, set('b'))]);
      const lost = results.find((result) => result.status === 'rejected');
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(lost!.reason).toMatchObject({
        code: 'STATE_VERSION_CONFLICT',
        message: expect.stringMatching(/at version 1, not 0: gateway gw-[ab] changed it/),
      });
      for (const { store } of [a, b, c]) expect((await store.load()).version).toBe(1);
    });

    it('make hundreds of commits side by side, and none is lost', async () => {
      const stores = await three();
      const perStore = 100;
      await Promise.all(
        stores.map(async ({ store }, at) => {
          for (let i = 0; i < perStore; ) {
            const { version } = await store.load();
            try {
              await store.commit(version, set(`${at}-${i}`, String(version + 1)));
              i += 1;
            } catch (error) {
              expect(error).toMatchObject({ code: 'STATE_VERSION_CONFLICT' });
            }
          }
        }),
      );
      const [first, ...others] = await Promise.all(stores.map(({ store }) => store.load()));
      expect(first!.version).toBe(stores.length * perStore);
      // Each commit's number is in its record: all are there, each number once.
      expect(new Set(first!.records.values()).size).toBe(stores.length * perStore);
      for (const other of others) expect(other).toEqual(first);
    });

    it(`hear of a commit within ${PROPAGATION_MS} ms and can read it then`, async () => {
      const [a, b, c] = await three();
      const delays: number[] = [];
      for (let round = 0; round < 50; round += 1) {
        let began = 0;
        const heard = [b, c].map(
          ({ store }) =>
            new Promise<void>((resolve, reject) => {
              const stop = store.watch((version) => {
                stop();
                expect(version).toBe(round + 1);
                store.load().then((snapshot) => {
                  expect(snapshot.records.get('key')).toBe(String(round));
                  delays.push(performance.now() - began);
                  resolve();
                }, reject);
              });
            }),
        );
        began = performance.now();
        await a.store.commit(round, set('key', String(round)));
        await Promise.all(heard);
      }
      delays.sort((x, y) => x - y);
      const at = (share: number) => delays[Math.floor(share * (delays.length - 1))]!.toFixed(1);
      process.stderr.write(`propagation, ms: median ${at(0.5)}, p99 ${at(0.99)}, worst ${at(1)}\n`);
      // The machine of a test run may be busy with other things for a moment.
      expect(Number(at(0.95))).toBeLessThan(PROPAGATION_MS);
    });

    it('are not held up by one that hangs', async () => {
      const [a, b] = await three();
      const hanging = await admin.watch(place.object, {
        onNotify: () => new Promise(() => {}),
        onError() {},
      });
      const heard: number[] = [];
      b.store.watch((version) => heard.push(version));
      const began = performance.now();
      for (let version = 0; version < 30; version += 1)
        await a.store.commit(version, set('key', `${version}`));
      expect(performance.now() - began).toBeLessThan(3000);
      await vi.waitFor(() => expect(heard.at(-1)).toBe(30), { timeout: 10_000 });
      await hanging.close();
    });

    it('catch up over few commits, and over more than the log remembers', async () => {
      const [a, b] = await three();
      let version = 0;
      for (const commits of [1, 10, 16, 17, 70, 1]) {
        for (let i = 0; i < commits; i += 1) {
          const gone = { key: `k${(version * 3) % 11}`, value: null };
          version = await a.store.commit(version, [{ key: `k${version % 7}`, value: `${version}` }, gone]);
        }
        expect(await b.store.load()).toEqual(await a.store.load());
      }
    });
  });

  describe('an answer that is lost', () => {
    it('is looked for: the commit came true', async () => {
      const { store, faults } = await opened();
      let writes = 0;
      faults.beforeWrite = () => {
        writes += 1;
      };
      once(faults, 'afterWrite', () => {
        throw timedOut();
      });
      expect(await store.commit(0, set('a'))).toBe(1);
      expect(writes).toBe(1);
      expect((await store.load()).version).toBe(1);
    });

    it('is looked for: it did not come true, and is sent again', async () => {
      const { store, faults } = await opened();
      once(faults, 'beforeWrite', () => {
        throw timedOut();
      });
      expect(await store.commit(0, set('a'))).toBe(1);
      expect((await store.load()).records.get('a')).toBe('x');
    });

    it('is looked for: it came true, and others have committed since', async () => {
      const [a, b] = await three();
      once(a.faults, 'afterWrite', async () => {
        await b.store.commit(1, set('b'));
        await b.store.commit(2, set('c'));
        throw timedOut();
      });
      expect(await a.store.commit(0, set('a'))).toBe(1);
      expect([...(await a.store.load()).records.keys()].sort()).toEqual(['a', 'b', 'c']);
    });

    it('is looked for: somebody else was first', async () => {
      const [a, b] = await three();
      once(a.faults, 'beforeWrite', async () => {
        await b.store.commit(0, set('b'));
        throw timedOut();
      });
      await expect(a.store.commit(0, set('a'))).rejects.toMatchObject({ code: 'STATE_VERSION_CONFLICT' });
      expect([...(await a.store.load()).records.keys()]).toEqual(['b']);
    });

    it('is said to be unknown when nobody answers at all', async () => {
      const { store, faults } = await opened();
      const fail = () => {
        throw timedOut();
      };
      Object.assign(faults, { beforeWrite: fail, beforeRead: fail });
      await expect(store.commit(0, set('a'))).rejects.toMatchObject({
        code: 'INTERNAL',
        message: expect.stringContaining('not known'),
      });
      Object.assign(faults, { beforeWrite: undefined, beforeRead: undefined });
      expect(await store.commit(0, set('a'))).toBe(1);
    });
  });

  describe('a cluster that stands still', () => {
    const pause = () => admin.cluster.monCommand({ prefix: 'osd set', key: 'pause' });
    const unpause = () => admin.cluster.monCommand({ prefix: 'osd unset', key: 'pause' });
    afterEach(async () => {
      await unpause();
    });

    it('for a moment: the commit is made when it goes on', async () => {
      const { store, cluster } = await opened({ ownClient: true, opTimeoutS: 30 });
      await pause();
      await cluster().waitForLatestOsdMap();
      let done = false;
      const commit = store.commit(0, set('a')).finally(() => {
        done = true;
      });
      for (let i = 0; i < 10; i += 1) await admin.cluster.monCommand({ prefix: 'osd stat' });
      expect(done).toBe(false);
      await unpause();
      expect(await commit).toBe(1);
    });

    it('for longer: the operator is told, the gateway goes on, and what it says afterwards is true', async () => {
      const { store, cluster, complaints } = await opened({ ownClient: true, opTimeoutS: 1, lookMs: 500 });
      await pause();
      await cluster().waitForLatestOsdMap();
      await expect(store.commit(0, set('a'))).rejects.toMatchObject({
        code: 'INTERNAL',
        message: expect.stringMatching(/ETIMEDOUT.*ceph -s.*not known/),
      });
      await expect(store.load()).rejects.toThrowError(code('INTERNAL'));
      await vi.waitFor(() => expect(complaints.join()).toContain('cannot be followed'), { timeout: 10_000 });
      await unpause();
      await vi.waitFor(async () => expect((await store.load()).version).toBeLessThan(2), { timeout: 10_000 });
      const { version } = await store.load();
      expect(await store.commit(version, set('b'))).toBe(version + 1);
    });
  });

  describe('following', () => {
    it('notices a missed notify with the next look', async () => {
      const writer = await opened();
      const reader = await opened({ lookMs: 50 });
      writer.faults.mute = true;
      const heard = new Promise((resolve) => reader.store.watch(resolve));
      await writer.store.commit(0, set('a'));
      expect(await heard).toBe(1);
    });

    it('goes on after its client was fenced: new client, new watch, what was missed is told', async () => {
      const writer = await opened();
      const reader = await opened({ ownClient: true });
      const heard: number[] = [];
      reader.store.watch((version) => heard.push(version));
      await admin.cluster.blocklistAdd(reader.cluster().addresses, 60);
      await admin.cluster.waitForLatestOsdMap();
      await writer.store.commit(0, set('a'));
      await vi.waitFor(() => expect(heard).toEqual([1]), { timeout: 30_000 });
      await vi.waitFor(() => expect(reader.store.watching).toBe(true), { timeout: 30_000 });
      expect(reader.connects()).toBe(2);
      await writer.store.commit(1, set('a'));
      await vi.waitFor(() => expect(heard).toEqual([1, 2]));
      expect(await reader.store.commit(2, set('b'))).toBe(3);
      expect((await writer.store.load()).version).toBe(3);
    });

    it('goes on after its client was fenced: a commit is made with the next one', async () => {
      const { store, cluster, connects } = await opened({ ownClient: true });
      await admin.cluster.blocklistAdd(cluster().addresses, 60);
      await admin.cluster.waitForLatestOsdMap();
      await cluster().waitForLatestOsdMap();
      expect(await store.commit(0, set('a'))).toBe(1);
      expect(connects()).toBe(2);
      expect((await store.load()).records.get('a')).toBe('x');
    });

    it('goes on after the OSD was killed and started again', async () => {
      const [a, b] = await three({ lookMs: 500 });
      await cephScript(cephEnvironment, 'kill', 'osd.0');
      await cephScript(cephEnvironment, 'revive', 'osd.0');
      const heard = new Promise((resolve) => b.store.watch(resolve));
      expect(await a.store.commit(0, set('a'))).toBe(1);
      expect(await heard).toBe(1);
      expect((await b.store.load()).records.get('a')).toBe('x');
      await vi.waitFor(() => expect(b.store.watching).toBe(true), { timeout: 30_000 });
      const again = new Promise((resolve) => b.store.watch(resolve));
      await a.store.commit(1, set('a'));
      expect(await again).toBe(2);
    });
  });

  describe('a large configuration', () => {
    const value = 'v'.repeat(400);

    it('is written in one commit and read in pages', async () => {
      const [a, b] = await three();
      const changes = Array.from({ length: 6000 }, (_, i) => ({
        key: `namespace_${i}`,
        value: `${value}${i}`,
      }));
      await a.store.commit(0, changes);
      const began = performance.now();
      const { records } = await b.store.load();
      process.stderr.write(`6000 records read in ${(performance.now() - began).toFixed(0)} ms\n`);
      expect(records.size).toBe(6000);
      expect(records.get('namespace_5999')).toBe(`${value}5999`);
      // A small change of it costs no more than of a small one.
      const heard = new Promise<number>((resolve, reject) => {
        const stop = b.store.watch(() => {
          stop();
          b.store.load().then(() => resolve(performance.now()), reject);
        });
      });
      const changed = performance.now();
      await a.store.commit(1, set('namespace_7', 'y'));
      const propagationMs = (await heard) - changed;
      process.stderr.write(
        `one of 6000 records changed, known elsewhere after ${propagationMs.toFixed(0)} ms\n`,
      );
      expect(propagationMs).toBeLessThan(1000);
      const removed = await b.store.commit(
        2,
        changes.map(({ key }) => ({ key, value: null })),
      );
      expect(await a.store.load()).toEqual({ version: removed, records: new Map() });
    });

    it('is never read half old and half new', async () => {
      const [a, b] = await three();
      const names = Array.from({ length: 3000 }, (_, i) => `n${i}`);
      const write = (version: number) =>
        a.store.commit(
          version,
          names.map((key) => ({ key, value: `${version}` })),
        );
      await write(0);
      let read = 0;
      const writing = (async () => {
        for (let version = 1; version <= 15; version += 1) {
          await write(version);
          // A reader in the middle of its pages begins anew; now and then it is let to the end.
          if (version % 3 === 0)
            await vi.waitFor(() => expect(read).toBeGreaterThanOrEqual(version), { timeout: 20_000 });
        }
      })();
      const seen = new Set<number>();
      while (read < 16) {
        const { version, records } = await b.store.load();
        seen.add(version);
        expect(new Set(records.values())).toEqual(new Set([`${version - 1}`]));
        expect(records.size).toBe(names.length);
        read = version;
      }
      await writing;
      expect(seen.size).toBeGreaterThanOrEqual(5);
    });

    it('grows by bounded steps', async () => {
      const { store } = await opened();
      const most = 'x'.repeat(LIMITS.maxCommitBytes - 1);
      await expect(store.commit(0, set('ab', most))).rejects.toThrowError(code('LIMIT_EXCEEDED'));
      expect(await store.commit(0, set('a', most))).toBe(1);
    });
  });

  describe('the format', () => {
    it('that is newer is refused, by those who start and by those who run', async () => {
      const { store, complaints } = await opened({ lookMs: 50 });
      await store.commit(0, set('a'));
      await admin.omapSet(place.object, [['format', '2']]);
      await expect(openStore(place)).rejects.toMatchObject({
        code: 'NOT_SUPPORTED',
        message: expect.stringMatching(
          /has format 2, written by a newer Anagate; .* up to 1\. Upgrade this gateway/,
        ),
      });
      await expect(store.commit(1, set('a'))).rejects.toThrowError(code('NOT_SUPPORTED'));
      await expect(store.load()).rejects.toThrowError(code('NOT_SUPPORTED'));
      await vi.waitFor(() => expect(complaints.at(-1)).toContain('cannot be followed'));
      // Said once, however often it looks.
      expect(complaints).toHaveLength(1);
      await admin.omapSet(place.object, [['format', '1']]);
      expect(await store.commit(1, set('a'))).toBe(2);
    });

    it.each([
      ['nothing', new WriteOperation().create(true)],
      ['another text', new WriteOperation().create(true).omapSet([['format', 'x']])],
      ['no version', new WriteOperation().create(true).omapSet([['format', '1']])],
    ])('of an object with %s is refused, and the object left alone', async (_, operation) => {
      const version = await admin.write(place.object, operation);
      await expect(openStore(place)).rejects.toThrowError(code('STATE_CORRUPT'));
      expect((await admin.stat(place.object)).version).toBe(version);
    });

    it('of an object that is gone: said so, and nothing made in its place', async () => {
      const { store } = await opened();
      await admin.remove(place.object);
      await expect(store.commit(0, set('a'))).rejects.toThrowError(code('STATE_CORRUPT'));
      await expect(store.load()).rejects.toThrow('is gone');
      await expect(admin.stat(place.object)).rejects.toThrow('ENOENT');
    });

    it('of a backup that was restored under the same number: read anew', async () => {
      const [a, b] = await three();
      await a.store.commit(0, set('key', 'old'));
      const { entries } = await admin.omapGetAll(place.object);
      await a.store.commit(1, set('key', 'new'));
      await b.store.load();
      await admin.write(place.object, new WriteOperation().omapClear().omapSet(entries));
      await a.store.load();
      await a.store.commit(1, set('key', 'newer'));
      expect((await b.store.load()).records.get('key')).toBe('newer');
    });
  });

  it('is closed with a commit under way, and twice', async () => {
    const { store } = await opened();
    const commit = store.commit(0, set('a'));
    await Promise.all([store.close(), store.close()]);
    expect(await commit).toBe(1);
  });
});
