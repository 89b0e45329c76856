import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/cli/arguments.ts';
import { formatSize, parseSize } from '../../src/cli/size.ts';

const MIB = 2 ** 20;

describe('parseSize', () => {
  it.each([
    ['1', MIB],
    ['512', 512 * MIB],
    ['1024K', MIB],
    ['1024kb', MIB],
    ['3M', 3 * MIB],
    ['3 MiB', 3 * MIB],
    ['10G', 10 * 2 ** 30],
    ['10GB', 10 * 2 ** 30],
    ['2T', 2 * 2 ** 40],
    ['7P', 7 * 2 ** 50],
    ['1048576B', MIB],
  ])('%s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each([
    '',
    '0',
    '0G',
    '-1',
    '1.5G',
    'G',
    '10X',
    '10E',
    '1000K',
    '1B',
    '8P',
    '99999999999999999999',
    '1e3',
    '0x10',
  ])('refuses "%s"', (text) => {
    expect(() => parseSize(text)).toThrow(UsageError);
  });
});

describe('formatSize', () => {
  it.each([
    [512, '512 Bytes'],
    [4096, '4 KiB'],
    [MIB, '1 MiB'],
    [1.5 * 2 ** 30, '1.5 GiB'],
    [2 ** 40, '1 TiB'],
    [2048 * 2 ** 50, '2048 PiB'],
  ])('%d', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});
