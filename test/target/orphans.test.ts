/** Writes whose connection is gone (ha-design S9): they hold back what overlaps them, and nothing else, until they end. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockStatus } from '../../src/base/block-device.ts';
import { AnaState } from '../../src/target/ana.ts';
import { dsmRanges, dsmSqe, IoOpcode, ioSqe, sqe } from '../initiator/command.ts';
import { Status } from '../initiator/status.ts';
import { FakeBlockDevice } from './fake-block-device.ts';
import { BLOCK, TargetWorld } from './target-world.ts';

const OLD = Buffer.alloc(4 * BLOCK, 0x0d);
const NEW = Buffer.alloc(4 * BLOCK, 0x1e);
const FLUSH = sqe({ opcode: IoOpcode.flush, nsid: 1 });

/** A host that wrote blocks 8..11 and lost its connection while the device works on them, and a new host. */
function orphaned(command: Buffer = ioSqe(IoOpcode.write, 1, 8, 4), data: Buffer = OLD) {
  const world = new TargetWorld();
  const lost = world.host();
  lost.io.send(command, { data });
  const orphan = world.device.open[0];
  lost.io.lose();
  return { world, orphan, ...world.host() };
}

describe('a command that overlaps an orphaned write', () => {
  it.each([
    ['read of the same blocks', ioSqe(IoOpcode.read, 1, 8, 4)],
    ['read of its last block', ioSqe(IoOpcode.read, 1, 11, 1)],
    ['read that ends in its first block', ioSqe(IoOpcode.read, 1, 0, 9)],
    ['read around it', ioSqe(IoOpcode.read, 1, 0, 64)],
    ['write', ioSqe(IoOpcode.write, 1, 10, 4)],
    ['compare', ioSqe(IoOpcode.compare, 1, 8, 1)],
    ['write zeroes', ioSqe(IoOpcode.writeZeroes, 1, 6, 3)],
  ])('%s waits until it has ended', (_name, command) => {
    const { world, orphan, io } = orphaned();
    const cid = io.send(command, { data: NEW });
    expect(io.isOpen(cid)).toBe(true);
    expect(world.device.open).toEqual([orphan]);
    orphan.finish();
    expect(world.device.open.length).toBe(1);
    world.device.finishAll();
    expect(io.isOpen(cid)).toBe(false);
  });

  it('deallocate with one range in it waits', () => {
    const { world, orphan, io } = orphaned();
    const cid = io.send(dsmSqe(1, 2), {
      data: dsmRanges([
        { slba: 500, blocks: 8 },
        { slba: 9, blocks: 1 },
      ]),
    });
    expect(world.device.open).toEqual([orphan]);
    orphan.finish();
    world.device.finishAll();
    expect(io.answerTo(cid)!.status).toBe(Status.success);
  });

  it.each([
    ['the blocks before', ioSqe(IoOpcode.read, 1, 0, 8)],
    ['the blocks behind', ioSqe(IoOpcode.read, 1, 12, 4)],
    ['flush', FLUSH],
  ])('%s: does not wait', (_name, command) => {
    const { world, io } = orphaned();
    const cid = io.send(command);
    expect(world.device.open.length).toBe(2);
    world.device.open[1].finish();
    expect(io.answerTo(cid)!.status).toBe(Status.success);
  });

  it('the same blocks of another namespace do not wait', () => {
    const { world, io } = orphaned();
    const other = new FakeBlockDevice(64 * BLOCK);
    other.immediately = BlockStatus.ok;
    world.addNamespace(2, 1, other);
    expect(io.call(ioSqe(IoOpcode.write, 2, 8, 4), { data: NEW }).status).toBe(Status.success);
  });

  it('the newer write wins, whatever the device does with the older one', () => {
    for (const outcome of [BlockStatus.ok, BlockStatus.ioError]) {
      const { world, orphan, io } = orphaned();
      const cid = io.send(ioSqe(IoOpcode.write, 1, 8, 4), { data: NEW });
      orphan.finish(outcome);
      world.device.finishAll();
      expect(io.answerTo(cid)!.status).toBe(Status.success);
      expect(world.device.bytes.subarray(8 * BLOCK, 12 * BLOCK).equals(NEW)).toBe(true);
    }
  });

  it('waits for all that it overlaps', () => {
    const world = new TargetWorld();
    const lost = world.host();
    for (const slba of [8, 16, 24]) lost.io.send(ioSqe(IoOpcode.write, 1, slba, 4), { data: OLD });
    lost.io.lose();
    const [a, b, c] = world.device.open;
    const { io } = world.host();
    const cid = io.send(ioSqe(IoOpcode.read, 1, 10, 10));
    b.finish();
    expect(world.device.open).toEqual([a, c]);
    a.finish();
    expect(world.device.open.map((op) => op.kind)).toEqual(['write', 'read']);
    world.device.open[1].finish();
    expect(io.answerTo(cid)!.status).toBe(Status.success);
  });

  it('that waits on, while others of its namespace ran, is answered when the group turns inaccessible', () => {
    const world = new TargetWorld();
    const lost = world.host();
    for (const slba of [8, 16]) lost.io.send(ioSqe(IoOpcode.write, 1, slba, 4), { data: OLD });
    lost.io.lose();
    const [first] = world.device.open;
    const { io } = world.host();
    const waits = io.send(ioSqe(IoOpcode.read, 1, 16, 1));
    const runs = io.send(ioSqe(IoOpcode.read, 1, 8, 1));
    first.finish();
    world.device.open[1].finish();
    expect(io.answerTo(runs)!.status).toBe(Status.success);
    expect(io.isOpen(waits)).toBe(true);
    world.ana.set(1, AnaState.inaccessible);
    expect(io.answerTo(waits)!.status).toBe(Status.anaInaccessible);
  });

  it('is discarded when its own connection goes while it waits', () => {
    const { world, orphan, io } = orphaned();
    io.send(ioSqe(IoOpcode.write, 1, 8, 4), { data: NEW });
    io.lose();
    orphan.finish();
    expect(world.device.calls.length).toBe(1);
    expect(world.device.bytes.subarray(8 * BLOCK, 12 * BLOCK).equals(OLD)).toBe(true);
    expect(world.target.buffers.borrowedBytes).toBe(0);
  });
});

