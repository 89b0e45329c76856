import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type BlockDevice, BlockStatus } from '../../src/base/block-device.ts';
import { finished, PromisedDevice } from './completions.ts';

/** Small enough that random extents meet, large enough to cross the memory backend's 1 MiB chunks. */
const SIZE_BYTES = 3 * 1024 * 1024;
const BLOCK = 512;
/** Extents gather around these places: the ends, and a chunk boundary. */
const CENTRES = [0, 1024 * 1024, SIZE_BYTES];

interface Extent {
  offset: number;
  length: number;
}
type Step =
  | ({ kind: 'write' | 'zero' | 'discard' | 'compare' | 'swap'; seed: number; fua: boolean } & Extent)
  | ({ kind: 'read' } & Extent)
  | { kind: 'flush' };

const extents: fc.Arbitrary<Extent> = fc
  .record({
    centre: fc.constantFrom(...CENTRES),
    shift: fc.integer({ min: -20, max: 20 }),
    blocks: fc.integer({ min: 1, max: 40 }),
  })
  .map(({ centre, shift, blocks }) => {
    const length = blocks * BLOCK;
    return { offset: Math.min(Math.max(centre + shift * BLOCK, 0), SIZE_BYTES - length), length };
  });

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: mutation('write', 'zero', 'discard', 'swap') },
  { weight: 2, arbitrary: mutation('compare') },
  { weight: 2, arbitrary: extents.map((extent): Step => ({ kind: 'read', ...extent })) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'flush' }) },
);

function mutation(...kinds: ('write' | 'zero' | 'discard' | 'compare' | 'swap')[]): fc.Arbitrary<Step> {
  return fc
    .record({
      kind: fc.constantFrom(...kinds),
      seed: fc.integer({ min: 1, max: 255 }),
      fua: fc.boolean(),
      extent: extents,
    })
    .map(({ kind, seed, fua, extent }): Step => ({ kind, seed, fua, ...extent }));
}

