/** What librbd answers and what becomes of it, with an image that answers as the test says. */
import { describe, expect, it } from 'vitest';
import { ImageDevice, type ImageIo, type ImageLoss } from '../../../src/backend/rbd/image-device.ts';
import { BlockStatus, PAGE_SIZES } from '../../../src/base/block-device.ts';
import type { IoCompletion } from '../../../src/node-rados/lib/node-rados.ts';
import { finished, PromisedDevice } from '../completions.ts';

const SIZE_BYTES = 1024 * 1024;
const BLOCK = 512;

interface Call {
  name: string;
  offset: number;
  length: number;
  done: IoCompletion;
}

/** An image whose calls wait for the test to answer them. */
class FakeImage implements ImageIo {
  readonly calls: Call[] = [];
  /** Answers at once with this, if it is a number. */
  answer: number | null = null;
  read(offset: number, data: Uint8Array, done: IoCompletion): void {
    data.fill(0);
    this.#call('read', offset, data.length, done);
  }
  write(offset: number, data: Uint8Array, done: IoCompletion): void {
    this.#call('write', offset, data.length, done);
  }
  flush(done: IoCompletion): void {
    this.#call('flush', 0, 0, done);
  }
  writeZeroes(offset: number, length: number, done: IoCompletion): void {
    this.#call('writeZeroes', offset, length, done);
  }
  compareAndWrite(offset: number, _expected: Uint8Array, data: Uint8Array, done: IoCompletion): void {
    this.#call('compareAndWrite', offset, data.length, done);
  }
  async resize(): Promise<void> {}
  async sizeBytes(): Promise<number> {
    return SIZE_BYTES;
  }
  get names(): string[] {
    return this.calls.map(({ name }) => name);
  }
  #call(name: string, offset: number, length: number, done: IoCompletion): void {
    this.calls.push({ name, offset, length, done });
    const { answer } = this;
    if (answer !== null) queueMicrotask(() => done.ioDone(answer, 0));
  }
}

function open(readOnly = false): {
  image: FakeImage;
  raw: ImageDevice;
  device: PromisedDevice;
  losses: ImageLoss[];
} {
  const image = new FakeImage();
  const losses: ImageLoss[] = [];
  const raw = new ImageDevice({
    image,
    description: 'rbd:pool/image',
    sizeBytes: SIZE_BYTES,
    optimal: PAGE_SIZES,
    stripeUnitBytes: 4096,
    readOnly,
    onLoss: (loss) => losses.push(loss),
  });
  return { image, raw, device: new PromisedDevice(raw), losses };
}

describe('ImageDevice', () => {
  it.each([
    ['ENOSPC', 28, BlockStatus.noSpace],
    ['EDQUOT', 122, BlockStatus.noSpace],
    ['EIO', 5, BlockStatus.ioError],
    ['ETIMEDOUT', 110, BlockStatus.timedOut],
    ['EPERM', 1, BlockStatus.readOnly],
    ['EBADF', 9, BlockStatus.gone],
    ['EINVAL, the image was cut', 22, BlockStatus.outOfRange],
    ['an unknown one', 200, BlockStatus.ioError],
  ])('says what %s means', async (_, errno, status) => {
    const { image, device, losses } = open();
    image.answer = -errno;
    expect(await device.write(0, Buffer.alloc(BLOCK))).toBe(status);
    expect(await device.read(0, Buffer.alloc(BLOCK))).toBe(status);
    expect(await device.writeZeroes(0, BLOCK)).toBe(status);
    expect(losses).toEqual([]);
  });

  it.each([
    ['EBLOCKLISTED', 108, 'fenced'],
    ['EROFS', 30, 'lockLost'],
  ] as const)('tells its owner of %s before the operation ends as a path matter', async (_, errno, loss) => {
    const { image, raw, losses } = open();
    image.answer = -errno;
    const status = await finished((completion) =>
      raw.write(0, Buffer.alloc(BLOCK), false, {
        ioDone: (outcome) => {
          expect(losses).toEqual([loss]);
          completion.ioDone(outcome);
        },
      }),
    );
    expect(status).toBe(BlockStatus.fenced);
  });

  it('is write-protected only when it was opened so', async () => {
    const { image, device } = open(true);
    expect(await device.write(0, Buffer.alloc(BLOCK))).toBe(BlockStatus.readOnly);
    expect(await device.discard(0, BLOCK)).toBe(BlockStatus.readOnly);
    expect(await device.flush()).toBe(BlockStatus.ok);
    expect(image.calls).toEqual([]);
  });

  it('takes a short read for an image that was cut', async () => {
    const { image, device } = open();
    image.answer = BLOCK;
    expect(await device.read(0, Buffer.alloc(2 * BLOCK))).toBe(BlockStatus.outOfRange);
    expect(await device.compare(0, Buffer.alloc(2 * BLOCK))).toBe(BlockStatus.outOfRange);
  });

  it('compares and writes in one call within a stripe unit, in steps beyond it', async () => {
    const { image, device } = open();
    image.answer = 0;
    expect(await device.compareAndWrite(0, Buffer.alloc(4096), Buffer.alloc(4096))).toBe(BlockStatus.ok);
    expect(image.names).toEqual(['compareAndWrite']);
    image.answer = -84;
    expect(await device.compareAndWrite(0, Buffer.alloc(BLOCK), Buffer.alloc(BLOCK))).toBe(
      BlockStatus.miscompare,
    );
    image.calls.length = 0;
    image.answer = 4096;
    await device.compareAndWrite(2048, Buffer.alloc(4096), Buffer.alloc(4096));
    expect(image.names[0]).toBe('read');
  });

  it('learns that an old librbd compares only within a sector', async () => {
    const { image, device } = open();
    const swapping = device.compareAndWrite(0, Buffer.alloc(1024), Buffer.alloc(1024));
    image.calls[0]?.done.ioDone(-22, 0);
    expect(image.names).toEqual(['compareAndWrite', 'read']);
    // while it reads, nobody else may write there
    const writing = device.write(512, Buffer.alloc(BLOCK));
    expect(image.names).toEqual(['compareAndWrite', 'read']);
    image.calls[1]?.done.ioDone(1024, 0);
    expect(image.names).toEqual(['compareAndWrite', 'read', 'write']);
    image.calls[2]?.done.ioDone(0, 0);
    expect(await swapping).toBe(BlockStatus.ok);
    image.calls.at(-1)?.done.ioDone(0, 0);
    expect(await writing).toBe(BlockStatus.ok);
    void device.compareAndWrite(0, Buffer.alloc(1024), Buffer.alloc(1024));
    expect(image.names.at(-1)).toBe('read');
  });

  it('ends after what is under way', async () => {
    const { image, raw, device } = open();
    const writing = device.write(0, Buffer.alloc(BLOCK));
    let closed = false;
    const closing = raw.close().then(() => {
      closed = true;
    });
    expect(await device.read(0, Buffer.alloc(BLOCK))).toBe(BlockStatus.gone);
    expect(closed).toBe(false);
    image.calls[0]?.done.ioDone(0, 0);
    await closing;
    expect(await writing).toBe(BlockStatus.ok);
    await raw.close();
  });
});
