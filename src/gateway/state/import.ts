/**
 * Import of a configuration: what it would change, or why it cannot be done. Everything is checked before anything is
 * changed: what is new or different as if it was asked for through the API (admission.ts). What stays as it is stays without asking.
 */
import { AnagateError } from '../../base/errors.ts';
import { LIMITS } from '../../limits.ts';
import type { ConfigChange } from '../../store/store.ts';
import { Configuration } from '../configuration/configuration.ts';
import {
  type ConfigRecord,
  encodeRecord,
  imagePathOf,
  isGatewayKey,
  keyOf,
  type NamespaceRecord,
} from '../configuration/records.ts';
import { refuse } from '../plans/validation.ts';
import { type AdmissionContext, admit, readRecord } from './admission.ts';
import { batchesOf, bytesOf } from './batches.ts';
import { Turns } from './turns.ts';

/** Into a configuration without records; instead of what there is; added to what there is, replacing records of the same name. */
export const IMPORT_MODES = ['empty', 'replace', 'merge'] as const;
export type ImportMode = (typeof IMPORT_MODES)[number];

export interface ImportedChange {
  /** Name of the record. */
  key: string;
  change: 'added' | 'changed' | 'removed';
  /** What hosts will notice; may be ''. */
  remark: string;
}

export interface ImportPlan {
  /** One commit each, in this order; after each the configuration is one that requests could have made. */
  batches: ConfigChange[][];
  /** By name. */
  list: ImportedChange[];
}

export interface ImportContext extends AdmissionContext {
  /** Rejects when the file of a namespace is not to be used. */
  checkBacking(record: NamespaceRecord): Promise<void>;
}

/** Complaints that are said at once. */
const COMPLAINTS_MAX = 20;
/** What it takes to ask for a record, compared with looking at it. */
const ASKED = 8;
/** Others apply so many changes at once in a few tens of milliseconds. */
const ONE_COMMIT_RECORDS = 16_384;
/** Of a commit when there have to be several: others apply one in a few tens of milliseconds. */
const BATCH_BYTES = 512 * 1024;

/** In the order in which one can belong to, or depend on, another. */
const ORDER: readonly ConfigRecord['kind'][] = [
  'subsystem',
  'host',
  'key-subsystem',
  'network',
  'namespace',
  'ns-host',
  'qos',
  'listener',
];

/**
 * @param texts the records to import: name -> JSON
 * @throws AnagateError INVALID_ARGUMENT that lists what is wrong with which record
 */
export async function planImport(
  config: Configuration,
  texts: ReadonlyMap<string, string>,
  mode: ImportMode,
  context: ImportContext,
): Promise<ImportPlan> {
  const before = config.records;
  if (mode === 'empty' && before.size > 0) {
    refuse(
      'INVALID_ARGUMENT',
      `the configuration is not empty: it has ${counted(before.size, 'record')}. Import instead of them (--replace) or besides them ` +
        '(--merge); --dry-run lists what that changes',
    );
  }
  const complaints = new Complaints();
  const wanted = new Map(mode === 'merge' ? before : []);
  for (const [key, record] of await readAll(texts, complaints)) wanted.set(key, record);
  const after = await admitAll(config, wanted, context, complaints);
  checkImages(before, after, complaints);
  complaints.throwAny();
  const turns = new Turns();
  const list = await differences(before, after, turns);
  const changes: ConfigChange[] = [];
  for await (const { key, change } of turns.each(list))
    changes.push({ key, value: change === 'removed' ? null : encodeRecord(after.get(key)!) });
  return { batches: await divide(changes, before, after, turns), list };
}

/** As one commit if that can be. */
async function divide(
  changes: ConfigChange[],
  before: ReadonlyMap<string, ConfigRecord>,
  after: ReadonlyMap<string, ConfigRecord>,
  turns: Turns,
): Promise<ConfigChange[][]> {
  if (changes.length === 0) return [];
  if (changes.length <= ONE_COMMIT_RECORDS && bytesOf(changes) <= LIMITS.maxCommitBytes) return [changes];
  const batches = await batchesOf(changes, before, after, BATCH_BYTES, turns);
  const large = batches.find((batch) => bytesOf(batch) > LIMITS.maxCommitBytes);
  if (large !== undefined) {
    refuse(
      'LIMIT_EXCEEDED',
      `nothing was imported: ${large.length} records from ${large[0]!.key} on belong together, and have ` +
        `${bytesOf(large)} bytes; the greatest change has ${LIMITS.maxCommitBytes}`,
    );
  }
  return batches;
}

function counted(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}

async function readAll(
  texts: ReadonlyMap<string, string>,
  complaints: Complaints,
): Promise<Map<string, ConfigRecord>> {
  const records = new Map<string, ConfigRecord>();
  const names = new Map<string, string>();
  for await (const [key, text] of new Turns().each(texts, ASKED)) {
    // What gateways say of themselves is theirs to say.
    if (isGatewayKey(key)) continue;
    complaints.of(key, () => {
      const record = readRecord(key, text);
      const name = keyOf(record);
      const other = names.get(name);
      if (other !== undefined) refuse('INVALID_ARGUMENT', `${key} and ${other} are one, spelt differently`);
      names.set(name, key);
      records.set(name, record);
    });
  }
  return records;
}

