/** ANA states, the gate, and the drain of a planned hand-over (NVMe Base 2.0 section 8.1; ha-design section 5). */
import { describe, expect, it } from 'vitest';
import { AnaState, AnaStates } from '../../src/target/ana.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { Feature, getLogPageSqe, IoOpcode, ioSqe, sqe } from '../initiator/command.ts';
import { LogId, parseAnaLog } from '../initiator/log-page.ts';
import { Status } from '../initiator/status.ts';
import { FakeBlockDevice } from './fake-block-device.ts';
import type { FakeConnection } from './fake-connection.ts';
import { BLOCK, type Host, TargetWorld } from './target-world.ts';

const READ = ioSqe(IoOpcode.read, 1, 0, 1);
const ANA_EVENT_DW0 = 0x000c_0302;

/** What a promise has come to; `pending` while it has not. */
function watch(promise: Promise<boolean>): { value: boolean | 'pending' } {
  const box: { value: boolean | 'pending' } = { value: 'pending' };
  void promise.then((value) => {
    box.value = value;
  });
  return box;
}

function readAna(host: Host) {
  const page = host.admin.call(getLogPageSqe({ lid: LogId.ana, length: 4096 })).data!;
  return parseAnaLog(page);
}

function stateInLog(host: Host, group: number): number | undefined {
  return readAna(host).groups.find((g) => g.id === group)?.state;
}

function enableAnaEvents(host: Host): void {
  host.admin.call(sqe({ opcode: 0x09, cdw: [Feature.asyncEvent, 1 << 11] }));
}

function reads(io: FakeConnection, count: number): number[] {
  return Array.from({ length: count }, () => io.send(READ));
}

describe('the gate', () => {
  it.each([
    ['optimized', AnaState.optimized],
    ['non-optimized', AnaState.nonOptimized],
  ] as const)('%s serves', (_name, state) => {
    const world = new TargetWorld();
    const host = world.host();
    world.ana.set(1, state);
    world.device.immediately = 0;
    expect(host.io.call(READ).status).toBe(Status.success);
  });

  it.each([
    ['read', IoOpcode.read],
    ['write', IoOpcode.write],
    ['compare', IoOpcode.compare],
    ['flush', IoOpcode.flush],
    ['write zeroes', IoOpcode.writeZeroes],
  ] as const)(
    'inaccessible: %s is answered 3h/02h with DNR 0 and never reaches the device',
    (_name, opcode) => {
      const world = new TargetWorld();
      const host = world.host();
      world.ana.set(1, AnaState.inaccessible);
      const answer = host.io.call(ioSqe(opcode, 1, 0, 1));
      expect(answer).toMatchObject({ status: Status.anaInaccessible, dnr: false });
      expect(world.device.calls).toEqual([]);
    },
  );

  it('a group that nobody has set yet is inaccessible', () => {
    const world = new TargetWorld();
    world.addNamespace(2, 2, new FakeBlockDevice(64 * BLOCK));
    const host = world.host();
    expect(host.io.call(ioSqe(IoOpcode.read, 2, 0, 1)).status).toBe(Status.anaInaccessible);
    expect(stateInLog(host, 2)).toBe(AnaState.inaccessible);
  });

  it('one group closed does not touch another', () => {
    const world = new TargetWorld();
    const other = new FakeBlockDevice(64 * BLOCK);
    other.immediately = 0;
    world.addNamespace(2, 2, other);
    world.ana.set(2, AnaState.optimized);
    const host = world.host();
    world.ana.set(1, AnaState.inaccessible);
    expect(host.io.call(ioSqe(IoOpcode.read, 2, 0, 1)).status).toBe(Status.success);
  });

  it('is asked when the command starts: commands in flight end as they do', () => {
    const world = new TargetWorld();
    const { io } = world.host();
    const cid = io.send(READ);
    world.ana.set(1, AnaState.inaccessible);
    expect(io.isOpen(cid)).toBe(true);
    world.device.finishAll();
    expect(io.answerTo(cid)!.status).toBe(Status.success);
  });

  it('is asked when the data of a write is there, not when its capsule came', () => {
    const world = new TargetWorld();
    const { io } = world.host();
    const cid = io.send(ioSqe(IoOpcode.write, 1, 0, 1), { later: true });
    world.ana.set(1, AnaState.inaccessible);
    io.deliver(cid, Buffer.alloc(BLOCK, 1));
    expect(io.answerTo(cid)).toMatchObject({ status: Status.anaInaccessible, dnr: false });
    expect(world.device.calls).toEqual([]);
  });
});

