/** The data path: every call, its errors, batches, and what happens around a close. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type Image,
  type IoCompletion,
  type IoContext,
  ioCounters,
} from '../../src/node-rados/lib/node-rados.ts';
import { releaseOfThisNode } from './harness/ceph-cluster.ts';
import { codeOf, connect, describeWithCeph, freshName, later } from './harness/with-cluster.ts';

const MIB = 2 ** 20;
const SIZE = 32 * MIB;

/** The result of one I/O. */
function resultOf(start: (completion: IoCompletion) => void): Promise<[result: number, mismatch: number]> {
  return new Promise((resolve) => start({ ioDone: (result, mismatch) => resolve([result, mismatch]) }));
}

describeWithCeph('image I/O', () => {
  let io: IoContext;
  let image: Image;
  const name = freshName('image');
  beforeAll(async () => {
    io = await (await connect()).openPool('rbd');
    await io.images.create(name, SIZE);
    image = await io.openImage(name);
  });
  afterAll(async () => {
    await image?.close();
    await io?.images.remove(name);
  });

  it('reads what was written, at any alignment, and zeroes where nothing was', async () => {
    const data = Buffer.from(Array.from({ length: 10_001 }, (_, i) => i * 7));
    await image.promises.write(4 * MIB - 5000, data);
    expect(await image.promises.read(4 * MIB - 5000, data.length)).toEqual(data);
    expect(await image.promises.read(20 * MIB, 512)).toEqual(Buffer.alloc(512));
  });

  it('gathers and scatters', async () => {
    await image.promises.writev(8192, [Buffer.from('ab'), Buffer.alloc(0), Buffer.from('cde')]);
    const parts = [Buffer.alloc(1), Buffer.alloc(3), Buffer.alloc(1)];
    expect(await image.promises.readv(8192, parts)).toBe(5);
    expect(parts.map(String)).toEqual(['a', 'bcd', 'e']);
  });

  it('takes memory that is young, small, shared with others, or a part of something larger', async () => {
    const pattern = Uint8Array.of(1, 2, 3, 4);
    await image.promises.write(0, pattern);
    const small = new Uint8Array(4);
    const whole = Buffer.alloc(100);
    const shared = new Uint8Array(new SharedArrayBuffer(4));
    for (const part of [small, whole.subarray(50, 54), shared]) {
      expect(await resultOf((done) => image.read(0, part, done))).toEqual([4, 0]);
      expect([...part]).toEqual([1, 2, 3, 4]);
    }
    expect(whole.filter((byte) => byte !== 0)).toHaveLength(4);
  });

  it('discards, zeroes, repeats', async () => {
    await image.promises.write(0, Buffer.alloc(8 * MIB, 0xff));
    await image.promises.discard(4 * MIB, 4 * MIB);
    expect(await image.promises.read(4 * MIB, 4096)).toEqual(Buffer.alloc(4096));
    await image.promises.writeZeroes(100, 1000);
    expect(await image.promises.read(99, 1002)).toEqual(
      Buffer.concat([Buffer.of(0xff), Buffer.alloc(1000), Buffer.of(0xff)]),
    );
    await image.promises.writeZeroes(2000, 512, true);
    expect(await image.promises.read(2000, 512)).toEqual(Buffer.alloc(512));
    await image.promises.writeSame(8192, 2048, Buffer.from('0123456789abcdef'.repeat(32)));
    expect(String(await image.promises.read(8192 + 1024, 16))).toBe('0123456789abcdef');
    await image.promises.flush();
  });

  it('compares and writes atomically', async () => {
    await image.promises.write(12 * MIB, Buffer.alloc(512, 1));
    await image.promises.compareAndWrite(12 * MIB, Buffer.alloc(512, 1), Buffer.alloc(512, 2));
    const other = Buffer.alloc(512, 2).fill(9, 100, 101);
    await expect(image.promises.compareAndWrite(12 * MIB, other, Buffer.alloc(512, 3))).rejects.toMatchObject(
      { code: 'EILSEQ', mismatchOffset: 100 },
    );
    expect(await image.promises.read(12 * MIB, 512)).toEqual(Buffer.alloc(512, 2));

    const rivals = Array.from({ length: 16 }, (_, i) =>
      resultOf((done) =>
        image.compareAndWrite(12 * MIB, Buffer.alloc(512, 2), Buffer.alloc(512, 100 + i), done),
      ),
    );
    const results = (await Promise.all(rivals)).map(([result]) => result);
    expect(results.filter((result) => result >= 0)).toHaveLength(1);
    expect(results.filter((result) => result === -84)).toHaveLength(15);
    expect((await image.promises.read(12 * MIB, 1))[0]).toBe(
      100 + results.findIndex((result) => result >= 0),
    );
  });

  it('compares and writes more than a sector where librbd can', async () => {
    const [rc] = await resultOf((done) =>
      image.compareAndWrite(24 * MIB, Buffer.alloc(65_536), Buffer.alloc(65_536, 1), done),
    );
    expect(rc).toBe(releaseOfThisNode() === '16' ? -22 : 0);
    const across = 28 * MIB - 256;
    const crossing = await resultOf((done) =>
      image.compareAndWrite(across, Buffer.alloc(512), Buffer.alloc(512), done),
    );
    expect(crossing).toEqual([-22, 0]);
  });

  it('writes whole data without a copy in librbd', async () => {
    const client = await connect({ options: { rbd_disable_zero_copy_writes: false } });
    const direct = await (await client.openPool('rbd')).openImage(name);
    const blocks = Array.from({ length: 64 }, (_, i) => Buffer.allocUnsafeSlow(65_536).fill(i + 1));
    await Promise.all(blocks.map((data, i) => direct.promises.write(i * 65_536, data)));
    await direct.promises.writev(30 * MIB, [Buffer.alloc(512, 7), Buffer.alloc(3584, 8)]);
    for (const [i, data] of blocks.entries()) {
      expect((await direct.promises.read(i * 65_536, 65_536)).equals(data)).toBe(true);
    }
    expect([...(await direct.promises.read(30 * MIB + 511, 2))]).toEqual([7, 8]);
    await client.close();
  });

  it('refuses what lies outside or makes no sense, later and through the completion', async () => {
    expect(await codeOf(image.promises.write(SIZE, Buffer.alloc(512)))).toBe('EINVAL');
    for (const offset of [-1, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
      let synchronous = true;
      const [result] = await resultOf((done) => {
        image.read(offset, Buffer.alloc(1), {
          ioDone(rc, mismatch) {
            expect(synchronous).toBe(false);
            done.ioDone(rc, mismatch);
          },
        });
        synchronous = false;
      });
      expect(result).toBe(-22);
    }
    expect(await resultOf((done) => image.discard(0, -5, done))).toEqual([-22, 0]);
    expect(
      await resultOf((done) => image.compareAndWrite(0, Buffer.alloc(1), Buffer.alloc(2), done)),
    ).toEqual([-22, 0]);
    expect(await resultOf((done) => image.read(0, 'x' as unknown as Buffer, done))).toEqual([-22, 0]);
    expect(await resultOf((done) => image.writev(0, [1] as unknown as Buffer[], done))).toEqual([-22, 0]);
    const words = new Float64Array(4) as unknown as Buffer;
    expect(await resultOf((done) => image.write(0, words, done))).toEqual([-22, 0]);
    expect(ioCounters().inFlight).toBe(0);
  });

  it('brings many results with few calls, each exactly once', async () => {
    const count = 2500;
    const before = ioCounters();
    const seen = new Uint8Array(count);
    await new Promise<void>((resolve) => {
      let left = count;
      for (let i = 0; i < count; i++) {
        image.read((i * 4096) % SIZE, Buffer.allocUnsafeSlow(4096), {
          ioDone(result) {
            expect(result).toBe(4096);
            seen[i] += 1;
            left -= 1;
            if (left === 0) resolve();
          },
        });
      }
    });
    expect(seen.every((times) => times === 1)).toBe(true);
    const after = ioCounters();
    expect(after.completed - before.completed).toBe(count);
    expect(after.batches - before.batches).toBeLessThan(count);
    expect(after.inFlight).toBe(0);
  });

  it('keeps data whole while the garbage collector works', async () => {
    const blocks = 256;
    const fill = (i: number) => Buffer.allocUnsafeSlow(4096).fill((i * 31 + 7) % 251);
    await Promise.all(
      Array.from({ length: blocks }, (_, i) => image.promises.write(16 * MIB + i * 4096, fill(i))),
    );
    for (let round = 0; round < 5; round++) {
      const reads = Array.from({ length: blocks }, (_, i) => image.promises.read(16 * MIB + i * 4096, 4096));
      const garbage = Array.from({ length: 200 }, () => Buffer.alloc(50_000, 0xee));
      expect(garbage.length).toBe(200);
      for (const [i, data] of (await Promise.all(reads)).entries()) expect(data.equals(fill(i))).toBe(true);
    }
  });

  it('loses none of a batch when a completion throws', async () => {
    const thrown = later<unknown>();
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.once('uncaughtException', thrown.resolve);
    const results = Array.from({ length: 8 }, (_, i) =>
      resultOf((done) =>
        image.read(0, Buffer.alloc(512), {
          ioDone(result, mismatch) {
            done.ioDone(result, mismatch);
            if (i === 3) throw new Error('on purpose');
          },
        }),
      ),
    );
    expect(await Promise.all(results)).toHaveLength(8);
    expect(await thrown.promise).toMatchObject({ message: 'on purpose' });
    for (const listener of listeners) process.on('uncaughtException', listener);
  });

  it('ends everything in flight before the image is closed, and refuses what comes later', async () => {
    const other = await io.openImage(name, { readOnly: true });
    let done = 0;
    const reads = Array.from({ length: 300 }, (_, i) =>
      resultOf((completion) => other.read(i * 4096, Buffer.alloc(4096), completion)).then(([result]) => {
        done += 1;
        return result;
      }),
    );
    const closing = other.close();
    expect(await resultOf((completion) => other.read(0, Buffer.alloc(1), completion))).toEqual([-9, 0]);
    await Promise.all([closing, other.close()]);
    expect(done).toBe(300);
    expect(new Set(await Promise.all(reads))).toEqual(new Set([4096]));
    expect(await resultOf((completion) => other.flush(completion))).toEqual([-9, 0]);
    expect(await codeOf(other.stat())).toBe('EBADF');
    expect(await codeOf(other.acquireLock())).toBe('EBADF');
  });
});
