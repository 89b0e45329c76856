/** What the gateways of a group share while OSDs hang, and while the cluster stands still. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { systemTimers } from '../../../src/base/clock.ts';
import { NO_LEADER } from '../../../src/monitor/coordination.ts';
import { EMPTY_MAP } from '../../../src/monitor/group-map.ts';
import { leaseRenewal } from '../../../src/monitor/rados/lease-renewal.ts';
import { Cluster, type IoContext } from '../../../src/node-rados/lib/node-rados.ts';
import {
  cephScript,
  releaseOfThisNode,
  startCluster,
  type TestCluster,
} from '../../node-rados/harness/ceph-cluster.ts';
import { describeWithCeph } from '../../node-rados/harness/with-cluster.ts';
import { beaconOf } from './beacon-of.ts';
import { fenceOf, firstLeader, GroupRig, outcomeOf, POOL } from './rig.ts';

const CALL_MS = 800;
/** What a busy machine adds. */
const SLACK_MS = 400;

describeWithCeph('Gateways of a group, with three OSDs,', () => {
  let ceph: TestCluster;
  let pool: IoContext;
  let owner: Cluster;
  let rig: GroupRig;
  const stopped: string[] = [];

  beforeAll(async () => {
    const started = startCluster(releaseOfThisNode(), () => {}, { OSDS: '3', MGR: '0' });
    if (started === null) throw new Error('no second cluster');
    ceph = started;
    pool = await (await Cluster.connect({ confFile: ceph.conf })).openPool(POOL);
    owner = await Cluster.connect({ confFile: ceph.conf });
    await vi.waitUntil(isSettled, { timeout: 30_000, interval: 200 });
  });
  afterAll(async () => {
    await Promise.all([pool?.cluster.close(), owner?.close()]);
    ceph?.stop();
  });
  beforeEach(() => {
    rig = new GroupRig({ confFile: ceph.conf, callMs: CALL_MS });
  });
  afterEach(async () => {
    await wake();
    await pause(false);
  });

  interface Placement {
    up: number[];
    acting: number[];
    acting_primary: number;
  }

  async function command<T>(words: Record<string, unknown>): Promise<T> {
    return JSON.parse((await pool.cluster.monCommand({ ...words, format: 'json' })).output.toString()) as T;
  }

  const placementOf = (object: string) => command<Placement>({ prefix: 'osd map', pool: POOL, object });

  /** All OSDs are up, and every placement group is where it belongs. */
  async function isSettled(): Promise<boolean> {
    const { num_up_osds: up } = await command<{ num_up_osds: number }>({ prefix: 'osd stat' });
    const names = Array.from({ length: 32 }, (_, n) => `any.${n}`);
    const placements = await Promise.all(names.map(placementOf));
    return up === 3 && placements.every((one) => one.up.join() === one.acting.join());
  }

  const primaryOf = async (object: string) => `osd.${(await placementOf(object)).acting_primary}`;

  /** It keeps its connections and answers nothing. */
  async function hang(osd: string): Promise<void> {
    stopped.push(osd);
    await cephScript(ceph.environment, 'kill', osd, 'STOP');
  }

  async function wake(): Promise<void> {
    for (const osd of stopped.splice(0)) await cephScript(ceph.environment, 'kill', osd, 'CONT');
  }

  const pause = (on: boolean) =>
    pool.cluster.monCommand({ prefix: on ? 'osd set' : 'osd unset', key: 'pause' });

  it('keep beacons and revocations on three OSDs', async () => {
    const { leasePlace } = await rig.open();
    const primaries = await Promise.all(leasePlace.objects.map(primaryOf));
    expect(new Set(primaries).size).toBe(3);
  });

  it('go on with beacons, leases and revocations while one OSD hangs, and none of that is slower', async () => {
    const [a, b] = await Promise.all([rig.open(), rig.open()]);
    const renew = leaseRenewal(a.leasePlace, systemTimers);
    expect(await renew(owner, 1000)).toBe(true);
    await a.writeBeacon(beaconOf('a1', 1));
    await expect.poll(() => b.readBeacons()).toHaveLength(1);
    for (const object of a.leasePlace.objects) {
      await hang(await primaryOf(object));
      const took: number[] = [];
      for (let sequence = 2; sequence <= 40; sequence += 1) {
        const began = performance.now();
        await a.writeBeacon(beaconOf('a1', sequence));
        const beacons = await b.readBeacons();
        expect(await renew(owner, 1000)).toBe(true);
        took.push(performance.now() - began);
        expect(beacons.map(({ sequence: read }) => read)).toEqual([sequence]);
      }
      await a.revoke(fenceOf(`192.0.2.1:0/${took.length}`));
      took.sort((x, y) => x - y);
      process.stderr.write(
        `one OSD hangs: round median ${took[20]!.toFixed(1)} ms, worst ${took.at(-1)!.toFixed(1)} ms\n`,
      );
      expect(took[20]).toBeLessThan(100);
      await wake();
      for (const each of a.leasePlace.objects) await pool.stat(each);
      await a.forget('a1', 0);
      await a.writeBeacon(beaconOf('a1', 1));
      await expect.poll(async () => (await b.readBeacons()).map(({ sequence }) => sequence)).toEqual([1]);
    }
  });

  for (const [what, stop, go] of [
    ['the OSDs hang', () => Promise.all(['osd.0', 'osd.1', 'osd.2'].map(hang)), wake],
    ['the OSDs are paused', () => pause(true), () => pause(false)],
  ] as const) {
    it(`hear ETIMEDOUT in time while ${what}, and what became of a write shows when it is read back`, async () => {
      const [a, b] = await Promise.all([rig.open(), rig.open()]);
      const renew = leaseRenewal(a.leasePlace, systemTimers);
      expect(await renew(owner, 1000)).toBe(true);
      await stop();
      // Clients learn of a pause one by one.
      for (const one of [a, b]) await vi.waitUntil(() => isStuck(one.readMap()), { timeout: 20_000 });
      await vi.waitUntil(() => isStuck(renew(owner, CALL_MS)), { timeout: 20_000 });
      const map = { ...EMPTY_MAP, epoch: 1 };
      const calls = {
        lead: a.lead(NO_LEADER, firstLeader('gw-a'), map),
        readMap: b.readMap(),
        writeBeacon: b.writeBeacon(beaconOf('b1', 1)),
        readBeacons: b.readBeacons(),
        forget: b.forget('a1', 0),
        revoke: b.revoke(fenceOf('192.0.2.1:0/4711')),
        renew: renew(owner, CALL_MS),
      };
      const outcomes = await Promise.all(Object.values(calls).map(outcomeOf));
      for (const [at, name] of Object.keys(calls).entries()) {
        expect(outcomes[at]!.outcome, name).toBe('rejected ETIMEDOUT');
        expect(outcomes[at]!.ms, name).toBeLessThan(CALL_MS + SLACK_MS);
      }
      await go();
      // It was on its way, and what is sent later comes after it.
      expect(await soon(() => a.readMap())).toEqual({ leadership: firstLeader('gw-a'), map });
      expect(await b.lead(NO_LEADER, firstLeader('gw-b'), map)).toBe(false);
    });
  }

  it('are as quick as ever after they asked for seconds while the cluster stood still', async () => {
    const one = await rig.open();
    const renew = leaseRenewal(one.leasePlace, systemTimers);
    await pause(true);
    const until = performance.now() + 7000;
    const failures = new Set<string>();
    for (let sequence = 1; performance.now() < until; sequence += 1) {
      for (const call of [
        () => one.readMap(),
        () => one.readBeacons(),
        () => one.writeBeacon(beaconOf('a1', sequence)),
        () => renew(owner, 1000),
      ])
        void outcomeOf(call()).then(({ outcome }) => failures.add(outcome));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(failures).toContain('rejected ETIMEDOUT');
    expect(failures).not.toContain('rejected ERANGE');
    await pause(false);
    await soon(() => renew(owner, 1000));
    const began = performance.now();
    await one.writeBeacon(beaconOf('a1', 10_000));
    await Promise.all([one.readMap(), renew(owner, 1000)]);
    expect(performance.now() - began).toBeLessThan(SLACK_MS);
    await expect
      .poll(async () => (await one.readBeacons()).map(({ sequence }) => sequence))
      .toEqual([10_000]);
  });

  const isStuck = async (call: Promise<unknown>) => (await outcomeOf(call)).outcome === 'rejected ETIMEDOUT';

  it('meet in no erasure-coded pool', async () => {
    const profile = ['k=2', 'm=1', 'crush-failure-domain=osd'];
    await pool.cluster.monCommand({ prefix: 'osd erasure-code-profile set', name: 'ec', profile });
    await pool.cluster.monCommand({
      prefix: 'osd pool create',
      pool: 'ec',
      pool_type: 'erasure',
      pg_num: 1,
      erasure_code_profile: 'ec',
    });
    await expect(new GroupRig({ confFile: ceph.conf, pool: 'ec' }).open()).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/erasure-coded.*replicated/),
    });
  });

  /** What `call` says once it is answered. */
  async function soon<T>(call: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ETIMEDOUT' || attempt >= 10) throw error;
      }
    }
  }
});
