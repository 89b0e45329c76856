/** What every provider of the configuration store promises. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConfigChange, ConfigStore } from '../../src/store/store.ts';

export interface StoreProvider {
  name: string;
  /** A place for one test's configuration. */
  place(): Promise<{ open(): Promise<ConfigStore>; remove(): Promise<void> }>;
}

export function describeConfigStore(provider: StoreProvider): void {
  describe(`ConfigStore: ${provider.name}`, () => {
    let place: Awaited<ReturnType<StoreProvider['place']>>;
    let store: ConfigStore;
    beforeEach(async () => {
      place = await provider.place();
      store = await place.open();
    });
    afterEach(async () => {
      await store.close();
      await place.remove();
    });

    async function contents(): Promise<Record<string, string>> {
      return Object.fromEntries((await store.load()).records);
    }

    it('begins empty, at version 0', async () => {
      expect(await store.load()).toEqual({ version: 0, records: new Map() });
    });

    it('sets, replaces and removes records in one commit', async () => {
      expect(
        await store.commit(0, [
          { key: 'a', value: '1' },
          { key: 'b', value: '2' },
        ]),
      ).toBe(1);
      expect(
        await store.commit(1, [
          { key: 'a', value: null },
          { key: 'b', value: '3' },
          { key: 'absent', value: null },
        ]),
      ).toBe(2);
      expect(await store.load()).toEqual({ version: 2, records: new Map([['b', '3']]) });
    });

    it('refuses a commit against another version and changes nothing', async () => {
      await store.commit(0, [{ key: 'a', value: '1' }]);
      await expect(store.commit(0, [{ key: 'a', value: '2' }])).rejects.toMatchObject({
        code: 'STATE_VERSION_CONFLICT',
      });
      await expect(store.commit(2, [{ key: 'a', value: '2' }])).rejects.toMatchObject({
        code: 'STATE_VERSION_CONFLICT',
      });
      expect(await store.load()).toEqual({ version: 1, records: new Map([['a', '1']]) });
    });

    it('lets exactly one of many racing commits win', async () => {
      const results = await Promise.allSettled(
        Array.from({ length: 10 }, (_, i) => store.commit(0, [{ key: `k${i}`, value: 'x' }])),
      );
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
      expect((await store.load()).records.size).toBe(1);
    });

    it('gives a snapshot that later commits do not change', async () => {
      await store.commit(0, [{ key: 'a', value: '1' }]);
      const before = await store.load();
      await store.commit(1, [{ key: 'a', value: '2' }]);
      expect(before.records.get('a')).toBe('1');
    });

    it('tells watchers the version of each commit, until they stop', async () => {
      const seen: number[] = [];
      const stop = store.watch((version) => seen.push(version));
      await store.commit(0, [{ key: 'a', value: '1' }]);
      await store.commit(0, []).catch(() => {});
      await store.commit(1, [{ key: 'a', value: '2' }]);
      stop();
      await store.commit(2, [{ key: 'a', value: '3' }]);
      expect(seen).toEqual([1, 2]);
    });

    it('holds what was committed when it is opened again', async () => {
      await store.commit(0, [{ key: 'host_nqn.2026-11.io.anagate:"ü"_*', value: '{"x":"\\n\u2028"}' }]);
      await store.close();
      store = await place.open();
      expect(await store.load()).toEqual({
        version: 1,
        records: new Map([['host_nqn.2026-11.io.anagate:"ü"_*', '{"x":"\\n\u2028"}']]),
      });
    });

    it('behaves as a map under any sequence of commits and reopens', async () => {
      const key = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', '');
      const change = fc.record({ key, value: fc.option(fc.string(), { nil: null }) });
      const step = fc.oneof(
        { weight: 4, arbitrary: fc.array(change, { maxLength: 4 }) },
        fc.constant('reopen' as const),
      );
      const model = new Map<string, string>();
      let version = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 6 }), async (steps) => {
          for (const changes of steps) {
            if (changes === 'reopen') {
              await store.close();
              store = await place.open();
              continue;
            }
            version = await store.commit(version, changes satisfies ConfigChange[]);
            for (const { key, value } of changes) {
              if (value === null) model.delete(key);
              else model.set(key, value);
            }
          }
          expect(await contents()).toEqual(Object.fromEntries(model));
          expect((await store.load()).version).toBe(version);
        }),
        { numRuns: 25 },
      );
    });
  });
}
