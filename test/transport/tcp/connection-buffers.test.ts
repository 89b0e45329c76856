/** Data buffers of many connections on one small pool: limits hold, nobody is forgotten, nobody is starved. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnaState } from '../../../src/target/ana.ts';
import { IoOpcode, ioSqe } from '../../initiator/command.ts';
import { FakeBlockDevice } from '../../target/fake-block-device.ts';
import { BLOCK, TargetWorld } from '../../target/target-world.ts';
import { FakeHost, FakeOwner } from './fake-host.ts';

const KIB = 1024;
const MAX_TRANSFER = 128 * KIB;
const POOL = 256 * KIB;

function setup(hosts: number, pool = POOL) {
  const world = new TargetWorld({ maxTransferBytes: MAX_TRANSFER, bufferPoolBytes: pool });
  world.subsystem.removeNamespace(1);
  const device = new FakeBlockDevice(4096 * BLOCK);
  world.addNamespace(1, 1, device);
  const other = new FakeBlockDevice(4096 * BLOCK);
  world.addNamespace(2, 2, other);
  world.ana.set(2, AnaState.optimized);
  const owner = new FakeOwner(world.target, world.port);
  const admin = new FakeHost(owner);
  const cntlid = admin.connect();
  admin.connection.queue.controller!.setCc(0x0046_0001);
  const io = Array.from({ length: hosts }, (_, i) => {
    const host = new FakeHost(owner);
    host.connect({ qid: i + 1, cntlid });
    return host;
  });
  const pools = world.target.buffers;
  return { world, device, other, owner, admin, io, pool: pools };
}

function read(host: FakeHost, blocks: number, nsid = 1): number {
  return host.command(ioSqe(IoOpcode.read, nsid, 0, blocks), { length: blocks * BLOCK });
}

function write(host: FakeHost, blocks: number, inCapsule = false, nsid = 1): number {
  return host.command(ioSqe(IoOpcode.write, nsid, 0, blocks), {
    data: Buffer.alloc(blocks * BLOCK, 1),
    inCapsule,
  });
}

/** Everybody does what he can until nothing moves any more. */
function rest({ device, other, owner, io }: ReturnType<typeof setup>): void {
  for (let quiet = 0; quiet < 2; ) {
    const before = io.map((host) => `${host.open.size} ${host.asked.length} ${host.received.length}`).join();
    device.finishAll();
    other.finishAll();
    owner.endTurn();
    for (const host of io) {
      host.read();
      while (host.asked.length > 0 && !host.socket.destroyed) host.sendData(0);
      host.push();
    }
    owner.endTurn();
    const after = io.map((host) => `${host.open.size} ${host.asked.length} ${host.received.length}`).join();
    quiet = before === after && device.open.length + other.open.length === 0 ? quiet + 1 : 0;
  }
}

