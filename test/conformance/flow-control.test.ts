/** SQ flow control on and off: SQHD, the SUCCESS flag, queue overrun (NVMe Base 2.0 section 3.3.1.2.1, NVMe/TCP 1.1 section 3.3.2.2). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HostController } from '../initiator/controller.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, stopClean, withHost } from './expectations.ts';
import { pattern } from './random.ts';
import { within } from './waiting.ts';
import { EXTERNAL, NS512, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => stopClean(world));

describe('with flow control', () => {
  it('SQHD follows every command around the ring and SUCCESS is never used', async () => {
    await withHost(world, { ioDepth: 8 }, async (host) => {
      const queue = host.io[0];
      let last = queue.lastSqhd;
      expect(last, 'Connect took the first entry').toBe(1);
      for (let i = 0; i < 40; i++) {
        const completion = await host.read(NS512, i, 1, 512);
        expectStatus(completion, Status.success);
        expect(completion.bySuccessFlag).toBe(false);
        expect(completion.sqhd).toBe((last + 1) % 8);
        last = completion.sqhd;
      }
    });
  });

  it('a queue of two entries works', async () => {
    await withHost(world, { ioDepth: 2 }, async (host) => {
      for (let i = 0; i < 10; i++)
        expectStatus(await host.write(NS512, i, 1, pattern(512, i)), Status.success);
      const reads = await Promise.all(Array.from({ length: 10 }, (_, i) => host.read(NS512, i, 1, 512)));
      reads.forEach((completion, i) => {
        expect(completion.data.equals(pattern(512, i))).toBe(true);
      });
    });
  });

  it.skipIf(EXTERNAL)('queues of 1024 entries, all full', async () => {
    const deep = await startWorld({ settings: { maxIoQueueDepth: 1024 } });
    await withHost(deep, { ioDepth: 1024, ioQueues: 4 }, async (host) => {
      expect(Number(host.cap & 0xffffn)).toBe(1023);
      const device = deep.control!.device(NS512);
      device.hold();
      const reads = host.io.flatMap((queue) =>
        Array.from({ length: 1023 }, (_, i) => host.read(NS512, i, 1, 512, { queue })),
      );
      await within(
        'all to reach the device',
        until(() => device.heldCount === 4 * 1023),
      );
      device.release();
      for (const completion of await Promise.all(reads)) expectStatus(completion, Status.success);
    });
    await stopClean(deep);
  });

  it('SQHD is right with the queue full all the time', async () => {
    await withHost(world, { ioDepth: 16 }, async (host) => {
      const seen = await Promise.all(Array.from({ length: 500 }, (_, i) => host.read(NS512, i, 1, 512)));
      // Commands are fetched in order: heads never go back, seen in the order of completions.
      expect(seen.every((completion) => completion.sqhd < 16)).toBe(true);
      expect(host.io[0].lastSqhd).toBe((500 + 1) % 16);
    });
  });
});

describe('without flow control', () => {
  it('Connect answers SQHD FFFFh, reads end with the SUCCESS flag, everything else has a response', async () => {
    await withHost(world, { flowControlOff: true, ioQueues: 2 }, async (host) => {
      expect(host.io[0].lastSqhd).toBe(0);
      const data = pattern(65536, 1);
      const write = await host.write(NS512, 0, 128, data);
      expectStatus(write, Status.success);
      expect(write.bySuccessFlag).toBe(false);
      const read = await host.read(NS512, 0, 128, 512);
      expect(read.bySuccessFlag).toBe(true);
      expect(read.data.equals(data)).toBe(true);
      const failed = await host.read(NS512, 2 ** 40, 1, 512);
      expectStatus(failed, Status.lbaRange);
      expect(failed.bySuccessFlag).toBe(false);
    });
  });

  it.skipIf(EXTERNAL)('every response says FFFFh', async () => {
    await withHost(world, { flowControlOff: true }, async (host) => {
      for (const completion of [
        await host.flush(NS512),
        await host.write(NS512, 0, 1, pattern(512, 1)),
        await host.keepAlive(),
      ]) {
        expect(completion.sqhd).toBe(0xffff);
      }
    });
  });

  it('a completion that carries a value is never the SUCCESS flag', async () => {
    await withHost(world, { flowControlOff: true }, async (host) => {
      const cap = await host.propertyGet(0, 8);
      expect(cap.value).toBe(host.cap);
    });
  });
});

describe.skipIf(EXTERNAL)('more commands than the queue has entries', () => {
  it('end the connection, or are answered; other hosts go on', async () => {
    await withHost(world, {}, async (other) => {
      const host = await HostController.connect({ ...world.a, subnqn: world.subnqn, ioDepth: 16 });
      const device = world.control!.device(NS512);
      device.hold();
      const queue = host.io[0];
      queue.checkSqhd = false;
      const { ioSqe, IoOpcode, Sgl, setSgl } = await import('../initiator/command.ts');
      for (let cid = 0; cid < 64; cid++) {
        const command = ioSqe(IoOpcode.read, NS512, 0, 1);
        command.writeUInt16LE(0x4000 + cid, 2);
        setSgl(command, Sgl.transport, 512);
        queue.connection.send(queue.capsule(command));
      }
      await within(
        'the end of the overrun queue',
        until(() => queue.connection.isOver || queue.termReq !== null),
      );
      device.release();
      expectStatus(await other.read(NS512, 0, 8, 512), Status.success);
      await host.drop();
    });
  });
});

async function until(probe: () => boolean): Promise<void> {
  while (!probe()) await new Promise((resolve) => setTimeout(resolve, 2));
}
