import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatNguid, formatUuid, isUuid, nguidOfUuid, parseUuid, randomUuid } from '../../src/wire/uuid.ts';

const TEXT = 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6';
const BYTES = Buffer.from([
  0xf8, 0x1d, 0x4f, 0xae, 0x7d, 0xec, 0x11, 0xd0, 0xa7, 0x65, 0x00, 0xa0, 0xc9, 0x1e, 0x6b, 0xf6,
]);

describe('uuid', () => {
  it('is written in the order of its digits', () => {
    expect(parseUuid(TEXT)).toEqual(BYTES);
    expect(parseUuid(TEXT.toUpperCase())).toEqual(BYTES);
    expect(formatUuid(BYTES)).toBe(TEXT);
    expect(formatUuid(Buffer.concat([Buffer.alloc(3), BYTES]), 3)).toBe(TEXT);
  });

  it.each(['', 'f81d4fae7dec11d0a76500a0c91e6bf6', `${TEXT} `, `${TEXT}0`, TEXT.replace('f8', 'g8')])(
    'refuses %j',
    (text) => {
      expect(isUuid(text)).toBe(false);
      expect(parseUuid(text)).toBeNull();
      expect(nguidOfUuid(text)).toBeNull();
    },
  );

  it('refuses a short buffer', () => {
    expect(() => formatUuid(BYTES, 1)).toThrow(RangeError);
    expect(() => formatNguid(BYTES.subarray(1))).toThrow(RangeError);
  });

  it('survives the round trip', () => {
    fc.assert(
      fc.property(fc.uuid(), (text) => {
        expect(formatUuid(parseUuid(text)!)).toBe(text.toLowerCase());
      }),
    );
  });

  it('makes version 4 from whatever the random source gives', () => {
    expect(randomUuid((bytes) => bytes.fill(0xff))).toBe('ffffffff-ffff-4fff-bfff-ffffffffffff');
    expect(randomUuid((bytes) => bytes.fill(0))).toBe('00000000-0000-4000-8000-000000000000');
  });

  it('gives the NGUID the bytes of the UUID', () => {
    expect(nguidOfUuid(TEXT)).toEqual(BYTES);
    expect(formatNguid(BYTES)).toBe('F81D4FAE7DEC11D0A76500A0C91E6BF6');
  });
});