describe('any traffic', () => {
  const who = fc.nat({ max: 3 });
  const blocks = fc.constantFrom(1, 8, 16, 64, 256);
  const nsid = fc.constantFrom(1, 2);
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ read: blocks, who, nsid }) },
    { weight: 6, arbitrary: fc.record({ write: blocks, who, nsid }) },
    { weight: 3, arbitrary: fc.record({ inCapsule: fc.constantFrom(1, 8, 16), who, nsid }) },
    { weight: 4, arbitrary: fc.record({ finish: fc.nat() }) },
    { weight: 4, arbitrary: fc.record({ take: fc.constant(true), who }) },
    { weight: 4, arbitrary: fc.record({ data: fc.nat(), most: fc.constantFrom(512, 4096, 1 << 20), who }) },
    { weight: 4, arbitrary: fc.constant('turn' as const) },
    { weight: 1, arbitrary: fc.record({ lose: fc.constant(true), who }) },
  );

  it('every command of every host that stays is answered, and every buffer comes back', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (script) => {
        const made = setup(4);
        const { device, other, owner, io, pool } = made;
        for (const s of script) {
          if (s === 'turn') owner.endTurn();
          else if ('finish' in s) {
            const open = [...device.open, ...other.open];
            if (open.length > 0) open[s.finish % open.length].finish();
          } else {
            const host = io[s.who];
            if (host.socket.destroyed) continue;
            const maySend = host.open.size < 31;
            if ('read' in s && maySend) read(host, s.read, s.nsid);
            else if ('write' in s && maySend) write(host, s.write, false, s.nsid);
            else if ('inCapsule' in s && maySend) write(host, s.inCapsule, true, s.nsid);
            else if ('take' in s) host.read();
            else if ('data' in s && host.asked.length > 0) host.sendData(s.data % host.asked.length, s.most);
            else if ('lose' in s) {
              host.connection.close('lost');
              host.socket.take();
            }
          }
        }
        rest(made);
        for (const host of io) {
          if (host.socket.destroyed) continue;
          expect([...host.open.keys()]).toEqual([]);
          expect([...host.answers.values()].every((status) => status === 0)).toBe(true);
          expect(host.connection.queue.inUse).toBe(0);
        }
        expect(owner.faults).toEqual([]);
        for (const host of io) host.socket.take();
        expect(pool.borrowedBytes).toBe(0);
        expect(pool.contended).toBe(false);
      }),
      { numRuns: 150 },
    );
  });

  it('without in-capsule data the pool never goes over its limit', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (script) => {
        const { device, owner, io, pool } = setup(4);
        for (const s of script) {
          if (s === 'turn') owner.endTurn();
          else if ('finish' in s) {
            if (device.open.length > 0) device.open[s.finish % device.open.length].finish();
          } else {
            const host = io[s.who];
            if ('read' in s && host.open.size < 31) read(host, s.read);
            else if ('write' in s && host.open.size < 31) write(host, s.write);
            else if ('take' in s) host.read();
            else if ('data' in s && host.asked.length > 0) host.sendData(s.data % host.asked.length, s.most);
          }
          expect(pool.borrowedBytes).toBeLessThanOrEqual(POOL);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('fairness', () => {
  it('a large command that waits is not overtaken for ever by small ones of others', () => {
    const { device, owner, io, pool } = setup(4);
    const small = io.slice(1);
    const refill = () => {
      for (const host of small) {
        host.together(() => {
          while (host.open.size < 30) read(host, 8);
        });
      }
    };
    refill(); // 90 commands of 4 KiB on a pool of 64
    expect(pool.isFull(1)).toBe(true);
    const large = read(io[0], 256);
    expect(io[0].open.has(large)).toBe(true);
    // each turn one command ends and another one of that host takes its place
    let turns = 0;
    while (io[0].open.has(large) && turns < 400) {
      turns += 1;
      device.open[0].finish();
      owner.endTurn();
      for (const host of io) {
        host.read();
        host.push();
      }
      owner.endTurn();
      refill();
    }
    expect(turns).toBeLessThan(100); // 26 small ones before it, then 32 buffers that come back
  });
});

describe('a backend that stands still', () => {
  /** Hosts have filled the pool with commands of namespace 1, whose device does nothing. */
  function stuck(inCapsule: boolean) {
    const made = setup(4);
    const { owner, io, pool } = made;
    for (const host of io) {
      host.together(() => {
        // in-capsule data may take the pool to twice its limit
        while (host.open.size < (inCapsule ? 12 : 20)) {
          if (inCapsule) write(host, 16, true);
          else read(host, 64);
        }
      });
    }
    owner.endTurn();
    expect(pool.isFull(1)).toBe(true);
    return made;
  }

  it.each([
    ['reads', false],
    ['in-capsule writes', true],
  ])('with %s keeps no other group from its data, on no connection', (_, inCapsule) => {
    const made = stuck(inCapsule);
    const { world, device, other: healthy, owner, io, pool } = made;
    for (let round = 0; round < 50; round += 1) {
      const cids = io.map((host) => [
        read(host, 8, 2),
        write(host, 8, false, 2),
        read(host, 256, 2),
        write(host, 4, true, 2),
      ]);
      for (
        let turn = 0;
        turn < 100 && io.some((host, i) => cids[i].some((cid) => host.open.has(cid)));
        turn += 1
      ) {
        healthy.finishAll();
        owner.endTurn();
        for (const host of io) {
          host.read();
          while (host.asked.length > 0) host.sendData(0);
          host.push();
        }
        owner.endTurn();
      }
      expect(io.map((host, i) => cids[i].filter((cid) => host.open.has(cid)))).toEqual([[], [], [], []]);
    }
    expect(device.calls.every(({ done }) => !done)).toBe(true);

    rest(made);
    for (const host of io) expect([...host.open.keys()]).toEqual([]);
    for (const host of io) host.socket.take();
    expect([pool.borrowedBytes, pool.contended]).toEqual([0, false]);
    expect(world.ana.groups.map(({ buffers }) => [buffers.borrowed, buffers.line.isEmpty])).toEqual(
      Array(5).fill([0, true]),
    );
  });

  it('gives its buffers up when its group is given up', () => {
    const made = stuck(false);
    const { world, device, io, owner, pool } = made;
    world.ana.set(1, AnaState.inaccessible);
    world.target.abandon(world.ana.groups[1]);
    owner.endTurn();
    for (const host of io) {
      host.read();
      expect([...host.open.keys()]).toEqual([]);
    }
    expect(pool.borrowedBytes).toBe(0);
    expect(pool.writtenOffBytes).toBeGreaterThan(0);
    device.finishAll();
    expect(pool.writtenOffBytes).toBe(0);
  });
});
