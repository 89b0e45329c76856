/**
 * The configuration as the gateway works with it: the decoded records in the order of their belonging together, as of one
 * version of the store. It changes only by what was committed.
 */
import { AnagateError } from '../../base/errors.ts';
import { LIMITS } from '../../limits.ts';
import type { ConfigChange, ConfigSnapshot } from '../../store/store.ts';
import { automaticListeners } from './automatic-listeners.ts';
import {
  type ConfigRecord,
  decodeGateway,
  decodeRecord,
  encodeRecord,
  type GatewayRecord,
  type HostRecord,
  isGatewayKey,
  keyOf,
  type ListenerRecord,
  type NamespaceHostRecord,
  type NamespaceRecord,
  type QosRecord,
  type SubsystemKeyRecord,
  type SubsystemRecord,
} from './records.ts';

/** One subsystem and what belongs to it. */
export interface SubsystemConfig {
  record: SubsystemRecord;
  allowAnyHost: boolean;
  /** NQNs, '*' not among them. */
  readonly hosts: Set<string>;
  /** By host NQN: '*' among them, and hosts that were removed but may keep their connections. */
  readonly hostRecords: Map<string, HostRecord>;
  key: SubsystemKeyRecord | null;
  /** By record key. Those that somebody added. */
  readonly listeners: Map<string, ListenerRecord>;
  /** Masks. */
  readonly networks: Set<string>;
  /** By record key. The listeners that the networks make. */
  readonly automatic: Map<string, ListenerRecord>;
  /** By nsid. */
  readonly namespaces: Map<number, NamespaceRecord>;
  /** NQNs of the hosts that are listed for a namespace, by nsid; a set is replaced, never changed. */
  readonly namespaceHosts: Map<number, ReadonlySet<string>>;
  /** By nsid. */
  readonly qos: Map<number, QosRecord>;
}

/** A record that came (`before` null), went (`after` null) or changed. */
export interface RecordChange {
  readonly before: ConfigRecord | null;
  readonly after: ConfigRecord | null;
}

/** Order in which records can be applied; removals go the other way round. Listeners last: hosts come in through them. */
const APPLY_ORDER: Record<ConfigRecord['kind'], number> = {
  subsystem: 0,
  'key-subsystem': 1,
  host: 1,
  network: 1,
  namespace: 2,
  'ns-host': 3,
  qos: 3,
  listener: 4,
};

const NOBODY: ReadonlySet<string> = new Set();

/** What may be configured at most; a gateway may be told to allow less than {@link LIMITS}. */
export type ConfiguredLimits = {
  readonly [K in
    | 'maxSubsystems'
    | 'maxNamespaces'
    | 'maxNamespacesPerSubsystem'
    | 'maxHosts'
    | 'maxHostsPerSubsystem'
    | 'maxHostsPerNamespace']: number;
};

/** `lower` with {@link LIMITS} where it says nothing, or more. */
export function configuredLimits(
  lower: { readonly [K in keyof ConfiguredLimits]?: number },
): ConfiguredLimits {
  const least = (name: keyof ConfiguredLimits): number => Math.min(lower[name] ?? LIMITS[name], LIMITS[name]);
  return {
    maxSubsystems: least('maxSubsystems'),
    maxNamespaces: least('maxNamespaces'),
    maxNamespacesPerSubsystem: least('maxNamespacesPerSubsystem'),
    maxHosts: least('maxHosts'),
    maxHostsPerSubsystem: least('maxHostsPerSubsystem'),
    maxHostsPerNamespace: least('maxHostsPerNamespace'),
  };
}

export class Configuration {
  readonly limits: ConfiguredLimits;
  #version = 0;
  readonly #records = new Map<string, ConfigRecord>();
  /** The text of each record, to see what another writer changed. */
  #texts: ReadonlyMap<string, string> = new Map();
  readonly #subsystems = new Map<string, SubsystemConfig>();
  /** By key. */
  readonly #gateways = new Map<string, GatewayRecord>();
  /** By key. */
  #automatic: ReadonlyMap<string, ListenerRecord> = new Map();

  constructor(limits: ConfiguredLimits = LIMITS) {
    this.limits = limits;
  }

  /** Version of the store that this shows. */
  get version(): number {
    return this.#version;
  }

  get subsystems(): ReadonlyMap<string, SubsystemConfig> {
    return this.#subsystems;
  }

