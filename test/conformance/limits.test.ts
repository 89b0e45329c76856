/** Limits of a namespace as hosts feel them: they hold, neighbours do not notice, and a change is felt at once. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { HostController } from '../initiator/controller.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, stopClean, withHost } from './expectations.ts';
import { pattern } from './random.ts';
import { EXTERNAL, type Limits, NS4K, NS512, startWorld, type World } from './world.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SPAN_MS = 1500;

const none: Limits = { commands: 0, bytes: 0, readBytes: 0, writeBytes: 0 };

describe.skipIf(EXTERNAL)('limits', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => stopClean(world));
  afterEach(() => world.control!.limit(NS512, null));
  const limit = (limits: Partial<Limits>) => world.control!.limit(NS512, { ...none, ...limits });

  const read = (blocks: number) => (host: HostController) => host.read(NS512, 0, blocks, 512);
  const write = (blocks: number, inCapsule: boolean) => {
    const data = pattern(blocks * 512, 1);
    return (host: HostController) => host.write(NS512, 0, blocks, data, { inCapsule });
  };

  /** Keeps `depth` commands under way for {@link SPAN_MS}; returns how many a second were done. */
  async function load(
    host: HostController,
    depth: number,
    command: (host: HostController) => Promise<unknown>,
  ) {
    const beginMs = performance.now();
    let done = 0;
    const worker = async () => {
      while (performance.now() - beginMs < SPAN_MS) {
        await command(host);
        done += 1;
      }
    };
    await Promise.all(Array.from({ length: depth }, worker));
    return (done * 1000) / (performance.now() - beginMs);
  }

  it.each([
    ['commands', { commands: 500 }, 16, read(1), 500],
    ['bytes, by reads of 64 KiB', { bytes: 10 * MIB }, 8, read(128), 160],
    ['bytes written, in capsules', { writeBytes: 2 * MIB }, 16, write(8, true), 512],
    ['bytes written, by R2T', { writeBytes: 10 * MIB }, 8, write(128, false), 160],
  ] as const)('of %s hold within a tenth', async (_what, limits, depth, command, perSecond) => {
    await withHost(world, {}, async (host) => {
      limit(limits);
      const measured = await load(host, depth, command);
      // less only when the machine does not get round to it
      expect(measured).toBeGreaterThan(perSecond * 0.8);
      expect(measured).toBeLessThan(perSecond * 1.1);
    });
  });

  it('leave the neighbour on the same connection its latency', async () => {
    await withHost(world, {}, async (host) => {
      limit({ commands: 50 });
      let slowestMs = 0;
      const waiting = Array.from({ length: 60 }, (_, i) => (i % 2 ? read(8)(host) : write(128, false)(host)));
      // what passes at once
      await Promise.all(waiting.slice(0, 5));
      for (let i = 0; i < 100; i += 1) {
        const beginMs = performance.now();
        expectStatus(await host.read(NS4K, 0, 1, 4096), Status.success);
        slowestMs = Math.max(slowestMs, performance.now() - beginMs);
      }
      const open = Promise.race([...waiting.slice(-1), Promise.resolve('waits')]);
      expect(await open).toBe('waits');
      expect(world.control!.borrowedBytes()).toBe(0);
      // one of those that are limited waits a second and more
      expect(slowestMs).toBeLessThan(200);
      world.control!.limit(NS512, null);
      for (const completion of await Promise.all(waiting)) expectStatus(completion, Status.success);
    });
  });

  it('that are lifted or raised let those go on that wait', async () => {
    await withHost(world, {}, async (host) => {
      limit({ commands: 1 });
      const first = Array.from({ length: 30 }, () => write(8, true)(host));
      await first[0];
      const beginMs = performance.now();
      limit({ commands: 1000 });
      await Promise.all(first);
      limit({ commands: 1 });
      const second = Array.from({ length: 30 }, () => read(8)(host));
      world.control!.limit(NS512, null);
      for (const completion of await Promise.all(second)) expectStatus(completion, Status.success);
      expect(performance.now() - beginMs).toBeLessThan(1500);
      expect(world.control!.borrowedBytes()).toBe(0);
    });
  });

  it('answer those that wait when another gateway takes over, and let a host go with all it has', async () => {
    await withHost(world, {}, async (host) => {
      limit({ commands: 1 });
      await read(1)(host);
      const waiting = [read(8), write(8, true), write(128, false)].map((command) => command(host));
      const counts = { ...world.control!.device(NS512).counts };
      expect(await world.control!.drain('a', 1)).toBe(true);
      for (const completion of await Promise.all(waiting)) expectStatus(completion, Status.anaInaccessible);
      expect(world.control!.device(NS512).counts).toEqual(counts);
      world.control!.setAna('a', 1, 'optimized');
      const lost = [read(8)(host), write(8, true)(host)].map((command) => command.catch(() => 'lost'));
      await host.keepAlive();
      await host.drop();
      expect(await Promise.all(lost)).toEqual(['lost', 'lost']);
    });
    expect(world.control!.borrowedBytes()).toBe(0);
  });
});
