/** The lease of an ANA group at the gate (ha-design S4): nothing is admitted, and nothing answered, after it is over. */
import { describe, expect, it } from 'vitest';
import { BlockStatus } from '../../src/base/block-device.ts';
import { AnaState } from '../../src/target/ana.ts';
import { Lease } from '../../src/target/lease.ts';
import { Feature, getLogPageSqe, IoOpcode, ioSqe, sqe } from '../initiator/command.ts';
import { LogId } from '../initiator/log-page.ts';
import { Status } from '../initiator/status.ts';
import { FakeBlockDevice } from './fake-block-device.ts';
import { BLOCK, TargetWorld } from './target-world.ts';

const READ = ioSqe(IoOpcode.read, 1, 0, 1);
const WRITE = ioSqe(IoOpcode.write, 1, 0, 1);
const DATA = Buffer.alloc(BLOCK, 7);

/** A world whose group 1 is leased until 1000 ms. */
function leased() {
  const world = new TargetWorld();
  const lease = new Lease(world.watched);
  const group = world.ana.groups[1];
  group.lease = lease;
  lease.granted(lease.ask(), 1000);
  const host = world.host();
  /** Renews now. */
  const renew = (): void => {
    lease.granted(lease.ask(), 1000);
    world.ana.resume(1);
  };
  return { world, lease, group, ...host, renew };
}

describe('a lease', () => {
  it('counts from when it was asked for', () => {
    const world = new TargetWorld();
    const lease = new Lease(world.watched);
    expect(lease.isValid).toBe(false);
    const request = lease.ask();
    world.clock.advance(400);
    expect(lease.granted(request, 1000)).toBe(true);
    world.clock.advance(599);
    world.watched.nowMs();
    expect(lease.isValid).toBe(true);
    world.clock.advance(1);
    world.watched.nowMs();
    expect(lease.isValid).toBe(false);
  });

  it('is not prolonged by what was asked for before it was ended, nor by an answer that took too long', () => {
    const world = new TargetWorld();
    const lease = new Lease(world.watched);
    const before = lease.ask();
    lease.end();
    expect(lease.granted(before, 1000)).toBe(false);
    const slow = lease.ask();
    world.clock.advance(1000);
    expect(lease.granted(slow, 1000)).toBe(false);
    expect(lease.granted(lease.ask(), 1000)).toBe(true);
  });

  it('is not shortened by answers that overtake each other', () => {
    const world = new TargetWorld();
    const lease = new Lease(world.watched);
    const first = lease.ask();
    world.clock.advance(500);
    const second = lease.ask();
    lease.granted(second, 1000);
    lease.granted(first, 1000);
    world.clock.advance(900);
    world.watched.nowMs();
    expect(lease.isValid).toBe(true);
  });
});

describe('a command that comes when the lease is over', () => {
  it('is held, and runs after the renewal, in order', () => {
    const { world, io, renew } = leased();
    world.clock.advance(1000);
    const cids = [3, 1, 2].map((slba) => io.send(ioSqe(IoOpcode.read, 1, slba, 1)));
    expect(cids.every((cid) => io.isOpen(cid))).toBe(true);
    expect(world.device.calls).toEqual([]);
    renew();
    expect(world.device.open.map(({ offset }) => offset / BLOCK)).toEqual([3, 1, 2]);
    world.device.finishAll();
    for (const cid of cids) expect(io.answerTo(cid)!.status).toBe(Status.success);
  });

  it('is answered with the path status when the group turns inaccessible instead', () => {
    const { world, io } = leased();
    world.clock.advance(1000);
    const cid = io.send(WRITE, { data: DATA });
    world.ana.set(1, AnaState.inaccessible);
    expect(io.answerTo(cid)).toMatchObject({ status: Status.anaInaccessible, dnr: false });
    expect(world.device.calls).toEqual([]);
  });

  it('does not touch another group, nor the admin queue', () => {
    const { world, io, admin } = leased();
    const other = new FakeBlockDevice(64 * BLOCK);
    other.immediately = BlockStatus.ok;
    world.addNamespace(2, 2, other);
    world.ana.set(2, AnaState.optimized);
    world.clock.advance(1000);
    io.send(READ);
    expect(io.call(ioSqe(IoOpcode.read, 2, 0, 1)).status).toBe(Status.success);
    expect(admin.call(getLogPageSqe({ lid: LogId.ana, length: 4096 })).status).toBe(Status.success);
  });

  it('is dropped unexecuted when its host goes', () => {
    const { world, io, renew } = leased();
    world.clock.advance(1000);
    io.send(WRITE, { data: DATA });
    io.lose();
    renew();
    expect(world.device.calls).toEqual([]);
    expect(world.target.buffers.borrowedBytes).toBe(0);
  });

  it('can be aborted', () => {
    const { world, io, admin } = leased();
    world.clock.advance(1000);
    const cid = io.send(READ);
    expect(admin.call(sqe({ opcode: 0x08, cdw: [1 + cid * 0x1_0000] })).dw0).toBe(0);
    expect(io.answerTo(cid)!.status).toBe(Status.abortRequested);
  });
});

