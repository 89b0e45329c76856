/** Which addresses are a machine's own where any can be bound. */
import { expect, it } from 'vitest';
import { isOwnAddress } from '../../src/gateway/group/local-addresses.ts';

const FIB_TRIE = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     |-- 10.77.0.0
        /24 link UNICAST
Local:
           |-- 10.77.0.1
              /32 host LOCAL
           |-- 10.77.0.255
              /32 link BROADCAST
`;
const IF_INET6 = `00000000000000000000000000000001 01 80 10 80       lo
20010db8000000000000000000000007 03 40 00 c0       v0
`;

/** A machine whose sysctls for IPv4 and IPv6 are as given. */
function machine(bindsAny: '0' | '1', without: string[] = []) {
  const files: Record<string, string> = {
    '/proc/sys/net/ipv4/ip_nonlocal_bind': `${bindsAny}\n`,
    '/proc/sys/net/ipv6/ip_nonlocal_bind': `${bindsAny}\n`,
    '/proc/net/fib_trie': FIB_TRIE,
    '/proc/net/if_inet6': IF_INET6,
  };
  return async (path: string): Promise<string> => {
    if (without.includes(path)) throw new Error(`${path}: ENOENT`);
    return files[path]!;
  };
}

it.each([
  ['10.77.0.1', true],
  ['10.77.0.2', false],
  ['10.77.0.255', false],
  ['2001:db8::7', true],
  ['2001:db8:0:0::7', true],
  ['2001:db8::8', false],
])('%s: %s where any address can be bound', async (address, own) => {
  expect(await isOwnAddress(address, machine('1'))).toBe(own);
  // Then the answer to a bind is the answer.
  expect(await isOwnAddress(address, machine('0'))).toBe(true);
});

it('what cannot be read is taken as it seems', async () => {
  expect(await isOwnAddress('10.77.0.2', machine('1', ['/proc/net/fib_trie']))).toBe(true);
  expect(await isOwnAddress('10.77.0.2', machine('1', ['/proc/sys/net/ipv4/ip_nonlocal_bind']))).toBe(true);
  expect(await isOwnAddress('127.0.0.1')).toBe(true);
});
