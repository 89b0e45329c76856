/** Limits of a namespace: how much passes, who waits and for how long, and what ends the waiting. */
import { describe, expect, it } from 'vitest';
import { BlockStatus } from '../../../src/base/block-device.ts';
import { AnaState } from '../../../src/target/ana.ts';
import { type IoLimits, limitNamespace } from '../../../src/target/io/io-limiter.ts';
import { dsmRanges, dsmSqe, IoOpcode, ioSqe, sqe } from '../../initiator/command.ts';
import { Status } from '../../initiator/status.ts';
import { FakeBlockDevice } from '../fake-block-device.ts';
import type { FakeConnection } from '../fake-connection.ts';
import { BLOCK, TargetWorld } from '../target-world.ts';

const none: IoLimits = { commands: 0, bytes: 0, readBytes: 0, writeBytes: 0 };
const BLOCK_DATA = { data: Buffer.alloc(BLOCK, 7) };

/** A host with a queue of 32 entries, and a device that is done at once. */
function makeWorld(limits: Partial<IoLimits>) {
  const world = new TargetWorld();
  world.device.immediately = BlockStatus.ok;
  const limit = (next: Partial<IoLimits> | null) =>
    limitNamespace(world.namespace, next && { ...none, ...next }, {
      clock: world.watched,
      timers: world.clock,
    });
  const host = world.host();
  const idleTimers = world.clock.armed;
  limit(limits);
  /** Uses up what passes at once. */
  const exhaust = (count: number) => {
    for (let i = 0; i < count; i += 1) expect(host.io.call(read()).status).toBe(Status.success);
  };
  return { world, limit, exhaust, idleTimers, ...host };
}

function read(blocks = 1): Buffer {
  return ioSqe(IoOpcode.read, 1, 0, blocks);
}

function write(blocks = 1): Buffer {
  return ioSqe(IoOpcode.write, 1, 0, blocks);
}

/** One of a fused pair; `fuse` 1 is the first. */
function half(opcode: number, fuse: 1 | 2): Buffer {
  const command = ioSqe(opcode, 1, 9, 1);
  command[1] |= fuse;
  return command;
}

function abort(cid: number): Buffer {
  return sqe({ opcode: 0x08, cdw: [1 + cid * 0x1_0000] });
}

/** Keeps `depth` commands under way for `ms`; returns how many were answered. */
function load(
  world: TargetWorld,
  io: FakeConnection,
  ms: number,
  depth: number,
  command: () => Buffer,
): number {
  let answered = 0;
  const open: number[] = [];
  for (let at = 0; at < ms; at += 1) {
    for (let i = open.length - 1; i >= 0; i -= 1) {
      if (io.isOpen(open[i])) continue;
      open.splice(i, 1);
      answered += 1;
    }
    while (open.length < depth) open.push(io.send(command()));
    world.clock.advance(1);
  }
  return answered;
}

describe('limits', () => {
  it.each([
    ['commands', { commands: 1000 }, 8, read, 3000],
    ['bytes', { bytes: 100 * 8 * BLOCK }, 8, () => read(8), 300],
    ['bytes read', { readBytes: 100 * 8 * BLOCK }, 8, () => read(8), 300],
    ['bytes written', { writeBytes: 100 * 8 * BLOCK }, 8, () => write(8), 300],
    ['the lowest of several', { commands: 1000, bytes: 50 * BLOCK }, 8, write, 150],
    ['commands larger than a tenth of a second', { bytes: 10 * 64 * BLOCK }, 4, () => read(64), 30],
    ['few commands', { commands: 5 }, 4, write, 15],
  ] as const)('of %s hold over three seconds', (_what, limits, depth, command, expected) => {
    const { world, io } = makeWorld(limits);
    const answered = load(world, io, 3000, depth, command);
    expect(answered).toBeGreaterThanOrEqual(expected * 0.97 - 1);
    expect(answered).toBeLessThanOrEqual(expected * 1.04 + 2);
  });

  it('of one direction leave the other alone', () => {
    const { io, exhaust } = makeWorld({ writeBytes: 10 * BLOCK });
    for (let i = 0; i < 9; i += 1) io.send(write(4), { data: Buffer.alloc(4 * BLOCK) });
    expect(io.inUse).toBe(8);
    exhaust(100);
    expect(io.inUse).toBe(8);
  });

  it('are of one namespace: its neighbour on the same queue goes on', () => {
    const { world, io, exhaust } = makeWorld({ commands: 10 });
    const device = new FakeBlockDevice(2048 * BLOCK);
    device.immediately = BlockStatus.ok;
    world.addNamespace(2, 1, device);
    exhaust(1);
    const waiting = io.send(read());
    for (let i = 0; i < 100; i += 1)
      expect(io.call(ioSqe(IoOpcode.read, 2, 0, 1)).status).toBe(Status.success);
    expect(io.isOpen(waiting)).toBe(true);
  });

  it('count no bytes for what is zeroed or deallocated, and let Flush and fused pairs pass', () => {
    const { io, exhaust } = makeWorld({ commands: 1000, bytes: BLOCK * 1000 });
    for (let i = 0; i < 20; i += 1) expect(io.call(ioSqe(IoOpcode.writeZeroes, 1, 0, 2000)).status).toBe(0);
    for (let i = 0; i < 20; i += 1) {
      const list = { data: dsmRanges([{ slba: 0, blocks: 2000 }]) };
      expect(io.call(dsmSqe(1, 1), list).status).toBe(0);
    }
    exhaust(60);
    const waiting = io.send(ioSqe(IoOpcode.writeZeroes, 1, 0, 1));
    expect(io.isOpen(waiting)).toBe(true);
    expect(io.call(sqe({ opcode: IoOpcode.flush, nsid: 1 })).status).toBe(0);
    const compare = io.send(half(IoOpcode.compare, 1), { data: Buffer.alloc(BLOCK) });
    expect(io.call(half(IoOpcode.write, 2), BLOCK_DATA).status).toBe(0);
    expect(io.answerTo(compare)!.status).toBe(0);
  });
});