describe('a command that is done when the lease is over', () => {
  it('is answered after the renewal, with its data, in order', () => {
    const { world, io, renew } = leased();
    const write = io.send(WRITE, { data: DATA });
    const read = io.send(ioSqe(IoOpcode.read, 1, 0, 1));
    world.clock.advance(1000);
    world.device.finishAll();
    expect([io.isOpen(write), io.isOpen(read)]).toEqual([true, true]);
    renew();
    expect(io.answers.slice(-2).map(({ cid, status }) => [cid, status])).toEqual([
      [write, Status.success],
      [read, Status.success],
    ]);
    expect(io.answerTo(read)!.data).toEqual(DATA);
  });

  it('says nothing but the path status, and gives no data, when the group turns inaccessible instead', () => {
    const { world, io } = leased();
    const read = io.send(READ);
    const write = io.send(WRITE, { data: DATA });
    world.clock.advance(1000);
    world.device.finishAll();
    world.ana.set(1, AnaState.inaccessible);
    for (const cid of [read, write]) {
      expect(io.answerTo(cid)).toMatchObject({ status: Status.anaInaccessible, dnr: false, data: null });
    }
    expect(world.target.buffers.borrowedBytes).toBe(0);
  });

  it('does not begin any more if it still waited for its image', () => {
    const { world, io } = leased();
    io.send(WRITE, { data: DATA });
    const [{ completion }] = world.device.open;
    expect(completion.mustNotBegin).toBe(false);
    world.clock.advance(1000);
    expect(completion.mustNotBegin).toBe(true);
  });

  it('says so also when the group turned inaccessible first', () => {
    const { world, io } = leased();
    const cid = io.send(READ);
    world.clock.advance(1000);
    world.ana.set(1, AnaState.inaccessible);
    world.device.finishAll();
    expect(io.answerTo(cid)).toMatchObject({ status: Status.anaInaccessible, data: null });
  });

  it('is not answered by a gateway that was frozen with the answer in its hands, until it has asked again', () => {
    const { world, lease, io, renew } = leased();
    world.watched.onGap(() => lease.end());
    const cid = io.send(READ);
    world.device.open[0].finish();
    // paused with its machine: the monotonic clock does not know
    world.clock.wallMs = () => 1e15;
    expect(io.isOpen(cid)).toBe(true);
    renew();
    expect(io.answerTo(cid)!.status).toBe(Status.success);
  });

  it('leaves nothing behind when its host goes', () => {
    const { world, io, renew } = leased();
    io.send(READ);
    world.clock.advance(1000);
    world.device.finishAll();
    io.settle();
    io.lose();
    expect(world.target.buffers.borrowedBytes).toBe(0);
    renew();
    expect(io.queue.inUse).toBe(0);
  });

  it('counts as done for a drain, and is answered before the group is given away', async () => {
    const { world, io } = leased();
    const cid = io.send(READ);
    world.clock.advance(1000);
    world.device.finishAll();
    expect(io.isOpen(cid)).toBe(true);
    expect(await world.ana.drain(1, world.clock)).toBe(true);
    expect(io.answerTo(cid)!.status).toBe(Status.anaInaccessible);
  });

  it('both halves of a fused pair wait', () => {
    const { world, io, renew } = leased();
    const [compare, write] = [ioSqe(IoOpcode.compare, 1, 0, 1), ioSqe(IoOpcode.write, 1, 0, 1)];
    compare[1] |= 0x01;
    write[1] |= 0x02;
    const first = io.send(compare, { data: Buffer.alloc(BLOCK) });
    const second = io.send(write, { data: DATA });
    world.clock.advance(1000);
    world.device.finishAll();
    expect([io.isOpen(first), io.isOpen(second)]).toEqual([true, true]);
    renew();
    for (const cid of [first, second]) expect(io.answerTo(cid)!.status).toBe(Status.success);
  });
});

