/** Where namespaces go, and how large they are, when somebody asks. */
import { describe, expect, it } from 'vitest';
import { MemoryDevice } from '../../src/backend/memory.ts';
import { LocalMonitor } from '../../src/monitor/local-monitor.ts';
import { MemoryRecords } from '../../src/store/memory-store.ts';
import { code, host, listen, MIB, makeRig, memory, NQN, serveOne } from './rig.ts';

/** Two gateways of which the first is this one, at two places. */
class TwoPlaces extends LocalMonitor {
  override homeGroups(): readonly number[] {
    return [1, 2];
  }
  override homeLocations(): ReadonlyMap<number, string> {
    return new Map([
      [1, 'dc1'],
      [2, 'dc2'],
    ]);
  }
}

describe('a location', () => {
  it('is where a namespace is placed, and where it moves when it is changed', async () => {
    const records = new MemoryRecords();
    const { gateway } = makeRig({ records, monitor: new TwoPlaces() });
    await serveOne({ gateway });
    for (const location of ['dc2', 'dc2']) {
      expect(await gateway.addNamespace(memory({ location }))).toMatchObject({ location, anaGroupId: 2 });
    }
    await gateway.changeNamespaceLocation(NQN, 3, 'dc1');
    expect(gateway.listNamespaces({ nsid: 3 })).toMatchObject([{ location: 'dc1', anaGroupId: 2 }]);
    expect(gateway.rebalance(true).moves).toMatchObject([{ nsid: 3, anaGroupId: 2, to: 1 }]);
    gateway.rebalance(false);
    await expect.poll(() => gateway.listNamespaces({ nsid: 3 })[0]?.anaGroupId).toBe(1);
    expect(gateway.rebalance(true).moves, 'what is where it belongs stays').toEqual([]);
    await expect(gateway.changeNamespaceAnaGroup(NQN, 3, 2)).rejects.toThrow(
      /group 2 is not at location "dc1"/,
    );
    await gateway.stop();
    const again = makeRig({ records, monitor: new TwoPlaces() }).gateway;
    await again.start();
    expect(again.listNamespaces().map(({ location }) => location)).toEqual(['', 'dc2', 'dc1']);
    await again.changeNamespaceLocation(NQN, 3, '');
    await again.changeNamespaceAnaGroup(NQN, 3, 2);
  });

  it('where no gateway is is refused', async () => {
    const { gateway, store } = makeRig({ monitor: new TwoPlaces() });
    await serveOne({ gateway });
    const { version } = await store.load();
    await expect(gateway.addNamespace(memory({ location: 'dc3' }))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('"dc1", "dc2"'),
    });
    await expect(gateway.changeNamespaceLocation(NQN, 1, 'dc3')).rejects.toEqual(code('INVALID_ARGUMENT'));
    expect((await store.load()).version).toBe(version);
  });
});

describe('the size of an image', () => {
  it('is taken over when asked, larger or smaller, also when it is not followed', async () => {
    let image = 4 * MIB;
    const device = Object.assign(new MemoryDevice({ sizeBytes: 4 * MIB }), {
      readSize: () => device.resize(image),
    });
    const { gateway } = makeRig({ openBackend: async () => device });
    const port = await serveOne({ gateway });
    const backend = { type: 'rbd' as const, pool: 'p', image: 'i' };
    await gateway.addNamespace({ nqn: NQN, backend, disableAutoResize: true });
    const controller = await host(port);
    await listen(controller);
    for (const bytes of [8 * MIB, 2 * MIB]) {
      image = bytes;
      expect((await gateway.refreshNamespaceSize(NQN, 2)).sizeBytes).toBe(bytes);
      await controller.nextEvent();
      await controller.getLog({ lid: 4, length: 4096 });
      expect((await controller.identifyNamespace(2)).nsze).toBe(bytes / 512);
    }
    await expect(gateway.refreshNamespaceSize(NQN, 1)).rejects.toThrow(/is not on an image/);
  });
});
