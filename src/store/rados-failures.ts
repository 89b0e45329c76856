/** What RADOS errors mean for the shared configuration. */
import { AnagateError } from '../base/errors.ts';

/** The operation was refused and will not come true later. */
const CERTAIN = new Set([
  'EPERM',
  'EACCES',
  'ENOENT',
  'ENOSPC',
  'EDQUOT',
  'EROFS',
  'EINVAL',
  'E2BIG',
  'EOPNOTSUPP',
]);

export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null)?.code;
}

/** Whether a write that failed so has certainly not been done. */
export function isCertain(error: Error): boolean {
  return CERTAIN.has(codeOf(error) ?? '');
}

/** The error of a read for people. An AnagateError stays as it is. */
export function errorOfRead(error: unknown, object: string): AnagateError {
  if (error instanceof AnagateError) return error;
  if (codeOf(error) === 'ENOENT') {
    return new AnagateError(
      'STATE_CORRUPT',
      `RADOS object ${object} with the configuration of the group is gone. Restore it from a backup; if the configuration may ` +
        'be empty, start the gateways anew',
      { cause: error },
    );
  }
  return new AnagateError(
    'INTERNAL',
    `RADOS object ${object} cannot be read: ${(error as Error).message}. ${adviceFor(error)}`,
    { cause: error },
  );
}

export function errorOfWrite(error: Error, object: string): AnagateError {
  if (codeOf(error) === 'ENOENT') return errorOfRead(error, object);
  return new AnagateError(
    'STATE_WRITE_FAILED',
    `RADOS object ${object} cannot be written: ${error.message}. ${adviceFor(error)}. Nothing was changed`,
    { cause: error },
  );
}

export function unknownOutcome(error: Error, object: string): AnagateError {
  return new AnagateError(
    'INTERNAL',
    `RADOS object ${object} cannot be written: ${error.message}. ${adviceFor(error)}. Whether the change was made is not known: ` +
      'look before you try again',
    { cause: error },
  );
}

function adviceFor(error: unknown): string {
  switch (codeOf(error)) {
    case 'EPERM':
    case 'EACCES':
      return "The gateway's Ceph user needs the caps mon 'profile rbd' and osd 'profile rbd pool=POOL'";
    case 'EBLOCKLISTED':
      return 'This gateway is fenced (ceph osd blocklist ls)';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'The pool is full';
    default:
      return 'Look at the cluster with "ceph -s", then try again';
  }
}
