/** Dry runs: the plans that would be committed, in sentences. */
import { describe, expect, it } from 'vitest';
import { Configuration, setRecord } from '../../src/gateway/configuration/configuration.ts';
import type { ConfigRecord, GatewayRecord, ListenerRecord } from '../../src/gateway/configuration/records.ts';
import { Rehearsal } from '../../src/gateway/rehearsal.ts';

const NQN = 'nqn.2026-11.test:shop';
const A = 'nqn.2026-11.test:host-a';
const B = 'nqn.2026-11.test:host-b';
const LISTENER: ListenerRecord = {
  kind: 'listener',
  nqn: NQN,
  hostName: 'node-1',
  traddr: '192.0.2.1',
  adrfam: 'ipv4',
  trsvcid: 4420,
};
const SPEC = { nqn: NQN, hostName: 'node-1', traddr: '192.0.2.1', adrfam: 'ipv4', trsvcid: 4420 } as const;

function namespace(nsid: number, trashOnDelete: boolean): ConfigRecord {
  return {
    kind: 'namespace',
    nqn: NQN,
    nsid,
    uuid: `00000000-0000-4000-8000-00000000000${nsid}`,
    sizeBytes: 2 ** 20,
    blockSize: 512,
    anaGroupId: 1,
    readOnly: false,
    backend: { type: 'rbd', pool: 'rbd', image: `disk${nsid}`, trashOnDelete },
  };
}

function rehearsal(connected: string[] = [], ...more: ConfigRecord[]): Rehearsal {
  const records: ConfigRecord[] = [
    { kind: 'subsystem', nqn: NQN, serial: 'S1', maxNamespaces: 16 },
    { kind: 'host', nqn: NQN, hostNqn: A },
    LISTENER,
    namespace(1, false),
    namespace(2, true),
    ...more,
  ];
  const config = new Configuration();
  const changes = records.map(setRecord);
  config.follow({ version: 1, records: new Map(changes.map(({ key, value }) => [key, value!])) });
  const hosts = () => new Set(connected);
  const useOf = () => (hosts().size > 0 ? 'hosts are connected' : null);
  return new Rehearsal(config, { connectedHosts: hosts, hostsThrough: hosts, useOf });
}

describe('a dry run of', () => {
  it('the deletion of a subsystem names all that goes with it; images stay', () => {
    expect(rehearsal([A]).deleteSubsystem(NQN, true).sort()).toEqual([
      `host ${A} could not use ${NQN} any more`,
      `host ${A} would be disconnected from ${NQN} here`,
      `namespace 1 of ${NQN} would be deleted; the image rbd/disk1 would stay`,
      `namespace 2 of ${NQN} would be deleted; the image rbd/disk2 would stay`,
      `subsystem ${NQN} would be deleted`,
      'the listener at 192.0.2.1:4420 of node-1 would be closed',
    ]);
    expect(() => rehearsal().deleteSubsystem(NQN, false)).toThrow(/still has 2 namespaces/);
  });

  it('the deletion of a namespace says what becomes of the image, and who loses the disk', () => {
    expect(rehearsal([B]).deleteNamespace(NQN, 2)).toEqual([
      `namespace 2 of ${NQN} would be deleted; the image rbd/disk2 would go to the trash, for which the request needs i_am_sure (--i-am-sure)`,
      `host ${B}, which is connected here, would lose the disk`,
    ]);
    expect(() => rehearsal().deleteNamespace(NQN, 3)).toThrow();
  });

  it('the removal of a host: it is cut off, unless any host may come', () => {
    expect(rehearsal([A, B]).deleteHost(NQN, A)).toEqual([
      `host ${A} could not use ${NQN} any more`,
      `host ${A} would be disconnected from ${NQN} here`,
    ]);
    const open: ConfigRecord = { kind: 'host', nqn: NQN, hostNqn: '*' };
    expect(rehearsal([A, B], open).deleteHost(NQN, A)).toHaveLength(1);
    expect(rehearsal([A, B], open).deleteHost(NQN, '*')).toEqual([
      `hosts that are not listed could not use ${NQN} any more`,
      `host ${B} would be disconnected from ${NQN} here`,
    ]);
  });

  it('the deletion of a listener: who loses a path; in use it needs force, as without a dry run', () => {
    expect(rehearsal([A]).deleteListener(SPEC, true)).toEqual([
      'the listener at 192.0.2.1:4420 of node-1 would be closed',
      `host ${A} would lose its path through 192.0.2.1:4420`,
    ]);
    expect(() => rehearsal([A]).deleteListener(SPEC, false)).toThrow(/use force/);
    expect(rehearsal().deleteListener(SPEC, false)).toHaveLength(1);
  });

  it('the deletion of a network names the listeners that only it makes, and the hosts that lose a path', () => {
    const network = (mask: string): ConfigRecord => ({ kind: 'network', nqn: NQN, mask });
    const config = new Configuration();
    const node: GatewayRecord = {
      kind: 'gateway',
      name: 'gw-1',
      hostName: 'node-1',
      addresses: ['192.0.2.1', '192.0.2.2', '198.51.100.1'],
    };
    const records = [
      { kind: 'subsystem', nqn: NQN, serial: 'S1', maxNamespaces: 16, listenPort: 4430 } as const,
      ...['192.0.2.0/24', '192.0.2.2/32', '198.51.100.0/24'].map(network),
      node,
    ];
    const texts = records.map(setRecord).map(({ key, value }) => [key, value!] as const);
    config.follow({ version: 1, records: new Map(texts) });
    const hosts = () => new Set([A]);
    const dryRun = new Rehearsal(config, { connectedHosts: hosts, hostsThrough: hosts, useOf: () => null });
    expect(dryRun.deleteSubsystemNetwork(NQN, '192.0.2.9/24')).toEqual([
      `network 192.0.2.0/24 of ${NQN} would be given up`,
      'the listener at 192.0.2.1:4430 of node-1 would be closed',
      `host ${A} would lose its path through 192.0.2.1:4430`,
    ]);
    expect(() => dryRun.deleteSubsystemNetwork(NQN, '10.0.0.0/8')).toThrow(/has no network 10\.0\.0\.0\/8/);
    expect(config.subsystem(NQN).networks.size).toBe(3);
  });
});
