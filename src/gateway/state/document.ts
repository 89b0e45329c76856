/**
 * The whole configuration as one document for people and programs: what `state export` writes and `state import` reads. Pure.
 *
 *     {
 *       "anagate_state": 1,
 *       "group": "shop",
 *       "version": 42,
 *       "records": {
 *         "subsystem_nqn.2026-11.io.anagate:shop": { "subsystem_nqn": ..., "serial_number": ... },
 *         ...
 *
 * Records are those of records.ts, by name, one per line; keys stay encrypted.
 */
import { AnagateError } from '../../base/errors.ts';

/** Changes when an older Anagate could misread what a newer one writes. */
const FORMAT = 1;

export interface StateDocument {
  group: string;
  /** Number of the commit that it shows. */
  version: number;
  /** Name -> JSON. */
  records: ReadonlyMap<string, string>;
}

export function encodeStateDocument({ group, version, records }: StateDocument): string {
  const lines = [...records.keys()].sort().map((key) => `    ${JSON.stringify(key)}: ${records.get(key)}`);
  const head = `{\n  "anagate_state": ${FORMAT},\n  "group": ${JSON.stringify(group)},\n  "version": ${version},\n`;
  return `${head}  "records": {${lines.length === 0 ? '' : `\n${lines.join(',\n')}\n  `}}\n}\n`;
}

/** @throws AnagateError INVALID_ARGUMENT when it is no such document, NOT_SUPPORTED when a newer Anagate wrote it */
export function decodeStateDocument(text: string): StateDocument {
  const document = parse(text);
  const { anagate_state: format, group, version, records } = document;
  if (typeof format === 'number' && format > FORMAT) {
    throw new AnagateError(
      'NOT_SUPPORTED',
      `the document has format ${format}, written by a newer Anagate; this one reads formats up to ${FORMAT}`,
    );
  }
  if (format !== FORMAT) throw wrong('it has no "anagate_state": 1; "state export" writes such documents');
  if (typeof records !== 'object' || records === null || Array.isArray(records))
    throw wrong('"records" is missing or no object');
  const texts = new Map<string, string>();
  for (const [key, record] of Object.entries(records)) {
    if (typeof record !== 'object' || record === null || Array.isArray(record))
      throw wrong(`record ${key} is no object`);
    texts.set(key, JSON.stringify(record));
  }
  return {
    group: typeof group === 'string' ? group : '',
    version: typeof version === 'number' ? version : 0,
    records: texts,
  };
}

function parse(text: string): Record<string, unknown> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw wrong((error as Error).message);
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw wrong('it is no object');
  return document as Record<string, unknown>;
}

function wrong(reason: string): AnagateError {
  return new AnagateError('INVALID_ARGUMENT', `the document cannot be read: ${reason}`);
}
