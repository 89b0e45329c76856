import { describe, expect, it } from 'vitest';
import { LocalMonitor } from '../../src/monitor/local-monitor.ts';
import { ConnectRefused, DISCOVERY_NQN, HostController } from '../initiator/controller.ts';
import { LogId, parseDiscoveryLog } from '../initiator/log-page.ts';
import {
  code,
  connect,
  freePort,
  HOST,
  host,
  hostAt,
  listener,
  makeRig,
  NQN,
  occupy,
  serveOne,
} from './rig.ts';

/** ADRFAM of a discovery log entry (NVMe-oF 1.1 figure 34). */
const IPV6 = 2;

describe('listeners', () => {
  it('share an address, and give it back with the last', async () => {
    const { gateway } = makeRig();
    const port = await serveOne({ gateway });
    const two = `${NQN}2`;
    await gateway.addSubsystem({ nqn: two });
    await gateway.addHost(two, '*');
    await expect(connect(port, two)).rejects.toThrow(ConnectRefused);
    await gateway.addListener(listener(port, { nqn: two, hostName: '*' }));
    const first = await host(port);
    const second = await host(port, two);
    await expect(gateway.deleteListener(listener(port), false)).rejects.toThrowError(code('LISTENER_IN_USE'));
    await gateway.deleteListener(listener(port), true);
    await expect(first.read(1, 0, 1, 512)).rejects.toThrow();
    expect((await second.keepAlive()).status).toBe(0);
    await gateway.deleteListener(listener(port, { nqn: two, hostName: '*' }), true);
    (await occupy(port)).close();
  });

  it('say why an address cannot be had, and leave no trace', async () => {
    const { gateway, target } = makeRig();
    await serveOne({ gateway });
    const port = await freePort();
    const squatter = await occupy(port);
    await expect(gateway.addListener(listener(port))).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      message: expect.stringMatching(new RegExp(`127.0.0.1:${port}: another program`)),
    });
    await expect(gateway.addListener(listener(port, { traddr: '192.0.2.1' }))).rejects.toMatchObject({
      code: 'ADDRESS_NOT_AVAILABLE',
      message: expect.stringContaining('no interface'),
    });
    expect(gateway.listListeners(NQN)).toHaveLength(1);
    expect(target.ports.size).toBe(1);
    squatter.close();
  });

  it('of other nodes are stored and not opened', async () => {
    const { gateway, target } = makeRig();
    await serveOne({ gateway });
    const remote = listener(4420, { hostName: 'elsewhere', traddr: '192.0.2.1' });
    await expect(gateway.addListener(remote)).rejects.toThrowError(code('LISTENER_REMOTE'));
    expect(gateway.listListeners(NQN)).toContainEqual({ ...remote, active: false, anaStates: [] });
    expect(target.ports.size).toBe(1);
    await gateway.deleteListener(remote, false);
    expect(gateway.listListeners(NQN)).toHaveLength(1);
  });

  it('on IPv6 serve hosts, and are listed as such', async () => {
    const { gateway } = makeRig();
    await serveOne({ gateway });
    const port = await freePort();
    await gateway.addListener(listener(port, { traddr: '::1', adrfam: 'ipv6' }));
    const disk = await HostController.connect({ host: '::1', port, subnqn: NQN });
    expect(await disk.activeNamespaces()).toEqual([1]);
    await disk.drop();
    const discovery = await gateway.openDiscovery('::1', 0);
    const options = { host: '::1', port: discovery, subnqn: DISCOVERY_NQN };
    const controller = await HostController.connectAdmin(options);
    await controller.enable();
    const { data } = await controller.getLog({ lid: LogId.discovery, length: 4096 });
    expect(parseDiscoveryLog(data).entries).toContainEqual(
      expect.objectContaining({ adrfam: IPV6, traddr: '::1', trsvcid: String(port), subnqn: NQN }),
    );
    await controller.drop();
  });

  it('may be wildcards', async () => {
    const { gateway } = makeRig();
    await serveOne({ gateway });
    const port = await freePort();
    await gateway.addListener(listener(port, { traddr: '0.0.0.0' }));
    expect(await (await host(port)).activeNamespaces()).toEqual([1]);
  });
});

