/** Which addresses a gateway takes for its node's. */
import { expect, it } from 'vitest';
import { NodeAddresses } from '../../src/gateway/group/node-addresses.ts';
import { ManualClock } from '../base/manual-clock.ts';

function rig() {
  const clock = new ManualClock();
  const up = new Set(['127.0.0.1', '192.0.2.1', '2001:DB8::1', 'fe80::1']);
  const withoutCarrier = new Set<string>();
  const seen: string[][] = [];
  const addresses: NodeAddresses = new NodeAddresses({
    probe: {
      addresses: () => up,
      canBind: async (address) => up.has(address) || withoutCarrier.has(address),
    },
    timers: clock,
    onChange: () => seen.push(addresses.list()),
  });
  const look = async (times = 1): Promise<void> => {
    for (let i = 0; i < times; i += 1) {
      clock.advance(1000);
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    }
  };
  addresses.start();
  return { addresses, up, withoutCarrier, seen, look };
}

it('knows those of the node at once, link-local ones left out, and follows new ones', async () => {
  const { addresses, up, seen, look } = rig();
  expect(addresses.list()).toEqual(['127.0.0.1', '192.0.2.1', '2001:db8::1']);
  expect(['192.0.2.1', '2001:db8:0::1', '127.9.9.9', '192.0.2.2'].map((one) => addresses.has(one))).toEqual([
    true,
    true,
    true,
    false,
  ]);
  await look(3);
  expect(seen).toEqual([]);
  up.add('192.0.2.2');
  await look();
  expect(seen).toEqual([['127.0.0.1', '192.0.2.1', '192.0.2.2', '2001:db8::1']]);
});

it('keeps one that is gone for less than 10 s, or whose interface has no carrier', async () => {
  const { addresses, up, withoutCarrier, seen, look } = rig();
  up.delete('192.0.2.1');
  await look(9);
  up.add('192.0.2.1');
  await look(2);
  expect(seen).toEqual([]);
  up.delete('192.0.2.1');
  withoutCarrier.add('192.0.2.1');
  await look(30);
  expect([seen, addresses.has('192.0.2.1')]).toEqual([[], true]);
  withoutCarrier.clear();
  await look();
  expect([seen.length, addresses.has('192.0.2.1')]).toEqual([1, false]);
});
