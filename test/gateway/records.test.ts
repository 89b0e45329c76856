import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ConfigRecord,
  decodeRecord,
  encodeRecord,
  keyOf,
} from '../../src/gateway/configuration/records.ts';

const NQN = 'nqn.2026-11.io.anagate:one';

const EXAMPLES: [string, ConfigRecord, string][] = [
  [
    `subsystem_${NQN}`,
    { kind: 'subsystem', nqn: NQN, serial: 'AG1', maxNamespaces: 4096 },
    `{"subsystem_nqn":"${NQN}","serial_number":"AG1","max_namespaces":4096,"enable_ha":true}`,
  ],
  [`host_${NQN}_*`, { kind: 'host', nqn: NQN, hostNqn: '*' }, `{"subsystem_nqn":"${NQN}","host_nqn":"*"}`],
  [
    `listener_${NQN}_node_a_TCP_192.0.2.1_4420`,
    {
      kind: 'listener',
      nqn: NQN,
      hostName: 'node_a',
      traddr: '192.0.2.1',
      adrfam: 'ipv4',
      trsvcid: 4420,
    },
    `{"nqn":"${NQN}","host_name":"node_a","traddr":"192.0.2.1","adrfam":"ipv4","trsvcid":4420}`,
  ],
  [
    `namespace_${NQN}_7`,
    {
      kind: 'namespace',
      nqn: NQN,
      nsid: 7,
      uuid: '5d2b2a3e-57a7-4a2e-9f8e-0c6d3a1b4c5d',
      anaGroupId: 1,
      blockSize: 512,
      sizeBytes: 1024,
      readOnly: false,
      backend: { type: 'file', path: '/a b' },
    },
    `{"subsystem_nqn":"${NQN}","nsid":7,"uuid":"5d2b2a3e-57a7-4a2e-9f8e-0c6d3a1b4c5d","anagrpid":1,"block_size":512,` +
      '"size":1024,"read_only":false,"backend":"file","path":"/a b"}',
  ],
];

describe('records', () => {
  it.each(EXAMPLES)('%s has the name and fields of ceph-nvmeof', (key, record, text) => {
    expect(keyOf(record)).toBe(key);
    expect(encodeRecord(record)).toBe(text);
    expect(decodeRecord(key, text)).toEqual(record);
  });

  it('come back as they were', () => {
    const backend = fc.oneof(
      fc.record({ type: fc.constant('file' as const), path: fc.string() }),
      fc.record({ type: fc.constant('memory' as const) }),
      fc.record(
        {
          type: fc.constant('rbd' as const),
          pool: fc.string(),
          image: fc.string(),
          radosNamespace: fc.string(),
          dataPool: fc.string(),
          trashOnDelete: fc.constant(true as const),
        },
        { requiredKeys: ['type', 'pool', 'image'] },
      ),
    );
    const namespace = fc.record({
      kind: fc.constant('namespace' as const),
      nqn: fc.string(),
      nsid: fc.integer({ min: 1, max: 4096 }),
      uuid: fc.uuid(),
      anaGroupId: fc.integer({ min: 1, max: 128 }),
      blockSize: fc.constantFrom(512 as const, 4096 as const),
      sizeBytes: fc.integer({ min: 1, max: 2 ** 40 }).map((n) => n * 4096),
      readOnly: fc.boolean(),
      backend,
    });
    const listener = fc.record({
      kind: fc.constant('listener' as const),
      nqn: fc.string(),
      hostName: fc.string(),
      traddr: fc.ipV6(),
      adrfam: fc.constant('ipv6' as const),
      trsvcid: fc.integer({ min: 1, max: 65535 }),
      demo: fc.constant(true),
    });
    fc.assert(
      fc.property(fc.oneof(namespace, listener), (record) => {
        expect(decodeRecord(keyOf(record), encodeRecord(record))).toEqual(record);
      }),
    );
  });

  const namespaceKey = `namespace_${NQN}_7`;
  const namespaceFields = JSON.parse(EXAMPLES[3]![2]) as Record<string, unknown>;
  it.each([
    ['nsid', 0],
    ['nsid', '7'],
    ['uuid', 'x'],
    ['anagrpid', 129],
    ['block_size', 513],
    ['size', 1000],
    ['size', -512],
    ['size', 2 ** 53],
    ['read_only', 'no'],
    ['backend', 'tape'],
    ['path', undefined],
    ['subsystem_nqn', 'nqn.2026-11.io.anagate:other'],
  ])('is refused with %s = %j, naming the record', (field, value) => {
    const text = JSON.stringify({ ...namespaceFields, [field]: value });
    expect(() => decodeRecord(namespaceKey, text)).toThrowError(
      expect.objectContaining({ code: 'STATE_CORRUPT', message: expect.stringContaining(namespaceKey) }),
    );
  });

  it.each([
    ['qos_nqn_1', '{}'],
    ['subsystem_x', 'not json'],
    ['subsystem_x', '[]'],
    ['subsystem_x', 'null'],
    ['', '{}'],
    [
      'listener_x_n_TCP_192.0.2.1_1',
      '{"nqn":"x","host_name":"n","traddr":"192.0.2.1","adrfam":"ipv6","trsvcid":1}',
    ],
  ])('%s: %s is refused', (key, text) => {
    expect(() => decodeRecord(key, text)).toThrowError(expect.objectContaining({ code: 'STATE_CORRUPT' }));
  });
});
