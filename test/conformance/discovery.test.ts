/** The discovery controller: log page 70h, generation counter, filtering by host, events (NVMe Base 2.0 section 5.16.1.23). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdminOpcode, Feature, getLogPageSqe, IoOpcode, sqe } from '../initiator/command.ts';
import { DISCOVERY_NQN, freshHost, HostController, type HostOptions } from '../initiator/controller.ts';
import { type DiscoveryLog, LogId, parseDiscoveryLog } from '../initiator/log-page.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, stopClean } from './expectations.ts';
import { within } from './waiting.ts';
import { EXTERNAL, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => stopClean(world));

async function withDiscovery<T>(
  options: Partial<HostOptions>,
  body: (host: HostController) => Promise<T>,
): Promise<T> {
  const host = await HostController.connectAdmin({ ...world.discovery, subnqn: DISCOVERY_NQN, ...options });
  try {
    await host.enable();
    const result = await body(host);
    expect(host.violations).toEqual([]);
    return result;
  } finally {
    await host.drop();
  }
}

/** Header first, then as much as it says, as nvme-cli does. */
async function readLog(host: HostController): Promise<DiscoveryLog> {
  const head = parseDiscoveryLog((await host.getLog({ lid: LogId.discovery, length: 1024, rae: true })).data);
  const completion = await host.getLog({ lid: LogId.discovery, length: 1024 * (head.count + 1) });
  expectStatus(completion, Status.success);
  const log = parseDiscoveryLog(completion.data);
  expect(log.generation).toBe(head.generation);
  expect(log.entries.length).toBe(log.count);
  return log;
}

describe('the discovery log', () => {
  it('lists the subsystem with transport, address and port of each port', async () => {
    await withDiscovery({}, async (host) => {
      const log = await readLog(host);
      expect(log.recfmt).toBe(0);
      const mine = log.entries.filter((entry) => entry.subnqn === world.subnqn);
      for (const entry of mine) {
        expect(entry.trtype, 'TCP').toBe(3);
        expect(entry.adrfam, 'IPv4').toBe(1);
        expect(entry.subtype, 'NVM subsystem').toBe(2);
        expect(entry.cntlid, 'dynamic').toBe(0xffff);
        expect(entry.asqsz).toBeGreaterThanOrEqual(32);
        expect(entry.sectype, 'no TLS').toBe(0);
      }
      if (EXTERNAL) {
        expect(mine.length).toBeGreaterThanOrEqual(1);
        return;
      }
      expect(mine.map((entry) => entry.trsvcid).sort()).toEqual(
        [String(world.a.port), String(world.b.port)].sort(),
      );
      expect(new Set(mine.map((entry) => entry.traddr))).toEqual(new Set(['127.0.0.1']));
      expect(new Set(mine.map((entry) => entry.portid)).size).toBe(2);
    });
  });

  it('is served on the I/O port too', async () => {
    await withDiscovery({ ...world.a }, async (host) => {
      expect((await readLog(host)).entries.some((entry) => entry.subnqn === world.subnqn)).toBe(true);
    });
  });

  it('in pieces equals the whole', async () => {
    await withDiscovery({}, async (host) => {
      const count = (await readLog(host)).count;
      const whole = (await host.getLog({ lid: LogId.discovery, length: 1024 * (count + 1) })).data;
      for (const piece of [512, 1024, 1536]) {
        const parts: Buffer[] = [];
        for (let offset = 0; offset < whole.length; offset += piece) {
          const completion = await host.getLog({
            lid: LogId.discovery,
            length: Math.min(piece, whole.length - offset),
            offset,
          });
          expectStatus(completion, Status.success);
          parts.push(completion.data);
        }
        expect(Buffer.concat(parts).equals(whole)).toBe(true);
      }
    });
  });

  it('longer than it is, it is filled with zeroes', async () => {
    await withDiscovery({}, async (host) => {
      const { count } = await readLog(host);
      const completion = await host.getLog({ lid: LogId.discovery, length: 1024 * (count + 9) });
      expectStatus(completion, Status.success);
      expect(completion.data.subarray(1024 * (count + 1)).every((byte) => byte === 0)).toBe(true);
    });
  });

  it.skipIf(EXTERNAL)('shows a subsystem only to hosts that may use it', async () => {
    const { privateSubnqn } = world.control!;
    const friend = freshHost();
    const sees = (options: Partial<HostOptions>) =>
      withDiscovery(options, async (host) =>
        (await readLog(host)).entries.some((entry) => entry.subnqn === privateSubnqn),
      );
    expect(await sees({})).toBe(false);
    world.control!.allowHost(friend.hostnqn);
    expect(await sees(friend)).toBe(true);
    expect(await sees({})).toBe(false);
    world.control!.disallowHost(friend.hostnqn);
    expect(await sees(friend)).toBe(false);
  });

  it.skipIf(EXTERNAL)('the generation counter rises with each change and only then', async () => {
    await withDiscovery({}, async (host) => {
      const first = (await readLog(host)).generation;
      expect((await readLog(host)).generation).toBe(first);
      world.control!.addSubsystem('nqn.2026-11.test:later');
      const second = await readLog(host);
      expect(second.generation > first).toBe(true);
      expect(second.entries.some((entry) => entry.subnqn === 'nqn.2026-11.test:later')).toBe(true);
      world.control!.removeSubsystem('nqn.2026-11.test:later');
      const third = await readLog(host);
      expect(third.generation > second.generation).toBe(true);
      expect(third.entries.some((entry) => entry.subnqn === 'nqn.2026-11.test:later')).toBe(false);
    });
  });

  it.skipIf(EXTERNAL)(
    'the host identifier page of the discovery port lists no other thing than subsystems',
    async () => {
      await withDiscovery({}, async (host) => {
        const log = await readLog(host);
        for (const entry of log.entries) expect([1, 2, 3]).toContain(entry.subtype);
      });
    },
  );
});

