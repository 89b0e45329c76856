/** What a failed RADOS or RBD operation says. */
import { constants } from 'node:os';

/** Linux numbers that Node's own table lacks, and the two names that Ceph gives to numbers of its own. */
const MORE_CODES: Record<number, string> = {
  85: 'ERESTART',
  107: 'ENOTCONN',
  108: 'EBLOCKLISTED',
  122: 'EDQUOT',
};

/** errno -> name; 108 (ESHUTDOWN) is Ceph's EBLOCKLISTED. */
const CODES = new Map<number, string>();
for (const [code, number] of Object.entries(constants.errno)) {
  if (!CODES.has(number)) CODES.set(number, code);
}
for (const [number, code] of Object.entries(MORE_CODES)) CODES.set(Number(number), code);

/** `EILSEQ` of a compare-and-write that found other bytes. */
export const EILSEQ: number = constants.errno.EILSEQ;
/** The client was fenced: its address is on the OSDs' blocklist. Linux calls the number ESHUTDOWN. */
export const EBLOCKLISTED = 108;

/** The name of a positive errno: `ENOENT`; `E<number>` when it has none here. */
export function errnoName(errno: number): string {
  return CODES.get(errno) ?? `E${errno}`;
}

/** A RADOS or RBD operation that failed. */
export class RadosError extends Error {
  /** `ENOENT`, `EBLOCKLISTED`, ... */
  readonly code: string;
  /** Positive Linux errno. */
  readonly errno: number;
  /** The library's call: `rbd_open`. */
  readonly operation: string;
  constructor(operation: string, errno: number, detail = '') {
    const code = errnoName(errno);
    super(`${operation}${detail === '' ? '' : ` (${detail})`}: ${code}`);
    this.name = 'RadosError';
    this.code = code;
    this.errno = errno;
    this.operation = operation;
  }
}

/** The addon is not there, or a library that it needs; the message says what to install. */
export class RadosUnavailableError extends Error {
  readonly code = 'ERR_RADOS_UNAVAILABLE';
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'RadosUnavailableError';
  }
}
