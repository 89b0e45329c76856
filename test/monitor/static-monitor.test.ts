import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/limits.ts';
import { type GroupOwner, StaticMonitor } from '../../src/monitor/static-monitor.ts';
import { TakingServer } from './taking-server.ts';

const OWNERS: GroupOwner[] = [
  { group: 2, gateway: 'gw-a' },
  { group: 1, gateway: 'gw-b' },
  { group: 7, gateway: 'gw-a' },
  { group: 3, gateway: 'gw-c' },
];

describe('StaticMonitor', () => {
  it('gives each gateway the slot of its first mention, and controller ids of its own', async () => {
    const places = await Promise.all(
      ['gw-a', 'gw-b', 'gw-c'].map((name) => new StaticMonitor(name, OWNERS).start()),
    );
    expect(places.map(({ slot }) => slot)).toEqual([0, 1, 2]);
    expect(places.map(({ minCntlid }) => minCntlid)).toEqual([1, 2041, 4081]);
  });

  it('has each group served by its owner and by nobody else', async () => {
    const served = (name: string) => {
      const monitor = new StaticMonitor(name, OWNERS);
      expect(monitor.homeGroups()).toEqual([1, 2, 3, 7]);
      const server = new TakingServer([1, 8]);
      monitor.attach(server);
      return server.taken;
    };
    expect(served('gw-a')).toEqual([2, 7]);
    expect(served('gw-b')).toEqual([1]);
    expect(served('gw-c')).toEqual([3]);
    const monitor = new StaticMonitor('gw-b', OWNERS);
    monitor.onChange(() => {})();
    await monitor.leave();
    await monitor.stop();
  });

  it.each([
    ['gw-x', OWNERS, /does not name this gateway, gw-x; it names gw-a, gw-b, gw-c/],
    ['gw-a', [], /does not name this gateway, gw-a; it names none/],
    ['gw-a', [...OWNERS, { group: 1, gateway: 'gw-a' }], /names two owners of ANA group 1/],
    ['gw-a', [{ group: 0, gateway: 'gw-a' }], /names ANA group 0, which is not from 1 to 128/],
    ['gw-a', [{ group: LIMITS.maxAnaGroups + 1, gateway: 'gw-a' }], /names ANA group 129/],
    [
      'gw-1',
      Array.from({ length: LIMITS.maxSlots + 1 }, (_, i) => ({ group: i + 1, gateway: `gw-${i}` })),
      /names more than 32 gateways/,
    ],
  ])('refuses a table that cannot be: %s', (name, owners, message) => {
    expect(() => new StaticMonitor(name, owners)).toThrowError(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });
});
