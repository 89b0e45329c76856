/**
 * The text forms of keys, checked: DH-HMAC-CHAP secrets (NVMe base 2.1 section 8.3.5.5.8) and TLS pre-shared keys in
 * interchange format (NVMe/TCP 1.1 section 3.6.1.5). Both are `<name>:<hash>:<base64 of key and CRC-32>:`. A complaint never
 * shows the key.
 */
import { crc32 } from 'node:zlib';
import { refuse } from './validation.ts';

interface KeyFormat {
  readonly name: string;
  /** Two digits -> key lengths that they allow, bytes. */
  readonly hashes: Readonly<Record<string, readonly number[]>>;
  /** How to make one. */
  readonly make: string;
}

const DHCHAP: KeyFormat = {
  name: 'DHHC-1',
  hashes: { '00': [32, 48, 64], '01': [32], '02': [48], '03': [64] },
  make: 'nvme gen-dhchap-key',
};

const PSK: KeyFormat = {
  name: 'NVMeTLSkey-1',
  hashes: { '00': [32, 48], '01': [32], '02': [48] },
  make: 'nvme gen-tls-key',
};

const CRC_BYTES = 4;
/** The longest is 64 bytes and the checksum, in base64. */
const TEXT_MAX = 128;

/** @param what for messages: "the DH-HMAC-CHAP key of host ..." */
export function requireDhchapKey(text: string, what: string): void {
  requireKey(text, what, DHCHAP);
}

export function requirePsk(text: string, what: string): void {
  requireKey(text, what, PSK);
}

function requireKey(text: string, what: string, { name, hashes, make }: KeyFormat): void {
  const wrong = (reason: string): never =>
    refuse('INVALID_ARGUMENT', `${what} cannot be used: ${reason}. "${make}" makes one`);
  if (text === '') wrong('it is empty');
  if (text.length > TEXT_MAX) refuse('LIMIT_EXCEEDED', `${what} is longer than any key of this form`);
  const parts = text.split(':');
  if (parts[0] !== name) wrong(`it does not begin with "${name}:"`);
  if (parts.length !== 4 || parts[3] !== '') wrong(`it is not of the form ${name}:<hash>:<base64>:`);
  const lengths = hashes[parts[1]!];
  if (lengths === undefined) wrong(`its hash is none of ${Object.keys(hashes).join(', ')}`);
  const base64 = parts[2]!;
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64))
    wrong('its third part is not base64');
  const bytes = Buffer.from(base64, 'base64');
  const key = bytes.subarray(0, Math.max(bytes.length - CRC_BYTES, 0));
  if (!lengths!.includes(key.length)) {
    wrong(`it has ${key.length} bytes where hash ${parts[1]} needs ${lengths!.join(' or ')}`);
  }
  if (crc32(key) !== bytes.readUInt32LE(key.length))
    wrong('its checksum is wrong: a part of it was changed or lost');
}
