import { describe, expect, it } from 'vitest';
import type { BlockDevice } from '../../src/base/block-device.ts';
import { keyOf, type NamespaceRecord } from '../../src/gateway/configuration/records.ts';
import { DeviceOpening } from '../../src/gateway/serving/device-opening.ts';

const NQN = 'nqn.2026-11.test:opening';

function image(nsid: number, anaGroupId: number): NamespaceRecord {
  return {
    kind: 'namespace',
    nqn: NQN,
    nsid,
    uuid: `11111111-2222-4333-8444-${String(nsid).padStart(12, '0')}`,
    anaGroupId,
    blockSize: 4096,
    sizeBytes: 4096,
    readOnly: false,
    backend: { type: 'rbd', pool: 'disks', image: `disk-${nsid}` },
  };
}

/** Opens when told; remembers the order. */
class Devices {
  readonly asked: number[] = [];
  readonly opened: number[] = [];
  readonly failed: number[] = [];
  /** nsid and the groups that each was opened in and belonged to then. */
  readonly groups: [number, number, number][] = [];
  /** Opened for nothing. */
  readonly closed: number[] = [];
  /** nsid that a host waits for. */
  awaitedNsid = 0;
  /** Resolves openings by hand when set. */
  held: (() => void)[] | null = null;
  /** Everything fails. */
  fenced = false;
  readonly served = new Set<number>();
  readonly timers = new Set<() => void>();

  readonly opening = new DeviceOpening({
    devices: {
      open: async (record, current = () => record) => {
        this.asked.push(record.nsid);
        if (this.held !== null) await new Promise<void>((resolve) => this.held?.push(resolve));
        if (record.nsid === 666 || this.fenced) throw new Error('no such image');
        if (current() === null) this.closed.push(record.nsid);
        return {} as BlockDevice;
      },
      awaited: (accept) => {
        const key = keyOf(image(this.awaitedNsid, 1));
        return accept(key) ? key : undefined;
      },
    },
    timers: {
      after: (_ms, fire) => {
        this.timers.add(fire);
        return { cancel: () => this.timers.delete(fire) };
      },
    },
    standby: { isServed: (group) => this.served.has(group), most: 3 },
    onOpened: ({ nsid, anaGroupId }, openedIn) => {
      this.opened.push(nsid);
      this.groups.push([nsid, openedIn, anaGroupId]);
    },
    onFailed: ({ nsid }) => this.failed.push(nsid),
  });

  /** The openings under way end, and later ones do so at once. */
  release(): void {
    const held = this.held ?? [];
    this.held = null;
    for (const end of held) end();
  }

