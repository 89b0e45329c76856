import { describe, expect, it } from 'vitest';
import type { BlockDevice } from '../../src/base/block-device.ts';
import { DeviceOpening } from '../../src/gateway/device-opening.ts';
import { keyOf, type NamespaceRecord } from '../../src/gateway/records.ts';

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
  /** nsid that a host waits for. */
  awaitedNsid = 0;
  /** Resolves openings by hand when set. */
  held: (() => void)[] | null = null;
  readonly served = new Set<number>();

  readonly opening = new DeviceOpening({
    devices: {
      open: async (record) => {
        this.asked.push(record.nsid);
        if (this.held !== null) await new Promise<void>((resolve) => this.held?.push(resolve));
        if (record.nsid === 666) throw new Error('no such image');
        return {} as BlockDevice;
      },
      awaited: (accept) => {
        const key = keyOf(image(this.awaitedNsid, 1));
        return accept(key) ? key : undefined;
      },
    },
    standby: { isServed: (group) => this.served.has(group), most: 3 },
    onOpened: ({ nsid }) => this.opened.push(nsid),
    onFailed: ({ nsid }) => this.failed.push(nsid),
  });
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
    await devices.opening.need(image(666, 2));
    expect(devices.failed).toEqual([666]);
  });

  it('of namespaces that went, or of a gateway that stops, are not opened any more; what is under way ends first', async () => {
    const devices = new Devices();
    await devices.opening.come(range(1, 40).map((nsid) => image(nsid, 2)));
    devices.held = [];
    devices.served.add(2);
    const woken = devices.opening.wake();
    expect(devices.asked).toHaveLength(16);
    await devices.opening.go(image(30, 2));
    let gone = false;
    const goes = devices.opening.go(image(1, 2)).then(() => {
      gone = true;
    });
    const stopped = devices.opening.stop();
    expect(gone).toBe(false);
    const { held } = devices;
    devices.held = null;
    for (const release of held) release();
    await Promise.all([woken, goes, stopped]);
    expect(devices.opened).toEqual(range(1, 16));
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
});
