/**
 * The whole configuration as one document for people and programs: what `state export` writes and `state import` reads.
 *
 *     {
 *       "anagate_state": 1,
 *       "group": "shop",
 *       "version": 42,
 *       "records": {
 *         "subsystem_nqn.2026-11.io.anagate:shop": { "subsystem_nqn": ..., "serial_number": ... },
 *         ...
 *
 * Records are those of records.ts, by name, one per line; keys stay encrypted. One of greatest size has tens of megabytes.
 */
import { AnagateError } from '../../base/errors.ts';
import { JsonWalk, JsonWalkError } from '../../base/json-walk.ts';
import { Turns } from './turns.ts';

/** Changes when an older Anagate could misread what a newer one writes. */
const FORMAT = 1;

export interface StateDocument {
  group: string;
  /** Number of the commit that it shows. */
  version: number;
  /** Name -> JSON. */
  records: ReadonlyMap<string, string>;
}

export async function encodeStateDocument({ group, version, records }: StateDocument): Promise<string> {
  const lines: string[] = [];
  for await (const key of new Turns().each([...records.keys()].sort()))
    lines.push(`    ${JSON.stringify(key)}: ${records.get(key)}`);
  const head = `{\n  "anagate_state": ${FORMAT},\n  "group": ${JSON.stringify(group)},\n  "version": ${version},\n`;
  return `${head}  "records": {${lines.length === 0 ? '' : `\n${lines.join(',\n')}\n  `}}\n}\n`;
}

/** @throws AnagateError INVALID_ARGUMENT when it is no such document, NOT_SUPPORTED when a newer Anagate wrote it */
export async function decodeStateDocument(text: string): Promise<StateDocument> {
  const fields = new Map<string, unknown>();
  let records: Map<string, string> | null = null;
  try {
    const walk = new JsonWalk(text);
    for (const name of walk.members()) {
      if (name === 'records' && walk.isObject && records === null) records = await readRecords(walk);
      else fields.set(name, walk.value());
      requireKnownFormat(fields.get('anagate_state'));
    }
    walk.end();
  } catch (error) {
    throw error instanceof JsonWalkError ? wrong(error.message) : error;
  }
  if (fields.get('anagate_state') !== FORMAT)
    throw wrong('it has no "anagate_state": 1; "state export" writes such documents');
  if (records === null) throw wrong('"records" is missing or no object');
  const [group, version] = [fields.get('group'), fields.get('version')];
  return {
    group: typeof group === 'string' ? group : '',
    version: typeof version === 'number' ? version : 0,
    records,
  };
}

async function readRecords(walk: JsonWalk): Promise<Map<string, string>> {
  const records = new Map<string, string>();
  for await (const key of new Turns().each(walk.members())) {
    if (records.has(key)) throw wrong(`record ${key} is there twice`);
    const record = walk.isObject ? walk.value() : null;
    if (record === null) throw wrong(`record ${key} is no object`);
    records.set(key, JSON.stringify(record));
  }
  return records;
}

function requireKnownFormat(format: unknown): void {
  if (typeof format !== 'number' || format <= FORMAT) return;
  throw new AnagateError(
    'NOT_SUPPORTED',
    `the document has format ${format}, written by a newer Anagate; this one reads formats up to ${FORMAT}`,
  );
}

function wrong(reason: string): AnagateError {
  return new AnagateError('INVALID_ARGUMENT', `the document cannot be read: ${reason}`);
}
