import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFileDevice } from '../../src/backend/file.ts';
import { FileDevice } from '../../src/backend/file-device.ts';
import { FallocateShell, type HolePunch } from '../../src/backend/hole-punch.ts';
import { type BlockDevice, BlockStatus } from '../../src/base/block-device.ts';
import { itIsABlockDevice } from './block-device-contract.ts';
import { finished, PromisedDevice } from './completions.ts';

const MIB = 1024 * 1024;
const allZero = (bytes: Buffer): boolean => bytes.every((byte) => byte === 0);
const noHoles: HolePunch = { punch: (_fd, _offset, _length, done) => setImmediate(done, false) };

let directory: string;
let files = 0;
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'anagate-file-'));
});
afterAll(() => {
  fs.rmSync(directory, { recursive: true });
});
const newPath = (): string => path.join(directory, `f${files++}`);
const allocatedBytes = (file: string): number => fs.statSync(file).blocks * 512;

describe('FileDevice with holes', () => {
  itIsABlockDevice(
    (sizeBytes) => openFileDevice({ path: newPath(), create: true, readOnly: false, sizeBytes }),
    10,
  );
});

describe('FileDevice without holes, two operations at a time', () => {
  itIsABlockDevice(
    (sizeBytes) =>
      openFileDevice({
        path: newPath(),
        create: true,
        readOnly: false,
        sizeBytes,
        maxInFlight: 2,
        holePunch: noHoles,
      }),
    10,
  );
});

