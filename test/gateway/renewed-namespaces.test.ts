/** Namespaces whose devices take their time, or come anew, as a gateway and its hosts see them. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { MemoryRecords, MemoryStore } from '../../src/store/memory-store.ts';
import { file, host, MIB, makeBackends, makeRig, memory, NQN, scratch, serveOne } from './rig.ts';

describe('a subsystem that was removed and made again between two looks', () => {
  it('has its namespaces on the devices that they have now', async () => {
    const directory = await scratch();
    const records = new MemoryRecords();
    const rig = makeRig({ records });
    const port = await serveOne(rig);
    await rig.gateway.addNamespace(file(`${directory}/disk.img`));
    const before = await host(port);
    expect((await before.write(2, 3, 1, Buffer.alloc(512, 7))).status).toBe(0);

    const other = new MemoryStore(records);
    const { version, records: texts } = await other.load();
    const key = `subsystem_${NQN}`;
    const value = texts.get(key)!.replace('S1', 'S2');
    expect(value).not.toBe(texts.get(key));
    await other.commit(version, [{ key, value }]);
    await vi.waitFor(() => expect(rig.gateway.listSubsystems()[0]!.serial).toBe('S2'));

    await vi.waitFor(async () => {
      const after = await host(port);
      expect((await after.read(2, 3, 1, 512)).data).toEqual(Buffer.alloc(512, 7));
    });
    expect(rig.gateway.troubles).toEqual([]);
    expect(rig.devices.map(({ closed }) => closed)).toEqual([true, true, false, false]);
  });
});

/** What a gateway has left that is stopped: namespace 2 is on a file. */
async function stoppedWithDisk(): Promise<MemoryRecords> {
  const directory = await scratch();
  const records = new MemoryRecords();
  const rig = makeRig({ records });
  await serveOne(rig);
  await rig.gateway.addNamespace(file(`${directory}/disk.img`));
  await rig.gateway.stop();
  return records;
}

describe('a device that never opens', () => {
  it('holds up neither the start, nor changes, nor the stop', async () => {
    const records = await stoppedWithDisk();

    const rig = makeRig({
      records,
      openBackend: (request) =>
        request.backend.type === 'file' ? new Promise(() => {}) : makeBackends().open(request),
    });
    const { gateway } = rig;
    let started = false;
    const starting = gateway.start().then(() => {
      started = true;
    });
    await vi.waitFor(async () => {
      rig.fireTimers();
      await nextTurn();
      expect(started).toBe(true);
    });
    await starting;
    await gateway.changeNamespaceAnaGroup(NQN, 2, 1);
    await gateway.addNamespace(memory({ nsid: 3, uuid: '22222222-0000-4000-8000-000000000003' }));
    const resized = gateway.resizeNamespace(NQN, 2, 2 * MIB).catch((error: Error) => error);
    let message = '';
    void resized.then((error) => {
      message = (error as Error).message;
    });
    await vi.waitFor(() => {
      rig.fireTimers();
      expect(message).toMatch(/namespace 2 of .* could not be opened: not within 5 s/);
    });
    await gateway.deleteNamespace(NQN, 2);
    let stopped = false;
    void gateway.stop().then(() => {
      stopped = true;
    });
    await vi.waitFor(() => {
      rig.fireTimers();
      expect(stopped).toBe(true);
    });
  });
});

describe('a namespace that changes its ANA group while its device is being opened', () => {
  it('has its device in the group that it is in then', async () => {
    const records = await stoppedWithDisk();

    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const backends = makeBackends();
    const move = vi.spyOn(backends, 'move');
    const rig = makeRig({
      records,
      groups: backends,
      openBackend: async (request) => {
        if (request.backend.type === 'file') await held;
        return backends.open(request);
      },
    });
    const started = vi.fn();
    void rig.gateway.start().then(started);
    await vi.waitFor(() => {
      rig.fireTimers();
      expect(started).toHaveBeenCalled();
    });
    await rig.gateway.changeNamespaceAnaGroup(NQN, 2, 5);
    expect(move).not.toHaveBeenCalled();
    release();
    await vi.waitFor(() => expect(move).toHaveBeenCalledWith(expect.anything(), 5));
    expect(rig.devices.at(-1)).toMatchObject({ request: { anaGroupId: 1 }, closed: false });
  });
});
