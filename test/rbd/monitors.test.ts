/** Monitors of the cluster that go and come: neither hosts nor operators notice. On a cluster of its own, with three of them. */
import { randomInt, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { systemClock, systemTimers } from '../../src/base/clock.ts';
import { nullLog } from '../../src/base/log.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { Backends } from '../../src/gateway/serving/backends.ts';
import { StaticMonitor } from '../../src/monitor/static-monitor.ts';
import { Cluster } from '../../src/node-rados/lib/node-rados.ts';
import { openGroupStore } from '../../src/store/group-store.ts';
import { freePort, host, listener, makeRig, NQN } from '../gateway/rig.ts';
import type { HostController } from '../initiator/controller.ts';
import {
  cephScript,
  releaseOfThisNode,
  startCluster,
  type TestCluster,
} from '../node-rados/harness/ceph-cluster.ts';
import { describeWithCeph, freshName } from '../node-rados/harness/with-cluster.ts';
import { MIB, POOL } from './rig.ts';

const MONITORS = ['a', 'b', 'c'];
const NAMES = ['gw-a', 'gw-b'];
/** gw-a has all groups but the last. */
const OWNERS = [1, 2, 3, 4, 5].map((group) => ({ group, gateway: NAMES[group < 5 ? 0 : 1]! }));
/** Monitors here are told to be quick (MON_LEASE=1). */
const ELECTION_MS = 20_000;
/** Data does not go by monitors. */
const LONGEST_WRITE_MS = 4000;
const LIMIT_MS = 180_000;
const block = (byte: number): Buffer => Buffer.alloc(4096, byte % 256);

let ceph: TestCluster;
let operator: Cluster;
const ends: (() => Promise<unknown>)[] = [];

function daemon(verb: 'kill' | 'revive', monitor: string): Promise<void> {
  return cephScript(ceph.environment, verb, `mon.${monitor}`);
}

async function untilQuorum(size: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const { output } = await operator.monCommand({ prefix: 'quorum_status', format: 'json' });
      expect((JSON.parse(output.toString()) as { quorum: number[] }).quorum).toHaveLength(size);
    },
    { timeout: ELECTION_MS, interval: 200 },
  );
}

/** A member of a group, whose configuration is in the cluster. */
async function serve(group: string, name: string): Promise<Gateway> {
  const store = await openGroupStore({
    pool: POOL,
    configFile: ceph.conf,
    id: 'admin',
    group,
    gateway: name,
    introduction: name,
    newCommitId: randomUUID,
    timers: systemTimers,
    log: nullLog,
  });
  const parts = { clock: systemClock, timers: systemTimers, log: nullLog };
  const backends = new Backends({ ceph: { confFile: ceph.conf }, ...parts });
  const { gateway } = makeRig({
    store,
    monitor: new StaticMonitor(name, OWNERS),
    openBackend: backends.open,
    groups: backends,
    timers: systemTimers,
    random: { uuid: randomUUID, integer: (below) => randomInt(below) },
    identity: { version: '1', name, group, hostname: name, address: '127.0.0.1', port: 5500 },
  });
  ends.push(async () => {
    await gateway.stop();
    await backends.close();
  });
  await gateway.start();
  return gateway;
}

/** A member with a disk, and a host that is connected to it. */
async function serveDisk(group: string): Promise<{ gateway: Gateway; controller: HostController }> {
  const gateway = await serve(group, NAMES[0]!);
  await gateway.addSubsystem({ nqn: NQN, serial: 'S1' });
  await gateway.addHost(NQN, '*');
  const port = await freePort();
  await gateway.addListener(listener(port, { hostName: NAMES[0]! }));
  await addDisk(gateway, 1);
  return { gateway, controller: await host(port) };
}

async function addDisk(gateway: Gateway, anaGroupId: number): Promise<number> {
  const backend = { type: 'rbd', pool: POOL, image: freshName('disk'), create: true } as const;
  const { nsid } = await gateway.addNamespace({ nqn: NQN, backend, sizeBytes: 8 * MIB, anaGroupId });
  return nsid;
}

