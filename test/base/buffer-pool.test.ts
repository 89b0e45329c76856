import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUFFER_HEADROOM, BufferPool, type DataBuffer } from '../../src/base/buffer-pool.ts';

const KIB = 1024;

/** Waits in the pool's line for one buffer of `length` bytes, as a connection does. */
function waitFor(pool: BufferPool, length: number, served: (buffer: DataBuffer) => void): void {
  pool.whenReturned(() => {
    if (pool.isFull(length)) return false;
    served(pool.borrow(length));
    return true;
  });
}

describe('a borrowed buffer', () => {
  it.each([
    [1, 4096],
    [512, 4096],
    [4096, 4096],
    [4097, 8192],
    [65536, 65536],
    [65537, 131072],
    [1048576, 1048576],
  ])('for %i bytes holds %i', (length, capacity) => {
    const buffer = new BufferPool(8 << 20, 1 << 20).borrow(length);
    expect(buffer.capacity).toBe(capacity);
    expect(buffer.data(length).length).toBe(length);
  });

  it('shows the same bytes through memory, data and frame, whatever was asked before', () => {
    const buffer = new BufferPool(1 << 20, 1 << 20).borrow(4096);
    for (const length of [4096, 512, 4096, 1, 512, 2048]) {
      const data = buffer.data(length);
      expect(data.length).toBe(length);
      data.fill(length & 0xff);
      expect(buffer.memory.subarray(BUFFER_HEADROOM, BUFFER_HEADROOM + length).equals(data)).toBe(true);
    }
    for (const [start, length] of [
      [104, 4120],
      [100, 4120],
      [104, 536],
      [104, 4120],
    ] as const) {
      const frame = buffer.frame(start, length);
      expect(frame.length).toBe(length);
      expect(frame.byteOffset - buffer.memory.byteOffset).toBe(start);
    }
  });

  it('has room for the largest PDU header before the data, and for digest and response behind it', () => {
    const buffer = new BufferPool(1 << 20, 1 << 20).borrow(4096);
    // PDO of a C2HData with HPDA 31 is 128; behind the data come DDGST (4), CapsuleResp (24) and its digest (4)
    expect(BUFFER_HEADROOM).toBeGreaterThanOrEqual(128);
    expect(buffer.memory.length - BUFFER_HEADROOM - buffer.capacity).toBeGreaterThanOrEqual(32);
  });
});

describe('the limit', () => {
  it('is reached by capacity, not by the bytes asked for', () => {
    const pool = new BufferPool(64 * KIB, 64 * KIB);
    const buffers = Array.from({ length: 16 }, () => pool.borrow(1));
    expect(pool.borrowedBytes).toBe(64 * KIB);
    expect(pool.isFull(1)).toBe(true);
    pool.giveBack(buffers[0]);
    expect(pool.isFull(4096)).toBe(false);
    expect(pool.isFull(4097)).toBe(true);
  });

  it('never keeps the largest buffer from an empty pool', () => {
    const pool = new BufferPool(4 * KIB, 1024 * KIB);
    expect(pool.isFull(1024 * KIB)).toBe(false);
    const buffer = pool.borrow(1024 * KIB);
    expect(pool.isFull(1)).toBe(true);
    pool.giveBack(buffer);
    expect(pool.isFull(1024 * KIB)).toBe(false);
  });

  it('memory kept for reuse is bounded, however much was borrowed', () => {
    const pool = new BufferPool(64 << 20, 1 << 20, 2 << 20);
    const buffers = Array.from({ length: 32 }, () => pool.borrow(1 << 20));
    for (const buffer of buffers) pool.giveBack(buffer);
    expect(pool.borrowedBytes).toBe(0);
    expect(pool.idleBytes).toBe(2 << 20);
  });
});