describe('a command that waits', () => {
  it('goes on in its turn, without a timer of its own', () => {
    const { world, io, exhaust, idleTimers } = makeWorld({ commands: 10 });
    exhaust(1);
    expect(world.clock.armed).toBe(idleTimers);
    const cids = [0, 1, 2, 3].map((slba) => io.send(ioSqe(IoOpcode.write, 1, slba, 1), BLOCK_DATA));
    expect(world.clock.armed).toBe(idleTimers + 1);
    expect(cids.map((cid) => io.isOpen(cid))).toEqual([true, true, true, true]);
    for (const [at, cid] of cids.entries()) {
      world.clock.advance(at === 0 ? 1 : 100.1);
      expect(io.answers.at(-1)!.cid).toBe(cid);
    }
    expect(world.clock.armed).toBe(idleTimers);
    expect(io.inUse).toBe(0);
  });

  it('has no data buffer, and is asked for no data, until it goes on', () => {
    const { world, io, exhaust } = makeWorld({ commands: 10 });
    exhaust(1);
    io.send(read(8));
    const cid = io.send(write(8), { later: true });
    expect(world.target.buffers.borrowedBytes).toBe(0);
    world.clock.advance(400);
    io.settle();
    expect(world.target.buffers.borrowedBytes).toBe(4096);
    io.deliver(cid, Buffer.alloc(8 * BLOCK));
    expect(io.answerTo(cid)!.status).toBe(Status.success);
  });

  it('is not overtaken by those that come later', () => {
    const { world, io, exhaust } = makeWorld({ commands: 100 });
    exhaust(10);
    const first = io.send(write(), BLOCK_DATA);
    // the moment has come, and the timer is late
    world.clock.stall(0);
    for (let i = 0; i < 5; i += 1) {
      const before = io.answers.length;
      io.send(read());
      world.clock.advance(10.1);
      if (i === 0) expect(io.answers[before].cid).toBe(first);
    }
    expect(io.isOpen(first)).toBe(false);
  });

  it('is answered when its ANA group stops serving, and goes on elsewhere', () => {
    const { world, io, exhaust, idleTimers } = makeWorld({ commands: 10 });
    exhaust(1);
    const cids = [io.send(read()), io.send(write(), BLOCK_DATA)];
    world.ana.set(2, AnaState.inaccessible);
    expect(cids.map((cid) => io.isOpen(cid))).toEqual([true, true]);
    world.ana.set(1, AnaState.inaccessible);
    for (const cid of cids)
      expect(io.answerTo(cid)).toMatchObject({ status: Status.anaInaccessible, dnr: false });
    expect(world.clock.armed).toBe(idleTimers);
    expect(world.device.calls.filter(({ kind }) => kind === 'write')).toEqual([]);
  });

  it('counts as held in a drain, which it does not delay', async () => {
    const { world, io, exhaust } = makeWorld({ commands: 10 });
    exhaust(1);
    const [first, second] = [io.send(read()), io.send(read())];
    world.device.immediately = null;
    const running = io.send(sqe({ opcode: IoOpcode.flush, nsid: 1 }));
    const drained = world.ana.drain(1, world.clock);
    world.clock.advance(50);
    expect(io.isOpen(first)).toBe(true);
    world.device.finishAll();
    expect(io.answerTo(running)!.status).toBe(Status.success);
    expect(await drained).toBe(true);
    for (const cid of [first, second]) expect(io.answerTo(cid)!.status).toBe(Status.anaInaccessible);
  });

  it('ends with its connection, and leaves nothing', () => {
    const { world, io, controller, exhaust } = makeWorld({ commands: 10 });
    exhaust(1);
    const other = world.connectIo(controller, { qid: 2 });
    for (let i = 0; i < 5; i += 1) io.send(write(), BLOCK_DATA);
    const remains = other.send(read());
    io.lose();
    world.clock.advance(1);
    expect(other.answerTo(remains)!.status).toBe(Status.success);
    expect(world.namespace.limiter!.isWaitedFor).toBe(false);
    expect(world.target.buffers.borrowedBytes).toBe(0);
    world.clock.advance(10_000);
    expect(world.device.calls.filter(({ kind }) => kind === 'write')).toEqual([]);
  });

  it('can be aborted', () => {
    const { world, io, admin, exhaust } = makeWorld({ commands: 10 });
    exhaust(1);
    const [first, second] = [io.send(read()), io.send(read())];
    expect(admin.call(abort(first)).dw0).toBe(0);
    expect(io.answerTo(first)!.status).toBe(Status.abortRequested);
    expect(admin.call(abort(first)).dw0).toBe(1);
    world.clock.advance(1);
    expect(io.answerTo(second)!.status).toBe(Status.success);
  });

  it('is refused when its namespace goes', () => {
    const { world, io, exhaust, idleTimers } = makeWorld({ commands: 10 });
    exhaust(1);
    const cid = io.send(read());
    world.subsystem.removeNamespace(1);
    expect(io.answerTo(cid)).toMatchObject({ status: Status.invalidNamespace, dnr: true });
    expect(world.clock.armed).toBe(idleTimers);
    expect(world.ana.groups[1].namespacesWaiting.size).toBe(0);
  });

  it('follows its namespace to another ANA group', () => {
    const { world, io, exhaust } = makeWorld({ commands: 10 });
    world.ana.set(2, AnaState.optimized);
    exhaust(1);
    const [first, second] = [io.send(read()), io.send(read())];
    world.subsystem.changeAnaGroup(1, 2);
    world.ana.set(1, AnaState.inaccessible);
    world.clock.advance(1);
    expect(io.answerTo(first)!.status).toBe(Status.success);
    world.ana.set(2, AnaState.inaccessible);
    expect(io.answerTo(second)!.status).toBe(Status.anaInaccessible);
  });

  it('keeps no admin command waiting, nor the keep-alive clock from seeing the host', () => {
    const { world, io, admin, controller, exhaust } = makeWorld({ commands: 1 });
    exhaust(1);
    for (let i = 0; i < 30; i += 1) io.send(read());
    expect(admin.call(sqe({ opcode: 0x18 })).status).toBe(Status.success);
    expect(controller.ended).toBeNull();
    expect(world.clock.nowMs()).toBe(0);
  });
});