it.skipIf(EXTERNAL)(
  'a discovery controller tells which pages, commands and features it has, and has no others',
  async () => {
    await withDiscovery({}, async (host) => {
      const table = async (lid: number, length: number) => {
        const { data } = await host.getLog({ lid, length });
        return Array.from({ length: 256 }, (_, id) => id).filter(
          (id) => (data.readUInt32LE(4 * id) & 1) === 1,
        );
      };
      const pages = await table(0, 1024);
      expect(pages).toEqual([0x00, 0x05, 0x12, 0x13, 0x70]);
      for (let lid = 0; lid < 256; lid++) {
        const status = pages.includes(lid) ? Status.success : Status.invalidLogPage;
        expectStatus(await host.getLog({ lid, length: 64, rae: true }), status);
      }
      expect(await table(0x05, 4096)).toEqual([0x02, 0x06, 0x09, 0x0a, 0x0c, 0x18]);
      expect(await table(0x12, 1024)).toEqual([0x0b, 0x0f]);
    });
  },
);

describe('a persistent discovery controller', () => {
  it.skipIf(EXTERNAL)('hears of changes, once per log read', async () => {
    await withDiscovery({ kato: 5000 }, async (host) => {
      expect(host.id.oaes >>> 31, 'discovery log change notices').toBe(1);
      expectStatus(await host.setFeature(Feature.asyncEvent, 0x80000000), Status.success);
      expect((await host.getFeature(Feature.asyncEvent)).dw0 >>> 0).toBe(0x80000000);
      host.armAsyncEvents(1);
      for (let round = 0; round < 5; round++) {
        world.control!.addSubsystem(`nqn.2026-11.test:round${round}`);
        expect(await host.nextEvent()).toEqual({ type: 2, info: 0xf0, lid: LogId.discovery });
        world.control!.removeSubsystem(`nqn.2026-11.test:round${round}`);
        await host.keepAlive();
        expect(host.events).toEqual([]);
        await readLog(host);
      }
    });
  });

  it.skipIf(EXTERNAL)('hears only of what changes its own log', async () => {
    const friend = freshHost();
    await withDiscovery({ kato: 5000 }, (stranger) =>
      withDiscovery({ kato: 5000, ...friend }, async (host) => {
        for (const one of [stranger, host]) {
          expectStatus(await one.setFeature(Feature.asyncEvent, 0x80000000), Status.success);
          one.armAsyncEvents(1);
        }
        const { generation } = await readLog(stranger);
        for (const change of ['allowHost', 'disallowHost'] as const) {
          world.control![change](friend.hostnqn);
          expect(await host.nextEvent()).toEqual({ type: 2, info: 0xf0, lid: LogId.discovery });
          await readLog(host);
        }
        // what anybody may use anyway is no news
        world.control!.allowHost('*');
        expect(await stranger.nextEvent()).toEqual({ type: 2, info: 0xf0, lid: LogId.discovery });
        expect(await host.nextEvent()).toEqual({ type: 2, info: 0xf0, lid: LogId.discovery });
        await readLog(host);
        const before = await readLog(stranger);
        world.control!.allowHost(friend.hostnqn);
        await Promise.all([host.keepAlive(), stranger.keepAlive()]);
        expect([host.events, stranger.events]).toEqual([[], []]);
        expect((await readLog(stranger)).entries).toEqual(before.entries);
        expect(before.generation > generation).toBe(true);
        world.control!.disallowHost('*');
        expect(await stranger.nextEvent()).toEqual({ type: 2, info: 0xf0, lid: LogId.discovery });
        world.control!.disallowHost(friend.hostnqn);
      }),
    );
  });

  it('is dropped when it does not keep alive', async () => {
    const host = await HostController.connectAdmin({ ...world.discovery, subnqn: DISCOVERY_NQN, kato: 1000 });
    await host.enable();
    host.stopKeepAlive();
    await within('the discovery host to be dropped', host.admin.connection.ended, 5000);
    await host.drop();
  });

  it('serves get and set features, keep alive and async events, but no I/O commands and no namespaces', async () => {
    await withDiscovery({ kato: 5000 }, async (host) => {
      expectStatus(await host.keepAlive(), Status.success);
      expectStatus(await host.getFeature(Feature.keepAlive), Status.success);
      const list = await host.identify({ cns: 2 });
      if (list.status === 0) expect(list.data.readUInt32LE(0)).toBe(0);
      expect((await host.admin.submit(sqe({ opcode: IoOpcode.read, nsid: 1 }))).status).not.toBe(0);
      expect((await host.admin.submit(sqe({ opcode: AdminOpcode.createSq }))).status).not.toBe(0);
      expectStatus(
        await host.admin.submit(getLogPageSqe({ lid: LogId.discovery, length: 1024 }), { readLength: 512 }),
        Status.dataSglLength,
      );
    });
  });

  it.skipIf(EXTERNAL)('the discovery port serves nothing but discovery', async () => {
    const cause = await HostController.connectAdmin({ ...world.discovery, subnqn: world.subnqn }).catch(
      (error: unknown) => error,
    );
    expect(cause).toMatchObject({ completion: { status: Status.connectInvalidParameters } });
  });
});
