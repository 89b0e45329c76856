/**
 * Omap keys and values from a file: a JSON object `{key: value}`, values as they are or as texts, or what
 * `rados listomapvals` prints. Pure.
 */
import { AnagateError } from '../../base/errors.ts';

/** @throws AnagateError INVALID_ARGUMENT naming the line that cannot be read */
export function parseOmapDump(text: string): Map<string, string> {
  return text.trimStart().startsWith('{') ? parseJson(text) : parseListing(text);
}

function parseJson(text: string): Map<string, string> {
  let object: unknown;
  try {
    object = JSON.parse(text);
  } catch (error) {
    throw new AnagateError('INVALID_ARGUMENT', `the file is no JSON: ${(error as Error).message}`);
  }
  return new Map(
    Object.entries(object as Record<string, unknown>).map(([key, value]) => [
      key,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );
}

/** A key, `value (N bytes) :`, lines of a hexadecimal dump (`*`: as the line before, up to the next offset), the length. */
function parseListing(text: string): Map<string, string> {
  const entries = new Map<string, string>();
  const lines = text.split('\n');
  let at = 0;
  while (at < lines.length) {
    const key = lines[at]!.trim();
    at += 1;
    if (key === '') continue;
    const length = /^value \((\d+) bytes\) :$/.exec(lines[at]?.trim() ?? '')?.[1];
    if (length === undefined) throw wrong(at, 'after a key must come "value (... bytes) :"');
    at += 1;
    const value = new HexDump(Number(length));
    while (at < lines.length && value.take(lines[at]!, at)) at += 1;
    entries.set(key, value.text(at));
  }
  return entries;
}

class HexDump {
  readonly #bytes: Buffer;
  #filled = 0;
  #last: Buffer = Buffer.alloc(16);

  constructor(length: number) {
    this.#bytes = Buffer.alloc(length);
  }

  /** False for a line that is no part of the dump. */
  take(line: string, at: number): boolean {
    if (line.trim() === '*') return true;
    const match = /^([0-9a-f]{8})(?: {2}(.{48,49}?) *\|.*)?$/.exec(line.trimEnd());
    if (match === null) return false;
    const offset = Number.parseInt(match[1]!, 16);
    while (this.#filled < Math.min(offset, this.#bytes.length)) this.#fill(this.#last);
    if (match[2] === undefined) return true;
    if (offset !== this.#filled) throw wrong(at, `the dump goes on at ${this.#filled}, not at ${offset}`);
    this.#last = Buffer.from(match[2].replaceAll(' ', ''), 'hex');
    this.#fill(this.#last);
    return true;
  }

  #fill(bytes: Buffer): void {
    bytes.copy(this.#bytes, this.#filled);
    this.#filled += bytes.length;
  }

  text(at: number): string {
    if (this.#filled < this.#bytes.length) throw wrong(at, `a value ends after ${this.#filled} bytes`);
    return this.#bytes.toString();
  }
}

function wrong(at: number, what: string): AnagateError {
  return new AnagateError('INVALID_ARGUMENT', `the dump cannot be read at line ${at + 1}: ${what}`);
}
