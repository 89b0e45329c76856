/** The network between hosts and gateways as a gateway sees it (ha-design L7). */
import { expect, it } from 'vitest';
import type { ListenerRecord } from '../../src/gateway/configuration/records.ts';
import { FrontNetwork } from '../../src/gateway/group/front-network.ts';
import { ManualClock } from '../base/manual-clock.ts';

function listener(hostName: string, traddr: string, trsvcid = 4420): ListenerRecord {
  return { kind: 'listener', nqn: 'nqn.2026-11.io.anagate:one', hostName, traddr, adrfam: 'ipv4', trsvcid };
}

/** gw-a listens on 192.0.2.1 and 198.51.100.1; the others have an address each. */
function rig(listeners: ListenerRecord[] = ALL) {
  const clock = new ManualClock();
  const addresses = new Set(['192.0.2.1', '198.51.100.1']);
  const dead = new Set<string>();
  const tried: string[] = [];
  let changes = 0;
  const front = new FrontNetwork({
    probe: {
      addresses: () => addresses,
      reaches: async (address, port) => {
        tried.push(`${address}:${port}`);
        return !dead.has(address);
      },
      canBind: async () => false,
    },
    timers: clock,
    listeners: () => listeners,
    isOurs: ({ hostName }) => hostName === 'gw-a',
    hostOf: ({ hostName }) => (hostName === '*' ? null : hostName),
    isThisNode: (hostName) => hostName === 'gw-a' || hostName === 'gw-a2',
    onChange: () => {
      changes += 1;
    },
  });
  /** One look, and its answers. */
  const look = async (): Promise<void> => {
    clock.advance(1000);
    for (let i = 0; i < 10; i += 1) await Promise.resolve();
  };
  front.start();
  return { clock, addresses, dead, tried, front, look, changes: () => changes };
}

const OWN = [listener('gw-a', '192.0.2.1'), listener('gw-a', '198.51.100.1')];
const ALL = [
  ...OWN,
  listener('gw-b', '192.0.2.2'),
  listener('gw-b', '192.0.2.2', 4421),
  listener('gw-c', '192.0.2.3'),
  listener('*', '0.0.0.0'),
];

it('an own address that is gone makes its listener unusable; the link is down when none is left', async () => {
  const { addresses, front, look, changes } = rig();
  await look();
  expect([front.linkDown, ...OWN.map((own) => front.isMissing(own))]).toEqual([false, false, false]);
  addresses.delete('198.51.100.1');
  const before = changes();
  await look();
  expect([front.linkDown, ...OWN.map((own) => front.isMissing(own))]).toEqual([false, false, true]);
  expect(changes()).toBe(before + 1);
  addresses.clear();
  await look();
  expect(front.linkDown).toBe(true);
  addresses.add('192.0.2.1');
  await look();
  expect([front.linkDown, ...OWN.map((own) => front.isMissing(own))]).toEqual([false, false, true]);
});

it('without listeners here there is no link that could be down, and a wildcard is always there', async () => {
  for (const listeners of [[listener('gw-b', '192.0.2.2')], [listener('gw-a', '0.0.0.0')]]) {
    const { addresses, front, look } = rig(listeners);
    addresses.clear();
    await look();
    expect(front.linkDown).toBe(false);
  }
});

it('a peer is unreachable after two looks in vain at all its ports, reachable after one success', async () => {
  const { dead, tried, front, look, changes } = rig();
  await look();
  expect([...front.reachable].sort()).toEqual(['gw-b', 'gw-c']);
  expect([...new Set(tried)].sort()).toEqual(['192.0.2.2:4420', '192.0.2.2:4421', '192.0.2.3:4420']);
  dead.add('192.0.2.2');
  await look();
  expect([front.unreachable, front.reachable]).toEqual([[], ['gw-c']]);
  const before = changes();
  await look();
  expect([front.unreachable, front.reachable]).toEqual([['gw-b'], ['gw-c']]);
  expect(changes()).toBe(before + 1);
  dead.clear();
  await look();
  expect([front.unreachable, [...front.reachable].sort()]).toEqual([[], ['gw-b', 'gw-c']]);
});

it('looks no more once it is stopped, also when an answer comes late', async () => {
  const { clock, front, look, tried } = rig();
  await look();
  front.stop();
  const before = tried.length;
  await look();
  expect(tried.length).toBe(before);
  expect(clock.armed).toBe(0);
});

it('an address that this node has as well says nothing of a peer, unless the peer is on this node', async () => {
  const own = listener('gw-a', '192.0.2.1');
  const others = [listener('gw-b', '198.51.100.1'), listener('gw-b', '192.0.2.2')];
  const { dead, tried, front, look } = rig([own, ...others, listener('gw-a2', '192.0.2.1', 4421)]);
  dead.add('192.0.2.2');
  for (let i = 0; i < 3; i += 1) await look();
  expect([front.unreachable, front.reachable]).toEqual([['gw-b'], ['gw-a2']]);
  expect([...new Set(tried)].sort()).toEqual(['192.0.2.1:4421', '192.0.2.2:4420']);
});
