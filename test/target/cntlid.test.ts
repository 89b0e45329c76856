import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CntlidAllocator } from '../../src/target/cntlid.ts';

describe('controller ids', () => {
  it('come in turn from where this run begins, and wrap around at the end of the range', () => {
    const ids = new CntlidAllocator(2041, 2044, 2043);
    expect([ids.take(), ids.take(), ids.take(), ids.take()]).toEqual([2043, 2044, 2041, 2042]);
  });

  it('a released one is not the next one: a stale id must not name a new controller soon', () => {
    const ids = new CntlidAllocator(1, 4);
    const first = ids.take()!;
    ids.release(first);
    expect([ids.take(), ids.take(), ids.take(), ids.take()]).toEqual([2, 3, 4, 1]);
  });

  it('all in use: none; one given back: that one', () => {
    const ids = new CntlidAllocator(10, 12);
    for (let i = 0; i < 3; i++) ids.take();
    expect(ids.take()).toBeNull();
    expect(ids.take()).toBeNull();
    ids.release(11);
    expect(ids.take()).toBe(11);
    expect(ids.take()).toBeNull();
  });

  it('a range of one', () => {
    const ids = new CntlidAllocator(65519, 65519);
    expect(ids.take()).toBe(65519);
    expect(ids.take()).toBeNull();
    ids.release(65519);
    expect(ids.take()).toBe(65519);
  });

  it.each([
    [0, 10, 1],
    [1, 0xfff0, 1],
    [5, 4, 5],
    [5, 9, 4],
    [5, 9, 10],
  ])(
    'range %i..%i from %i is refused: FFF0h and above, and 0, are not controller ids',
    (first, last, start) => {
      expect(() => new CntlidAllocator(first, last, start)).toThrow(RangeError);
    },
  );

  it('are never given out twice while in use, and all of them are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 40 }), { maxLength: 300 }),
        fc.integer({ min: 1, max: 20 }),
        (script, size) => {
          const ids = new CntlidAllocator(100, 99 + size, 100 + (size >> 1));
          const used: number[] = [];
          for (const step of script) {
            if (step < 25) {
              const id = ids.take();
              if (used.length === size) expect(id).toBeNull();
              else {
                expect(id).toBeGreaterThanOrEqual(100);
                expect(id).toBeLessThanOrEqual(99 + size);
                expect(used).not.toContain(id);
                used.push(id!);
              }
            } else if (used.length > 0) {
              ids.release(used.splice(step % used.length, 1)[0]);
            }
          }
        },
      ),
    );
  });
});
