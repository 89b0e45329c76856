/** Who may write to an image: locks, hand-overs, fences. On a real cluster. */
import { expect, it } from 'vitest';
import { BlockStatus } from '../../src/base/block-device.ts';
import { PromisedDevice } from '../backend/completions.ts';
import { connect, describeWithCeph } from '../node-rados/harness/with-cluster.ts';
import { bytesOf, MIB, newImage, outside, POOL, RbdRig, writeUntilOk } from './rig.ts';

const PATH_STATUSES = [BlockStatus.fenced, BlockStatus.gone];
const block = (byte: number): Buffer => Buffer.alloc(4096, byte);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describeWithCeph('An acknowledged write', () => {
  it('is on the OSDs: none is acknowledged while they are paused, and keep their order', async () => {
    const name = await newImage(8 * MIB);
    const rig = new RbdRig();
    const device = new PromisedDevice(await rig.serve(name));
    expect(await device.write(0, block(1))).toBe(BlockStatus.ok);
    const { cluster } = await outside();
    await cluster.monCommand({ prefix: 'osd pause' });
    await rig.backend.session(1)?.cluster.waitForLatestOsdMap();
    let answered = 0;
    let writes: Promise<BlockStatus>[];
    try {
      writes = [2, 3, 4].map(async (byte) => {
        const status = await device.write(byte * 4096, block(byte), byte === 3);
        answered += 1;
        return status;
      });
      // A cache would answer within a millisecond.
      await sleep(1500);
      expect(answered).toBe(0);
    } finally {
      await cluster.monCommand({ prefix: 'osd unpause' });
    }
    expect(await Promise.all(writes)).toEqual([0, 0, 0]);
    expect(await bytesOf(name, 2 * 4096, 3 * 4096)).toEqual(Buffer.concat([block(2), block(3), block(4)]));
  });
});

describeWithCeph('A fence of one group', () => {
  it('stops that group within two seconds under I/O, leaves the other serving, and a new client serves on', async () => {
    const rig = new RbdRig();
    const [one, two] = [await newImage(8 * MIB), await newImage(8 * MIB)];
    const fencedDevice = await rig.serve(one, 1);
    const otherDevice = await rig.serve(two, 2);
    expect(rig.address(1)).not.toBe(rig.address(2));
    const oldAddress = rig.address(1);

    let running = true;
    const statuses = new Set<BlockStatus>();
    const load = (async () => {
      const device = new PromisedDevice(fencedDevice);
      while (running) {
        const status = await device.write(0, block(1));
        // the event comes before the first operation that says so
        if (status !== BlockStatus.ok) expect(rig.groupEvents).toContain('1 false');
        statuses.add(status);
        await sleep(1);
      }
    })();
    let others = 0;
    const otherLoad = (async () => {
      const device = new PromisedDevice(otherDevice);
      while (running) {
        expect(await device.write(0, block(2))).toBe(BlockStatus.ok);
        others += 1;
      }
    })();

    const { cluster } = await outside();
    await cluster.blocklistAdd(oldAddress, 600);
    const fencedAtMs = performance.now();
    await rig.said('1 false');
    expect(performance.now() - fencedAtMs).toBeLessThan(2000);
    const othersThen = others;
    await rig.said('1 true');
    await writeUntilOk(fencedDevice, 4096, 9);
    running = false;
    await Promise.all([load, otherLoad]);
    expect(others).toBeGreaterThan(othersThen);
    expect(
      [...statuses].every((status) => status === BlockStatus.ok || PATH_STATUSES.includes(status as 7)),
    ).toBe(true);
    expect(rig.groupEvents).toEqual(['1 false', '1 true']);
    expect(rig.address(1)).not.toBe(oldAddress);
    expect(await bytesOf(one, 4096, 4096)).toEqual(block(9));
    expect(rig.complaints.some((line) => line.startsWith('ANA group fenced'))).toBe(true);
  });

  it('is noticed without any I/O', async () => {
    const rig = new RbdRig();
    const device = await rig.serve(await newImage(MIB));
    const { cluster } = await outside();
    await cluster.blocklistAdd(rig.address(), 600);
    const fencedAtMs = performance.now();
    await rig.said('1 false');
    expect(performance.now() - fencedAtMs).toBeLessThan(2000);
    await rig.said('1 true');
    await writeUntilOk(device, 0, 1);
  });

  it('that comes again soon makes the next client wait, and says so', async () => {
    const rig = new RbdRig();
    const device = await rig.serve(await newImage(MIB));
    const { cluster } = await outside();
    await cluster.blocklistAdd(rig.address(), 600);
    await rig.said('1 true');
    await writeUntilOk(device, 0, 1);
    rig.groupEvents.length = 0;
    await cluster.blocklistAdd(rig.address(), 600);
    await rig.said('1 false');
    const fencedAtMs = performance.now();
    await rig.said('1 true');
    expect(performance.now() - fencedAtMs).toBeGreaterThan(900);
    expect(rig.complaints.some((line) => line.includes('fenced again'))).toBe(true);
    await writeUntilOk(device, 0, 2);
  });
});

