/** Bugs that a review found, each with the story that showed it. */
import { describe, expect, it } from 'vitest';
import { BlockStatus } from '../../src/base/block-device.ts';
import { AnaState } from '../../src/target/ana.ts';
import { CntlidAllocator } from '../../src/target/cntlid.ts';
import { AdminOpcode, getLogPageSqe, IoOpcode, identifySqe, ioSqe, sqe } from '../initiator/command.ts';
import { Status } from '../initiator/status.ts';
import { BLOCK, DISCOVERY_NQN, SUBSYSTEM_NQN, TargetWorld } from './target-world.ts';

const WRITE = ioSqe(IoOpcode.write, 1, 8, 1);
const READ = ioSqe(IoOpcode.read, 1, 8, 1);
const DATA = { data: Buffer.alloc(BLOCK, 1) };

describe('a command that waits for an orphaned write', () => {
  /** A write that the device never ends, its connection gone; a new host writes the same block. */
  function waiting() {
    const world = new TargetWorld();
    const lost = world.host();
    lost.io.send(WRITE, DATA);
    lost.io.lose();
    const { io } = world.host();
    const cid = io.send(WRITE, DATA);
    expect(io.isOpen(cid)).toBe(true);
    return { world, io, cid };
  }

  it('is answered with the path status when its group turns inaccessible', () => {
    const { world, io, cid } = waiting();
    world.ana.set(1, AnaState.inaccessible);
    expect(io.answerTo(cid)).toMatchObject({ status: Status.anaInaccessible, dnr: false });
    expect(io.call(WRITE, DATA).status).toBe(Status.anaInaccessible);
    expect(io.inUse).toBe(0);
    expect(world.ana.groups[1].namespacesWaiting.size).toBe(0);
    world.device.finishAll();
    expect(world.device.calls.length).toBe(1);
  });

  it('is answered with the path status at the end of a drain', async () => {
    const { world, io, cid } = waiting();
    const drained = world.ana.drain(1, world.clock, 500);
    world.clock.advance(500);
    expect(io.answerTo(cid)!.status).toBe(Status.anaInaccessible);
    world.device.finishAll();
    expect(await drained).toBe(true);
  });

  it('is held by a drain that the orphaned write outlives, and runs when the drain is cancelled', () => {
    const { world, io, cid } = waiting();
    void world.ana.drain(1, world.clock, 60_000);
    world.ana.set(1, AnaState.optimized);
    expect(io.isOpen(cid)).toBe(true);
    world.device.finishAll();
    expect(io.answerTo(cid)!.status).toBe(Status.success);
    expect(world.ana.groups[1].namespacesWaiting.size).toBe(0);
  });

  it('is answered when its namespace is removed', () => {
    const { world, io, cid } = waiting();
    world.subsystem.removeNamespace(1);
    expect(io.answerTo(cid)).toMatchObject({ status: Status.invalidNamespace, dnr: true });
    expect(world.ana.groups[1].namespacesWaiting.size).toBe(0);
  });

  it('is forgotten when its connection is gone', () => {
    const { world, io } = waiting();
    io.lose();
    expect(world.ana.groups[1].namespacesWaiting.size).toBe(0);
    world.device.finishAll();
    expect(world.device.calls.length).toBe(1);
  });

  it('is answered when its namespace moves to a group that is not served here', () => {
    const { world, io, cid } = waiting();
    world.ana.set(2, AnaState.inaccessible);
    world.subsystem.changeAnaGroup(1, 2);
    expect(io.answerTo(cid)!.status).toBe(Status.anaInaccessible);
  });
});

it('hosts that come under ever new names and let their keep-alive run out leave bounded memory', () => {
  const world = new TargetWorld();
  const name = (i: number) => `nqn.2014-08.org.nvmexpress:host-${i}`;
  for (let i = 0; i < 3000; i++) {
    world.connectAdmin({ hostnqn: name(i), kato: 1 });
    world.clock.advance(300);
  }
  expect(world.subsystem.controllers.size).toBe(0);
  expect(world.target.keepAliveTimeouts.size).toBe(2048);
  expect(world.target.keepAliveTimeouts.has(`${SUBSYSTEM_NQN} ${name(2999)}`)).toBe(true);
});

