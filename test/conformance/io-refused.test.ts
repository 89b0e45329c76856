/** I/O commands that must be refused: namespaces, opcodes, sizes, PRPs, SGL descriptors (NVMe Base 2.0 section 4.1.2). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IoOpcode, ioSqe, Sgl, setSgl, sqe } from '../initiator/command.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, stopClean, withHost } from './expectations.ts';
import { pattern } from './random.ts';
import { EXTERNAL, NS_READ_ONLY, NS512, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => stopClean(world));

describe('what a command may not be', () => {
  it.each([0, 999, 0xffffffff])('NSID %i is Invalid Namespace or Format', async (nsid) => {
    await withHost(world, {}, async (host) => {
      expectStatus(await host.read(nsid, 0, 1, 512), Status.invalidNamespace);
      expectStatus(await host.write(nsid, 0, 1, pattern(512, 1)), Status.invalidNamespace);
      expectStatus(
        await host.write(nsid, 0, 64, pattern(32768, 1), { inCapsule: false }),
        Status.invalidNamespace,
      );
    });
  });

  it.each([0x04, 0x0c, 0x0d, 0x0e, 0x11, 0x15, 0x19, 0x7d, 0xff])(
    'opcode %i is Invalid Opcode',
    async (opcode) => {
      await withHost(world, {}, async (host) => {
        const completion = await host.io[0].submit(sqe({ opcode, nsid: NS512 }));
        expectStatus(
          completion,
          Status.invalidOpcode,
          ...(EXTERNAL ? [Status.success, Status.invalidField] : []),
        );
      });
    },
  );

  it('over MDTS it is Invalid Field', async () => {
    await withHost(world, {}, async (host) => {
      if (host.id.mdts === 0) return;
      const blocks = (4096 * 2 ** host.id.mdts) / 512 + 1;
      expectStatus(await host.read(NS512, 0, blocks, 512), Status.invalidField);
      expectStatus(
        await host.write(NS512, 0, blocks, Buffer.alloc(blocks * 512), { inCapsule: false }),
        Status.invalidField,
      );
      // Write Zeroes moves no data: WZSL is 0, so any NLB goes.
      expectStatus(await host.writeZeroes(NS512, 0, blocks), Status.success);
    });
  });

  it('PRPs are Invalid Field', async () => {
    await withHost(world, {}, async (host) => {
      for (const psdt of [0x00, 0xc0]) {
        const command = ioSqe(IoOpcode.read, NS512, 0, 1);
        command[1] = psdt;
        expectStatus(await host.io[0].submit(command, { readLength: 512 }), Status.invalidField);
      }
    });
  });

  it.each([
    ['a data block by address', 0x00],
    ['a keyed data block', 0x40],
    ['a segment', 0x20],
    ['a last segment', 0x30],
    ['a bit bucket', 0x10],
    ['a transport block of another subtype', 0x5b],
    ['a vendor descriptor', 0xf0],
  ])('%s is SGL Descriptor Type Invalid', async (_name, type) => {
    await withHost(world, {}, async (host) => {
      const read = ioSqe(IoOpcode.read, NS512, 0, 1);
      setSgl(read, type, 512);
      const completion = await host.io[0].submit(read, { readLength: 512, keepSgl: true });
      expectStatus(
        completion,
        Status.sglType,
        ...(EXTERNAL ? [Status.invalidField, Status.invalidOpcode] : []),
      );
      expectStatus(await host.read(NS512, 0, 1, 512), Status.success);
    });
  });

  it('in-capsule data for a read is refused', async () => {
    await withHost(world, {}, async (host) => {
      const read = ioSqe(IoOpcode.read, NS512, 0, 1);
      setSgl(read, Sgl.inCapsule, 512);
      const completion = await host.io[0].submit(read, { readLength: 512, keepSgl: true });
      expect(completion.status).not.toBe(0);
      expect(completion.received).toBe(0);
    });
  });

  it.each([256, 1024, 0])(
    'an SGL of %i bytes for a block of 512 is Data SGL Length Invalid',
    async (length) => {
      await withHost(world, {}, async (host) => {
        const read = ioSqe(IoOpcode.read, NS512, 0, 1);
        setSgl(read, Sgl.transport, length);
        expectStatus(await host.io[0].submit(read, { readLength: 0, keepSgl: true }), Status.dataSglLength);
        const write = ioSqe(IoOpcode.write, NS512, 0, 1);
        setSgl(write, Sgl.transport, length);
        expectStatus(await host.io[0].submit(write, { keepSgl: true }), Status.dataSglLength);
      });
    },
  );

  it.skipIf(EXTERNAL)('an in-capsule offset other than 0 is SGL Offset Invalid', async () => {
    await withHost(world, {}, async (host) => {
      const write = ioSqe(IoOpcode.write, NS512, 0, 1);
      setSgl(write, Sgl.inCapsule, 512, 512);
      expectStatus(
        await host.io[0].submit(write, { data: pattern(512, 1), inCapsule: true, keepSgl: true }),
        Status.sglOffset,
      );
      expectStatus(await host.read(NS512, 0, 1, 512), Status.success);
    });
  });

  it.skipIf(EXTERNAL)(
    'an in-capsule descriptor longer than the capsule is refused, and no old bytes are written',
    async () => {
      await withHost(world, {}, async (host) => {
        const before = pattern(4096, 11);
        expectStatus(await host.write(NS512, 64, 8, before), Status.success);
        for (const inside of [0, 512]) {
          const write = ioSqe(IoOpcode.write, NS512, 64, 8);
          setSgl(write, Sgl.inCapsule, 4096);
          const completion = await host.io[0].submit(write, {
            ...(inside ? { data: pattern(inside, 1), inCapsule: true } : {}),
            keepSgl: true,
          });
          expectStatus(completion, Status.dataSglLength, Status.sglOffset);
        }
        expect((await host.read(NS512, 64, 8, 512)).data.equals(before)).toBe(true);
      });
    },
  );

  it.skipIf(EXTERNAL)('protection information is Invalid Field', async () => {
    await withHost(world, {}, async (host) => {
      expectStatus(await host.read(NS512, 0, 1, 512, { bits: 1 << 29 }), Status.invalidField);
    });
  });

  it.skipIf(EXTERNAL)(
    'a namespace that takes no writes: every way to write is refused, reads go',
    async () => {
      await withHost(world, {}, async (host) => {
        const data = pattern(512, 1);
        expectStatus(await host.write(NS_READ_ONLY, 0, 1, data), Status.namespaceWriteProtected);
        expectStatus(
          await host.write(NS_READ_ONLY, 0, 64, pattern(32768, 1), { inCapsule: false }),
          Status.namespaceWriteProtected,
        );
        expectStatus(await host.writeZeroes(NS_READ_ONLY, 0, 1), Status.namespaceWriteProtected);
        expectStatus(
          await host.deallocate(NS_READ_ONLY, [{ slba: 0, blocks: 1 }]),
          Status.namespaceWriteProtected,
        );
        const read = await host.read(NS_READ_ONLY, 0, 1, 512);
        expectStatus(read, Status.success);
        expect(read.data.every((byte) => byte === 0)).toBe(true);
      });
    },
  );
});