describe('other limits', () => {
  it('are for those that wait as well, at once', () => {
    const { world, io, limit, exhaust, idleTimers } = makeWorld({ commands: 1 });
    exhaust(1);
    const cids = Array.from({ length: 30 }, () => io.send(read()));
    world.clock.advance(10);
    expect(io.inUse).toBe(30);
    limit({ commands: 1000 });
    world.clock.advance(40);
    expect(cids.map((cid) => io.answerTo(cid)?.status)).toEqual(cids.map(() => Status.success));
    expect(world.clock.armed).toBe(idleTimers);
  });

  it('that are none let everybody go on at once, in order', () => {
    const { world, io, limit, exhaust, idleTimers } = makeWorld({ commands: 1, readBytes: 1 });
    exhaust(1);
    const cids = Array.from({ length: 20 }, (_, i) => io.send(i % 2 ? read() : write(), BLOCK_DATA));
    limit(null);
    expect(io.answers.slice(-20).map(({ cid }) => cid)).toEqual(cids);
    expect(world.namespace.limiter).toBeNull();
    expect(world.clock.armed).toBe(idleTimers);
    exhaust(100);
  });

  it('that are lower hold from then on', () => {
    const { world, io, limit } = makeWorld({ commands: 10_000 });
    load(world, io, 100, 16, read);
    limit({ commands: 10 });
    expect(load(world, io, 2000, 16, read)).toBeLessThanOrEqual(20 + 16 + 1);
  });
});