  /** What the gateways of the group have published of themselves. */
  get gateways(): ReadonlyMap<string, GatewayRecord> {
    return this.#gateways;
  }

  /** Throws SUBSYSTEM_NOT_FOUND. */
  subsystem(nqn: string): SubsystemConfig {
    const subsystem = this.#subsystems.get(nqn);
    if (subsystem === undefined)
      throw new AnagateError('SUBSYSTEM_NOT_FOUND', `there is no subsystem ${nqn}`);
    return subsystem;
  }

  /** The only hosts that see a namespace; null: all hosts of the subsystem do, undefined: there is no such namespace. */
  visibleTo(nqn: string, nsid: number): ReadonlySet<string> | null | undefined {
    const subsystem = this.#subsystems.get(nqn);
    const record = subsystem?.namespaces.get(nsid);
    if (record === undefined) return undefined;
    return record.noAutoVisible ? (subsystem!.namespaceHosts.get(nsid) ?? NOBODY) : null;
  }

  /** The records as the store has them. */
  get texts(): ReadonlyMap<string, string> {
    return this.#texts;
  }

  /** By key; without those of gateways. */
  get records(): ReadonlyMap<string, ConfigRecord> {
    return this.#records;
  }

  /** Takes one record more, for plans that are only tried; what it belongs to must be there. */
  adopt(record: ConfigRecord): void {
    this.#put(record);
  }

