/**
 * Encryption of the keys that the configuration holds: AES-256-GCM with the key of the group's key file. A sealed text is
 *
 *   sealed-1:<id of the key>:<base64 of nonce (12 bytes), ciphertext, tag (16 bytes)>
 *
 * and is bound to its place (record and field): copied to another it does not open.
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { AnagateError } from '../../base/errors.ts';

const FORMAT = 'sealed-1';
const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Hexadecimal digits of a key's id: enough to tell the keys of one site apart. */
const ID_DIGITS = 12;
const SEALED = new RegExp(`^${FORMAT}:([0-9a-f]{${ID_DIGITS}}):([A-Za-z0-9+/]+={0,2})$`);

/** Keys of one file: the present one, and some that are on their way in or out. */
const KEYS_MAX = 8;

/** What to do for a key file. */
export const MAKE_KEY_FILE =
  'make one with "openssl rand -base64 32 > FILE", readable by the gateway alone, give the same file to every gateway of the ' +
  'group, name it as encryption_key in [gateway] of the configuration file, and restart';

/** Where a sealed text belongs. */
export interface SealedPlace {
  /** Name of the record. */
  readonly record: string;
  /** Name of the field in the record's JSON. */
  readonly field: string;
}

export class SecretBox {
  /** Of the first key. An id tells keys apart; it says nothing about the key. */
  readonly keyId: string;
  /** Id -> key; the first is the one that secrets are to have. */
  readonly #keys: ReadonlyMap<string, Buffer>;
  readonly #random: (bytes: number) => Buffer;

  /**
   * @param keys the first is the one that secrets are to have, the others open what is sealed with them
   * @param random gives unpredictable bytes
   */
  constructor(keys: Buffer | readonly Buffer[], random: (bytes: number) => Buffer) {
    const all = Buffer.isBuffer(keys) ? [keys] : keys;
    this.#keys = new Map(all.map((key) => [idOf(key), key]));
    this.#random = random;
    this.keyId = idOf(all[0]!);
  }

  /**
   * With the keys that a key file holds, one per line: 32 bytes in base64 (also the URL alphabet) or in hexadecimal digits; lines that
   * begin with "#" say nothing. A file of 32 bytes is one key as it is.
   * @param path for messages
   * @throws AnagateError INVALID_ARGUMENT
   */
  static fromFile(content: Buffer, path: string, random: (bytes: number) => Buffer): SecretBox {
    return new SecretBox(keysOf(content, path), random);
  }

  /** In the order of the file. */
  get keyIds(): string[] {
    return [...this.#keys.keys()];
  }

  has(keyId: string): boolean {
    return this.#keys.has(keyId);
  }

  /** @param keyId one that it {@link has} */
  seal(text: string, place: SealedPlace, keyId = this.keyId): string {
    const nonce = this.#random(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#keys.get(keyId)!, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(placeBytes(place));
    const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `${FORMAT}:${keyId}:${sealed.toString('base64')}`;
  }

  /** @throws AnagateError KEY_REQUIRED: sealed with another key; STATE_CORRUPT: damaged, or made for another place */
  open(sealed: string, place: SealedPlace): string {
    const match = SEALED.exec(sealed);
    if (match === null) throw damaged(place);
    const [, keyId, base64] = match;
    const key = this.#keys.get(keyId!);
    if (key === undefined) throw otherKey(place, keyId!, this.keyIds);
    const bytes = Buffer.from(base64!, 'base64');
    if (bytes.length < NONCE_BYTES + TAG_BYTES) throw damaged(place);
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const tagAt = bytes.length - TAG_BYTES;
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(placeBytes(place)).setAuthTag(bytes.subarray(tagAt));
    try {
      return Buffer.concat([
        decipher.update(bytes.subarray(NONCE_BYTES, tagAt)),
        decipher.final(),
      ]).toString();
    } catch {
      throw damaged(place);
    }
  }
}

/** The id of the key that `text` was sealed with; null when it is no sealed text. */
export function sealedWith(text: string): string | null {
  return SEALED.exec(text)?.[1] ?? null;
}

function idOf(key: Buffer): string {
  return createHmac('sha256', key).update('anagate key id').digest('hex').slice(0, ID_DIGITS);
}

function keysOf(content: Buffer, path: string): Buffer[] {
  if (content.length === KEY_BYTES) return [content];
  const lines = content.toString('latin1').split('\n');
  const keys = lines.flatMap((line, at) => {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) return [];
    const key = keyOf(text);
    if (key === null) throw noKeyFile(path, `line ${at + 1} is no key`);
    return [key];
  });
  if (keys.length === 0) throw noKeyFile(path, 'there is no key in it');
  if (keys.length > KEYS_MAX) throw noKeyFile(path, `it has ${keys.length} keys, and ${KEYS_MAX} will do`);
  return keys;
}

function noKeyFile(path: string, reason: string): AnagateError {
  return new AnagateError(
    'INVALID_ARGUMENT',
    `${path} is no key file: ${reason}. A key has ${KEY_BYTES} bytes, in base64 or in hexadecimal, one per line. To have a new one: ` +
      `openssl rand -base64 ${KEY_BYTES} > ${path}`,
  );
}

function keyOf(text: string): Buffer | null {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, 'hex');
  // Node reads both alphabets.
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : null;
}

function placeBytes({ record, field }: SealedPlace): Buffer {
  return Buffer.from(`${record}\n${field}`);
}

function otherKey({ record, field }: SealedPlace, theirs: string, ours: string[]): AnagateError {
  return new AnagateError(
    'KEY_REQUIRED',
    `${field} of ${record} is encrypted with key ${theirs}, but this gateway's key file (encryption_key) has key ${ours.join(', ')}; ` +
      'give all gateways of the group the same file',
  );
}

function damaged({ record, field }: SealedPlace): AnagateError {
  return new AnagateError(
    'STATE_CORRUPT',
    `${field} of ${record} cannot be decrypted: it is damaged, or was made for another record. Set the key anew`,
  );
}
