/** Where gateways are, as people type it: `gw-a,192.0.2.11:5501,[2001:db8::1]:5500`. */
import { isIPv6 } from 'node:net';
import { UsageError } from './arguments.ts';
import { MAX_PORT } from './commands/shared-options.ts';

export interface Server {
  /** A name, an IPv4 address, or an IPv6 address without brackets. */
  host: string;
  port: number;
}

/**
 * @param port of those that name none
 * @param source for messages: the option or the environment variable
 * @throws UsageError
 */
export function parseServers(text: string, port: number, source: string): Server[] {
  return text.split(',').map((entry) => parseServer(entry.trim(), port, source));
}

export function serverText({ host, port }: Server): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function parseServer(entry: string, port: number, source: string): Server {
  // More than one colon without brackets is an IPv6 address without a port.
  const match = /^\[([^[\]]+)\](?::(\d+))?$/.exec(entry) ?? /^([^:[\]]+)(?::(\d+))?$/.exec(entry);
  const host = match?.[1] ?? (isIPv6(entry) ? entry : '');
  const own = match?.[2] === undefined ? port : Number(match[2]);
  if (host !== '' && !/\s/.test(host) && own >= 1 && own <= MAX_PORT) return { host, port: own };
  throw new UsageError(
    `${source}: "${entry}" is not a gateway's address; write host, host:port or [IPv6]:port, several with commas between`,
  );
}
