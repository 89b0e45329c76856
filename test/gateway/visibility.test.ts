/** Who sees a namespace: what is asked for, what hosts see of it, and what stays in the records. */
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/limits.ts';
import { MemoryRecords } from '../../src/store/memory-store.ts';
import { HostController } from '../initiator/controller.ts';
import { code, HOST, host, listen, makeRig, memory, NQN, type Rig, serveOne } from './rig.ts';

const OTHER = 'nqn.2026-11.test:other';
const UNKNOWN = 'nqn.2026-11.test:unknown';

/** A gateway with namespace 1, which all see, and 2, which nobody sees yet. */
async function serve(records = new MemoryRecords()): Promise<Rig & { port: number }> {
  const rig = makeRig({ records });
  const port = await serveOne(rig);
  await rig.gateway.addNamespace(memory({ noAutoVisible: true }));
  return { ...rig, port };
}

async function as(hostnqn: string, port: number): Promise<HostController> {
  const controller = await HostController.connect({ host: '127.0.0.1', port, subnqn: NQN, hostnqn });
  await listen(controller);
  return controller;
}

const keys = ({ store }: Rig, prefix: string) =>
  store.load().then(({ records }) => [...records.keys()].filter((key) => key.startsWith(prefix)));

describe('a namespace that is not auto-visible', () => {
  it('is seen by the hosts that are listed, from the moment they are', async () => {
    const rig = await serve();
    const { gateway, port } = rig;
    const [listed, other] = [await as(HOST, port), await as(OTHER, port)];
    expect(await listed.activeNamespaces()).toEqual([1]);
    await gateway.addNamespaceHost(NQN, 2, HOST, false);
    await listed.nextEvent();
    expect(await listed.activeNamespaces()).toEqual([1, 2]);
    expect(await other.activeNamespaces()).toEqual([1]);
    expect(gateway.listNamespaces({ nsid: 2 })).toMatchObject([{ autoVisible: false, hosts: [HOST] }]);
    expect(await keys(rig, 'ns-host_')).toEqual([`ns-host_${NQN}_2_${HOST}`]);
    await gateway.deleteNamespaceHost(NQN, 2, HOST);
    await listed.getLog({ lid: 4, length: 4096 });
    expect(await listed.activeNamespaces()).toEqual([1]);
    expect(other.events).toEqual([]);
    await Promise.all([listed.drop(), other.drop()]);
  });

  it('stays so over a restart, a growth and a move', async () => {
    const records = new MemoryRecords();
    const before = await serve(records);
    await before.gateway.addNamespaceHost(NQN, 2, HOST, false);
    await before.gateway.stop();
    const { gateway } = makeRig({ records });
    await gateway.start();
    await gateway.resizeNamespace(NQN, 2, 2 ** 21);
    await gateway.changeNamespaceAnaGroup(NQN, 2, 3);
    const [listed, other] = [await as(HOST, before.port), await as(OTHER, before.port)];
    expect(await listed.activeNamespaces()).toEqual([1, 2]);
    expect(await other.activeNamespaces()).toEqual([1]);
    await Promise.all([listed.drop(), other.drop()]);
  });

  it('is followed by a gateway that hears of all changes at once', async () => {
    const records = new MemoryRecords();
    const { gateway: writer } = await serve(records);
    await writer.deleteListener({ ...(await writer.listListeners(NQN)[0]!) }, true);
    const reader = makeRig({ records });
    await reader.gateway.start();
    await writer.addNamespaceHost(NQN, 2, HOST, false);
    await writer.deleteNamespace(NQN, 2);
    await writer.addNamespace(memory({ nsid: 2, noAutoVisible: true }));
    await writer.addNamespaceHost(NQN, 2, OTHER, false);
    await expect.poll(() => reader.gateway.listNamespaces({ nsid: 2 })[0]?.hosts).toEqual([OTHER]);
    const { namespaces } = reader.target.subsystems.get(NQN)!;
    expect([...namespaces.get(2)!.visibleTo!]).toEqual([OTHER]);
  });

  it('takes its list along when it goes, and when its subsystem goes', async () => {
    const rig = await serve();
    const { gateway } = rig;
    await gateway.addNamespaceHost(NQN, 2, HOST, false);
    await gateway.deleteNamespace(NQN, 2);
    expect(await keys(rig, 'ns-host_')).toEqual([]);
    await gateway.addNamespace(memory({ nsid: 2, noAutoVisible: true }));
    await gateway.addNamespaceHost(NQN, 2, HOST, false);
    await gateway.deleteSubsystem(NQN, true);
    expect(await keys(rig, '')).toEqual([]);
  });

  it('keeps a host on its list that loses its access to the subsystem', async () => {
    const { gateway, port } = await serve();
    await gateway.addHost(NQN, HOST);
    await gateway.addNamespaceHost(NQN, 2, HOST, false);
    await gateway.deleteHost(NQN, HOST);
    const back = await as(HOST, port);
    expect(await back.activeNamespaces()).toEqual([1, 2]);
    await back.drop();
  });
});

