/**
 * Import of a configuration: what it would change, or why it cannot be done. Everything is checked before anything is
 * changed, and what is changed is one commit, so that no gateway ever follows a half of it. Pure.
 */
import { AnagateError } from '../../base/errors.ts';
import { LIMITS } from '../../limits.ts';
import type { ConfigChange } from '../../store/store.ts';
import { Configuration } from '../configuration/configuration.ts';
import {
  type ConfigRecord,
  decodeRecord,
  encodeRecord,
  type HostRecord,
  imagePathOf,
  isGatewayKey,
  keyOf,
} from '../configuration/records.ts';
import { MAKE_KEY_FILE, type SecretBox } from '../configuration/secret-box.ts';
import {
  refuse,
  requireHostNqn,
  requireListener,
  requireMaxNamespaces,
  requireSerial,
  requireSubsystemNqn,
  requireUuid,
} from '../plans/validation.ts';

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
  changes: ConfigChange[];
  /** By name. */
  list: ImportedChange[];
}

/** Complaints that are said at once. */
const COMPLAINTS_MAX = 20;

/**
 * @param texts the records to import: name -> JSON
 * @throws AnagateError INVALID_ARGUMENT that lists what is wrong with which record
 */
export function planImport(
  config: Configuration,
  texts: ReadonlyMap<string, string>,
  mode: ImportMode,
  box: SecretBox | null,
): ImportPlan {
  const before = configuredOf(config.texts);
  if (mode === 'empty' && before.size > 0) {
    refuse(
      'INVALID_ARGUMENT',
      `the configuration is not empty: it has ${counted(before.size, 'record')}. Import instead of them (--replace) or besides them ` +
        '(--merge); --dry-run lists what that changes',
    );
  }
  const result = new Map(mode === 'merge' ? before : []);
  for (const [key, text] of configuredOf(texts)) result.set(key, text);
  checkAll(result, texts, box, config.limits);
  const list = differences(before, result);
  return {
    changes: list.map(({ key, change }) => ({ key, value: change === 'removed' ? null : result.get(key)! })),
    list,
  };
}

function counted(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}

/** Without what gateways say of themselves. */
export function configuredOf(texts: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...texts].filter(([key]) => !isGatewayKey(key)));
}

function checkAll(
  result: ReadonlyMap<string, string>,
  imported: ReadonlyMap<string, string>,
  box: SecretBox | null,
  limits: Configuration['limits'],
): void {
  const complaints = new Complaints();
  const records: ConfigRecord[] = [];
  for (const [key, text] of result) {
    complaints.of(key, () => {
      const record = decodeRecord(key, text);
      checkValues(record);
      if (imported.has(key)) checkSecrets(key, text, record, box);
      records.push(record);
    });
  }
  complaints.of('', () => checkTogether(records, limits, complaints));
  // Each belongs to something that is there.
  if (complaints.none)
    complaints.of('', () => void new Configuration().follow({ version: 1, records: result }));
  complaints.throwAny();
}

/** As when it is asked for through the API. */
function checkValues(record: ConfigRecord): void {
  requireSubsystemNqn(record.nqn);
  if (record.kind === 'subsystem') {
    requireSerial(record.serial);
    requireMaxNamespaces(record.maxNamespaces, LIMITS.maxNamespacesPerSubsystem);
  } else if (record.kind === 'host') requireHostNqn(record.hostNqn);
  else if (record.kind === 'listener') requireListener(record);
  else if (record.kind === 'namespace') requireUuid(record.uuid);
}

/** A key that cannot be read here would keep its host out for ever. */
function checkSecrets(key: string, text: string, record: ConfigRecord, box: SecretBox | null): void {
  if (record.kind !== 'host' && record.kind !== 'key-subsystem') return;
  const fields = JSON.parse(text) as Record<string, unknown>;
  for (const field of ['psk', 'dhchap_key', 'dhchap_ctrlr_key']) {
    const sealed = fields[field];
    if (typeof sealed !== 'string') continue;
    if (box === null)
      refuse('KEY_REQUIRED', `its ${field} is encrypted, and this gateway has no key file; ${MAKE_KEY_FILE}`);
    box.open(sealed, { record: key, field });
  }
}

