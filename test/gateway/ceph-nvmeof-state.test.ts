/** The state of a ceph-nvmeof group, taken over. */
import { expect, it } from 'vitest';
import type { RbdRecord } from '../../src/gateway/configuration/records.ts';
import { takeCephNvmeofState } from '../../src/gateway/state/ceph-nvmeof.ts';
import { encodeStateDocument } from '../../src/gateway/state/document.ts';
import { parseOmapDump } from '../../src/gateway/state/omap-dump.ts';
import { CEPH_HOST, CEPH_NQN, cephNvmeofState, listing, withTrouble } from './ceph-nvmeof-fixture.ts';
import { MIB, makeRig } from './rig.ts';

const options = {
  imageBytes: async ({ image }: RbdRecord) => {
    if (image === 'gone') throw new Error('there is no image gone');
    return 100 * MIB + 513;
  },
  parallel: 2,
};

it('keeps what hosts know a disk by', async () => {
  const { records, left } = await takeCephNvmeofState(cephNvmeofState('rbd'), options);
  expect(left).toEqual([]);
  const { gateway } = makeRig();
  await gateway.start();
  const document = await encodeStateDocument({ group: '', version: 0, records });
  await gateway.state.importState(document, 'empty', false);
  expect(gateway.listSubsystems()).toMatchObject([
    { nqn: CEPH_NQN, serial: 'Ceph12345678', maxNamespaces: 256, minCntlid: 1, maxCntlid: 2040 },
  ]);
  expect(gateway.listHosts(CEPH_NQN)).toMatchObject({ allowAnyHost: false, hosts: [{ nqn: CEPH_HOST }] });
  expect(gateway.listListeners(CEPH_NQN)).toMatchObject([
    { hostName: 'node-1', traddr: '192.0.2.11', trsvcid: 4420 },
  ]);
  expect(gateway.listNamespaces()).toMatchObject([
    {
      nsid: 1,
      uuid: '12345678-abcd-4abc-8def-123456789abc',
      nguid: '12345678ABCD4ABC8DEF123456789ABC',
      anaGroupId: 1,
      blockSize: 512,
      sizeBytes: 100 * MIB + 512,
      readOnly: false,
      backend: { type: 'rbd', pool: 'rbd', image: 'disk1' },
      qos: { rwIos: 2000, rwMbytes: 0, rMbytes: 10, wMbytes: 0 },
    },
    {
      nsid: 7,
      anaGroupId: 2,
      blockSize: 4096,
      sizeBytes: 100 * MIB,
      readOnly: true,
      location: 'east',
      qos: { rwIos: 0, rwMbytes: 0, rMbytes: 0, wMbytes: 0 },
    },
  ]);
  expect(gateway.listSubsystems()[0]!.networks).toEqual(['192.0.2.0/24', '2001:db8::/64']);
  expect(JSON.parse(records.get(`subsystem_${CEPH_NQN}`)!)).toMatchObject({ port: 4421 });
  expect(records.has(`ns-host_${CEPH_NQN}_7_${CEPH_HOST}`)).toBe(true);
});

it('leaves out what cannot be had, with what belongs to it, and says why', async () => {
  const { records, left } = await takeCephNvmeofState(withTrouble(cephNvmeofState('rbd')), options);
  const good = (await takeCephNvmeofState(cephNvmeofState('rbd'), options)).records;
  const withoutMasks = [...records].filter(([key]) => key !== `subsystem_${CEPH_NQN}.tls`);
  expect(new Map(withoutMasks)).toEqual(good);
  const reasons = Object.fromEntries(left.map(({ key, reason }) => [key.replace(CEPH_NQN, 'N'), reason]));
  expect(reasons).toEqual({
    'host_N_nqn.2014-08.org.nvmexpress:uuid:7c3f9c2e-9e1f-4b4d-8c5f-1e2f3a4b5c6d':
      expect.stringContaining('add the host with its key'),
    'listener_N_node-2_TCP_192.0.2.12_4420': expect.stringContaining('TLS'),
    namespace_N_8: expect.stringContaining('encrypted'),
    [`ns-host_N_8_${CEPH_HOST}`]: expect.stringContaining('is left out'),
    [`ns-host_N_1_${CEPH_HOST}`]: expect.stringContaining('all hosts see its namespace'),
    'subsystem_N.tls': expect.stringContaining('for TLS'),
    namespace_N_9: expect.stringContaining('there is no image gone'),
    kmip_N_server: expect.stringContaining('does not know records of that kind'),
  });
  expect(JSON.stringify(left)).not.toContain('gAAAAAB');
});

it('reads what rados prints, and JSON', () => {
  const state = cephNvmeofState('rbd')
    .set('repeats', `${'x'.repeat(100)}end`)
    .set('none', '');
  expect(parseOmapDump(listing(state))).toEqual(state);
  expect(parseOmapDump(JSON.stringify(Object.fromEntries(state)))).toEqual(state);
  expect(parseOmapDump('{"a": {"b": 1}}')).toEqual(new Map([['a', '{"b":1}']]));
  expect(() => parseOmapDump('a key\nno value\n')).toThrow(/line 2/);
  expect(() => parseOmapDump(listing(state).slice(0, 400))).toThrow(/cannot be read/);
});
