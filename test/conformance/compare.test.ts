/** Compare, and the fused Compare and Write as one atomic unit (NVM command set 1.0 section 2.1.3). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IoOpcode, ioSqe } from '../initiator/command.ts';
import { HostController } from '../initiator/controller.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, stopClean, withHost } from './expectations.ts';
import { pattern } from './random.ts';
import { eventually } from './waiting.ts';
import { EXTERNAL, NS512, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => stopClean(world));

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

  it.each(['compare first', 'write first'])(
    'when the data of both is solicited and comes %s',
    async (order) => {
      await withHost(world, {}, async (host) => {
        const [before, after] = [pattern(512, 1), pattern(512, 2)];
        expectStatus(await host.write(NS512, 0, 1, before), Status.success);
        const queue = host.io[0];
        const answers: (() => void)[] = [];
        const commands = [ioSqe(IoOpcode.compare, NS512, 0, 1), ioSqe(IoOpcode.write, NS512, 0, 1)];
        commands[0][1] |= 1;
        commands[1][1] |= 2;
        const both = commands.map((command, i) => {
          const data = i === 0 ? before : after;
          return queue.submitNow(command, {
            data,
            inCapsule: false,
            onR2t: (r2t) => {
              answers[i] = () => queue.connection.send(queue.h2cData(r2t.cccid, r2t.ttag, 0, data, true));
            },
          });
        });
        await eventually('both R2Ts', () => answers[0] !== undefined && answers[1] !== undefined);
        if (order === 'write first') answers.reverse();
        answers[0]();
        await host.csts();
        answers[1]();
        for (const completion of await Promise.all(both)) expectStatus(completion, Status.success);
        expect((await host.read(NS512, 0, 1, 512)).data.equals(after)).toBe(true);
      });
    },
  );

  it('a host that goes away between the halves leaves nothing, whichever half is there', async () => {
    for (const half of [0, 1, 2]) {
      const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
      const queue = host.io[0];
      const command = ioSqe(half === 2 ? IoOpcode.write : IoOpcode.compare, NS512, 0, 1);
      command[1] |= half === 2 ? 2 : 1;
      const open = queue
        .submitNow(command, { data: pattern(512, 1), inCapsule: half !== 1, onR2t: () => undefined })
        .catch(() => null);
      await host.csts();
      await host.drop();
      await open;
    }
    await eventually('every controller to be gone', () => world.control!.controllerCount() === 0);
    expect(world.control!.borrowedBytes()).toBe(0);
  });

  it('on a group that is not served both halves get the path status', async () => {
    await withHost(world, {}, async (host) => {
      const before = pattern(512, 1);
      expectStatus(await host.write(NS512, 0, 1, before), Status.success);
      world.control!.setAna('a', 1, 'inaccessible');
      const both = await pair(host, before, pattern(512, 2));
      world.control!.setAna('a', 1, 'optimized');
      for (const completion of both) {
        expectStatus(completion, Status.anaInaccessible);
        expect(completion.dnr).toBe(false);
      }
      expect((await host.read(NS512, 0, 1, 512)).data.equals(before)).toBe(true);
    });
  });

  it('held by a drain that is cancelled, the pair runs as one', async () => {
    await withHost(world, {}, async (host) => {
      const [before, after] = [pattern(512, 1), pattern(512, 2)];
      expectStatus(await host.write(NS512, 0, 1, before), Status.success);
      const device = world.control!.device(NS512);
      device.hold();
      const open = host.read(NS512, 100, 1, 512);
      await eventually('the read to reach the device', () => device.heldCount === 1);
      const drained = world.control!.drain('a', 1, 5000);
      const both = pair(host, before, after);
      await host.csts();
      world.control!.setAna('a', 1, 'optimized');
      device.release();
      for (const completion of await both) expectStatus(completion, Status.success);
      expectStatus(await open, Status.success);
      expect(await drained).toBe(false);
      expect((await host.read(NS512, 0, 1, 512)).data.equals(after)).toBe(true);
    });
  });

  it('held by a drain that ends, both halves get the path status', async () => {
    await withHost(world, {}, async (host) => {
      const before = pattern(512, 1);
      expectStatus(await host.write(NS512, 0, 1, before), Status.success);
      const device = world.control!.device(NS512);
      device.hold();
      const open = host.read(NS512, 100, 1, 512);
      await eventually('the read to reach the device', () => device.heldCount === 1);
      const drained = world.control!.drain('a', 1, 5000);
      const both = pair(host, before, pattern(512, 2));
      await host.csts();
      device.release();
      for (const completion of await both) expectStatus(completion, Status.anaInaccessible);
      expectStatus(await open, Status.success);
      expect(await drained).toBe(true);
      world.control!.setAna('a', 1, 'optimized');
      expect((await host.read(NS512, 0, 1, 512)).data.equals(before)).toBe(true);
    });
  });

  it.each(['ioError', 'fenced'] as const)('when the device says %s, both halves fail', async (failure) => {
    await withHost(world, {}, async (host) => {
      const device = world.control!.device(NS512);
      device.failWith = failure;
      const both = await pair(host, pattern(512, 1), pattern(512, 2));
      device.failWith = 'ok';
      for (const completion of both) {
        expect(completion.status).not.toBe(0);
        if (failure === 'fenced') expectStatus(completion, Status.anaInaccessible);
      }
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