/** What is new or different is asked for; the rest is there already. */
async function admitAll(
  config: Configuration,
  wanted: ReadonlyMap<string, ConfigRecord>,
  context: ImportContext,
  complaints: Complaints,
): Promise<Map<string, ConfigRecord>> {
  const before = config.records;
  const scratch = new Configuration(config.limits);
  const turns = new Turns();
  const inOrder = await sorted(wanted, turns);
  const fresh = await freshOf(inOrder, before, turns);
  for await (const [key] of turns.each(inOrder)) if (!fresh.has(key)) scratch.adopt(before.get(key)!);
  const failed = new Set<string>();
  for (const [key, record] of inOrder) {
    // Of what belongs to a wrong record nothing is said.
    if (!fresh.has(key) || ownersOf(record).some((owner) => failed.has(owner))) continue;
    await turns.next(ASKED);
    const isGood = await complaints.ofAsync(key, async () => {
      const admitted = admit(scratch, record, context);
      if (admitted.kind === 'namespace') await context.checkBacking(admitted);
      scratch.adopt(admitted);
    });
    if (!isGood) failed.add(key);
  }
  return new Map(scratch.records);
}

async function sorted(
  records: ReadonlyMap<string, ConfigRecord>,
  turns: Turns,
): Promise<[string, ConfigRecord][]> {
  const byKind = new Map(ORDER.map((kind): [ConfigRecord['kind'], [string, ConfigRecord][]] => [kind, []]));
  for await (const entry of turns.each(records)) byKind.get(entry[1].kind)!.push(entry);
  return [...byKind.values()].flat();
}

/** Names of the records that are not as they were, or belong to one that is not. */
async function freshOf(
  inOrder: readonly (readonly [string, ConfigRecord])[],
  before: ReadonlyMap<string, ConfigRecord>,
  turns: Turns,
): Promise<Set<string>> {
  const fresh = new Set<string>();
  const there = new Set<string>();
  for await (const [key, record] of turns.each(inOrder)) {
    there.add(key);
    const isFirm = ownersOf(record).every((owner) => there.has(owner) && !fresh.has(owner));
    if (!isFirm || !isSame(before.get(key), record)) fresh.add(key);
  }
  return fresh;
}

function isSame(before: ConfigRecord | undefined, after: ConfigRecord): boolean {
  return before === after || (before !== undefined && encodeRecord(before) === encodeRecord(after));
}

/** Names of what a record belongs to. */
function ownersOf(record: ConfigRecord): string[] {
  if (record.kind === 'subsystem') return [];
  const subsystem = `subsystem_${record.nqn}`;
  if (record.kind !== 'ns-host' && record.kind !== 'qos') return [subsystem];
  return [subsystem, `namespace_${record.nqn}_${record.nsid}`];
}

/** An image has one lock: two ANA groups, which may have two owners, would take it from one another for ever. */
function checkImages(
  before: ReadonlyMap<string, ConfigRecord>,
  after: ReadonlyMap<string, ConfigRecord>,
  complaints: Complaints,
): void {
  const groups = new Map<string, { group: number; key: string }>();
  const isKept = (key: string): boolean => isSame(before.get(key), after.get(key)!);
  for (const [key, record] of after) {
    if (record.kind !== 'namespace' || record.backend.type !== 'rbd') continue;
    const image = imagePathOf(record.backend);
    const first = groups.get(image);
    if (first === undefined) groups.set(image, { group: record.anaGroupId, key });
    else if (first.group !== record.anaGroupId && !(isKept(key) && isKept(first.key)))
      complaints.add(`${key}: image ${image} is also that of ${first.key}, in another ANA group`);
  }
}

class Complaints {
  readonly #list: string[] = [];

  add(complaint: string): void {
    this.#list.push(complaint);
  }

  /** Takes down what `check` throws. */
  of(key: string, check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#take(key, error);
    }
  }

  /** False when it was rejected. */
  async ofAsync(key: string, check: () => Promise<void>): Promise<boolean> {
    try {
      await check();
      return true;
    } catch (error) {
      this.#take(key, error);
      return false;
    }
  }

  #take(key: string, error: unknown): void {
    if (!(error instanceof AnagateError)) throw error;
    // Some say by themselves which record it is.
    this.add(error.message.includes(key) ? error.message : `${key}: ${error.message}`);
  }

  throwAny(): void {
    if (this.#list.length === 0) return;
    const shown = this.#list.slice(0, COMPLAINTS_MAX);
    const rest = this.#list.length - shown.length;
    refuse(
      'INVALID_ARGUMENT',
      `nothing was imported, because of ${counted(this.#list.length, 'fault')}:\n  ${shown.join('\n  ')}` +
        (rest > 0 ? `\n  ... and ${rest} more` : ''),
    );
  }
}

async function differences(
  before: ReadonlyMap<string, ConfigRecord>,
  after: ReadonlyMap<string, ConfigRecord>,
  turns: Turns,
): Promise<ImportedChange[]> {
  const list: ImportedChange[] = [];
  for (const key of before.keys())
    if (!after.has(key)) list.push({ key, change: 'removed', remark: lossOf(key) });
  for await (const [key, record] of turns.each(after)) {
    const known = before.get(key);
    if (known === undefined) list.push({ key, change: 'added', remark: '' });
    else if (!isSame(known, record)) {
      const renewed = record.kind === 'subsystem';
      const remark = renewed ? 'the subsystem is made anew: its hosts are cut off' : '';
      list.push({ key, change: 'changed', remark });
    }
  }
  return list.sort((a, b) => (a.key < b.key ? -1 : 1));
}

function lossOf(key: string): string {
  if (key.startsWith('namespace_')) return 'hosts lose the disk; its image or file stays';
  if (key.startsWith('subsystem_')) return 'its hosts are cut off';
  return key.startsWith('host_') ? 'the host is cut off' : '';
}
