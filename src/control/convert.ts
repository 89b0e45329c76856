/** Values of the API <-> values of the gateway. What cannot be converted is refused with an AnagateError. */
import { isIPv4, isIPv6 } from 'node:net';
import { AnagateError } from '../base/errors.ts';
import type { GatewayInfo } from '../gateway/gateway-api.ts';
import type { ListenerSpec } from '../gateway/plans/requests.ts';
import { LIMITS } from '../limits.ts';
import type { AddressFamily, AnaState, GwLogLevel, Int64 } from './gateway-types.ts';

export const MIB = 1024 * 1024;

/** Any subsystem, in the requests that list. */
const ANY = '*';

/**
 * A count of bytes (or of `unit` bytes) as a number of bytes.
 * @throws AnagateError SIZE_INVALID when it is not positive, or is 2^53 or more
 */
export function toBytes(value: Int64, unit = 1): number {
  const bytes = Number(value) * unit;
  if (bytes <= 0) throw new AnagateError('SIZE_INVALID', 'the size must be more than 0');
  if (!Number.isSafeInteger(bytes)) {
    const greatest = `the greatest is ${LIMITS.maxNamespaceBytes} bytes`;
    throw new AnagateError(
      'SIZE_INVALID',
      `the size ${value}${unit === MIB ? ' MiB' : ''} is too large; ${greatest}`,
    );
  }
  return bytes;
}

/** The filter of a list request: '' and '*' mean every subsystem. */
export function toNqnFilter(nqn: string): string | undefined {
  return nqn === '' || nqn === ANY ? undefined : nqn;
}

/** @throws AnagateError INVALID_ARGUMENT for '' */
export function requireNqn(nqn: string): string {
  if (nqn === '') throw new AnagateError('INVALID_ARGUMENT', 'the subsystem NQN is missing');
  return nqn;
}

/** @throws AnagateError INVALID_ARGUMENT for 0 */
export function requireNsid(nsid: number): number {
  if (nsid === 0)
    throw new AnagateError('INVALID_ARGUMENT', 'the namespace ID is missing; give one from 1 up');
  return nsid;
}

/** What a listener request says about an address. */
interface ListenerAddress {
  nqn: string;
  host_name: string;
  traddr: string;
  adrfam?: AddressFamily;
  trsvcid?: number;
}

/**
 * The listener that a request means: an empty host name is the asked gateway's, an absent port 4420, an absent address
 * family that of the address, which may be in brackets.
 * @throws AnagateError INVALID_ARGUMENT
 */
export function toListenerSpec(request: ListenerAddress, gateway: GatewayInfo): ListenerSpec {
  const nqn = requireNqn(request.nqn);
  const traddr = request.traddr.replace(/^\[(.*)\]$/, '$1');
  if (traddr === '') throw new AnagateError('INVALID_ARGUMENT', 'the IP address (traddr) is missing');
  const port = request.trsvcid ?? LIMITS.defaultListenPort;
  if (port < 1 || port > 65535)
    throw new AnagateError('INVALID_ARGUMENT', `port ${port} is not from 1 to 65535`);
  return {
    nqn,
    hostName: request.host_name === '' ? gateway.hostname : request.host_name,
    traddr,
    adrfam: toAddressFamily(traddr, request.adrfam),
    trsvcid: port,
  };
}

function toAddressFamily(traddr: string, asked: AddressFamily | undefined): 'ipv4' | 'ipv6' {
  const adrfam = asked ?? (isIPv6(traddr) ? 'ipv6' : 'ipv4');
  if (adrfam === 'ipv4' && isIPv4(traddr)) return 'ipv4';
  if (adrfam === 'ipv6' && isIPv6(traddr)) return 'ipv6';
  const wanted = adrfam === 'ipv4' ? 'an IPv4 address' : adrfam === 'ipv6' ? 'an IPv6 address' : undefined;
  if (wanted === undefined) throw new AnagateError('INVALID_ARGUMENT', `unknown address family ${adrfam}`);
  throw new AnagateError('INVALID_ARGUMENT', `"${traddr}" is not ${wanted}`);
}

/** As ceph-nvmeof's SPDK spells it in get_subsystems. */
export function toAdrfamText(adrfam: 'ipv4' | 'ipv6'): string {
  return adrfam === 'ipv4' ? 'IPv4' : 'IPv6';
}

const ANA_STATES = {
  optimized: 'OPTIMIZED',
  'non-optimized': 'NON_OPTIMIZED',
  inaccessible: 'INACCESSIBLE',
} as const satisfies Record<string, AnaState>;

export function toAnaState(state: keyof typeof ANA_STATES): AnaState {
  return ANA_STATES[state];
}

/** The API's log levels and the log's, from the chattiest. */
const LOG_LEVELS = [
  ['notset', 'trace'],
  ['debug', 'debug'],
  ['info', 'info'],
  ['warning', 'warn'],
  ['error', 'error'],
  ['critical', 'fatal'],
] as const;

/** @throws AnagateError INVALID_ARGUMENT for a level that this version does not know */
export function fromGwLogLevel(level: GwLogLevel): string {
  const pair = LOG_LEVELS.find(([api]) => api === level);
  if (pair === undefined) throw new AnagateError('INVALID_ARGUMENT', `unknown log level ${level}`);
  return pair[1];
}

/** @throws AnagateError INTERNAL when the log has a level of its own making */
export function toGwLogLevel(level: string): GwLogLevel {
  const pair = LOG_LEVELS.find(([, log]) => log === level);
  if (pair === undefined)
    throw new AnagateError('INTERNAL', `the log level "${level}" has no name in the API`);
  return pair[0];
}

/** A request's fields that ask for what is not there yet, each with the words for it. */
type FeatureNames<T> = { readonly [K in keyof T]?: string };

/**
 * Refuses a request that asks for more than is supported, rather than doing only a part of it.
 * @throws AnagateError NOT_SUPPORTED naming the field
 */
export function refuseFeatures<T extends object>(request: T, features: FeatureNames<T>): void {
  for (const field of Object.keys(features) as (keyof T & string)[]) {
    if (asksFor(request[field])) {
      throw new AnagateError(
        'NOT_SUPPORTED',
        `${features[field]} (${field}) is not supported yet; leave it out`,
      );
    }
  }
}

/** Whether a field is there and is not its type's "no": an empty list or text, false, 0 or an enumeration's zero. */
function asksFor(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return value !== undefined && value !== '' && value !== false && value !== 0 && value !== 'no_algorithm';
}
