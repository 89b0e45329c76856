/** Checks of values that the management API brings. Each throws an AnagateError that says what is wrong and what is right. */
import { isIPv4, isIPv6 } from 'node:net';
import { isAbsolute } from 'node:path';
import { AnagateError, type ErrorCode } from '../../base/errors.ts';
import { LIMITS } from '../../limits.ts';
import { checkNqn, checkSubsystemNqn, DISCOVERY_NQN } from '../../wire/nqn.ts';
import { isUuid } from '../../wire/uuid.ts';
import { isLinkLocal } from '../configuration/network-mask.ts';
import type { ListenerSpec } from './requests.ts';

/** SN of Identify Controller: 20 ASCII characters, padded with spaces (NVMe base 2.0 section 5.17.2.1). */
const SERIAL = /^[\x21-\x7e](?:[\x20-\x7e]{0,18}[\x21-\x7e])?$/;
const NIL_UUID = '00000000-0000-0000-0000-000000000000';

export function refuse(code: ErrorCode, message: string): never {
  throw new AnagateError(code, message);
}

export function requireSubsystemNqn(nqn: string): void {
  const reason = checkSubsystemNqn(nqn);
  if (reason !== null) refuse('NQN_INVALID', `subsystem NQN "${nqn}" ${reason}`);
  // Record names join NQNs with underscores, see records.ts.
  if (nqn.includes('_'))
    refuse('NQN_INVALID', `subsystem NQN "${nqn}" contains an underscore; use "-" or "." instead`);
}

/** A host's NQN, or '*' for any host. */
export function requireHostNqn(hostNqn: string): void {
  if (hostNqn === '*') return;
  const reason = hostNqn === DISCOVERY_NQN ? 'is the well-known discovery NQN' : checkNqn(hostNqn);
  if (reason !== null) refuse('NQN_INVALID', `host NQN "${hostNqn}" ${reason}`);
}

export function requireSerial(serial: string): void {
  if (SERIAL.test(serial)) return;
  refuse(
    'INVALID_ARGUMENT',
    `serial number "${serial}" must be 1 to 20 printable ASCII characters without a space at either end`,
  );
}

export function requireMaxNamespaces(count: number, most: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= most) return;
  refuse('INVALID_ARGUMENT', `the greatest number of namespaces must be from 1 to ${most}, not ${count}`);
}

export function requireNsid(nsid: number, maxNamespaces: number): void {
  if (Number.isInteger(nsid) && nsid >= 1 && nsid <= maxNamespaces) return;
  refuse(
    'INVALID_ARGUMENT',
    `namespace ID ${nsid} is not from 1 to ${maxNamespaces}, which this subsystem allows`,
  );
}

export function requireUuid(uuid: string): void {
  if (!isUuid(uuid))
    refuse('INVALID_ARGUMENT', `"${uuid}" is not a UUID such as 5d2b2a3e-57a7-4a2e-9f8e-0c6d3a1b4c5d`);
  // NVMe base 2.0 section 5.17.2.3: an identifier of zeroes means that there is none.
  if (uuid === NIL_UUID) refuse('INVALID_ARGUMENT', 'a UUID of zeroes means "none" to hosts; choose another');
}

export function requireBlockSize(bytes: number): asserts bytes is 512 | 4096 {
  if (bytes !== 512 && bytes !== 4096)
    refuse('INVALID_ARGUMENT', `block size ${bytes} is not supported; use 512 or 4096`);
}

export function requireSize(sizeBytes: number, blockSize: number): void {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < blockSize) {
    refuse('SIZE_INVALID', `a size of ${sizeBytes} bytes is less than one block of ${blockSize} bytes`);
  }
  if (sizeBytes % blockSize !== 0) {
    refuse(
      'SIZE_INVALID',
      `a size of ${sizeBytes} bytes is not a multiple of the block size of ${blockSize} bytes`,
    );
  }
  if (sizeBytes > LIMITS.maxNamespaceBytes) {
    refuse(
      'SIZE_INVALID',
      `a size of ${sizeBytes} bytes is more than the greatest, ${LIMITS.maxNamespaceBytes} bytes`,
    );
  }
}

export function requireAnaGroup(groupId: number): void {
  if (Number.isInteger(groupId) && groupId >= 1 && groupId <= LIMITS.maxAnaGroups) return;
  refuse('INVALID_ARGUMENT', `load balancing group ${groupId} is not from 1 to ${LIMITS.maxAnaGroups}`);
}

export function requireFilePath(path: string): void {
  if (!isAbsolute(path))
    refuse('INVALID_ARGUMENT', `path "${path}" must be absolute: the gateway runs elsewhere`);
  if (path.includes('\0')) refuse('INVALID_ARGUMENT', 'the path contains a NUL character');
  if (path.endsWith('/')) refuse('INVALID_ARGUMENT', `path "${path}" names a directory; name a file`);
}

/** A name that `rbd` can take as one part of `pool/namespace/image@snapshot`. */
export function requireImageName(what: string, name: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (name !== '' && name.length <= 255 && !/[/@\x00-\x1f]/.test(name)) return;
  refuse('INVALID_ARGUMENT', `"${name}" is not the name of ${/^[aeiou]/.test(what) ? 'an' : 'a'} ${what}`);
}

export function requirePort(port: number): void {
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return;
  refuse('INVALID_ARGUMENT', `port ${port} is not from 1 to 65535`);
}

export function requireListener(spec: ListenerSpec): void {
  const fits = spec.adrfam === 'ipv4' ? isIPv4(spec.traddr) : isIPv6(spec.traddr);
  if (!fits)
    refuse(
      'INVALID_ARGUMENT',
      `"${spec.traddr}" is not an ${spec.adrfam === 'ipv4' ? 'IPv4' : 'IPv6'} address`,
    );
  if (isLinkLocal(spec.traddr)) {
    refuse(
      'INVALID_ARGUMENT',
      `${spec.traddr} is a link-local address, which hosts cannot be told: it needs the name of an interface of theirs; use a global or a unique local one`,
    );
  }
  if (spec.traddr.includes('%'))
    refuse('INVALID_ARGUMENT', `"${spec.traddr}" names an interface; leave that out`);
  requirePort(spec.trsvcid);
  if (!/^[\w.*-]{0,253}$/.test(spec.hostName))
    refuse('INVALID_ARGUMENT', `"${spec.hostName}" is not a host name`);
}
