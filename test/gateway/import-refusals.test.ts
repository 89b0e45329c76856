/** What a request refuses, an import refuses: with the same words, with the name of the record, and without having changed anything. */
import { randomBytes } from 'node:crypto';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type ConfigRecord, encodeRecord, keyOf } from '../../src/gateway/configuration/records.ts';
import { SecretBox } from '../../src/gateway/configuration/secret-box.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { encodeStateDocument } from '../../src/gateway/state/document.ts';
import { LIMITS } from '../../src/limits.ts';
import { MemoryRecords } from '../../src/store/memory-store.ts';
import { file, HOST, listener, makeRig, memory, NQN, type RigOptions, scratch } from './rig.ts';

const DHCHAP = 'DHHC-1:00:MDAxMTIyMzM0NDU1NjY3Nzg4OTlhYWJiY2NkZGVlZmZwJEiQ:';
const box = new SecretBox(Buffer.alloc(32, 1), randomBytes);
const hostNqn = (n: number) => HOST.replace('5d2b2a3e', String(n).padStart(8, '0'));
const sealed = (record: string, field: string) => box.seal(DHCHAP, { record, field });

/** One subsystem with a namespace that is not visible to all. */
async function started(options: RigOptions = {}) {
  const records = new MemoryRecords();
  const rig = makeRig({ records, secrets: box, ...options });
  await rig.gateway.start();
  await rig.gateway.addSubsystem({ nqn: NQN, serial: 'S1', maxNamespaces: 8 });
  await rig.gateway.addNamespace(memory({ nsid: 1, noAutoVisible: true }));
  return { gateway: rig.gateway, records };
}

const namespace: ConfigRecord = {
  kind: 'namespace',
  nqn: NQN,
  nsid: 2,
  uuid: '5d2b2a3e-57a7-4a2e-9f8e-0c6d3a1b4c5d',
  anaGroupId: 1,
  blockSize: 512,
  sizeBytes: 1024 * 1024,
  readOnly: false,
  backend: { type: 'memory' },
};
const host: ConfigRecord = { kind: 'host', nqn: NQN, hostNqn: HOST };
const qos = { rwIos: 0, rwMbytes: 0, rMbytes: 0, wMbytes: 0 };

async function importOf(gateway: Gateway, ...added: ConfigRecord[]): Promise<unknown> {
  const records = new Map(added.map((record) => [keyOf(record), encodeRecord(record)]));
  return gateway.state.importState(
    await encodeStateDocument({ group: '', version: 0, records }),
    'merge',
    false,
  );
}

interface Case {
  what: string;
  /** What is there before. */
  given?: (gateway: Gateway) => Promise<unknown>;
  request: (gateway: Gateway) => Promise<unknown>;
  record: ConfigRecord;
}

