/**
 * NVMe Qualified Names: the text rules and the 256-byte field that carries them (NVMe base 2.0 section 4.5).
 *
 * The underscore is a legal character of a name. Stores that join names into keys must escape or length-prefix
 * them; ceph-nvmeof forbids the underscore only because its keys use it as the separator.
 */
import { isUtf8 } from 'node:buffer';
import { isUuid } from './uuid.ts';

/** Longest NQN in bytes of UTF-8, terminating NUL not counted. */
export const NQN_MAX_BYTES = 223;
/** Size of every NQN field on the wire (Connect data, Identify Controller, discovery log). */
export const NQN_FIELD_BYTES = 256;
/** The well-known discovery subsystem (NVMe base 2.0 section 4.5, NVMe-oF). */
export const DISCOVERY_NQN = 'nqn.2014-08.org.nvmexpress.discovery';

const UUID_NQN_PREFIX = 'nqn.2014-08.org.nvmexpress:uuid:';
const DATE_AND_DOMAIN = /^nqn\.[0-9]{4}-(?:0[1-9]|1[0-2])\.([^:]*)/;
const LONE_SURROGATE = /\p{Surrogate}/u;
/** One label of a domain name (RFC 1034 section 3.5, with the leading digit that RFC 1123 allows). */
const LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

/**
 * Why `nqn` is not a valid NVMe Qualified Name, or null when it is one. Accepts both forms of the specification,
 * `nqn.yyyy-mm.reverse.domain:string` and `nqn.2014-08.org.nvmexpress:uuid:<uuid>`, and the discovery NQN.
 */
export function checkNqn(nqn: string): string | null {
  if (nqn.length === 0) return 'is empty';
  const bytes = Buffer.byteLength(nqn, 'utf8');
  if (bytes > NQN_MAX_BYTES) return `is ${bytes} bytes long, at most ${NQN_MAX_BYTES} are allowed`;
  if (LONE_SURROGATE.test(nqn)) return 'is not valid Unicode';
  if (hasControlCharacter(nqn)) return 'contains a control character';
  if (nqn === DISCOVERY_NQN) return null;
  if (nqn.startsWith(UUID_NQN_PREFIX)) {
    return isUuid(nqn.slice(UUID_NQN_PREFIX.length)) ? null : `must end in a UUID after "${UUID_NQN_PREFIX}"`;
  }
  const match = DATE_AND_DOMAIN.exec(nqn);
  if (match === null) return 'must start with "nqn.yyyy-mm." (a year and a month from 01 to 12)';
  const domain = match[1] ?? '';
  if (!domain.split('.').every((label) => LABEL.test(label))) {
    return `must name a reverse domain such as "com.example" after the date, not "${domain}"`;
  }
  const name = nqn.slice(match[0].length);
  if (name.length < 2) return 'must have a name after a colon, as in "nqn.2026-01.com.example:storage"';
  return null;
}

/** As {@link checkNqn}, for the NQN of an NVM subsystem: the well-known discovery NQN is refused too. */
export function checkSubsystemNqn(nqn: string): string | null {
  return nqn === DISCOVERY_NQN ? 'is the well-known discovery NQN' : checkNqn(nqn);
}

/**
 * The NUL-terminated NQN in the `fieldBytes` bytes at `offset`, without checking its form ('' for an empty
 * field). Null when it is not terminated inside the field, longer than 223 bytes, or not UTF-8: a lossy decode
 * could make two different names equal.
 */
export function readNqn(buf: Buffer, offset: number, fieldBytes: number = NQN_FIELD_BYTES): string | null {
  const end = buf.indexOf(0, offset);
  if (end < 0 || end >= offset + fieldBytes || end - offset > NQN_MAX_BYTES) return null;
  const bytes = buf.subarray(offset, end);
  return isUtf8(bytes) ? bytes.toString('utf8') : null;
}

/** Writes `nqn` NUL-padded into the `fieldBytes` bytes at `offset`. Throws RangeError when it is longer than 223 bytes. */
export function writeNqn(
  nqn: string,
  buf: Buffer,
  offset: number,
  fieldBytes: number = NQN_FIELD_BYTES,
): void {
  if (Buffer.byteLength(nqn, 'utf8') > Math.min(NQN_MAX_BYTES, fieldBytes - 1)) {
    throw new RangeError(`NQN longer than ${NQN_MAX_BYTES} bytes`);
  }
  const written = buf.write(nqn, offset, 'utf8');
  buf.fill(0, offset + written, offset + fieldBytes);
}

/** C0 controls (NUL among them), DEL and C1 controls. */
function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || (unit >= 0x7f && unit <= 0x9f)) return true;
  }
  return false;
}
