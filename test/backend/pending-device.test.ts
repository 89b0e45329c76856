import { describe, expect, it } from 'vitest';
import { MemoryDevice } from '../../src/backend/memory.ts';
import { HOLD_MS, PendingDevice } from '../../src/backend/pending-device.ts';
import { BlockStatus } from '../../src/base/block-device.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { PromisedDevice } from './completions.ts';

const SIZE = 1024 * 1024;

function pendingDevice(): { clock: ManualClock; pending: PendingDevice; io: PromisedDevice } {
  const clock = new ManualClock();
  const pending = new PendingDevice('file /srv/disk.img', SIZE, clock);
  return { clock, pending, io: new PromisedDevice(pending) };
}

describe('a stand-in for a device that is not there', () => {
  it('says the size of the record', () => {
    expect(pendingDevice().pending.sizeBytes).toBe(SIZE);
  });

  it('hands operations to the real device in the order in which they came, and those after them', async () => {
    const { clock, pending, io } = pendingDevice();
    const first = io.write(0, Buffer.alloc(512, 1));
    const second = io.write(0, Buffer.alloc(512, 2));
    const back = Buffer.alloc(512);
    const read = io.read(0, back);
    clock.advance(HOLD_MS - 1);
    pending.become(new MemoryDevice({ sizeBytes: SIZE }));
    expect(await Promise.all([first, second, read])).toEqual([0, 0, 0]);
    expect(back).toEqual(Buffer.alloc(512, 2));
    expect(await io.write(512, back)).toBe(BlockStatus.ok);
    expect(clock.armed).toBe(0);
  });

  it('gives an operation back as gone after a while, a path matter and no error of the medium', async () => {
    const { clock, io } = pendingDevice();
    const read = io.read(0, Buffer.alloc(512));
    clock.advance(HOLD_MS);
    expect(await read).toBe(BlockStatus.gone);
  });

  it('begins nothing for a host that was sent to another path meanwhile', () => {
    const { pending } = pendingDevice();
    const real = new MemoryDevice({ sizeBytes: SIZE });
    const outcomes: BlockStatus[] = [];
    const host = { mustNotBegin: false, ioDone: (status: BlockStatus) => void outcomes.push(status) };
    pending.write(0, Buffer.alloc(512, 1), false, host);
    host.mustNotBegin = true;
    pending.become(real);
    expect(outcomes).toEqual([BlockStatus.gone]);
    const back = Buffer.alloc(512, 9);
    real.read(0, back, { ioDone: () => {} });
    expect(back).toEqual(Buffer.alloc(512));
  });

  it('gives all back when it is closed, and what still comes', async () => {
    const { clock, pending, io } = pendingDevice();
    const flush = io.flush();
    await pending.close();
    expect(await flush).toBe(BlockStatus.gone);
    expect(await io.discard(0, 4096)).toBe(BlockStatus.gone);
    expect(clock.armed).toBe(0);
  });

  it('refuses to be resized', async () => {
    await expect(pendingDevice().pending.resize()).rejects.toThrow('file /srv/disk.img: cannot be resized');
  });
});
