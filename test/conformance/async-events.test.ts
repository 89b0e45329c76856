/** Asynchronous events: limit, masking, clearing, remembering (NVMe Base 2.0 section 5.2). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Feature } from '../initiator/command.ts';
import { HostController, parseEvent } from '../initiator/controller.ts';
import { LogId } from '../initiator/log-page.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, stopClean, withHost } from './expectations.ts';
import { eventually, within } from './waiting.ts';
import { EXTERNAL, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => stopClean(world));

const ANA_EVENT = { type: 2, info: 3, lid: LogId.ana };
const NS_EVENT = { type: 2, info: 0, lid: LogId.changedNamespaces };

describe('Asynchronous Event Request', () => {
  it('AERL + 1 may be open, one more is refused and changes nothing', async () => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
    const limit = Math.min(host.id.aerl + 1, 16);
    const open = Array.from({ length: limit }, () => host.asyncEvent().catch(() => null));
    expectStatus(await host.asyncEvent(), Status.aerLimit);
    expectStatus(await host.asyncEvent(), Status.aerLimit);
    expect(host.admin.outstanding).toBe(limit);
    expect(host.violations).toEqual([]);
    await host.shutdown();
    expect((await Promise.all(open)).every((completion) => completion === null)).toBe(true);
  });

  it('is not completed by a controller reset', async () => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn, ioQueues: 0 });
    const open = host.asyncEvent().catch(() => 'closed');
    await host.setCc(0x00460000);
    await host.enable();
    await host.keepAlive();
    expect(host.admin.outstanding).toBe(1);
    await host.drop();
    expect(await open).toBe('closed');
  });
});

describe.skipIf(EXTERNAL)('events', () => {
  const control = () => world.control!;

  it('an ANA change is reported, masked until the log is read, then reported again', async () => {
    await withHost(world, {}, async (host) => {
      await host.setFeature(Feature.asyncEvent, 1 << 11);
      host.armAsyncEvents(2);
      control().setAna('a', 4, 'inaccessible');
      expect(await host.nextEvent()).toEqual(ANA_EVENT);
      control().setAna('a', 4, 'optimized');
      control().setAna('a', 4, 'nonOptimized');
      // Masked: a command that goes after the change comes back with no event before it.
      expectStatus(await host.keepAlive(), Status.success);
      expectStatus(await host.keepAlive(), Status.success);
      expect(host.events).toEqual([]);
      await host.anaLog();
      expect(host.events).toEqual([]);
      control().setAna('a', 4, 'optimized');
      expect(await host.nextEvent()).toEqual(ANA_EVENT);
      await host.anaLog();
    });
  });

  it('reading with RAE keeps the event masked', async () => {
    await withHost(world, {}, async (host) => {
      await host.setFeature(Feature.asyncEvent, 1 << 11);
      host.armAsyncEvents(1);
      control().setAna('a', 4, 'inaccessible');
      await host.nextEvent();
      await host.anaLog({ rae: true });
      control().setAna('a', 4, 'optimized');
      await host.keepAlive();
      await host.keepAlive();
      expect(host.events).toEqual([]);
      await host.anaLog();
      control().setAna('a', 4, 'nonOptimized');
      expect(await host.nextEvent()).toEqual(ANA_EVENT);
      control().setAna('a', 4, 'optimized');
    });
  });

  it('with no request open the event is remembered', async () => {
    await withHost(world, {}, async (host) => {
      await host.setFeature(Feature.asyncEvent, 0x900);
      control().setAna('a', 4, 'inaccessible');
      control().addNamespace(20, 1024 * 1024, 512);
      control().setAna('a', 4, 'optimized');
      host.armAsyncEvents(1);
      const seen = [await host.nextEvent(), await host.nextEvent()];
      expect(seen).toContainEqual(ANA_EVENT);
      expect(seen).toContainEqual(NS_EVENT);
      control().removeNamespace(20);
    });
  });

  it('a kind that the host did not ask for is not sent', async () => {
    await withHost(world, {}, async (host) => {
      await host.setFeature(Feature.asyncEvent, 1 << 8);
      host.armAsyncEvents(2);
      control().setAna('a', 4, 'inaccessible');
      control().setAna('a', 4, 'optimized');
      control().addNamespace(21, 1024 * 1024, 512);
      expect(await host.nextEvent()).toEqual(NS_EVENT);
      await host.keepAlive();
      expect(host.events).toEqual([]);
      control().removeNamespace(21);
    });
  });

  it('only OAES events are configurable or at least only they are sent', async () => {
    await withHost(world, {}, async (host) => {
      const completion = await host.setFeature(Feature.asyncEvent, 0xffffff00);
      if (completion.status !== 0) expectStatus(completion, Status.invalidField);
      expectStatus(await host.setFeature(Feature.asyncEvent, host.id.oaes), Status.success);
    });
  });

  it('each of two hosts is told; one reading its log does not mask the other', async () => {
    await withHost(world, {}, async (one) => {
      await withHost(world, {}, async (two) => {
        for (const host of [one, two]) {
          await host.setFeature(Feature.asyncEvent, 1 << 11);
          host.armAsyncEvents(1);
        }
        control().setAna('a', 4, 'inaccessible');
        await Promise.all([one.nextEvent(), two.nextEvent()]);
        await one.anaLog();
        control().setAna('a', 4, 'optimized');
        expect(await one.nextEvent()).toEqual(ANA_EVENT);
        await two.keepAlive();
        expect(two.events).toEqual([]);
        await two.anaLog();
        control().setAna('a', 4, 'nonOptimized');
        expect(await two.nextEvent()).toEqual(ANA_EVENT);
        control().setAna('a', 4, 'optimized');
      });
    });
  });

  it('an open request ends with the association, once', async () => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
    const open = host.asyncEvent();
    const outcome = open.then(
      (completion) => parseEvent(completion.dw0),
      () => 'closed',
    );
    await host.drop();
    expect(await within('the open request', outcome)).toBe('closed');
    await eventually('no controller left', () => control().controllerCount() === 0);
  });
});
