/** Limits of namespaces: what is asked, what is kept, and that hosts feel it. */
import { describe, expect, it } from 'vitest';
import { MemoryRecords } from '../../src/store/memory-store.ts';
import { code, host, makeRig, memory, NQN, serveOne } from './rig.ts';

const KEY = `qos_${NQN}_1`;
const NONE = { rwIos: 0, rwMbytes: 0, rMbytes: 0, wMbytes: 0 };

describe('limits', () => {
  it('are kept as ceph-nvmeof keeps them, one by one, and gone when there are none', async () => {
    const { gateway, store } = makeRig();
    await serveOne({ gateway });
    const records = async () => (await store.load()).records;
    const listed = () => gateway.listNamespaces({ nsid: 1 })[0].qos;
    await gateway.setQosLimits(NQN, 1, { rwIos: 1500, wMbytes: 20 });
    expect(JSON.parse((await records()).get(KEY)!)).toEqual({
      subsystem_nqn: NQN,
      nsid: 1,
      rw_ios_per_second: 1500,
      w_mbytes_per_second: 20,
    });
    expect(listed()).toEqual({ ...NONE, rwIos: 1500, wMbytes: 20 });
    await gateway.setQosLimits(NQN, 1, { rwMbytes: 7, wMbytes: 0 });
    expect(listed()).toEqual({ ...NONE, rwIos: 1500, rwMbytes: 7 });
    await gateway.setQosLimits(NQN, 1, { rwIos: 0, rwMbytes: 0 });
    expect(listed()).toEqual(NONE);
    expect((await records()).has(KEY)).toBe(false);
  });

  it.each([
    ['of no namespace', 9, { rwIos: 1 }, 'NAMESPACE_NOT_FOUND'],
    ['that are none of all', 1, {}, 'INVALID_ARGUMENT'],
    ['with a fraction', 1, { rwIos: 1.5 }, 'INVALID_ARGUMENT'],
    ['below zero', 1, { rMbytes: -1 }, 'INVALID_ARGUMENT'],
    ['beyond reason', 1, { rwMbytes: 2e9 }, 'INVALID_ARGUMENT'],
  ])('%s are refused and change nothing', async (_what, nsid, limits, expected) => {
    const { gateway, store } = makeRig();
    await serveOne({ gateway });
    const { version } = await store.load();
    await expect(gateway.setQosLimits(NQN, nsid, limits)).rejects.toEqual(code(expected));
    expect((await store.load()).version).toBe(version);
  });

  it('go with their namespace and with its subsystem', async () => {
    const { gateway, store } = makeRig();
    await serveOne({ gateway });
    await gateway.addNamespace(memory());
    await gateway.setQosLimits(NQN, 1, { rwIos: 5 });
    await gateway.setQosLimits(NQN, 2, { rwIos: 5 });
    await gateway.deleteNamespace(NQN, 1);
    expect((await store.load()).records.has(KEY)).toBe(false);
    await gateway.addNamespace(memory());
    expect(gateway.listNamespaces({ nsid: 1 })[0].qos).toEqual(NONE);
    await gateway.deleteSubsystem(NQN, true);
    expect([...(await store.load()).records.keys()]).toEqual([]);
  });

  it('hold for hosts from the start of the gateway, change under way, and are lifted', async () => {
    const records = new MemoryRecords();
    const first = makeRig({ records });
    await serveOne(first);
    await first.gateway.setQosLimits(NQN, 1, { rwIos: 1 });
    await first.gateway.stop();
    const { gateway } = makeRig({ records });
    await gateway.start();
    const { trsvcid } = gateway.listListeners(NQN)[0];
    const controller = await host(trsvcid);
    expect((await controller.read(1, 0, 1, 512)).status).toBe(0);
    const answered: number[] = [];
    const waiting = [1, 2, 3].map(async (slba) => {
      await controller.read(1, slba, 1, 512);
      answered.push(slba);
    });
    await controller.identifyNamespace(1);
    expect(answered).toEqual([]);
    await gateway.setQosLimits(NQN, 1, { rwIos: 0 });
    await Promise.all(waiting);
    expect(answered).toEqual([1, 2, 3]);
  });
});
