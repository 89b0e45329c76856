/**
 * Requests about hosts, and about keys of hosts and subsystems -> changes of the configuration. Pure but for the nonces of the
 * encryption; as in subsystem-plans.ts.
 */
import { LIMITS } from '../../limits.ts';
import type { ConfigChange } from '../../store/store.ts';
import {
  type Configuration,
  removeRecord,
  type SubsystemConfig,
  setRecord,
} from '../configuration/configuration.ts';
import {
  type ConfigRecord,
  encodeRecord,
  type HostRecord,
  keyOf,
  type SubsystemKeyRecord,
} from '../configuration/records.ts';
import { MAKE_KEY_FILE, type SecretBox, sealedWith } from '../configuration/secret-box.ts';
import { requireDhchapKey, requirePsk } from './key-formats.ts';
import type { HostKeyChange, HostKeys } from './requests.ts';
import { refuse, requireHostNqn } from './validation.ts';

const ANY_HOST = '*';

export function planAddHost(
  config: Configuration,
  nqn: string,
  hostNqn: string,
  keys: HostKeys = {},
  box: SecretBox | null = null,
): ConfigChange[] {
  const subsystem = config.subsystem(nqn);
  requireHostNqn(hostNqn);
  if (hostNqn === ANY_HOST) requireNewAnyHost(subsystem, keys);
  else requireRoomForHost(config, subsystem, hostNqn);
  const record = sealHost(config, { kind: 'host', nqn, hostNqn }, keys, box);
  requireKeysFit(subsystem, record);
  return [setRecord(record)];
}

function requireNewAnyHost({ record: { nqn }, allowAnyHost, key }: SubsystemConfig, keys: HostKeys): void {
  if (allowAnyHost) refuse('HOST_EXISTS', `any host may use subsystem ${nqn} already`);
  if (Object.values(keys).some((text) => text !== undefined))
    refuse('INVALID_ARGUMENT', 'a key belongs to one host; any host ("*") cannot have one');
  if (key !== null)
    refuse(
      'KEY_REQUIRED',
      `subsystem ${nqn} has a key, so that each of its hosts needs one; add them by name`,
    );
}

function requireRoomForHost(config: Configuration, subsystem: SubsystemConfig, hostNqn: string): void {
  const { nqn } = subsystem.record;
  if (subsystem.hosts.has(hostNqn)) refuse('HOST_EXISTS', `host ${hostNqn} may use subsystem ${nqn} already`);
  if (subsystem.hosts.size >= config.limits.maxHostsPerSubsystem) {
    refuse(
      'LIMIT_EXCEEDED',
      `subsystem ${nqn} has ${config.limits.maxHostsPerSubsystem} hosts already, which is the limit`,
    );
  }
  if (config.hostCount() >= config.limits.maxHosts) {
    refuse(
      'LIMIT_EXCEEDED',
      `all subsystems together have ${config.limits.maxHosts} hosts already, which is the limit`,
    );
  }
}

/**
 * `keepConnections`: the host's connections stay until they end by themselves, and the record stays as a sign of that. A host
 * that was removed so is cut off by removing it again.
 */
export function planDeleteHost(
  config: Configuration,
  nqn: string,
  hostNqn: string,
  keepConnections = false,
): ConfigChange[] {
  const subsystem = config.subsystem(nqn);
  const record = subsystem.hostRecords.get(hostNqn);
  if (record === undefined || (record.removed && keepConnections)) hostNotFound(nqn, hostNqn);
  if (record.removed || !(keepConnections || record.keepConnections)) return [removeRecord(record)];
  requireRoomForKept(subsystem);
  return [setRecord({ kind: 'host', nqn, hostNqn, removed: true })];
}

export function requireRoomForKept({ record: { nqn }, hostRecords }: SubsystemConfig): void {
  const kept = [...hostRecords.values()].filter(({ removed }) => removed).length;
  if (kept < LIMITS.maxHostsPerSubsystem) return;
  refuse(
    'LIMIT_EXCEEDED',
    `subsystem ${nqn} keeps the connections of ${kept} removed hosts already, which is the limit; delete some of these hosts ` +
      'again without keeping connections',
  );
}

/** The host's connections will stay when it is removed. */
export function planKeepHostConnected(config: Configuration, nqn: string, hostNqn: string): ConfigChange[] {
  const record = config.subsystem(nqn).hostRecords.get(hostNqn);
  if (record === undefined) hostNotFound(nqn, hostNqn);
  return record.removed || record.keepConnections ? [] : [setRecord({ ...record, keepConnections: true })];
}

