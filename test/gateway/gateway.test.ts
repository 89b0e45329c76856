import { describe, expect, it, vi } from 'vitest';
import { MemoryDevice } from '../../src/backend/memory.ts';
import { systemClock, systemTimers } from '../../src/base/clock.ts';
import { nullLog } from '../../src/base/log.ts';
import { Backends } from '../../src/gateway/serving/backends.ts';
import type { GroupServer } from '../../src/monitor/group-server.ts';
import { LocalMonitor } from '../../src/monitor/local-monitor.ts';
import { ConnectRefused } from '../initiator/controller.ts';
import { LogId } from '../initiator/log-page.ts';
import { code, connect, HOST, host, listen, listener, MIB, makeRig, memory, NQN, serveOne } from './rig.ts';

describe('requests', () => {
  it('make a disk that a host can use', async () => {
    const { gateway } = makeRig();
    const port = await serveOne({ gateway });
    const controller = await host(port);
    expect(await controller.activeNamespaces()).toEqual([1]);
    const data = Buffer.alloc(4096, 0x5a);
    expect((await controller.write(1, 8, 8, data)).status).toBe(0);
    expect((await controller.read(1, 8, 8, 512)).data.equals(data)).toBe(true);
    expect(gateway.listConnections()).toEqual([
      expect.objectContaining({
        subsystemNqn: NQN,
        hostNqn: controller.options.hostnqn,
        connected: true,
        traddr: '127.0.0.1',
        adrfam: 'ipv4',
        queueCount: 2,
        cntlid: controller.cntlid,
      }),
    ]);
    expect(controller.cntlid).toBe(1);
    expect((await controller.anaLog()).groups).toEqual([
      expect.objectContaining({ id: 1, state: 1, nsids: [1] }),
    ]);
    expect(controller.violations).toEqual([]);
  });

  it('list what there is', async () => {
    const { gateway } = makeRig();
    const port = await serveOne({ gateway });
    await gateway.addHost(NQN, HOST);
    await gateway.addSubsystem({ nqn: `${NQN}0`, maxNamespaces: 7 });
    await gateway.addNamespace(memory({ anaGroupId: 3 }));
    expect(gateway.info()).toMatchObject({
      anaGroupId: 1,
      maxSubsystems: 128,
      initialized: true,
      name: 'gw',
    });
    expect(gateway.listSubsystems().map(({ nqn }) => nqn)).toEqual([NQN, `${NQN}0`]);
    expect(gateway.listSubsystems({ serial: 'S1' })).toEqual([
      {
        nqn: NQN,
        serial: 'S1',
        model: 'Anagate NVMe/TCP',
        minCntlid: 1,
        maxCntlid: 2040,
        namespaceCount: 2,
        maxNamespaces: 4096,
        allowAnyHost: true,
        hasDhchapKey: false,
        networks: [],
      },
    ]);
    expect(gateway.listSubsystems({ nqn: `${NQN}0` })[0]).toMatchObject({
      serial: expect.stringMatching(/^AG\d{18}$/),
      maxNamespaces: 7,
      allowAnyHost: false,
    });
    expect(gateway.listHosts(NQN)).toMatchObject({ nqn: NQN, allowAnyHost: true, hosts: [{ nqn: HOST }] });
    expect(gateway.listListeners(NQN)).toEqual([
      {
        ...listener(port),
        active: true,
        anaStates: [
          { group: 1, state: 'optimized' },
          { group: 3, state: 'optimized' },
        ],
      },
    ]);
    expect(gateway.listNamespaces()[0]).toEqual({
      nqn: NQN,
      nsid: 1,
      autoVisible: true,
      hosts: [],
      location: '',
      uuid: '00000000-0000-4000-8000-000000000001',
      nguid: '00000000000040008000000000000001',
      backend: { type: 'memory' },
      sizeBytes: MIB,
      blockSize: 512,
      anaGroupId: 1,
      readOnly: false,
      disableAutoResize: false,
      imageWasShrunk: false,
      qos: { rwIos: 0, rwMbytes: 0, rMbytes: 0, wMbytes: 0 },
    });
    expect(gateway.listNamespaces({ nsid: 2 })).toHaveLength(1);
    expect(gateway.listNamespaces({ uuid: '00000000-0000-4000-8000-000000000002' })).toHaveLength(1);
    expect(gateway.listConnections(NQN)).toEqual([
      expect.objectContaining({ hostNqn: HOST, connected: false, cntlid: -1, keepAliveTimeout: false }),
    ]);
    for (const list of [
      () => gateway.listHosts('nqn.x'),
      () => gateway.listListeners('nqn.x'),
      () => gateway.listConnections('nqn.x'),
    ]) {
      expect(list).toThrowError(code('SUBSYSTEM_NOT_FOUND'));
    }
    gateway.setLogLevel('debug');
    expect(gateway.logLevel()).toBe('debug');
  });

  it('are seen by hosts that are connected', async () => {
    const { gateway } = makeRig();
    const controller = await host(await serveOne({ gateway }));
    await listen(controller);
    const changed = async (expected: number[]): Promise<void> => {
      // The group's member list changes too, and is told in an event of its own.
      while ((await controller.nextEvent()).lid !== LogId.changedNamespaces) await controller.anaLog();
      const log = await controller.getLog({ lid: LogId.changedNamespaces, length: 4096 });
      const nsids = Array.from({ length: expected.length }, (_, i) => log.data.readUInt32LE(i * 4));
      expect(nsids).toEqual(expected);
    };
    await gateway.addNamespace(memory({ nsid: 5 }));
    await changed([5]);
    await gateway.resizeNamespace(NQN, 5, 2 * MIB);
    await changed([5]);
    expect((await controller.identifyNamespace(5)).nsze).toBe((2 * MIB) / 512);
    const far = Buffer.alloc(512, 1);
    expect((await controller.write(5, (2 * MIB) / 512 - 1, 1, far)).status).toBe(0);
    await gateway.deleteNamespace(NQN, 5);
    await changed([5]);
    expect(await controller.activeNamespaces()).toEqual([1]);
    await expect(gateway.deleteNamespace(NQN, 5)).rejects.toThrowError(code('NAMESPACE_NOT_FOUND'));
  });

  it('move a namespace to another group before the eyes of its host', async () => {
    const { gateway } = makeRig();
    const controller = await host(await serveOne({ gateway }));
    await controller.anaLog();
    await listen(controller);
    await gateway.changeNamespaceAnaGroup(NQN, 1, 9);
    await controller.nextEvent();
    const { groups } = await controller.anaLog();
    expect(groups).toContainEqual(expect.objectContaining({ id: 9, state: 1, nsids: [1] }));
    expect((await controller.read(1, 0, 1, 512)).status).toBe(0);
    await gateway.changeNamespaceAnaGroup(NQN, 1, 0);
    expect(gateway.listNamespaces()[0]!.anaGroupId).toBe(1);
    await expect(gateway.changeNamespaceAnaGroup(NQN, 1, 129)).rejects.toThrowError(code('INVALID_ARGUMENT'));
  });

  it('follow the configuration also while an image that is moved to another group is stuck', async () => {
    class StuckMoves extends Backends {
      override async move(): Promise<void> {
        await new Promise(() => {});
      }
    }
    const clocks = { clock: systemClock, timers: systemTimers };
    const { gateway } = makeRig({ groups: new StuckMoves({ ceph: {}, ...clocks, log: nullLog }) });
    await serveOne({ gateway });
    await gateway.changeNamespaceAnaGroup(NQN, 1, 9);
    await gateway.addSubsystem({ nqn: `${NQN}2` });
    expect(gateway.listNamespaces()[0]!.anaGroupId).toBe(9);
  });

  it('change what becomes of an image, while its host goes on', async () => {
    let grow = (_sizeBytes: number): void => {};
    const openBackend = async (): Promise<MemoryDevice> => {
      const device = new MemoryDevice({ sizeBytes: MIB });
      grow = (sizeBytes) => {
        void device.resize(sizeBytes).then(() => device.onResize?.(sizeBytes));
      };
      return device;
    };
    const { gateway, devices } = makeRig({ openBackend });
    const controller = await host(await serveOne({ gateway }));
    await gateway.addNamespace({ nqn: NQN, backend: { type: 'rbd', pool: 'p', image: 'i' } });
    await listen(controller);
    await gateway.changeImageTreatment(NQN, 2, { autoResize: false, trashOnDelete: true });
    expect(gateway.listNamespaces({ nsid: 2 })).toMatchObject([
      { disableAutoResize: true, backend: { trashOnDelete: true } },
    ]);
    grow(2 * MIB);
    // Were the change of the size taken over, then before this request.
    await gateway.changeImageTreatment(NQN, 2, { trashOnDelete: false });
    expect(gateway.listNamespaces({ nsid: 2 })).toMatchObject([{ sizeBytes: MIB, backend: {} }]);
    await gateway.changeImageTreatment(NQN, 2, { autoResize: true });
    expect(await controller.nextEvent()).toMatchObject({ type: 2, info: 0 });
    expect((await controller.identifyNamespace(2)).nsze).toBe((2 * MIB) / 512);
    expect(devices.map(({ closed }) => closed)).toEqual([false, false]);
    await expect(gateway.changeImageTreatment(NQN, 1, { autoResize: true })).rejects.toThrowError(
      code('INVALID_ARGUMENT'),
    );
  });

  it('grow with an image that grew while another gateway served its group', async () => {
    class Monitor extends LocalMonitor {
      server: GroupServer | null = null;
      changed = (): void => {};
      override homeGroups(): readonly number[] {
        return [1, 2];
      }
      override attach(server: GroupServer): void {
        this.server = server;
        void server.takeOver(1, false);
      }
      override onChange(listener: () => void): () => void {
        this.changed = listener;
        return () => {};
      }
    }
    const monitor = new Monitor();
    const device = new MemoryDevice({ sizeBytes: MIB });
    const { gateway } = makeRig({ monitor, openBackend: async () => device });
    await gateway.start();
    await gateway.addSubsystem({ nqn: NQN });
    const image = { type: 'rbd' as const, pool: 'p', image: 'i' };
    await gateway.addNamespace({ nqn: NQN, backend: image, anaGroupId: 2 });
    await device.resize(2 * MIB);
    await monitor.server?.takeOver(2, false);
    expect(gateway.listNamespaces()).toMatchObject([{ sizeBytes: MIB }]);
    monitor.changed();
    await vi.waitFor(() => expect(gateway.listNamespaces()).toMatchObject([{ sizeBytes: 2 * MIB }]));
  });

  it('let hosts in and put them out', async () => {
    const { gateway } = makeRig();
    const port = await serveOne({ gateway });
    const controller = await host(port);
    await gateway.deleteHost(NQN, '*');
    await vi.waitFor(() => expect(gateway.listConnections()).toEqual([]));
    await expect(connect(port)).rejects.toThrow(ConnectRefused);
    await gateway.addHost(NQN, controller.options.hostnqn);
    await expect(connect(port)).rejects.toThrow(ConnectRefused);
    expect(gateway.listConnections()).toEqual([
      expect.objectContaining({ hostNqn: controller.options.hostnqn, connected: false }),
    ]);
  });

  it('run one after the other, whoever asks first', async () => {
    const { gateway, store } = makeRig();
    await gateway.start();
    const results = await Promise.allSettled([
      ...Array.from({ length: 5 }, (_, i) => gateway.addSubsystem({ nqn: `${NQN}${i}` })),
      gateway.addSubsystem({ nqn: `${NQN}0` }),
      gateway.deleteSubsystem(`${NQN}1`, false),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 5 }, () => 'fulfilled'),
      'rejected',
      'fulfilled',
    ]);
    expect((await store.load()).version).toBe(6);
  });

  it('are refused before the start and after the stop', async () => {
    const { gateway } = makeRig();
    await expect(gateway.addSubsystem({ nqn: NQN })).rejects.toThrowError(code('SHUTTING_DOWN'));
    await gateway.start();
    await gateway.stop();
    await expect(gateway.addSubsystem({ nqn: NQN })).rejects.toThrowError(code('SHUTTING_DOWN'));
    expect(gateway.info().initialized).toBe(false);
  });
});

describe('the monitor', () => {
  it('sets the states that hosts see, and says where namespaces go', async () => {
    class Monitor extends LocalMonitor {
      server: GroupServer | null = null;
      override homeGroups(): readonly number[] {
        return [1, 2];
      }
      override attach(server: GroupServer): void {
        this.server = server;
        void server.takeOver(1, false);
      }
    }
    const monitor = new Monitor();
    const { gateway } = makeRig({ monitor });
    const controller = await host(await serveOne({ gateway }));
    expect((await gateway.addNamespace(memory())).anaGroupId).toBe(2);
    expect((await controller.read(2, 0, 1, 512)).status).toBe(0x302);
    await listen(controller);
    await controller.anaLog();
    await monitor.server?.takeOver(2, false);
    await controller.nextEvent();
    await vi.waitFor(async () => expect((await controller.read(2, 0, 1, 512)).status).toBe(0));
    expect((await controller.read(1, 0, 1, 512)).status).toBe(0);
  });
});