it('CNS 08h does not call a namespace rotational: bit 4 of its NSFEAT is not OPTPERF', () => {
  const { admin } = new TargetWorld().host();
  const page = admin.call(identifySqe({ cns: 0x08, nsid: 1 })).data!;
  expect(page[0]).toBe(0);
  expect(page.readUInt32LE(4)).toBe(1);
  expect(page[14]).toBe(1);
});

describe('an I/O connection that is closed without a word, as SPDK does with a queue it needs no more', () => {
  it('is no end of the controller when a keep-alive clock watches over the host', () => {
    const world = new TargetWorld();
    const { admin, controller, io } = world.host({ kato: 10_000 });
    io.lose();
    world.clock.advance(9000);
    expect(admin.call(identifySqe({ cns: 1 })).status).toBe(Status.success);
    world.clock.advance(9000);
    expect(controller.ended).toBe(null);
    world.device.immediately = BlockStatus.ok;
    expect(world.connectIo(controller).call(READ).status).toBe(Status.success);
    world.clock.advance(30_000);
    expect(controller.ended).toBe('keep alive timeout');
  });

  it('ends the controller of a host without keep-alive', () => {
    const world = new TargetWorld();
    const { controller, io } = world.host();
    io.lose();
    world.clock.advance(3000);
    expect(controller.ended).toBe('I/O queue 1 connection closed');
  });
});

it('controllers of one subsystem, or of discovery, take no controller ids from another subsystem', () => {
  const world = new TargetWorld();
  const cntlids = new CntlidAllocator(1, 2);
  const port = world.addPort({ portId: 2, cntlids });
  port.expose(world.subsystem);
  for (let i = 0; i < 2; i++) world.connectAdmin({ port, subnqn: DISCOVERY_NQN });
  expect(() => world.connectAdmin({ port, subnqn: DISCOVERY_NQN })).toThrow('181');
  const { io } = world.host({ port });
  world.device.immediately = BlockStatus.ok;
  expect(io.call(READ).status).toBe(Status.success);
  world.connectAdmin({ port });
  expect(() => world.connectAdmin({ port })).toThrow('181');
});

it('a discovery controller without KATO ends after two minutes of silence', () => {
  const world = new TargetWorld();
  const { admin } = world.connectAdmin({ subnqn: DISCOVERY_NQN });
  world.clock.advance(110_000);
  expect(admin.call(identifySqe({ cns: 1 })).status).toBe(Status.success);
  world.clock.advance(110_000);
  expect(admin.closedBecause).toBe(null);
  world.clock.advance(240_000);
  expect(admin.closedBecause).toBe('keep alive timeout');
});

it('a namespace that comes or goes is one event, not an ANA change as well', () => {
  const world = new TargetWorld();
  const { admin } = world.host();
  admin.call(sqe({ opcode: AdminOpcode.setFeatures, cdw: [0x0b, 0x900] }));
  const aers = [world.arm(admin), world.arm(admin)];
  const told = () => aers.filter((cid) => !admin.isOpen(cid)).length;
  const before = admin.call(getLogPageSqe({ lid: 0x0c, length: 64, rae: true })).data!.readBigUInt64LE(0);
  world.addNamespace(2, 1, world.device);
  expect(told()).toBe(1);
  expect(
    admin.call(getLogPageSqe({ lid: 0x0c, length: 64, rae: true })).data!.readBigUInt64LE(0),
  ).toBeGreaterThan(before);
  admin.call(getLogPageSqe({ lid: 4, length: 4096 }));
  world.subsystem.removeNamespace(2);
  expect(told()).toBe(2);
});

it('data that comes after its namespace was removed does not reach the device', () => {
  const world = new TargetWorld();
  const { io } = world.host();
  const plain = io.send(WRITE, { later: true });
  const fused = [ioSqe(IoOpcode.compare, 1, 9, 1), ioSqe(IoOpcode.write, 1, 9, 1)].map((command, i) => {
    command[1] |= i + 1;
    return io.send(command, { later: true });
  });
  world.subsystem.removeNamespace(1);
  for (const cid of [plain, ...fused]) io.deliver(cid, DATA.data);
  for (const cid of [plain, ...fused]) expect(io.answerTo(cid)!.status).toBe(Status.invalidNamespace);
  expect(world.device.calls).toEqual([]);
  expect(io.inUse).toBe(0);
});
