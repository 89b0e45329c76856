/** The whole configuration: exported, and imported all or nothing. */
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { SecretBox } from '../../src/gateway/configuration/secret-box.ts';
import { decodeStateDocument, encodeStateDocument } from '../../src/gateway/state/document.ts';
import { MemoryRecords } from '../../src/store/memory-store.ts';
import { code, HOST, listener, makeRig, memory, NQN } from './rig.ts';

const PSK = 'NVMeTLSkey-1:01:MDAxMTIyMzM0NDU1NjY3Nzg4OTlhYWJiY2NkZGVlZmZwJEiQ:';
const boxOf = (byte: number) => new SecretBox(Buffer.alloc(32, byte), randomBytes);

async function started(secrets?: SecretBox) {
  const records = new MemoryRecords();
  const rig = makeRig({ records, ...(secrets && { secrets }) });
  await rig.gateway.start();
  return { ...rig, records };
}

/** The document of a gateway that has one of everything. */
async function exported(secrets?: SecretBox): Promise<string> {
  const { gateway } = await started(secrets);
  await gateway.addSubsystem({ nqn: NQN, serial: 'S1', maxNamespaces: 8 });
  await gateway.addHost(NQN, HOST, secrets && { psk: PSK });
  await gateway.addNamespace(memory({ nsid: 3 }));
  await gateway.addListener(listener(4420, { hostName: 'elsewhere', traddr: '192.0.2.1' })).catch(() => {});
  return (await gateway.state.exportState()).document;
}

/** The document with other records. */
async function edited(document: string, edit: (records: Map<string, string>) => void): Promise<string> {
  const state = await decodeStateDocument(document);
  const records = new Map(state.records);
  edit(records);
  return encodeStateDocument({ ...state, records });
}

it('comes back as it was, in one commit, and the second time changes nothing', async () => {
  const document = await exported();
  const { gateway, records } = await started();
  const { changes, commits } = await gateway.state.importState(document, 'empty', true);
  expect(commits).toBe(1);
  expect(changes.map(({ change }) => change)).toEqual(['added', 'added', 'added', 'added']);
  expect(records.snapshot.version).toBe(0);
  await gateway.state.importState(document, 'empty', false);
  expect(records.snapshot.version).toBe(1);
  expect((await decodeStateDocument((await gateway.state.exportState()).document)).records).toEqual(
    (await decodeStateDocument(document)).records,
  );
  expect(gateway.listNamespaces()).toMatchObject([{ nqn: NQN, nsid: 3 }]);
  expect(await gateway.state.importState(document, 'replace', false)).toEqual({ changes: [], commits: 0 });
  expect(records.snapshot.version).toBe(1);
});

it('does not touch a configuration unless told how', async () => {
  const document = await exported();
  const { gateway, records } = await started();
  await gateway.addSubsystem({ nqn: `${NQN}2` });
  await expect(gateway.state.importState(document, 'empty', false)).rejects.toThrow(
    /has 1 record\..*--replace.*--merge/s,
  );
  expect(records.snapshot.version).toBe(1);
  await gateway.state.importState(document, 'merge', false);
  expect(gateway.listSubsystems().map(({ nqn }) => nqn)).toEqual([NQN, `${NQN}2`]);
  const { changes } = await gateway.state.importState(document, 'replace', false);
  expect(changes).toEqual([{ key: `subsystem_${NQN}2`, change: 'removed', remark: 'its hosts are cut off' }]);
  expect(gateway.listSubsystems().map(({ nqn }) => nqn)).toEqual([NQN]);
});

it('says what hosts will notice', async () => {
  const document = await exported();
  const { gateway } = await started();
  await gateway.state.importState(document, 'empty', false);
  const other = await edited(document, (records) => {
    records.delete(`namespace_${NQN}_3`);
    records.set(`subsystem_${NQN}`, records.get(`subsystem_${NQN}`)!.replace('S1', 'S2'));
  });
  expect((await gateway.state.importState(other, 'replace', true)).changes).toEqual([
    { key: `namespace_${NQN}_3`, change: 'removed', remark: expect.stringContaining('lose the disk') },
    { key: `subsystem_${NQN}`, change: 'changed', remark: expect.stringContaining('made anew') },
  ]);
});

