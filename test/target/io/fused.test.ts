/** Fused Compare and Write in every order of arrival (NVMe Base 2.0 section 3.4.2, NVM Command Set 1.0 section 2.1.3). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockStatus } from '../../../src/base/block-device.ts';
import { AnaState } from '../../../src/target/ana.ts';
import { IoOpcode, ioSqe, sqe } from '../../initiator/command.ts';
import { Status } from '../../initiator/status.ts';
import type { FakeConnection } from '../fake-connection.ts';
import { BLOCK, TargetWorld } from '../target-world.ts';

const FIRST = 1;
const SECOND = 2;
const OLD = Buffer.alloc(BLOCK, 0x01);
const NEW = Buffer.alloc(BLOCK, 0x02);
const SLBA = 3;

/** A command with FUSE bits. */
function fused(command: Buffer, fuse: number): Buffer {
  const bytes = Buffer.from(command);
  bytes[1] |= fuse;
  return bytes;
}

function compare(slba = SLBA, blocks = 1): Buffer {
  return fused(ioSqe(IoOpcode.compare, 1, slba, blocks), FIRST);
}

function write(slba = SLBA, blocks = 1, bits = 0): Buffer {
  return fused(ioSqe(IoOpcode.write, 1, slba, blocks, bits), SECOND);
}

/** The block that the pair is about holds OLD. */
function makeWorld(): TargetWorld {
  const world = new TargetWorld();
  OLD.copy(world.device.bytes, SLBA * BLOCK);
  return world;
}

function block(world: TargetWorld): Buffer {
  return world.device.bytes.subarray(SLBA * BLOCK, (SLBA + 1) * BLOCK);
}

function statuses(io: FakeConnection, ...cids: number[]): (number | undefined)[] {
  return cids.map((cid) => io.answerTo(cid)?.status);
}

describe('a pair', () => {
  it.each([
    ['both in the capsule', false, false, ''],
    ['compare later', true, false, 'c'],
    ['write later', false, true, 'w'],
    ['both later, compare first', true, true, 'cw'],
    ['both later, write first', true, true, 'wc'],
  ])('%s: one operation at the device, two answers', (_name, compareLater, writeLater, order) => {
    const world = makeWorld();
    const { io } = world.host();
    const c = io.send(compare(), { data: OLD, later: compareLater });
    const w = io.send(write(), { data: NEW, later: writeLater });
    for (const half of order) {
      expect(world.device.calls).toEqual([]);
      io.deliver(half === 'c' ? c : w, half === 'c' ? OLD : NEW);
    }
    expect(world.device.calls.map((op) => op.kind)).toEqual(['compareAndWrite']);
    expect([io.isOpen(c), io.isOpen(w)]).toEqual([true, true]);
    world.device.finishAll();
    expect(statuses(io, c, w)).toEqual([Status.success, Status.success]);
    expect(block(world).equals(NEW)).toBe(true);
    expect(io.inUse).toBe(0);
  });

  it('miscompare: the compare says so, the write is a failed fused command, nothing is written', () => {
    const world = makeWorld();
    const { io } = world.host();
    const c = io.send(compare(), { data: NEW });
    const w = io.send(write(), { data: NEW });
    world.device.finishAll();
    expect(io.answerTo(c)).toMatchObject({ status: Status.compareFailure, dnr: true });
    expect(io.answerTo(w)).toMatchObject({ status: Status.fusedFailed });
    expect(block(world).equals(OLD)).toBe(true);
  });

  it('FUA of the write is kept', () => {
    const world = makeWorld();
    const { io } = world.host();
    io.send(compare(), { data: OLD });
    io.send(write(SLBA, 1, 1 << 30), { data: NEW });
    expect(world.device.calls[0].fua).toBe(true);
  });

  it.each([
    ['the owner lost the device', BlockStatus.fenced, Status.anaInaccessible, false],
    ['the device is closed', BlockStatus.gone, Status.anaInaccessible, false],
    ['no space', BlockStatus.noSpace, Status.capacityExceeded, true],
    ['the medium failed', BlockStatus.ioError, Status.writeFault, false],
  ])('%s: both halves hear it', (_name, outcome, status, dnr) => {
    const world = makeWorld();
    const { io } = world.host();
    const c = io.send(compare(), { data: OLD });
    const w = io.send(write(), { data: NEW });
    world.device.finishAll(outcome);
    expect(io.answerTo(c)).toMatchObject({ status, dnr });
    expect(io.answerTo(w)).toMatchObject({ status, dnr });
  });

  it('pairs follow one another, and plain commands go between them', () => {
    const world = makeWorld();
    const { io } = world.host();
    world.device.immediately = BlockStatus.ok;
    for (let round = 0; round < 40; round++) {
      const [from, to] = round % 2 === 0 ? [OLD, NEW] : [NEW, OLD];
      const c = io.send(compare(), { data: from });
      const w = io.send(write(), { data: to });
      expect(statuses(io, c, w)).toEqual([0, 0]);
      expect(io.call(ioSqe(IoOpcode.read, 1, SLBA, 1)).data!.equals(to)).toBe(true);
    }
    expect(io.inUse).toBe(0);
    expect(world.target.buffers.borrowedBytes).toBe(0);
  });
});