describe('an orphan', () => {
  it('keeps its buffer until the device is done with it', () => {
    const { world, orphan } = orphaned();
    expect(world.target.buffers.borrowedBytes).toBeGreaterThan(0);
    orphan.finish();
    expect(world.target.buffers.borrowedBytes).toBe(0);
    expect(world.namespace.orphans.size).toBe(0);
  });

  it.each([
    ['read', ioSqe(IoOpcode.read, 1, 8, 4)],
    ['flush', FLUSH],
    ['compare', ioSqe(IoOpcode.compare, 1, 8, 4)],
  ])('%s is none: it changes nothing, nobody waits for it', (_name, command) => {
    const { world, io } = orphaned(command);
    expect(world.namespace.orphans.size).toBe(0);
    const before = world.device.calls.length;
    io.send(ioSqe(IoOpcode.write, 1, 8, 4), { data: NEW });
    expect(world.device.calls.length).toBe(before + 1);
    world.device.finishAll();
    expect(io.inUse).toBe(0);
  });

  it('write zeroes and deallocate are orphans too', () => {
    for (const [command, data] of [
      [ioSqe(IoOpcode.writeZeroes, 1, 8, 4), OLD],
      [dsmSqe(1, 1), dsmRanges([{ slba: 8, blocks: 4 }])],
    ] as const) {
      const { world, orphan, io } = orphaned(command, data);
      io.send(ioSqe(IoOpcode.read, 1, 8, 1));
      expect(world.device.open).toEqual([orphan]);
      world.device.finishAll();
      expect(io.inUse).toBe(0);
    }
  });

  it('deallocate does not go on with its other ranges', () => {
    const { world, orphan } = orphaned(
      dsmSqe(1, 3),
      dsmRanges([8, 16, 24].map((slba) => ({ slba, blocks: 4 }))),
    );
    orphan.finish();
    expect(world.device.calls.length).toBe(1);
    expect(world.namespace.orphans.size).toBe(0);
    expect(world.target.buffers.borrowedBytes).toBe(0);
  });

  it('does not hold back a new Connect', () => {
    const { world } = orphaned();
    expect(world.host().controller.ended).toBeNull();
  });

  it('a write whose data has not come is none', () => {
    const world = new TargetWorld();
    const { io } = world.host();
    io.send(ioSqe(IoOpcode.write, 1, 8, 4), { later: true });
    io.lose();
    expect(world.namespace.orphans.size).toBe(0);
    expect(world.target.buffers.borrowedBytes).toBe(0);
  });
});

describe('any sequence of writes, losses and completions', () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ write: fc.nat({ max: 15 }), blocks: fc.integer({ min: 1, max: 6 }) }),
    },
    { weight: 4, arbitrary: fc.record({ finish: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ lose: fc.constant(true) }) },
  );

  it('no write of a lost connection lands on top of one that was answered later', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (script) => {
        const world = new TargetWorld();
        let { io } = world.host();
        // what each block must hold: the latest answered write, or any write sent after it that has no answer
        const allowed = Array.from({ length: 32 }, () => new Set([0]));
        const open: { io: typeof io; cid: number; slba: number; blocks: number; mark: number }[] = [];
        let mark = 0;
        const check = () => {
          for (const entry of [...open]) {
            const answer = entry.io === io ? io.answerTo(entry.cid) : undefined;
            if (answer === undefined) continue;
            open.splice(open.indexOf(entry), 1);
            for (let b = entry.slba; b < entry.slba + entry.blocks; b++) {
              const later = open.filter((o) => o.io === io && o.slba <= b && b < o.slba + o.blocks);
              allowed[b] = new Set([entry.mark, ...later.map((o) => o.mark)]);
            }
          }
        };
        for (const s of script) {
          if ('write' in s) {
            // one host does not have two writes to a block in flight: their order would be open
            const busy = open.some(
              (o) => o.io === io && s.write < o.slba + o.blocks && o.slba < s.write + s.blocks,
            );
            if (busy || io.inUse >= 32) continue;
            mark = (mark % 250) + 1;
            const data = Buffer.alloc(s.blocks * BLOCK, mark);
            for (let b = s.write; b < s.write + s.blocks; b++) allowed[b].add(mark);
            const cid = io.send(ioSqe(IoOpcode.write, 1, s.write, s.blocks), { data });
            open.push({ io, cid, slba: s.write, blocks: s.blocks, mark });
          } else if ('finish' in s) {
            if (world.device.open.length > 0) world.device.open[s.finish % world.device.open.length].finish();
          } else {
            io.lose();
            ({ io } = world.host());
          }
          check();
        }
        world.device.finishAll();
        check();
        for (const [b, marks] of allowed.entries())
          expect([...marks]).toContain(world.device.bytes[b * BLOCK]);
        expect(world.namespace.orphans.size).toBe(0);
        expect(world.target.buffers.borrowedBytes).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
