/** One connection: order of PDUs, data of a write, deadlines (NVMe/TCP 1.0 sections 3.3 to 3.7). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IoOpcode, ioSqe } from '../../initiator/command.ts';
import { buildPdu, Fes, h2cDataSpecific, h2cTermReq, icReq, PduFlag, PduType } from '../../initiator/pdu.ts';
import { BLOCK, TargetWorld } from '../../target/target-world.ts';
import { FakeHost, FakeOwner } from './fake-host.ts';

function setup() {
  const world = new TargetWorld();
  world.device.immediately = 0;
  const owner = new FakeOwner(world.target, world.port);
  return { world, owner };
}

/** An admin queue, and an I/O queue of eight entries. */
function connected() {
  const made = setup();
  const admin = new FakeHost(made.owner);
  const cntlid = admin.connect();
  admin.connection.queue.controller!.setCc(0x0046_0001);
  const io = new FakeHost(made.owner);
  io.connect({ qid: 1, sqsize: 7, cntlid });
  return { ...made, admin, io };
}

/** The C2HTermReq that must have come, and nothing behind it. */
function termination(host: FakeHost): { fes: number; fei: number } {
  host.read();
  const pdu = host.received.at(-1)!;
  expect(pdu.type).toBe(PduType.c2hTermReq);
  return { fes: pdu.header.readUInt16LE(8), fei: pdu.header.readUInt32LE(10) };
}

describe('beginning', () => {
  it('answers an ICReq with what the target can', () => {
    const host = new FakeHost(setup().owner);
    host.transmit(icReq({ hdgst: true, maxR2t: 15 }));
    host.read();
    const [{ type, header }] = host.received;
    expect(type).toBe(PduType.icResp);
    expect(header.readUInt16LE(8)).toBe(0); // PFV
    expect(header[11]).toBe(1); // header digest as asked
    expect(header.readUInt32LE(12)).toBeGreaterThanOrEqual(1 << 20); // MAXH2CDATA at least MDTS
  });

  it.each([
    ['a capsule before ICReq', buildPdu({ type: PduType.capsuleCmd }), Fes.sequenceError, 0],
    ['data before ICReq', buildPdu({ type: PduType.h2cData, data: Buffer.alloc(512) }), Fes.sequenceError, 0],
    ['another version of the PDU format', icReq({ pfv: 1 }), Fes.unsupportedParameter, 8],
    ['HPDA beyond 31', icReq({ hpda: 32 }), Fes.invalidHeaderField, 10],
  ])('%s ends the connection', (_name, pdu, fes, fei) => {
    const { owner } = setup();
    const host = new FakeHost(owner);
    host.transmit(pdu);
    expect(termination(host)).toEqual({ fes, fei });
    expect(owner.faults).toEqual([fes]);
  });

  it('a second ICReq ends the connection', () => {
    const { io } = connected();
    io.transmit(icReq());
    expect(termination(io).fes).toBe(Fes.sequenceError);
  });

  it('no ICReq in time, no Connect in time: closed', () => {
    const { world, owner } = setup();
    const silent = new FakeHost(owner);
    const slow = new FakeHost(owner);
    slow.transmit(icReq());
    const good = new FakeHost(owner);
    good.connect();
    world.clock.advance(9_999);
    expect(owner.closed).toEqual([]);
    world.clock.advance(1);
    expect(owner.missed.sort()).toEqual(['no-connect', 'no-icreq']);
    expect([silent, slow, good].map((host) => host.socket.destroyed)).toEqual([true, true, false]);
  });

  it('an H2CTermReq is not answered: the connection is closed', () => {
    const { io } = connected();
    const before = io.received.length;
    io.transmit(h2cTermReq(Fes.invalidHeaderField, 2));
    io.read();
    expect(io.socket.destroyed).toBe(true);
    expect(io.received.length).toBe(before);
  });
});

describe('commands', () => {
  it('one more than the queue has entries ends the connection', () => {
    const { world, io } = connected();
    world.device.immediately = null;
    for (let i = 0; i < 8; i++) io.command(ioSqe(IoOpcode.read, 1, 0, 1), { length: BLOCK });
    expect(io.socket.unread).toEqual([]);
    io.command(ioSqe(IoOpcode.read, 1, 0, 1), { length: BLOCK });
    expect(termination(io).fes).toBe(Fes.sequenceError);
    world.device.finishAll();
    expect(world.target.buffers.borrowedBytes).toBe(0);
  });

  it('a wrong SGL is the end of the command, not of the connection', () => {
    const { io, owner } = connected();
    const cid = io.command(ioSqe(IoOpcode.read, 1, 0, 2), { length: BLOCK });
    io.read();
    expect(io.answers.get(cid)! & 0x7ff).toBe(0x00f);
    const next = io.command(ioSqe(IoOpcode.read, 1, 0, 1), { length: BLOCK });
    owner.endTurn();
    io.read();
    expect(io.answers.get(next)).toBe(0);
  });
});

