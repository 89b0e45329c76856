/** What the gateway says of what was done, as hosts did it. */
import { describe, expect, it } from 'vitest';
import { SIZES_KIB } from '../../src/target/connection-stats.ts';
import { code, host, makeRig, memory, NQN, serveOne } from './rig.ts';

describe('statistics of namespaces', () => {
  it('count what hosts did to each', async () => {
    const { gateway } = makeRig();
    const port = await serveOne({ gateway });
    await gateway.addNamespace(memory());
    const controller = await host(port);
    await controller.write(1, 0, 8, Buffer.alloc(4096));
    await controller.write(1, 8, 8, Buffer.alloc(4096));
    await controller.read(2, 0, 1, 512);
    await controller.deallocate(2, [{ slba: 0, blocks: 16 }]);
    const { statistics } = gateway;
    const [first, second] = statistics.namespaces({ nqn: NQN });
    expect(first).toMatchObject({
      nqn: NQN,
      nsid: 1,
      writes: { count: 2, bytes: 8192 },
      reads: { count: 0 },
    });
    expect(second).toMatchObject({
      nsid: 2,
      reads: { count: 1, bytes: 512 },
      unmaps: { count: 1, bytes: 8192 },
    });
    expect(first.writes.leastMs).toBeGreaterThan(0);
    expect(first.writes.mostMs).toBeLessThanOrEqual(first.writes.latencyMs);
    expect(statistics.namespaces({ nsid: 2 })).toEqual([second]);
    expect(statistics.namespace(NQN, 2)).toEqual(second);
  });

  it('are refused for what is not there', async () => {
    const { gateway } = makeRig();
    await serveOne({ gateway });
    expect(() => gateway.statistics.namespace(NQN, 7)).toThrow(code('NAMESPACE_NOT_FOUND'));
    expect(() => gateway.statistics.namespaces({ nqn: `${NQN}9` })).toThrow(code('SUBSYSTEM_NOT_FOUND'));
    expect(gateway.statistics.namespaces({ nqn: NQN, nsid: 7 })).toEqual([]);
  });
});

describe('statistics of a host', () => {
  it('are of all its controllers here, from its first command or since they were begun anew', async () => {
    const { gateway } = makeRig();
    const port = await serveOne({ gateway });
    const controller = await host(port);
    const { hostnqn } = controller.options;
    const { statistics } = gateway;
    await controller.write(1, 0, 8, Buffer.alloc(4096));
    await controller.read(1, 0, 128, 512);
    const reads = SIZES_KIB.indexOf(64);
    const stats = statistics.host(NQN, hostnqn, true);
    expect(stats.of('write', 0)).toMatchObject({ count: 1 });
    expect(stats.of('read', reads)).toMatchObject({ count: 1 });
    expect(stats.of('read', reads).total.leastMs).toBeGreaterThan(0);
    expect(statistics.host(NQN, hostnqn, false).of('write', 0).count).toBe(0);
    expect(statistics.queues()).toMatchObject({
      admin: 1,
      io: 1,
      adminConnected: 1,
      ioConnected: 1,
      completed: 2,
    });
    statistics.countsByHost = false;
    expect(() => statistics.host(NQN, hostnqn, false)).toThrow(code('INVALID_ARGUMENT'));
    expect(() => statistics.host(NQN, 'nqn.x', false)).toThrow(code('HOST_NOT_FOUND'));
    expect(() => statistics.host('nqn.x', hostnqn, false)).toThrow(code('SUBSYSTEM_NOT_FOUND'));
  });
});

describe('statistics of threads', () => {
  it('have the one that does the work first, and those of Node', async () => {
    const { gateway } = makeRig();
    const [first, ...others] = await gateway.statistics.threads();
    expect(first).toMatchObject({ name: 'event_loop' });
    expect(first.busyMs).toBeGreaterThan(0);
    expect(others.length).toBeGreaterThan(0);
    for (const { busyMs, idleMs } of others) expect(busyMs + idleMs).toBeGreaterThan(0);
  });
});
