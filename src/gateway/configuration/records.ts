/**
 * The records of the durable configuration: their names and their JSON. Names and field names are those of ceph-nvmeof's
 * state object where it has them, so that people who know one can read the other. Pure.
 *
 * Names are joined with underscores. They stay unique because a subsystem NQN with an underscore is refused.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { AnagateError } from '../../base/errors.ts';
import { LIMITS } from '../../limits.ts';
import { isUuid } from '../../wire/uuid.ts';
import { strangeField } from './format.ts';
import { isMaskText } from './network-mask.ts';
import { sealedWith } from './secret-box.ts';

export interface SubsystemRecord {
  readonly kind: 'subsystem';
  readonly nqn: string;
  readonly serial: string;
  readonly maxNamespaces: number;
  /** TCP port of the listeners that its network masks make; absent: 4420. */
  readonly listenPort?: number;
}

/** Every gateway listens for the subsystem on the addresses of its node that are within the mask. */
export interface NetworkRecord {
  readonly kind: 'network';
  readonly nqn: string;
  /** As parseMask spells it. */
  readonly mask: string;
}

/** A gateway of the group: what it publishes of its node. Belongs to no subsystem. */
export interface GatewayRecord {
  readonly kind: 'gateway';
  readonly name: string;
  readonly hostName: string;
  /** Ascending. */
  readonly addresses: readonly string[];
}

export interface HostRecord {
  readonly kind: 'host';
  readonly nqn: string;
  /** '*' = any host. */
  readonly hostNqn: string;
  /** TLS pre-shared key, sealed (secret-box.ts); absent: TLS is not asked for. */
  readonly psk?: string;
  /** DH-HMAC-CHAP key, sealed; absent: the host is not authenticated. */
  readonly dhchapKey?: string;
  /** DH-HMAC-CHAP key of the controller for this host, sealed; absent: that of the subsystem, if it has one. */
  readonly dhchapControllerKey?: string;
  /** When the host is removed, its connections stay until they end by themselves. */
  readonly keepConnections?: boolean;
  /** The host was removed, but may keep the connections that it has. */
  readonly removed?: boolean;
}

/** DH-HMAC-CHAP key of a subsystem's controllers. A record of its own, because a subsystem's never changes. */
export interface SubsystemKeyRecord {
  readonly kind: 'key-subsystem';
  readonly nqn: string;
  /** Sealed. */
  readonly dhchapKey: string;
}

export interface ListenerRecord {
  readonly kind: 'listener';
  readonly nqn: string;
  readonly hostName: string;
  readonly traddr: string;
  readonly adrfam: 'ipv4' | 'ipv6';
  readonly trsvcid: number;
  /** Name of the gateway for which a network mask made it; absent: somebody added it. Never stored. */
  readonly gateway?: string;
  /** Made for the demo: follows the address that the gateway is started with. */
  readonly demo?: boolean;
}

/** What a namespace's bytes are kept in. */
export type BackendRecord =
  | { readonly type: 'file'; readonly path: string }
  | { readonly type: 'memory' }
  | RbdRecord;

export interface RbdRecord {
  readonly type: 'rbd';
  readonly pool: string;
  readonly image: string;
  /** Absent: the pool's default namespace. */
  readonly radosNamespace?: string;
  /** The pool that holds the data of an image that was made for the namespace; absent: that of the image. */
  readonly dataPool?: string;
  /** Moved to the pool's trash when the namespace is deleted. */
  readonly trashOnDelete?: boolean;
}

/** A namespace's identity lives here, so that every gateway reports the same, whether it has opened the backend or not. */
export interface NamespaceRecord {
  readonly kind: 'namespace';
  readonly nqn: string;
  readonly nsid: number;
  /** Lower case. */
  readonly uuid: string;
  readonly anaGroupId: number;
  readonly blockSize: 512 | 4096;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** The namespace keeps its size when its image grows. */
  readonly disableAutoResize?: boolean;
  /** Only the hosts of its {@link NamespaceHostRecord}s see it. */
  readonly noAutoVisible?: boolean;
  /** Placed in ANA groups whose home gateway is there; absent: anywhere. */
  readonly location?: string;
  readonly backend: BackendRecord;
}

