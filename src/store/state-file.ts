/**
 * The text of the state file: one JSON object `{format, version, records}`. Pure; {@link FileStore} does the I/O.
 */
import { AnagateError } from '../base/errors.ts';
import type { ConfigSnapshot } from './store.ts';

/** Changes when an older Anagate could misread what a newer one writes. */
export const STATE_FORMAT = 1;

/** Records per piece of {@link encodeStateFile}: a piece takes well under a millisecond to make. */
const RECORDS_PER_PIECE = 128;

/**
 * The file's text for `snapshot` in pieces, so that thousands of records do not hold up the event loop in one go. One
 * record per line, so that people can read and compare it.
 */
export function* encodeStateFile(snapshot: ConfigSnapshot): Generator<string> {
  yield `{\n  "format": ${STATE_FORMAT},\n  "version": ${snapshot.version},\n  "records": {`;
  let lines: string[] = [];
  let separator = '\n';
  for (const key of [...snapshot.records.keys()].sort()) {
    lines.push(`    ${JSON.stringify(key)}: ${JSON.stringify(snapshot.records.get(key))}`);
    if (lines.length < RECORDS_PER_PIECE) continue;
    yield separator + lines.join(',\n');
    lines = [];
    separator = ',\n';
  }
  if (lines.length > 0) yield separator + lines.join(',\n');
  yield '\n  }\n}\n';
}

/**
 * Reads the text of the state file at `path` (for messages). Throws STATE_CORRUPT when it is not a state file and
 * NOT_SUPPORTED when a newer Anagate wrote it.
 */
export function decodeStateFile(text: string, path: string): ConfigSnapshot {
  const content = parseObject(text, path);
  const { format, version, records } = content;
  if (typeof format === 'number' && Number.isInteger(format) && format > STATE_FORMAT) {
    throw new AnagateError(
      'NOT_SUPPORTED',
      `State file ${path} has format ${format}, written by a newer Anagate; this one reads formats up to ` +
        `${STATE_FORMAT}. Start the newer version again, or use another state directory. Nothing was changed.`,
    );
  }
  if (format !== STATE_FORMAT) throw corrupt(path, '"format" is missing or not a known number');
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 0) {
    throw corrupt(path, '"version" is missing or not a whole number');
  }
  if (typeof records !== 'object' || records === null || Array.isArray(records)) {
    throw corrupt(path, '"records" is missing or not an object');
  }
  const map = new Map<string, string>();
  for (const [key, value] of Object.entries(records)) {
    if (typeof value !== 'string') throw corrupt(path, `record ${JSON.stringify(key)} is not a string`);
    map.set(key, value);
  }
  return { version, records: map };
}

function parseObject(text: string, path: string): Record<string, unknown> {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw corrupt(path, text.length === 0 ? 'it is empty' : (error as Error).message);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw corrupt(path, 'it does not hold an object');
  }
  return content as Record<string, unknown>;
}

function corrupt(path: string, reason: string): AnagateError {
  return new AnagateError(
    'STATE_CORRUPT',
    `State file ${path} cannot be read: ${reason}. Restore it from a backup, or move it away to start with an empty ` +
      'configuration. Nothing was changed.',
  );
}