export function planChangeHostKey(
  config: Configuration,
  nqn: string,
  hostNqn: string,
  change: HostKeyChange,
  box: SecretBox | null,
): ConfigChange[] {
  const subsystem = config.subsystem(nqn);
  const before = subsystem.hostRecords.get(hostNqn);
  if (before === undefined || before.removed) hostNotFound(nqn, hostNqn);
  if (hostNqn === ANY_HOST)
    refuse('INVALID_ARGUMENT', 'a key belongs to one host; any host ("*") cannot have one');
  const { dhchapKey, dhchapControllerKey, ...others } = before;
  const record = sealHost(
    config,
    {
      ...others,
      ...(change.dhchapKey === undefined && dhchapKey !== undefined && { dhchapKey }),
      ...(change.dhchapControllerKey === undefined &&
        dhchapControllerKey !== undefined && { dhchapControllerKey }),
    },
    {
      dhchapKey: change.dhchapKey ?? undefined,
      dhchapControllerKey: change.dhchapControllerKey ?? undefined,
    },
    box,
  );
  requireKeysFit(subsystem, record);
  return [setRecord(record)];
}

/** `key` null: the subsystem has none any more. */
export function planChangeSubsystemKey(
  config: Configuration,
  nqn: string,
  key: string | null,
  box: SecretBox | null,
): ConfigChange[] {
  const subsystem = config.subsystem(nqn);
  if (key === null) return subsystem.key === null ? [] : [removeRecord(subsystem.key)];
  if (subsystem.allowAnyHost) {
    refuse(
      'KEY_REQUIRED',
      `any host may use subsystem ${nqn}; with a key each of its hosts needs one. Delete host "*" first`,
    );
  }
  const without = [...subsystem.hosts].filter(
    (host) => subsystem.hostRecords.get(host)!.dhchapKey === undefined,
  );
  if (without.length > 0) {
    refuse(
      'KEY_REQUIRED',
      `with a key of subsystem ${nqn} each of its hosts needs one; set that of ${without.slice(0, 3).join(', ')} first` +
        (without.length > 3 ? ` (${without.length} hosts have none)` : ''),
    );
  }
  return [setRecord(sealSubsystemKey(config, nqn, key, box))];
}

export function sealSubsystemKey(
  config: Configuration,
  nqn: string,
  key: string,
  box: SecretBox | null,
): SubsystemKeyRecord {
  requireDhchapKey(key, `the DH-HMAC-CHAP key of subsystem ${nqn}`);
  const record: SubsystemKeyRecord = { kind: 'key-subsystem', nqn, dhchapKey: '' };
  return { ...record, dhchapKey: seal(config, record, 'dhchap_key', key, box) };
}

/** Ids of the keys with which the secrets of the configuration are sealed, and how many with each. */
export function secretKeyIds(config: Configuration): Map<string, number> {
  const ids = new Map<string, number>();
  const add = (sealed: string | undefined): void => {
    if (sealed === undefined) return;
    const id = sealedWith(sealed)!;
    ids.set(id, (ids.get(id) ?? 0) + 1);
  };
  for (const { hostRecords, key } of config.subsystems.values()) {
    add(key?.dhchapKey);
    for (const { psk, dhchapKey, dhchapControllerKey } of hostRecords.values()) {
      add(psk);
      add(dhchapKey);
      add(dhchapControllerKey);
    }
  }
  return ids;
}

/** What is wrong with the key file for the secrets that there are; null: nothing. */
export function keyFileTrouble(config: Configuration, box: SecretBox | null): string | null {
  const others = [...secretKeyIds(config).keys()].filter((id) => !box?.has(id));
  if (others.length === 0) return null;
  const made = `the keys of the configuration are encrypted with key ${others.join(', ')}`;
  return box === null
    ? `${made}, and this gateway has no key file; name it as encryption_key in [gateway] of its configuration file`
    : `${made}, but this gateway's key file (encryption_key) has key ${box.keyIds.join(', ')}; all gateways of a group need the same file`;
}