describeWithCeph('The lock of an image', () => {
  it("is the owner's; one who stands by has the image open and touches nothing", async () => {
    const [owner, standby] = [new RbdRig(), new RbdRig()];
    const name = await newImage(8 * MIB);
    const owned = new PromisedDevice(await owner.serve(name));
    const waiting = new PromisedDevice(await standby.open(name));
    expect(await owned.write(0, block(1))).toBe(BlockStatus.ok);
    // A flush in the cluster would take the lock away.
    expect(await waiting.flush()).toBe(BlockStatus.ok);
    expect(PATH_STATUSES).toContain(await waiting.write(0, block(2)));
    expect(await owned.write(4096, block(3))).toBe(BlockStatus.ok);
    expect(owner.complaints).toEqual([]);
    expect(await lockOwner(name.image)).toBe(owner.address());
  });

  it('is handed over without a wait and without a fence', async () => {
    const [first, second] = [new RbdRig(), new RbdRig()];
    const name = await newImage(8 * MIB);
    const one = new PromisedDevice(await first.serve(name));
    const two = new PromisedDevice(await second.open(name));
    for (let turn = 1; turn <= 4; turn += 1) {
      const [from, to] = turn % 2 === 1 ? [first, second] : [second, first];
      const [before, after] = turn % 2 === 1 ? [one, two] : [two, one];
      const written = before.write(turn * 4096, block(turn));
      expect(await from.backend.serve(1, false)).toBe(true);
      expect(await written).toBe(BlockStatus.ok);
      const startMs = performance.now();
      expect(await to.backend.serve(1, true)).toBe(true);
      expect(performance.now() - startMs).toBeLessThan(1000);
      expect(await after.bytes(turn * 4096, 4096)).toEqual(block(turn));
      expect(await after.write(0, block(turn))).toBe(BlockStatus.ok);
      expect(PATH_STATUSES).toContain(await before.write(0, block(99)));
    }
    expect([...first.complaints, ...second.complaints]).toEqual([]);
    expect(await bytesOf(name, 0, 4096)).toEqual(block(4));
  });

  it('of a holder on the blocklist is taken at once', async () => {
    const name = await newImage(8 * MIB);
    const dead = await connect();
    const image = await (await dead.openPool(POOL)).openImage(name.image);
    await image.acquireLock();
    await image.promises.write(0, block(1));
    const { cluster } = await outside();
    await cluster.blocklistAdd(dead.addresses, 600);
    const rig = new RbdRig();
    const device = await rig.open(name);
    const startMs = performance.now();
    expect(await rig.backend.serve(1, true)).toBe(true);
    expect(await new PromisedDevice(device).write(4096, block(2))).toBe(BlockStatus.ok);
    const tookMs = performance.now() - startMs;
    expect(tookMs).toBeLessThan(1500);
    expect(await new PromisedDevice(device).bytes(0, 4096)).toEqual(block(1));
  });

  it('of a live holder is not taken; I/O waits until it is free, and the log says who waits for what', async () => {
    const name = await newImage(8 * MIB);
    const rival = await connect();
    const image = await (await rival.openPool(POOL)).openImage(name.image);
    await image.acquireLock();
    const rig = new RbdRig();
    const device = await rig.open(name);
    expect(await rig.backend.serve(1, true)).toBe(false);
    const written = new PromisedDevice(device).write(0, block(5));
    await image.promises.write(4096, block(6));
    await image.close();
    expect(await written).toBe(BlockStatus.ok);
    expect(rig.complaints[0]).toMatch(/another client holds its lock/);
    expect(await bytesOf(name, 0, 8192)).toEqual(Buffer.concat([block(5), block(6)]));
  });

  it('that somebody takes away makes a path matter, never a write-protected disk, and is taken back', async () => {
    const name = await newImage(8 * MIB);
    const rig = new RbdRig();
    const device = await rig.serve(name);
    const thief = await connect({ options: { rbd_blocklist_on_break_lock: false } });
    const image = await (await thief.openPool(POOL)).openImage(name.image);
    const [owner = ''] = await image.lockOwners();
    await image.breakLock(owner);
    await image.acquireLock();
    const written = writeUntilOk(device, 0, 7);
    await sleep(1500);
    await image.close();
    await written;
    expect(await bytesOf(name, 0, 4096)).toEqual(block(7));
    expect(rig.groupEvents).toEqual([]);
  });
});

describeWithCeph('Moving an image to another group', () => {
  it("moves it to that group's client while I/O goes on", async () => {
    const rig = new RbdRig();
    const name = await newImage(8 * MIB);
    const device = await rig.serve(name, 1);
    await rig.backend.serve(2, true);
    const writes = Promise.all([1, 2, 3, 4].map((i) => writeUntilOk(device, i * 4096, i)));
    await rig.backend.move(device, 2);
    await writes;
    await writeUntilOk(device, 0, 9);
    expect(await lockOwner(name.image)).toBe(rig.address(2));
    expect(await bytesOf(name, 0, 4096)).toEqual(block(9));
  });
});

/** Address of the client that holds the image's lock. */
async function lockOwner(imageName: string): Promise<string | undefined> {
  const { pool } = await outside();
  const image = await pool.openImage(imageName, { readOnly: true });
  try {
    const { id } = await image.stat();
    return (await pool.lockState(`rbd_header.${id}`, 'rbd_lock')).lockers[0]?.address.replace(/^v[12]:/, '');
  } finally {
    await image.close();
  }
}
