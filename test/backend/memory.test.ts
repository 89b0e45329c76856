import { describe, expect, it } from 'vitest';
import { MemoryDevice } from '../../src/backend/memory.ts';
import { BlockStatus } from '../../src/base/block-device.ts';
import { itIsABlockDevice } from './block-device-contract.ts';
import { PromisedDevice } from './completions.ts';

const MIB = 1024 * 1024;
const TIB = MIB * MIB;

describe('MemoryDevice', () => {
  itIsABlockDevice(async (sizeBytes) => new MemoryDevice({ sizeBytes }), 60);

  it('takes memory only for what was written, and gives it back', async () => {
    const memory = new MemoryDevice({ sizeBytes: TIB });
    const device = new PromisedDevice(memory);
    expect(memory.residentBytes).toBe(0);
    expect((await device.bytes(TIB - 4096, 4096)).every((byte) => byte === 0)).toBe(true);
    expect(memory.residentBytes).toBe(0);

    const data = Buffer.alloc(4096, 0x5a);
    expect(await device.write(TIB / 2 - 2048, data)).toBe(BlockStatus.ok); // across two chunks and two pages
    expect(memory.residentBytes).toBe(2 * MIB);
    expect(await device.bytes(TIB / 2 - 2048, 4096)).toEqual(data);

    expect(await device.discard(0, TIB)).toBe(BlockStatus.ok);
    expect(memory.residentBytes).toBe(0);
    expect((await device.bytes(TIB / 2 - 2048, 4096)).every((byte) => byte === 0)).toBe(true);
  });

  it('completes before the call returns', () => {
    const memory = new MemoryDevice({ sizeBytes: MIB });
    const seen: BlockStatus[] = [];
    const completion = { ioDone: (status: BlockStatus) => seen.push(status) };
    memory.write(0, Buffer.alloc(512, 1), true, completion);
    memory.compareAndWrite(0, Buffer.alloc(512, 1), Buffer.alloc(512, 2), false, completion);
    memory.flush(completion);
    expect(seen).toEqual([BlockStatus.ok, BlockStatus.ok, BlockStatus.ok]);
  });

  it('says noSpace at its memory limit, and serves on', async () => {
    const device = new PromisedDevice(new MemoryDevice({ sizeBytes: 4 * MIB, maxResidentBytes: 2 * MIB }));
    expect(await device.write(0, Buffer.alloc(2 * MIB, 1))).toBe(BlockStatus.ok);
    expect(await device.write(2 * MIB, Buffer.alloc(512, 1))).toBe(BlockStatus.noSpace);
    expect(await device.write(0, Buffer.alloc(512, 2))).toBe(BlockStatus.ok);
    expect(await device.discard(MIB, MIB)).toBe(BlockStatus.ok);
    expect(await device.write(2 * MIB, Buffer.alloc(512, 1))).toBe(BlockStatus.ok);
  });

  it('frees the last chunk of an odd size when all of it is zeroed', async () => {
    const memory = new MemoryDevice({ sizeBytes: MIB + 512 });
    const device = new PromisedDevice(memory);
    await device.write(MIB, Buffer.alloc(512, 1));
    await device.writeZeroes(MIB, 512);
    expect(memory.residentBytes).toBe(0);
  });

  it('refuses a size that is none', () => {
    for (const sizeBytes of [0, -1, 1.5, Number.NaN, 2 ** 53]) {
      expect(() => new MemoryDevice({ sizeBytes })).toThrow(/size/);
    }
  });
});
