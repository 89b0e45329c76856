/** What a gateway publishes of its node, and what it clears away of others. */
import { expect, it } from 'vitest';
import { Configuration, setRecord } from '../../src/gateway/configuration/configuration.ts';
import type { ConfigRecord, GatewayRecord } from '../../src/gateway/configuration/records.ts';
import { Publisher } from '../../src/gateway/group/publisher.ts';
import type { GatewayRow, MonitorAdmin } from '../../src/monitor/admin.ts';

const NQN = 'nqn.2026-11.io.anagate:one';
const SUBSYSTEM: ConfigRecord = { kind: 'subsystem', nqn: NQN, serial: 'S', maxNamespaces: 1 };
const NETWORK: ConfigRecord = { kind: 'network', nqn: NQN, mask: '192.0.2.0/24' };

function node(name: string, ...addresses: string[]): GatewayRecord {
  return { kind: 'gateway', name, hostName: `node-of-${name}`, addresses };
}

interface Group {
  shared?: boolean;
  members?: string[];
  leader?: string;
}

/** What gw-a, whose node has 192.0.2.1, wants to commit: `+name` set, `-name` removed. */
function planOf(stored: (ConfigRecord | GatewayRecord)[], group: Group = {}, masks = false): string[] {
  const { shared = true, members, leader = 'gw-a' } = group;
  const config = new Configuration();
  const changes = stored.map(setRecord).map(({ key, value }) => [key, value!] as const);
  config.follow({ version: 1, records: new Map(changes) });
  const admin = {
    gateways: () => (members ?? []).map((name) => ({ name }) as GatewayRow),
    leader: () => ({ gateway: leader, term: 1, ageMs: 0 }),
  } as unknown as MonitorAdmin;
  const publisher = new Publisher({
    identity: { name: 'gw-a', hostname: 'node-of-gw-a' },
    config,
    addresses: { list: () => ['192.0.2.1'], isMissing: () => false },
    monitor: { admin: members === undefined ? null : admin },
    shared,
  });
  return publisher.plan(masks).map(({ key, value }) => `${value === null ? '-' : '+'}${key}`);
}

it('a member of a group publishes its node, once', () => {
  expect(planOf([])).toEqual(['+gateway_gw-a']);
  expect(planOf([node('gw-a', '192.0.2.1')])).toEqual([]);
  expect(planOf([node('gw-a', '192.0.2.9'), node('gw-b')])).toEqual(['+gateway_gw-a']);
  expect(planOf([], { members: ['gw-a', 'gw-b'] })).toEqual(['+gateway_gw-a']);
});

it('one that was deleted for good publishes nothing, and the leader clears away what it published', () => {
  const stored = [node('gw-a', '192.0.2.1'), node('gw-b'), node('gw-c')];
  expect(planOf(stored, { members: ['gw-a', 'gw-c'] })).toEqual(['-gateway_gw-b']);
  expect(planOf(stored, { members: ['gw-a', 'gw-c'], leader: 'gw-c' })).toEqual([]);
  expect(planOf([node('gw-b')], { members: ['gw-b'], leader: 'gw-b' })).toEqual([]);
  // the map of the group is not known yet
  expect(planOf(stored, { members: [] })).toEqual([]);
});

it('a gateway that is alone publishes only for network masks, and knows no others', () => {
  const alone = { shared: false };
  expect(planOf([SUBSYSTEM], alone)).toEqual([]);
  expect(planOf([SUBSYSTEM], alone, true)).toEqual(['+gateway_gw-a']);
  expect(planOf([SUBSYSTEM, NETWORK, node('former', '192.0.2.1')], alone)).toEqual([
    '+gateway_gw-a',
    '-gateway_former',
  ]);
});

it('of more addresses than it may publish, those in networks and of listeners come first', () => {
  const config = new Configuration();
  const listener = {
    kind: 'listener',
    nqn: NQN,
    hostName: '*',
    traddr: '203.0.113.9',
    adrfam: 'ipv4',
    trsvcid: 4420,
  } as const;
  const records = [SUBSYSTEM, NETWORK, listener]
    .map(setRecord)
    .map(({ key, value }) => [key, value!] as const);
  config.follow({ version: 1, records: new Map(records) });
  const containers = Array.from({ length: 100 }, (_, at) => `10.0.${at}.1`);
  const publisher = new Publisher({
    identity: { name: 'gw-a', hostname: 'node-of-gw-a' },
    config,
    addresses: { list: () => [...containers, '192.0.2.1', '203.0.113.9'], isMissing: () => false },
    monitor: { admin: null },
    shared: true,
  });
  const [change] = publisher.plan();
  const { addresses } = JSON.parse(change!.value!) as { addresses: string[] };
  expect(addresses).toHaveLength(64);
  expect(addresses).toEqual(expect.arrayContaining(['192.0.2.1', '203.0.113.9']));
});