describe('a change', () => {
  it('counts up the change counts of log and group, and only those', () => {
    const world = new TargetWorld();
    const host = world.host();
    world.ana.set(2, AnaState.optimized);
    const before = readAna(host);
    world.ana.set(1, AnaState.inaccessible);
    const after = readAna(host);
    const count = (log: typeof before, id: number) => log.groups.find((g) => g.id === id)!.changeCount;
    expect(after.changeCount).toBeGreaterThan(before.changeCount);
    expect(count(after, 1)).toBeGreaterThan(count(before, 1));
    expect(count(after, 2)).toBe(count(before, 2));
  });

  it('to the state that it has is none: no event, no count', () => {
    const world = new TargetWorld();
    const host = world.host();
    enableAnaEvents(host);
    const before = readAna(host);
    const aer = world.arm(host.admin);
    world.ana.set(1, AnaState.optimized);
    expect(host.admin.isOpen(aer)).toBe(true);
    expect(readAna(host)).toEqual(before);
  });

  it('is in the log, and announced, before the first command is turned away', () => {
    const world = new TargetWorld();
    const host = world.host();
    enableAnaEvents(host);
    const aer = world.arm(host.admin);
    const order: string[] = [];
    const note = (name: string, connection: FakeConnection) => {
      const respond = connection.respond.bind(connection);
      connection.respond = (request) => {
        order.push(`${name}, log says ${world.ana.stateOf(1)}`);
        respond(request);
      };
    };
    note('event', host.admin);
    note('command', host.io);
    host.io.send(READ);
    void world.ana.drain(1, world.clock);
    const held = host.io.send(READ);
    world.clock.advance(500);
    expect(order).toEqual(['event, log says 3', 'command, log says 3']);
    expect(host.admin.answerTo(aer)).toMatchObject({ status: 0, dw0: ANA_EVENT_DW0 });
    expect(host.io.answerTo(held)!.status).toBe(Status.anaInaccessible);
  });

  it('of a group outside 1..ANAGRPMAX is a programming error', () => {
    const ana = new AnaStates(4);
    expect(ana.maxGroups).toBe(4);
    for (const group of [0, 5, -1]) expect(() => ana.set(group, AnaState.optimized)).toThrow(RangeError);
  });

  it('is told to subscribers until they leave', () => {
    const ana = new AnaStates(4);
    const seen: number[] = [];
    const leave = ana.subscribe((group) => seen.push(group));
    ana.set(3, AnaState.optimized);
    ana.membersChanged(2);
    leave();
    ana.set(3, AnaState.inaccessible);
    expect(seen).toEqual([3, 2]);
  });
});

