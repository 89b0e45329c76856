/** Read, Write, Compare, Write Zeroes, Flush: checks before the device, and what becomes of its outcome (NVM Command Set 1.0 section 3.2). */
import { describe, expect, it } from 'vitest';
import { BlockStatus } from '../../../src/base/block-device.ts';
import { Cdw12, dsmRanges, dsmSqe, getLogPageSqe, IoOpcode, ioSqe, sqe } from '../../initiator/command.ts';
import { LogId } from '../../initiator/log-page.ts';
import { Status } from '../../initiator/status.ts';
import { FakeBlockDevice } from '../fake-block-device.ts';
import { BLOCK, TargetWorld } from '../target-world.ts';

const BLOCKS = 2048;

function makeWorld() {
  const world = new TargetWorld();
  return { world, ...world.host() };
}

function ready() {
  const made = makeWorld();
  made.world.device.immediately = BlockStatus.ok;
  return made;
}

describe('data', () => {
  it('written is what is read', () => {
    const { world, io } = ready();
    const data = Buffer.from(Array.from({ length: 3 * BLOCK }, (_, i) => (i * 7) & 0xff));
    expect(io.call(ioSqe(IoOpcode.write, 1, 5, 3), { data }).status).toBe(Status.success);
    expect(io.call(ioSqe(IoOpcode.read, 1, 5, 3)).data!.equals(data)).toBe(true);
    expect(io.call(ioSqe(IoOpcode.compare, 1, 5, 3), { data }).status).toBe(Status.success);
    expect(io.call(ioSqe(IoOpcode.writeZeroes, 1, 5, 1)).status).toBe(Status.success);
    const answer = io.call(ioSqe(IoOpcode.compare, 1, 5, 3), { data });
    expect(answer).toMatchObject({ status: Status.compareFailure, dnr: true });
    expect(world.target.buffers.borrowedBytes).toBe(0);
  });

  it.each([
    ['write', IoOpcode.write],
    ['write zeroes', IoOpcode.writeZeroes],
  ])('FUA of %s reaches the device, and only when the host asks for it', (_name, opcode) => {
    const { world, io } = ready();
    io.call(ioSqe(opcode, 1, 0, 1, Cdw12.fua), { data: Buffer.alloc(BLOCK) });
    io.call(ioSqe(opcode, 1, 0, 1), { data: Buffer.alloc(BLOCK) });
    expect(world.device.calls.map((op) => op.fua)).toEqual([true, false]);
  });

  it('commands of one queue end in any order', () => {
    const { world, io } = makeWorld();
    const cids = [0, 1, 2, 3].map((slba) => io.send(ioSqe(IoOpcode.read, 1, slba, 1)));
    for (const i of [2, 0, 1, 0]) world.device.open[i].finish();
    expect(io.answers.slice(-4).map((a) => a.cid)).toEqual([cids[2], cids[0], cids[3], cids[1]]);
  });
});

describe('LBA range', () => {
  const moving = [IoOpcode.read, IoOpcode.write, IoOpcode.compare, IoOpcode.writeZeroes];

  it.each([
    ['the last block', BLOCKS - 1, 1],
    ['the last eight', BLOCKS - 8, 8],
    ['the first', 0, 1],
  ])('%s are there', (_name, slba, blocks) => {
    for (const opcode of moving) {
      const { io } = ready();
      expect(io.call(ioSqe(opcode, 1, slba, blocks)).status).toBe(Status.success);
    }
  });

  it.each([
    ['one past the end', BLOCKS, 1],
    ['over the end', BLOCKS - 7, 8],
    ['2^32', 2 ** 32, 1],
    ['2^53', 2 ** 53, 1],
    ['2^63', 2 ** 63, 8],
  ])('%s: LBA Out of Range, the device hears nothing', (_name, slba, blocks) => {
    for (const opcode of moving) {
      const { world, io } = ready();
      expect(io.call(ioSqe(opcode, 1, slba, blocks))).toMatchObject({ status: Status.lbaRange, dnr: true });
      expect(world.device.calls).toEqual([]);
    }
  });

  it('SLBA FFFFFFFF_FFFFFFFFh does not wrap', () => {
    const { io } = ready();
    const command = sqe({ opcode: IoOpcode.read, nsid: 1, cdw: [0xffffffff, 0xffffffff, 0] });
    expect(io.call(command).status).toBe(Status.lbaRange);
  });

  it('follows the size of the namespace', () => {
    const { world, io } = ready();
    world.subsystem.resizeNamespace(1, 8 * BLOCK);
    expect(io.call(ioSqe(IoOpcode.read, 1, 8, 1)).status).toBe(Status.lbaRange);
    expect(io.call(ioSqe(IoOpcode.read, 1, 7, 1)).status).toBe(Status.success);
    world.subsystem.resizeNamespace(1, 16 * BLOCK);
    expect(io.call(ioSqe(IoOpcode.read, 1, 8, 1)).status).toBe(Status.success);
  });
});