/** Writes and reads back until it is ended; that resolves with the longest time that one of both took, in ms. */
function load(controller: HostController): () => Promise<number> {
  let running = true;
  let longestMs = 0;
  const done = (async () => {
    for (let i = 0; running; i += 1) {
      const begin = performance.now();
      expect((await controller.write(1, (i % 64) * 8, 8, block(i), { noTimeout: true })).status).toBe(0);
      const { status, data } = await controller.read(1, (i % 64) * 8, 8, 512);
      expect(status).toBe(0);
      expect(data.equals(block(i))).toBe(true);
      longestMs = Math.max(longestMs, performance.now() - begin);
    }
    return longestMs;
  })();
  done.catch(() => undefined); // for whom it may concern: the one who ends it
  return () => {
    running = false;
    return done;
  };
}

/** All kinds of changes: of the configuration alone, of an image that is open, of a new one. */
async function change(gateway: Gateway, round: number, anaGroupId: number): Promise<void> {
  await gateway.addHost(NQN, `nqn.2014-08.org.nvmexpress:host-${round}`);
  await gateway.resizeNamespace(NQN, 1, (16 + round) * MIB);
  await gateway.deleteNamespace(NQN, await addDisk(gateway, anaGroupId));
}

describeWithCeph('A cluster of three monitors', () => {
  beforeAll(async () => {
    const started = startCluster(releaseOfThisNode(), (text) => process.stderr.write(`${text}\n`), {
      MONS: String(MONITORS.length),
      MGR: '0',
    });
    if (started === null) throw new Error('no cluster of three monitors');
    ceph = started;
    operator = await Cluster.connect({ confFile: ceph.conf });
  }, LIMIT_MS);

  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });

  afterAll(async () => {
    await operator?.close();
    ceph?.stop();
  });

  it('restarted one by one: I/O goes on, changes succeed', { timeout: LIMIT_MS }, async () => {
    const { gateway, controller } = await serveDisk('restarted');
    const end = load(controller);
    let round = 0;
    for (const monitor of MONITORS) {
      await daemon('kill', monitor);
      round += 1;
      // a new ANA group, hence a new client that has to find a monitor
      await change(gateway, round, 1 + round);
      await untilQuorum(2);
      await daemon('revive', monitor);
      await untilQuorum(3);
      await gateway.addHost(NQN, `nqn.2014-08.org.nvmexpress:between-${round}`);
    }
    const longestMs = await end();
    expect(longestMs).toBeLessThan(LONGEST_WRITE_MS);
    expect(gateway.listHosts(NQN).hosts).toHaveLength(2 * MONITORS.length);
    expect(controller.violations).toEqual([]);
  });

  it('with one dead for good: as before, gateways start, and a fenced group comes back', {
    timeout: LIMIT_MS,
  }, async () => {
    const { gateway, controller } = await serveDisk('one-dead');
    const end = load(controller);
    await daemon('kill', 'a'); // the leader: the first of the monitors' map
    await change(gateway, 1, 2);
    const other = await serve('one-dead', NAMES[1]!);
    const nsid = await addDisk(other, 5);
    await vi.waitFor(() => expect(gateway.listNamespaces().map((one) => one.nsid)).toEqual([1, nsid]));
    await other.changeNamespaceAnaGroup(NQN, nsid, 1);
    await vi.waitFor(async () => {
      expect((await controller.write(nsid, 0, 8, block(7), { noTimeout: true })).status).toBe(0);
    });
    expect(await end()).toBeLessThan(LONGEST_WRITE_MS);

    const pool = await operator.openPool(POOL);
    const [{ backend }] = gateway.listNamespaces({ nsid: 1 });
    const image = await pool.openImage(backend.type === 'rbd' ? backend.image : '', { readOnly: true });
    const { id } = await image.stat();
    const [owner] = (await pool.lockState(`rbd_header.${id}`, 'rbd_lock')).lockers;
    await image.close();
    await operator.blocklistAdd(owner!.address, 600);
    await vi.waitFor(
      async () => {
        expect((await controller.write(1, 0, 8, block(9), { noTimeout: true })).status).toBe(0);
      },
      { timeout: ELECTION_MS },
    );
    await daemon('revive', 'a');
    await untilQuorum(3);
  });
});