describe('drain', () => {
  it('of an idle group is over at once', async () => {
    const world = new TargetWorld();
    const host = world.host();
    expect(await world.ana.drain(1, world.clock)).toBe(true);
    expect(stateInLog(host, 1)).toBe(AnaState.inaccessible);
    expect(world.clock.armed).toBe(0);
  });

  it('of a group that is inaccessible already changes nothing', async () => {
    const world = new TargetWorld();
    world.ana.set(1, AnaState.inaccessible);
    const before = world.ana.changeCount;
    expect(await world.ana.drain(1, world.clock)).toBe(true);
    expect(world.ana.changeCount).toBe(before);
  });

  it('holds new commands, still says optimized, and ends when the last one in flight has', async () => {
    const world = new TargetWorld();
    const host = world.host();
    const flying = reads(host.io, 3);
    const drained = watch(world.ana.drain(1, world.clock));
    const held = reads(host.io, 3);
    expect(stateInLog(host, 1)).toBe(AnaState.optimized);
    expect(world.device.open.length).toBe(3);

    world.device.open[0].finish();
    world.device.open[0].finish();
    await Promise.resolve();
    expect(drained.value).toBe('pending');
    expect(held.every((cid) => host.io.isOpen(cid))).toBe(true);

    world.device.open[0].finish();
    await Promise.resolve();
    expect(drained.value).toBe(true);
    for (const cid of flying) expect(host.io.answerTo(cid)!.status).toBe(Status.success);
    for (const cid of held)
      expect(host.io.answerTo(cid)).toMatchObject({ status: Status.anaInaccessible, dnr: false });
    expect(world.device.calls.length).toBe(3);
    expect(stateInLog(host, 1)).toBe(AnaState.inaccessible);
    expect(host.io.inUse).toBe(0);
  });

  it('never says done with a command in flight, however the holding ended', async () => {
    const world = new TargetWorld();
    const { io } = world.host();
    io.send(READ);
    const drained = watch(world.ana.drain(1, world.clock));
    world.clock.advance(60_000);
    await Promise.resolve();
    expect(world.ana.stateOf(1)).toBe(AnaState.inaccessible);
    expect(drained.value).toBe('pending');
    world.device.finishAll();
    await Promise.resolve();
    expect(drained.value).toBe(true);
  });

  it('waits for writes whose host is gone', async () => {
    const world = new TargetWorld();
    const { io } = world.host();
    io.send(ioSqe(IoOpcode.write, 1, 0, 1), { data: Buffer.alloc(BLOCK, 7) });
    io.lose();
    const drained = watch(world.ana.drain(1, world.clock));
    await Promise.resolve();
    expect(drained.value).toBe('pending');
    world.device.finishAll();
    await Promise.resolve();
    expect(drained.value).toBe(true);
  });

  it('holds at most 500 ms: then the log changes and what was held is turned away', () => {
    const world = new TargetWorld();
    const host = world.host();
    host.io.send(READ);
    void world.ana.drain(1, world.clock);
    const held = host.io.send(READ);
    world.clock.advance(499);
    expect(host.io.isOpen(held)).toBe(true);
    expect(stateInLog(host, 1)).toBe(AnaState.optimized);
    world.clock.advance(1);
    expect(host.io.answerTo(held)!.status).toBe(Status.anaInaccessible);
    expect(stateInLog(host, 1)).toBe(AnaState.inaccessible);
    expect(host.io.call(READ).status).toBe(Status.anaInaccessible);
    expect(world.device.calls.length).toBe(1);
  });

  it('holds at most half of the slots of a queue', () => {
    const world = new TargetWorld();
    const host = world.host(); // 32 entries
    host.io.send(READ);
    void world.ana.drain(1, world.clock);
    const held = reads(host.io, 16);
    expect(held.every((cid) => host.io.isOpen(cid))).toBe(true);
    expect(world.ana.stateOf(1)).toBe(AnaState.optimized);
    const over = host.io.send(READ);
    for (const cid of [...held, over]) expect(host.io.answerTo(cid)!.status).toBe(Status.anaInaccessible);
    expect(stateInLog(host, 1)).toBe(AnaState.inaccessible);
    expect(host.io.inUse).toBe(1);
  });

  it('counts the slots of each queue by themselves', () => {
    const world = new TargetWorld();
    const host = world.host();
    const second = world.connectIo(host.controller, { qid: 2 });
    host.io.send(READ);
    void world.ana.drain(1, world.clock);
    reads(host.io, 15);
    reads(second, 15);
    expect(world.ana.stateOf(1)).toBe(AnaState.optimized);
  });

  it('cancelled by set(optimized): what was held runs, in order, and the drain says false', async () => {
    const world = new TargetWorld();
    const { io } = world.host();
    io.send(READ);
    const drained = watch(world.ana.drain(1, world.clock));
    const held = [5, 6, 7].map((slba) => io.send(ioSqe(IoOpcode.read, 1, slba, 1)));
    world.ana.set(1, AnaState.optimized);
    await Promise.resolve();
    expect(drained.value).toBe(false);
    expect(world.device.open.map((op) => op.offset / BLOCK)).toEqual([0, 5, 6, 7]);
    world.device.finishAll();
    for (const cid of held) expect(io.answerTo(cid)!.status).toBe(Status.success);
    world.clock.advance(60_000);
    expect(world.ana.stateOf(1)).toBe(AnaState.optimized);
    expect(world.clock.armed).toBe(0);
  });

  it('cancelled after its holding ended, with a command still in flight, says false as well', async () => {
    const world = new TargetWorld();
    const { io } = world.host();
    io.send(READ);
    const drained = watch(world.ana.drain(1, world.clock));
    world.clock.advance(500);
    world.ana.set(1, AnaState.optimized);
    world.device.finishAll();
    await Promise.resolve();
    expect(drained.value).toBe(false);
    expect(world.ana.stateOf(1)).toBe(AnaState.optimized);
  });

  it('ended by set(inaccessible): held commands are turned away, and it is done with the last in flight', async () => {
    const world = new TargetWorld();
    const { io } = world.host();
    io.send(READ);
    const drained = watch(world.ana.drain(1, world.clock));
    const held = io.send(READ);
    world.ana.set(1, AnaState.inaccessible);
    expect(io.answerTo(held)!.status).toBe(Status.anaInaccessible);
    await Promise.resolve();
    expect(drained.value).toBe('pending');
    world.device.finishAll();
    await Promise.resolve();
    expect(drained.value).toBe(true);
  });

  it('asked for twice is one drain: both hear its end, and commands are still held meanwhile', async () => {
    const world = new TargetWorld();
    const { io } = world.host();
    io.send(READ);
    const first = watch(world.ana.drain(1, world.clock));
    const held = io.send(READ);
    const second = watch(world.ana.drain(1, world.clock));
    const heldToo = io.send(READ);
    expect(io.isOpen(heldToo)).toBe(true);
    expect(world.ana.stateOf(1)).toBe(AnaState.optimized);
    world.device.finishAll();
    await Promise.resolve();
    await Promise.resolve();
    expect([first.value, second.value]).toEqual([true, true]);
    for (const cid of [held, heldToo]) expect(io.answerTo(cid)!.status).toBe(Status.anaInaccessible);
  });

  it('asked for again after its holding ended ends with the same last command', async () => {
    const world = new TargetWorld();
    const { io } = world.host();
    io.send(READ);
    const first = watch(world.ana.drain(1, world.clock));
    world.clock.advance(500);
    const second = watch(world.ana.drain(1, world.clock));
    world.device.finishAll();
    await Promise.resolve();
    await Promise.resolve();
    expect([first.value, second.value]).toEqual([true, true]);
  });

  it('a held command whose connection is gone is never executed, even when the drain is cancelled', () => {
    const world = new TargetWorld();
    const { io } = world.host();
    io.send(READ);
    void world.ana.drain(1, world.clock);
    io.send(ioSqe(IoOpcode.write, 1, 9, 1), { data: Buffer.alloc(BLOCK, 0xee) });
    io.lose();
    const borrowed = world.target.buffers.borrowedBytes;
    expect(borrowed).toBe(4096); // the read in flight alone: the held write gave its buffer back
    world.ana.set(1, AnaState.optimized);
    world.device.finishAll();
    expect(world.device.calls.map((op) => op.kind)).toEqual(['read']);
    expect(world.device.bytes.every((byte) => byte === 0)).toBe(true);
    expect(world.target.buffers.borrowedBytes).toBe(0);
  });

  it('the next drain of a group works like the first', async () => {
    const world = new TargetWorld();
    const { io } = world.host();
    for (let round = 0; round < 3; round++) {
      const flying = io.send(READ);
      const drained = watch(world.ana.drain(1, world.clock));
      const held = io.send(READ);
      world.device.finishAll();
      await Promise.resolve();
      expect(drained.value).toBe(true);
      expect(io.answerTo(flying)!.status).toBe(Status.success);
      expect(io.answerTo(held)!.status).toBe(Status.anaInaccessible);
      world.ana.set(1, AnaState.optimized);
    }
    expect(world.ana.groups[1].inFlight).toBe(0);
  });
});

