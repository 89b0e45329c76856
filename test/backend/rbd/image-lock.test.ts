import { describe, expect, it } from 'vitest';
import { isBlocklisted } from '../../../src/backend/rbd/image-lock.ts';

const list = (...addresses: string[]) => addresses.map((address) => ({ address, until: '' }));

describe('a locker on the blocklist', () => {
  it.each([
    ['its own entry', '192.0.2.1:0/5', ['192.0.2.2:0/5', '192.0.2.1:0/5'], true],
    ['whatever protocol is named', 'v1:192.0.2.1:0/5', ['v2:192.0.2.1:0/5'], true],
    ['the entry of its whole host', '192.0.2.1:0/5', ['192.0.2.1:0/0'], true],
    ['an IPv6 host', '[2001:db8::1]:0/5', ['[2001:db8::1]:0/0'], true],
    ['another client of its host', '192.0.2.1:0/5', ['192.0.2.1:0/50'], false],
    ['another host', '192.0.2.1:0/5', ['192.0.2.10:0/0'], false],
    ['nobody', '192.0.2.1:0/5', [], false],
  ])('%s', (_, address, entries, fenced) => {
    expect(isBlocklisted(address, list(...entries))).toBe(fenced);
  });
});
