/** Header and data digests: each alone, both, and what happens when one is wrong (NVMe/TCP 1.1 section 3.3.1). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IoOpcode, ioSqe, Sgl, setSgl } from '../initiator/command.ts';
import { HostController } from '../initiator/controller.ts';
import { crc32c } from '../initiator/crc32c.ts';
import { buildPdu, Fes, PduType } from '../initiator/pdu.ts';
import { QueueClosed } from '../initiator/queue.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, stopClean, withHost } from './expectations.ts';
import { pattern } from './random.ts';
import { within } from './waiting.ts';
import { NS512, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => stopClean(world));

it('the digest function is CRC-32C', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  // RFC 3720 appendix B.4.
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
  expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
  expect(crc32c(Buffer.from(Array.from({ length: 32 }, (_, i) => i)))).toBe(0x46dd794e);
});

const KINDS = [
  { hdgst: false, ddgst: false },
  { hdgst: true, ddgst: false },
  { hdgst: false, ddgst: true },
  { hdgst: true, ddgst: true },
];

describe.each(KINDS)('%o', (digests) => {
  it('is agreed on exactly as asked, and all data arrives', async () => {
    await withHost(world, digests, async (host) => {
      expect({ hdgst: host.admin.ic.hdgst, ddgst: host.admin.ic.ddgst }).toEqual(digests);
      for (const length of [512, 4096, 8192, 65536, 131072]) {
        const data = pattern(length, length);
        expectStatus(await host.write(NS512, 0, length / 512, data), Status.success);
        expectStatus(await host.write(NS512, 512, length / 512, data, { inCapsule: false }), Status.success);
        expect((await host.read(NS512, 0, length / 512, 512)).data.equals(data)).toBe(true);
        expect((await host.read(NS512, 512, length / 512, 512)).data.equals(data)).toBe(true);
      }
    });
  });

  it.each([0, 1, 3, 15, 31])('with host data alignment (HPDA) %i', async (hpda) => {
    await withHost(world, { ...digests, hpda }, async (host) => {
      const data = pattern(4096, hpda);
      expectStatus(await host.write(NS512, 0, 8, data), Status.success);
      expect((await host.read(NS512, 0, 8, 512)).data.equals(data)).toBe(true);
    });
  });
});

describe.each([false, true])('a wrong data digest, with header digest %s', (hdgst) => {
  it('in a capsule: Transient Transport Error, no DNR, nothing written, the connection lives', async () => {
    await withHost(world, { hdgst, ddgst: true }, async (host) => {
      const before = pattern(512, 1);
      expectStatus(await host.write(NS512, 5, 1, before), Status.success);
      const completion = await host.write(NS512, 5, 1, pattern(512, 2), {
        inCapsule: true,
        spoilDdgst: true,
      });
      expectStatus(completion, Status.transientTransport);
      expect(completion.dnr).toBe(false);
      expect((await host.read(NS512, 5, 1, 512)).data.equals(before)).toBe(true);
    });
  });

  it('in H2CData: the same, once all data is in', async () => {
    await withHost(world, { hdgst, ddgst: true, maxH2cData: 8192 }, async (host) => {
      const before = pattern(32768, 1);
      expectStatus(await host.write(NS512, 64, 64, before), Status.success);
      const completion = await host.write(NS512, 64, 64, pattern(32768, 2), {
        inCapsule: false,
        spoilDdgst: true,
      });
      expectStatus(completion, Status.transientTransport);
      expect((await host.read(NS512, 64, 64, 512)).data.equals(before)).toBe(true);
    });
  });

  it('in one of many H2CData PDUs: the same', async () => {
    await withHost(world, { hdgst, ddgst: true }, async (host) => {
      const queue = host.io[0];
      const before = pattern(32768, 1);
      const data = pattern(32768, 2);
      for (const bad of [0, 2, 3]) {
        expectStatus(await host.write(NS512, 64, 64, before), Status.success);
        const completion = await queue.submit(ioSqe(IoOpcode.write, NS512, 64, 64), {
          data,
          inCapsule: false,
          onR2t: (r2t) => {
            for (let i = 0; i < 4; i++) {
              const piece = data.subarray(i * 8192, (i + 1) * 8192);
              queue.connection.send(queue.h2cData(r2t.cccid, r2t.ttag, i * 8192, piece, i === 3, i === bad));
            }
          },
        });
        expectStatus(completion, Status.transientTransport);
        expect((await host.read(NS512, 64, 64, 512)).data.equals(before)).toBe(true);
      }
    });
  });

  it('in a fused pair: neither half takes effect', async () => {
    if (!world.control) return;
    await withHost(world, { hdgst, ddgst: true }, async (host) => {
      const before = pattern(512, 1);
      for (const bad of [0, 1]) {
        expectStatus(await host.write(NS512, 5, 1, before), Status.success);
        const commands = [ioSqe(IoOpcode.compare, NS512, 5, 1), ioSqe(IoOpcode.write, NS512, 5, 1)];
        commands[0][1] |= 1;
        commands[1][1] |= 2;
        const both = await Promise.all(
          commands.map((command, i) =>
            host.io[0].submitNow(command, {
              data: i ? pattern(512, 2) : before,
              inCapsule: true,
              spoilDdgst: i === bad,
            }),
          ),
        );
        expectStatus(both[bad], Status.transientTransport);
        expect(both[1 - bad].status).not.toBe(0);
        expect((await host.read(NS512, 5, 1, 512)).data.equals(before)).toBe(true);
        expectStatus(await host.read(NS512, 0, 1, 512), Status.success);
      }
    });
  });
});

describe.each([false, true])('a wrong header digest, with data digest %s', (ddgst) => {
  it('in a CapsuleCmd is a C2HTermReq with FES 3', async () => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn, hdgst: true, ddgst });
    const queue = host.io[0];
    const before = pattern(512, 1);
    expectStatus(await host.write(NS512, 0, 1, before), Status.success);
    const command = ioSqe(IoOpcode.write, NS512, 0, 1);
    setSgl(command, Sgl.inCapsule, 512);
    queue.connection.send(
      buildPdu({
        type: PduType.capsuleCmd,
        specific: command,
        data: pattern(512, 2),
        hdgst: true,
        ddgst,
        spoilHdgst: 1,
      }),
    );
    await within('the termination', terminated(queue));
    expect(queue.termReq?.header.readUInt16LE(8)).toBe(Fes.headerDigest);
    expect(queue.termReq?.data.subarray(8 + 0, 8 + 64).equals(command), 'the header in error is quoted').toBe(
      true,
    );
    await host.drop();
    await withHost(world, {}, async (again) => {
      expect((await again.read(NS512, 0, 1, 512)).data.equals(before)).toBe(true);
    });
  });

  it('in H2CData is a C2HTermReq with FES 3', async () => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn, hdgst: true, ddgst });
    const queue = host.io[0];
    const outcome = await queue
      .submit(ioSqe(IoOpcode.write, NS512, 0, 64), {
        data: pattern(32768, 2),
        inCapsule: false,
        onR2t: (r2t) => {
          const pdu = queue.h2cData(r2t.cccid, r2t.ttag, 0, pattern(32768, 2), true);
          pdu[24] ^= 0x80;
          queue.connection.send(pdu);
        },
      })
      .catch((cause: unknown) => cause);
    expect(outcome).toBeInstanceOf(QueueClosed);
    expect((outcome as QueueClosed).termReq?.header.readUInt16LE(8)).toBe(Fes.headerDigest);
    await host.drop();
  });
});

/** Resolves when a C2HTermReq has come or the connection is over; then ends our side, as a host must. */
async function terminated(queue: HostController['admin']): Promise<void> {
  while (!queue.termReq && !queue.connection.isOver) await new Promise((resolve) => setTimeout(resolve, 2));
  await queue.close();
}
