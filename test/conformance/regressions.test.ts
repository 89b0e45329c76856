/** Bugs that a review found, each with the story that showed it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HostController } from '../initiator/controller.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, withHost } from './expectations.ts';
import { eventually, within } from './waiting.ts';
import { EXTERNAL, NS_READ_ONLY, NS_SMALL, NS4K, NS512, startWorld, type World } from './world.ts';

const MIB = 1024 * 1024;

describe.skipIf(EXTERNAL)('a backend that stands still and keeps every data buffer', () => {
  let world: World;
  let host: HostController;
  beforeEach(async () => {
    world = await startWorld({ settings: { bufferPoolBytes: MIB } });
    host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
    const device = world.control!.device(NS512);
    device.hold();
    for (let i = 0; i < 4; i++) void host.write(NS512, i * 512, 512, Buffer.alloc(MIB / 4)).catch(() => {});
    await eventually('every buffer to be at the device', () => device.heldCount === 4);
    expect(world.control!.borrowedBytes()).toBe(MIB);
  });
  afterEach(async () => {
    world.control!.device(NS512).release();
    await host.drop();
    await eventually('every buffer to be back', () => world.control!.borrowedBytes() === 0);
    await world.stop();
  });

  it('does not keep a host from the ANA log', async () => {
    expect((await within('the ANA log', host.anaLog(), 2000)).groups.length).toBeGreaterThan(0);
  });

  it('does not keep a host from the path status of a group that is not served', async () => {
    const before = host.read(NS512, 0, 8, 512);
    await host.keepAlive();
    expect(host.io[0].outstanding).toBe(5);
    world.control!.setAna('a', 1, 'inaccessible');
    expectStatus(await within('the answer', before, 2000), Status.anaInaccessible);
    for (const inCapsule of [true, false]) {
      const write = host.write(NS512, 0, 8, Buffer.alloc(4096), { inCapsule });
      expectStatus(await within('the answer', write, 2000), Status.anaInaccessible);
    }
    expectStatus(await within('the answer', host.read(NS512, 0, 8, 512), 2000), Status.anaInaccessible);
  });

  it('does not keep another host from connecting', async () => {
    await within(
      'another host',
      withHost(world, {}, (other) => other.anaLog()),
      2000,
    );
  });
});

describe.skipIf(EXTERNAL)('keep-alive', () => {
  it('counts completions: an older Linux that sees them sends no Keep Alive', async () => {
    const world = await startWorld();
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn, kato: 500 });
    const namespaces = [NS512, NS4K, NS_SMALL, NS_READ_ONLY];
    const devices = namespaces.map((nsid) => world.control!.device(nsid));
    for (const device of devices) device.hold();
    const reads = namespaces.map((nsid) => host.read(nsid, 0, 1, nsid === NS4K ? 4096 : 512));
    host.stopKeepAlive();
    // One completion every 400 ms and not one command: three times KATO in all.
    for (const [i, device] of devices.entries()) {
      await new Promise((resolve) => setTimeout(resolve, 400));
      device.release();
      expectStatus(await within('the read', reads[i], 2000), Status.success);
    }
    expect(host.admin.closed).toBe(null);
    await host.drop();
    await world.stop();
  });
});

it.skipIf(EXTERNAL)(
  'in-capsule data to a device that stands still does not take memory far past the limit',
  async () => {
    const world = await startWorld({ settings: { bufferPoolBytes: MIB } });
    const device = world.control!.device(NS512);
    const hosts = await Promise.all(
      Array.from({ length: 4 }, () =>
        HostController.connect({ ...world.a, subnqn: world.subnqn, ioQueues: 8 }),
      ),
    );
    device.hold();
    const data = Buffer.alloc(8192, 0x5a);
    const writes = hosts.flatMap((host) =>
      host.io.flatMap((queue) =>
        Array.from({ length: 120 }, (_, i) => host.write(NS512, i * 16, 16, data, { queue })),
      ),
    );
    let seen = -1;
    await eventually('the device to get no more', async () => {
      const before = seen;
      await new Promise((resolve) => setTimeout(resolve, 200));
      seen = device.heldCount;
      return seen > 0 && seen === before;
    });
    // 32 connections, 30 MiB of data: each may be ahead by one read from its socket.
    expect(world.control!.borrowedBytes()).toBeLessThan(12 * MIB);
    device.release();
    for (const write of await Promise.all(writes)) expectStatus(write, Status.success);
    await Promise.all(hosts.map((host) => host.drop()));
    await eventually('every buffer to be back', () => world.control!.borrowedBytes() === 0);
    await world.stop();
  },
);

it.skipIf(EXTERNAL)('nor does it with hosts that come back again and again', async () => {
  const world = await startWorld({ settings: { bufferPoolBytes: MIB } });
  const device = world.control!.device(NS512);
  device.hold();
  const data = Buffer.alloc(8192, 0x5a);
  const used: number[] = [];
  for (let cycle = 0; cycle < 5; cycle++) {
    const hosts = await Promise.all(
      Array.from({ length: 2 }, () =>
        HostController.connect({ ...world.a, subnqn: world.subnqn, ioQueues: 8 }),
      ),
    );
    // Other blocks in each round, so that no write waits for one of a lost connection.
    for (const queue of hosts.flatMap((host) => host.io)) {
      for (let i = 0; i < 120; i++)
        void hosts[0].write(NS512, (cycle * 800 + i) * 16, 16, data, { queue }).catch(() => {});
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    await Promise.all(hosts.map((host) => host.drop()));
    await eventually('the connections to be gone', () => world.control!.connectionCount() === 0);
    used.push(world.control!.borrowedBytes());
  }
  expect(used.at(-1)! - used[1]).toBeLessThan(MIB);
  device.release();
  expect(world.control!.borrowedBytes()).toBe(0);
  await world.stop();
});