const CASES: Case[] = [
  {
    what: 'a host "*" of a namespace',
    request: (g) => g.addNamespaceHost(NQN, 1, '*', true),
    record: { kind: 'ns-host', nqn: NQN, nsid: 1, hostNqn: '*' },
  },
  {
    what: 'a host of a namespace that all see',
    given: (g) => g.changeNamespaceVisibility(NQN, 1, true, true),
    request: (g) => g.addNamespaceHost(NQN, 1, HOST, true),
    record: { kind: 'ns-host', nqn: NQN, nsid: 1, hostNqn: HOST },
  },
  {
    what: 'more hosts of a namespace than there may be',
    given: async (g) => {
      for (let n = 0; n < LIMITS.maxHostsPerNamespace; n += 1)
        await g.addNamespaceHost(NQN, 1, hostNqn(n), true);
    },
    request: (g) => g.addNamespaceHost(NQN, 1, HOST, true),
    record: { kind: 'ns-host', nqn: NQN, nsid: 1, hostNqn: HOST },
  },
  {
    what: 'a limit past the greatest',
    request: (g) => g.setQosLimits(NQN, 1, { ...qos, rMbytes: 1_000_000_001 }),
    record: { kind: 'qos', nqn: NQN, nsid: 1, limits: { ...qos, rMbytes: 1_000_000_001 } },
  },
  {
    what: 'more networks than there may be',
    given: async (g) => {
      for (let n = 0; n < LIMITS.maxNetworksPerSubsystem; n += 1)
        await g.addSubsystemNetwork(NQN, `10.0.${n}.0/24`);
    },
    request: (g) => g.addSubsystemNetwork(NQN, '10.1.0.0/24'),
    record: { kind: 'network', nqn: NQN, mask: '10.1.0.0/24' },
  },
  {
    what: 'a link-local address',
    request: (g) => g.addListener(listener(4420, { traddr: 'fe80::1', adrfam: 'ipv6' })),
    record: { ...listener(4420, { traddr: 'fe80::1', adrfam: 'ipv6' }), kind: 'listener' },
  },
  {
    what: 'a listener at the place of another',
    given: (g) =>
      g.addListener(listener(4420, { hostName: '*', traddr: '192.0.2.1' }), { force: true }).catch(() => {}),
    request: (g) => g.addListener(listener(4420, { hostName: 'n', traddr: '192.0.2.1' })),
    record: { ...listener(4420, { hostName: 'n', traddr: '192.0.2.1' }), kind: 'listener' },
  },
  {
    what: 'a port that is none',
    request: (g) => g.addSubsystem({ nqn: `${NQN}2`, serial: 'S2', listenPort: 0 }),
    record: { kind: 'subsystem', nqn: `${NQN}2`, serial: 'S2', maxNamespaces: 8, listenPort: 0 },
  },
  {
    what: 'a serial number that is none',
    request: (g) => g.addSubsystem({ nqn: `${NQN}2`, serial: ' S2' }),
    record: { kind: 'subsystem', nqn: `${NQN}2`, serial: ' S2', maxNamespaces: 8 },
  },
  {
    what: 'an NQN that is none',
    request: (g) => g.addHost(NQN, 'nqn'),
    record: { kind: 'host', nqn: NQN, hostNqn: 'nqn' },
  },
  {
    what: 'a host without a key where each needs one',
    given: (g) => g.changeSubsystemKey(NQN, DHCHAP),
    request: (g) => g.addHost(NQN, HOST),
    record: host,
  },
  {
    what: 'any host where each needs a key',
    given: (g) => g.changeSubsystemKey(NQN, DHCHAP),
    request: (g) => g.addHost(NQN, '*'),
    record: { ...host, hostNqn: '*' },
  },
  {
    what: 'a key of a subsystem whose hosts have none',
    given: (g) => g.addHost(NQN, HOST),
    request: (g) => g.changeSubsystemKey(NQN, DHCHAP),
    record: {
      kind: 'key-subsystem',
      nqn: NQN,
      dhchapKey: sealed(`key-subsystem_${NQN}`, 'dhchap_key'),
    },
  },
  {
    what: 'a controller key without a key of the host',
    request: (g) => g.addHost(NQN, HOST, { dhchapControllerKey: DHCHAP }),
    record: {
      kind: 'host',
      nqn: NQN,
      hostNqn: HOST,
      dhchapControllerKey: sealed(`host_${NQN}_${HOST}`, 'dhchap_ctrlr_key'),
    },
  },
  {
    what: 'a file path that is relative',
    request: (g) => g.addNamespace(file('disk', { nsid: 2 })),
    record: { ...namespace, backend: { type: 'file', path: 'disk' } },
  },
  {
    what: 'an image name that is none',
    request: (g) => g.addNamespace({ nqn: NQN, nsid: 2, backend: { type: 'rbd', pool: 'p', image: 'a/b' } }),
    record: { ...namespace, backend: { type: 'rbd', pool: 'p', image: 'a/b' } },
  },
  {
    what: 'a UUID of zeroes',
    request: (g) => g.addNamespace(memory({ nsid: 2, uuid: '00000000-0000-0000-0000-000000000000' })),
    record: { ...namespace, uuid: '00000000-0000-0000-0000-000000000000' },
  },
];

it.each(CASES)('$what', async ({ given, request, record }) => {
  const { gateway, records } = await started();
  await given?.(gateway);
  const before = records.snapshot;
  const refusal: Error = await request(gateway).then(
    () => expect.fail('the request was not refused'),
    (error: Error) => error,
  );
  const imported: Error = await importOf(gateway, record).then(
    () => expect.fail('the import was not refused'),
    (error: Error) => error,
  );
  // A value that no record can have is noticed when it is read.
  if (!imported.message.includes('cannot be used')) expect(imported.message).toContain(refusal.message);
  expect(imported.message).toContain(keyOf(record));
  expect(records.snapshot).toBe(before);
});

it("a file of the gateway's own, also by another name", async () => {
  const directory = await scratch();
  const state = join(directory, 'state.json');
  await symlink(state, join(directory, 'link'));
  const { gateway, records } = await started({ reservedPaths: [state] });
  for (const path of [state, join(directory, 'link')]) {
    await expect(gateway.addNamespace(file(path, { nsid: 2 }))).rejects.toThrow("the gateway's own state");
    await expect(importOf(gateway, { ...namespace, backend: { type: 'file', path } })).rejects.toThrow(
      `namespace_${NQN}_2: file ${path} is the gateway's own state`,
    );
  }
  expect(records.snapshot.version).toBe(2);
});

it('nothing of what belongs to a wrong record, but the next wrong one', async () => {
  const { gateway } = await started();
  const wrong: ConfigRecord = { kind: 'subsystem', nqn: `${NQN}2`, serial: 'S1', maxNamespaces: 8 };
  const error = importOf(gateway, wrong, { ...host, nqn: `${NQN}2` }, { ...host, hostNqn: 'nqn' });
  await expect(error).rejects.toThrow(/because of 2 faults:\n {2}subsystem_.*\n {2}host_.*_nqn: .*$/s);
});