describe('before the device', () => {
  it('a transfer beyond MDTS is Invalid Field', () => {
    const world = new TargetWorld({ maxTransferBytes: 16 * BLOCK });
    world.device.immediately = BlockStatus.ok;
    const { io } = world.host();
    expect(io.call(ioSqe(IoOpcode.read, 1, 0, 16)).status).toBe(Status.success);
    for (const opcode of [IoOpcode.read, IoOpcode.write, IoOpcode.compare])
      expect(io.call(ioSqe(opcode, 1, 0, 17))).toMatchObject({ status: Status.invalidField, dnr: true });
    // no data moves with Write Zeroes: MDTS does not bind it
    expect(io.call(ioSqe(IoOpcode.writeZeroes, 1, 0, 17)).status).toBe(Status.success);
  });

  it.each([0, 2, 0xffffffff])('NSID %i: Invalid Namespace or Format', (nsid) => {
    const { io } = ready();
    for (const opcode of [0x00, 0x01, 0x02, 0x05, 0x08, 0x09])
      expect(io.call(sqe({ opcode, nsid }))).toMatchObject({ status: Status.invalidNamespace, dnr: true });
  });

  it('an opcode that is not supported: Invalid Opcode, whatever the NSID', () => {
    const { io } = ready();
    for (const opcode of [0x04, 0x0c, 0x0d, 0x19, 0x7e, 0xff])
      for (const nsid of [1, 77])
        expect(io.call(sqe({ opcode, nsid }))).toMatchObject({ status: Status.invalidOpcode, dnr: true });
  });

  it('PRPs are illegal on fabrics: PSDT other than 01b is Invalid Field', () => {
    const { world, admin, io } = ready();
    for (const psdt of [0x00, 0x80, 0xc0]) {
      const command = ioSqe(IoOpcode.read, 1, 0, 1);
      command[1] = psdt;
      expect(io.call(command)).toMatchObject({ status: Status.invalidField, dnr: true });
      const keepAlive = sqe({ opcode: 0x18 });
      keepAlive[1] = psdt;
      expect(admin.call(keepAlive).status).toBe(Status.invalidField);
    }
    expect(world.device.calls).toEqual([]);
  });

  it('a read-only namespace refuses what writes, and serves the rest', () => {
    const { world, io } = ready();
    const device = new FakeBlockDevice(64 * BLOCK);
    device.immediately = BlockStatus.ok;
    world.addNamespace(2, 1, device, true);
    for (const opcode of [IoOpcode.write, IoOpcode.writeZeroes])
      expect(io.call(ioSqe(opcode, 2, 0, 1)).status).toBe(Status.namespaceWriteProtected);
    for (const opcode of [IoOpcode.read, IoOpcode.compare, IoOpcode.flush])
      expect(io.call(ioSqe(opcode, 2, 0, 1)).status).toBe(Status.success);
  });

  it('PRACT on a namespace without protection information is Invalid Field', () => {
    const { io } = ready();
    expect(io.call(ioSqe(IoOpcode.read, 1, 0, 1, 1 << 29)).status).toBe(Status.invalidField);
  });

  it('a namespace that was removed: no command gets to the device any more', () => {
    const { world, io } = ready();
    world.subsystem.removeNamespace(1);
    expect(io.call(ioSqe(IoOpcode.read, 1, 0, 1)).status).toBe(Status.invalidNamespace);
    expect(world.device.calls).toEqual([]);
  });
});

