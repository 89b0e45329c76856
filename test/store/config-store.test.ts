/** The providers that need nothing but this machine; config-store.rados.test.ts has the other. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileStore } from '../../src/store/file-store.ts';
import { MemoryRecords, MemoryStore } from '../../src/store/memory-store.ts';
import { describeConfigStore } from './config-store-contract.ts';

describeConfigStore({
  name: 'file',
  async place() {
    const directory = await mkdtemp(join(tmpdir(), 'anagate-store-'));
    return { open: () => FileStore.open(directory), remove: () => rm(directory, { recursive: true }) };
  },
});

describeConfigStore({
  name: 'memory',
  async place() {
    const records = new MemoryRecords();
    return { open: async () => new MemoryStore(records), remove: async () => {} };
  },
});

describe('MemoryStore handles on the same records', () => {
  it('see each other as two gateways would', async () => {
    const records = new MemoryRecords();
    const one = new MemoryStore(records);
    const two = new MemoryStore(records);
    const seen: number[] = [];
    two.watch((version) => seen.push(version));
    await one.commit(0, [{ key: 'a', value: '1' }]);
    expect(seen).toEqual([1]);
    await expect(two.commit(0, [])).rejects.toMatchObject({ code: 'STATE_VERSION_CONFLICT' });
    await two.commit(1, [{ key: 'a', value: '2' }]);
    expect((await one.load()).records.get('a')).toBe('2');
    await two.close();
    await one.commit(2, []);
    expect(seen).toEqual([1, 2]);
  });
});
