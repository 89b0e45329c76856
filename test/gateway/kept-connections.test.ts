/** Hosts that are removed while their connections stay. */
import { expect, it, vi } from 'vitest';
import { MemoryRecords } from '../../src/store/memory-store.ts';
import { ConnectRefused } from '../initiator/controller.ts';
import { code, connectAs, HOST, host, makeRig, NQN, serveOne } from './rig.ts';

const OTHER = 'nqn.2014-08.org.nvmexpress:other';

/** A gateway with one host that is connected because it is listed. */
async function withHost() {
  const rig = makeRig();
  const port = await serveOne(rig);
  const controller = await host(port);
  const { hostnqn } = controller.options;
  await rig.gateway.addHost(NQN, hostnqn);
  await rig.gateway.addHost(NQN, OTHER);
  await rig.gateway.deleteHost(NQN, '*');
  return { ...rig, port, controller, hostnqn };
}

it('stay connected, are said to be deleted, and do not come back', async () => {
  const { gateway, port, controller, hostnqn } = await withHost();
  await gateway.deleteHost(NQN, hostnqn, true);
  expect(gateway.listHosts(NQN).hosts.map(({ nqn }) => nqn)).toEqual([OTHER]);
  expect(gateway.listConnections(NQN)).toMatchObject([
    { hostNqn: hostnqn, connected: true, hostDeleted: true },
    { hostNqn: OTHER, connected: false },
  ]);
  await expect(connectAs(port, hostnqn)).rejects.toThrow(ConnectRefused);
  // The removal of another host is none of theirs.
  await gateway.deleteHost(NQN, OTHER);
  await controller.identifyNamespace(1);
  await controller.drop();
  await vi.waitFor(() => expect(gateway.listConnections(NQN)).toEqual([]));
});

it('are cut off when they are removed again', async () => {
  const { gateway, hostnqn } = await withHost();
  await gateway.deleteHost(NQN, hostnqn, true);
  await expect(gateway.deleteHost(NQN, hostnqn, true)).rejects.toThrow(code('HOST_NOT_FOUND'));
  await gateway.deleteHost(NQN, hostnqn);
  await vi.waitFor(() => expect(gateway.listConnections(NQN)).toMatchObject([{ hostNqn: OTHER }]));
  await expect(gateway.deleteHost(NQN, hostnqn)).rejects.toThrow(code('HOST_NOT_FOUND'));
});

it('may be announced to stay before they are removed', async () => {
  const { gateway, hostnqn, controller, port } = await withHost();
  await gateway.keepHostConnected(NQN, hostnqn);
  await gateway.deleteHost(NQN, hostnqn);
  await controller.identifyNamespace(1);
  await gateway.addHost(NQN, hostnqn);
  expect(gateway.listConnections(NQN)).toContainEqual(
    expect.objectContaining({ hostNqn: hostnqn, hostDeleted: false }),
  );
  await (await connectAs(port, hostnqn)).drop();
  await expect(gateway.keepHostConnected(NQN, 'nqn.2014-08.org.nvmexpress:none')).rejects.toThrow(
    code('HOST_NOT_FOUND'),
  );
});

it('stay when any host was allowed and is not any more', async () => {
  const { gateway } = makeRig();
  const port = await serveOne({ gateway });
  const controller = await host(port);
  const { hostnqn } = controller.options;
  await gateway.deleteHost(NQN, '*', true);
  await controller.identifyNamespace(1);
  await expect(connectAs(port, hostnqn)).rejects.toThrow(ConnectRefused);
  await gateway.deleteHost(NQN, '*');
  await vi.waitFor(() => expect(gateway.listConnections(NQN)).toEqual([]));
});

it('do not come to stay by what others were allowed later', async () => {
  const { gateway, hostnqn, controller, port } = await withHost();
  await gateway.deleteHost(NQN, hostnqn, true);
  await gateway.addHost(NQN, '*');
  const later = await connectAs(port, hostnqn);
  const stranger = await connectAs(port, HOST);
  await gateway.deleteHost(NQN, '*');
  await vi.waitFor(() => expect(gateway.listConnections(NQN).filter((one) => one.connected)).toHaveLength(1));
  await controller.identifyNamespace(1);
  await expect(later.keepAlive()).rejects.toThrow();
  await expect(stranger.keepAlive()).rejects.toThrow();
  // Nor by a removal at which they had none.
  await gateway.addHost(NQN, HOST);
  await gateway.deleteHost(NQN, HOST, true);
  await gateway.addHost(NQN, '*');
  const again = await connectAs(port, HOST);
  await gateway.deleteHost(NQN, '*');
  await expect(again.keepAlive()).rejects.toThrow();
  await Promise.all([later, stranger, again].map((one) => one.drop()));
});

it('stay on all gateways, and go with their subsystem', async () => {
  const records = new MemoryRecords();
  const second = makeRig({ records });
  await second.gateway.start();
  const first = makeRig({ records });
  const port = await serveOne(first);
  await host(port);
  await second.gateway.deleteHost(NQN, '*', true);
  await second.gateway.addHost(NQN, HOST);
  await vi.waitFor(() => expect(first.gateway.listHosts(NQN).hosts).toHaveLength(1));
  expect(first.gateway.listConnections(NQN)).toContainEqual(expect.objectContaining({ hostDeleted: true }));
  await first.gateway.deleteSubsystem(NQN, true);
  expect(records.snapshot.records.size).toBe(0);
});
