/**
 * Network masks in CIDR notation (RFC 4632, RFC 4291 section 2.3), and which addresses are in them. Pure.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { AnagateError } from '../../base/errors.ts';

type Family = 'ipv4' | 'ipv6';

const BITS = { ipv4: 32, ipv6: 128 } as const;

export interface NetworkMask {
  /** The one spelling: 192.0.2.0/24, 2001:db8::/64. */
  readonly text: string;
  readonly adrfam: Family;
  readonly prefix: number;
  /** The network's own bits, without those of hosts. */
  readonly bits: bigint;
}

/** Bits of hosts may be set and are left out; an address alone is a network of one. Throws INVALID_ARGUMENT. */
export function parseMask(text: string): NetworkMask {
  const [address = '', length, ...rest] = text.trim().split('/');
  const adrfam = familyOf(address);
  if (adrfam === null || rest.length > 0 || address.includes('%')) return refuseMask(text);
  const most = BITS[adrfam];
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return refuseMask(text);
  const prefix = length === undefined ? most : Number(length);
  if (prefix > most) return refuseMask(text);
  const bits = networkBits(address, adrfam, prefix);
  return { text: `${textOf(bits, adrfam)}/${prefix}`, adrfam, prefix, bits };
}

/** Whether it is a mask, as {@link parseMask} spells it. */
export function isMaskText(text: string): boolean {
  try {
    return parseMask(text).text === text;
  } catch {
    return false;
  }
}

/**
 * Whether hosts shall be able to reach a node at `address` because of `mask`. Loopback addresses are in a mask of loopback
 * addresses only, so that 0.0.0.0/0 means those that hosts can reach.
 */
export function isInMask({ adrfam, prefix, bits }: NetworkMask, address: string): boolean {
  if (familyOf(address) !== adrfam) return false;
  if (isLoopback(address) && !isLoopback(textOf(bits, adrfam))) return false;
  return networkBits(address, adrfam, prefix) === bits;
}

/** 0.0.0.0 and ::, which stand for all addresses of a node. */
export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** Every machine has all of 127.0.0.0/8, although interfaces list one address of it. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || canonicalAddress(address) === '::1';
}

/** fe80::/10: means nothing to a host without the name of an interface of its own. */
export function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address);
}

/** One spelling for each address, so that it is found again: IPv6 in its short form (RFC 5952), without a zone. */
export function canonicalAddress(address: string): string {
  if (!isIPv6(address)) return address;
  const [bare] = address.split('%');
  return new SocketAddress({ address: bare!, family: 'ipv6' }).address;
}

export function familyOf(address: string): Family | null {
  return isIPv4(address) ? 'ipv4' : isIPv6(address) ? 'ipv6' : null;
}

function refuseMask(text: string): never {
  throw new AnagateError(
    'INVALID_ARGUMENT',
    `"${text}" is not a network mask; write it as 192.0.2.0/24 or 2001:db8::/64`,
  );
}

function networkBits(address: string, adrfam: Family, prefix: number): bigint {
  const hostBits = BigInt(BITS[adrfam] - prefix);
  return (addressBits(address, adrfam) >> hostBits) << hostBits;
}

function addressBits(address: string, adrfam: Family): bigint {
  if (adrfam === 'ipv4') return joined(address.split('.').map(Number), 8n);
  return joined(groupsOf(canonicalAddress(address)), 16n);
}

function joined(parts: readonly number[], width: bigint): bigint {
  return parts.reduce((bits, part) => (bits << width) | BigInt(part), 0n);
}

/** The eight groups of an IPv6 address in its short form. */
function groupsOf(address: string): number[] {
  const [head = '', tail] = withoutDots(address).split('::');
  const numbers = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((part) => Number.parseInt(part, 16));
  const first = numbers(head);
  const last = tail === undefined ? [] : numbers(tail);
  return [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
}

/** ::ffff:192.0.2.1 ends with two groups in dots. */
function withoutDots(address: string): string {
  return address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...octets: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = octets.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
}

function textOf(bits: bigint, adrfam: Family): string {
  const [count, width, radix, separator] = adrfam === 'ipv4' ? [4, 8n, 10, '.'] : [8, 16n, 16, ':'];
  const parts = Array.from({ length: count as number }, (_, at) => {
    const shift = (width as bigint) * BigInt((count as number) - 1 - at);
    return ((bits >> shift) & ((1n << (width as bigint)) - 1n)).toString(radix as number);
  });
  return canonicalAddress(parts.join(separator as string));
}
