/** The shared configuration as a gateway opens it: with a Ceph user that may do no more than it must. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { systemTimers } from '../../src/base/clock.ts';
import { nullLog } from '../../src/base/log.ts';
import { type GroupPlace, openGroupStore } from '../../src/store/group-store.ts';
import { cephConf, describeWithCeph, freshName } from '../node-rados/harness/with-cluster.ts';
import { admin, startAdmin, stopAdmin } from './omap-rig.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'anagate-user-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** A Ceph user with a keyring and a ceph.conf of its own. */
async function user(...caps: string[]): Promise<{ id: string; configFile: string }> {
  const id = freshName('anagate');
  const { output } = await admin.cluster.monCommand({
    prefix: 'auth get-or-create',
    entity: `client.${id}`,
    caps,
  });
  const keyring = join(directory, `${id}.keyring`);
  await writeFile(keyring, output);
  const configFile = join(directory, `${id}.conf`);
  await writeFile(configFile, `${await readFile(cephConf, 'utf8')}\n[client.${id}]\nkeyring = ${keyring}\n`);
  return { id, configFile };
}

const open = (place: Pick<GroupPlace, 'id' | 'configFile'> & Partial<GroupPlace>) =>
  openGroupStore({
    pool: 'rbd',
    group: freshName('group'),
    gateway: 'gw',
    introduction: 'this is gw',
    newCommitId: randomUUID,
    timers: systemTimers,
    log: nullLog,
    ...place,
  });

describeWithCeph('the configuration of a group', () => {
  beforeAll(startAdmin);
  afterAll(stopAdmin);

  it("needs no more than 'profile rbd'", async () => {
    const place = {
      ...(await user('mon', 'profile rbd', 'osd', 'profile rbd pool=rbd')),
      group: freshName('group'),
    };
    const [one, two] = [await open(place), await open(place)];
    expect(one.description).toBe(`rados:rbd/anagate.${place.group}.config`);
    expect([one.watching, two.watching]).toEqual([true, true]);
    const heard = new Promise((resolve) => two.watch(resolve));
    expect(await one.commit(0, [{ key: 'a', value: '1' }])).toBe(1);
    expect(await heard).toBe(1);
    expect(await two.commit(1, [{ key: 'a', value: null }])).toBe(2);
    expect(await one.rollCall()).toEqual(['this is gw']);
    await two.close();
    expect(await one.rollCall()).toEqual([]);
    await one.close();
  });

  it('says which caps a user lacks, and that a pool is not there', async () => {
    const place = await user('mon', 'allow r', 'osd', 'allow r');
    await expect(open(place)).rejects.toMatchObject({
      message: expect.stringMatching(/EPERM.*profile rbd pool=POOL/),
    });
    await expect(open({ ...place, pool: 'none' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('has no pool none'),
    });
  });
});
