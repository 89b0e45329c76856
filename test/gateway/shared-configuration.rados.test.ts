/** Gateways of one group on one Ceph cluster, driven through different members at once. */
import { randomInt, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { systemTimers } from '../../src/base/clock.ts';
import { encodeRecord, keyOf } from '../../src/gateway/configuration/records.ts';
import type { GatewayApi } from '../../src/gateway/gateway-api.ts';
import { takeCephNvmeofState } from '../../src/gateway/state/ceph-nvmeof.ts';
import { encodeStateDocument } from '../../src/gateway/state/document.ts';
import { StaticMonitor } from '../../src/monitor/static-monitor.ts';
import { WriteOperation } from '../../src/node-rados/lib/node-rados.ts';
import { CephNvmeofPlace } from '../../src/store/ceph-nvmeof-place.ts';
import { objectNameOf } from '../../src/store/omap-layout.ts';
import { runCli } from '../cli/run-cli.ts';
import { Feature } from '../initiator/command.ts';
import { DISCOVERY_NQN, freshHost, HostController, type HostOptions } from '../initiator/controller.ts';
import { AnaState, LogId, parseDiscoveryLog } from '../initiator/log-page.ts';
import { cephConf, describeWithCeph, freshName } from '../node-rados/harness/with-cluster.ts';
import {
  admin,
  freshPlace,
  type OpenOptions,
  type OpenStore,
  openStore,
  type Place,
  POOL,
  startAdmin,
  stopAdmin,
} from '../store/omap-rig.ts';
import { CEPH_NQN, cephNvmeofState } from './ceph-nvmeof-fixture.ts';
import { freePort, host, listener, MIB, makeRig, memory, NQN, type Rig, scratch } from './rig.ts';

const NAMES = ['gw-a', 'gw-b', 'gw-c'];
const OWNERS = NAMES.map((gateway, at) => ({ group: at + 1, gateway }));
const DISCOVERY_CHANGE = 0x8000_0000;

interface Member extends Omit<Rig, 'store'> {
  name: string;
  shared: OpenStore;
}

describeWithCeph('a group of gateways', () => {
  let place: Place;
  beforeAll(startAdmin);
  afterAll(stopAdmin);
  beforeEach(() => {
    place = freshPlace();
  });
  afterEach(() => place.remove());

  async function member(name: string, options?: OpenOptions): Promise<Member> {
    const shared = await openStore(place, { gateway: name, ...options });
    const rig = makeRig({
      store: shared.store,
      monitor: new StaticMonitor(name, OWNERS),
      timers: systemTimers,
      random: { uuid: randomUUID, integer: (below) => randomInt(below) },
      identity: { version: '1', name, group: 'g', hostname: name, address: '127.0.0.1', port: 5500 },
    });
    await rig.gateway.start();
    return { ...rig, name, shared };
  }

  const group = (options?: OpenOptions): Promise<Member[]> =>
    Promise.all(NAMES.map((name) => member(name, options)));

  /** All that a gateway is asked about, apart from what is its own. */
  function stateOf({ gateway }: { gateway: GatewayApi }): unknown {
    return gateway.listSubsystems().map(({ minCntlid, maxCntlid, ...subsystem }) => ({
      subsystem,
      hosts: gateway.listHosts(subsystem.nqn),
      namespaces: gateway.listNamespaces({ nqn: subsystem.nqn }),
      listeners: gateway
        .listListeners(subsystem.nqn)
        .map(({ hostName, trsvcid }) => `${hostName}:${trsvcid}`)
        .sort(),
    }));
  }

  /** What the target of a gateway offers. */
  function offerOf({ target }: Member): unknown {
    return [...target.subsystems.values()]
      .map(({ nqn, hosts, namespaces }) => ({
        nqn,
        hosts: [...hosts.nqns].sort(),
        namespaces: [...namespaces.values()].map(({ uuid, nsid, anaGroupId }) => ({
          uuid,
          nsid,
          anaGroupId,
        })),
      }))
      .sort((a, b) => (a.nqn < b.nqn ? -1 : 1));
  }

  async function expectSame(members: Member[]): Promise<void> {
    const [first, ...others] = members;
    for (const other of others) {
      await vi.waitFor(() => expect(stateOf(other)).toEqual(stateOf(first!)), { timeout: 10_000 });
      await vi.waitFor(() => expect(offerOf(other)).toEqual(offerOf(first!)), { timeout: 10_000 });
    }
    for (const { complaints } of members) expect(complaints).toEqual([]);
  }

  it('takes different changes through all members at once, and loses none', async () => {
    const members = await group();
    await members[0]!.gateway.addSubsystem({ nqn: NQN, serial: 'S1' });
    await Promise.all(
      members.map((one) => vi.waitFor(() => expect(one.gateway.listSubsystems()).toHaveLength(1))),
    );
    const each = 15;
    await Promise.all(
      members.map(async ({ gateway, name }) => {
        for (let i = 0; i < each; i += 1) {
          await gateway.addNamespace(memory());
          await gateway.addHost(NQN, `nqn.2014-08.org.nvmexpress:${name}-${i}`);
          if (i % 5 === 4) await gateway.addSubsystem({ nqn: `${NQN}-${name}-${i}` });
        }
      }),
    );
    await expectSame(members);
    const { gateway } = members[1]!;
    expect(gateway.listNamespaces().map(({ nsid }) => nsid)).toEqual(
      Array.from({ length: 3 * each }, (_, i) => i + 1),
    );
    expect(gateway.listHosts(NQN).hosts).toHaveLength(3 * each);
    expect(gateway.listSubsystems()).toHaveLength(1 + 3 * (each / 5));
    // Spread over the groups as one gateway alone would have done it.
    const counts = [1, 2, 3].map(
      (wanted) => gateway.listNamespaces().filter(({ anaGroupId }) => anaGroupId === wanted).length,
    );
    expect(counts).toEqual([each, each, each]);
  });

  it('takes one of several equal changes; the others are told, and nothing is half done', async () => {
    const members = await group();
    const outcome = async (work: (gateway: GatewayApi) => Promise<unknown>) => {
      const results = await Promise.allSettled(members.map(({ gateway }) => work(gateway)));
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      return results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
    };
    expect(await outcome((gateway) => gateway.addSubsystem({ nqn: NQN }))).toEqual([
      'SUBSYSTEM_EXISTS',
      'SUBSYSTEM_EXISTS',
    ]);
    await expectSame(members);
    expect(await outcome((gateway) => gateway.addHost(NQN, '*'))).toEqual(['HOST_EXISTS', 'HOST_EXISTS']);
    for (const nsid of [1, 2, 3]) {
      const spec = memory({ nsid, anaGroupId: nsid });
      expect(await outcome((gateway) => gateway.addNamespace(spec))).toEqual([
        'NAMESPACE_EXISTS',
        'NAMESPACE_EXISTS',
      ]);
    }
    await expectSame(members);
    // What was made ready for a namespace that another won is gone, and the winner's is served by all.
    for (const { devices } of members) {
      await vi.waitFor(() => expect(devices.filter(({ closed }) => !closed)).toHaveLength(3));
    }
    for (const [at, { gateway, name }] of members.entries()) {
      const port = await freePort();
      await gateway.addListener(listener(port, { hostName: name }));
      const controller = await host(port);
      const { data } = await controller.read(at + 1, 0, 1, 512);
      expect(data).toEqual(Buffer.alloc(512));
    }
    expect(await outcome((gateway) => gateway.deleteSubsystem(NQN, true))).toEqual([
      'SUBSYSTEM_NOT_FOUND',
      'SUBSYSTEM_NOT_FOUND',
    ]);
    await expectSame(members);
    for (const { devices, target } of members) {
      await vi.waitFor(() => expect(devices.every(({ closed }) => closed)).toBe(true));
      expect(target.subsystems.size).toBe(0);
    }
  });

  it('applies a change at every member within 200 ms', async () => {
    const members = await group();
    await members[0]!.gateway.addSubsystem({ nqn: NQN });
    await expectSame(members);
    const delays: number[] = [];
    for (let i = 0; i < 30; i += 1) {
      const hostNqn = `nqn.2014-08.org.nvmexpress:${i}`;
      const from = members[i % 3]!;
      const began = performance.now();
      const applied = members
        .filter((one) => one !== from)
        .map(async ({ target }) => {
          await vi.waitUntil(() => target.subsystems.get(NQN)?.hosts.nqns.has(hostNqn), { interval: 1 });
          delays.push(performance.now() - began);
        });
      await from.gateway.addHost(NQN, hostNqn);
      await Promise.all(applied);
    }
    delays.sort((a, b) => a - b);
    const at = (share: number) => delays[Math.floor(share * (delays.length - 1))]!;
    process.stderr.write(
      `request to applied elsewhere, ms: median ${at(0.5).toFixed(1)}, worst ${at(1).toFixed(1)}\n`,
    );
    expect(at(0.95)).toBeLessThan(200);
  });

  it('follows a subsystem that was removed and made again while nobody heard', async () => {
    const [a, b] = [await member('gw-a'), await member('gw-b', { lookMs: 60_000 })];
    await a.gateway.addSubsystem({ nqn: NQN, serial: 'OLD' });
    await a.gateway.addNamespace(memory());
    await a.gateway.addHost(NQN, '*');
    await expectSame([a, b]);
    a.shared.faults.mute = true;
    await a.gateway.deleteSubsystem(NQN, true);
    await a.gateway.addSubsystem({ nqn: NQN, serial: 'NEW' });
    await a.gateway.addNamespace(memory({ nsid: 7 }));
    a.shared.faults.mute = false;
    await a.gateway.addHost(NQN, '*');
    await expectSame([a, b]);
    expect(b.target.subsystems.get(NQN)!.serial).toBe('NEW');
    await vi.waitFor(() => expect(b.devices.filter(({ closed }) => !closed)).toHaveLength(1));
  });

  it('serves each ANA group at its owner, with controller ids that no two members share', async () => {
    const members = await group();
    const { gateway } = members[0]!;
    await gateway.addSubsystem({ nqn: NQN });
    await gateway.addHost(NQN, '*');
    for (const nsid of [1, 2, 3]) await gateway.addNamespace(memory({ nsid, anaGroupId: nsid }));
    await expectSame(members);
    const cntlids: number[] = [];
    for (const [at, one] of members.entries()) {
      const port = await freePort();
      await one.gateway.addListener(listener(port, { hostName: one.name }));
      const controller = await host(port);
      cntlids.push(Math.floor((controller.cntlid - 1) / 2040));
      const { groups } = await controller.anaLog();
      expect(new Map(groups.map(({ id, state }) => [id, state]))).toEqual(
        new Map([1, 2, 3].map((id) => [id, id === at + 1 ? AnaState.optimized : AnaState.inaccessible])),
      );
    }
    expect(cntlids).toEqual([0, 1, 2]);
  });

  it('lists the listeners of all members in the discovery of each, to hosts that may know, and tells of changes', async () => {
    const members = await group();
    const friend = freshHost();
    const stranger = freshHost();
    await members[0]!.gateway.addSubsystem({ nqn: NQN });
    await members[0]!.gateway.addHost(NQN, friend.hostnqn!);
    await expectSame(members);
    const ports: string[] = [];
    for (const { gateway, name } of members) {
      const port = await freePort();
      ports.push(String(port));
      await gateway.addListener(listener(port, { hostName: name }));
    }
    await expectSame(members);
    for (const { gateway, name } of members) {
      const port = await gateway.openDiscovery('127.0.0.1', 0);
      const options = { host: '127.0.0.1', port, subnqn: DISCOVERY_NQN };
      await withDiscovery({ ...options, ...stranger }, async (controller) => {
        expect((await discover(controller)).entries).toEqual([]);
      });
      await withDiscovery({ ...options, ...friend }, async (controller) => {
        const log = await discover(controller);
        expect(log.entries.map(({ trsvcid }) => trsvcid).sort()).toEqual([...ports].sort());
        expect(new Set(log.entries.map(({ subnqn }) => subnqn))).toEqual(new Set([NQN]));
        expect(new Set(log.entries.map(({ traddr }) => traddr))).toEqual(new Set(['127.0.0.1']));
        expect(new Set(log.entries.map(({ portid }) => portid)).size).toBe(3);
        // Another member's listener comes and goes: this one tells its hosts.
        await controller.setFeature(Feature.asyncEvent, DISCOVERY_CHANGE);
        const other = members.find((one) => one.name !== name)!;
        const spec = listener(await freePort(), { hostName: other.name });
        const event = controller.asyncEvent();
        await other.gateway.addListener(spec);
        await event;
        const after = await discover(controller);
        expect(after.entries.map(({ trsvcid }) => trsvcid)).toContain(String(spec.trsvcid));
        expect(after.generation).toBeGreaterThan(log.generation);
        await other.gateway.deleteListener(spec, true);
        await vi.waitFor(async () => expect((await discover(controller)).entries).toHaveLength(3));
      });
    }
  });

  it('imports 4096 namespaces in one commit, of which nobody follows a half', async () => {
    const [a, b] = (await group()) as [Member, Member, Member];
    const records = [...Array(8).keys()].flatMap((at) => {
      const nqn = `${NQN}${at}`;
      const namespaces = Array.from({ length: 512 }, (_, i) => ({
        kind: 'namespace' as const,
        nqn,
        nsid: i + 1,
        uuid: randomUUID(),
        anaGroupId: (i % 3) + 1,
        blockSize: 512 as const,
        sizeBytes: 2 ** 30,
        readOnly: false,
        backend: { type: 'memory' as const },
      }));
      return [{ kind: 'subsystem' as const, nqn, serial: `S${at}`, maxNamespaces: 512 }, ...namespaces];
    });
    const texts = new Map(records.map((record) => [keyOf(record), encodeRecord(record)]));
    const seen = new Set<number>();
    let following = true;
    const watching = (async () => {
      while (following) {
        seen.add(b.gateway.listNamespaces().length);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await a.gateway.state.importState(
      await encodeStateDocument({ group: 'g', version: 0, records: texts }),
      'empty',
      false,
    );
    expect(a.gateway.listNamespaces()).toHaveLength(4096);
    await vi.waitFor(() => expect(b.gateway.listNamespaces()).toHaveLength(4096), 20_000);
    following = false;
    await watching;
    expect([...seen].sort()).toEqual([0, 4096]);
    const { document } = await a.gateway.state.exportState();
    expect((await a.gateway.state.importState(document, 'replace', true)).changes).toEqual([]);
  }, 60_000);

  it('is exported and imported without asking any of them, and they follow', async () => {
    const group = freshName('shop');
    const object = objectNameOf(group);
    place = { object, remove: () => admin.remove(object).catch(() => {}) };
    const directory = await scratch();
    const [config, file] = [join(directory, 'anagate.conf'), join(directory, 'state.json')];
    await writeFile(
      config,
      `[gateway]\ngroup = ${group}\n[ceph]\npool = ${POOL}\nconfig_file = ${cephConf}\nid = admin\n`,
    );
    const cli = (line: string) => runCli(`state ${line} --offline --config ${config} --file ${file}`);
    expect((await cli('export')).err).toContain(`pool ${POOL} has no object ${object}`);
    await expect(admin.stat(object)).rejects.toMatchObject({ code: 'ENOENT' });
    const { gateway } = await member('gw-a');
    await gateway.addSubsystem({ nqn: NQN, serial: 'S1' });
    expect(await cli('export')).toMatchObject({ status: 0, err: '' });
    await gateway.deleteSubsystem(NQN, false);
    await gateway.addSubsystem({ nqn: `${NQN}2` });
    expect((await cli('import')).err).toContain('the configuration is not empty');
    expect((await cli('import --replace')).out).toContain('1 added, 0 changed, 1 removed');
    await vi.waitFor(() => expect(gateway.listSubsystems()).toMatchObject([{ nqn: NQN, serial: 'S1' }]));
  });

  it('takes over the object of a ceph-nvmeof group', async () => {
    const object = `${place.object}.nvmeof`;
    const images = ['disk1', 'disk7'];
    for (const image of images) await admin.images.create(`${object}-${image}`, 3 * MIB);
    const source = [...cephNvmeofState(POOL)].map(([key, value]): [string, string] => [
      key,
      value.replace(/"disk(\d)"/, `"${object}-disk$1"`),
    ]);
    await admin.write(object, new WriteOperation().create(true).omapSet(source));
    const ceph = await CephNvmeofPlace.open({ pool: POOL, configFile: cephConf!, id: 'admin' });
    try {
      const { records, left } = await takeCephNvmeofState(await ceph.state(object), {
        imageBytes: (image) => ceph.imageBytes(image),
        parallel: 4,
      });
      expect(left).toEqual([]);
      await expect(ceph.state(`${object}.none`)).rejects.toThrow(/no object .*nvmeof\.<group>\.state/);
      const { gateway } = await member('gw-a');
      await gateway.state.importState(
        await encodeStateDocument({ group: '', version: 0, records }),
        'empty',
        false,
      );
      expect(gateway.listNamespaces()).toMatchObject([
        { nqn: CEPH_NQN, nsid: 1, sizeBytes: 3 * MIB, backend: { pool: POOL, image: `${object}-disk1` } },
        { nqn: CEPH_NQN, nsid: 7, sizeBytes: 3 * MIB, blockSize: 4096 },
      ]);
    } finally {
      await ceph.close();
      await admin.remove(object);
      for (const image of images) await admin.images.remove(`${object}-${image}`).catch(() => {});
    }
  });
});

async function withDiscovery(
  options: HostOptions,
  body: (controller: HostController) => Promise<void>,
): Promise<void> {
  const controller = await HostController.connectAdmin(options);
  try {
    await controller.enable();
    await body(controller);
  } finally {
    await controller.drop();
  }
}

async function discover(controller: HostController) {
  const { data } = await controller.getLog({ lid: LogId.discovery, length: 1024 * 65 });
  return parseDiscoveryLog(data);
}
