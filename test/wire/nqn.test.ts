import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkNqn,
  checkSubsystemNqn,
  DISCOVERY_NQN,
  NQN_MAX_BYTES,
  readNqn,
  writeNqn,
} from '../../src/wire/nqn.ts';

describe('checkNqn', () => {
  it.each([
    'nqn.2014-08.com.example:nvme:nvm-subsystem-sn-d78432',
    'nqn.2014-08.com.example:nvme.host.sys.xyz',
    'nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    'nqn.2014-08.org.nvmexpress:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6',
    'nqn.2016-06.io.spdk:cnode1.group_a',
    'nqn.2026-11.io.anagate:demo',
    'nqn.2014-08.localhost:x',
    'nqn.2014-08.com.3par:größe',
    DISCOVERY_NQN,
  ])('accepts %s', (nqn) => {
    expect(checkNqn(nqn)).toBeNull();
  });

  it.each([
    ['', 'empty'],
    ['iqn.2014-08.com.example:x', 'nqn.yyyy-mm.'],
    ['NQN.2014-08.com.example:x', 'nqn.yyyy-mm.'],
    ['nqn.14-08.com.example:x', 'nqn.yyyy-mm.'],
    ['nqn.2014-00.com.example:x', 'month'],
    ['nqn.2014-13.com.example:x', 'month'],
    ['nqn.2014-08:x', 'nqn.yyyy-mm.'],
    ['nqn.2014-08.:x', 'reverse domain'],
    ['nqn.2014-08.com..example:x', 'reverse domain'],
    ['nqn.2014-08.com.-example:x', 'reverse domain'],
    ['nqn.2014-08.com.exam ple:x', 'reverse domain'],
    [`nqn.2014-08.${'a'.repeat(64)}.com:x`, 'reverse domain'],
    ['nqn.2014-08.com.example', 'colon'],
    ['nqn.2014-08.com.example:', 'colon'],
    ['nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765', 'UUID'],
    ['nqn.2014-08.com.example:a\0b', 'control'],
    ['nqn.2014-08.com.example:a\nb', 'control'],
    ['nqn.2014-08.com.example:a\u0085b', 'control'],
    ['nqn.2014-08.com.example:\ud800', 'Unicode'],
  ])('refuses %j', (nqn, reason) => {
    expect(checkNqn(nqn)).toContain(reason);
  });

  it('counts bytes, not characters', () => {
    const prefix = 'nqn.2014-08.com.example:';
    const room = NQN_MAX_BYTES - prefix.length;
    expect(checkNqn(prefix + 'x'.repeat(room))).toBeNull();
    expect(checkNqn(prefix + 'x'.repeat(room + 1))).toContain('224 bytes');
    expect(checkNqn(prefix + 'ü'.repeat(Math.ceil((room + 1) / 2)))).toContain('bytes long');
  });

  it('keeps the discovery NQN from being a subsystem', () => {
    expect(checkSubsystemNqn(DISCOVERY_NQN)).toContain('discovery');
    expect(checkSubsystemNqn('nqn.2026-11.io.anagate:demo')).toBeNull();
  });
});

describe('readNqn', () => {
  const field = (text: string | Buffer): Buffer => {
    const buf = Buffer.alloc(300, 0);
    Buffer.from(text).copy(buf, 10);
    return buf;
  };

  it('reads up to the NUL', () => {
    expect(readNqn(field('nqn.2014-08.com.example:a'), 10)).toBe('nqn.2014-08.com.example:a');
    expect(readNqn(field(''), 10)).toBe('');
  });

  it('takes 223 bytes and no more', () => {
    expect(readNqn(field('a'.repeat(223)), 10)).toBe('a'.repeat(223));
    expect(readNqn(field('a'.repeat(224)), 10)).toBeNull();
  });

  it('refuses a field without a NUL, even when one follows outside', () => {
    expect(readNqn(field('a'.repeat(256)), 10)).toBeNull();
    expect(readNqn(field('abcd'), 10, 4)).toBeNull();
    expect(readNqn(Buffer.alloc(256, 0x61), 0)).toBeNull();
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(readNqn(field(Buffer.from([0x6e, 0x71, 0x6e, 0xc3, 0x28])), 10)).toBeNull();
  });

  it('returns what writeNqn wrote', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (text) => {
        const nqn = text.replaceAll('\0', '');
        const buf = Buffer.alloc(300, 0xff);
        writeNqn(nqn, buf, 20);
        expect(readNqn(buf, 20)).toBe(nqn);
        expect(buf[19]).toBe(0xff);
        expect(buf[276]).toBe(0xff);
        expect(buf.subarray(20 + Buffer.byteLength(nqn), 276).every((byte) => byte === 0)).toBe(true);
      }),
    );
    expect(() => writeNqn('x'.repeat(224), Buffer.alloc(256), 0)).toThrow(RangeError);
  });
});
