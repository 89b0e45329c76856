/**
 * How the configuration of a group of gateways is laid out in the omap of one RADOS object. Pure; {@link OmapStore} does
 * the I/O.
 *
 * | key | value |
 * |---|---|
 * | `format` | number of this layout and of the records' meaning |
 * | `version` | number of the last commit, compared and raised by each |
 * | `log.00` ... `log.63` | commit `version` modulo 64: who made it, its id, which records it touched |
 * | `record.<name>` | one record |
 *
 * The log settles whose commit came true when an answer was lost, and lets those who are a little behind read only what
 * changed.
 *
 * **Formats.** A gateway that knows format N works with objects of format N and N-1 and writes in the format that the object
 * has, so gateways of both may be in one group during an upgrade. A commit asserts the format: once the object's
 * has been raised, no older gateway writes any more; it refuses to load it, and says so. A change that an older gateway could
 * misread or would drop when it rewrites a record needs a new format.
 */
import { AnagateError } from '../base/errors.ts';
import type { ConfigChange } from './store.ts';

/** Formats that this gateway works with: N-1 (from the second on) and N. New objects get the newest. */
export const OMAP_FORMATS = { oldest: 1, newest: 1 } as const;

export const FORMAT_KEY = 'format';
export const VERSION_KEY = 'version';
const LOG_PREFIX = 'log.';
const RECORD_PREFIX = 'record.';

/** Commits that the log remembers. */
export const LOG_LENGTH = 64;
/** A commit that touches more records than this does not name them: whoever follows reads everything. */
const LOGGED_NAMES = 64;

/** One commit, as the log has it. */
export interface LogEntry {
  readonly version: number;
  /** Unique for ever. */
  readonly id: string;
  /** Name of the gateway that made it. */
  readonly by: string;
  /** Names of the records that it set or removed; null: too many to say. */
  readonly names: readonly string[] | null;
}

/** Where the object is, without its records. */
export interface OmapHead {
  readonly format: number;
  readonly version: number;
  /** The commits that were asked for and that the log still has, by version. */
  readonly log: ReadonlyMap<number, LogEntry>;
}

/** The object of a group. */
export function objectNameOf(group: string): string {
  return group === '' ? 'anagate.config' : `anagate.${group}.config`;
}

export function recordKey(name: string): string {
  return RECORD_PREFIX + name;
}

export function logKey(version: number): string {
  return `${LOG_PREFIX}${String(version % LOG_LENGTH).padStart(2, '0')}`;
}

export function encodeLogEntry(
  version: number,
  id: string,
  by: string,
  changes: readonly ConfigChange[],
): string {
  const names = changes.length <= LOGGED_NAMES ? changes.map(({ key }) => key) : null;
  return JSON.stringify({ version, id, by, names } satisfies LogEntry);
}

/** Reads head keys. `object` is for messages. Throws STATE_CORRUPT, or NOT_SUPPORTED for a format that is not known. */
export function decodeHead(entries: ReadonlyMap<string, Uint8Array>, object: string): OmapHead {
  const format = wholeNumber(entries, FORMAT_KEY, object);
  requireKnownFormat(format, object);
  const version = wholeNumber(entries, VERSION_KEY, object);
  const log = new Map<number, LogEntry>();
  for (const [key, value] of entries) {
    const entry = key.startsWith(LOG_PREFIX) ? decodeLogEntry(value) : null;
    if (entry !== null) log.set(entry.version, entry);
  }
  return { format, version, log };
}

/** The records among all keys of the object. */
export function decodeRecords(entries: ReadonlyMap<string, Uint8Array>): Map<string, string> {
  const records = new Map<string, string>();
  for (const [key, value] of entries) {
    if (key.startsWith(RECORD_PREFIX)) records.set(key.slice(RECORD_PREFIX.length), textOf(value));
  }
  return records;
}

/**
 * Names of the records that differ between `from` and the head's version, or null when the log does not say. Commits after
 * `from` must have been asked for.
 */
export function namesChangedSince(head: OmapHead, from: number): Set<string> | null {
  const names = new Set<string>();
  for (let version = from + 1; version <= head.version; version += 1) {
    const entry = head.log.get(version);
    if (entry === undefined || entry.names === null) return null;
    for (const name of entry.names) names.add(name);
  }
  return names;
}

function requireKnownFormat(format: number, object: string): void {
  const { oldest, newest } = OMAP_FORMATS;
  if (format > newest) {
    throw new AnagateError(
      'NOT_SUPPORTED',
      `The configuration in RADOS object ${object} has format ${format}, written by a newer Anagate; this one knows formats ` +
        `up to ${newest}. Upgrade this gateway. Nothing was changed.`,
    );
  }
  if (format < oldest) {
    throw new AnagateError(
      'NOT_SUPPORTED',
      `The configuration in RADOS object ${object} has format ${format}; this Anagate knows formats from ${oldest} on. ` +
        'Upgrade through a version in between. Nothing was changed.',
    );
  }
}

function wholeNumber(entries: ReadonlyMap<string, Uint8Array>, key: string, object: string): number {
  const text = textOf(entries.get(key) ?? new Uint8Array());
  if (!/^\d{1,15}$/.test(text)) {
    throw new AnagateError(
      'STATE_CORRUPT',
      `RADOS object ${object} does not hold a configuration: its omap key "${key}" is ` +
        `${text === '' ? 'missing' : `"${text.slice(0, 40)}", no whole number`}. Restore it from a backup, or remove it to ` +
        'start with an empty configuration. Nothing was changed.',
    );
  }
  return Number(text);
}

/** Null for what is no entry: the log is a help, not the truth. */
function decodeLogEntry(value: Uint8Array): LogEntry | null {
  let entry: Partial<Record<keyof LogEntry, unknown>>;
  try {
    entry = JSON.parse(textOf(value)) as typeof entry;
  } catch {
    return null;
  }
  const { version, id, by, names } = entry;
  if (typeof version !== 'number' || typeof id !== 'string' || typeof by !== 'string') return null;
  if (names !== null && !(Array.isArray(names) && names.every((name) => typeof name === 'string')))
    return null;
  return { version, id, by, names };
}

function textOf(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString();
}