describe('openFileDevice', () => {
  it('makes a sparse file that another opening finds', async () => {
    const file = newPath();
    const made = await openFileDevice({ path: file, create: true, sizeBytes: 1024 * MIB, readOnly: false });
    expect(made.sizeBytes).toBe(1024 * MIB);
    expect(made.description).toBe(`file:${file}`);
    await new PromisedDevice(made).write(512 * MIB, Buffer.alloc(4096, 7));
    await made.close();
    expect(fs.statSync(file).size).toBe(1024 * MIB);
    expect(allocatedBytes(file)).toBeLessThan(MIB);

    const found = await openFileDevice({ path: file, create: true, readOnly: false });
    expect(found.sizeBytes).toBe(1024 * MIB);
    expect(await new PromisedDevice(found).bytes(512 * MIB, 4096)).toEqual(Buffer.alloc(4096, 7));
    await found.close();
  });

  it('sizes an empty file, as a killed creation leaves it', async () => {
    const file = newPath();
    fs.writeFileSync(file, '');
    const device = await openFileDevice({ path: file, create: true, sizeBytes: MIB, readOnly: false });
    expect(device.sizeBytes).toBe(MIB);
    await device.close();
  });

  it.each([
    ['a missing file', { create: false }, 'STORAGE_NOT_FOUND', /ENOENT/],
    ['a missing file without a size', { create: true }, 'STORAGE_NOT_FOUND', /ENOENT/],
    [
      'a missing directory',
      { create: true, sizeBytes: MIB, below: 'no/such' },
      'STORAGE_NOT_FOUND',
      /ENOENT/,
    ],
    ['a size of nothing', { create: true, sizeBytes: 0 }, 'SIZE_INVALID', /size/],
    [
      'another size than the file has',
      { create: true, sizeBytes: MIB, content: 'abc' },
      'SIZE_INVALID',
      /3 bytes/,
    ],
    ['an empty file', { create: false, content: '' }, 'SIZE_INVALID', /size/],
  ])('refuses %s', async (_name, { create, sizeBytes, content, below }: Refused, code, message) => {
    const file = path.join(newPath(), below ?? '.');
    if (content !== undefined) fs.writeFileSync(file, content);
    const options = sizeBytes === undefined ? {} : { sizeBytes };
    const opening = openFileDevice({ path: file, create, readOnly: false, ...options });
    await expect(opening).rejects.toMatchObject({ code });
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toThrow(file);
    if (content === undefined) expect(fs.existsSync(file)).toBe(false);
  });

  it('refuses what is not a regular file', async () => {
    const opening = openFileDevice({ path: directory, create: false, readOnly: true });
    await expect(opening).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const written = openFileDevice({ path: directory, create: true, sizeBytes: MIB, readOnly: false });
    await expect(written).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(written).rejects.toThrow('not a regular file');
    const device = openFileDevice({ path: '/dev/null', create: false, readOnly: false });
    await expect(device).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  interface Refused {
    create: boolean;
    sizeBytes?: number;
    content?: string;
    below?: string;
  }
});

describe('FileDevice and the medium', () => {
  const open = async (sizeBytes: number, file = newPath()): Promise<PromisedDevice> =>
    new PromisedDevice(await openFileDevice({ path: file, create: true, sizeBytes, readOnly: false }));

  it('says noSpace when the disk is full', async () => {
    const fd = fs.openSync('/dev/full', 'r+');
    const device = new FileDevice({ fd, path: '/dev/full', sizeBytes: 64 * MIB, readOnly: false });
    const full = new PromisedDevice(device);
    expect(await full.write(0, Buffer.alloc(4096))).toBe(BlockStatus.noSpace);
    expect(await full.write(0, Buffer.alloc(4096), true)).toBe(BlockStatus.noSpace);
    expect(await full.writeZeroes(0, 4096)).toBe(BlockStatus.noSpace);
    // A hole is refused there too, and zeroes are tried instead.
    expect(await full.discard(0, 8 * MIB)).toBe(BlockStatus.noSpace);
    expect(await full.compareAndWrite(0, Buffer.alloc(512), Buffer.alloc(512))).toBe(BlockStatus.noSpace);
    expect(await full.read(0, Buffer.alloc(4096))).toBe(BlockStatus.ok);
    await device.close();
  });

  it('takes no writes when opened read-only, but reads, compares and flushes', async () => {
    const file = newPath();
    fs.writeFileSync(file, Buffer.alloc(4096, 3));
    const device = await openFileDevice({ path: file, create: false, readOnly: true });
    const readOnly = new PromisedDevice(device);
    const block = Buffer.alloc(512, 3);
    expect(await readOnly.write(0, block)).toBe(BlockStatus.readOnly);
    expect(await readOnly.writeZeroes(0, 512)).toBe(BlockStatus.readOnly);
    expect(await readOnly.discard(0, 512)).toBe(BlockStatus.readOnly);
    expect(await readOnly.compareAndWrite(0, block, block)).toBe(BlockStatus.readOnly);
    expect(await readOnly.compare(0, block)).toBe(BlockStatus.ok);
    expect(await readOnly.flush()).toBe(BlockStatus.ok);
    await expect(device.resize(8192)).rejects.toThrow(/read-only/);
    await device.close();
  });

  it('maps what the kernel says about a descriptor that cannot be written', async () => {
    const file = newPath();
    fs.writeFileSync(file, Buffer.alloc(4096));
    const fd = fs.openSync(file, 'r');
    const device = new FileDevice({ fd, path: file, sizeBytes: 4096, readOnly: false });
    expect(await new PromisedDevice(device).write(0, Buffer.alloc(512))).toBe(BlockStatus.gone); // EBADF
    await device.close();
  });

  it('fails every flush after one that failed', async () => {
    const fd = fs.openSync('/dev/zero', 'r+'); // takes writes, knows no fdatasync (EINVAL)
    const device = new PromisedDevice(new FileDevice({ fd, path: 'z', sizeBytes: MIB, readOnly: false }));
    expect(await device.write(0, Buffer.alloc(512))).toBe(BlockStatus.ok);
    expect(await device.flush()).toBe(BlockStatus.ioError);
    expect(await device.write(0, Buffer.alloc(512), true)).toBe(BlockStatus.ioError);
    expect(await device.flush()).toBe(BlockStatus.ioError);
    await device.device.close();
  });

  it('says outOfRange past the end of a file that someone cut, and tells the new size', async () => {
    const file = newPath();
    const device = await open(4 * MIB, file);
    await device.write(0, Buffer.alloc(4 * MIB, 1));
    fs.truncateSync(file, MIB + 512);
    const told = new Promise<number>((resolve) => {
      device.device.onResize = resolve;
    });
    expect(await device.read(MIB, Buffer.alloc(4096))).toBe(BlockStatus.outOfRange);
    expect(await told).toBe(MIB + 512);
    expect(device.device.sizeBytes).toBe(MIB + 512);
    expect(await device.read(MIB, Buffer.alloc(512))).toBe(BlockStatus.ok);
    await device.device.close();
  });

  it('frees the space of large discards and zeroed extents, and keeps the size', async () => {
    const file = newPath();
    const device = await open(16 * MIB, file);
    await device.write(0, Buffer.alloc(16 * MIB, 9));
    await device.flush();
    expect(allocatedBytes(file)).toBeGreaterThanOrEqual(16 * MIB);

    expect(await device.discard(512, 8 * MIB)).toBe(BlockStatus.ok);
    expect(allocatedBytes(file)).toBeLessThan(9 * MIB);
    expect(allZero(await device.bytes(512, 8 * MIB))).toBe(true);
    expect((await device.bytes(0, 512)).every((byte) => byte === 9)).toBe(true);
    expect((await device.bytes(512 + 8 * MIB, 512)).every((byte) => byte === 9)).toBe(true);

    expect(await device.writeZeroes(0, 16 * MIB, true)).toBe(BlockStatus.ok);
    expect(allocatedBytes(file)).toBeLessThan(MIB);
    expect(fs.statSync(file).size).toBe(16 * MIB);
    await device.device.close();
  });

  it('zeroes by writing where no holes can be made, and stops asking', async () => {
    let asked = 0;
    const holePunch: HolePunch = {
      punch(_fd, _offset, _length, done) {
        asked += 1;
        done(false);
      },
    };
    const options = { path: newPath(), create: true, sizeBytes: 8 * MIB, readOnly: false, holePunch };
    const device = new PromisedDevice(await openFileDevice(options));
    await device.write(0, Buffer.alloc(8 * MIB, 9));
    expect(await device.discard(0, 3 * MIB)).toBe(BlockStatus.ok);
    expect(await device.discard(3 * MIB, 3 * MIB)).toBe(BlockStatus.ok);
    expect(allZero(await device.bytes(0, 6 * MIB))).toBe(true);
    expect((await device.bytes(6 * MIB, 2 * MIB)).every((byte) => byte === 9)).toBe(true);
    expect(asked).toBe(1);
    await device.device.close();
  });

  it('completes many more operations than it has turns for, in flight when it is closed', async () => {
    const file = newPath();
    const device = await openFileDevice({
      path: file,
      create: true,
      sizeBytes: 4 * MIB,
      readOnly: false,
      maxInFlight: 3,
    });
    const results: Promise<BlockStatus>[] = [];
    for (let i = 0; i < 500; i += 1) {
      const data = Buffer.alloc(4096, (i % 255) + 1);
      results.push(finished((done) => device.write(i * 4096, data, i % 50 === 0, done)));
    }
    results.push(finished((done) => device.flush(done)));
    await device.close();
    expect(new Set(await Promise.all(results))).toEqual(new Set([BlockStatus.ok]));
    const bytes = fs.readFileSync(file);
    for (let i = 0; i < 500; i += 1) expect(bytes[i * 4096 + 4095]).toBe((i % 255) + 1);
  });

  it('shrinks under fire without leaving a byte past the end', async () => {
    const file = newPath();
    const device: BlockDevice = await openFileDevice({
      path: file,
      create: true,
      sizeBytes: 4 * MIB,
      readOnly: false,
    });
    const results: Promise<BlockStatus>[] = [];
    const write = (i: number): void => {
      results.push(
        finished((done) => device.write((i % 64) * 65536, Buffer.alloc(65536, 0xab), false, done)),
      );
    };
    for (let i = 0; i < 128; i += 1) write(i);
    const resized = device.resize(2 * MIB);
    for (let i = 0; i < 128; i += 1) write(i);
    await resized;
    for (let i = 0; i < 64; i += 1) write(i);
    const statuses = await Promise.all(results);
    expect(statuses.every((status) => status === BlockStatus.ok || status === BlockStatus.outOfRange)).toBe(
      true,
    );
    expect(fs.statSync(file).size).toBe(2 * MIB);
    await device.close();
  });

  it('cuts the file only when no change past the new end is under way', async () => {
    const unanswered: ((punched: boolean) => void)[] = [];
    const holePunch: HolePunch = { punch: (_fd, _offset, _length, done) => unanswered.push(done) };
    const file = newPath();
    const opened = await openFileDevice({
      path: file,
      create: true,
      sizeBytes: 4 * MIB,
      readOnly: false,
      holePunch,
    });
    const device = new PromisedDevice(opened);
    const discarded = device.discard(2 * MIB, MIB);
    const resized = opened.resize(MIB);
    for (let i = 0; i < 10; i += 1) await device.write(0, Buffer.alloc(512), true); // ten turns of the thread pool
    expect(fs.statSync(file).size).toBe(4 * MIB);
    expect(opened.sizeBytes).toBe(MIB);
    unanswered[0]!(false); // zeroes are written there now
    expect(await discarded).toBe(BlockStatus.ok);
    await resized;
    expect(fs.statSync(file).size).toBe(MIB);
    await opened.close();
  });

  it('runs resizes in the order they were asked for', async () => {
    const device = await open(MIB);
    await Promise.all([
      device.device.resize(4 * MIB),
      device.device.resize(2 * MIB),
      device.device.resize(3 * MIB),
    ]);
    expect(device.device.sizeBytes).toBe(3 * MIB);
    await expect(device.device.resize(2 ** 53 - 1)).rejects.toThrow(/^file:.*cannot resize/);
    expect(device.device.sizeBytes).toBe(3 * MIB);
    expect(await device.write(3 * MIB - 512, Buffer.alloc(512))).toBe(BlockStatus.ok);
    await device.device.close();
  });
});

describe('FallocateShell', () => {
  it('answers in order, and says no for a file that takes no holes', async () => {
    const shell = new FallocateShell();
    const file = newPath();
    fs.writeFileSync(file, Buffer.alloc(4 * MIB, 1));
    const fd = fs.openSync(file, 'r+');
    const full = fs.openSync('/dev/full', 'r+');
    const order: number[] = [];
    const punch = (name: number, target: number, offset: number): Promise<boolean> =>
      new Promise((resolve) => {
        shell.punch(target, offset, MIB, (punched) => {
          order.push(name);
          resolve(punched);
        });
      });
    const answers = await Promise.all([punch(0, fd, 0), punch(1, full, 0), punch(2, fd, 2 * MIB)]);
    expect(answers).toEqual([true, false, true]);
    expect(order).toEqual([0, 1, 2]);
    const bytes = fs.readFileSync(file);
    for (const [start, byte] of [0, 1, 0, 1].entries()) expect(bytes[start * MIB + 100]).toBe(byte);
    fs.closeSync(fd);
    fs.closeSync(full);
  });
});
