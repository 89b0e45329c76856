import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ExtentGuard, type GuardedOperation } from '../../src/backend/extent-guard.ts';

class Operation implements GuardedOperation {
  guardSlot = -1;
  readonly name: number;
  readonly start: number;
  readonly end: number;
  readonly exclusive: boolean;
  constructor(name: number, start: number, end: number, exclusive: boolean) {
    this.name = name;
    this.start = start;
    this.end = end;
    this.exclusive = exclusive;
  }
}

const conflicts = (a: Operation, b: Operation): boolean =>
  (a.exclusive || b.exclusive) && a.start < b.end && b.start < a.end;

const operations = fc.array(
  fc.record({
    start: fc.integer({ min: 0, max: 12 }),
    length: fc.integer({ min: 1, max: 6 }),
    exclusive: fc.boolean(),
    /** Which of the running ones ends after this admission, if any. */
    ends: fc.array(fc.nat(), { maxLength: 2 }),
  }),
  { maxLength: 60 },
);

describe('ExtentGuard', () => {
  it('keeps exclusive operations alone, starts conflicting ones in order and every one at last', () => {
    fc.assert(
      fc.property(operations, (list) => {
        const running: Operation[] = [];
        const started: Operation[] = [];
        const all: Operation[] = [];
        const begin = (operation: Operation): void => {
          for (const other of running) expect(conflicts(operation, other)).toBe(false);
          running.push(operation);
          started.push(operation);
        };
        const guard = new ExtentGuard<Operation>(begin);
        const end = (choice: number): void => {
          const [operation] = running.splice(choice % running.length, 1);
          guard.release(operation!);
        };
        list.forEach(({ start, length, exclusive, ends }, name) => {
          const operation = new Operation(name, start, start + length, exclusive);
          const unstarted = all.filter((other) => !started.includes(other));
          const blocked = [...running, ...unstarted].some((other) => conflicts(operation, other));
          all.push(operation);
          const admitted = guard.admit(operation);
          expect(admitted).toBe(!blocked);
          if (admitted) begin(operation);
          for (const choice of ends) if (running.length > 0) end(choice);
        });
        while (running.length > 0) end(0);
        expect(started).toHaveLength(all.length);
        for (const a of all) {
          for (const b of all) {
            if (a.name < b.name && conflicts(a, b))
              expect(started.indexOf(a)).toBeLessThan(started.indexOf(b));
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('lets an operation end while the guard starts others', () => {
    const order: string[] = [];
    const guard = new ExtentGuard<Operation>((operation) => {
      order.push(`start ${operation.name}`);
      guard.release(operation);
      order.push(`end ${operation.name}`);
    });
    const first = new Operation(0, 0, 10, true);
    expect(guard.admit(first)).toBe(true);
    for (let name = 1; name <= 3; name += 1) expect(guard.admit(new Operation(name, 0, 5, true))).toBe(false);
    guard.release(first);
    expect(order.filter((line) => line.startsWith('start'))).toEqual(['start 1', 'start 2', 'start 3']);
    expect(guard.admit(new Operation(4, 0, 5, false))).toBe(true);
  });
});
