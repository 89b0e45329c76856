/** Leadership, map, beacons, revocations and fences of a group of gateways on a real cluster. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { systemTimers } from '../../../src/base/clock.ts';
import { NO_LEADER } from '../../../src/monitor/coordination.ts';
import { EMPTY_MAP } from '../../../src/monitor/group-map.ts';
import { leaseRenewal } from '../../../src/monitor/rados/lease-renewal.ts';
import { WriteOperation } from '../../../src/node-rados/lib/node-rados.ts';
import { connect, describeWithCeph } from '../../node-rados/harness/with-cluster.ts';
import { admin, startAdmin, stopAdmin } from '../../store/omap-rig.ts';
import { beaconOf } from './beacon-of.ts';
import { fenceOf, firstLeader, GroupRig, outcomeOf, POOL } from './rig.ts';

const code = (expected: string) => expect.objectContaining({ code: expected });

describeWithCeph('Coordination in RADOS', () => {
  let rig: GroupRig;
  beforeAll(startAdmin);
  afterAll(stopAdmin);
  beforeEach(() => {
    rig = new GroupRig();
  });

  it('begins with nobody leading and an empty map, for all who come at once', async () => {
    const all = await Promise.all([rig.open(), rig.open(), rig.open()]);
    for (const one of all) {
      expect(await one.readMap()).toEqual({ leadership: NO_LEADER, map: EMPTY_MAP });
      expect(one.leasePlace).toEqual(all[0].leasePlace);
    }
    expect(new Set(all[0].leasePlace.objects).size).toBe(3);
  });

  it('lets one of two win a race for leadership, and the other see whom', async () => {
    const [a, b] = await Promise.all([rig.open(), rig.open()]);
    const [aWon, bWon] = await Promise.all([
      a.lead(NO_LEADER, firstLeader('gw-a')),
      b.lead(NO_LEADER, firstLeader('gw-b')),
    ]);
    expect([aWon, bWon].sort()).toEqual([false, true]);
    const { leadership } = await b.readMap();
    expect(leadership).toEqual(firstLeader(aWon ? 'gw-a' : 'gw-b'));
  });

  it('has maps follow one another, each read by all as the same object while it is the newest', async () => {
    const [a, b] = await Promise.all([rig.open(), rig.open()]);
    const leader = firstLeader('gw-a');
    const map = { ...EMPTY_MAP, epoch: 1 };
    expect(await a.lead(NO_LEADER, leader, map)).toBe(true);
    const beating = { ...leader, beat: 2 };
    expect(await a.lead(leader, beating)).toBe(true);
    expect(await a.lead(beating, { ...leader, beat: 3 }, map)).toBe(false);
    expect(await a.lead(beating, { ...leader, beat: 3 }, { ...map, epoch: 3 })).toBe(false);
    const first = await b.readMap();
    expect(first).toEqual({ leadership: beating, map });
    expect((await b.readMap()).map).toBe(first.map);
    expect((await a.readMap()).map).toBe(map);
  });

  it('refuses every write of a leader that was replaced', async () => {
    const [a, b] = await Promise.all([rig.open(), rig.open()]);
    const old = firstLeader('gw-a');
    await a.lead(NO_LEADER, old, { ...EMPTY_MAP, epoch: 1 });
    const successor = { ...firstLeader('gw-b'), term: 2 };
    expect(await b.lead(old, successor)).toBe(true);
    expect(await a.lead(old, { ...old, beat: 2 })).toBe(false);
    expect(await a.lead(old, { ...old, beat: 2 }, { ...EMPTY_MAP, epoch: 2 })).toBe(false);
    expect(await a.readMap()).toEqual({ leadership: successor, map: { ...EMPTY_MAP, epoch: 1 } });
  });

  it('keeps the newest beacon of each incarnation until it is forgotten', async () => {
    const [a, b] = await Promise.all([rig.open(), rig.open()]);
    await a.writeBeacon(beaconOf('a1', 1));
    await b.writeBeacon(beaconOf('b1', 1, { gateway: 'gw-b' }));
    await a.writeBeacon(beaconOf('a1', 2, { load: 7 }));
    await a.revoke(fenceOf('192.0.2.1:0/4711', 'a1'));
    const bySequence = async () =>
      (await b.readBeacons()).map(({ incarnation, sequence }) => `${incarnation}.${sequence}`).sort();
    await expect.poll(bySequence).toEqual(['a1.2', 'b1.1']);
    const keysEverywhere = async (...keys: string[]) => {
      for (const object of a.leasePlace.objects)
        await expect.poll(async () => [...(await admin.omapGetAll(object)).entries.keys()]).toEqual(keys);
    };
    const { sinceMs } = fenceOf('192.0.2.1:0/4711', 'a1');
    await b.forget('a1', sinceMs - 1);
    await expect.poll(bySequence).toEqual(['b1.1']);
    await keysEverywhere('beacon.b1', 'revoked.192.0.2.1:0/4711');
    await b.forget('c1', sinceMs + 1);
    await keysEverywhere('beacon.b1');
  });

  it('ends the lease of a client that is revoked, and of no other', async () => {
    const a = await rig.open();
    const [owner, other] = await Promise.all([connect(), connect()]);
    const renew = leaseRenewal(a.leasePlace, systemTimers);
    expect(await renew(owner, 1000)).toBe(true);
    await a.revoke(fenceOf(owner.addresses));
    expect(await renew(owner, 1000)).toBe(false);
    expect(await renew(other, 1000)).toBe(true);
  });

  it('hints at a change', async () => {
    const [a, b] = await Promise.all([rig.open(), rig.open()]);
    let hints = 0;
    b.onHint(() => {
      hints += 1;
    });
    const began = performance.now();
    a.notify(1);
    await expect.poll(() => hints, { interval: 2 }).toBe(1);
    expect(performance.now() - began).toBeLessThan(1500);
  });

  it('puts clients on the blocklist, and only one at a time', async () => {
    const a = await rig.open();
    const victim = await connect();
    const pool = await victim.openPool(POOL);
    await a.blocklist(fenceOf(victim.addresses));
    await a.blocklist(fenceOf(victim.addresses));
    await expect.poll(() => outcomeOf(pool.stat('any'))).toMatchObject({ outcome: 'rejected EBLOCKLISTED' });
    const entry = (await admin.cluster.blocklist()).find(({ address }) => address === victim.addresses);
    expect(Date.parse(entry!.until) - Date.now()).toBeGreaterThan(29 * 86_400_000);
    for (const address of [
      '',
      '-',
      '127.0.0.1',
      '127.0.0.1:0/0',
      '0.0.0.0:0/1',
      'client.4711',
      '127.0.0.1:0/x',
    ])
      await expect(a.blocklist(fenceOf(address)), address).rejects.toEqual(code('INVALID_ARGUMENT'));
    const fenced = (await admin.cluster.blocklist()).map(({ address }) => address);
    expect(fenced.filter((address) => /\/0$|^0\.0/.test(address))).toEqual([]);
  });

  it('says EBLOCKLISTED to every call of a fenced client, and serves it again with a new one', async () => {
    const [a, b] = await Promise.all([rig.open(), rig.open()]);
    const { address } = a;
    await b.blocklist(fenceOf(address));
    // An OSD learns of it from the monitors, or from the first client that knows.
    await expect
      .poll(() =>
        Promise.all([a.readMap(), a.readBeacons(), a.writeBeacon(beaconOf('a1', 1))]).catch(() => 'fenced'),
      )
      .toBe('fenced');
    for (const call of [
      () => a.readMap(),
      () => a.lead(NO_LEADER, firstLeader('gw-a')),
      () => a.writeBeacon(beaconOf('a1', 1)),
      () => a.readBeacons(),
      () => a.forget('a1', 0),
      () => a.revoke(fenceOf(b.address)),
      () => a.blocklist(fenceOf(b.address)),
    ])
      await expect(call()).rejects.toEqual(code('EBLOCKLISTED'));
    await a.renew();
    expect(a.address).not.toBe(address);
    expect(await a.lead(NO_LEADER, firstLeader('gw-a'))).toBe(true);
    await a.writeBeacon(beaconOf('a2', 1));
    let hints = 0;
    a.onHint(() => {
      hints += 1;
    });
    b.notify(1);
    await expect.poll(() => hints).toBe(1);
  });

  it('leaves a map of a newer Anagate alone', async () => {
    const a = await rig.open();
    await admin.write(rig.mapObject, new WriteOperation().omapSet([['format', '2']]));
    expect(await a.lead(NO_LEADER, firstLeader('gw-a'))).toBe(false);
    const refused = {
      code: 'NOT_SUPPORTED',
      message: expect.stringMatching(/format 2.*newer Anagate.*Upgrade/),
    };
    await expect(a.readMap()).rejects.toMatchObject(refused);
    await expect(rig.open()).rejects.toMatchObject(refused);
  });
});
