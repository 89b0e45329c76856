import { describe, expect, it } from 'vitest';
import type { AnagateError } from '../../src/base/errors.ts';
import { FakeGroup } from './support/fake-group.ts';

const HOST = 'nqn.2026-11.test:host';
const OTHER = 'nqn.2026-11.test:other';

/** How the promise ended, once it has. */
function outcome(promise: Promise<void>): { is: string | null } {
  const result: { is: string | null } = { is: null };
  promise.then(
    () => {
      result.is = 'done';
    },
    (error: Error) => {
      result.is = error.message;
    },
  );
  return result;
}

describe('what operators see', () => {
  it('is every gateway, with who leads and what it owns, on any of them', async () => {
    const group = new FakeGroup();
    const [, second] = await group.settled('gw-a', 'gw-b');
    await group.run(1000);
    const { admin } = second.monitor;
    expect(admin.gateways()).toMatchObject([
      { name: 'gw-a', slot: 0, availability: 'AVAILABLE', leader: true, groups: [1], hosts: [HOST], load: 1 },
      { name: 'gw-b', slot: 1, availability: 'AVAILABLE', leader: false, groups: [2] },
    ]);
    expect(admin.gateways()[0].beaconAgeMs).toBeLessThan(600);
    expect(admin.leader()).toMatchObject({ gateway: 'gw-a', term: 1 });
    expect(admin.leader()!.ageMs).toBeLessThan(1100);
  });

  it('is every group, with its owner, its states and what is awaited', async () => {
    const group = new FakeGroup();
    const [first, second] = await group.settled('gw-a', 'gw-b');
    await group.run(1000);
    const { admin } = first.monitor;
    expect(admin.groups()[1]).toMatchObject({
      id: 2,
      owner: 'gw-b',
      home: 'gw-b',
      state: 'ACTIVE',
      awaited: null,
    });
    second.kill();
    await group.until('it is to move', () => admin.groups()[1].owner === 'gw-a');
    expect(admin.groups()[1]).toMatchObject({
      state: 'WAIT_BLOCKLIST_CMPL',
      awaited: expect.stringMatching(/^fence of gw-b \(192\.0\.2\.2:0\/\d+\): its process ended$/),
    });
    await group.until('gw-a serves it', () => group.serverOf(2) === 'gw-a');
    await group.run(600);
    expect(admin.groups()[1]).toMatchObject({ state: 'ACTIVE', awaited: null });
    expect(admin.events().at(-1)).toMatchObject({ group: 2, from: 'gw-b', to: 'gw-a' });
    expect(Object.keys(admin.events().at(-1)!.marks).sort()).toEqual(['decided', 'fenced', 'serving']);
    expect(first.monitor.figures()).toMatchObject({ failovers: 1, leading: true, term: 1, fences: 0 });
  });
});

describe('what operators see of a group that is not reached', () => {
  it('is how old it is', async () => {
    const group = new FakeGroup();
    const [first] = await group.settled('gw-a', 'gw-b');
    await group.run(5000);
    const { admin } = first.monitor;
    expect(admin.staleMs).toBe(null);
    first.link.cut = true;
    await group.run(10_000);
    expect(admin.staleMs).toBeGreaterThan(9000);
    expect(admin.gateways()).toHaveLength(2);
    first.link.mend();
    await group.run(5000);
    expect(admin.staleMs).toBe(null);
  });
});

describe('what operators command', () => {
  it('is done on whichever gateway it is asked', async () => {
    const group = new FakeGroup();
    const [, second] = await group.settled('gw-a', 'gw-b');
    const result = outcome(second.monitor.admin.request({ kind: 'disable', gateway: 'gw-a' }));
    await group.until('it is answered', () => result.is !== null, 1000);
    expect(result.is).toBe('done');
    await group.until('gw-b serves both', () => group.serverOf(1) === 'gw-b');
  });

  it('is refused with the reason', async () => {
    const group = new FakeGroup();
    const [first] = await group.settled('gw-a');
    const result = outcome(first.monitor.admin.request({ kind: 'enable', gateway: 'gw-x' }));
    await group.until('it is answered', () => result.is !== null, 1000);
    expect(result.is).toContain('"gw-x"');
  });

  it.each([
    ['GATEWAY_NOT_FOUND', { kind: 'delete', gateway: 'gw-x' }],
    ['ANA_GROUP_NOT_FOUND', { kind: 'move', group: 9, gateway: 'gw-a', force: false }],
  ] as const)('is refused with %s', async (code, command) => {
    const group = new FakeGroup();
    const [first] = await group.settled('gw-a');
    let refusal: AnagateError | null = null;
    first.monitor.admin.request(command).catch((error: AnagateError) => {
      refusal = error;
    });
    await group.until('it is answered', () => refusal !== null, 1000);
    expect(refusal).toMatchObject({ code });
  });

  it('is not answered while the cluster stands still, and says so', async () => {
    const group = new FakeGroup();
    const [first] = await group.settled('gw-a');
    group.ceph.pause();
    const result = outcome(first.monitor.admin.request({ kind: 'disable', gateway: 'gw-a' }));
    await group.until('it is given up', () => result.is !== null, 20_000);
    expect(result.is).toContain('it may have been done all the same');
  });

  it('survives a new incarnation and another leader', async () => {
    const group = new FakeGroup();
    const [first, second] = await group.settled('gw-a', 'gw-b', 'gw-c');
    first.kill();
    group.ceph.blocklisted.add(second.coordination.address);
    const result = outcome(
      second.monitor.admin.request({ kind: 'set-location', gateway: 'gw-c', location: 'x' }),
    );
    await group.until('it is answered', () => result.is !== null);
    expect(result.is).toBe('done');
    expect(group.ceph.map.gateways[2].location).toBe('x');
  });

  it('ends when the gateway stops', async () => {
    const group = new FakeGroup();
    const [first] = await group.settled('gw-a');
    group.ceph.pause();
    const result = outcome(first.monitor.admin.request({ kind: 'disable', gateway: 'gw-a' }));
    void first.monitor.stop();
    await group.until('it is answered', () => result.is !== null);
    expect(result.is).toContain('ask another one');
  });
});