describe('Abort of a held command', () => {
  it('ends it with Command Abort Requested, and it never runs', () => {
    const world = new TargetWorld();
    const { admin, io } = world.host();
    io.send(READ);
    void world.ana.drain(1, world.clock);
    const held = io.send(READ);
    const answer = admin.call(sqe({ opcode: 0x08, cdw: [1 | (held << 16)] }));
    expect(answer).toMatchObject({ status: 0, dw0: 0 });
    expect(io.answerTo(held)!.status).toBe(Status.abortRequested);
    world.ana.set(1, AnaState.optimized);
    expect(world.device.calls.length).toBe(1);
  });

  it('what is at the device cannot be called back: DW0 bit 0 says so', () => {
    const world = new TargetWorld();
    const { admin, io } = world.host();
    const cid = io.send(READ);
    expect(admin.call(sqe({ opcode: 0x08, cdw: [1 | (cid << 16)] }))).toMatchObject({ status: 0, dw0: 1 });
    expect(admin.call(sqe({ opcode: 0x08, cdw: [1 | (99 << 16)] }))).toMatchObject({ status: 0, dw0: 1 });
    expect(admin.call(sqe({ opcode: 0x08, cdw: [7] }))).toMatchObject({ status: 0, dw0: 1 });
    world.device.finishAll();
    expect(io.answerTo(cid)!.status).toBe(Status.success);
  });
});

describe('time', () => {
  it('no timer is left by drains that ended early', async () => {
    const world = new TargetWorld();
    const { io } = world.host();
    io.send(READ);
    const drained = world.ana.drain(1, world.clock);
    world.device.finishAll();
    await drained;
    expect(world.clock.armed).toBe(0);
    const lonely = new AnaStates(2);
    const clock = new ManualClock();
    lonely.set(1, AnaState.optimized);
    await lonely.drain(1, clock);
    expect(clock.armed).toBe(0);
  });
});