describe('a command that is abandoned at the backend', () => {
  it('is answered with the path status; a new command may have its CID at once', () => {
    const { world, io } = leased();
    const cid = io.send(READ);
    world.ana.set(1, AnaState.inaccessible);
    world.target.abandon(world.ana.groups[1]);
    expect(io.answerTo(cid)).toMatchObject({ status: Status.anaInaccessible, dnr: false, data: null });
    expect(io.inUse).toBe(0);
    world.ana.set(1, AnaState.optimized);
    expect(io.send(READ, { cid })).toBe(cid);
    const [old, next] = world.device.open;
    old.finish();
    expect(io.isOpen(cid)).toBe(true);
    next.finish();
    expect(io.answerTo(cid)!.status).toBe(Status.success);
    expect(world.target.buffers.borrowedBytes).toBe(0);
  });

  it('keeps its bytes until the backend is done, and what overlaps a write waits for it', () => {
    const { world, io } = leased();
    io.send(WRITE, { data: Buffer.alloc(BLOCK, 1) });
    world.ana.set(1, AnaState.inaccessible);
    world.target.abandon(world.ana.groups[1]);
    world.ana.set(1, AnaState.optimized);
    const retry = io.send(WRITE, { data: Buffer.alloc(BLOCK, 2) });
    expect(world.device.open.length).toBe(1);
    world.device.finishAll();
    expect(io.answerTo(retry)!.status).toBe(Status.success);
    expect(world.device.bytes[0]).toBe(2);
    expect(world.namespace.orphans.size).toBe(0);
  });

  it('is waited for by a drain: nothing is given away while the backend works', async () => {
    const { world, io } = leased();
    io.send(WRITE, { data: DATA });
    world.ana.set(1, AnaState.inaccessible);
    world.target.abandon(world.ana.groups[1]);
    let drained = false;
    void world.ana.drain(1, world.clock).then(() => {
      drained = true;
    });
    await Promise.resolve();
    expect(drained).toBe(false);
    world.device.finishAll();
    await Promise.resolve();
    await Promise.resolve();
    expect(drained).toBe(true);
  });

  it('does not keep others from data buffers', () => {
    const { world, io } = leased();
    io.send(WRITE, { data: DATA });
    const { buffers } = world.target;
    expect(buffers.borrowedBytes).toBe(4096);
    world.ana.set(1, AnaState.inaccessible);
    world.target.abandon(world.ana.groups[1]);
    expect([buffers.borrowedBytes, buffers.writtenOffBytes]).toEqual([0, 4096]);
    world.device.finishAll();
    expect([buffers.borrowedBytes, buffers.writtenOffBytes]).toEqual([0, 0]);
  });

  it('is left alone when it is of another group', () => {
    const { world, io } = leased();
    const other = new FakeBlockDevice(64 * BLOCK);
    world.addNamespace(2, 2, other);
    world.ana.set(2, AnaState.optimized);
    const cid = io.send(ioSqe(IoOpcode.read, 2, 0, 1));
    world.target.abandon(world.ana.groups[1]);
    expect(io.isOpen(cid)).toBe(true);
    other.finishAll();
    expect(io.answerTo(cid)!.status).toBe(Status.success);
  });

  it('both halves of a fused pair are answered', () => {
    const { world, io } = leased();
    const [compare, write] = [ioSqe(IoOpcode.compare, 1, 0, 1), ioSqe(IoOpcode.write, 1, 0, 1)];
    compare[1] |= 0x01;
    write[1] |= 0x02;
    const cids = [io.send(compare, { data: Buffer.alloc(BLOCK) }), io.send(write, { data: DATA })];
    world.ana.set(1, AnaState.inaccessible);
    world.target.abandon(world.ana.groups[1]);
    for (const cid of cids) expect(io.answerTo(cid)!.status).toBe(Status.anaInaccessible);
    world.device.finishAll();
    expect(io.inUse).toBe(0);
    expect(world.target.buffers.borrowedBytes).toBe(0);
  });

  it('the event comes before its answer', () => {
    const { world, io, admin } = leased();
    admin.call(sqe({ opcode: 0x09, cdw: [Feature.asyncEvent, 1 << 11] }));
    const aer = world.arm(admin);
    const cid = io.send(READ);
    world.ana.set(1, AnaState.inaccessible);
    expect([admin.isOpen(aer), io.isOpen(cid)]).toEqual([false, true]);
    world.target.abandon(world.ana.groups[1]);
    expect(io.isOpen(cid)).toBe(false);
  });
});