function sealHost(
  config: Configuration,
  record: HostRecord,
  { psk, dhchapKey, dhchapControllerKey }: HostKeys,
  box: SecretBox | null,
): HostRecord {
  const of = `of host ${record.hostNqn}`;
  if (psk !== undefined) requirePsk(psk, `the TLS key ${of}`);
  if (dhchapKey !== undefined) requireDhchapKey(dhchapKey, `the DH-HMAC-CHAP key ${of}`);
  if (dhchapControllerKey !== undefined)
    requireDhchapKey(dhchapControllerKey, `the DH-HMAC-CHAP controller key ${of}`);
  return {
    ...record,
    ...(psk !== undefined && { psk: seal(config, record, 'psk', psk, box) }),
    ...(dhchapKey !== undefined && { dhchapKey: seal(config, record, 'dhchap_key', dhchapKey, box) }),
    ...(dhchapControllerKey !== undefined && {
      dhchapControllerKey: seal(config, record, 'dhchap_ctrlr_key', dhchapControllerKey, box),
    }),
  };
}

/** `field` is the name in the record's JSON. */
function seal(
  config: Configuration,
  record: ConfigRecord,
  field: string,
  text: string,
  box: SecretBox | null,
): string {
  if (box === null) {
    refuse(
      'KEY_REQUIRED',
      `keys are stored encrypted only, and this gateway has no key file for that; ${MAKE_KEY_FILE}`,
    );
  }
  const trouble = keyFileTrouble(config, box);
  if (trouble !== null) refuse('KEY_REQUIRED', `the key is not stored: ${trouble}`);
  // Until the secrets are sealed anew, others may not have a new key yet.
  const [inUse = box.keyId, ...others] = secretKeyIds(config).keys();
  return box.seal(text, { record: keyOf(record), field }, others.length > 0 ? box.keyId : inUse);
}

/** The secrets that are sealed with another key than the first of the key file, sealed with that. */
export function planRotateKeys(config: Configuration, box: SecretBox | null): ConfigChange[] {
  const trouble = keyFileTrouble(config, box);
  if (trouble !== null) refuse('KEY_REQUIRED', `no key was encrypted anew: ${trouble}`);
  if (box === null) refuse('KEY_REQUIRED', `this gateway has no key file; ${MAKE_KEY_FILE}`);
  const anew = (record: ConfigRecord, field: string, sealed: string): string => {
    if (sealedWith(sealed) === box.keyId) return sealed;
    const place = { record: keyOf(record), field };
    return box.seal(box.open(sealed, place), place);
  };
  const changes: ConfigChange[] = [];
  for (const record of config.records.values()) {
    const renewed = withSecrets(record, (field, sealed) => anew(record, field, sealed));
    if (encodeRecord(renewed) !== encodeRecord(record)) changes.push(setRecord(renewed));
  }
  return changes;
}

/** The record with each secret replaced; `field` is the name in the record's JSON. */
function withSecrets(record: ConfigRecord, replace: (field: string, sealed: string) => string): ConfigRecord {
  if (record.kind === 'key-subsystem')
    return { ...record, dhchapKey: replace('dhchap_key', record.dhchapKey) };
  if (record.kind !== 'host') return record;
  const { psk, dhchapKey, dhchapControllerKey } = record;
  return {
    ...record,
    ...(psk !== undefined && { psk: replace('psk', psk) }),
    ...(dhchapKey !== undefined && { dhchapKey: replace('dhchap_key', dhchapKey) }),
    ...(dhchapControllerKey !== undefined && {
      dhchapControllerKey: replace('dhchap_ctrlr_key', dhchapControllerKey),
    }),
  };
}

/** A controller proves itself only to a host that does; with a key of the subsystem every host has to. */
function requireKeysFit(
  { key }: SubsystemConfig,
  { nqn, hostNqn, dhchapKey, dhchapControllerKey }: HostRecord,
): void {
  if (dhchapKey !== undefined) return;
  if (dhchapControllerKey !== undefined) {
    refuse(
      'KEY_REQUIRED',
      `the controller key of host ${hostNqn} has no use without a key of the host; give both, or delete the controller key first`,
    );
  }
  if (key !== null && hostNqn !== ANY_HOST)
    refuse(
      'KEY_REQUIRED',
      `subsystem ${nqn} has a key, so that each of its hosts needs one; host ${hostNqn} would have none`,
    );
}

function hostNotFound(nqn: string, hostNqn: string): never {
  const who = hostNqn === ANY_HOST ? 'that any host may use it' : `host ${hostNqn}`;
  refuse('HOST_NOT_FOUND', `subsystem ${nqn} does not list ${who}`);
}