/** A host that sees a namespace which is not visible to all. */
export interface NamespaceHostRecord {
  readonly kind: 'ns-host';
  readonly nqn: string;
  readonly nsid: number;
  readonly hostNqn: string;
}

/** Per second; 0 is no limit. A megabyte is 1,048,576 bytes. */
export interface QosLimits {
  /** I/O commands of all kinds. */
  readonly rwIos: number;
  /** Data read and written, together. */
  readonly rwMbytes: number;
  readonly rMbytes: number;
  readonly wMbytes: number;
}

/** Limits of a namespace; gone when there are none. */
export interface QosRecord {
  readonly kind: 'qos';
  readonly nqn: string;
  readonly nsid: number;
  readonly limits: QosLimits;
}

/** The records that belong to a subsystem, and those of the subsystems. */
export type ConfigRecord =
  | SubsystemRecord
  | SubsystemKeyRecord
  | HostRecord
  | NetworkRecord
  | ListenerRecord
  | NamespaceRecord
  | NamespaceHostRecord
  | QosRecord;

/** As `rbd` takes it: `pool/image` or `pool/namespace/image`. */
export function imagePathOf({ pool, radosNamespace, image }: RbdRecord): string {
  return [pool, ...(radosNamespace === undefined ? [] : [radosNamespace]), image].join('/');
}

/** How the names of gateways' records begin. */
const GATEWAY_KEY = 'gateway_';

/** Whether a name in the store is that of a {@link GatewayRecord}. */
export function isGatewayKey(key: string): boolean {
  return key.startsWith(GATEWAY_KEY);
}

/** The record's name in the store. */
export function keyOf(record: ConfigRecord | GatewayRecord): string {
  switch (record.kind) {
    case 'subsystem':
      return `subsystem_${record.nqn}`;
    case 'key-subsystem':
      return `key-subsystem_${record.nqn}`;
    case 'host':
      return `host_${record.nqn}_${record.hostNqn}`;
    case 'listener':
      if (record.gateway !== undefined)
        return `automatic_${record.nqn}_${record.gateway}_TCP_${record.traddr}_${record.trsvcid}`;
      return `listener_${record.nqn}_${record.hostName}_TCP_${record.traddr}_${record.trsvcid}`;
    case 'network':
      return `network_${record.nqn}_${record.mask}`;
    case 'gateway':
      return `${GATEWAY_KEY}${record.name}`;
    case 'namespace':
      return `namespace_${record.nqn}_${record.nsid}`;
    case 'ns-host':
      return `ns-host_${record.nqn}_${record.nsid}_${record.hostNqn}`;
    case 'qos':
      return `qos_${record.nqn}_${record.nsid}`;
  }
}

export function encodeRecord(record: ConfigRecord | GatewayRecord): string {
  return JSON.stringify(fieldsOf(record));
}

function fieldsOf(record: ConfigRecord | GatewayRecord): Record<string, unknown> {
  switch (record.kind) {
    case 'subsystem':
      return {
        subsystem_nqn: record.nqn,
        serial_number: record.serial,
        max_namespaces: record.maxNamespaces,
        enable_ha: true,
        ...(record.listenPort !== undefined && { port: record.listenPort }),
      };
    case 'network':
      return { subsystem_nqn: record.nqn, network_mask: record.mask };
    case 'gateway':
      return { name: record.name, host_name: record.hostName, addresses: record.addresses };
    case 'key-subsystem':
      return { subsystem_nqn: record.nqn, dhchap_key: record.dhchapKey, key_encrypted: true };
    case 'host':
      return hostFields(record);
    case 'listener':
      return {
        nqn: record.nqn,
        host_name: record.hostName,
        traddr: record.traddr,
        adrfam: record.adrfam,
        trsvcid: record.trsvcid,
        ...(record.demo && { demo: true }),
      };
    case 'namespace':
      return {
        subsystem_nqn: record.nqn,
        nsid: record.nsid,
        uuid: record.uuid,
        anagrpid: record.anaGroupId,
        block_size: record.blockSize,
        size: record.sizeBytes,
        read_only: record.readOnly,
        ...(record.disableAutoResize && { disable_auto_resize: true }),
        ...(record.noAutoVisible && { no_auto_visible: true }),
        ...(record.location !== undefined && { location: record.location }),
        ...backendFields(record.backend),
      };
    case 'ns-host':
      return { subsystem_nqn: record.nqn, nsid: record.nsid, host_nqn: record.hostNqn };
    case 'qos':
      return { subsystem_nqn: record.nqn, nsid: record.nsid, ...qosFields(record.limits) };
  }
}

