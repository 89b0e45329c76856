/** Data buffers of many connections on one small pool: limits hold, nobody is forgotten, nobody is starved. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnaState } from '../../../src/target/ana.ts';
import { limitNamespace } from '../../../src/target/io/io-limiter.ts';
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

describe('a namespace whose limits are exceeded by in-capsule writes', () => {
  const SLOW = { commands: 10, bytes: 0, readBytes: 0, writeBytes: 0 };
  const EACH = 30;

  /** Seven connections want to write eight times the pool to namespace 1, which has limits; the eighth uses namespace 2. */
  function exceeded() {
    const made = setup(8);
    const { world, io } = made;
    const namespace = world.subsystem.namespaces.get(1)!;
    limitNamespace(namespace, SLOW, world.target);
    const greedy = io.slice(0, 7);
    const send = () => {
      for (const host of greedy) while (host.open.size < EACH && !host.socket.paused) write(host, 16, true);
    };
    send();
    return { ...made, namespace, greedy, send, modest: io[7] };
  }

  /** What it asks of namespace 2 is answered at once. */
  function serve({ modest, other, owner }: ReturnType<typeof exceeded>): void {
    const cids = [read(modest, 256, 2), write(modest, 256, false, 2), write(modest, 16, true, 2)];
    for (let turn = 0; turn < 4; turn += 1) {
      owner.endTurn();
      modest.read();
      while (modest.asked.length > 0) modest.sendData(0);
      other.finishAll();
    }
    owner.endTurn();
    modest.read();
    expect(cids.filter((cid) => modest.open.has(cid))).toEqual([]);
  }

  it('takes neither data buffers nor memory without end from others, and all its writes are done in the end', () => {
    const made = exceeded();
    const { world, device, greedy, send, pool, namespace } = made;
    for (let second = 0; second < 20; second += 1) {
      serve(made);
      expect(pool.borrowedBytes).toBeLessThanOrEqual(10 * 8 * KIB);
      // Half of the pool, and what had been read when that was reached: a capsule or two of each.
      expect(pool.parkedBytes).toBeLessThanOrEqual(POOL / 2 + 2 * greedy.length * 8 * KIB);
      world.clock.advance(1000);
      device.finishAll();
      made.owner.endTurn();
      for (const host of greedy) host.push();
      for (const host of greedy) host.read();
      send();
    }
    limitNamespace(namespace, null, world.target);
    rest(made);
    for (const host of greedy) expect([host.open.size, host.socket.paused]).toEqual([0, false]);
    for (const host of made.io) host.socket.take();
    expect([pool.borrowedBytes, pool.parkedBytes, pool.contended]).toEqual([0, 0, false]);
  });

  it('leaves its memory to the groups whose backend stands still', () => {
    const made = exceeded();
    const { world, modest, owner, pool } = made;
    for (let i = 0; i < 8; i += 1) write(modest, 16, true, 2);
    world.ana.set(2, AnaState.inaccessible);
    world.target.abandon(world.ana.groups[2]);
    owner.endTurn();
    expect([pool.borrowedBytes, pool.writtenOffBytes]).toEqual([8 * KIB, 8 * 8 * KIB]);
    modest.read();
    expect(modest.open.size).toBe(0);
  });

  it('reads on when its group stops serving, or the host goes', () => {
    const made = exceeded();
    const { world, greedy, owner, pool } = made;
    expect(greedy.some((host) => host.socket.paused)).toBe(true);
    greedy[0].connection.close('lost');
    greedy[0].socket.take();
    world.ana.set(1, AnaState.inaccessible);
    owner.endTurn();
    for (let i = 0; i < EACH; i += 1) for (const host of greedy) host.push();
    owner.endTurn();
    for (const host of greedy.slice(1)) host.read();
    expect(greedy.slice(1).map((host) => [host.open.size, host.socket.paused])).not.toContainEqual([0, true]);
    expect(pool.parkedBytes).toBe(0);
  });
});
