import { stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { MemoryRecords, MemoryStore } from '../../src/store/memory-store.ts';
import { ConnectRefused, HostController } from '../initiator/controller.ts';
import {
  code,
  connect,
  file,
  freePort,
  HOST,
  host,
  listener,
  MIB,
  makeBackends,
  makeRig,
  NQN,
  occupy,
  scratch,
  serveOne,
} from './rig.ts';

describe('start and stop', () => {
  it('bring back what was configured', async () => {
    const directory = await scratch();
    const records = new MemoryRecords();
    const path = join(directory, 'disk.img');
    const first = makeRig({ records });
    const port = await serveOne(first);
    await first.gateway.addNamespace(file(path));
    const before = await host(port);
    const data = Buffer.alloc(512, 7);
    expect((await before.write(2, 3, 1, data)).status).toBe(0);
    const [known] = first.gateway.listNamespaces({ nsid: 2 });
    await first.gateway.stop();
    expect(first.devices.every(({ closed }) => closed)).toBe(true);
    await expect(before.read(2, 3, 1, 512)).rejects.toThrow();

    const second = makeRig({ records });
    await second.gateway.start();
    expect(second.gateway.listNamespaces({ nsid: 2 })).toEqual([known]);
    const after = await host(port);
    expect((await after.read(2, 3, 1, 512)).data.equals(data)).toBe(true);
    expect((await after.identifyNamespace(2)).nsze).toBe(MIB / 512);
  });

  it('let hosts in by what is configured by then, however long the place in the group was waited for', async () => {
    const records = new MemoryRecords();
    const first = makeRig({ records });
    await first.gateway.start();
    const second = makeRig({ records });
    await second.gateway.load();
    await first.gateway.addSubsystem({ nqn: NQN });
    await second.gateway.start();
    expect(second.target.subsystems.has(NQN)).toBe(true);
  });

  it('open no port before the namespaces are there', async () => {
    const records = new MemoryRecords();
    const first = makeRig({ records });
    const port = await serveOne(first);
    await first.gateway.stop();

    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const second = makeRig({
      records,
      openBackend: async (request) => {
        await held;
        return makeBackends().open(request);
      },
    });
    const started = second.gateway.start();
    await expect(connect(port)).rejects.toThrow('ECONNREFUSED');
    expect(second.gateway.info().initialized).toBe(false);
    expect(second.gateway.listNamespaces()).toMatchObject([{ nqn: NQN, nsid: 1 }]);
    const impatient = second.gateway.addHost(NQN, HOST);
    second.fireTimers();
    await expect(impatient).rejects.toThrowError(code('STARTING_UP'));
    const patient = second.gateway.addHost(NQN, HOST);
    release();
    await started;
    await patient;
    expect(second.gateway.info().initialized).toBe(true);
    expect(await (await host(port)).activeNamespaces()).toEqual([1]);
  });

  it('tell hosts that come before all is there to try again', async () => {
    const records = new MemoryRecords();
    const first = makeRig({ records });
    const port = await serveOne(first);
    const other = await freePort();
    await first.gateway.addListener(listener(other));
    const late = `${NQN}2`;
    await first.gateway.addSubsystem({ nqn: late });
    await first.gateway.addHost(late, '*');
    await first.gateway.addListener(listener(port, { nqn: late }));
    await first.gateway.stop();

    let bind = (): void => {};
    const second = makeRig({
      records,
      beforeBind: async (tcpPort) => {
        if (tcpPort === other) await new Promise<void>((resolve) => (bind = resolve));
      },
    });
    const started = second.gateway.start();
    const refusal = await vi.waitFor(async () => {
      const refused = await connect(port, late).catch((error: Error) => error);
      expect(refused).toBeInstanceOf(ConnectRefused);
      return refused as ConnectRefused;
    });
    // Linux gives a path up for good when it reads "do not retry".
    expect(refusal.completion.dnr).toBe(false);
    bind();
    await started;
    await host(port, late);
  });

  it('take a file that grew without the record knowing for what the record says', async () => {
    const directory = await scratch();
    const records = new MemoryRecords();
    const first = makeRig({ records });
    await serveOne(first);
    const path = join(directory, 'disk.img');
    await first.gateway.addNamespace(file(path));
    await first.gateway.stop();
    // As if the gateway had been killed between growing the file and committing it.
    await truncate(path, 3 * MIB);
    const second = makeRig({ records });
    await second.gateway.start();
    expect(second.gateway.listNamespaces({ nsid: 2 })[0]!.sizeBytes).toBe(MIB);
    expect(second.gateway.troubles).toEqual([]);
    await second.gateway.resizeNamespace(NQN, 2, 2 * MIB);
    expect((await stat(path)).size).toBe(3 * MIB);
  });

  it('keep a namespace whose file is missing: its I/O waits and goes on once the file is back', async () => {
    const directory = await scratch();
    const records = new MemoryRecords();
    const first = makeRig({ records });
    const port = await serveOne(first);
    const path = join(directory, 'disk.img');
    await first.gateway.addNamespace(file(path));
    await first.gateway.stop();
    await unlink(path);

    const second = makeRig({ records });
    await second.gateway.start();
    expect(second.complaints).toEqual([expect.stringMatching(/namespace 2 is not served: .*disk\.img/)]);
    expect(second.gateway.troubles).toHaveLength(1);
    const controller = await host(port);
    // A host that found it gone would take its disk away.
    expect(await controller.activeNamespaces()).toEqual([1, 2]);
    const held = controller.read(2, 0, 8, 512);
    await vi.waitFor(() => expect(second.target.buffers.borrowedBytes).toBeGreaterThan(0));
    await expect(second.gateway.resizeNamespace(NQN, 2, 2 * MIB)).rejects.toThrowError(
      code('BACKEND_FAILED'),
    );
    second.fireTimers();
    await vi.waitFor(() => expect(second.complaints).toHaveLength(1));
    await vi.waitFor(() => {
      second.fireTimers();
      expect(second.target.buffers.borrowedBytes).toBe(0);
    });
    expect(await held).toMatchObject({ sct: 3, sc: 2, dnr: false });
    await writeFile(path, Buffer.alloc(MIB, 7));
    await vi.waitFor(() => {
      second.fireTimers();
      expect(second.gateway.troubles).toEqual([]);
    });
    expect((await controller.read(2, 0, 8, 512)).data).toEqual(Buffer.alloc(4096, 7));
  });

  it('serve on the other addresses when one is not there, but not on none', async () => {
    const records = new MemoryRecords();
    const first = makeRig({ records });
    const port = await serveOne(first);
    const other = await freePort();
    await first.gateway.addListener(listener(other));
    await first.gateway.stop();
    const squatter = await occupy(port);

    const second = makeRig({ records });
    await second.gateway.start();
    expect(second.gateway.listListeners(NQN).map(({ active }) => active)).toEqual([false, true]);
    await host(other);
    await new Promise((resolve) => squatter.close(resolve));
    await vi.waitFor(() => {
      second.fireTimers();
      expect(second.gateway.troubles).toEqual([]);
    });
    await host(port);
    await second.gateway.stop();

    const both = [await occupy(port), await occupy(other)];
    const third = makeRig({ records });
    await expect(third.gateway.start()).rejects.toThrowError(code('ADDRESS_IN_USE'));
    for (const server of both) server.close();
  });

  it('refuse a configuration that cannot be used', async () => {
    const store = new MemoryStore();
    await store.commit(0, [{ key: 'qos_x', value: '{}' }]);
    const { gateway } = makeRig({ store });
    await expect(gateway.start()).rejects.toThrowError(code('STATE_CORRUPT'));
  });

  it('answer what is in flight before the connection is closed', async () => {
    let release = (): void => {};
    const started = vi.fn();
    const { gateway } = makeRig({
      openBackend: async (request) => {
        const device = await makeBackends().open(request);
        const write = device.write.bind(device);
        device.write = (...args) => {
          started();
          release = () => write(...args);
        };
        return device;
      },
    });
    const controller = await host(await serveOne({ gateway }));
    const writing = controller.write(1, 0, 1, Buffer.alloc(512));
    await vi.waitFor(() => expect(started).toHaveBeenCalled());
    const stopped = gateway.stop();
    await expect(connect(gateway.listListeners(NQN)[0]!.trsvcid)).rejects.toThrow('ECONNREFUSED');
    release();
    expect((await writing).status).toBe(0);
    await stopped;
  });

  it('open the discovery service', async () => {
    const { gateway } = makeRig();
    const ioPort = await serveOne({ gateway });
    const port = await gateway.openDiscovery('127.0.0.1', 0);
    const discovery = await HostController.connectAdmin({
      host: '127.0.0.1',
      port,
      subnqn: 'nqn.2014-08.org.nvmexpress.discovery',
    });
    await discovery.drop();
    expect(port).not.toBe(ioPort);
    await expect(gateway.openDiscovery('127.0.0.1', port)).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      message: expect.stringContaining('discovery service'),
    });
  });
});
