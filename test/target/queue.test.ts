/** Slots, command ids and SQHD of one queue (NVMe Base 2.0 section 3.3.3; NVMe/TCP 1.0 section 3.3). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IoOpcode, ioSqe } from '../initiator/command.ts';
import { Status } from '../initiator/status.ts';
import { BLOCK, TargetWorld } from './target-world.ts';

const READ = ioSqe(IoOpcode.read, 1, 0, 1);

function makeQueue(entries: number, cattr = 0) {
  const world = new TargetWorld();
  const { controller } = world.connectAdmin();
  const io = world.connectIo(controller, { sqsize: entries - 1, cattr });
  return { world, controller, io };
}

describe('slots', () => {
  it('before Connect a queue takes one command', () => {
    const world = new TargetWorld();
    const connection = world.connection();
    const request = connection.queue.take();
    expect(request).not.toBeNull();
    expect(connection.queue.take()).toBeNull();
  });

  it('as many commands as the queue has entries, one more is an error of the host', () => {
    const { world, io } = makeQueue(8);
    for (let i = 0; i < 8; i++) io.send(READ);
    expect(io.overrun).toBe(false);
    expect(io.inUse).toBe(8);
    io.send(READ);
    expect(io.overrun).toBe(true);
    world.device.finishAll();
    expect(io.inUse).toBe(0);
  });

  it('a slot is free again with its answer, and every slot has a tag of its own below the queue size', () => {
    const { world, io } = makeQueue(4);
    for (let round = 0; round < 20; round++) {
      const tags = new Set<number>();
      for (let i = 0; i < 4; i++) {
        const cid = io.send(ioSqe(IoOpcode.write, 1, i, 1), { later: true });
        tags.add(io.queue.find(cid)!.slot);
        expect(io.queue.bySlot(io.queue.find(cid)!.slot)!.cid).toBe(cid);
        io.deliver(cid, Buffer.alloc(BLOCK));
      }
      expect([...tags].sort()).toEqual([0, 1, 2, 3]);
      world.device.finishAll();
      expect(io.inUse).toBe(0);
    }
    expect(io.overrun).toBe(false);
  });

  it.each([4, 5, 65535])('tag %i names no slot of a queue of four', (tag) => {
    const { io } = makeQueue(4);
    for (let i = 0; i < 4; i++) io.send(READ);
    expect(io.queue.bySlot(tag)).toBeNull();
  });

  it('nothing of a command is left in the slot for the next one', () => {
    const { world, io } = makeQueue(2);
    world.device.immediately = 0;
    world.device.bytes.fill(0x5a);
    io.call(ioSqe(IoOpcode.write, 1, 0, 8), { data: Buffer.alloc(8 * BLOCK, 1) });
    io.call(ioSqe(IoOpcode.read, 1, 5000, 1));
    io.call(ioSqe(IoOpcode.flush, 1, 0, 1));
    expect(io.call(ioSqe(IoOpcode.read, 1, 100, 1))).toMatchObject({
      status: 0,
      dw0: 0,
      dw1: 0,
      data: Buffer.alloc(BLOCK, 0x5a),
    });
  });
});

describe('command ids', () => {
  it('one that is in use is refused with Command ID Conflict; the first command is not touched', () => {
    const { world, io } = makeQueue(8);
    io.send(READ, { cid: 7 });
    io.send(READ, { cid: 7 });
    expect(io.answers.filter((a) => a.cid === 7)).toMatchObject([{ status: Status.cidConflict, dnr: true }]);
    expect(world.device.calls.length).toBe(1);
    world.device.finishAll();
    expect(io.answers.filter((a) => a.cid === 7).map((a) => a.status)).toEqual([Status.cidConflict, 0]);
    io.send(READ, { cid: 7 });
    world.device.finishAll();
    expect(io.answerTo(7)!.status).toBe(0);
    expect(io.inUse).toBe(0);
  });

  it('the same one on another queue is another command', () => {
    const { world, controller, io } = makeQueue(8);
    const second = world.connectIo(controller, { qid: 2 });
    io.send(READ, { cid: 7 });
    second.send(READ, { cid: 7 });
    expect(world.device.calls.length).toBe(2);
  });

  it('any choice of ids, any order of completion: conflicts are found, and only those', () => {
    const step = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({ cid: fc.constantFrom(0, 1, 63, 64, 65, 128, 192, 0xffff, 0xffbf, 5, 69) }),
      },
      { weight: 2, arbitrary: fc.record({ finish: fc.nat() }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (script) => {
        const { world, io } = makeQueue(16);
        const open: number[] = [];
        for (const s of script) {
          if ('cid' in s) {
            if (open.length >= 15) continue;
            const before = io.answers.length;
            io.send(READ, { cid: s.cid });
            const refused = io.answers.slice(before);
            if (open.includes(s.cid))
              expect(refused).toMatchObject([{ cid: s.cid, status: Status.cidConflict }]);
            else {
              expect(refused).toEqual([]);
              open.push(s.cid);
            }
          } else if (open.length > 0) {
            const index = s.finish % open.length;
            world.device.open[index].finish();
            const [cid] = open.splice(index, 1);
            expect(io.answers.at(-1)).toMatchObject({ cid, status: 0 });
          }
          for (const cid of open) expect(io.queue.find(cid)?.cid).toBe(cid);
          expect(io.inUse).toBe(open.length);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('SQHD', () => {
  it('counts the entries that were taken, Connect included, and wraps at the queue size', () => {
    const { world, io } = makeQueue(4);
    world.device.immediately = 0;
    expect(io.answers[0].sqhd).toBe(1);
    const seen = Array.from({ length: 9 }, () => io.call(READ).sqhd);
    expect(seen).toEqual([2, 3, 0, 1, 2, 3, 0, 1, 2]);
  });

  it('is that of the moment of the answer', () => {
    const { world, io } = makeQueue(8);
    const first = io.send(READ);
    io.send(READ);
    io.send(READ);
    world.device.open[0].finish();
    expect(io.answerTo(first)!.sqhd).toBe(4);
  });

  it('is FFFFh throughout when the host disabled SQ flow control', () => {
    const { world, io } = makeQueue(4, 4);
    world.device.immediately = 0;
    expect(io.answers[0].sqhd).toBe(0xffff);
    for (let i = 0; i < 9; i++) expect(io.call(READ).sqhd).toBe(0xffff);
  });
});

describe('a lost connection', () => {
  it('gives back at once what nobody works on, and the rest with the device', () => {
    const { world, io } = makeQueue(8);
    io.send(ioSqe(IoOpcode.write, 1, 0, 8), { later: true });
    io.send(ioSqe(IoOpcode.write, 1, 0, 8), { data: Buffer.alloc(8 * BLOCK) });
    io.send(ioSqe(IoOpcode.read, 1, 64, 8));
    expect(world.target.buffers.borrowedBytes).toBe(3 * 4096);
    io.lose();
    expect(world.target.buffers.borrowedBytes).toBe(2 * 4096);
    world.device.finishAll();
    expect(world.target.buffers.borrowedBytes).toBe(0);
    expect(world.ana.groups[1].inFlight).toBe(0);
  });

  it('closing twice is closing once', () => {
    const { world, io } = makeQueue(8);
    io.send(READ);
    io.lose();
    io.queue.close();
    world.device.finishAll();
    expect(world.target.buffers.borrowedBytes).toBe(0);
  });
});
