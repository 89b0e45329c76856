/** Namespaces that come, grow, shrink, move and go while hosts are connected. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Feature } from '../initiator/command.ts';
import type { HostController } from '../initiator/controller.ts';
import { parseNamespaceList } from '../initiator/identify-page.ts';
import { LogId } from '../initiator/log-page.ts';
import { QueueClosed } from '../initiator/queue.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, stopClean, withHost } from './expectations.ts';
import { pattern } from './random.ts';
import { eventually } from './waiting.ts';
import { EXTERNAL, NS512, startWorld, type World } from './world.ts';

const MIB = 1024 * 1024;

describe.skipIf(EXTERNAL)('namespaces under live controllers', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => stopClean(world));
  const control = () => world.control!;

  async function listen(host: HostController): Promise<void> {
    expectStatus(await host.setFeature(Feature.asyncEvent, 1 << 8), Status.success);
    host.armAsyncEvents(1);
  }

  async function changed(host: HostController): Promise<number[]> {
    const completion = await host.getLog({ lid: LogId.changedNamespaces, length: 4096 });
    expectStatus(completion, Status.success);
    return parseNamespaceList(completion.data);
  }

  it('added: an event, the changed list names it, it is active and serves', async () => {
    await withHost(world, {}, async (host) => {
      await listen(host);
      control().addNamespace(50, MIB, 4096);
      expect(await host.nextEvent()).toEqual({ type: 2, info: 0, lid: 4 });
      expect(await changed(host)).toEqual([50]);
      expect(await changed(host), 'the list is cleared by reading').toEqual([]);
      expect(await host.activeNamespaces()).toContain(50);
      const data = pattern(4096, 50);
      expectStatus(await host.write(50, 0, 1, data), Status.success);
      expect((await host.read(50, 0, 1, 4096)).data.equals(data)).toBe(true);
      const log = await host.anaLog();
      expect(log.groups.flatMap((group) => group.nsids)).toContain(50);
      control().removeNamespace(50);
    });
  });

  it('removed: an event, it is not active any more, I/O is Invalid Namespace', async () => {
    control().addNamespace(51, MIB, 512);
    await withHost(world, {}, async (host) => {
      await listen(host);
      control().removeNamespace(51);
      await host.nextEvent();
      expect(await changed(host)).toEqual([51]);
      expect(await host.activeNamespaces()).not.toContain(51);
      expectStatus(await host.read(51, 0, 1, 512), Status.invalidNamespace);
      expect((await host.anaLog()).groups.flatMap((group) => group.nsids)).not.toContain(51);
    });
  });

  it('grown and shrunk: an event each, the new size is what counts', async () => {
    control().addNamespace(52, MIB, 512);
    await withHost(world, {}, async (host) => {
      await listen(host);
      await control().resizeNamespace(52, 2 * MIB);
      await host.nextEvent();
      expect(await changed(host)).toEqual([52]);
      expect((await host.identifyNamespace(52)).nsze).toBe((2 * MIB) / 512);
      expectStatus(await host.write(52, (2 * MIB) / 512 - 1, 1, pattern(512, 1)), Status.success);
      await control().resizeNamespace(52, MIB);
      await host.nextEvent();
      expect(await changed(host)).toEqual([52]);
      expectStatus(await host.read(52, (2 * MIB) / 512 - 1, 1, 512), Status.lbaRange);
    });
    control().removeNamespace(52);
  });

  it('while I/O is in flight at the device: it completes, nothing is left behind', async () => {
    control().addNamespace(53, MIB, 512);
    await withHost(world, {}, async (host) => {
      const device = control().device(53);
      device.hold();
      const reads = Array.from({ length: 16 }, (_, i) => host.read(53, i, 1, 512));
      const write = host.write(53, 0, 128, pattern(65536, 1), { inCapsule: false });
      await eventually('all to reach the device', () => device.heldCount === 17);
      control().removeNamespace(53);
      device.release();
      for (const completion of await Promise.all([...reads, write])) {
        expectStatus(completion, Status.success, Status.invalidNamespace, Status.anaInaccessible);
      }
      expect(control().borrowedBytes()).toBe(0);
    });
  });

  it('between an R2T and its data: the write fails cleanly', async () => {
    control().addNamespace(54, MIB, 512);
    await withHost(world, {}, async (host) => {
      const completion = await host.write(54, 0, 128, pattern(65536, 1), {
        inCapsule: false,
        beforeR2tAnswer: async () => control().removeNamespace(54),
      });
      expectStatus(completion, Status.invalidNamespace, Status.success);
      expectStatus(await host.read(NS512, 0, 1, 512), Status.success);
    });
  });

  it('more than 1024 changes are reported as FFFFFFFFh', async () => {
    await withHost(world, {}, async (host) => {
      await listen(host);
      for (let nsid = 100; nsid < 1200; nsid++) control().addNamespace(nsid, MIB, 512);
      await host.nextEvent();
      expect(await changed(host)).toEqual([0xffffffff]);
      expect((await host.activeNamespaces()).length).toBe(1024);
      const all = await host.activeNamespaces();
      const rest = parseNamespaceList((await host.identify({ cns: 2, nsid: all.at(-1)! })).data);
      expect(rest.at(-1)).toBe(1199);
      const log = await host.anaLog();
      expect(log.groups.flatMap((group) => group.nsids).length).toBe(all.length + rest.length);
      for (let nsid = 100; nsid < 1200; nsid++) control().removeNamespace(nsid);
      await changed(host);
    });
  });

  it('300 additions and removals under I/O: the host ends with the right list', async () => {
    await withHost(world, { ioQueues: 2 }, async (host) => {
      await listen(host);
      const data = pattern(4096, 3);
      expectStatus(await host.write(NS512, 0, 8, data), Status.success);
      let running = true;
      const load = host.io.map(async (queue) => {
        while (running) {
          expect((await host.read(NS512, 0, 8, 512, { queue })).data.equals(data)).toBe(true);
          const other = await host.read(60, 0, 1, 512, { queue });
          expectStatus(other, Status.success, Status.invalidNamespace);
        }
      });
      let known: number[] = await host.activeNamespaces();
      const watch = (async () => {
        while (running) {
          const event = await host.nextEvent(15_000).catch((cause: unknown) => {
            if (cause instanceof QueueClosed) throw cause;
            return null;
          });
          if (!event) return;
          await changed(host);
          known = await host.activeNamespaces();
        }
      })();
      for (let round = 0; round < 300; round++) {
        if (round % 2 === 0) control().addNamespace(60, MIB, 512, 1 + (round % 4));
        else control().removeNamespace(60);
        if (round % 5 !== 0) await new Promise((resolve) => setImmediate(resolve));
      }
      control().addNamespace(61, MIB, 512);
      await eventually('the host to know the final list', () => known.includes(61) && !known.includes(60));
      running = false;
      control().removeNamespace(61);
      await Promise.all([...load, watch]);
    });
  });
});
