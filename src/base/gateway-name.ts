/** Names of gateways: parts of record names and of messages, and what listeners are given. */
import { AnagateError } from './errors.ts';

/** Throws INVALID_ARGUMENT. */
export function requireGatewayName(name: string): void {
  if (/^[\w.-]{1,128}$/.test(name)) return;
  throw new AnagateError(
    'INVALID_ARGUMENT',
    `A gateway's name must be 1 to 128 letters, digits, ".", "_" and "-", not "${name}"`,
  );
}
