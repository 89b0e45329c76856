/** I/O commands: read, write, solicited data, flush, FUA, zeroes, deallocate, devices that fail (NVM command set 1.0). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cdw12, dsmRanges, dsmSqe, IoOpcode, ioSqe, sqe } from '../initiator/command.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, stopClean, withHost } from './expectations.ts';
import { pattern } from './random.ts';
import { EXTERNAL, NS_SMALL, NS4K, NS512, SMALL_BYTES, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => stopClean(world));

describe.each([
  [NS512, 512],
  [NS4K, 4096],
])('namespace %i with %i-byte blocks', (nsid, blockSize) => {
  it('reads back what was written, in every size from a block to the transfer limit', async () => {
    await withHost(world, {}, async (host) => {
      const limit = host.id.mdts === 0 ? 1024 * 1024 : 4096 * 2 ** host.id.mdts;
      let slba = 0;
      for (
        let length = blockSize;
        length <= limit;
        length = length < 8192 ? length + blockSize : length * 2
      ) {
        const blocks = length / blockSize;
        const data = pattern(length, length + nsid);
        const write = await host.write(nsid, slba, blocks, data);
        expectStatus(write, Status.success);
        expect(write.r2ts > 0, `R2T for ${length} bytes`).toBe(length > host.io[0].inCapsuleLimit);
        const read = await host.read(nsid, slba, blocks, blockSize);
        expectStatus(read, Status.success);
        expect(read.received).toBe(length);
        expect(read.data.equals(data)).toBe(true);
        slba += blocks;
        if (slba * blockSize > 16 * 1024 * 1024) slba = 0;
      }
    });
  });

  it('neighbours of a written block stay as they were', async () => {
    await withHost(world, {}, async (host) => {
      const before = pattern(blockSize * 3, 1);
      expectStatus(await host.write(nsid, 100, 3, before), Status.success);
      const middle = pattern(blockSize, 2);
      expectStatus(await host.write(nsid, 101, 1, middle), Status.success);
      middle.copy(before, blockSize);
      expect((await host.read(nsid, 100, 3, blockSize)).data.equals(before)).toBe(true);
    });
  });

  it('the last block is there, the one behind it is not', async () => {
    await withHost(world, {}, async (host) => {
      const { nsze } = await host.identifyNamespace(nsid);
      const data = pattern(blockSize, 9);
      expectStatus(await host.write(nsid, nsze - 1, 1, data), Status.success);
      expect((await host.read(nsid, nsze - 1, 1, blockSize)).data.equals(data)).toBe(true);
      for (const [slba, blocks] of [
        [nsze, 1],
        [nsze - 1, 2],
        [2 ** 32, 1],
        [2 ** 52, 1],
        [nsze - 7, 8],
      ]) {
        expectStatus(await host.read(nsid, slba, blocks, blockSize), Status.lbaRange);
        expectStatus(await host.write(nsid, slba, blocks, pattern(blocks * blockSize, 1)), Status.lbaRange);
        expectStatus(await host.writeZeroes(nsid, slba, blocks), Status.lbaRange);
      }
      expect((await host.read(nsid, nsze - 1, 1, blockSize)).data.equals(data)).toBe(true);
    });
  });

  it('SLBA with all bits set does not wrap around', async () => {
    await withHost(world, {}, async (host) => {
      const command = sqe({ opcode: IoOpcode.read, nsid, cdw: [0xffffffff, 0xffffffff, 7] });
      expectStatus(await host.io[0].submit(command, { readLength: 8 * blockSize }), Status.lbaRange);
      const zeroes = sqe({ opcode: IoOpcode.writeZeroes, nsid, cdw: [0xffffffff, 0xffffffff, 0xffff] });
      expectStatus(await host.io[0].submit(zeroes), Status.lbaRange);
    });
  });

  it('write zeroes and deallocate make zeroes, and only there', async () => {
    await withHost(world, {}, async (host) => {
      const data = pattern(blockSize * 32, 5);
      const zero = Buffer.alloc(blockSize);
      expectStatus(await host.write(nsid, 200, 32, data), Status.success);
      expectStatus(await host.writeZeroes(nsid, 204, 2), Status.success);
      expectStatus(await host.writeZeroes(nsid, 208, 1, { bits: Cdw12.deac }), Status.success);
      expectStatus(
        await host.deallocate(nsid, [
          { slba: 212, blocks: 2 },
          { slba: 220, blocks: 1 },
        ]),
        Status.success,
      );
      const now = (await host.read(nsid, 200, 32, blockSize)).data;
      for (let i = 0; i < 32; i++) {
        const zeroed = [4, 5, 8].includes(i);
        const deallocated = [12, 13, 20].includes(i);
        const block = now.subarray(i * blockSize, (i + 1) * blockSize);
        if (zeroed) expect(block.equals(zero), `block ${i}`).toBe(true);
        else if (!deallocated)
          expect(block.equals(data.subarray(i * blockSize, (i + 1) * blockSize)), `block ${i}`).toBe(true);
        else if (!EXTERNAL) expect(block.equals(zero), `block ${i}`).toBe(true);
      }
    });
  });

  it('128 commands on each of several queues at once', async () => {
    await withHost(world, { ioQueues: 4 }, async (host) => {
      const span = 8192 / blockSize;
      const writes = Array.from({ length: 400 }, (_, i) =>
        host.write(nsid, i * span, span, pattern(8192, i), {
          queue: host.io[i % host.io.length],
          ...(i % 3 === 0 ? { inCapsule: false } : {}),
        }),
      );
      for (const completion of await Promise.all(writes)) expectStatus(completion, Status.success);
      const reads = await Promise.all(
        Array.from({ length: 400 }, (_, i) =>
          host.read(nsid, i * span, span, blockSize, { queue: host.io[(i + 1) % host.io.length] }),
        ),
      );
      reads.forEach((completion, i) => {
        expect(completion.data.equals(pattern(8192, i)), `extent ${i}`).toBe(true);
      });
    });
  });
});

describe('solicited data', () => {
  it('one R2T may be answered by many H2CData PDUs', async () => {
    await withHost(world, { maxH2cData: 4096 }, async (host) => {
      const data = pattern(256 * 1024, 77);
      expectStatus(await host.write(NS512, 0, 512, data), Status.success);
      expect((await host.read(NS512, 0, 512, 512)).data.equals(data)).toBe(true);
    });
  });

  it('pieces need not be multiples of anything but 4', async () => {
    await withHost(world, { maxH2cData: 1236, hdgst: true, ddgst: true }, async (host) => {
      const data = pattern(64 * 1024, 78);
      expectStatus(await host.write(NS4K, 0, 16, data), Status.success);
      expect((await host.read(NS4K, 0, 16, 4096)).data.equals(data)).toBe(true);
    });
  });

  it('R2T answers of many commands may interleave', async () => {
    await withHost(world, {}, async (host) => {
      const queue = host.io[0];
      const waiting: (() => void)[] = [];
      const writes = Array.from({ length: 8 }, (_, i) =>
        queue.submit(ioSqe(IoOpcode.write, NS512, i * 64, 64), {
          data: pattern(32768, i),
          inCapsule: false,
          onR2t: (r2t) => {
            const data = pattern(32768, i);
            let at = r2t.offset;
            const step = () => {
              const end = Math.min(at + 8192, r2t.offset + r2t.length);
              queue.connection.send(
                queue.h2cData(
                  r2t.cccid,
                  r2t.ttag,
                  at,
                  data.subarray(at, end),
                  end === r2t.offset + r2t.length,
                ),
              );
              at = end;
              if (at < r2t.offset + r2t.length) waiting.push(step);
            };
            waiting.push(step);
          },
        }),
      );
      let done = false;
      const all = Promise.all(writes).finally(() => {
        done = true;
      });
      // Last come, first served: the worst order.
      while (!done) {
        if (waiting.length >= 4 || waiting.length > 0) waiting.pop()!();
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (const completion of await all) expectStatus(completion, Status.success);
      for (let i = 0; i < 8; i++) {
        expect((await host.read(NS512, i * 64, 64, 512)).data.equals(pattern(32768, i))).toBe(true);
      }
    });
  });

  it('a host that waits long before it answers an R2T holds nobody up', async () => {
    await withHost(world, {}, async (slow) => {
      await withHost(world, {}, async (quick) => {
        let go: () => void = () => undefined;
        const gate = new Promise<void>((resolve) => {
          go = resolve;
        });
        const write = slow.write(NS512, 0, 128, pattern(65536, 4), {
          inCapsule: false,
          beforeR2tAnswer: () => gate,
        });
        for (let i = 0; i < 50; i++) {
          expectStatus(await slow.read(NS512, 1000, 8, 512), Status.success);
          expectStatus(await quick.read(NS512, 1000, 8, 512), Status.success);
        }
        go();
        expectStatus(await write, Status.success);
      });
    });
  });
});

describe('Flush and FUA', () => {
  it.skipIf(EXTERNAL)('reach the device', async () => {
    await withHost(world, {}, async (host) => {
      const device = world.control!.device(NS512);
      const { flush, fua } = device.counts;
      expectStatus(await host.flush(NS512), Status.success);
      expect(device.counts.flush).toBe(flush + 1);
      expectStatus(await host.write(NS512, 0, 1, pattern(512, 1), { bits: Cdw12.fua }), Status.success);
      expectStatus(await host.write(NS512, 0, 1, pattern(512, 1)), Status.success);
      expectStatus(await host.writeZeroes(NS512, 0, 1, { bits: Cdw12.fua }), Status.success);
      expect(device.counts.fua).toBe(fua + 2);
    });
  });

  it('Flush of all namespaces does what VWC says', async () => {
    await withHost(world, {}, async (host) => {
      const completion = await host.flush(0xffffffff);
      const behaviour = (host.id.vwc >> 1) & 3;
      if (behaviour === 3) expectStatus(completion, Status.success);
      else if (behaviour === 2) expectStatus(completion, Status.invalidNamespace);
    });
  });
});

describe('Dataset Management', () => {
  it('256 ranges are taken', async () => {
    await withHost(world, {}, async (host) => {
      expectStatus(await host.write(NS512, 0, 512, pattern(262144, 2), { inCapsule: false }), Status.success);
      const ranges = Array.from({ length: 256 }, (_, i) => ({ slba: i * 2, blocks: 1 }));
      expectStatus(await host.deallocate(NS512, ranges), Status.success);
      if (EXTERNAL) return;
      const now = (await host.read(NS512, 0, 512, 512)).data;
      for (let i = 0; i < 512; i++) {
        expect(now.subarray(i * 512, i * 512 + 512).every((byte) => byte === 0)).toBe(i % 2 === 0);
      }
    });
  });

  it.skipIf(EXTERNAL)('a range past the end is refused and no range is done', async () => {
    await withHost(world, {}, async (host) => {
      const data = pattern(512, 3);
      expectStatus(await host.write(NS_SMALL, 0, 1, data), Status.success);
      const blocks = SMALL_BYTES / 512;
      for (const bad of [
        { slba: blocks, blocks: 1 },
        { slba: blocks - 1, blocks: 2 },
        { slba: 0, blocks: 0xffffffff },
        { slba: 2 ** 52, blocks: 1 },
      ]) {
        expectStatus(await host.deallocate(NS_SMALL, [{ slba: 0, blocks: 1 }, bad]), Status.lbaRange);
      }
      const wrapping = dsmRanges([{ slba: 0, blocks: 1 }]);
      wrapping.fill(0xff, 8, 16);
      expectStatus(await host.io[0].submit(dsmSqe(NS_SMALL, 1), { data: wrapping }), Status.lbaRange);
      expect((await host.read(NS_SMALL, 0, 1, 512)).data.equals(data)).toBe(true);
    });
  });

  it('ranges may come solicited', async () => {
    await withHost(world, {}, async (host) => {
      expectStatus(
        await host.deallocate(
          NS512,
          [
            { slba: 0, blocks: 8 },
            { slba: 64, blocks: 8 },
          ],
          { inCapsule: false },
        ),
        Status.success,
      );
    });
  });

  it('without the deallocate attribute nothing happens', async () => {
    await withHost(world, {}, async (host) => {
      const data = pattern(512, 3);
      expectStatus(await host.write(NS512, 0, 1, data), Status.success);
      expectStatus(
        await host.io[0].submit(dsmSqe(NS512, 1, 3), { data: dsmRanges([{ slba: 0, blocks: 1 }]) }),
        Status.success,
      );
      expect((await host.read(NS512, 0, 1, 512)).data.equals(data)).toBe(true);
    });
  });

  it('data that does not fit the number of ranges is Data SGL Length Invalid', async () => {
    await withHost(world, {}, async (host) => {
      const completion = await host.io[0].submit(dsmSqe(NS512, 4), {
        data: dsmRanges([{ slba: 0, blocks: 1 }]),
      });
      expectStatus(completion, Status.dataSglLength);
    });
  });
});

describe.skipIf(EXTERNAL)('a device that fails', () => {
  it.each([
    ['ioError', Status.unrecoveredRead, Status.writeFault, null],
    ['noSpace', null, Status.capacityExceeded, null],
    ['readOnly', null, Status.namespaceWriteProtected, null],
    ['outOfRange', Status.lbaRange, Status.lbaRange, null],
    ['fenced', Status.anaInaccessible, Status.anaInaccessible, false],
    ['gone', Status.anaInaccessible, Status.anaInaccessible, false],
  ] as const)('%s', async (failure, onRead, onWrite, dnr) => {
    await withHost(world, {}, async (host) => {
      const device = world.control!.device(NS_SMALL);
      device.failWith = failure;
      try {
        if (onRead !== null) {
          const read = await host.read(NS_SMALL, 0, 1, 512);
          expectStatus(read, onRead);
          expect(read.received).toBe(0);
          if (dnr !== null) expect(read.dnr).toBe(dnr);
        }
        const write = await host.write(NS_SMALL, 0, 1, pattern(512, 1));
        expectStatus(write, onWrite);
        if (dnr !== null) expect(write.dnr).toBe(dnr);
        expect((await host.flush(NS_SMALL)).status).not.toBe(0);
      } finally {
        device.failWith = 'ok';
      }
      expectStatus(await host.read(NS_SMALL, 0, 1, 512), Status.success);
    });
  });
});