/** Only those that are limits. */
function qosFields({ rwIos, rwMbytes, rMbytes, wMbytes }: QosLimits): Record<string, number> {
  return {
    ...(rwIos > 0 && { rw_ios_per_second: rwIos }),
    ...(rwMbytes > 0 && { rw_mbytes_per_second: rwMbytes }),
    ...(rMbytes > 0 && { r_mbytes_per_second: rMbytes }),
    ...(wMbytes > 0 && { w_mbytes_per_second: wMbytes }),
  };
}

function hostFields(record: HostRecord): Record<string, unknown> {
  return {
    subsystem_nqn: record.nqn,
    host_nqn: record.hostNqn,
    ...(record.psk !== undefined && { psk: record.psk, psk_encrypted: true }),
    ...(record.dhchapKey !== undefined && { dhchap_key: record.dhchapKey, key_encrypted: true }),
    ...(record.dhchapControllerKey !== undefined && {
      dhchap_ctrlr_key: record.dhchapControllerKey,
      ctrlr_key_encrypted: true,
    }),
    ...(record.keepConnections && { keep_connections: true }),
    ...(record.removed && { removed: true }),
  };
}

function backendFields(backend: BackendRecord): Record<string, string | boolean> {
  switch (backend.type) {
    case 'file':
      return { backend: 'file', path: backend.path };
    case 'memory':
      return { backend: 'memory' };
    case 'rbd':
      return {
        backend: 'rbd',
        rbd_pool_name: backend.pool,
        rbd_image_name: backend.image,
        ...(backend.radosNamespace !== undefined && { rados_namespace_name: backend.radosNamespace }),
        ...(backend.dataPool !== undefined && { rbd_data_pool_name: backend.dataPool }),
        ...(backend.trashOnDelete && { trash_image: true }),
      };
  }
}

/**
 * Reads a record. Throws STATE_CORRUPT naming the key when it is not one that {@link encodeRecord} wrote, or has a field that is not
 * known.
 */
export function decodeRecord(key: string, value: string): ConfigRecord {
  const fields = new FieldReader(key, value);
  fields.requireKnown(key.slice(0, key.indexOf('_')));
  const record = decodeKind(key.slice(0, key.indexOf('_')), fields);
  if (keyOf(record) !== key) fields.refuse(`its content belongs to ${keyOf(record)}`);
  return record;
}

/** As {@link decodeRecord}, for a name that {@link isGatewayKey} says is one. */
export function decodeGateway(key: string, value: string): GatewayRecord {
  const fields = new FieldReader(key, value);
  const record: GatewayRecord = {
    kind: 'gateway',
    name: fields.text('name'),
    hostName: fields.text('host_name'),
    addresses: fields.addresses('addresses'),
  };
  if (keyOf(record) !== key) fields.refuse(`its content belongs to ${keyOf(record)}`);
  return record;
}