describe('what the device says', () => {
  const table: readonly [
    name: string,
    outcome: BlockStatus,
    reading: number,
    writing: number,
    dnr: boolean,
  ][] = [
    ['ioError', BlockStatus.ioError, Status.unrecoveredRead, Status.writeFault, false],
    ['noSpace', BlockStatus.noSpace, Status.capacityExceeded, Status.capacityExceeded, true],
    ['readOnly', BlockStatus.readOnly, Status.namespaceWriteProtected, Status.namespaceWriteProtected, true],
    ['outOfRange', BlockStatus.outOfRange, Status.lbaRange, Status.lbaRange, true],
    ['timedOut', BlockStatus.timedOut, 0x021, 0x021, false],
    ['fenced', BlockStatus.fenced, Status.anaInaccessible, Status.anaInaccessible, false],
    ['gone', BlockStatus.gone, Status.anaInaccessible, Status.anaInaccessible, false],
  ];

  it.each(table)('%s', (_name, outcome, reading, writing, dnr) => {
    const { world, io } = makeWorld();
    world.device.immediately = outcome;
    expect(io.call(ioSqe(IoOpcode.read, 1, 0, 1))).toMatchObject({ status: reading, dnr, data: null });
    for (const opcode of [IoOpcode.write, IoOpcode.writeZeroes, IoOpcode.flush])
      expect(io.call(ioSqe(opcode, 1, 0, 1))).toMatchObject({ status: writing, dnr });
    expect(world.target.buffers.borrowedBytes).toBe(0);
  });
});

describe('counters', () => {
  it('reads, writes and deallocations, their bytes and times; nothing else', () => {
    const { world, io } = makeWorld();
    io.send(ioSqe(IoOpcode.read, 1, 0, 8));
    io.send(ioSqe(IoOpcode.write, 1, 0, 4));
    io.send(ioSqe(IoOpcode.writeZeroes, 1, 0, 4));
    io.send(ioSqe(IoOpcode.flush, 1, 0, 1));
    world.clock.advance(250);
    const { open } = world.device;
    open[1].finish();
    io.settle();
    world.clock.advance(250);
    world.device.finishAll();
    io.settle();
    io.send(ioSqe(IoOpcode.read, 1, 0, 1));
    world.clock.advance(100);
    world.device.finishAll();
    io.settle();
    const list = [
      { slba: 0, blocks: 3 },
      { slba: 9, blocks: 2 },
    ];
    io.send(dsmSqe(1, 2), { data: dsmRanges(list) });
    world.clock.advance(10);
    world.device.finishAll();
    world.device.finishAll();
    io.settle();
    expect(world.namespace.stats).toMatchObject({
      reads: { count: 2, bytes: 9 * BLOCK, latencyMs: 600, leastMs: 100, mostMs: 500 },
      writes: { count: 1, bytes: 4 * BLOCK, latencyMs: 250, leastMs: 250, mostMs: 250 },
      unmaps: { count: 1, bytes: 5 * BLOCK, latencyMs: 10, leastMs: 10, mostMs: 10 },
      errors: 0,
      mediaErrors: 0,
      miscompares: 0,
    });
  });

  it('errors: all but path statuses; media errors: those that blame the medium, a miscompare does not', () => {
    const { world, io } = makeWorld();
    const { stats } = world.namespace;
    world.device.immediately = BlockStatus.fenced;
    io.call(ioSqe(IoOpcode.read, 1, 0, 1));
    expect(stats).toMatchObject({ errors: 0, mediaErrors: 0, reads: { count: 0 } });
    world.device.immediately = BlockStatus.ioError;
    io.call(ioSqe(IoOpcode.read, 1, 0, 1));
    expect(stats).toMatchObject({ errors: 1, mediaErrors: 1, reads: { count: 0 } });
    world.device.immediately = BlockStatus.miscompare;
    io.call(ioSqe(IoOpcode.compare, 1, 0, 1));
    expect(stats).toMatchObject({ errors: 2, mediaErrors: 1, miscompares: 1 });
  });

  it('the error log names queue, command, status, LBA and namespace of the failed command', () => {
    const { world, admin, io } = makeWorld();
    world.device.immediately = BlockStatus.ok;
    io.call(ioSqe(IoOpcode.read, 1, 77, 1));
    io.call(ioSqe(IoOpcode.read, 1, 5000, 1), { cid: 0x123 });
    const page = admin.call(getLogPageSqe({ lid: LogId.error, length: 64 })).data!;
    expect(page.readBigUInt64LE(0)).toBe(1n);
    expect(page.readUInt16LE(8)).toBe(1);
    expect(page.readUInt16LE(10)).toBe(0x123);
    expect((page.readUInt16LE(12) >> 1) & 0x7ff).toBe(Status.lbaRange);
    expect(page.readBigUInt64LE(16)).toBe(5000n);
    expect(page.readUInt32LE(24)).toBe(1);
  });

  it('an LBA beyond 2^53 in a failed command does not break the error log', () => {
    const { admin, io } = makeWorld();
    io.call(sqe({ opcode: IoOpcode.read, nsid: 1, cdw: [0xffffffff, 0xffffffff, 0] }));
    const answer = admin.call(getLogPageSqe({ lid: LogId.error, length: 64 }));
    expect(answer.status).toBe(Status.success);
  });
});
