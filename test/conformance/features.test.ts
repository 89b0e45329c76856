/** Get and Set Features, Abort, Keep Alive, unknown admin commands (NVMe Base 2.0 section 5). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdminOpcode, Feature, sqe } from '../initiator/command.ts';
import { HostController } from '../initiator/controller.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, stopClean, withHost } from './expectations.ts';
import { within } from './waiting.ts';
import { EXTERNAL, NS512, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => stopClean(world));

describe('Number of Queues', () => {
  it('grants at most what was asked for and at least one of each', async () => {
    const host = await HostController.connectAdmin({ ...world.a, subnqn: world.subnqn });
    await host.enable();
    for (const asked of [1, 2, 64, 0xfffe]) {
      const completion = await host.setFeature(Feature.numberOfQueues, (asked - 1) | ((asked - 1) << 16));
      expectStatus(completion, Status.success);
      const [sq, cq] = [(completion.dw0 & 0xffff) + 1, (completion.dw0 >>> 16) + 1];
      expect(sq).toBeGreaterThanOrEqual(1);
      expect(cq).toBeGreaterThanOrEqual(1);
      if (!EXTERNAL) {
        expect(sq).toBe(Math.min(asked, world.control!.settings.maxIoQueues));
        expect(cq).toBe(sq);
      }
    }
    await host.drop();
  });

  it.skipIf(EXTERNAL)('FFFFh is Invalid Field', async () => {
    const host = await HostController.connectAdmin({ ...world.a, subnqn: world.subnqn });
    await host.enable();
    expectStatus(await host.setFeature(Feature.numberOfQueues, 0xffffffff), Status.invalidField);
    expectStatus(await host.setFeature(Feature.numberOfQueues, 0x0000ffff), Status.invalidField);
    await host.drop();
  });

  it.skipIf(EXTERNAL)('after I/O queues exist it is a Command Sequence Error', async () => {
    await withHost(world, {}, async (host) => {
      expectStatus(await host.setFeature(Feature.numberOfQueues, 0), Status.commandSequence);
    });
  });
});

describe('Get Features', () => {
  it('Async Event Configuration and KATO return what was set', async () => {
    await withHost(world, { kato: 5000 }, async (host) => {
      expectStatus(await host.setFeature(Feature.asyncEvent, 0x900), Status.success);
      expect((await host.getFeature(Feature.asyncEvent)).dw0).toBe(0x900);
      expect((await host.getFeature(Feature.keepAlive)).dw0).toBe(5000);
      expectStatus(await host.setFeature(Feature.keepAlive, 8000), Status.success);
      expect((await host.getFeature(Feature.keepAlive)).dw0).toBe(8000);
    });
  });

  it('the host identifier is the 16 bytes of Connect', async () => {
    await withHost(world, {}, async (host) => {
      const command = sqe({ opcode: AdminOpcode.getFeatures, cdw: [Feature.hostIdentifier, 1] });
      const completion = await host.admin.submit(command, { readLength: 16 });
      expectStatus(completion, Status.success);
      expect(completion.data.equals(host.options.hostid)).toBe(true);
    });
  });

  it('what Linux and nvme-cli ask for is there', async () => {
    await withHost(world, {}, async (host) => {
      const vwc = (host.id.vwc & 1) === 1;
      for (const fid of [
        Feature.numberOfQueues,
        Feature.asyncEvent,
        Feature.keepAlive,
        ...(vwc ? [Feature.volatileWriteCache] : []),
      ]) {
        expectStatus(await host.getFeature(fid), Status.success);
      }
    });
  });

  it.each([0x7b, 0xff, 0x00])('an unknown feature %i is Invalid Field', async (fid) => {
    await withHost(world, {}, async (host) => {
      expectStatus(await host.getFeature(fid), Status.invalidField);
      expectStatus(await host.setFeature(fid, 0), Status.invalidField);
    });
  });

  it.skipIf(EXTERNAL)('SAVE is refused: nothing can be saved', async () => {
    await withHost(world, {}, async (host) => {
      expectStatus(
        await host.setFeature(Feature.asyncEvent, 0x900, { save: true }),
        Status.featureNotSaveable,
        Status.invalidField,
      );
    });
  });

  it('the host identifier cannot be set on fabrics', async () => {
    await withHost(world, {}, async (host) => {
      const command = sqe({ opcode: AdminOpcode.setFeatures, cdw: [Feature.hostIdentifier, 1] });
      const completion = await host.admin.submit(command, { data: Buffer.alloc(16, 1), inCapsule: true });
      expect(completion.status).not.toBe(0);
    });
  });
});

describe('Abort', () => {
  it('a command that is not there succeeds with bit 0 set: not aborted', async () => {
    await withHost(world, {}, async (host) => {
      const completion = await host.admin.submit(sqe({ opcode: AdminOpcode.abort, cdw: [0x7ffe0000 | 1] }));
      expectStatus(completion, Status.success);
      expect(completion.dw0 & 1).toBe(1);
    });
  });

  it('an Asynchronous Event Request is aborted, or said not to be', async () => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
    const pending = host.asyncEvent();
    // The queue counts CIDs from 0 and this is its only open command.
    const cid = [...host.admin.openCids()][0];
    const completion = await host.admin.submit(sqe({ opcode: AdminOpcode.abort, cdw: [(cid << 16) >>> 0] }));
    expectStatus(completion, Status.success);
    if ((completion.dw0 & 1) === 0) {
      expectStatus(await within('the aborted request', pending), Status.abortRequested);
    } else pending.catch(() => undefined);
    expect(host.violations).toEqual([]);
    await host.shutdown();
  });

  it.skipIf(EXTERNAL)('a read at the device is aborted or runs on: one completion either way', async () => {
    await withHost(world, {}, async (host) => {
      const device = world.control!.device(NS512);
      device.hold();
      const read = host.read(NS512, 0, 1, 512);
      await within(
        'the read to reach the device',
        (async () => {
          while (device.heldCount === 0) await new Promise((resolve) => setImmediate(resolve));
        })(),
      );
      const cid = [...host.io[0].openCids()][0];
      const abort = await host.admin.submit(
        sqe({ opcode: AdminOpcode.abort, cdw: [((cid << 16) | 1) >>> 0] }),
      );
      expectStatus(abort, Status.success);
      device.release();
      const completion = await read;
      if ((abort.dw0 & 1) === 0) expectStatus(completion, Status.abortRequested);
      else expectStatus(completion, Status.success);
      expectStatus(await host.read(NS512, 0, 1, 512), Status.success);
    });
  });
});

describe('Keep Alive', () => {
  it('a host that says nothing for KATO is dropped; one that keeps alive is not', async () => {
    const silent = await HostController.connect({ ...world.a, subnqn: world.subnqn, kato: 1000 });
    silent.stopKeepAlive();
    const alive = await HostController.connect({ ...world.a, subnqn: world.subnqn, kato: 1000 });
    const began = performance.now();
    await within(
      'the silent host to be dropped',
      Promise.all([silent.admin, ...silent.io].map((queue) => queue.connection.ended)),
      6000,
    );
    const took = performance.now() - began;
    expect(took).toBeGreaterThan(700);
    expect(took).toBeLessThan(3500);
    expectStatus(await alive.flush(NS512), Status.success);
    await silent.drop();
    await alive.shutdown();
  });

  it.skipIf(EXTERNAL)('with traffic based keep alive, I/O alone is enough', async () => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn, kato: 500 });
    expect((host.id.ctratt >> 6) & 1, 'CTRATT.TBKAS').toBe(1);
    host.stopKeepAlive();
    const end = performance.now() + 2000;
    while (performance.now() < end) {
      expectStatus(await host.read(NS512, 0, 1, 512), Status.success);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await host.shutdown();
  });

  it.each([0x7fffffff, 0x80000000, 0xffffffff])(
    'a KATO of %i ms does not end the association early',
    async (kato) => {
      const host = await HostController.connectAdmin({ ...world.a, subnqn: world.subnqn, kato });
      host.stopKeepAlive();
      await new Promise((resolve) => setTimeout(resolve, 150));
      expect(host.admin.closed).toBeNull();
      await host.setCc(0x00460001);
      host.stopKeepAlive();
      for (const value of [0xffffffff, kato]) {
        expectStatus(
          await host.setFeature(Feature.keepAlive, value),
          Status.success,
          Status.keepAliveInvalid,
        );
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      expect(host.admin.closed).toBeNull();
      expect((await host.csts()) & 1).toBe(1);
      await host.drop();
    },
  );

  it('KATO 0 means for ever', async () => {
    await withHost(world, { kato: 0 }, async (host) => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      expectStatus(await host.flush(NS512), Status.success);
      expect(await host.csts()).toBe(1);
    });
  });

  it.skipIf(EXTERNAL)('KATO set later is kept to', async () => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
    expectStatus(await host.setFeature(Feature.keepAlive, 500), Status.success);
    await within('the host to be dropped', host.admin.connection.ended, 4000);
    await host.drop();
  });
});

describe('unknown admin commands', () => {
  it.each([
    ['Delete I/O Submission Queue', 0x00],
    ['Create I/O Submission Queue', 0x01],
    ['Delete I/O Completion Queue', 0x04],
    ['Create I/O Completion Queue', 0x05],
    ['Namespace Management', 0x0d],
    ['Firmware Commit', 0x10],
    ['Format NVM', 0x80],
    ['Security Send', 0x81],
    ['a vendor specific one', 0xc0],
  ])('%s is Invalid Opcode', async (_name, opcode) => {
    await withHost(world, {}, async (host) => {
      const completion = await host.admin.submit(sqe({ opcode, nsid: 1 }));
      expectStatus(completion, Status.invalidOpcode);
      expect(completion.dnr).toBe(true);
    });
  });

  it('an unknown fabrics command type is refused', async () => {
    await withHost(world, {}, async (host) => {
      const command = sqe({ opcode: AdminOpcode.fabrics, nsid: 0x55 });
      expect((await host.admin.submit(command)).status).not.toBe(0);
    });
  });
});
