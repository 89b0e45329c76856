/**
 * UUIDs (RFC 9562) as text and as the 16 bytes that NVMe puts on the wire, and the NGUID made from them.
 * Byte order is the text's: the first two digits are byte 0 (Identify descriptor NIDT 3h, hostid).
 */

/** Size of a UUID and of an NGUID. */
export const UUID_BYTES = 16;

const UUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Fills a buffer with random bytes; `crypto.randomFillSync` fits. */
export type RandomFill = (bytes: Buffer) => unknown;

/** Whether `text` is the 36-character form; any version and variant, either case. */
export function isUuid(text: string): boolean {
  return UUID_TEXT.test(text);
}

/** The 16 bytes of a UUID in text form, or null when `text` is not one. */
export function parseUuid(text: string): Buffer | null {
  return isUuid(text) ? Buffer.from(text.replaceAll('-', ''), 'hex') : null;
}

/** The lower-case text form of the 16 bytes at `offset`. */
export function formatUuid(bytes: Buffer, offset = 0): string {
  if (offset < 0 || offset + UUID_BYTES > bytes.length) throw new RangeError('a UUID is 16 bytes');
  const hex = bytes.toString('hex', offset, offset + UUID_BYTES);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** A new version 4 (random) UUID in text form. */
export function randomUuid(fill: RandomFill): string {
  const bytes = Buffer.alloc(UUID_BYTES);
  fill(bytes);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40; // RFC 9562 section 5.4: version 4
  bytes[8] = (bytes[8]! & 0x3f) | 0x80; // variant 10b
  return formatUuid(bytes);
}

/**
 * The NGUID of a namespace: the same 16 bytes as its UUID. SPDK, and with it ceph-nvmeof, does so, and a rule
 * without state keeps the NGUID stable across gateways and restarts. Null when `uuid` is not a UUID.
 */
export function nguidOfUuid(uuid: string): Buffer | null {
  return parseUuid(uuid);
}

/** An NGUID as ceph-nvmeof shows it: 32 upper-case hexadecimal digits. */
export function formatNguid(nguid: Buffer): string {
  if (nguid.length !== UUID_BYTES) throw new RangeError('an NGUID is 16 bytes');
  return nguid.toString('hex').toUpperCase();
}