describe('data of a write', () => {
  const BLOCKS = 64;
  const data = Buffer.from(Array.from({ length: BLOCKS * BLOCK }, (_, i) => (i * 31 + (i >> 8)) & 0xff));

  it('arrives in any number of pieces, and those of several writes in any order', () => {
    const pieces = fc.array(fc.record({ which: fc.nat(), most: fc.integer({ min: 1, max: 9000 }) }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(pieces, (script) => {
        const { world, io, owner } = connected();
        const writes = [0, 1, 2].map((i) =>
          io.command(ioSqe(IoOpcode.write, 1, i * BLOCKS, BLOCKS), {
            data: Buffer.from(data).fill(i + 1, 0, 100),
          }),
        );
        io.read();
        expect(io.asked.map((r2t) => [r2t.cid, r2t.offset, r2t.length])).toEqual(
          writes.map((cid) => [cid, 0, data.length]),
        );
        for (const { which, most } of script)
          if (io.asked.length > 0) io.sendData(which % io.asked.length, most);
        while (io.asked.length > 0) io.sendData(0);
        owner.endTurn();
        io.read();
        for (const [i, cid] of writes.entries()) {
          expect(io.answers.get(cid)).toBe(0);
          const at = i * data.length;
          expect(world.device.bytes.subarray(at + 100, at + data.length).equals(data.subarray(100))).toBe(
            true,
          );
          expect(world.device.bytes[at]).toBe(i + 1);
        }
        expect(world.target.buffers.borrowedBytes).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it('is complete with its last byte, not before', () => {
    const { world, io } = connected();
    io.command(ioSqe(IoOpcode.write, 1, 0, BLOCKS), { data });
    io.read();
    for (const length of [data.length - 600, 512, 87]) {
      io.sendData(0, length);
      expect(world.device.calls).toEqual([]);
    }
    io.sendData(0);
    expect(world.device.bytes.subarray(0, data.length).equals(data)).toBe(true);
  });

  /** What is sent after the first 4096 bytes: fields, flags, bytes; and what it is answered with. */
  const wrong: readonly [
    string,
    { cid?: number; ttag?: number; offset?: number; length?: number; bytes?: number; last?: boolean },
    number,
    number | null,
  ][] = [
    ['a gap', { offset: 8192 }, Fes.dataOutOfRange, null],
    ['bytes that came already', { offset: 0 }, Fes.dataOutOfRange, null],
    ['more than the command moves', { offset: 4096, bytes: 32768 }, Fes.dataOutOfRange, null],
    ['an offset that wraps', { offset: 0xffff_f000 }, Fes.dataOutOfRange, null],
    ['a tag that was not given out', { ttag: 99 }, Fes.invalidHeaderField, 10],
    ['a tag of a slot without R2T', { ttag: 1 }, Fes.invalidHeaderField, 10],
    ['another command id', { cid: 0x7777 }, Fes.invalidHeaderField, 8],
    ['DATAL less than what is there', { length: 2048 }, Fes.invalidHeaderField, 16],
    ['DATAL more than what is there', { length: 8192 }, Fes.invalidHeaderField, 16],
    ['LAST before the end', { last: true }, Fes.invalidHeaderField, 1],
    ['no LAST at the end', { bytes: 28672, last: false }, Fes.invalidHeaderField, 1],
  ];

  it.each(wrong)('%s: C2HTermReq, and the write never happens', (_name, change, fes, fei) => {
    const { world, io, owner } = connected();
    const cid = io.command(ioSqe(IoOpcode.write, 1, 0, BLOCKS), { data });
    io.read();
    const [{ ttag }] = io.asked;
    io.sendData(0, 4096);
    const bytes = change.bytes ?? 4096;
    const specific = h2cDataSpecific(
      change.cid ?? cid,
      change.ttag ?? ttag,
      change.offset ?? 4096,
      change.length ?? bytes,
    );
    const flags = change.last === true ? PduFlag.last : 0;
    io.transmit(buildPdu({ type: PduType.h2cData, flags, specific, data: Buffer.alloc(bytes, 0xee) }));
    const answer = termination(io);
    expect(answer.fes).toBe(fes);
    if (fei !== null) expect(answer.fei).toBe(fei);
    owner.endTurn();
    expect(world.device.calls).toEqual([]);
    expect(world.target.buffers.borrowedBytes).toBe(0);
    expect(owner.faults).toEqual([fes]);
  });

  it('data for a command whose data is complete is data nobody asked for', () => {
    const { world, io } = connected();
    world.device.immediately = null;
    const cid = io.command(ioSqe(IoOpcode.write, 1, 0, BLOCKS), { data });
    io.read();
    const [{ ttag }] = io.asked;
    io.sendData(0);
    const specific = h2cDataSpecific(cid, ttag, 0, 512);
    io.transmit(buildPdu({ type: PduType.h2cData, specific, data: Buffer.alloc(512, 0xee) }));
    expect(termination(io)).toMatchObject({ fes: Fes.invalidHeaderField, fei: 10 });
    world.device.finishAll();
    expect(world.device.bytes.subarray(0, data.length).equals(data)).toBe(true);
    expect(world.target.buffers.borrowedBytes).toBe(0);
  });
});