describe('a pair that is none', () => {
  it('a second half without a first', () => {
    const { io } = makeWorld().host();
    expect(io.call(write(), { data: NEW }).status).toBe(Status.fusedMissing);
  });

  it('a first half followed by another command ends without effect; the other command runs', () => {
    const world = makeWorld();
    const { io } = world.host();
    const c = io.send(compare(), { data: OLD });
    const read = io.send(ioSqe(IoOpcode.read, 1, SLBA, 1));
    expect(io.answerTo(c)!.status).toBe(Status.fusedMissing);
    expect(world.device.open.map((op) => op.kind)).toEqual(['read']);
    world.device.finishAll();
    expect(io.answerTo(read)!.status).toBe(Status.success);
    expect(io.call(write(), { data: NEW }).status).toBe(Status.fusedMissing);
  });

  it('a first half followed by a first half: the second of them pairs', () => {
    const world = makeWorld();
    const { io } = world.host();
    const lone = io.send(compare(), { data: NEW });
    const c = io.send(compare(), { data: OLD });
    const w = io.send(write(), { data: NEW });
    world.device.finishAll();
    expect(statuses(io, lone, c, w)).toEqual([Status.fusedMissing, 0, 0]);
  });

  it('the first half still waits for its data when the sequence breaks: it ends when the data is in', () => {
    const world = makeWorld();
    const { io } = world.host();
    const c = io.send(compare(), { later: true });
    io.send(sqe({ opcode: IoOpcode.flush, nsid: 1 }));
    expect(io.isOpen(c)).toBe(true); // its buffer is still being filled
    io.deliver(c, OLD);
    expect(io.answerTo(c)!.status).toBe(Status.fusedMissing);
    expect(world.device.calls.map((op) => op.kind)).toEqual(['flush']);
  });

  it.each([
    ['another range', write(SLBA + 1), Status.invalidField],
    ['another length', write(SLBA, 2), Status.invalidField],
    ['not a write', fused(ioSqe(IoOpcode.read, 1, SLBA, 1), SECOND), Status.invalidField],
    ['out of range', write(5000), Status.lbaRange],
    ['another namespace', fused(ioSqe(IoOpcode.write, 9, SLBA, 1), SECOND), Status.invalidNamespace],
  ])('second half: %s. It says why, the first half failed with it', (_name, second, status) => {
    const world = makeWorld();
    const { io } = world.host();
    const c = io.send(compare(), { data: OLD });
    const w = io.send(second, { data: NEW });
    expect(statuses(io, c, w)).toEqual([Status.fusedFailed, status]);
    expect(world.device.calls).toEqual([]);
    expect(io.inUse).toBe(0);
  });

  it.each([
    ['two blocks', compare(SLBA, 2), 0x014],
    ['out of range', compare(5000), Status.lbaRange],
    ['not a compare', fused(ioSqe(IoOpcode.read, 1, SLBA, 1), FIRST), Status.invalidField],
    ['no such namespace', fused(ioSqe(IoOpcode.compare, 9, SLBA, 1), FIRST), Status.invalidNamespace],
  ])('first half: %s. It says why, the second half failed with it', (_name, first, status) => {
    const world = makeWorld();
    const { io } = world.host();
    const c = io.send(first, { data: OLD });
    const w = io.send(write(), { data: NEW });
    expect(statuses(io, c, w)).toEqual([status, Status.fusedFailed]);
    expect(world.device.calls).toEqual([]);
    expect(io.call(write(), { data: NEW }).status).toBe(Status.fusedMissing);
  });

  it('FUSE 11b is reserved', () => {
    const { io } = makeWorld().host();
    expect(io.call(fused(ioSqe(IoOpcode.compare, 1, SLBA, 1), 3), { data: OLD }).status).toBe(
      Status.invalidField,
    );
  });

  it('halves on different queues are no pair', () => {
    const world = makeWorld();
    const { io, controller } = world.host();
    const other = world.connectIo(controller, { qid: 2 });
    const c = io.send(compare(), { data: OLD });
    expect(other.call(write(), { data: NEW }).status).toBe(Status.fusedMissing);
    expect(io.isOpen(c)).toBe(true);
    const w = io.send(write(), { data: NEW });
    world.device.finishAll();
    expect(statuses(io, c, w)).toEqual([0, 0]);
  });
});