  /** The waits of all that hangs are over. */
  async waitTooLong(): Promise<void> {
    for (let round = 0; round < 8; round += 1) {
      for (const fire of [...this.timers]) fire();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('devices of namespaces', () => {
  it('are opened at once where they are served, and rest elsewhere until their group is taken over', async () => {
    const devices = new Devices();
    devices.served.add(1);
    await devices.opening.come([image(1, 1), image(2, 2), image(3, 1), image(4, 2)]);
    expect(devices.opened).toEqual([1, 3]);
    devices.served.add(2);
    await devices.opening.wake();
    expect(devices.opened).toEqual([1, 3, 2, 4]);
    await devices.opening.wake();
    expect(devices.opened).toHaveLength(4);
  });

  it('that are no images are opened at once whoever serves them', async () => {
    const devices = new Devices();
    await devices.opening.come([{ ...image(1, 2), backend: { type: 'file', path: '/x' } }]);
    expect(devices.opened).toEqual([1]);
  });

  it('stand by, as many as may', async () => {
    const devices = new Devices();
    await devices.opening.come(range(1, 6).map((nsid) => image(nsid, 2)));
    await devices.opening.standBy(1);
    expect(devices.opened).toEqual([1, 2]);
    await devices.opening.standBy(3);
    expect(devices.opened).toEqual([1, 2]);
  });

  it('are opened first where hosts wait', async () => {
    const devices = new Devices();
    await devices.opening.come(range(1, 40).map((nsid) => image(nsid, 2)));
    devices.awaitedNsid = 40;
    devices.served.add(2);
    await devices.opening.wake();
    expect(devices.asked[0]).toBe(40);
    expect(devices.opened).toHaveLength(40);
  });

  it('are opened for whoever asks, once', async () => {
    const devices = new Devices();
    await devices.opening.come([image(1, 2)]);
    await Promise.all([devices.opening.need(image(1, 2)), devices.opening.need(image(1, 2))]);
    expect(devices.asked).toEqual([1]);
  });

  it('that cannot be opened are reported', async () => {
    const devices = new Devices();
    await devices.opening.come([image(666, 2)]);
    await expect(devices.opening.need(image(666, 2))).rejects.toMatchObject({
      code: 'BACKEND_FAILED',
      message: `the device of namespace 666 of ${NQN} could not be opened: no such image`,
    });
    expect(devices.failed).toEqual([]);
    devices.served.add(2);
    await devices.opening.wake();
    expect(devices.failed).toEqual([666]);
  });

  it('of namespaces that went, or of a gateway that stops, are not opened any more; what is under way is closed', async () => {
    const devices = new Devices();
    await devices.opening.come(range(1, 40).map((nsid) => image(nsid, 2)));
    devices.held = [];
    devices.served.add(2);
    const woken = devices.opening.wake();
    expect(devices.asked).toHaveLength(16);
    devices.opening.go(image(30, 2));
    devices.opening.go(image(1, 2));
    const stopped = devices.opening.stop();
    devices.release();
    await Promise.all([woken, stopped]);
    expect(devices.opened).toEqual([]);
    expect(devices.closed).toEqual(range(1, 16));
    expect(devices.timers.size).toBe(0);
  });

  it('of a namespace that moves to a group which is served are opened', async () => {
    const devices = new Devices();
    devices.served.add(1);
    await devices.opening.come([image(1, 2)]);
    await devices.opening.change({ ...image(1, 2), sizeBytes: 8192 });
    expect(devices.opened).toEqual([]);
    await devices.opening.change(image(1, 1));
    expect(devices.opened).toEqual([1]);
  });

  it('of a namespace that comes anew while the former one is being opened are closed, then opened for the new one', async () => {
    const devices = new Devices();
    devices.served.add(1);
    devices.held = [];
    const came = devices.opening.come([image(1, 1)]);
    devices.opening.go(image(1, 1));
    const again = devices.opening.come([image(1, 1)]);
    expect(devices.asked).toEqual([1]);
    devices.release();
    await Promise.all([came, again]);
    expect(devices.closed).toEqual([1]);
    expect(devices.asked).toEqual([1, 1]);
    expect(devices.opened).toEqual([1]);
  });

  it('that were opened in a group which the namespace has left meanwhile are said to be', async () => {
    const devices = new Devices();
    devices.served.add(1).add(2);
    devices.held = [];
    const came = devices.opening.come([image(1, 1)]);
    const changed = devices.opening.change(image(1, 2));
    devices.release();
    await Promise.all([came, changed]);
    expect(devices.groups).toEqual([[1, 1, 2]]);
  });

  it('that could not be opened are tried again in the group that the namespace is in by then', async () => {
    const devices = new Devices();
    devices.served.add(1).add(2);
    devices.held = [];
    devices.fenced = true;
    const came = devices.opening.come([image(1, 1)]);
    const changed = devices.opening.change(image(1, 2));
    devices.release();
    await Promise.all([came, changed]);
    devices.fenced = false;
    await devices.opening.retry([image(1, 1)]);
    expect(devices.groups).toEqual([[1, 2, 2]]);
  });

  it('that hang hold up nothing else', async () => {
    const devices = new Devices();
    devices.served.add(1);
    devices.held = [];
    let came = false;
    void devices.opening.come(range(1, 20).map((nsid) => image(nsid, 1))).then(() => {
      came = true;
    });
    const needed = devices.opening.need(image(1, 1)).catch((error: Error) => error);
    expect(devices.asked).toHaveLength(16);
    await devices.waitTooLong();
    expect(came).toBe(true);
    expect(devices.asked).toEqual(range(1, 20));
    expect(await needed).toMatchObject({
      code: 'BACKEND_FAILED',
      message: expect.stringContaining('namespace 1 of'),
    });
    let stopped = false;
    void devices.opening.stop().then(() => {
      stopped = true;
    });
    await devices.waitTooLong();
    expect(stopped).toBe(true);
  });

  it('stand by though some hang', async () => {
    const devices = new Devices();
    await devices.opening.come(range(1, 6).map((nsid) => image(nsid, 2)));
    devices.held = [];
    void devices.opening.standBy(0);
    await devices.waitTooLong();
    devices.held = null;
    await devices.opening.standBy(1);
    expect(devices.opened).toEqual([4, 5]);
  });

  it('that a fence kept from being opened rest, and are opened when their group is taken over again', async () => {
    const devices = new Devices();
    const all = range(1, 40);
    await devices.opening.come(all.map((nsid) => image(nsid, 2)));
    devices.served.add(2);
    devices.held = [];
    devices.fenced = true;
    const woken = devices.opening.wake();
    devices.served.delete(2);
    devices.release();
    await woken;
    expect(devices.failed).toEqual([]);
    await devices.opening.retry(all.map((nsid) => image(nsid, 2)));
    expect(devices.asked).toHaveLength(40);
    devices.fenced = false;
    devices.served.add(2);
    await devices.opening.wake();
    expect([...devices.opened].sort((a, b) => a - b)).toEqual(all);
  });

  it('are tried again several at a time, those first that hosts wait for', async () => {
    const devices = new Devices();
    const all = range(1, 40);
    devices.served.add(1);
    devices.fenced = true;
    await devices.opening.come(all.map((nsid) => image(nsid, 1)));
    expect(devices.failed).toEqual(all);
    devices.asked.length = 0;
    devices.fenced = false;
    devices.held = [];
    devices.awaitedNsid = 40;
    const retried = devices.opening.retry(all.map((nsid) => image(nsid, 1)));
    expect(devices.asked).toHaveLength(16);
    expect(devices.asked[0]).toBe(40);
    devices.release();
    await retried;
    expect(devices.opened).toHaveLength(40);
  });

  it('that are being closed are closed before they are opened again', async () => {
    const devices = new Devices();
    let end = (): void => {};
    const closing = new Promise<void>((resolve) => {
      end = resolve;
    });
    devices.opening.rest(image(1, 2), closing);
    devices.served.add(2);
    const woken = devices.opening.wake();
    await Promise.resolve();
    expect(devices.asked).toEqual([]);
    end();
    await woken;
    expect(devices.opened).toEqual([1]);
  });
});