/** What must be unique, and limits. */
function checkTogether(
  records: readonly ConfigRecord[],
  limits: Configuration['limits'],
  complaints: Complaints,
): void {
  const serials = new Map<string, string>();
  const uuids = new Map<string, string>();
  const most = new Counts();
  const room = new Map<string, number>();
  for (const record of records) {
    const { nqn, kind } = record;
    if (kind === 'subsystem') {
      once(serials, record.serial, nqn, (owner) =>
        complaints.add(`subsystem_${nqn}: serial number ${record.serial} is also that of subsystem ${owner}`),
      );
      room.set(nqn, record.maxNamespaces);
      most.count('subsystems', limits.maxSubsystems);
    } else if (kind === 'namespace') {
      const name = `namespace ${record.nsid} of ${nqn}`;
      once(uuids, record.uuid, name, (owner) =>
        complaints.add(`${name}: UUID ${record.uuid} is also that of ${owner}`),
      );
      most.count('namespaces', limits.maxNamespaces);
    } else if (kind === 'listener') {
      most.count(`listeners of subsystem ${nqn}`, LIMITS.maxListenersPerSubsystem);
    } else if (kind === 'host' && isListed(record)) {
      most.count('hosts', limits.maxHosts);
      most.count(`hosts of subsystem ${nqn}`, limits.maxHostsPerSubsystem);
    }
  }
  for (const record of records) {
    const limit = room.get(record.nqn);
    if (record.kind === 'namespace' && limit !== undefined && record.nsid > limit)
      complaints.add(
        `namespace_${record.nqn}_${record.nsid}: namespace IDs of its subsystem end at ${limit}`,
      );
  }
  for (const excess of most.excesses()) complaints.add(excess);
  checkKeys(records, complaints);
  checkImages(records, complaints);
  checkLimits(records, complaints);
}

/** A subsystem with a key lets in nobody who has none. */
function checkKeys(records: readonly ConfigRecord[], complaints: Complaints): void {
  const guarded = new Set(records.filter(({ kind }) => kind === 'key-subsystem').map(({ nqn }) => nqn));
  for (const record of records) {
    if (record.kind !== 'host' || !guarded.has(record.nqn) || record.removed) continue;
    if (record.dhchapKey === undefined)
      complaints.add(`${keyOf(record)}: the subsystem has a key, so each of its hosts needs one`);
  }
}

/** An image has one lock: two ANA groups, which may have two owners, would take it from one another for ever. */
function checkImages(records: readonly ConfigRecord[], complaints: Complaints): void {
  const groups = new Map<string, { group: number; key: string }>();
  for (const record of records) {
    if (record.kind !== 'namespace' || record.backend.type !== 'rbd') continue;
    const image = imagePathOf(record.backend);
    const first = groups.get(image);
    if (first === undefined) groups.set(image, { group: record.anaGroupId, key: keyOf(record) });
    else if (first.group !== record.anaGroupId)
      complaints.add(`${keyOf(record)}: image ${image} is also that of ${first.key}, in another ANA group`);
  }
}

/** Limits without their namespace would be those of the next one with its NSID. */
function checkLimits(records: readonly ConfigRecord[], complaints: Complaints): void {
  const namespaces = new Set(
    records.flatMap((record) => (record.kind === 'namespace' ? [`${record.nqn}_${record.nsid}`] : [])),
  );
  for (const record of records) {
    if (record.kind === 'qos' && !namespaces.has(`${record.nqn}_${record.nsid}`))
      complaints.add(`${keyOf(record)}: there is no such namespace`);
  }
}

function isListed({ hostNqn, removed }: HostRecord): boolean {
  return hostNqn !== '*' && !removed;
}

function once(
  owners: Map<string, string>,
  value: string,
  owner: string,
  again: (first: string) => void,
): void {
  const first = owners.get(value);
  if (first === undefined) owners.set(value, owner);
  else again(first);
}

class Counts {
  readonly #counts = new Map<string, { count: number; limit: number }>();

  count(what: string, limit: number): void {
    const entry = this.#counts.get(what);
    if (entry === undefined) this.#counts.set(what, { count: 1, limit });
    else entry.count += 1;
  }

  *excesses(): Generator<string> {
    for (const [what, { count, limit }] of this.#counts)
      if (count > limit) yield `there would be ${count} ${what}; the limit is ${limit}`;
  }
}

class Complaints {
  readonly #list: string[] = [];

  get none(): boolean {
    return this.#list.length === 0;
  }

  add(complaint: string): void {
    this.#list.push(complaint);
  }

  /** Takes down what `check` throws. */
  of(key: string, check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof AnagateError)) throw error;
      // Some say by themselves which record it is.
      this.add(key === '' || error.message.includes(key) ? error.message : `${key}: ${error.message}`);
    }
  }

  throwAny(): void {
    if (this.none) return;
    const shown = this.#list.slice(0, COMPLAINTS_MAX);
    const rest = this.#list.length - shown.length;
    refuse(
      'INVALID_ARGUMENT',
      `nothing was imported, because of ${counted(this.#list.length, 'fault')}:\n  ${shown.join('\n  ')}` +
        (rest > 0 ? `\n  ... and ${rest} more` : ''),
    );
  }
}

function differences(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): ImportedChange[] {
  const list: ImportedChange[] = [];
  for (const key of before.keys())
    if (!after.has(key)) list.push({ key, change: 'removed', remark: lossOf(key) });
  for (const [key, text] of after) {
    const known = before.get(key);
    if (known === undefined) list.push({ key, change: 'added', remark: '' });
    else if (known !== text && !meansTheSame(key, known, text)) {
      const renewed = key.startsWith('subsystem_');
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

function meansTheSame(key: string, a: string, b: string): boolean {
  return encodeRecord(decodeRecord(key, a)) === encodeRecord(decodeRecord(key, b));
}
