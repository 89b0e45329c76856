/** Two gateways of a group and one host: planned hand-over, fence, revoked lease, and a namespace that changes its ANA group. */
import { expect, it, vi } from 'vitest';
import { NQN } from '../gateway/rig.ts';
import { describeWithCeph } from '../node-rados/harness/with-cluster.ts';
import {
  type DirectedGateway,
  DirectedGroup,
  directedGateway,
  LEASE_MS,
  onImage,
  PATH_STATUS,
  Writer,
} from './directed-gateway.ts';
import { bytesOf, MIB, newImage, outside } from './rig.ts';

const INACCESSIBLE = 3;

async function twoGateways() {
  const group = await DirectedGroup.make();
  const one = await directedGateway(group, 0);
  const two = await directedGateway(group, 1);
  const name = await newImage(8 * MIB);
  const lastOnImage = async (): Promise<number> => (await bytesOf(name, 0, 4)).readUInt32LE();
  return { group, one, two, name, lastOnImage };
}

/** Hosts see the namespace there as well, in a group that is served elsewhere. */
async function offered({ host }: DirectedGateway): Promise<void> {
  await vi.waitFor(async () => expect((await host.read(1, 0, 1, 4096)).status).toBe(PATH_STATUS));
}

describeWithCeph('An ANA group of two gateways', () => {
  it('is handed over under I/O, there and back, with no error and no pause', async () => {
    const { one, two, name, lastOnImage } = await twoGateways();
    await one.monitor.take(1);
    await one.gateway.addNamespace(onImage(name.image, 1));
    await two.server.connect(1);
    await offered(two);
    const writer = new Writer(one.host, two.host);
    await writer.progress();
    for (const [from, to] of [
      [one, two],
      [two, one],
      [one, two],
    ] as const) {
      expect(await from.server.release(1)).toBe(true);
      await to.monitor.take(1);
      await writer.progress();
    }
    await writer.stop();
    process.stderr.write(`  longest write over three hand-overs: ${Math.round(writer.longestMs)} ms\n`);
    expect([...writer.statuses]).toEqual([PATH_STATUS]);
    expect(await lastOnImage()).toBe(writer.acknowledged);
  });

  it('whose owner is fenced: the owner says so and waits to be told; the new one has the images at once', async () => {
    const { group, one, two, name, lastOnImage } = await twoGateways();
    await one.monitor.take(1);
    await one.gateway.addNamespace(onImage(name.image, 1));
    await two.server.connect(1);
    await offered(two);
    const writer = new Writer(one.host, two.host);
    await writer.progress();
    const former = one.address(1);
    await group.fence(former);
    const fencedMs = performance.now();
    await two.monitor.take(1, true);
    await writer.progress(1);
    process.stderr.write(
      `  fenced owner: written on the other path after ${Math.round(performance.now() - fencedMs)} ms\n`,
    );
    await vi.waitFor(() => expect(one.monitor.fenced).toContain(1), { timeout: 5000 });
    expect((await one.host.read(1, 0, 1, 4096)).status).toBe(PATH_STATUS);
    expect(one.server.clients().map(({ address }) => address)).not.toContain(former);
    await expect(one.server.connect(1)).rejects.toThrow(/fenced/);
    await expect(one.server.takeOver(1, false)).rejects.toThrow();

    // What the host sent before must not be done later: it has to come back with a new association.
    writer.use(two.host);
    await writer.progress();
    await one.server.renewClients();
    await expect(one.host.read(1, 0, 1, 4096)).rejects.toThrow();
    expect(one.address(1)).not.toBe(former);
    writer.use(await one.reconnect(), two.host);
    expect(await two.server.release(1)).toBe(true);
    await one.monitor.take(1);
    await writer.progress();
    await writer.stop();
    expect(await lastOnImage()).toBe(writer.acknowledged);
  });

  it('whose lease is revoked is served no longer than the lease lasts, and by nobody who asks later', async () => {
    const { group, one, name } = await twoGateways();
    await one.monitor.take(1);
    await one.gateway.addNamespace(onImage(name.image, 1));
    expect((await one.host.read(1, 0, 1, 4096)).status).toBe(0);
    await group.fence(one.address(1));
    await new Promise((resolve) => setTimeout(resolve, LEASE_MS));
    const { status } = await one.host.read(1, 0, 1, 4096);
    expect(status).toBe(PATH_STATUS);
  });
});

describeWithCeph('OSDs that stand still for longer than a lease is waited for', () => {
  it('send hosts to other paths, with nothing left at ours; the same client serves on afterwards', async () => {
    const { one, name, lastOnImage } = await twoGateways();
    await one.monitor.take(1);
    await one.gateway.addNamespace(onImage(name.image, 1));
    const writer = new Writer(one.host);
    await writer.progress();
    const address = one.address(1);
    const { cluster } = await outside();
    await cluster.monCommand({ prefix: 'osd pause' });
    const pausedMs = performance.now();
    try {
      await vi.waitFor(() => expect([...writer.statuses]).toEqual([PATH_STATUS]), { timeout: 10_000 });
      expect(performance.now() - pausedMs).toBeGreaterThan(5000);
      expect((await one.host.anaLog()).groups.find(({ id }) => id === 1)?.state).toBe(INACCESSIBLE);
    } finally {
      await cluster.monCommand({ prefix: 'osd unpause' });
    }
    await writer.progress();
    await writer.stop();
    expect(one.address(1)).toBe(address);
    expect(one.monitor.fenced).toEqual([]);
    expect(await lastOnImage()).toBe(writer.acknowledged);
  });
});

describeWithCeph('A namespace that changes its ANA group', () => {
  it.each([
    ['of the same gateway', true],
    ['of another gateway', false],
  ])('to one %s: I/O goes on, nothing is lost', async (_, same) => {
    const { one, two, name, lastOnImage } = await twoGateways();
    const owner = same ? one : two;
    await one.monitor.take(1);
    await owner.monitor.take(2);
    await one.gateway.addNamespace(onImage(name.image, 1));
    await offered(two);
    const writer = new Writer(one.host, two.host);
    for (const group of [2, 1, 2]) {
      await writer.progress();
      await one.gateway.changeNamespaceAnaGroup(NQN, 1, group);
    }
    await writer.progress();
    await writer.stop();
    process.stderr.write(`  longest write over three changes of group: ${Math.round(writer.longestMs)} ms\n`);
    expect([0, PATH_STATUS]).toEqual(expect.arrayContaining([...writer.statuses]));
    expect(writer.longestMs).toBeLessThan(5000);
    expect(await lastOnImage()).toBe(writer.acknowledged);
  });

  it('an image without an exclusive lock is refused: nothing could hand it over', async () => {
    const { one } = await twoGateways();
    await one.monitor.take(1);
    const { image } = await newImage(MIB, { features: ['layering'] });
    await expect(one.gateway.addNamespace(onImage(image, 1))).rejects.toThrow(
      /rbd feature enable .* exclusive-lock/,
    );
  });

  it('a journaled image is open only where it is served', async () => {
    const { one, two } = await twoGateways();
    await one.monitor.take(1);
    const { image } = await newImage(MIB, { features: ['layering', 'exclusive-lock', 'journaling'] });
    await one.gateway.addNamespace(onImage(image, 1));
    await two.server.connect(1);
    await offered(two);
    expect((await one.host.write(1, 0, 1, Buffer.alloc(4096, 3))).status).toBe(0);
    expect(await one.server.release(1)).toBe(true);
    await two.monitor.take(1);
    expect((await two.host.read(1, 0, 1, 4096)).data).toEqual(Buffer.alloc(4096, 3));
  });
});