const namespace = `namespace_${NQN}_3`;
it.each<[string, (records: Map<string, string>) => void, RegExp]>([
  ['a record of an unknown kind', (r) => r.set('wonder_x', '{}'), /wonder_x.*does not know/],
  [
    'a missing field',
    (r) => r.set(`host_${NQN}_x`, '{}'),
    /host_nqn\.2026-11\.io\.anagate:one_x.*is not a text/,
  ],
  ['a record without its subsystem', (r) => r.delete(`subsystem_${NQN}`), /there is no subsystem/],
  [
    'a name that is not that of its content',
    (r) => r.set(`namespace_${NQN}_4`, r.get(namespace)!),
    /_4 .*belongs to namespace_.*_3/,
  ],
  [
    'a UUID twice',
    (r) => r.set(`namespace_${NQN}_4`, r.get(namespace)!.replace('"nsid":3', '"nsid":4')),
    /_4: UUID .* is in use by namespace 3/,
  ],
  [
    'a serial number twice',
    (r) => r.set(`subsystem_${NQN}2`, r.get(`subsystem_${NQN}`)!.replace(NQN, `${NQN}2`)),
    /one2: serial number S1 is in use by/,
  ],
  [
    'a namespace id past the end',
    (r) => {
      const text = r
        .get(namespace)!
        .replace('"nsid":3', '"nsid":9')
        .replace(/00000000-/, '10000000-');
      r.set(`namespace_${NQN}_9`, text);
    },
    /_9: namespace ID 9 is not from 1 to 8/,
  ],
  [
    'limits without their namespace',
    (r) => r.set(`qos_${NQN}_7`, JSON.stringify({ subsystem_nqn: NQN, nsid: 7, rw_ios_per_second: 1000 })),
    /qos_.*_7: subsystem .* has no namespace 7/,
  ],
  [
    'an image in two ANA groups',
    (r) => {
      const image = { backend: 'rbd', rbd_pool_name: 'p', rbd_image_name: 'i' };
      const fields = { ...JSON.parse(r.get(namespace)!), ...image };
      const uuid = fields.uuid.replace(/^0/, '1');
      r.set(namespace, JSON.stringify(fields));
      r.set(`namespace_${NQN}_4`, JSON.stringify({ ...fields, nsid: 4, uuid, anagrpid: 2 }));
    },
    /_4: image p\/i is also that of namespace_.*_3, in another ANA group/,
  ],
  [
    'a key in the clear',
    (r) =>
      r.set(
        `host_${NQN}_${HOST}`,
        JSON.stringify({ subsystem_nqn: NQN, host_nqn: HOST, psk: PSK, psk_encrypted: true }),
      ),
    /never kept in the clear/,
  ],
  [
    'a field that would be lost',
    (r) => r.set(namespace, r.get(namespace)!.replace('{', '{"wonder":1,')),
    /namespace_.*_3 .*it has a field "wonder", which this version/,
  ],
  [
    'one listener in two spellings',
    (r) => {
      const fields = { nqn: NQN, host_name: 'n', adrfam: 'ipv6', trsvcid: 4420 };
      for (const traddr of ['2001:DB8:0::1', '2001:db8::1'])
        r.set(`listener_${NQN}_n_TCP_${traddr}_4420`, JSON.stringify({ ...fields, traddr }));
    },
    /2001:db8::1_4420 and listener_.*2001:DB8:0::1_4420 are one/,
  ],
])('refuses %s, naming the record, and changes nothing', async (_what, edit, reason) => {
  const document = await edited(await exported(), edit);
  const { gateway, records } = await started();
  const error = await gateway.state.importState(document, 'empty', false).catch((refusal: Error) => refusal);
  expect(error).toEqual(code('INVALID_ARGUMENT'));
  expect((error as Error).message).toMatch(reason);
  expect((error as Error).message).not.toContain(PSK);
  expect(records.snapshot.version).toBe(0);
});

it('names all faults at once', async () => {
  const document = await edited(await exported(), (records) => {
    records.set('wonder_1', '{}').set('wonder_2', '{}');
  });
  const { gateway } = await started();
  await expect(gateway.state.importState(document, 'empty', false)).rejects.toThrow(
    /2 faults:\n.*wonder_1.*\n.*wonder_2/,
  );
});

it('takes keys along, encrypted, to gateways with the same key file', async () => {
  const document = await exported(boxOf(1));
  expect(document).not.toContain(PSK.slice(16, 30));
  const same = await started(boxOf(1));
  await same.gateway.state.importState(document, 'empty', false);
  expect(same.gateway.listHosts(NQN).hosts).toMatchObject([{ hasPsk: true }]);
  await expect((await started(boxOf(2))).gateway.state.importState(document, 'empty', false)).rejects.toThrow(
    /encrypted with key \w+, but this gateway's key file/,
  );
  await expect((await started()).gateway.state.importState(document, 'empty', false)).rejects.toThrow(
    /has no key file/,
  );
});

it.each([
  ['nothing', '', /cannot be read/],
  ['another document', '{"a": 1}', /has no "anagate_state"/],
  ['that of a newer version', '{"anagate_state": 2}', /newer Anagate/],
  ['records that are none', '{"anagate_state": 1, "records": {"a": 1}}', /record a is no object/],
])('refuses %s', async (_what, document, reason) => {
  const { gateway } = await started();
  await expect(gateway.state.importState(document, 'empty', false)).rejects.toThrow(reason);
});

it('spells addresses and UUIDs as requests do', async () => {
  const traddr = '2001:DB8:0::1';
  const document = await edited(await exported(), (r) => {
    const fields = { nqn: NQN, host_name: 'n', traddr, adrfam: 'ipv6', trsvcid: 4420 };
    r.set(`listener_${NQN}_n_TCP_${traddr}_4420`, JSON.stringify(fields));
    r.set(namespace, r.get(namespace)!.replace(/"uuid":"\w+/, '"uuid":"ABCDEF00'));
  });
  const { gateway } = await started();
  await gateway.state.importState(document, 'empty', false);
  expect(gateway.listListeners(NQN).map((one) => one.traddr)).toContain('2001:db8::1');
  expect(gateway.listNamespaces()[0]!.uuid).toMatch(/^abcdef00-/);
  expect((await gateway.state.importState(document, 'replace', false)).changes).toEqual([]);
});

it('leaves alone what it does not change, though it would be refused today', async () => {
  const records = new MemoryRecords();
  const before = makeRig({ records });
  await before.gateway.start();
  for (const nqn of [NQN, `${NQN}2`]) await before.gateway.addSubsystem({ nqn });
  const { document } = await before.gateway.state.exportState();
  const { gateway } = makeRig({ records, limits: { maxSubsystems: 1, maxNamespacesPerSubsystem: 8 } });
  await gateway.start();
  expect((await gateway.state.importState(document, 'replace', false)).changes).toEqual([]);
  const more = await edited(document, (r) => {
    r.set(`subsystem_${NQN}3`, r.get(`subsystem_${NQN}`)!.replace(NQN, `${NQN}3`).replace(/AG../, 'other'));
  });
  await expect(gateway.state.importState(more, 'replace', false)).rejects.toThrow(/from 1 to 8/);
});