/** What every block device must do, whatever keeps its bytes. `open` gives a device of zeroes of that size. */
export function itIsABlockDevice(open: (sizeBytes: number) => Promise<BlockDevice>, runs: number): void {
  const withDevice = async (test: (device: PromisedDevice) => Promise<void>): Promise<void> => {
    const device = await open(SIZE_BYTES);
    try {
      await test(new PromisedDevice(device));
    } finally {
      await device.close();
    }
  };

  it('behaves as an array of bytes, one operation after the other', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 1, maxLength: 40 }), (list) =>
        withDevice(async (device) => {
          const model = Buffer.alloc(SIZE_BYTES);
          for (const step of list) await applyInOrder(device, model, step);
          expect((await device.bytes(0, SIZE_BYTES)).equals(model)).toBe(true);
        }),
      ),
      { numRuns: runs },
    );
  });

  it('keeps writes apart when many are in flight on extents that do not meet', async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([...Array(96).keys()], { minLength: 20 }), (slots) =>
        withDevice(async (device) => {
          const slotBytes = SIZE_BYTES / 96;
          const results = slots.map((slot, i) =>
            i % 5 === 4
              ? device.writeZeroes(slot * slotBytes, slotBytes, i % 2 === 0)
              : device.write(slot * slotBytes, Buffer.alloc(slotBytes, slot + 1), i % 7 === 0),
          );
          expect(await Promise.all(results)).toEqual(slots.map(() => BlockStatus.ok));
          const model = Buffer.alloc(SIZE_BYTES);
          slots.forEach((slot, i) => {
            if (i % 5 !== 4) model.fill(slot + 1, slot * slotBytes, (slot + 1) * slotBytes);
          });
          expect((await device.bytes(0, SIZE_BYTES)).equals(model)).toBe(true);
        }),
      ),
      { numRuns: Math.ceil(runs / 4) },
    );
  });

  it('lets exactly one of many racing compare-and-writes win, however they overlap', async () => {
    await withDevice(async (device) => {
      for (let round = 0; round < 20; round += 1) {
        await device.writeZeroes(0, 8 * BLOCK);
        const expected = Buffer.alloc(4 * BLOCK);
        // Every extent holds block 3, so the first to run makes all others miscompare.
        const racers = [0, 1, 2, 3, 0, 1, 2, 3].map((block, i) =>
          device.compareAndWrite(block * BLOCK, expected, Buffer.alloc(4 * BLOCK, i + 1), i % 2 === 0),
        );
        const statuses = await Promise.all(racers);
        expect(statuses.filter((status) => status === BlockStatus.ok)).toHaveLength(1);
        expect(statuses.filter((status) => status === BlockStatus.miscompare)).toHaveLength(7);
        const winner = statuses.indexOf(BlockStatus.ok);
        const bytes = await device.bytes(0, 8 * BLOCK);
        const at = (winner % 4) * BLOCK;
        expect(bytes.subarray(at, at + 4 * BLOCK).every((byte) => byte === winner + 1)).toBe(true);
      }
    });
  });

  it('mixes writes and compare-and-writes without tearing a block or letting two swaps see the same zeroes', async () => {
    const racer = fc.record({
      block: fc.nat(11),
      blocks: fc.integer({ min: 1, max: 5 }),
      swaps: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(racer, { minLength: 10, maxLength: 60 }), (racers) =>
        withDevice(async (device) => {
          const statuses = await Promise.all(
            racers.map(({ block, blocks, swaps }, i) => {
              const data = Buffer.alloc(blocks * BLOCK, i + 1);
              if (!swaps) return device.write(block * BLOCK, data, i % 9 === 0);
              return device.compareAndWrite(block * BLOCK, Buffer.alloc(blocks * BLOCK), data);
            }),
          );
          const winners = racers.map((_, i) => i).filter((i) => statuses[i] === BlockStatus.ok);
          const bytes = await device.bytes(0, 16 * BLOCK);
          for (let block = 0; block < 16; block += 1) {
            const covering = winners.filter((i) => {
              const { block: first, blocks } = racers[i]!;
              return first <= block && block < first + blocks;
            });
            const content = bytes.subarray(block * BLOCK, (block + 1) * BLOCK);
            expect(new Set(content).size).toBe(1);
            if (covering.length === 0) expect(content[0]).toBe(0);
            else expect(covering.map((i) => i + 1)).toContain(content[0]);
            expect(covering.filter((i) => racers[i]!.swaps).length).toBeLessThan(2);
          }
          expect(statuses.filter((status, i) => !racers[i]!.swaps && status !== BlockStatus.ok)).toEqual([]);
        }),
      ),
      { numRuns: runs },
    );
  });

  it('counts right when many increment one block with compare-and-write among other writes', async () => {
    await withDevice(async (device) => {
      const increment = async (): Promise<void> => {
        for (;;) {
          const before = await device.bytes(BLOCK, BLOCK);
          const after = Buffer.from(before);
          after.writeUInt32LE(before.readUInt32LE(0) + 1, 0);
          if ((await device.compareAndWrite(BLOCK, before, after)) === BlockStatus.ok) return;
        }
      };
      const noise = [...Array(40).keys()].map((i) =>
        device.write((i % 2) * 2 * BLOCK, Buffer.alloc(BLOCK, i + 1)),
      );
      await Promise.all([...[...Array(25).keys()].map(increment), ...noise]);
      expect((await device.bytes(BLOCK, BLOCK)).readUInt32LE(0)).toBe(25);
    });
  });

  it('orders a write and an overlapping compare-and-write, one way or the other', async () => {
    await withDevice(async (device) => {
      for (let round = 0; round < 20; round += 1) {
        await device.writeZeroes(0, 4 * BLOCK);
        const write = (): Promise<BlockStatus> => device.write(0, Buffer.alloc(4 * BLOCK, 0xaa));
        const swap = (): Promise<BlockStatus> =>
          device.compareAndWrite(BLOCK, Buffer.alloc(2 * BLOCK), Buffer.alloc(2 * BLOCK, 0xbb));
        const order = round % 2 === 0 ? [write(), swap()] : [swap(), write()];
        const statuses = await Promise.all(order);
        const swapped = statuses[round % 2 === 0 ? 1 : 0];
        expect(statuses[round % 2]).toBe(BlockStatus.ok);
        // The swap saw zeroes only if it came first, and then the write covered it.
        expect([BlockStatus.ok, BlockStatus.miscompare]).toContain(swapped);
        expect((await device.bytes(0, 4 * BLOCK)).every((byte) => byte === 0xaa)).toBe(true);
      }
    });
  });

  it('refuses extents that pass its end', async () => {
    await withDevice(async (device) => {
      const block = Buffer.alloc(BLOCK);
      for (const offset of [SIZE_BYTES, SIZE_BYTES - BLOCK + 1, 2 ** 52]) {
        expect(await device.read(offset, block)).toBe(BlockStatus.outOfRange);
        expect(await device.write(offset, block)).toBe(BlockStatus.outOfRange);
        expect(await device.writeZeroes(offset, BLOCK)).toBe(BlockStatus.outOfRange);
        expect(await device.discard(offset, BLOCK)).toBe(BlockStatus.outOfRange);
        expect(await device.compare(offset, block)).toBe(BlockStatus.outOfRange);
        expect(await device.compareAndWrite(offset, block, block)).toBe(BlockStatus.outOfRange);
      }
      expect(await device.read(SIZE_BYTES - BLOCK, block)).toBe(BlockStatus.ok);
    });
  });

  it('grows with zeroes and forgets what a shrink cut off', async () => {
    await withDevice(async (device) => {
      const odd = SIZE_BYTES - 5 * BLOCK;
      await device.write(odd - BLOCK, Buffer.alloc(6 * BLOCK, 0x77));
      await device.device.resize(odd);
      expect(device.device.sizeBytes).toBe(odd);
      expect(await device.read(odd, Buffer.alloc(BLOCK))).toBe(BlockStatus.outOfRange);
      await device.device.resize(SIZE_BYTES * 2);
      expect(device.device.sizeBytes).toBe(SIZE_BYTES * 2);
      expect((await device.bytes(odd - BLOCK, BLOCK)).every((byte) => byte === 0x77)).toBe(true);
      expect((await device.bytes(odd, SIZE_BYTES * 2 - odd)).every((byte) => byte === 0)).toBe(true);
      for (const bad of [-1, 0, 0.5, Number.NaN, 2 ** 53])
        await expect(device.device.resize(bad)).rejects.toThrow(/size/);
      expect(device.device.sizeBytes).toBe(SIZE_BYTES * 2);
    });
  });

  it('says gone after close, and closes twice', async () => {
    const device = await open(SIZE_BYTES);
    const pending = finished((done) => device.write(0, Buffer.alloc(BLOCK, 1), true, done));
    const closing = device.close();
    const late = finished((done) => device.read(0, Buffer.alloc(BLOCK), done));
    expect(await pending).toBe(BlockStatus.ok);
    await closing;
    await device.close();
    expect(await late).toBe(BlockStatus.gone);
    const after = new PromisedDevice(device);
    const block = Buffer.alloc(BLOCK);
    expect(await after.write(0, block)).toBe(BlockStatus.gone);
    expect(await after.flush()).toBe(BlockStatus.gone);
    expect(await after.writeZeroes(0, BLOCK)).toBe(BlockStatus.gone);
    expect(await after.discard(0, BLOCK)).toBe(BlockStatus.gone);
    expect(await after.compare(0, block)).toBe(BlockStatus.gone);
    expect(await after.compareAndWrite(0, block, block)).toBe(BlockStatus.gone);
    await expect(device.resize(BLOCK)).rejects.toThrow(/closed/);
  });
}

