/**
 * The state of a ceph-nvmeof group -> records of Anagate. Its object (`nvmeof.<group>.state`) has omap keys that are nearly ours,
 * and as values the requests that made the things, in protobuf's JSON. Names, serial numbers, namespace ids, UUIDs (and with them
 * NGUIDs) and load balancing groups stay what they are, so that hosts find the same disks. The sizes of images are not in it.
 */
import { isIPv6 } from 'node:net';
import { LIMITS } from '../../limits.ts';
import { parseMask } from '../configuration/network-mask.ts';
import {
  type ConfigRecord,
  decodeRecord,
  encodeRecord,
  type HostRecord,
  keyOf,
  type NamespaceRecord,
  type RbdRecord,
  type SubsystemRecord,
} from '../configuration/records.ts';
import { listenerRecord } from '../plans/subsystems.ts';

/** Something that cannot be taken over. */
export interface LeftOut {
  /** Key of the state. */
  key: string;
  reason: string;
}

export interface TakenState {
  /** Name -> JSON, see records.ts. */
  records: Map<string, string>;
  left: LeftOut[];
}

export interface TakeOptions {
  /** Bytes of an image. Rejects when there is none. */
  imageBytes(image: RbdRecord): Promise<number>;
  /** Images that are looked at side by side. */
  parallel: number;
}

/** Keys that say nothing that lasts. */
const PASSED_OVER =
  /^(?:omap_version$|ns-refresh-size_|lbgroup_|ns-visibility-|ns-trash-image_|ns-auto-resize_|key-)/;
const OTHER_KEY = 'its key is encrypted with a key of ceph-nvmeof, or not at all';