describe('data of one half is damaged', () => {
  it.each([
    ['compare, while the write has its data', 'c', false],
    ['compare, while the write waits for its data', 'c', true],
    ['write, while the compare has its data', 'w', false],
    ['write, while the compare waits for its data', 'w', true],
  ])('%s: neither runs, both are answered', (_name, bad, otherLater) => {
    const world = makeWorld();
    const { io } = world.host();
    const c = io.send(compare(), { data: OLD, later: bad === 'c' || otherLater });
    const w = io.send(write(), { data: NEW, later: bad === 'w' || otherLater });
    const [damaged, other] = bad === 'c' ? [c, w] : [w, c];
    io.deliver(damaged, NEW, false);
    expect(io.answerTo(damaged)).toMatchObject({ status: Status.transientTransport, dnr: false });
    if (otherLater) io.deliver(other, OLD);
    expect(io.answerTo(other)!.status).toBe(Status.fusedFailed);
    expect(world.device.calls).toEqual([]);
    expect(io.inUse).toBe(0);
  });

  it('compare, before the write came: the write is a failed half, not a missing pair', () => {
    const { io } = makeWorld().host();
    const c = io.send(compare(), { later: true });
    io.deliver(c, NEW, false);
    expect(io.call(write(), { data: NEW }).status).toBe(Status.fusedFailed);
    expect(io.answerTo(c)!.status).toBe(Status.transientTransport);
  });
});

describe('at the ANA gate', () => {
  it('turned away: both halves are answered 3h/02h with DNR 0, once', () => {
    const world = makeWorld();
    const { io } = world.host();
    world.ana.set(1, AnaState.inaccessible);
    const c = io.send(compare(), { data: OLD });
    const w = io.send(write(), { data: NEW });
    for (const cid of [c, w])
      expect(io.answers.filter((a) => a.cid === cid)).toMatchObject([
        { status: Status.anaInaccessible, dnr: false },
      ]);
    expect(io.inUse).toBe(0);
  });

  it.each([
    ['the drain ends', AnaState.inaccessible, Status.anaInaccessible],
    ['the drain is cancelled', AnaState.optimized, Status.success],
  ])('held until %s: both halves hear it, once', (_name, state, status) => {
    const world = makeWorld();
    const { io } = world.host();
    io.send(ioSqe(IoOpcode.read, 1, 0, 1));
    void world.ana.drain(1, world.clock);
    const c = io.send(compare(), { data: OLD });
    const w = io.send(write(), { data: NEW });
    expect([io.isOpen(c), io.isOpen(w)]).toEqual([true, true]);
    world.ana.set(1, state);
    world.device.finishAll();
    for (const cid of [c, w])
      expect(io.answers.filter((a) => a.cid === cid).map((a) => a.status)).toEqual([status]);
    expect(io.inUse).toBe(0);
  });

  it('the pair that goes over the hold limit is turned away, once', () => {
    const world = makeWorld();
    const { io } = world.host(); // 32 entries: 16 may be held
    io.send(ioSqe(IoOpcode.read, 1, 0, 1));
    void world.ana.drain(1, world.clock);
    for (let i = 0; i < 16; i++) io.send(ioSqe(IoOpcode.read, 1, 0, 1));
    expect(world.ana.stateOf(1)).toBe(AnaState.optimized);
    const c = io.send(compare(), { data: OLD, cid: 1000 });
    const w = io.send(write(), { data: NEW, cid: 1001 });
    expect(world.ana.stateOf(1)).toBe(AnaState.inaccessible);
    for (const cid of [c, w])
      expect(io.answers.filter((a) => a.cid === cid).map((a) => a.status)).toEqual([Status.anaInaccessible]);
    expect(io.inUse).toBe(1);
  });

  it.each([
    ['compare', 0],
    ['write', 1],
  ])('Abort of the %s of a held pair leaves no half behind', (_name, which) => {
    const world = makeWorld();
    const { admin, io } = world.host();
    io.send(ioSqe(IoOpcode.read, 1, 0, 1));
    void world.ana.drain(1, world.clock);
    const c = io.send(compare(), { data: OLD });
    const w = io.send(write(), { data: NEW });
    admin.call(sqe({ opcode: 0x08, cdw: [1 | ([c, w][which] << 16)] }));
    world.ana.set(1, AnaState.inaccessible);
    world.device.finishAll();
    expect([io.isOpen(c), io.isOpen(w)]).toEqual([false, false]);
    expect(world.device.calls.map((op) => op.kind)).toEqual(['read']);
    expect(io.inUse).toBe(0);
  });
});