function decodeKind(kind: string, fields: FieldReader): ConfigRecord {
  switch (kind) {
    case 'subsystem':
      return {
        kind,
        nqn: fields.text('subsystem_nqn'),
        serial: fields.text('serial_number'),
        maxNamespaces: fields.integer('max_namespaces', 1, LIMITS.maxNamespacesPerSubsystem),
        ...(fields.has('port') && { listenPort: fields.integer('port', 1, 65535) }),
      };
    case 'network':
      return { kind, nqn: fields.text('subsystem_nqn'), mask: fields.mask('network_mask') };
    case 'key-subsystem':
      return {
        kind,
        nqn: fields.text('subsystem_nqn'),
        dhchapKey: fields.sealed('dhchap_key', 'key_encrypted') ?? fields.refuse('dhchap_key is not a text'),
      };
    case 'host':
      return decodeHost(fields);
    case 'listener':
      return decodeListener(fields);
    case 'namespace':
      return decodeNamespace(fields);
    case 'ns-host':
      return {
        kind,
        nqn: fields.text('subsystem_nqn'),
        nsid: fields.integer('nsid', 1, LIMITS.maxNamespacesPerSubsystem),
        hostNqn: fields.text('host_nqn'),
      };
    case 'qos':
      return decodeQos(fields);
    default:
      return fields.refuse(
        'this version of Anagate does not know records of that kind; upgrade this gateway',
      );
  }
}

function decodeHost(fields: FieldReader): HostRecord {
  const psk = fields.sealed('psk', 'psk_encrypted');
  const dhchapKey = fields.sealed('dhchap_key', 'key_encrypted');
  const dhchapControllerKey = fields.sealed('dhchap_ctrlr_key', 'ctrlr_key_encrypted');
  return {
    kind: 'host',
    nqn: fields.text('subsystem_nqn'),
    hostNqn: fields.text('host_nqn'),
    ...(psk !== undefined && { psk }),
    ...(dhchapKey !== undefined && { dhchapKey }),
    ...(dhchapControllerKey !== undefined && { dhchapControllerKey }),
    ...(fields.flag('keep_connections') && { keepConnections: true }),
    ...(fields.flag('removed') && { removed: true }),
  };
}

function decodeListener(fields: FieldReader): ListenerRecord {
  const adrfam = fields.oneOf('adrfam', ['ipv4', 'ipv6']);
  const traddr = fields.text('traddr');
  if (!(adrfam === 'ipv4' ? isIPv4(traddr) : isIPv6(traddr)))
    fields.refuse(`traddr is not an ${adrfam} address`);
  return {
    kind: 'listener',
    nqn: fields.text('nqn'),
    hostName: fields.text('host_name'),
    traddr,
    adrfam,
    trsvcid: fields.integer('trsvcid', 1, 65535),
    ...(fields.flag('demo') && { demo: true }),
  };
}

function decodeNamespace(fields: FieldReader): NamespaceRecord {
  const uuid = fields.text('uuid');
  if (!isUuid(uuid)) fields.refuse('uuid is not a UUID');
  const blockSize = fields.oneOf('block_size', [512, 4096]);
  const location = fields.optionalText('location');
  const sizeBytes = fields.integer('size', blockSize, LIMITS.maxNamespaceBytes);
  if (sizeBytes % blockSize !== 0) fields.refuse('size is not a multiple of block_size');
  return {
    kind: 'namespace',
    nqn: fields.text('subsystem_nqn'),
    nsid: fields.integer('nsid', 1, LIMITS.maxNamespacesPerSubsystem),
    uuid,
    anaGroupId: fields.integer('anagrpid', 1, LIMITS.maxAnaGroups),
    blockSize,
    sizeBytes,
    readOnly: fields.flag('read_only'),
    ...(fields.flag('disable_auto_resize') && { disableAutoResize: true }),
    ...(fields.flag('no_auto_visible') && { noAutoVisible: true }),
    ...(location && { location }),
    backend: decodeBackend(fields),
  };
}

function decodeQos(fields: FieldReader): QosRecord {
  return {
    kind: 'qos',
    nqn: fields.text('subsystem_nqn'),
    nsid: fields.integer('nsid', 1, LIMITS.maxNamespacesPerSubsystem),
    limits: {
      rwIos: fields.count('rw_ios_per_second'),
      rwMbytes: fields.count('rw_mbytes_per_second'),
      rMbytes: fields.count('r_mbytes_per_second'),
      wMbytes: fields.count('w_mbytes_per_second'),
    },
  };
}

