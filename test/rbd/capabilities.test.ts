/** The Ceph user that docs/ceph.md recommends can do all that the backend does, and no more. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BlockStatus } from '../../src/base/block-device.ts';
import { PromisedDevice } from '../backend/completions.ts';
import { cephConf, connect, describeWithCeph } from '../node-rados/harness/with-cluster.ts';
import { MIB, newImage, outside, POOL, RbdRig, writeUntilOk } from './rig.ts';

const USER = 'anagate-least';
let directory: string;
let conf: string;

describeWithCeph('A user with profile rbd only', () => {
  beforeAll(async () => {
    const { cluster } = await outside();
    const { output } = await cluster.monCommand({
      prefix: 'auth get-or-create',
      entity: `client.${USER}`,
      caps: ['mon', 'profile rbd', 'osd', `profile rbd pool=${POOL}`],
    });
    directory = mkdtempSync(join(tmpdir(), 'anagate-user-'));
    const keyring = join(directory, 'keyring');
    writeFileSync(keyring, output);
    conf = join(directory, 'ceph.conf');
    const others = readFileSync(cephConf, 'utf8').replace(/^\s*keyring\s*=.*$/gm, '');
    writeFileSync(conf, `${others}\n[client.${USER}]\nkeyring = ${keyring}\n`);
  });

  afterAll(() => {
    if (directory !== undefined) rmSync(directory, { recursive: true });
  });

  it('makes, serves, grows and trashes images, takes the lock of a fenced client and survives a fence', async () => {
    const rig = new RbdRig({ confFile: conf, id: USER });
    const name = { ...(await newImage(MIB)), image: `least-${process.pid}` };
    expect(await rig.backend.create({ name, groupId: 1, sizeBytes: 4 * MIB })).toBe(true);

    const dead = await connect();
    const image = await (await dead.openPool(POOL)).openImage(name.image);
    await image.acquireLock();
    await image.promises.write(0, Buffer.alloc(4096, 1));
    const { cluster } = await outside();
    await cluster.blocklistAdd(dead.addresses, 600);

    const device = await rig.serve(name);
    const promised = new PromisedDevice(device);
    expect(await promised.write(0, Buffer.alloc(4096, 2))).toBe(BlockStatus.ok);
    expect(await promised.discard(0, 4096)).toBe(BlockStatus.ok);
    await device.resize(8 * MIB);
    await cluster.blocklistAdd(rig.address(), 600);
    await rig.said('1 true');
    await writeUntilOk(device, 0, 3);
    await device.close();
    await rig.backend.trash(name, 1);
  });
});
