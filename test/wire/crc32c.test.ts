import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c, crc32cIsNative, crc32cJs, crc32cWhole } from '../../src/wire/crc32c.ts';

/** The bytes of the digest as they stand on the wire. */
const onWire = (crc: number): string => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(crc);
  return bytes.toString('hex');
};

/** RFC 3720 appendix B.4. */
const VECTORS: [string, Buffer, string][] = [
  ['32 bytes of zeroes', Buffer.alloc(32), 'aa36918a'],
  ['32 bytes of ones', Buffer.alloc(32, 0xff), '43aba862'],
  ['32 bytes incrementing', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), '4e79dd46'],
  ['32 bytes decrementing', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), '5cdb3f11'],
  [
    'an iSCSI Read (10) command',
    Buffer.from(
      '01c000000000000000000000000000001400000000000400000000140000001828000000000000000200000000000000',
      'hex',
    ),
    '563a96d9',
  ],
  ['123456789', Buffer.from('123456789'), '839206e3'],
  ['nothing', Buffer.alloc(0), '00000000'],
];

/** Bit by bit, straight from the definition. */
function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe('crc32c', () => {
  it.each(VECTORS)('of %s', (_name, bytes, digest) => {
    expect(onWire(crc32c(bytes, 0, bytes.length))).toBe(digest);
    expect(onWire(crc32cJs(bytes, 0, bytes.length))).toBe(digest);
    expect(onWire(crc32cWhole(bytes))).toBe(digest);
  });

  it('is the definition, for any length and place, in JavaScript and natively', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 3000, size: 'max' }),
        fc.nat(70),
        fc.nat(9),
        (bytes, before, after) => {
          const buf = Buffer.concat([Buffer.alloc(before, 0x11), bytes, Buffer.alloc(after, 0x22)]);
          const expected = slowCrc32c(bytes);
          expect(crc32cJs(buf, before, before + bytes.length)).toBe(expected);
          expect(crc32c(buf, before, before + bytes.length)).toBe(expected);
          expect(crc32cWhole(Buffer.from(bytes))).toBe(expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('goes on from a seed, wherever the bytes are cut', () => {
    const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 131) & 0xff));
    const whole = slowCrc32c(bytes);
    for (let cut = 0; cut <= bytes.length; cut += 37) {
      expect(crc32c(bytes, cut, bytes.length, crc32c(bytes, 0, cut))).toBe(whole);
      expect(crc32cJs(bytes, cut, bytes.length, crc32cJs(bytes, 0, cut))).toBe(whole);
      expect(crc32cWhole(bytes.subarray(cut), crc32cWhole(bytes.subarray(0, cut)))).toBe(whole);
    }
  });

  it('stays inside the memory of a pooled buffer', () => {
    const pooled = Buffer.from('x'.repeat(2000)); // a slice of the pool: byteOffset is not 0
    expect(crc32c(pooled, 500, 1500)).toBe(slowCrc32c(pooled.subarray(500, 1500)));
  });

  it('uses native code where npm brought it', () => {
    let installed = true;
    try {
      createRequire(import.meta.url).resolve('@node-rs/crc32');
    } catch {
      installed = false;
    }
    expect(crc32cIsNative).toBe(installed);
  });
});