describe('refused, with nothing changed:', () => {
  it('hosts that cannot be listed', async () => {
    const rig = await serve();
    const { gateway } = rig;
    await gateway.deleteHost(NQN, '*');
    await gateway.addHost(NQN, HOST);
    await gateway.addNamespaceHost(NQN, 2, HOST, false);
    const records = (await rig.store.load()).version;
    const add = (nsid: number, hostNqn: string) => gateway.addNamespaceHost(NQN, nsid, hostNqn, false);
    await expect(add(1, HOST)).rejects.toThrow(/visible to all hosts; change its visibility/);
    await expect(add(2, HOST)).rejects.toEqual(code('HOST_EXISTS'));
    await expect(add(2, UNKNOWN)).rejects.toThrow(/may not use subsystem .*host add/);
    await expect(add(2, '*')).rejects.toEqual(code('INVALID_ARGUMENT'));
    await expect(add(2, 'x')).rejects.toEqual(code('NQN_INVALID'));
    await expect(add(7, HOST)).rejects.toEqual(code('NAMESPACE_NOT_FOUND'));
    await expect(gateway.deleteNamespaceHost(NQN, 2, UNKNOWN)).rejects.toEqual(code('HOST_NOT_FOUND'));
    await expect(gateway.deleteNamespaceHost(NQN, 1, HOST)).rejects.toEqual(code('INVALID_ARGUMENT'));
    expect((await rig.store.load()).version).toBe(records);
    await gateway.addNamespaceHost(NQN, 2, UNKNOWN, true);
    expect(gateway.listNamespaces({ nsid: 2 })[0]?.hosts).toEqual([HOST, UNKNOWN]);
  });

  it('more hosts than the limit', async () => {
    const { gateway } = await serve();
    const nqn = (i: number) => `nqn.2026-11.test:${String(i).padStart(2, '0')}`;
    for (let i = 0; i < LIMITS.maxHostsPerNamespace; i++)
      await gateway.addNamespaceHost(NQN, 2, nqn(i), false);
    await expect(gateway.addNamespaceHost(NQN, 2, nqn(99), true)).rejects.toMatchObject({ errno: 7 });
  });

  it('more hosts than a lower limit that is configured', async () => {
    const rig = makeRig({ limits: { maxHostsPerNamespace: 1 } });
    await serveOne(rig);
    await rig.gateway.addNamespace(memory({ noAutoVisible: true }));
    await rig.gateway.addNamespaceHost(NQN, 2, HOST, false);
    await expect(rig.gateway.addNamespaceHost(NQN, 2, OTHER, false)).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message: expect.stringContaining('has 1 hosts already'),
    });
  });

  it('to visible to all while hosts are listed, unless forced: then the list is gone', async () => {
    const rig = await serve();
    const { gateway, port } = rig;
    await gateway.addNamespaceHost(NQN, 2, OTHER, false);
    const newcomer = await as(HOST, port);
    await expect(gateway.changeNamespaceVisibility(NQN, 2, true, false)).rejects.toMatchObject({
      errno: 16,
      message: expect.stringMatching(/1 host is listed for namespace 2 .*force/),
    });
    await gateway.changeNamespaceVisibility(NQN, 2, true, true);
    await newcomer.nextEvent();
    expect(await newcomer.activeNamespaces()).toEqual([1, 2]);
    expect(await keys(rig, 'ns-host_')).toEqual([]);
    expect(gateway.listNamespaces({ nsid: 2 })).toMatchObject([{ autoVisible: true, hosts: [] }]);
    await newcomer.drop();
  });

  it('to listed hosts only while hosts are connected, unless forced: they lose it', async () => {
    const { gateway, port, store } = await serve();
    const connected = await host(port);
    await listen(connected);
    await expect(gateway.changeNamespaceVisibility(NQN, 1, false, false)).rejects.toMatchObject({
      errno: 16,
      message: expect.stringContaining(connected.options.hostnqn),
    });
    await gateway.changeNamespaceVisibility(NQN, 1, false, true);
    await connected.nextEvent();
    expect(await connected.activeNamespaces()).toEqual([]);
    const { version } = await store.load();
    await gateway.changeNamespaceVisibility(NQN, 1, false, false);
    expect((await store.load()).version, 'what is so already is not committed').toBe(version);
  });

  it('a list of hosts for a namespace that is not in the records', async () => {
    const records = new MemoryRecords();
    const { gateway, store } = await serve(records);
    const { version } = await store.load();
    await gateway.stop();
    const key = `ns-host_${NQN}_9_${HOST}`;
    const value = JSON.stringify({ subsystem_nqn: NQN, nsid: 9, host_nqn: HOST });
    await makeRig({ records }).store.commit(version, [{ key, value }]);
    await expect(makeRig({ records }).gateway.start()).rejects.toThrow(
      /belongs to namespace_.*_9, which is not in it/,
    );
  });
});