function decodeBackend(fields: FieldReader): BackendRecord {
  const type = fields.oneOf('backend', ['file', 'memory', 'rbd']);
  switch (type) {
    case 'file':
      return { type, path: fields.text('path') };
    case 'memory':
      return { type };
    case 'rbd':
      return decodeRbd(fields);
  }
}

function decodeRbd(fields: FieldReader): RbdRecord {
  const radosNamespace = fields.optionalText('rados_namespace_name');
  const dataPool = fields.optionalText('rbd_data_pool_name');
  return {
    type: 'rbd',
    pool: fields.text('rbd_pool_name'),
    image: fields.text('rbd_image_name'),
    ...(radosNamespace !== undefined && { radosNamespace }),
    ...(dataPool !== undefined && { dataPool }),
    ...(fields.flag('trash_image') && { trashOnDelete: true }),
  };
}

/** Takes checked fields out of one record's JSON. */
class FieldReader {
  readonly #key: string;
  readonly #fields: Record<string, unknown>;

  constructor(key: string, value: string) {
    this.#key = key;
    this.#fields = this.#parse(value);
  }

  /** What is not known would be lost when the record is written anew. */
  requireKnown(kind: string): void {
    const name = strangeField(kind, this.#fields);
    if (name !== null)
      this.refuse(
        `it has a field "${name}", which this version of Anagate does not know; upgrade this gateway, or correct the name`,
      );
  }

  text(name: string): string {
    const value = this.#fields[name];
    return typeof value === 'string' ? value : this.refuse(`${name} is not a text`);
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined;
  }

  mask(name: string): string {
    const text = this.text(name);
    return isMaskText(text) ? text : this.refuse(`${name} is not a network mask`);
  }

  addresses(name: string): string[] {
    const value = this.#fields[name];
    const isAddress = (one: unknown): one is string => typeof one === 'string' && isIP(one) !== 0;
    return Array.isArray(value) && value.every(isAddress)
      ? value
      : this.refuse(`${name} is not a list of addresses`);
  }

  optionalText(name: string): string | undefined {
    return this.#fields[name] === undefined ? undefined : this.text(name);
  }

  /** A sealed text; one in the clear is refused. */
  sealed(name: string, flag: string): string | undefined {
    const text = this.optionalText(name);
    if (text === undefined || (this.flag(flag) && sealedWith(text) !== null)) return text;
    return this.refuse(`${name} is not encrypted as Anagate does it; keys are never kept in the clear`);
  }

  integer(name: string, least: number, most: number): number {
    const value = this.#fields[name];
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    return this.refuse(`${name} is not a whole number from ${least} to ${most}`);
  }

  /** Absent is 0. As a text, too: ceph-nvmeof's records have 64-bit numbers so. */
  count(name: string): number {
    const value = Number(this.#fields[name] ?? 0);
    return Number.isSafeInteger(value) && value >= 0 ? value : this.refuse(`${name} is not a whole number`);
  }

  /** Absent is false. */
  flag(name: string): boolean {
    const value = this.#fields[name] ?? false;
    return typeof value === 'boolean' ? value : this.refuse(`${name} is neither true nor false`);
  }

  oneOf<const T extends string | number>(name: string, values: readonly T[]): T {
    const found = values.find((value) => value === this.#fields[name]);
    return found ?? this.refuse(`${name} is none of ${values.join(', ')}`);
  }

  refuse(reason: string): never {
    throw new AnagateError(
      'STATE_CORRUPT',
      `record ${this.#key} of the configuration cannot be used: ${reason}`,
    );
  }

  #parse(value: string): Record<string, unknown> {
    let fields: unknown;
    try {
      fields = JSON.parse(value);
    } catch (error) {
      return this.refuse((error as Error).message);
    }
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
      return this.refuse('it is no object');
    return fields as Record<string, unknown>;
  }
}