describe('the line', () => {
  it('is served first come first served', () => {
    const pool = new BufferPool(16 * KIB, 16 * KIB);
    const held = Array.from({ length: 4 }, () => pool.borrow(4096));
    const order: string[] = [];
    const got: DataBuffer[] = [];
    for (const name of ['a', 'b', 'c']) {
      waitFor(pool, 4096, (buffer) => {
        order.push(name);
        got.push(buffer);
      });
    }
    expect(pool.contended).toBe(true);
    for (const buffer of held) pool.giveBack(buffer);
    expect(order).toEqual(['a', 'b', 'c']);
    expect(pool.contended).toBe(false);
  });

  it('a small request behind a large one does not overtake it: the large one is served in the end', () => {
    const pool = new BufferPool(16 * KIB, 16 * KIB);
    const held = Array.from({ length: 4 }, () => pool.borrow(4096));
    const order: string[] = [];
    waitFor(pool, 16 * KIB, () => order.push('large'));
    waitFor(pool, 4096, () => order.push('small'));
    for (const buffer of held.slice(0, 3)) pool.giveBack(buffer);
    expect(order).toEqual([]);
    pool.giveBack(held[3]);
    expect(order).toEqual(['large']);
  });

  it('who is not interested any more leaves it without cost for those behind', () => {
    const pool = new BufferPool(4 * KIB, 4 * KIB);
    const held = pool.borrow(1);
    let served = 0;
    pool.whenReturned(() => true);
    pool.whenReturned(() => true);
    waitFor(pool, 1, () => {
      served += 1;
    });
    pool.giveBack(held);
    expect(served).toBe(1);
  });

  it('one who gives a buffer back while being served loses nobody and calls nobody twice', () => {
    const pool = new BufferPool(8 * KIB, 4 * KIB);
    const first = pool.borrow(1);
    const second = pool.borrow(1);
    const order: string[] = [];
    pool.whenReturned(() => {
      order.push('a');
      pool.giveBack(second); // for instance it closes a connection that held one
      return true;
    });
    for (const name of ['b', 'c']) waitFor(pool, 1, () => order.push(name));
    pool.giveBack(first);
    expect(order).toEqual(['a', 'b', 'c']);
  });

  it('counts a buffer that is written off twice once', () => {
    const pool = new BufferPool(64 * KIB, 32 * KIB);
    const buffer = pool.borrow(4 * KIB);
    expect(pool.writeOff(buffer)).toBe(true);
    expect(pool.writeOff(buffer)).toBe(false);
    expect([pool.borrowedBytes, pool.writtenOffBytes]).toEqual([0, buffer.capacity]);
    pool.giveBack(buffer);
    expect([pool.borrowedBytes, pool.writtenOffBytes]).toEqual([0, 0]);
  });

  it('random borrowing, waiting and returning: nobody is forgotten, order is kept, nothing leaks', () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ want: fc.integer({ min: 1, max: 32 * KIB }) }),
        fc.record({ giveBack: fc.nat({ max: 1000 }) }),
      ),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(steps, (script) => {
        const limit = 64 * KIB;
        const pool = new BufferPool(limit, 32 * KIB, 16 * KIB);
        const out: DataBuffer[] = [];
        const asked: number[] = [];
        const served: number[] = [];
        for (const step of script) {
          if ('want' in step) {
            const id = asked.push(step.want) - 1;
            const serve = (buffer: DataBuffer) => {
              served.push(id);
              out.push(buffer);
            };
            if (pool.contended || pool.isFull(step.want)) waitFor(pool, step.want, serve);
            else serve(pool.borrow(step.want));
          } else if (out.length > 0) {
            pool.giveBack(out.splice(step.giveBack % out.length, 1)[0]);
          }
          expect(pool.borrowedBytes).toBe(out.reduce((sum, buffer) => sum + buffer.capacity, 0));
          expect(pool.borrowedBytes).toBeLessThanOrEqual(limit);
          expect(new Set(out).size).toBe(out.length);
          expect(pool.idleBytes).toBeLessThanOrEqual(16 * KIB);
        }
        while (out.length > 0) pool.giveBack(out.shift()!);
        expect(served).toEqual(asked.map((_, id) => id));
        expect(pool.borrowedBytes).toBe(0);
        expect(pool.contended).toBe(false);
      }),
      { numRuns: 200 },
    );
  });
});
