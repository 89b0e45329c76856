/** Controller ids, several controllers of one host, and what ends with what. */
import { describe, expect, it } from 'vitest';
import { ConnectRefused, freshHost, HostController } from '../initiator/controller.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, withHost } from './expectations.ts';
import { pattern } from './random.ts';
import { eventually, within } from './waiting.ts';
import { EXTERNAL, NS512, startWorld, type World } from './world.ts';

describe.skipIf(EXTERNAL)('controllers', () => {
  async function inWorld(
    options: Parameters<typeof startWorld>[0],
    body: (world: World) => Promise<void>,
  ): Promise<void> {
    const world = await startWorld(options);
    try {
      await body(world);
      await eventually('every controller to be gone', () => world.control!.controllerCount() === 0);
      expect(world.control!.borrowedBytes()).toBe(0);
    } finally {
      await world.stop();
    }
  }

  it('ids come from the range, are not used twice at a time, and when all are taken the host is put off without DNR', async () => {
    await inWorld({ cntlids: [100, 103] }, async (world) => {
      const hosts: HostController[] = [];
      for (let i = 0; i < 4; i++)
        hosts.push(await HostController.connect({ ...world.a, subnqn: world.subnqn }));
      expect(hosts.map((host) => host.cntlid).sort()).toEqual([100, 101, 102, 103]);
      const refused = await HostController.connectAdmin({ ...world.a, subnqn: world.subnqn }).catch(
        (cause: unknown) => cause,
      );
      expect(refused).toBeInstanceOf(ConnectRefused);
      expectStatus((refused as ConnectRefused).completion, Status.connectControllerBusy);
      expect((refused as ConnectRefused).completion.dnr).toBe(false);
      // The other port has ids of its own.
      await withHost(world, { ...world.b }, async (other) => expect(other.cntlid).toBeGreaterThan(103));
      const [gone] = hosts.splice(1, 1);
      await gone.drop();
      await eventually('the controller to be gone', () => world.control!.controllerCount() === 3);
      hosts.push(await HostController.connect({ ...world.a, subnqn: world.subnqn }));
      expect(hosts.at(-1)!.cntlid).toBe(gone.cntlid);
      for (const host of hosts) await host.shutdown();
    });
  });

  it('an id is not given again at once when there are others', async () => {
    await inWorld({}, async (world) => {
      const seen = new Set<number>();
      for (let i = 0; i < 50; i++) {
        const host = await HostController.connectAdmin({ ...world.a, subnqn: world.subnqn });
        expect(seen.has(host.cntlid)).toBe(false);
        seen.add(host.cntlid);
        await host.drop();
      }
    });
  });

  it('a host that comes back while its old connections still hang gets a new controller and loses nothing', async () => {
    await inWorld({}, async (world) => {
      const identity = freshHost();
      const device = world.control!.device(NS512);
      const old = await HostController.connect({
        ...world.a,
        subnqn: world.subnqn,
        ...identity,
        ioQueues: 2,
      });
      const data = pattern(65536, 1);
      expectStatus(await old.write(NS512, 0, 128, data), Status.success);
      device.hold();
      const stuck = Array.from({ length: 8 }, (_, i) => old.read(NS512, i * 16, 16, 512));
      await eventually('the reads to reach the device', () => device.heldCount === 8);
      const again = await HostController.connect({
        ...world.a,
        subnqn: world.subnqn,
        ...identity,
        ioQueues: 2,
      });
      expect(again.cntlid).not.toBe(old.cntlid);
      device.release();
      const reads = await Promise.all(stuck);
      reads.forEach((completion, i) => {
        expect(completion.data.equals(data.subarray(i * 8192, (i + 1) * 8192))).toBe(true);
      });
      expect((await again.read(NS512, 0, 128, 512)).data.equals(data)).toBe(true);
      await old.drop();
      expect((await again.read(NS512, 0, 128, 512)).data.equals(data)).toBe(true);
      await again.shutdown();
    });
  });

  it('the end of the admin connection ends the I/O queues at once', async () => {
    await inWorld({}, async (world) => {
      const host = await HostController.connect({ ...world.a, subnqn: world.subnqn, ioQueues: 4 });
      host.admin.connection.reset();
      await within(
        'the end of the I/O queues',
        Promise.all(host.io.map((queue) => queue.connection.ended)),
        1000,
      );
      await host.drop();
    });
  });

  it('removing the subsystem ends its controllers and no others', async () => {
    await inWorld({}, async (world) => {
      world.control!.addSubsystem('nqn.2026-11.test:short');
      const short = await HostController.connect({ ...world.a, subnqn: 'nqn.2026-11.test:short' });
      await withHost(world, {}, async (host) => {
        world.control!.removeSubsystem('nqn.2026-11.test:short');
        await within(
          'the end of the controller',
          Promise.all([short.admin, ...short.io].map((queue) => queue.connection.ended)),
        );
        expectStatus(await host.flush(NS512), Status.success);
      });
      await short.drop();
    });
  });

  it('the end of a host with commands at the device leaves nothing when they come back', async () => {
    await inWorld({}, async (world) => {
      const device = world.control!.device(NS512);
      device.hold();
      const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
      const open = Array.from({ length: 60 }, (_, i) =>
        (i % 3 === 0
          ? host.write(NS512, i * 8, 8, pattern(4096, i), { inCapsule: i % 2 === 0 })
          : host.read(NS512, i * 8, 64, 512)
        ).catch(() => null),
      );
      await eventually('all to reach the device', () => device.heldCount === 60);
      await host.drop();
      await Promise.all(open);
      await eventually('the controller to be gone', () => world.control!.controllerCount() === 0);
      device.release();
      expect(world.control!.borrowedBytes()).toBe(0);
      await withHost(world, {}, async (next) =>
        expectStatus(await next.read(NS512, 0, 64, 512), Status.success),
      );
    });
  });

  it('a controller reset with commands at the device: no answer of old commands on new queues', async () => {
    await inWorld({}, async (world) => {
      const device = world.control!.device(NS512);
      const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
      for (let round = 0; round < 20; round++) {
        device.hold();
        const [queue] = host.io.splice(0);
        const open = Array.from({ length: 16 }, (_, i) =>
          host.read(NS512, i, 1, 512, { queue }).catch(() => null),
        );
        await eventually('all to reach the device', () => device.heldCount === 16);
        await queue.close();
        await host.setCc(0x00460000);
        await host.enable();
        await host.startIo();
        device.release();
        await Promise.all(open);
        for (let i = 0; i < 16; i++) expectStatus(await host.read(NS512, i, 1, 512), Status.success);
      }
      expect(host.violations).toEqual([]);
      await host.shutdown();
    });
  });
});
