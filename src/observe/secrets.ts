/**
 * Keeps secrets out of the logs, twice: by the name of a field, whatever its depth, and by the shape of the text, wherever
 * it stands (in a message, in an error's text, in an argument list).
 */

const REDACTED = '[redacted]';

/** Field names whose text is a secret. `pskConfigured: true` stays readable: only strings and bytes are taken out. */
const SECRET_NAME = /psk|secret|passphrase|password|dhchap|private_?key|^key$/i;

/** Deeper fields than this are left out: a log line is not a dump. */
const DEPTH_MAX = 6;

const SECRET_SHAPES: readonly RegExp[] = [
  // TLS PSK interchange format, NVMe/TCP 1.1 section 3.6.1.5; the DH-HMAC-CHAP secret, NVMe base 2.1 section 8.3.5.5.8
  /(?:NVMeTLSkey-1|DHHC-1):[0-9]{2}:[A-Za-z0-9+/=]+:?/g,
  // A cephx key: type, time and 16 bytes, always 40 characters
  /(?<![A-Za-z0-9+/])AQ[A-Za-z0-9+/]{36}==/g,
  // A private key in PEM; line ends may be escaped, as in JSON
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
];

/** `line` without anything that looks like a key. */
export function redactText(line: string): string {
  let text = line;
  for (const shape of SECRET_SHAPES) text = text.replace(shape, REDACTED);
  return text;
}

/** `fields` without the values of fields that hold secrets. The argument is not changed; without secrets it is returned as it is. */
export function redactFields(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return redactObject(fields, 0);
}

function redactObject(
  object: Readonly<Record<string, unknown>>,
  depth: number,
): Readonly<Record<string, unknown>> {
  let copy: Record<string, unknown> | undefined;
  for (const name of Object.keys(object)) {
    const value = object[name];
    const redacted = SECRET_NAME.test(name) ? hide(value) : redactValue(value, depth + 1);
    if (redacted === value) continue;
    copy ??= { ...object };
    copy[name] = redacted;
  }
  return copy ?? object;
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Error) return value;
  if (depth > DEPTH_MAX) return '[deep]';
  if (Array.isArray(value)) {
    const redacted = value.map((item) => redactValue(item, depth + 1));
    return redacted.some((item, at) => item !== value[at]) ? redacted : value;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  return redactObject(value as Record<string, unknown>, depth);
}

/** Flags and counts tell no secret; the empty string says that there is none. */
function hide(value: unknown): unknown {
  return typeof value === 'boolean' || typeof value === 'number' || value == null || value === ''
    ? value
    : REDACTED;
}
