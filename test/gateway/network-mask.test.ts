import { describe, expect, it } from 'vitest';
import { canonicalAddress, isInMask, parseMask } from '../../src/gateway/configuration/network-mask.ts';

describe('a network mask', () => {
  it.each([
    ['192.0.2.0/24', '192.0.2.0/24'],
    ['192.0.2.77/24', '192.0.2.0/24'],
    ['192.0.2.77', '192.0.2.77/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['10.255.255.255/9', '10.128.0.0/9'],
    ['2001:DB8:0:0:1::5/64', '2001:db8::/64'],
    ['2001:db8::1', '2001:db8::1/128'],
    ['::/0', '::/0'],
    ['fd00:1:2:3:4:5:6:7/127', 'fd00:1:2:3:4:5:6:6/127'],
  ])('%s is %s', (text, canonical) => {
    expect(parseMask(text).text).toBe(canonical);
    expect(parseMask(canonical)).toEqual(parseMask(text));
  });

  it.each([
    '',
    '/24',
    'eth0',
    '192.0.2.0/33',
    '192.0.2/24',
    '2001:db8::/129',
    '192.0.2.0/24/1',
    '1.2.3.4/x',
    'fe80::1%eth0/64',
  ])('"%s" is none', (text) => {
    expect(() => parseMask(text)).toThrow(/is not a network mask; write it as/);
  });

  it.each([
    ['192.0.2.0/24', '192.0.2.255', true],
    ['192.0.2.0/24', '192.0.3.0', false],
    ['192.0.2.0/24', '2001:db8::1', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '127.0.0.1', false],
    ['127.0.0.0/8', '127.0.0.9', true],
    ['::/0', '::1', false],
    ['::1/128', '::1', true],
    ['2001:db8::/64', '2001:db8::a:b:c:d', true],
    ['2001:db8::/64', '2001:db8:0:1::', false],
    ['::ffff:192.0.2.0/120', '::ffff:192.0.2.9', true],
  ])('%s and %s: %s', (mask, address, within) => {
    expect(isInMask(parseMask(mask), address)).toBe(within);
  });

  it('addresses have one spelling', () => {
    expect(canonicalAddress('2001:DB8:0::0001')).toBe('2001:db8::1');
    expect(canonicalAddress('fe80::1%eth0')).toBe('fe80::1');
    expect(canonicalAddress('192.0.2.1')).toBe('192.0.2.1');
  });
});
