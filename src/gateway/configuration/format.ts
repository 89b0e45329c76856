/**
 * The kinds of records and their fields in format 1 of the store and of exported documents. A gateway refuses a record with anything
 * else: when it wrote the record anew, what it does not know would be lost, and with it perhaps who is to be kept out. So an addition here
 * needs a new format (store/omap-layout.ts, store/state-file.ts, state/document.ts) from the first release on; docs/groups.md, "Upgrades".
 */
export const FIELDS: Readonly<Record<string, readonly string[]>> = {
  subsystem: ['subsystem_nqn', 'serial_number', 'max_namespaces', 'enable_ha', 'port'],
  'key-subsystem': ['subsystem_nqn', 'dhchap_key', 'key_encrypted'],
  host: [
    'subsystem_nqn',
    'host_nqn',
    'psk',
    'psk_encrypted',
    'dhchap_key',
    'key_encrypted',
    'dhchap_ctrlr_key',
    'ctrlr_key_encrypted',
    'keep_connections',
    'removed',
  ],
  network: ['subsystem_nqn', 'network_mask'],
  listener: ['nqn', 'host_name', 'traddr', 'adrfam', 'trsvcid', 'demo'],
  namespace: [
    'subsystem_nqn',
    'nsid',
    'uuid',
    'anagrpid',
    'block_size',
    'size',
    'read_only',
    'disable_auto_resize',
    'no_auto_visible',
    'location',
    'backend',
    'path',
    'rbd_pool_name',
    'rbd_image_name',
    'rados_namespace_name',
    'rbd_data_pool_name',
    'trash_image',
  ],
  'ns-host': ['subsystem_nqn', 'nsid', 'host_nqn'],
  qos: [
    'subsystem_nqn',
    'nsid',
    'rw_ios_per_second',
    'rw_mbytes_per_second',
    'r_mbytes_per_second',
    'w_mbytes_per_second',
  ],
  gateway: ['name', 'host_name', 'addresses'],
};

const known = new Map(Object.entries(FIELDS).map(([kind, fields]) => [kind, new Set(fields)]));

/** A field that records of the kind do not have; null: none, or there is no such kind. */
export function strangeField(kind: string, fields: object): string | null {
  const names = known.get(kind);
  if (names === undefined) return null;
  for (const name in fields) if (!names.has(name)) return name;
  return null;
}
