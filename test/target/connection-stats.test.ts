/** I/O of a controller by size: what counts where, and which part of the time is whose. */
import { describe, expect, it } from 'vitest';
import { ConnectionStats, SIZES_KIB } from '../../src/target/connection-stats.ts';
import { limitNamespace } from '../../src/target/io/io-limiter.ts';
import { IoOpcode, ioSqe } from '../initiator/command.ts';
import { BLOCK, TargetWorld } from './target-world.ts';

const KIB = 1024;
const once = (ms: number) => ({ sumMs: ms, leastMs: ms, mostMs: ms });

describe('buckets', () => {
  it.each([
    [512, 4],
    [4 * KIB, 4],
    [4 * KIB + 512, 8],
    [8 * KIB, 8],
    [100 * KIB, 128],
    [512 * KIB, 512],
    [512 * KIB + 512, 1024],
    [1024 * KIB, 1024],
    [16 * 1024 * KIB, 1024],
  ])('%d bytes are among those up to %d KiB', (bytes, size) => {
    const stats = new ConnectionStats();
    stats.record(true, bytes, 1, 1, 0);
    const filled = SIZES_KIB.filter((_, index) => stats.of('read', index).count > 0);
    expect(filled).toEqual([size]);
    expect(SIZES_KIB.some((_, index) => stats.of('write', index).count > 0)).toBe(false);
  });

  it('of several controllers add up, and can be begun anew', () => {
    const [one, two, sum] = [new ConnectionStats(), new ConnectionStats(), new ConnectionStats()];
    one.record(false, 4096, 5, 3, 1);
    two.record(false, 4096, 9, 2, 0);
    two.record(false, 4096, 2, 2, 0);
    sum.add(one);
    sum.add(two);
    expect(sum.of('write', 0)).toEqual({
      count: 3,
      total: { sumMs: 16, leastMs: 2, mostMs: 9 },
      backend: { sumMs: 7, leastMs: 2, mostMs: 3 },
      net: { sumMs: 8, leastMs: 0, mostMs: 7 },
      limits: { sumMs: 1, leastMs: 0, mostMs: 1 },
    });
    two.reset();
    expect(two.of('write', 0)).toEqual(new ConnectionStats().of('write', 0));
  });
});

describe('the time of a command', () => {
  it('is the network’s while its data comes, that of limits while it waits for them, else the backend’s', () => {
    const world = new TargetWorld();
    const { io, controller } = world.host();
    const time = { clock: world.watched, timers: world.clock };
    limitNamespace(world.namespace, { commands: 10, bytes: 0, readBytes: 0, writeBytes: 0 }, time);
    io.send(ioSqe(IoOpcode.read, 1, 0, 1));
    world.clock.advance(20);
    world.device.finishAll();
    io.settle();
    const cid = io.send(ioSqe(IoOpcode.write, 1, 0, 8), { later: true });
    world.clock.advance(10);
    expect(io.queue.find(cid)!.solicited).toBe(true);
    io.deliver(cid, Buffer.alloc(8 * BLOCK));
    world.clock.advance(30);
    world.device.finishAll();
    io.settle();
    const waits = io.send(ioSqe(IoOpcode.read, 1, 0, 64));
    world.clock.advance(100);
    expect(io.isOpen(waits)).toBe(true);
    world.clock.advance(5);
    world.device.finishAll();
    io.settle();
    const stats = controller.ioStats!;
    expect(stats.of('read', 0)).toEqual({
      count: 1,
      total: once(20),
      backend: once(20),
      net: once(0),
      limits: once(0),
    });
    expect(stats.of('write', 0)).toMatchObject({
      count: 1,
      total: once(40),
      backend: once(30),
      net: once(10),
    });
    const limited = stats.of('read', SIZES_KIB.indexOf(32));
    expect(limited.total).toEqual(once(105));
    expect(limited.limits.sumMs).toBeGreaterThan(0);
    expect(limited.limits.sumMs + limited.backend.sumMs).toBeCloseTo(105);
  });

  it('is not counted for what fails, nor while counting is off', () => {
    const world = new TargetWorld();
    const { io, controller } = world.host();
    io.call(ioSqe(IoOpcode.read, 1, 5000, 1));
    expect(controller.ioStats!.of('read', 0).count).toBe(0);
    world.target.countsIo = false;
    expect(controller.ioStats).toBeNull();
    expect(world.host({ hostnqn: 'nqn.2014-08.org.nvmexpress:uuid:2' }).controller.ioStats).toBeNull();
    io.send(ioSqe(IoOpcode.read, 1, 0, 1));
    world.device.finishAll();
    io.settle();
    world.target.countsIo = true;
    expect(controller.ioStats!.of('read', 0).count).toBe(0);
  });
});
