/** Compare, and the fused Compare and Write as one atomic unit (NVM command set 1.0 section 2.1.3). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IoOpcode, ioSqe } from '../initiator/command.ts';
import type { HostController } from '../initiator/controller.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, withHost } from './expectations.ts';
import { pattern } from './random.ts';
import { EXTERNAL, NS512, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

describe.skipIf(EXTERNAL)('Compare', () => {
  it('succeeds on equal bytes and says Compare Failure on others', async () => {
    await withHost(world, {}, async (host) => {
      for (const length of [512, 4096, 65536]) {
        const data = pattern(length, length);
        expectStatus(await host.write(NS512, 0, length / 512, data), Status.success);
        expectStatus(await host.compare(NS512, 0, length / 512, data), Status.success);
        const other = Buffer.from(data);
        other[length - 1] ^= 1;
        expectStatus(await host.compare(NS512, 0, length / 512, other), Status.compareFailure);
      }
    });
  });
});

describe.skipIf(EXTERNAL)('fused Compare and Write', () => {
  function pair(
    host: HostController,
    expected: Buffer,
    data: Buffer,
    slba = 0,
    writeSlba = slba,
    solicited = false,
  ) {
    const queue = host.io[0];
    const compare = ioSqe(IoOpcode.compare, NS512, slba, 1);
    compare[1] |= 1;
    const write = ioSqe(IoOpcode.write, NS512, writeSlba, 1);
    write[1] |= 2;
    const one = queue.submitNow(compare, { data: expected, inCapsule: !solicited });
    const two = queue.submitNow(write, { data, inCapsule: !solicited });
    return Promise.all([one, two]);
  }

  it.each([false, true])('writes when the block is as expected (solicited %s)', async (solicited) => {
    await withHost(world, {}, async (host) => {
      const [before, after] = [pattern(512, 1), pattern(512, 2)];
      expectStatus(await host.write(NS512, 0, 1, before), Status.success);
      for (const completion of await pair(host, before, after, 0, 0, solicited))
        expectStatus(completion, Status.success);
      expect((await host.read(NS512, 0, 1, 512)).data.equals(after)).toBe(true);
    });
  });

  it('a miscompare fails both and writes nothing', async () => {
    await withHost(world, {}, async (host) => {
      const before = pattern(512, 1);
      expectStatus(await host.write(NS512, 0, 1, before), Status.success);
      const [compare, write] = await pair(host, pattern(512, 3), pattern(512, 2));
      expectStatus(compare, Status.compareFailure);
      expectStatus(write, Status.fusedFailed);
      expect((await host.read(NS512, 0, 1, 512)).data.equals(before)).toBe(true);
    });
  });

  it('different ranges are refused and nothing is written', async () => {
    await withHost(world, {}, async (host) => {
      const before = pattern(512, 1);
      expectStatus(await host.write(NS512, 0, 1, before), Status.success);
      expectStatus(await host.write(NS512, 1, 1, before), Status.success);
      const [compare, write] = await pair(host, before, pattern(512, 2), 0, 1);
      expect([compare.status, write.status]).toContain(Status.invalidField);
      expect(compare.status).not.toBe(0);
      expect(write.status).not.toBe(0);
      expect((await host.read(NS512, 1, 1, 512)).data.equals(before)).toBe(true);
    });
  });

  it('a first half without a second is Missing Fused Command, and the command between them runs', async () => {
    await withHost(world, {}, async (host) => {
      const before = pattern(512, 1);
      expectStatus(await host.write(NS512, 0, 1, before), Status.success);
      const compare = ioSqe(IoOpcode.compare, NS512, 0, 1);
      compare[1] |= 1;
      const lonely = host.io[0].submitNow(compare, { data: before, inCapsule: true });
      const between = host.read(NS512, 0, 1, 512);
      expectStatus(await lonely, Status.fusedMissing);
      expectStatus(await between, Status.success);
    });
  });

  it('a second half without a first is Missing Fused Command and writes nothing', async () => {
    await withHost(world, {}, async (host) => {
      const before = pattern(512, 1);
      expectStatus(await host.write(NS512, 0, 1, before), Status.success);
      const write = ioSqe(IoOpcode.write, NS512, 0, 1);
      write[1] |= 2;
      expectStatus(
        await host.io[0].submit(write, { data: pattern(512, 2), inCapsule: true }),
        Status.fusedMissing,
      );
      expect((await host.read(NS512, 0, 1, 512)).data.equals(before)).toBe(true);
    });
  });

  it.each([
    ['Write and Write', IoOpcode.write, IoOpcode.write],
    ['Compare and Compare', IoOpcode.compare, IoOpcode.compare],
    ['Write and Compare', IoOpcode.write, IoOpcode.compare],
  ])('%s is no fused operation', async (_name, first, second) => {
    await withHost(world, {}, async (host) => {
      const before = pattern(512, 1);
      expectStatus(await host.write(NS512, 0, 1, before), Status.success);
      const commands = [ioSqe(first, NS512, 0, 1), ioSqe(second, NS512, 0, 1)];
      commands[0][1] |= 1;
      commands[1][1] |= 2;
      const both = await Promise.all(
        commands.map((command) => host.io[0].submitNow(command, { data: pattern(512, 2), inCapsule: true })),
      );
      expect(both.every((completion) => completion.status !== 0)).toBe(true);
      expect((await host.read(NS512, 0, 1, 512)).data.equals(before)).toBe(true);
    });
  });

  it('FUSE 3 is Invalid Field', async () => {
    await withHost(world, {}, async (host) => {
      const command = ioSqe(IoOpcode.read, NS512, 0, 1);
      command[1] |= 3;
      expectStatus(await host.io[0].submit(command, { readLength: 512 }), Status.invalidField);
      expectStatus(await host.read(NS512, 0, 1, 512), Status.success);
    });
  });

  it('over the atomic unit it is refused and writes nothing', async () => {
    await withHost(world, {}, async (host) => {
      const blocks = host.id.acwu + 2;
      const before = pattern(512 * blocks, 1);
      expectStatus(await host.write(NS512, 0, blocks, before), Status.success);
      const commands = [ioSqe(IoOpcode.compare, NS512, 0, blocks), ioSqe(IoOpcode.write, NS512, 0, blocks)];
      commands[0][1] |= 1;
      commands[1][1] |= 2;
      const both = await Promise.all(
        commands.map((command, i) =>
          host.io[0].submitNow(command, { data: i ? pattern(512 * blocks, 2) : before, inCapsule: true }),
        ),
      );
      expect(both.every((completion) => completion.status !== 0)).toBe(true);
      expect((await host.read(NS512, 0, blocks, 512)).data.equals(before)).toBe(true);
    });
  });

  it('of two hosts that race for a block, exactly one wins each round', async () => {
    await withHost(world, {}, async (one) => {
      await withHost(world, {}, async (two) => {
        let current = pattern(512, 1000);
        expectStatus(await one.write(NS512, 7, 1, current), Status.success);
        for (let round = 0; round < 50; round++) {
          const mine = pattern(512, 2000 + round);
          const theirs = pattern(512, 3000 + round);
          const [[a], [b]] = await Promise.all([pair(one, current, mine, 7), pair(two, current, theirs, 7)]);
          expect([a.status, b.status].sort()).toEqual([0, Status.compareFailure]);
          current = a.status === 0 ? mine : theirs;
          expect((await one.read(NS512, 7, 1, 512)).data.equals(current)).toBe(true);
        }
      });
    });
  });
});
