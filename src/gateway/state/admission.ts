/**
 * A record that comes from elsewhere (a document, another store) is asked for as if somebody asked for the same through the API: by the
 * very plan of that request. So what a request refuses is refused here, in the same words. What only holds at a moment is not asked:
 * whether an image or a file is there, who has an address, which locations have gateways. Pure but for the nonces of the encryption.
 */
import type { ConfigChange } from '../../store/store.ts';
import type { Configuration } from '../configuration/configuration.ts';
import { canonicalAddress } from '../configuration/network-mask.ts';
import {
  type BackendRecord,
  type ConfigRecord,
  decodeRecord,
  encodeRecord,
  type HostRecord,
  keyOf,
  type NamespaceRecord,
  type SubsystemKeyRecord,
} from '../configuration/records.ts';
import { MAKE_KEY_FILE, type SecretBox } from '../configuration/secret-box.ts';
import { planAddHost, planChangeSubsystemKey, requireRoomForKept } from '../plans/access.ts';
import { planAddNamespace } from '../plans/namespaces.ts';
import { planAddNetwork } from '../plans/networks.ts';
import { planSetQos } from '../plans/qos.ts';
import type { BackendSpec, HostKeys, NamespaceSpec } from '../plans/requests.ts';
import { planAddListener, planAddSubsystem } from '../plans/subsystems.ts';
import { refuse, requireHostNqn } from '../plans/validation.ts';
import { planAddNamespaceHost } from '../plans/visibility.ts';

export interface AdmissionContext {
  /** Opens the keys of hosts and subsystems; null: there is no key file. */
  readonly box: SecretBox | null;
  /** Which host names of listeners may mean this gateway. */
  isLocal(hostName: string): boolean;
}

/**
 * The record as it is to be stored: addresses and UUIDs in their one spelling. Throws as decodeRecord.
 */
export function readRecord(key: string, text: string): ConfigRecord {
  const record = decodeRecord(key, text);
  if (record.kind === 'listener') return { ...record, traddr: canonicalAddress(record.traddr) };
  return record.kind === 'namespace' ? { ...record, uuid: record.uuid.toLowerCase() } : record;
}

/**
 * The record as the request for it would have stored it into `config`, which has what it belongs to. Throws as that request does.
 */
export function admit(config: Configuration, record: ConfigRecord, context: AdmissionContext): ConfigRecord {
  const admitted = planned(config, record, context);
  // A plan that stores something else would silently change what was asked for.
  if (encodeRecord(admitted) !== encodeRecord(record))
    refuse('INVALID_ARGUMENT', `it would be stored as ${encodeRecord(admitted)}`);
  return admitted;
}

function planned(config: Configuration, record: ConfigRecord, context: AdmissionContext): ConfigRecord {
  const { nqn } = record;
  switch (record.kind) {
    case 'subsystem': {
      const { kind, ...spec } = record;
      return planAddSubsystem(config, spec, () => refuse('INVALID_ARGUMENT', 'it has no serial number'))
        .record;
    }
    case 'host':
      return record.removed ? keptHost(config, record) : admitHost(config, record, context.box);
    case 'key-subsystem':
      return admitSubsystemKey(config, record, context.box);
    case 'network':
      return only(planAddNetwork(config, nqn, record.mask));
    case 'listener': {
      const listener = planAddListener(config, record, context.isLocal).record;
      return { ...listener, ...(record.demo && { demo: true }) };
    }
    case 'namespace':
      return admitNamespace(config, record);
    case 'ns-host':
      // A host may be listed before it may use the subsystem: that is what force says.
      return only(planAddNamespaceHost(config, nqn, record.nsid, record.hostNqn, true));
    case 'qos':
      return only(planSetQos(config, nqn, record.nsid, record.limits));
  }
}

function only([change]: readonly ConfigChange[]): ConfigRecord {
  if (change === undefined) refuse('INVALID_ARGUMENT', 'it says nothing');
  return decodeRecord(change.key, change.value!);
}

// ---- namespaces ----

function admitNamespace(config: Configuration, record: NamespaceRecord): NamespaceRecord {
  const { anaGroupId, location } = record;
  const { kind, backend, ...fields } = record;
  // As it was placed: where gateways stand is another matter each day.
  const homes = { groups: [anaGroupId], locations: new Map(location ? [[anaGroupId, location]] : []) };
  // Who shared an image or a file has insisted on that once.
  const spec: NamespaceSpec = { ...fields, backend: specOf(backend), force: true };
  const plan = planAddNamespace(config, spec, { newUuid: () => '', homes });
  return { ...plan, sizeBytes: record.sizeBytes };
}

function specOf(backend: BackendRecord): BackendSpec {
  return backend.type === 'file' ? { ...backend, create: false } : backend;
}

// ---- hosts and keys ----

/** Removed, but may keep its connections: only a limit is asked. */
function keptHost(config: Configuration, record: HostRecord): HostRecord {
  requireHostNqn(record.hostNqn);
  requireRoomForKept(config.subsystem(record.nqn));
  return { kind: 'host', nqn: record.nqn, hostNqn: record.hostNqn, removed: true };
}

function admitHost(config: Configuration, record: HostRecord, box: SecretBox | null): HostRecord {
  const { nqn, hostNqn, psk, dhchapKey, dhchapControllerKey } = record;
  const open = (field: string, sealed: string | undefined) => openSecret(record, field, sealed, box);
  const keys: HostKeys = {
    psk: open('psk', psk),
    dhchapKey: open('dhchap_key', dhchapKey),
    dhchapControllerKey: open('dhchap_ctrlr_key', dhchapControllerKey),
  };
  const host = only(planAddHost(config, nqn, hostNqn, keys, box)) as HostRecord;
  return withSealed(record, { ...host, ...(record.keepConnections && { keepConnections: true }) });
}

function admitSubsystemKey(
  config: Configuration,
  record: SubsystemKeyRecord,
  box: SecretBox | null,
): SubsystemKeyRecord {
  const key = openSecret(record, 'dhchap_key', record.dhchapKey, box)!;
  return withSealed(record, only(planChangeSubsystemKey(config, record.nqn, key, box)) as SubsystemKeyRecord);
}

/** A key that cannot be read here would keep its host out for ever. */
function openSecret(
  record: ConfigRecord,
  field: string,
  sealed: string | undefined,
  box: SecretBox | null,
): string | undefined {
  if (sealed === undefined) return undefined;
  if (box === null)
    refuse('KEY_REQUIRED', `its ${field} is encrypted, and this gateway has no key file; ${MAKE_KEY_FILE}`);
  return box.open(sealed, { record: keyOf(record), field });
}

/** `fresh` with the sealed texts of `record`: a secret that did not change stays the same text. */
function withSealed<R extends HostRecord | SubsystemKeyRecord>(record: R, fresh: R): R {
  const { psk, dhchapKey, dhchapControllerKey } = record as HostRecord;
  return {
    ...fresh,
    ...(psk !== undefined && { psk }),
    ...(dhchapKey !== undefined && { dhchapKey }),
    ...(dhchapControllerKey !== undefined && { dhchapControllerKey }),
  };
}