describe('a drain', () => {
  it('is done when nothing is owned any more', async () => {
    const group = new FakeGroup();
    const [first, second] = await group.settled('gw-a', 'gw-b');
    const result = outcome(first.monitor.admin.drain('gw-b', false));
    await group.until('it is done', () => result.is !== null, 3000);
    expect(result.is).toBe('done');
    expect(second.server.asked).toContain('release 2');
    expect(group.serverOf(2)).not.toBe('gw-b');
  });

  it('names the hosts that are in the way', async () => {
    const group = new FakeGroup({ hostsWait: 5000 });
    const [first, second] = await group.settled('gw-a', 'gw-b');
    second.server.set({ hosts: [HOST, OTHER] });
    await group.run(1000);
    const result = outcome(first.monitor.admin.drain('gw-b', false));
    await group.until('it gives up', () => result.is !== null, 20_000);
    expect(result.is).toContain(`not connected to gw-a: ${OTHER}`);
    expect(group.serverOf(2)).toBe('gw-b');
    first.server.set({ hosts: [HOST, OTHER] });
    await group.until('it goes on once they are there', () => group.serverOf(2) === 'gw-a');
  });

  it('with force does not wait for them', async () => {
    const group = new FakeGroup();
    const [first, second] = await group.settled('gw-a', 'gw-b');
    second.server.set({ hosts: [HOST, OTHER] });
    await group.run(1000);
    const result = outcome(first.monitor.admin.drain('gw-b', true));
    await group.until('it is done', () => result.is === 'done', 3000);
  });
});

describe('whether gateways may be stopped', () => {
  it('is so while others cover their groups and have their hosts', async () => {
    const group = new FakeGroup();
    const [first, second] = await group.settled('gw-a', 'gw-b', 'gw-c');
    await group.run(1000);
    const { admin } = first.monitor;
    expect(admin.okToStop(['gw-b'])).toEqual([]);
    expect(admin.okToStop(['gw-b', 'gw-c'])).toEqual([]);
    expect(admin.okToStop(['gw-a', 'gw-b', 'gw-c'])).toEqual([
      `No path to a gateway that is left would have ${HOST}`,
    ]);
    expect(admin.okToStop(['gw-x'])).toEqual(['There is no gateway "gw-x" in this group']);
    second.server.set({ hosts: [HOST, OTHER] });
    await group.run(1000);
    expect(admin.okToStop(['gw-b'])[0]).toContain(OTHER);
  });

  it('is not so when no other has a listener for them, or a failover is under way', async () => {
    const group = new FakeGroup();
    const [first, second] = await group.settled('gw-a', 'gw-b', 'gw-c');
    for (const { server } of group.gateways) server.set({ populated: [1, 2, 3] });
    first.server.set({ uncovered: [3] });
    second.server.set({ uncovered: [3] });
    await group.run(1000);
    const { admin } = first.monitor;
    expect(admin.okToStop(['gw-c'])[0]).toContain('ANA group 3');
    second.kill();
    await group.until('group 2 is to move', () => (group.entry(2).owner?.gateway ?? 'gw-b') !== 'gw-b');
    await group.run(10);
    const taker = group.entry(2).owner!.gateway;
    const other = taker === 'gw-a' ? 'gw-c' : 'gw-a';
    expect(admin.okToStop([other]).join()).toContain(`ANA group 2 is on its way to ${taker}`);
  });
});
