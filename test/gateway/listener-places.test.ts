/** Whose a listener is. */
import { expect, it } from 'vitest';
import { Configuration, setRecord } from '../../src/gateway/configuration/configuration.ts';
import type { GatewayRecord, ListenerRecord } from '../../src/gateway/configuration/records.ts';
import { ListenerPlaces } from '../../src/gateway/group/listener-places.ts';

function gateway(name: string, hostName: string, ...addresses: string[]): GatewayRecord {
  return { kind: 'gateway', name, hostName, addresses };
}

function places(shared = true): ListenerPlaces {
  const config = new Configuration();
  const nodes = [
    gateway('gw-a', 'node-1', '192.0.2.1'),
    gateway('gw-b', 'node-2', '192.0.2.2', '2001:db8::2'),
  ];
  const records = new Map(nodes.map(setRecord).map(({ key, value }) => [key, value!]));
  config.follow({ version: 1, records });
  return new ListenerPlaces({
    identity: { name: 'gw-a', hostname: 'node-1' },
    config,
    addresses: { has: (address) => address === '192.0.2.1' },
    shared,
  });
}

function listener(hostName: string, traddr: string, by?: string): ListenerRecord {
  const adrfam = traddr.includes(':') ? 'ipv6' : 'ipv4';
  const made = by === undefined ? {} : { gateway: by };
  return { kind: 'listener', nqn: 'nqn.2026-11.test:one', hostName, traddr, adrfam, trsvcid: 4420, ...made };
}

it.each([
  ['gw-a', '192.0.2.9', true, 'gw-a'],
  ['node-1', '192.0.2.1', true, 'node-1'],
  ['node-2', '192.0.2.1', false, 'node-2'],
  ['*', '192.0.2.1', true, 'node-1'],
  ['*', '192.0.2.2', false, 'node-2'],
  ['*', '2001:db8::2', false, 'node-2'],
  ['*', '192.0.2.3', false, null],
  ['*', '0.0.0.0', true, null],
] as const)('that at host %s, address %s: ours %s, of %s', (hostName, traddr, ours, of) => {
  const record = listener(hostName, traddr);
  expect([places().isOurs(record), places().hostOf(record)]).toEqual([ours, of]);
});

it('a gateway that is alone has all without a host name: nobody else could', () => {
  expect(places(false).isOurs(listener('*', '192.0.2.3'))).toBe(true);
  expect(places(false).isOurs(listener('node-2', '192.0.2.3'))).toBe(false);
});

it('one that a network mask made is of the gateway that it was made for, whatever their nodes are called', () => {
  expect(places().isOurs(listener('node-1', '192.0.2.1', 'gw-a'))).toBe(true);
  expect(places().isOurs(listener('node-1', '192.0.2.1', 'gw-c'))).toBe(false);
});