async function applyInOrder(device: PromisedDevice, model: Buffer, step: Step): Promise<void> {
  if (step.kind === 'flush') {
    expect(await device.flush()).toBe(BlockStatus.ok);
    return;
  }
  const { offset, length } = step;
  const now = model.subarray(offset, offset + length);
  if (step.kind === 'read') {
    expect((await device.bytes(offset, length)).equals(now)).toBe(true);
    return;
  }
  const data = Buffer.alloc(length, step.seed);
  const expected = Buffer.from(now);
  if (step.seed % 3 === 0) expected[step.seed % length]! ^= 0xff; // every third comparison must fail
  const comparison = step.seed % 3 === 0 ? BlockStatus.miscompare : BlockStatus.ok;
  switch (step.kind) {
    case 'write':
      expect(await device.write(offset, data, step.fua)).toBe(BlockStatus.ok);
      now.set(data);
      break;
    case 'zero':
      expect(await device.writeZeroes(offset, length, step.fua)).toBe(BlockStatus.ok);
      now.fill(0);
      break;
    case 'discard':
      expect(await device.discard(offset, length)).toBe(BlockStatus.ok);
      now.fill(0);
      break;
    case 'compare':
      expect(await device.compare(offset, expected)).toBe(comparison);
      break;
    case 'swap':
      expect(await device.compareAndWrite(offset, expected, data, step.fua)).toBe(comparison);
      if (comparison === BlockStatus.ok) now.set(data);
      break;
  }
}
