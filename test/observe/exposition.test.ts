import { describe, expect, it } from 'vitest';
import { escapeLabel, formatValue, sliced } from '../../src/observe/exposition.ts';

/** Lines that each take `costMs` of a clock of their own. */
function costly(count: number, costMs: number, length = 10) {
  let now = 0;
  function* lines(): Generator<string> {
    for (let i = 0; i < count; i++) {
      now += costMs;
      yield `${String(i).padEnd(length - 1, '.')}\n`;
    }
  }
  return { lines: lines(), nowMs: () => now };
}

describe('sliced', () => {
  it('ends a slice after about a millisecond, losing and reordering nothing', () => {
    const { lines, nowMs } = costly(10_000, 0.01);
    const slices: string[] = [];
    let before = nowMs();
    for (const slice of sliced(lines, nowMs)) {
      expect(nowMs() - before).toBeLessThanOrEqual(1.2);
      before = nowMs();
      slices.push(slice);
    }
    expect(slices.length).toBeGreaterThan(50);
    const numbers = slices
      .join('')
      .trimEnd()
      .split('\n')
      .map((line) => Number.parseInt(line, 10));
    expect(numbers).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
  });

  it('counts the time of a slice from its own start, not from the end of the one before', () => {
    const { lines, nowMs: own } = costly(1000, 0.01);
    let elsewhere = 0;
    const sizes: number[] = [];
    for (const slice of sliced(lines, () => own() + elsewhere)) {
      sizes.push(slice.split('\n').length - 1);
      elsewhere += 50;
    }
    expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThan(90);
  });

  it('ends a slice at 64 KiB however fast it was', () => {
    const { lines, nowMs } = costly(10_000, 0, 100);
    for (const slice of sliced(lines, nowMs)) expect(slice.length).toBeLessThan(68 * 1024);
  });

  it('gives nothing for nothing', () => {
    expect([...sliced([], () => 0)]).toEqual([]);
  });
});

describe('values and labels', () => {
  it('writes numbers as Prometheus reads them', () => {
    expect([0, 1.5, 1e-7, 1e21, Number.NaN, Infinity, -Infinity].map(formatValue)).toEqual([
      '0',
      '1.5',
      '1e-7',
      '1e+21',
      'NaN',
      '+Inf',
      '-Inf',
    ]);
  });

  it('escapes what would end a label early', () => {
    expect(escapeLabel('plain')).toBe('plain');
    expect(escapeLabel('a"b\\c\nd')).toBe('a\\"b\\\\c\\nd');
  });
});
