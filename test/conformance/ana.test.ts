/** Asymmetric namespace access: states, log, path status, drains, and a thousand changes under I/O (NVMe Base 2.0 section 8.1). */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Feature } from '../initiator/command.ts';
import { HostController } from '../initiator/controller.ts';
import { AnaState } from '../initiator/log-page.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, stopClean, withHost } from './expectations.ts';
import { pattern } from './random.ts';
import { eventually, within } from './waiting.ts';
import { EXTERNAL, NS_SMALL, NS4K, NS512, startWorld, type World } from './world.ts';

describe.skipIf(EXTERNAL)('asymmetric namespace access', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => stopClean(world));
  afterEach(() => {
    for (const path of ['a', 'b'] as const)
      for (let group = 1; group <= 4; group++) control().setAna(path, group, 'optimized');
  });
  const control = () => world.control!;

  async function stateOf(host: HostController, group: number): Promise<number> {
    return (await host.anaLog({ rae: true })).groups.find((one) => one.id === group)!.state;
  }

  it('each port has its own states', async () => {
    control().setAna('b', 1, 'inaccessible');
    control().setAna('a', 2, 'nonOptimized');
    await withHost(world, {}, async (one) => {
      await withHost(world, { ...world.b }, async (two) => {
        expect(await stateOf(one, 1)).toBe(AnaState.optimized);
        expect(await stateOf(two, 1)).toBe(AnaState.inaccessible);
        expect(await stateOf(one, 2)).toBe(AnaState.nonOptimized);
        expect(await stateOf(two, 2)).toBe(AnaState.optimized);
        const data = pattern(512, 6);
        expectStatus(await one.write(NS512, 0, 1, data), Status.success);
        expectStatus(await two.read(NS512, 0, 1, 512), Status.anaInaccessible);
        control().setAna('b', 1, 'optimized');
        expect((await two.read(NS512, 0, 1, 512)).data.equals(data)).toBe(true);
      });
    });
  });

  it('on an inaccessible group every I/O command gets the path status without DNR and CRD, and does nothing', async () => {
    await withHost(world, {}, async (host) => {
      const before = pattern(4096, 1);
      expectStatus(await host.write(NS512, 0, 8, before), Status.success);
      const device = control().device(NS512);
      control().setAna('a', 1, 'inaccessible');
      const counts = { ...device.counts };
      const completions = await Promise.all([
        host.read(NS512, 0, 8, 512),
        host.write(NS512, 0, 8, pattern(4096, 2)),
        host.write(NS512, 0, 64, pattern(32768, 2), { inCapsule: false }),
        host.flush(NS512),
        host.writeZeroes(NS512, 0, 8),
        host.deallocate(NS512, [{ slba: 0, blocks: 8 }]),
        host.compare(NS512, 0, 8, before),
      ]);
      for (const completion of completions) {
        expectStatus(completion, Status.anaInaccessible);
        expect(completion.dnr).toBe(false);
        expect(completion.crd).toBe(0);
      }
      expect(device.counts).toEqual(counts);
      // Another group is not touched.
      expectStatus(await host.read(NS4K, 0, 1, 4096), Status.success);
      // The admin queue serves as ever.
      expect((await host.identifyNamespace(NS512)).anagrpid).toBe(1);
      control().setAna('a', 1, 'optimized');
      expect((await host.read(NS512, 0, 8, 512)).data.equals(before)).toBe(true);
    });
  });

  it('non-optimized serves', async () => {
    control().setAna('a', 1, 'nonOptimized');
    await withHost(world, {}, async (host) => {
      expectStatus(await host.write(NS512, 0, 1, pattern(512, 1)), Status.success);
    });
  });

  it('change counts rise and say which group changed', async () => {
    await withHost(world, {}, async (host) => {
      const before = await host.anaLog();
      control().setAna('a', 3, 'inaccessible');
      const after = await host.anaLog();
      expect(after.changeCount).toBeGreaterThan(before.changeCount);
      for (const group of after.groups) {
        const was = before.groups.find((one) => one.id === group.id)!;
        if (group.id === 3) expect(group.changeCount).toBeGreaterThan(was.changeCount);
        else expect(group.changeCount).toBe(was.changeCount);
      }
    });
  });

  it('the log tells the reason before the first command is turned away', async () => {
    await withHost(world, {}, async (host) => {
      await host.setFeature(Feature.asyncEvent, 1 << 11);
      host.armAsyncEvents(1);
      expectStatus(await host.read(NS512, 0, 1, 512), Status.success);
      control().setAna('a', 1, 'inaccessible');
      const [completion] = await Promise.all([host.read(NS512, 0, 1, 512)]);
      expectStatus(completion, Status.anaInaccessible);
      expect(await stateOf(host, 1)).toBe(AnaState.inaccessible);
      await host.nextEvent();
    });
  });

  it("a namespace that moves to another group takes that group's state, and the host is told", async () => {
    control().setAna('a', 3, 'inaccessible');
    await withHost(world, {}, async (host) => {
      await host.setFeature(Feature.asyncEvent, 1 << 11);
      host.armAsyncEvents(1);
      control().changeAnaGroup(NS_SMALL, 3);
      await host.nextEvent();
      const log = await host.anaLog();
      expect(log.groups.find((group) => group.id === 3)!.nsids).toContain(NS_SMALL);
      expect(log.groups.find((group) => group.id === 1)!.nsids).not.toContain(NS_SMALL);
      expect((await host.identifyNamespace(NS_SMALL)).anagrpid).toBe(3);
      expectStatus(await host.read(NS_SMALL, 0, 1, 512), Status.anaInaccessible);
      control().changeAnaGroup(NS_SMALL, 1);
      expectStatus(await host.read(NS_SMALL, 0, 1, 512), Status.success);
    });
  });

  it('1000 changes under I/O: no event is lost, every command gets the data or the path status', async () => {
    await withHost(world, { ioQueues: 2 }, async (host) => {
      await host.setFeature(Feature.asyncEvent, 0x900);
      const data = pattern(4096, 42);
      expectStatus(await host.write(NS512, 0, 8, data), Status.success);

      let events = 0;
      let lastState = AnaState.optimized as number;
      let changeCount = (await host.anaLog()).changeCount;
      let running = true;
      const events$ = (async () => {
        host.armAsyncEvents(1);
        while (running) {
          const event = await host.nextEvent(20_000).catch(() => null);
          if (!event) return;
          events++;
          const log = await host.anaLog();
          expect(log.changeCount).toBeGreaterThanOrEqual(changeCount);
          changeCount = log.changeCount;
          lastState = log.groups.find((group) => group.id === 1)!.state;
        }
      })();
      let served = 0;
      let turnedAway = 0;
      const load = host.io.map(async (queue) => {
        const worker = async () => {
          while (running) {
            const completion = await host.read(NS512, 0, 8, 512, { queue });
            expectStatus(completion, Status.success, Status.anaInaccessible);
            if (completion.status === 0) {
              served++;
              expect(completion.data.equals(data)).toBe(true);
            } else turnedAway++;
          }
        };
        await Promise.all(Array.from({ length: 8 }, worker));
      });
      for (let flip = 0; flip < 1000; flip++) {
        const state = flip % 2 === 0 ? 'inaccessible' : flip % 4 === 1 ? 'optimized' : 'nonOptimized';
        control().setAna('a', 1, state);
        // Sometimes several changes in one turn.
        if (flip % 7 !== 0) await new Promise((resolve) => setImmediate(resolve));
        if (flip % 50 === 0) {
          const wanted = AnaState[state];
          await eventually(`the host to know state ${state} of change ${flip}`, () => lastState === wanted);
        }
      }
      control().setAna('a', 1, 'nonOptimized');
      await eventually('the host to know the last state', () => lastState === AnaState.nonOptimized);
      running = false;
      control().setAna('a', 2, 'nonOptimized');
      await Promise.all([...load, events$]);
      expect(events).toBeGreaterThan(20);
      expect(served).toBeGreaterThan(100);
      expect(turnedAway).toBeGreaterThan(100);
    });
  });

  describe('drain', () => {
    it('holds new commands, lets those in flight finish, then answers the held ones with the path status', async () => {
      await withHost(world, {}, async (host) => {
        const device = control().device(NS512);
        const data = pattern(512, 8);
        device.hold();
        const inFlight = host.write(NS512, 0, 1, data);
        await eventually('the write to reach the device', () => device.heldCount === 1);
        const drained = control().drain('a', 1, 5000);
        const held = [host.read(NS512, 0, 1, 512), host.write(NS512, 1, 1, pattern(512, 9))];
        expectStatus(await host.read(NS4K, 0, 1, 4096), Status.success);
        expect(device.heldCount).toBe(1);
        device.release();
        expectStatus(await inFlight, Status.success);
        for (const completion of await Promise.all(held)) {
          expectStatus(completion, Status.anaInaccessible);
          expect(completion.dnr).toBe(false);
        }
        expect(await drained).toBe(true);
        expect(await stateOf(host, 1)).toBe(AnaState.inaccessible);
      });
    });

    it('of an idle group ends at once', async () => {
      expect(await within('the drain', control().drain('a', 1))).toBe(true);
    });

    it('that takes too long stops holding; it ends when the last command does', async () => {
      await withHost(world, {}, async (host) => {
        const device = control().device(NS512);
        device.hold();
        const inFlight = host.write(NS512, 0, 1, pattern(512, 1));
        await eventually('the write to reach the device', () => device.heldCount === 1);
        const drained = control().drain('a', 1, 100);
        const held = host.read(NS512, 0, 1, 512);
        expectStatus(await within('the held read', held, 3000), Status.anaInaccessible);
        device.release();
        expectStatus(await inFlight, Status.success);
        expect(await drained).toBe(true);
      });
    });

    it('cancelled, the held commands run', async () => {
      await withHost(world, {}, async (host) => {
        const device = control().device(NS512);
        const data = pattern(512, 3);
        expectStatus(await host.write(NS512, 1, 1, data), Status.success);
        device.hold();
        const inFlight = host.write(NS512, 0, 1, pattern(512, 1));
        await eventually('the write to reach the device', () => device.heldCount === 1);
        const drained = control().drain('a', 1, 5000);
        const held = host.read(NS512, 1, 1, 512);
        await host.csts();
        control().setAna('a', 1, 'optimized');
        device.release();
        expect((await held).data.equals(data)).toBe(true);
        expectStatus(await inFlight, Status.success);
        expect(await drained).toBe(false);
      });
    });

    it('never holds more than half of a queue', async () => {
      await withHost(world, { ioDepth: 32 }, async (host) => {
        const device = control().device(NS512);
        device.hold();
        const inFlight = host.write(NS512, 0, 1, pattern(512, 1));
        await eventually('the write to reach the device', () => device.heldCount === 1);
        const drained = control().drain('a', 1, 60_000);
        const held = Array.from({ length: 24 }, () => host.read(NS512, 0, 1, 512));
        for (const completion of await within('the held reads', Promise.all(held), 3000)) {
          expectStatus(completion, Status.anaInaccessible);
        }
        device.release();
        expectStatus(await inFlight, Status.success);
        expect(await drained).toBe(true);
      });
    });

    it('held commands of a host that goes away are never executed', async () => {
      const device = control().device(NS512);
      await withHost(world, {}, async (other) => {
        const before = pattern(512, 70);
        expectStatus(await other.write(NS512, 5, 1, before), Status.success);
        expectStatus(await other.write(NS512, 6, 1, before), Status.success);
        const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
        device.hold();
        const inFlight = host.write(NS512, 6, 1, pattern(512, 72)).catch(() => null);
        await eventually('the write to reach the device', () => device.heldCount === 1);
        const drained = control().drain('a', 1, 5000);
        const held = host.write(NS512, 5, 1, pattern(512, 71)).catch(() => null);
        await host.csts();
        await host.drop();
        await eventually('the controller to be gone', () => control().controllerCount() === 1);
        control().setAna('a', 1, 'optimized');
        device.release();
        await Promise.all([inFlight, held, drained]);
        expect((await other.read(NS512, 5, 1, 512)).data.equals(before)).toBe(true);
      });
      expect(control().borrowedBytes()).toBe(0);
    });
  });

  it('a late write of a lost connection does not land on newer data', async () => {
    const device = control().device(NS512);
    await withHost(world, { ...world.b }, async (other) => {
      const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
      device.hold();
      const old = host.write(NS512, 9, 1, pattern(512, 1)).catch(() => null);
      await eventually('the write to reach the device', () => device.heldCount === 1);
      await host.drop();
      await old;
      await eventually('the controller to be gone', () => control().controllerCount() === 1);
      const newer = pattern(512, 2);
      const write = other.write(NS512, 9, 1, newer);
      const elsewhere = other.read(NS512, 100, 1, 512);
      await other.csts();
      // The newer write waits for the old one; it did not reach the device.
      expect(device.heldCount).toBe(2);
      device.release();
      expectStatus(await write, Status.success);
      expectStatus(await elsewhere, Status.success);
      expect((await other.read(NS512, 9, 1, 512)).data.equals(newer)).toBe(true);
    });
  });
});