describe('the connection is lost', () => {
  it('between the halves, or while either waits for data: nothing runs, nothing leaks', () => {
    for (const script of ['c', 'C', 'cW', 'Cw', 'CW']) {
      const world = makeWorld();
      const { io } = world.host();
      for (const half of script) {
        const later = half === half.toUpperCase();
        if (half.toLowerCase() === 'c') io.send(compare(), { data: OLD, later });
        else io.send(write(), { data: NEW, later });
      }
      io.lose();
      expect(world.device.calls).toEqual([]);
      expect(world.target.buffers.borrowedBytes).toBe(0);
    }
  });

  it('while the pair is at the device: it ends there as one orphan, and an overlapping command waits for it', () => {
    const world = makeWorld();
    const lost = world.host();
    const { io } = world.host();
    lost.io.send(compare(), { data: OLD });
    lost.io.send(write(), { data: NEW });
    lost.io.lose();
    expect(world.target.buffers.borrowedBytes).toBe(8192); // the device still reads both
    const read = io.send(ioSqe(IoOpcode.read, 1, SLBA, 1));
    expect(world.device.calls.length).toBe(1);
    world.device.finishAll();
    expect(io.answerTo(read)!.data!.equals(NEW)).toBe(true);
    expect(world.target.buffers.borrowedBytes).toBe(0);
    expect(world.namespace.orphans.size).toBe(0);
  });

  it('while the pair is held: it is discarded', () => {
    const world = makeWorld();
    const { io } = world.host();
    const reader = world.host();
    reader.io.send(ioSqe(IoOpcode.read, 1, 0, 1));
    void world.ana.drain(1, world.clock);
    io.send(compare(), { data: OLD });
    io.send(write(), { data: NEW });
    io.lose();
    world.ana.set(1, AnaState.optimized);
    world.device.finishAll();
    reader.io.settle();
    expect(world.device.calls.map((op) => op.kind)).toEqual(['read']);
    expect(block(world).equals(OLD)).toBe(true);
    expect(world.target.buffers.borrowedBytes).toBe(0);
  });
});

describe('any sequence', () => {
  /** One step of a host that fuses right and wrong, and of the world around it. */
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('compare' as const),
        good: fc.boolean(),
        later: fc.boolean(),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('write' as const),
        later: fc.boolean(),
        slba: fc.constantFrom(SLBA, SLBA, SLBA, 4),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('read' as const) }) },
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('deliver' as const), which: fc.nat(), ok: fc.boolean() }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('finish' as const), which: fc.nat(), ok: fc.boolean() }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('ana' as const),
        state: fc.constantFrom(AnaState.optimized, AnaState.inaccessible),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('drain' as const) }) },
  );

  it('answers every command exactly once, and gives every slot and buffer back', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (script) => {
        const world = makeWorld();
        const { io } = world.host();
        const sent: number[] = [];
        const waiting: number[] = [];
        const send = (command: Buffer, options: { data?: Buffer; later?: boolean }) => {
          if (io.inUse >= 32) return;
          const cid = io.send(command, options);
          sent.push(cid);
          if (options.later === true && io.queue.find(cid)?.solicited === true) waiting.push(cid);
        };
        for (const s of script) {
          if (s.kind === 'compare') send(compare(), { data: s.good ? OLD : NEW, later: s.later });
          else if (s.kind === 'write') send(write(s.slba), { data: NEW, later: s.later });
          else if (s.kind === 'read') send(ioSqe(IoOpcode.read, 1, SLBA, 1), {});
          else if (s.kind === 'deliver') {
            if (waiting.length > 0) io.deliver(waiting.splice(s.which % waiting.length, 1)[0], OLD, s.ok);
          } else if (s.kind === 'finish') {
            const { open } = world.device;
            if (open.length > 0)
              open[s.which % open.length].finish(s.ok ? BlockStatus.ok : BlockStatus.ioError);
          } else if (s.kind === 'ana') world.ana.set(1, s.state);
          else void world.ana.drain(1, world.clock);
        }
        for (const cid of waiting) io.deliver(cid, OLD);
        io.send(ioSqe(IoOpcode.flush, 1, 0, 1), { cid: 60000 }); // a lone first half ends here
        world.device.finishAll();
        world.clock.advance(1000);
        world.device.finishAll();
        const answered = io.answers.map((a) => a.cid).filter((cid) => cid !== 60000);
        // the first two answers belong to Connect
        expect(answered.slice(1).sort((a, b) => a - b)).toEqual([...sent].sort((a, b) => a - b));
        expect(io.inUse).toBe(0);
        expect(world.target.buffers.borrowedBytes).toBe(0);
        expect(world.ana.groups[1].inFlight).toBe(0);
      }),
      { numRuns: 400 },
    );
  });
});