  /** The subsystem's own record and all that belong to it. */
  *recordsOf(nqn: string): Generator<ConfigRecord> {
    for (const record of this.#records.values()) if (record.nqn === nqn) yield record;
  }

  *namespaces(): Generator<NamespaceRecord> {
    for (const subsystem of this.#subsystems.values()) yield* subsystem.namespaces.values();
  }

  *listeners(): Generator<ListenerRecord> {
    for (const subsystem of this.#subsystems.values()) yield* allListeners(subsystem);
  }

  namespaceCount(): number {
    let count = 0;
    for (const subsystem of this.#subsystems.values()) count += subsystem.namespaces.size;
    return count;
  }

  hostCount(): number {
    let count = 0;
    for (const subsystem of this.#subsystems.values()) count += subsystem.hosts.size;
    return count;
  }

  /**
   * Takes over a newer state of the store and says what changed, in the order in which it can be applied. Throws
   * STATE_CORRUPT, having changed nothing, when a record cannot be used.
   */
  follow(snapshot: ConfigSnapshot): RecordChange[] {
    const changes: RecordChange[] = [];
    for (const [key, before] of this.#records) {
      if (!snapshot.records.has(key)) changes.push({ before, after: null });
    }
    const gateways: GatewayRecord[] = [];
    for (const [key, text] of snapshot.records) {
      if (this.#texts.get(key) === text) continue;
      if (isGatewayKey(key)) gateways.push(decodeGateway(key, text));
      else changes.push({ before: this.#records.get(key) ?? null, after: decodeRecord(key, text) });
    }
    this.#renewChangedSubsystems(changes, snapshot);
    changes.sort((a, b) => orderOf(a) - orderOf(b));
    this.#checkBelonging(changes);
    this.#checkNamespaceHosts(changes);
    for (const change of changes) this.#apply(change);
    const gone = [...this.#gateways.keys()].filter((key) => !snapshot.records.has(key));
    for (const key of gone) this.#gateways.delete(key);
    for (const gateway of gateways) this.#gateways.set(keyOf(gateway), gateway);
    this.#texts = snapshot.records;
    this.#version = snapshot.version;
    return gone.length + gateways.length > 0 || changes.some(concernsListeners)
      ? this.#withAutomatic(changes)
      : changes;
  }

  /**
   * A subsystem never changes: one that looks changed was removed and made again meanwhile. It goes with all that it had, and
   * comes anew.
   */
  #renewChangedSubsystems(changes: RecordChange[], snapshot: ConfigSnapshot): void {
    const renewed = new Set<string>();
    for (const { before, after } of changes) {
      if (before?.kind === 'subsystem' && after !== null) renewed.add(before.nqn);
    }
    if (renewed.size === 0) return;
    const others = changes.filter(({ before, after }) => !renewed.has((after ?? before)!.nqn));
    changes.length = 0;
    changes.push(...others);
    for (const before of this.#records.values()) {
      if (renewed.has(before.nqn)) changes.push({ before, after: null });
    }
    for (const [key, text] of snapshot.records) {
      if (isGatewayKey(key)) continue;
      const after = decodeRecord(key, text);
      if (renewed.has(after.nqn)) changes.push({ before: null, after });
    }
  }

  /** Adds what becomes of the automatic listeners: they go first, and come last. */
  #withAutomatic(changes: readonly RecordChange[]): RecordChange[] {
    const before = this.#automatic;
    const after = automaticListeners(this.#subsystems.values(), this.#gateways.values());
    const renewed = new Set<string>();
    for (const change of changes)
      if (change.before?.kind === 'subsystem' && change.after === null) renewed.add(change.before.nqn);
    const going = [...before.values()].filter((one) => !after.has(keyOf(one)) || renewed.has(one.nqn));
    const coming = [...after.values()].filter((one) => !before.has(keyOf(one)) || renewed.has(one.nqn));
    for (const one of going) this.#subsystems.get(one.nqn)?.automatic.delete(keyOf(one));
    for (const one of after.values()) this.#subsystems.get(one.nqn)!.automatic.set(keyOf(one), one);
    this.#automatic = after;
    return [
      ...going.map((one): RecordChange => ({ before: one, after: null })),
      ...changes,
      ...coming.map((one): RecordChange => ({ before: null, after: one })),
    ];
  }

  /** Every record belongs to a subsystem that is there once all changes are made. */
  #checkBelonging(changes: readonly RecordChange[]): void {
    const coming = new Set<string>();
    const going = new Set<string>();
    for (const { before, after } of changes) {
      if (after?.kind === 'subsystem') coming.add(after.nqn);
      else if (before?.kind === 'subsystem') going.add(before.nqn);
    }
    const gone = new Map<string, number>();
    for (const { before, after } of changes) {
      if (after === null && before!.kind !== 'subsystem')
        gone.set(before!.nqn, (gone.get(before!.nqn) ?? 0) + 1);
      if (after === null || after.kind === 'subsystem' || coming.has(after.nqn)) continue;
      if (!this.#subsystems.has(after.nqn) || going.has(after.nqn))
        throw orphan(keyOf(after), `subsystem_${after.nqn}`);
    }
    for (const nqn of going) {
      let members = -1;
      for (const _ of this.recordsOf(nqn)) members += 1;
      if (members !== (gone.get(nqn) ?? 0)) throw orphan('something', `subsystem_${nqn}`);
    }
  }

  /** Hosts are listed only for namespaces that are there once all changes are made. `changes` are sorted. */
  #checkNamespaceHosts(changes: readonly RecordChange[]): void {
    const moved = new Map<string, boolean>();
    const removed = new Set<string>();
    for (const { before, after } of changes) {
      if (after === null) removed.add(keyOf(before!));
      const record = (after ?? before)!;
      if (record.kind === 'namespace') moved.set(keyOf(record), after !== null);
      if (after?.kind !== 'ns-host') continue;
      const namespace = `namespace_${after.nqn}_${after.nsid}`;
      if (!(moved.get(namespace) ?? this.#records.has(namespace))) throw orphan(keyOf(after), namespace);
    }
    for (const { before, after } of changes) {
      if (after !== null || before?.kind !== 'namespace' || moved.get(keyOf(before))) continue;
      for (const record of namespaceHosts(this.#subsystems.get(before.nqn)!, before.nsid))
        if (!removed.has(keyOf(record))) throw orphan(keyOf(record), keyOf(before));
    }
  }

  #apply({ before, after }: RecordChange): void {
    if (before !== null && after === null) this.#remove(before);
    if (after !== null) this.#put(after);
  }

  #put(record: ConfigRecord): void {
    this.#records.set(keyOf(record), record);
    if (record.kind === 'subsystem') {
      const known = this.#subsystems.get(record.nqn);
      if (known !== undefined) known.record = record;
      else this.#subsystems.set(record.nqn, emptySubsystem(record));
      return;
    }
    const subsystem = this.#subsystems.get(record.nqn)!;
    if (record.kind === 'namespace') subsystem.namespaces.set(record.nsid, record);
    else if (record.kind === 'ns-host') listHost(subsystem, record);
    else if (record.kind === 'qos') subsystem.qos.set(record.nsid, record);
    else if (record.kind === 'listener') subsystem.listeners.set(keyOf(record), record);
    else if (record.kind === 'network') subsystem.networks.add(record.mask);
    else if (record.kind === 'key-subsystem') subsystem.key = record;
    else putHost(subsystem, record.hostNqn, record);
  }

  #remove(record: ConfigRecord): void {
    this.#records.delete(keyOf(record));
    if (record.kind === 'subsystem') {
      this.#subsystems.delete(record.nqn);
      return;
    }
    const subsystem = this.#subsystems.get(record.nqn)!;
    if (record.kind === 'namespace') subsystem.namespaces.delete(record.nsid);
    else if (record.kind === 'ns-host') unlistHost(subsystem, record);
    else if (record.kind === 'qos') subsystem.qos.delete(record.nsid);
    else if (record.kind === 'listener') subsystem.listeners.delete(keyOf(record));
    else if (record.kind === 'network') subsystem.networks.delete(record.mask);
    else if (record.kind === 'key-subsystem') subsystem.key = null;
    else putHost(subsystem, record.hostNqn, null);
  }
}

/** Whether all of `changes` are made in that state of the store. */
export function holds(snapshot: ConfigSnapshot, changes: readonly ConfigChange[]): boolean {
  return changes.every(({ key, value }) => (snapshot.records.get(key) ?? null) === value);
}

/** The records of the hosts that are listed for a namespace. */
export function namespaceHosts({ record, namespaceHosts }: SubsystemConfig, nsid: number) {
  const hosts = [...(namespaceHosts.get(nsid) ?? [])];
  return hosts.map((hostNqn): NamespaceHostRecord => ({ kind: 'ns-host', nqn: record.nqn, nsid, hostNqn }));
}

/** The store's change that sets `record`. */
export function setRecord(record: ConfigRecord | GatewayRecord): ConfigChange {
  return { key: keyOf(record), value: encodeRecord(record) };
}

/** The store's change that removes `record`. */
export function removeRecord(record: ConfigRecord | GatewayRecord): ConfigChange {
  return { key: keyOf(record), value: null };
}

/** Those that somebody added, and those that network masks make. */
export function* allListeners({ listeners, automatic }: SubsystemConfig): Generator<ListenerRecord> {
  yield* listeners.values();
  yield* automatic.values();
}

/** Automatic listeners may come or go with it. */
function concernsListeners({ before, after }: RecordChange): boolean {
  return ['subsystem', 'network', 'listener'].includes((after ?? before)!.kind);
}

function emptySubsystem(record: SubsystemRecord): SubsystemConfig {
  return {
    record,
    allowAnyHost: false,
    hosts: new Set(),
    hostRecords: new Map(),
    key: null,
    listeners: new Map(),
    networks: new Set(),
    automatic: new Map(),
    namespaces: new Map(),
    namespaceHosts: new Map(),
    qos: new Map(),
  };
}

function listHost({ namespaceHosts }: SubsystemConfig, { nsid, hostNqn }: NamespaceHostRecord): void {
  namespaceHosts.set(nsid, new Set(namespaceHosts.get(nsid)).add(hostNqn));
}

function unlistHost({ namespaceHosts }: SubsystemConfig, { nsid, hostNqn }: NamespaceHostRecord): void {
  const hosts = new Set(namespaceHosts.get(nsid));
  hosts.delete(hostNqn);
  if (hosts.size > 0) namespaceHosts.set(nsid, hosts);
  else namespaceHosts.delete(nsid);
}

function putHost(subsystem: SubsystemConfig, hostNqn: string, record: HostRecord | null): void {
  const { hosts, hostRecords } = subsystem;
  if (record === null) hostRecords.delete(hostNqn);
  else hostRecords.set(hostNqn, record);
  const allowed = record !== null && !record.removed;
  if (hostNqn === '*') subsystem.allowAnyHost = allowed;
  else if (allowed) hosts.add(hostNqn);
  else hosts.delete(hostNqn);
}

function orderOf({ before, after }: RecordChange): number {
  return after === null ? -APPLY_ORDER[before!.kind] - 1 : APPLY_ORDER[after.kind];
}

function orphan(key: string, owner: string): AnagateError {
  return new AnagateError(
    'STATE_CORRUPT',
    `${key} of the configuration belongs to ${owner}, which is not in it`,
  );
}