/** Takes over what can be, and says what cannot. `state`: omap key -> value. */
export async function takeCephNvmeofState(
  state: ReadonlyMap<string, string>,
  { imageBytes, parallel }: TakeOptions,
): Promise<TakenState> {
  const taken: TakenState = { records: new Map(), left: [] };
  const sized: { key: string; record: NamespaceRecord }[] = [];
  for (const [key, value] of [...state].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (PASSED_OVER.test(key)) continue;
    attempt(taken, key, () => {
      for (const record of convert(key, new Fields(value), (reason) => taken.left.push({ key, reason }))) {
        if (record.kind === 'namespace') sized.push({ key, record });
        else put(taken, record);
      }
    });
  }
  const worker = async (): Promise<void> => {
    for (let next = sized.shift(); next !== undefined; next = sized.shift()) {
      const { key, record } = next;
      await imageBytes(record.backend as RbdRecord).then(
        (bytes) => attempt(taken, key, () => put(taken, sizedRecord(record, bytes))),
        (error: Error) =>
          taken.left.push({ key, reason: `the size of its image cannot be read: ${error.message}` }),
      );
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  leaveOutOrphans(taken);
  return taken;
}

function attempt({ left }: TakenState, key: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    left.push({ key, reason: (error as Error).message });
  }
}

/** Throws when the record is none that Anagate can have. */
function put({ records }: TakenState, record: ConfigRecord): void {
  const text = encodeRecord(record);
  decodeRecord(keyOf(record), text);
  records.set(keyOf(record), text);
}

function sizedRecord(record: NamespaceRecord, bytes: number): NamespaceRecord {
  const sizeBytes = Math.min(bytes - (bytes % record.blockSize), LIMITS.maxNamespaceBytes);
  return { ...record, sizeBytes };
}

/** What belongs to something that was left out goes with it. */
function leaveOutOrphans({ records, left }: TakenState): void {
  for (const [key, text] of records) {
    const record = decodeRecord(key, text);
    const { nsid } = record as { nsid?: number };
    const missing = [
      `subsystem_${record.nqn}`,
      ...(nsid === undefined ? [] : [`namespace_${record.nqn}_${nsid}`]),
    ]
      .filter((owner) => owner !== key)
      .find((owner) => !records.has(owner));
    const namespace = record.kind === 'ns-host' ? records.get(`namespace_${record.nqn}_${nsid}`) : undefined;
    const isSeen = namespace !== undefined && !namespace.includes('"no_auto_visible":true');
    if (missing === undefined && !isSeen) continue;
    records.delete(key);
    const reason =
      missing === undefined ? 'all hosts see its namespace already' : `${missing} is left out or missing`;
    left.push({ key, reason });
  }
}

/** `leave` tells of a part that is not taken over. Throws when nothing can be. */
function convert(key: string, fields: Fields, leave: (reason: string) => void): ConfigRecord[] {
  const kind = key.slice(0, key.indexOf('_'));
  switch (key.startsWith('ns_host_') ? 'ns-host' : kind) {
    case 'subsystem':
      return convertSubsystem(fields, leave);
    case 'host':
      return [convertHost(fields)];
    case 'listener':
      return [convertListener(fields)];
    case 'namespace':
      return [convertNamespace(fields)];
    case 'qos':
      return convertQos(fields);
    case 'ns-host':
      return [
        {
          kind: 'ns-host',
          nqn: fields.text('subsystem_nqn'),
          nsid: fields.number('nsid'),
          hostNqn: fields.text('host_nqn'),
        },
      ];
    default:
      return [decodeRecord(key, fields.withNumbers())];
  }
}

/** Its network masks are a list in its own record; the listeners that they make are not stored. */
function convertSubsystem(fields: Fields, leave: (reason: string) => void): ConfigRecord[] {
  if (fields.text('dhchap_key') !== '') leave(`${OTHER_KEY}; set it anew (subsystem change_key)`);
  const asked = fields.number('max_namespaces');
  const port = fields.number('port');
  const subsystem: SubsystemRecord = {
    kind: 'subsystem',
    nqn: fields.text('subsystem_nqn'),
    serial: fields.text('serial_number'),
    maxNamespaces: asked === 0 ? LIMITS.maxNamespacesPerSubsystem : asked,
    ...(port !== 0 && { listenPort: port }),
  };
  return [subsystem, ...convertNetworks(subsystem.nqn, fields, leave)];
}

function convertNetworks(nqn: string, fields: Fields, leave: (reason: string) => void): ConfigRecord[] {
  const masks = fields.texts('network_mask');
  if (masks.length === 0) return [];
  if (fields.flag('secure_listeners')) {
    leave('its network masks are for TLS, which is not supported yet; add them anew (subsystem add_network)');
    return [];
  }
  return masks.flatMap((mask): ConfigRecord[] => {
    try {
      return [{ kind: 'network', nqn, mask: parseMask(mask).text }];
    } catch (error) {
      leave((error as Error).message);
      return [];
    }
  });
}

/** Limits of 0 are none. */
function convertQos(fields: Fields): ConfigRecord[] {
  const limits = {
    rwIos: fields.number('rw_ios_per_second'),
    rwMbytes: fields.number('rw_mbytes_per_second'),
    rMbytes: fields.number('r_mbytes_per_second'),
    wMbytes: fields.number('w_mbytes_per_second'),
  };
  if (Object.values(limits).every((limit) => limit === 0)) return [];
  return [{ kind: 'qos', nqn: fields.text('subsystem_nqn'), nsid: fields.number('nsid'), limits }];
}

/** One with keys is left out as a whole: without them it would be let in unprotected. */
function convertHost(fields: Fields): HostRecord {
  if (['psk', 'dhchap_key', 'dhchap_ctrlr_key'].some((name) => fields.text(name) !== ''))
    throw new Error(`${OTHER_KEY}; add the host with its key (host add)`);
  return { kind: 'host', nqn: fields.text('subsystem_nqn'), hostNqn: fields.text('host_nqn') };
}

function convertListener(fields: Fields): ConfigRecord {
  if (fields.flag('secure')) throw new Error('it is for TLS, which is not supported yet');
  const traddr = fields.text('traddr').replace(/^\[(.*)\]$/, '$1');
  const port = fields.number('trsvcid');
  return listenerRecord({
    nqn: fields.text('nqn'),
    hostName: fields.text('host_name'),
    traddr,
    adrfam: isIPv6(traddr) ? 'ipv6' : 'ipv4',
    trsvcid: port === 0 ? 4420 : port,
  });
}

function convertNamespace(fields: Fields): NamespaceRecord {
  if (fields.isList('encryption_entries') || fields.isList('encryption'))
    throw new Error('its image is encrypted; that is not supported yet');
  const location = fields.text('location');
  const radosNamespace = fields.text('rados_namespace_name');
  const dataPool = fields.text('rbd_data_pool_name');
  const blockSize = fields.number('block_size');
  return {
    kind: 'namespace',
    nqn: fields.text('subsystem_nqn'),
    nsid: fields.number('nsid'),
    uuid: fields.text('uuid').toLowerCase(),
    anaGroupId: fields.number('anagrpid'),
    blockSize: blockSize === 4096 ? 4096 : requireDefault(blockSize),
    sizeBytes: 0,
    readOnly: fields.flag('read_only'),
    ...(fields.flag('disable_auto_resize') && { disableAutoResize: true }),
    ...(fields.flag('no_auto_visible') && { noAutoVisible: true }),
    ...(location !== '' && { location }),
    backend: {
      type: 'rbd',
      pool: fields.text('rbd_pool_name'),
      image: fields.text('rbd_image_name'),
      ...(radosNamespace !== '' && { radosNamespace }),
      ...(dataPool !== '' && { dataPool }),
      ...(fields.flag('trash_image') && { trashOnDelete: true }),
    },
  };
}

function requireDefault(blockSize: number): 512 {
  if (blockSize === 0 || blockSize === 512) return 512;
  throw new Error(`its block size is ${blockSize}; Anagate has 512 and 4096`);
}

/** One value of the state. What is absent is the type's default, as protobuf has it. */
class Fields {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(value: string) {
    const fields: unknown = JSON.parse(value);
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
      throw new Error('its value is no object');
    this.#fields = fields as Record<string, unknown>;
  }

  text(name: string): string {
    const value = this.#fields[name] ?? '';
    if (typeof value !== 'string') throw new Error(`${name} is not a text`);
    return value;
  }

  /** 64-bit numbers are texts in protobuf's JSON. */
  number(name: string): number {
    const value = Number(this.#fields[name] ?? 0);
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name} is not a whole number`);
    return value;
  }

  texts(name: string): string[] {
    const value = this.#fields[name] ?? [];
    const isText = (one: unknown): one is string => typeof one === 'string';
    if (Array.isArray(value) && value.every(isText)) return value;
    throw new Error(`${name} is not a list of texts`);
  }

  /** Older releases wrote some flags as texts. */
  flag(name: string): boolean {
    const value = this.#fields[name] ?? false;
    return value === true || (typeof value === 'string' && /^true$/i.test(value));
  }

  isList(name: string): boolean {
    const value = this.#fields[name];
    return Array.isArray(value) && value.length > 0;
  }

  /** As JSON, with numbers where 64-bit ones are written as texts. */
  withNumbers(): string {
    return JSON.stringify(this.#fields, (_name, value: unknown) =>
      typeof value === 'string' && /^(?:0|[1-9]\d{0,14})$/.test(value) ? Number(value) : value,
    );
  }
}
