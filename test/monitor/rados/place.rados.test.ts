/** Where the gateways of a group meet: with what Ceph user, in what pool, and beside what garbage. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { systemTimers } from '../../../src/base/clock.ts';
import { NO_LEADER } from '../../../src/monitor/coordination.ts';
import { EMPTY_MAP } from '../../../src/monitor/group-map.ts';
import { leaseRenewal } from '../../../src/monitor/rados/lease-renewal.ts';
import { Cluster, WriteOperation } from '../../../src/node-rados/lib/node-rados.ts';
import { cephConf, connect, describeWithCeph, freshName } from '../../node-rados/harness/with-cluster.ts';
import { admin, startAdmin, stopAdmin } from '../../store/omap-rig.ts';
import { beaconOf } from './beacon-of.ts';
import { fenceOf, firstLeader, GroupRig, outcomeOf } from './rig.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'anagate-user-'));
});
afterEach(() => rm(directory, { recursive: true }));

describeWithCeph('The place where gateways of a group meet', () => {
  beforeAll(startAdmin);
  afterAll(stopAdmin);

  /** A Ceph user with a keyring and a ceph.conf of its own. */
  async function user(...caps: string[]): Promise<{ id: string; confFile: string }> {
    const id = freshName('anagate');
    const entity = `client.${id}`;
    const { output } = await admin.cluster.monCommand({ prefix: 'auth get-or-create', entity, caps });
    const keyring = join(directory, 'keyring');
    await writeFile(keyring, output);
    const confFile = join(directory, 'ceph.conf');
    await writeFile(confFile, `${await readFile(cephConf, 'utf8')}\n[${entity}]\nkeyring = ${keyring}\n`);
    return { id, confFile };
  }

  it("needs no more than 'profile rbd'", async () => {
    const { id, confFile } = await user('mon', 'profile rbd', 'osd', 'profile rbd pool=rbd');
    const rig = new GroupRig({ id, confFile });
    const [a, b] = await Promise.all([rig.open(), rig.open()]);
    const leader = firstLeader('gw-a');
    expect(await a.lead(NO_LEADER, leader, { ...EMPTY_MAP, epoch: 1 })).toBe(true);
    let hints = 0;
    b.onHint(() => {
      hints += 1;
    });
    a.notify(1);
    await expect.poll(() => hints).toBe(1);
    expect((await b.readMap()).leadership).toEqual(leader);
    await b.writeBeacon(beaconOf('b1', 1));
    await expect.poll(() => a.readBeacons()).toHaveLength(1);
    const victim = await Cluster.connect({ confFile, name: id });
    const renew = leaseRenewal(b.leasePlace, systemTimers);
    expect(await renew(victim, 1000)).toBe(true);
    await a.revoke(fenceOf(victim.addresses, 'b1'));
    expect(await renew(victim, 1000)).toBe(false);
    await a.blocklist(fenceOf(victim.addresses, 'b1'));
    await expect
      .poll(() => outcomeOf(renew(victim, 1000)))
      .toMatchObject({ outcome: 'rejected EBLOCKLISTED' });
    await a.forget('b1', 0);
    await victim.close();
  });

  it('has its objects in different placement groups', async () => {
    const { id, confFile } = await user('mon', 'profile rbd', 'osd', 'profile rbd pool=rbd');
    const rig = new GroupRig({ id, confFile });
    const { leasePlace } = await rig.open();
    const pgs = await Promise.all(
      [rig.mapObject, ...leasePlace.objects].map(async (object) => {
        const command = { prefix: 'osd map', pool: leasePlace.pool, object, format: 'json' };
        const { output } = await admin.cluster.monCommand(command);
        return (JSON.parse(output.toString()) as { pgid: string }).pgid;
      }),
    );
    expect(new Set(pgs).size).toBe(4);
  });

  it('says which caps a user lacks', async () => {
    const rig = new GroupRig(await user('mon', 'allow r', 'osd', 'allow r'));
    await expect(rig.open()).rejects.toMatchObject({
      message: expect.stringMatching(/profile rbd pool=POOL/),
    });
  });

  it('is used with garbage in it: what makes no sense is passed over, and a map that makes none is named', async () => {
    const rig = new GroupRig();
    const one = await rig.open();
    const { objects, pool } = one.leasePlace;
    await one.writeBeacon(beaconOf('a1', 1));
    const big = Buffer.alloc(4 * 1024 * 1024, '[');
    for (const object of objects)
      await admin.omapSet(object, [
        ['beacon.', ''],
        ['beacon.x', 'garbage'],
        ['beacon.y', '{"format":1}'],
        ['beacon.z', JSON.stringify(beaconOf('a1', 99))],
        ['beacon.big', big],
        ['beacon.\u0000', Buffer.from([0xff, 0xfe])],
        ['revoked.', 'a1'],
        ['revoked.x', big],
        ['anything', 'else'],
      ]);
    expect((await one.readBeacons()).map(({ sequence }) => sequence)).toEqual([1]);
    const owner = await connect();
    expect(await leaseRenewal({ pool, objects }, systemTimers)(owner, 2000)).toBe(true);
    await one.forget('a1', 0);
    await expect.poll(() => one.readBeacons()).toEqual([]);

    for (const [key, value] of [
      ['leader', 'garbage'],
      ['epoch', '-1'],
      ['format', ''],
      ['beacons', '{}'],
    ] as const) {
      const before = (await admin.omapGetByKeys(rig.mapObject, [key])).get(key)!;
      await admin.omapSet(rig.mapObject, [[key, value]]);
      await expect(one.readMap(), key).rejects.toMatchObject({
        code: 'STATE_CORRUPT',
        message: expect.stringMatching(new RegExp(`${rig.mapObject}.*"${key}"`)),
      });
      await admin.omapSet(rig.mapObject, [[key, before]]);
    }
    await admin.omapSet(rig.mapObject, [['epoch', '7']]);
    await expect(one.readMap()).rejects.toMatchObject({ code: 'STATE_CORRUPT' });
  });

  it('is gone when somebody removed it, and does not come again by the way', async () => {
    const rig = new GroupRig();
    const one = await rig.open();
    await admin.write(rig.mapObject, new WriteOperation().remove());
    await expect(one.readMap()).rejects.toMatchObject({ code: 'STATE_CORRUPT' });
    await expect(one.lead(NO_LEADER, firstLeader('gw-a'))).rejects.toMatchObject({ code: 'STATE_CORRUPT' });
    for (const object of one.leasePlace.objects) await admin.write(object, new WriteOperation().remove());
    await expect(one.writeBeacon(beaconOf('a1', 1))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(one.readBeacons()).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(one.revoke(fenceOf('192.0.2.1:0/1'))).rejects.toMatchObject({ code: 'ENOENT' });
    const owner = await connect();
    await expect(leaseRenewal(one.leasePlace, systemTimers)(owner, 1000)).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });
});
