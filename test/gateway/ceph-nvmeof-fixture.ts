/** A state object of ceph-nvmeof 1.5 as its documentation and sources describe it, made up by hand. */
export const CEPH_NQN = 'nqn.2016-06.io.spdk:cnode1.shop';
export const CEPH_HOST = 'nqn.2014-08.org.nvmexpress:uuid:6b2e8b1d-8d0e-4a3c-9b4e-0d1f2a3b4c5d';
const LOCKED_HOST = 'nqn.2014-08.org.nvmexpress:uuid:7c3f9c2e-9e1f-4b4d-8c5f-1e2f3a4b5c6d';
const UUID = '12345678-ABCD-4abc-8def-123456789abc';

/** `pool` is that of its images. */
export function cephNvmeofState(pool: string): Map<string, string> {
  const entries: [string, object | string][] = [
    ['omap_version', '17'],
    [
      `subsystem_${CEPH_NQN}`,
      {
        subsystem_nqn: CEPH_NQN,
        serial_number: 'Ceph12345678',
        max_namespaces: 256,
        enable_ha: true,
        no_group_append: false,
        network_mask: ['192.0.2.7/24', '2001:DB8::/64'],
        secure_listeners: false,
        port: 4421,
      },
    ],
    [`host_${CEPH_NQN}_${CEPH_HOST}`, { subsystem_nqn: CEPH_NQN, host_nqn: CEPH_HOST, psk: '' }],
    [
      `listener_${CEPH_NQN}_node-1_TCP_192.0.2.11_4420`,
      {
        nqn: CEPH_NQN,
        host_name: 'node-1',
        traddr: '192.0.2.11',
        adrfam: 'ipv4',
        trsvcid: 4420,
        secure: false,
      },
    ],
    [
      `namespace_${CEPH_NQN}_1`,
      {
        rbd_pool_name: pool,
        rbd_image_name: 'disk1',
        subsystem_nqn: CEPH_NQN,
        nsid: 1,
        block_size: 512,
        uuid: UUID,
        anagrpid: 1,
        create_image: true,
        // What was asked for once; the image has grown since.
        size: '1048576',
        force: false,
        no_auto_visible: false,
      },
    ],
    [
      `namespace_${CEPH_NQN}_7`,
      {
        rbd_pool_name: pool,
        rbd_image_name: 'disk7',
        subsystem_nqn: CEPH_NQN,
        nsid: 7,
        block_size: 4096,
        uuid: UUID.replace('1', '2'),
        anagrpid: 2,
        create_image: false,
        size: '0',
        force: false,
        no_auto_visible: true,
        read_only: true,
        location: 'east',
      },
    ],
    // 64-bit numbers are texts in protobuf's JSON.
    [
      `qos_${CEPH_NQN}_1`,
      { subsystem_nqn: CEPH_NQN, nsid: 1, rw_ios_per_second: '2000', r_mbytes_per_second: '10' },
    ],
    [`qos_${CEPH_NQN}_7`, { subsystem_nqn: CEPH_NQN, nsid: 7, rw_ios_per_second: '0' }],
    [`ns-host_${CEPH_NQN}_7_${CEPH_HOST}`, { subsystem_nqn: CEPH_NQN, nsid: 7, host_nqn: CEPH_HOST }],
    [`ns-refresh-size_${CEPH_NQN}_1`, '1763683200'],
  ];
  return new Map(
    entries.map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value, null, 2)]),
  );
}

/** What cannot be taken over, and why. */
export function withTrouble(state: Map<string, string>): Map<string, string> {
  const namespace = JSON.parse(state.get(`namespace_${CEPH_NQN}_1`)!) as object;
  const more: [string, object][] = [
    [
      `host_${CEPH_NQN}_${LOCKED_HOST}`,
      { subsystem_nqn: CEPH_NQN, host_nqn: LOCKED_HOST, dhchap_key: 'gAAAAAB', key_encrypted: true },
    ],
    [
      `listener_${CEPH_NQN}_node-2_TCP_192.0.2.12_4420`,
      {
        nqn: CEPH_NQN,
        host_name: 'node-2',
        traddr: '192.0.2.12',
        adrfam: 'ipv4',
        trsvcid: 4420,
        secure: true,
      },
    ],
    [
      `namespace_${CEPH_NQN}_8`,
      {
        ...namespace,
        nsid: 8,
        uuid: UUID.replace('1', '3'),
        encryption_entries: [{ format: 'luks2', key_id: 'k' }],
      },
    ],
    [`ns-host_${CEPH_NQN}_8_${CEPH_HOST}`, { subsystem_nqn: CEPH_NQN, nsid: 8, host_nqn: CEPH_HOST }],
    [
      `namespace_${CEPH_NQN}_9`,
      { ...namespace, nsid: 9, uuid: UUID.replace('1', '4'), rbd_image_name: 'gone' },
    ],
    [`kmip_${CEPH_NQN}_server`, { server_name: 'server' }],
    [`ns-host_${CEPH_NQN}_1_${CEPH_HOST}`, { subsystem_nqn: CEPH_NQN, nsid: 1, host_nqn: CEPH_HOST }],
    [
      `subsystem_${CEPH_NQN}.tls`,
      {
        subsystem_nqn: `${CEPH_NQN}.tls`,
        serial_number: 'Ceph2',
        network_mask: ['192.0.2.0/24'],
        secure_listeners: true,
      },
    ],
  ];
  return new Map([...state, ...more.map(([key, value]): [string, string] => [key, JSON.stringify(value)])]);
}

/** As `rados listomapvals` prints it. */
export function listing(state: ReadonlyMap<string, string>): string {
  return [...state].map(([key, value]) => `${key}\n${dump(Buffer.from(value))}\n`).join('');
}

function dump(bytes: Buffer): string {
  const lines = [`value (${bytes.length} bytes) :`];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const same = at > 0 && row.length === 16 && row.equals(bytes.subarray(at - 16, at));
    if (same && lines.at(-1) === '*') continue;
    const pairs = [...row].map((byte) => byte.toString(16).padStart(2, '0'));
    const left = pairs.slice(0, 8).join(' ').padEnd(23);
    const right = pairs.slice(8).join(' ').padEnd(23);
    const text = row.toString('latin1').replace(/[^\x20-\x7e]/g, '.');
    lines.push(same ? '*' : `${hex(at)}  ${left}  ${right}  |${text}|`);
  }
  lines.push(hex(bytes.length));
  return `${lines.join('\n')}\n`;
}

function hex(offset: number): string {
  return offset.toString(16).padStart(8, '0');
}
