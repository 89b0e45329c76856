/** Dataset Management, deallocate (NVM Command Set 1.0 section 3.2.3). */
import { describe, expect, it } from 'vitest';
import { BlockStatus } from '../../../src/base/block-device.ts';
import { type DsmRange, dsmRanges, dsmSqe } from '../../initiator/command.ts';
import { Status } from '../../initiator/status.ts';
import { FakeBlockDevice } from '../fake-block-device.ts';
import { BLOCK, TargetWorld } from '../target-world.ts';

const LAST = 2048;

function makeWorld() {
  const world = new TargetWorld();
  world.device.bytes.fill(0xff);
  return { world, ...world.host() };
}

function ranges(count: number, at: (i: number) => DsmRange): DsmRange[] {
  return Array.from({ length: count }, (_, i) => at(i));
}

describe('deallocate', () => {
  it('discards its ranges one after the other, and is answered once after the last', () => {
    const { world, io } = makeWorld();
    const list = [
      { slba: 8, blocks: 8 },
      { slba: 100, blocks: 1 },
      { slba: 0, blocks: 4 },
    ];
    const cid = io.send(dsmSqe(1, 3), { data: dsmRanges(list) });
    for (const range of list) {
      expect(io.isOpen(cid)).toBe(true);
      expect(world.device.open).toMatchObject([
        { kind: 'discard', offset: range.slba * BLOCK, length: range.blocks * BLOCK },
      ]);
      world.device.open[0].finish();
    }
    expect(io.answerTo(cid)!.status).toBe(Status.success);
    expect(io.inUse).toBe(0);
  });

  it.each([0, 1, 2])(
    'a device that fails range %i ends the command with its status, the rest is not touched',
    (bad) => {
      const { world, io } = makeWorld();
      const cid = io.send(dsmSqe(1, 3), { data: dsmRanges(ranges(3, (i) => ({ slba: i * 8, blocks: 8 }))) });
      for (let i = 0; i < bad; i++) world.device.open[0].finish();
      world.device.open[0].finish(BlockStatus.ioError);
      expect(io.answerTo(cid)!.status).toBe(Status.writeFault);
      expect(world.device.calls.length).toBe(bad + 1);
      expect(world.device.bytes.subarray((bad + 1) * 8 * BLOCK, 24 * BLOCK).every((b) => b === 0xff)).toBe(
        true,
      );
      expect(io.inUse).toBe(0);
      expect(world.ana.groups[1].inFlight).toBe(0);
    },
  );

  it.each([
    ['starts at the end', { slba: LAST, blocks: 1 }],
    ['runs past the end', { slba: LAST - 1, blocks: 2 }],
    ['is far away', { slba: 2 ** 40, blocks: 1 }],
    ['is of 2^32 - 1 blocks', { slba: 0, blocks: 2 ** 32 - 1 }],
  ])('one range that %s: LBA Out of Range, and no range is discarded', (_name, bad) => {
    const { world, io } = makeWorld();
    for (const place of [0, 1, 2]) {
      const list = ranges(3, (i) => (i === place ? bad : { slba: 8 * i, blocks: 8 }));
      const answer = io.call(dsmSqe(1, 3), { data: dsmRanges(list) });
      expect(answer).toMatchObject({ status: Status.lbaRange, dnr: true });
    }
    expect(world.device.calls).toEqual([]);
  });

  it('SLBA of 2^64 - 1 is out of range, not a number that wraps', () => {
    const { world, io } = makeWorld();
    const data = Buffer.alloc(16);
    data.writeUInt32LE(1, 4);
    data.writeBigUInt64LE(2n ** 64n - 1n, 8);
    expect(io.call(dsmSqe(1, 1), { data }).status).toBe(Status.lbaRange);
    expect(world.device.calls).toEqual([]);
  });

  it('the last block, and ranges of no blocks', () => {
    const { world, io } = makeWorld();
    const list = [
      { slba: 0, blocks: 0 },
      { slba: LAST - 1, blocks: 1 },
      { slba: LAST, blocks: 0 },
    ];
    const cid = io.send(dsmSqe(1, 3), { data: dsmRanges(list) });
    world.device.finishAll();
    expect(io.answerTo(cid)!.status).toBe(Status.success);
    expect(world.device.calls).toMatchObject([{ offset: (LAST - 1) * BLOCK, length: BLOCK }]);
    expect(io.call(dsmSqe(1, 1), { data: dsmRanges([{ slba: 7, blocks: 0 }]) }).status).toBe(Status.success);
  });

  it('256 ranges, from a device that answers at once', () => {
    const { world, io } = makeWorld();
    world.device.immediately = BlockStatus.ok;
    const data = dsmRanges(ranges(256, (i) => ({ slba: i * 4, blocks: 2 })));
    expect(io.call(dsmSqe(1, 256), { data }).status).toBe(Status.success);
    expect(world.device.calls.length).toBe(256);
  });

  it('of a read-only namespace is refused', () => {
    const { world, io } = makeWorld();
    const device = new FakeBlockDevice(64 * BLOCK);
    world.addNamespace(2, 1, device, true);
    const answer = io.call(dsmSqe(2, 1), { data: dsmRanges([{ slba: 0, blocks: 1 }]) });
    expect(answer.status).toBe(Status.namespaceWriteProtected);
    expect(device.calls).toEqual([]);
  });
});

it('without the deallocate attribute it is advice: checked, answered, nothing done', () => {
  const { world, io } = makeWorld();
  for (const attributes of [0, 1, 2, 3]) {
    const data = dsmRanges([{ slba: 8, blocks: 8 }]);
    expect(io.call(dsmSqe(1, 1, attributes), { data }).status).toBe(Status.success);
  }
  expect(world.device.calls).toEqual([]);
});
