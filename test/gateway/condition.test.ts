/** What a gateway tells of itself for the decision who serves what. */
import { expect, it } from 'vitest';
import type { GatewayCondition, GroupServer } from '../../src/monitor/group-server.ts';
import { LocalMonitor } from '../../src/monitor/local-monitor.ts';
import { HostController } from '../initiator/controller.ts';
import { freePort, HOST, listener, makeRig, memory, NQN } from './rig.ts';

const OTHER = 'nqn.2026-11.io.anagate:two';

/** A monitor that owns everything, and the gateway as it sees it. */
class Watching extends LocalMonitor {
  server: GroupServer | null = null;
  told = 0;
  override attach(server: GroupServer): void {
    super.attach(server);
    this.server = server;
    server.onCondition(() => {
      this.told += 1;
    });
  }
  get condition(): GatewayCondition {
    return this.server!.condition();
  }
}

it('is available once some subsystem can be reached here; groups of others are uncovered', async () => {
  const monitor = new Watching();
  const { gateway } = makeRig({ monitor });
  await gateway.start();
  expect(monitor.condition).toMatchObject({ available: false, populated: [], uncovered: [], hosts: [] });
  await gateway.addSubsystem({ nqn: NQN });
  await gateway.addSubsystem({ nqn: OTHER });
  await gateway.addNamespace(memory({ anaGroupId: 1 }));
  await gateway.addNamespace(memory({ anaGroupId: 2, nqn: OTHER }));
  await gateway.addNamespace(memory({ anaGroupId: 3, nqn: OTHER }));
  expect(monitor.condition).toMatchObject({ available: false, populated: [1, 2, 3], uncovered: [1, 2, 3] });
  const port = await freePort();
  const told = monitor.told;
  await gateway.addListener(listener(port));
  expect(monitor.told).toBeGreaterThan(told);
  expect(monitor.condition).toMatchObject({ available: true, populated: [1, 2, 3], uncovered: [2, 3] });
  await gateway.addListener(listener(port, { nqn: OTHER }));
  expect(monitor.condition).toMatchObject({ available: true, uncovered: [] });
  await gateway.deleteListener(listener(port), true);
  expect(monitor.condition).toMatchObject({ available: true, uncovered: [1] });
});

it('names the hosts that have a controller, each once, and how much they do', async () => {
  const monitor = new Watching();
  const { gateway } = makeRig({ monitor });
  await gateway.start();
  await gateway.addSubsystem({ nqn: NQN });
  await gateway.addHost(NQN, '*');
  await gateway.addNamespace(memory());
  const port = await freePort();
  await gateway.addListener(listener(port));
  const join = () => HostController.connect({ host: '127.0.0.1', port, subnqn: NQN, hostnqn: HOST });
  const hosts = [await join(), await join()];
  expect(monitor.condition.hosts).toEqual([HOST]);
  const loadUnderReads = async (): Promise<number> => {
    await hosts[0]?.read(1, 0, 1, 512);
    return monitor.condition.load;
  };
  await expect.poll(loadUnderReads, { timeout: 5000 }).toBeGreaterThan(0);
  await Promise.all(hosts.map((host) => host.shutdown()));
  await expect.poll(() => monitor.condition.hosts).toEqual([]);
});
