/** Controller properties over fabrics: values, wrong offsets and sizes, enable, reset, shutdown, fatal status. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Property } from '../initiator/command.ts';
import { HostController } from '../initiator/controller.ts';
import { QueueClosed } from '../initiator/queue.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, stopClean, withHost } from './expectations.ts';
import { pattern } from './random.ts';
import { eventually } from './waiting.ts';
import { EXTERNAL, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => stopClean(world));

describe('Property Get', () => {
  it('CAP says contiguous queues, a timeout, the NVM command set and 4 KiB pages', async () => {
    await withHost(world, {}, async (host) => {
      expect(Number(host.cap & 0xffffn)).toBeGreaterThanOrEqual(127);
      expect((host.cap >> 16n) & 1n, 'CQR').toBe(1n);
      expect(Number((host.cap >> 24n) & 0xffn), 'TO').toBeGreaterThan(0);
      expect((host.cap >> 37n) & 1n, 'CSS NVM').toBe(1n);
      expect((host.cap >> 48n) & 0xfn, 'MPSMIN').toBe(0n);
    });
  });

  it('VS, CC and CSTS agree with Identify and with what was set', async () => {
    await withHost(world, {}, async (host) => {
      expect(host.version).toBe(host.id.version);
      expect(host.version).toBeGreaterThanOrEqual(0x10300);
      const cc = Number((await host.propertyGet(Property.cc, 4)).value);
      expect(cc & 1).toBe(1);
      expect((cc >> 16) & 0xff).toBe(0x46);
      expect(await host.csts()).toBe(1);
    });
  });

  it.each<[string, number, 4 | 8]>([
    ['CAP with 4 bytes', Property.cap, 4],
    ['CSTS with 8 bytes', Property.csts, 8],
    ['a reserved offset', 0x1000, 4],
    ['an offset inside CAP', 4, 4],
    ['an offset near 2^32', 0xfffffffc, 4],
  ])('%s is Invalid Field', async (_name, offset, size) => {
    await withHost(world, {}, async (host) => {
      expectStatus((await host.propertyGet(offset, size)).completion, Status.invalidField);
    });
  });
});

describe('Property Set', () => {
  it.each<[string, number, 4 | 8]>([
    ['CAP', Property.cap, 8],
    ['VS', Property.vs, 4],
    ['CSTS', Property.csts, 4],
    ['a reserved offset', 0x1000, 4],
  ])('%s is Invalid Field and changes nothing', async (_name, offset, size) => {
    await withHost(world, {}, async (host) => {
      expectStatus(await host.propertySet(offset, 0, size), Status.invalidField);
      expect(await host.csts()).toBe(1);
    });
  });

  it('on an I/O queue is refused', async () => {
    await withHost(world, {}, async (host) => {
      const { propertyGetSqe } = await import('../initiator/command.ts');
      const completion = await host.io[0].submit(propertyGetSqe(Property.csts, 4));
      expect(completion.status).not.toBe(0);
      expectStatus(await host.flush(1), Status.success);
    });
  });
});

describe('CC.EN', () => {
  it('0 resets the controller: not ready, I/O queues gone; 1 brings it back on the same admin queue', async () => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn, ioQueues: 2 });
    const data = pattern(4096, 7);
    expectStatus(await host.write(1, 64, 8, data), Status.success);
    const queues = host.io.splice(0);
    await host.setCc(0x00460000);
    await host.waitCsts((csts) => (csts & 1) === 0, 'CSTS.RDY 0');
    if (!EXTERNAL) await Promise.all(queues.map((queue) => queue.connection.ended));
    await Promise.all(queues.map((queue) => queue.close()));
    await host.enable();
    await host.startIo();
    expect((await host.read(1, 64, 8, 512)).data.equals(data)).toBe(true);
    expect(host.violations).toEqual([]);
    await host.shutdown();
  });

  it('commands other than fabrics ones on a controller that is not ready are refused', async () => {
    const host = await HostController.connectAdmin({ ...world.a, subnqn: world.subnqn });
    expectStatus(await host.identify({ cns: 1 }), Status.commandSequence);
    await host.enable();
    expectStatus(await host.identify({ cns: 1 }), Status.success);
    await host.drop();
  });

  it('1000 resets with I/O open lose nothing and leave nothing', async () => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
    for (let round = 0; round < (EXTERNAL ? 5 : 200); round++) {
      const [queue] = host.io.splice(0);
      const reads = Array.from({ length: 8 }, (_, i) =>
        host.read(1, i * 8, 8, 512, { queue }).catch((e: unknown) => e),
      );
      await host.setCc(0x00460000);
      await queue.close();
      for (const outcome of await Promise.all(reads)) {
        if (!(outcome instanceof QueueClosed)) expect(outcome).toMatchObject({ status: 0 });
      }
      await host.enable();
      await host.startIo();
    }
    await host.shutdown();
    if (world.control) await eventually('no controller left', () => world.control!.controllerCount() === 0);
  });
});

describe.skipIf(EXTERNAL)('unsupported settings', () => {
  it.each([
    ['queue entry sizes 0', 0x00000001],
    ['IOSQES 7', 0x00470001],
    ['memory page size 8 KiB', 0x00460081],
    ['a reserved arbitration', 0x00461001],
    ['a reserved command set', 0x00460031],
  ])('%s: the controller does not become ready, and a good value mends it', async (_name, value) => {
    const host = await HostController.connectAdmin({ ...world.a, subnqn: world.subnqn });
    await host.propertySet(Property.cc, value);
    expect((await host.csts()) & 1).toBe(0);
    await host.propertySet(Property.cc, 0x00460000);
    await host.enable();
    expect(await host.csts()).toBe(1);
    await host.drop();
  });
});

describe('shutdown', () => {
  it.each([1, 2])('CC.SHN %i is answered by CSTS.SHST 2', async (shn) => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
    await host.setCc(0x00460001 | (shn << 14));
    const csts = await host.waitCsts((value) => ((value >> 2) & 3) === 2, 'SHST');
    expect(csts & 2).toBe(0);
    await host.drop();
  });

  it.skipIf(EXTERNAL)('after shutdown a controller reset brings it back', async () => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
    await host.setCc(0x00464001);
    await host.waitCsts((value) => ((value >> 2) & 3) === 2, 'SHST');
    for (const queue of host.io.splice(0)) await queue.close();
    await host.setCc(0x00460000);
    await host.enable();
    await host.startIo();
    expectStatus(await host.flush(1), Status.success);
    await host.shutdown();
  });
});