describe('a wildcard and a single address on one TCP port', () => {
  const TWO = `${NQN}2`;

  /** NQN has a wildcard, TWO 127.0.0.2. */
  async function both(order: 'wildcard first' | 'wildcard last') {
    const rig = makeRig();
    const { gateway } = rig;
    await serveOne(rig);
    const port = await freePort();
    await gateway.addSubsystem({ nqn: TWO });
    await gateway.addHost(TWO, '*');
    const wildcard = listener(port, { traddr: '0.0.0.0' });
    const single = listener(port, { nqn: TWO, traddr: '127.0.0.2' });
    const specs = order === 'wildcard first' ? [wildcard, single] : [single, wildcard];
    await gateway.addListener(specs[0]!);
    const early = await hostAt(order === 'wildcard first' ? '127.0.0.3' : '127.0.0.2', port, specs[0]!.nqn);
    await gateway.addListener(specs[1]!);
    return { ...rig, port, wildcard, single, early };
  }

  it.each(['wildcard first', 'wildcard last'] as const)('are both served, %s', async (order) => {
    const { port, early, gateway } = await both(order);
    expect((await early.keepAlive()).status).toBe(0);
    await hostAt('127.0.0.1', port, NQN);
    await hostAt('127.0.0.2', port, NQN);
    await hostAt('127.0.0.2', port, TWO);
    // Not where nobody wanted it.
    await expect(hostAt('127.0.0.1', port, TWO)).rejects.toThrow(ConnectRefused);
    expect(gateway.troubles).toEqual([]);
    expect(gateway.listListeners(TWO)).toMatchObject([{ active: true }]);
  });

  it.each(['wildcard first', 'wildcard last'] as const)('go one by one, %s', async (order) => {
    const { port, wildcard, single, gateway, early, target } = await both(order);
    const second = await hostAt('127.0.0.2', port, TWO);
    await gateway.deleteListener(wildcard, true);
    await expect(connect(port)).rejects.toThrow(/ECONNREFUSED/);
    await hostAt('127.0.0.2', port, TWO);
    await expect(hostAt('127.0.0.2', port, NQN)).rejects.toThrow(ConnectRefused);
    if (order === 'wildcard last') expect((await early.keepAlive()).status).toBe(0);
    await expect(second.keepAlive()).rejects.toThrow();
    await expect(gateway.deleteListener(single, false)).rejects.toThrowError(code('LISTENER_IN_USE'));
    await gateway.addListener(wildcard);
    const stays = await hostAt('127.0.0.2', port, NQN);
    await gateway.deleteListener(single, true);
    await expect(hostAt('127.0.0.2', port, TWO)).rejects.toThrow(ConnectRefused);
    expect((await stays.keepAlive()).status).toBe(0);
    await gateway.deleteListener(wildcard, true);
    expect(target.ports.size).toBe(1);
    (await occupy(port, '0.0.0.0')).close();
  });

  it('leave one another alone when the wildcard cannot be had', async () => {
    const { gateway } = makeRig();
    const port = await serveOne({ gateway });
    const squatter = await occupy(port, '127.0.0.9');
    const wildcard = listener(port, { traddr: '0.0.0.0' });
    await expect(gateway.addListener(wildcard)).rejects.toThrowError(code('ADDRESS_IN_USE'));
    await host(port);
    squatter.close();
    await gateway.addListener(wildcard);
    await hostAt('127.0.0.9', port, NQN);
  });

  it('have to be addresses of this machine', async () => {
    const { gateway } = makeRig();
    await serveOne({ gateway });
    const port = await freePort();
    await gateway.addListener(listener(port, { traddr: '0.0.0.0' }));
    await expect(gateway.addListener(listener(port, { traddr: '192.0.2.1' }))).rejects.toThrowError(
      code('ADDRESS_NOT_AVAILABLE'),
    );
    const ipv6 = listener(port, { traddr: '::', adrfam: 'ipv6' });
    await expect(gateway.addListener(ipv6)).rejects.toThrow(`listener is at 0.0.0.0:${port}`);
  });
});

it('what hosts of other gateways may use is deleted by force only', async () => {
  const rows = [{ name: 'gw-b', availability: 'AVAILABLE', hosts: [HOST] }];
  const monitor = Object.defineProperty(new LocalMonitor(), 'admin', {
    value: { gateways: () => rows, leader: () => null },
  });
  const { gateway } = makeRig({ monitor });
  await serveOne({ gateway });
  const remote = listener(4420, { hostName: 'gw-b', traddr: '192.0.2.1' });
  await expect(gateway.addListener(remote)).rejects.toThrowError(code('LISTENER_REMOTE'));
  await expect(gateway.deleteListener(remote, false)).rejects.toMatchObject({
    code: 'LISTENER_IN_USE',
    message: expect.stringContaining(
      'are connected to gateway gw-b, maybe through the listener at 192.0.2.1:4420',
    ),
  });
  await expect(gateway.changeNamespaceVisibility(NQN, 1, false, false)).rejects.toThrow(HOST);
  // Hosts that may not use the subsystem have no path to lose.
  await gateway.deleteHost(NQN, '*');
  await gateway.deleteListener(remote, false);
  await gateway.changeNamespaceVisibility(NQN, 1, false, false);
});
