/** Whether this machine has an address, where its kernel lets programs bind any (sysctl ip_nonlocal_bind, as keepalived wants it). */
import { readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { canonicalAddress } from '../configuration/network-mask.ts';

export type ReadText = (path: string) => Promise<string>;

const readText: ReadText = (path) => readFile(path, 'latin1');

/** Whether an address that can be bound is the machine's own. */
export async function isOwnAddress(address: string, read: ReadText = readText): Promise<boolean> {
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  const bindsAny = await read(`/proc/sys/net/${family}/ip_nonlocal_bind`).catch(() => '0');
  if (bindsAny.trim() === '0') return true;
  const [path, addresses] = family === 'ipv4' ? FIB_TRIE : IF_INET6;
  // Unreadable: as it seems.
  const text = await read(path).catch(() => null);
  return text === null || addresses(text).has(canonicalAddress(address));
}

/** The kernel's local routes: `|-- 192.0.2.1`, and in the next line `/32 host LOCAL`. */
const FIB_TRIE = [
  '/proc/net/fib_trie',
  (text: string) => new Set([...text.matchAll(/\|-- ([\d.]+)\n\s+\/32 host LOCAL/g)].map(([, one]) => one!)),
] as const;

/** The addresses of all interfaces, each as the first 32 hexadecimal digits of a line. */
const IF_INET6 = [
  '/proc/net/if_inet6',
  (text: string) =>
    new Set([...text.matchAll(/^[0-9a-f]{32}/gm)].map(([digits]) => canonicalAddress(withColons(digits)))),
] as const;

function withColons(digits: string): string {
  return digits.match(/.{4}/g)!.join(':');
}
