/** Who owns an ANA group, who holds it, and when that ends: the states of NVMeofGwMon as they apply here. */
import { describe, expect, it } from 'vitest';
import { type Fence, MAX_HISTORY, maySelfServe, stateName } from '../../src/monitor/group-map.ts';
import { Rig, TIMES } from './machine-rig.ts';

const HOSTS = ['nqn.h1', 'nqn.h2'];
const three = (): Rig => Rig.running(['gw-a', 'gw-b', 'gw-c'], { populated: [1, 2, 3], hosts: HOSTS });

const fenceOf = (rig: Rig, incarnation: string, group: number): Fence =>
  rig.map.fences.find((fence) => fence.incarnation === incarnation && fence.group === group)!;

describe('ACTIVE', () => {
  it('is what a group is on its home gateway while all is well', () => {
    const rig = three();
    for (const [id, name] of [
      [1, 'gw-a'],
      [2, 'gw-b'],
      [3, 'gw-c'],
    ] as const) {
      expect(stateName(rig.group(id), name)).toBe('ACTIVE');
      expect(rig.get(name).writes()).toEqual([id]);
    }
    expect(stateName(rig.group(1), 'gw-b')).toBe('STANDBY');
    rig.expectServed();
  });
});

describe('WAIT_BLOCKLIST_CMPL', () => {
  it('lasts until the fence of the client of that group is complete', () => {
    const rig = three();
    rig.lose('gw-a');
    rig.rounds(4, TIMES.beacon, ['gw-b', 'gw-c']);
    expect(stateName(rig.group(1), 'gw-b')).toBe('WAIT_BLOCKLIST_CMPL');
    expect(rig.get('gw-b').activity(1)).toBe('taking-over');
    for (const fence of rig.map.fences) if (fence.group !== 1) rig.fence(fence);
    expect(rig.holders(1)).toEqual(['gw-a.1', 'gw-b.1']);
    rig.fence(fenceOf(rig, 'gw-a.1', 1));
    expect(stateName(rig.group(1), 'gw-b')).toBe('ACTIVE');
    expect(rig.group(1).fencedEpoch).toBe(rig.map.epoch);
    rig.rounds(1, TIMES.beacon, ['gw-b', 'gw-c']);
    rig.expectServed();
  });

  it('ends for each group of the lost gateway by itself', () => {
    const rig = three();
    rig.lose('gw-b');
    rig.fenceAll();
    rig.rounds(2, TIMES.beacon, ['gw-a', 'gw-c']);
    rig.lose('gw-a');
    expect(rig.owners()).toEqual({ 1: 'gw-c', 2: 'gw-c', 3: 'gw-c' });
    rig.fence(fenceOf(rig, 'gw-a.1', 2));
    expect([1, 2].map((id) => maySelfServe(rig.group(id), 'gw-c.1'))).toEqual([false, true]);
  });

  it('lasts until all fences are complete when the lost one had no client for the group', () => {
    const rig = new Rig();
    rig.add('gw-a', { populated: [1] });
    rig.add('gw-b', { populated: [1] });
    rig.lose('gw-a');
    expect(rig.map.fences.map(({ group }) => group)).toEqual([0]);
    expect(rig.holders(1)).toEqual(['gw-a.1', 'gw-b.1']);
    rig.fenceAll();
    expect(rig.holders(1)).toEqual(['gw-b.1']);
  });

  it('goes on under a new leader, who has the fence to finish', () => {
    const rig = three();
    rig.lose('gw-a');
    rig.changeLeader();
    rig.rounds(2, TIMES.beacon, ['gw-b', 'gw-c']);
    expect(rig.holders(1)).toEqual(['gw-a.1', 'gw-b.1']);
    rig.fenceAll();
    expect(rig.holders(1)).toEqual(['gw-b.1']);
  });
});

describe('a group that nobody can serve', () => {
  it('has no owner, and gets one with the first gateway that is able', () => {
    const rig = Rig.running(['gw-a']);
    rig.lose('gw-a', 'its process ended');
    expect(rig.group(1)).toMatchObject({ owner: null, why: 'failover from gw-a: its process ended' });
    rig.add('gw-b');
    expect(rig.group(1)).toMatchObject({
      owner: { gateway: 'gw-b' },
      why: 'failover from gw-a: its process ended',
    });
  });
});

describe('OWNER_WAIT_FAILBACK_PREPARED and WAIT_FAILBACK_PREPARED', () => {
  function restart(rig: Rig): void {
    rig.get('gw-a').restart();
    rig.beacon('gw-a', { available: false });
  }

  /** gw-a has come back, and its group is on its way home from gw-b. */
  function failingBack(): Rig {
    const rig = three();
    rig.lose('gw-a');
    rig.fenceAll();
    rig.get('gw-a').restart();
    rig.rounds(1);
    while (rig.group(1).next === null) rig.rounds(1);
    return rig;
  }

  it('are what the group is on the two while the owner has not released it', () => {
    const rig = failingBack();
    expect(stateName(rig.group(1), 'gw-a')).toBe('OWNER_WAIT_FAILBACK_PREPARED');
    expect(stateName(rig.group(1), 'gw-b')).toBe('WAIT_FAILBACK_PREPARED');
    expect(maySelfServe(rig.group(1), 'gw-b.1')).toBe(false);
  });

  it('begin when the home gateway was able for the delay', () => {
    const rig = three();
    rig.lose('gw-a');
    rig.fenceAll();
    rig.get('gw-a').restart();
    rig.beacon('gw-a');
    const able = rig.nowMs;
    while (rig.group(1).next === null) rig.tick(50);
    expect(rig.nowMs - able).toBe(TIMES.failbackDelay);
  });

  it('end with the release: the home gateway is the owner, without any fence', () => {
    const rig = failingBack();
    const fences = rig.map.fences.length;
    rig.rounds(3);
    expect(rig.group(1)).toMatchObject({ owner: { gateway: 'gw-a' }, next: null, why: 'failback from gw-b' });
    expect(rig.map.fences.length).toBe(fences);
    rig.expectServed();
  });

  it('end only with a release that acknowledges the epoch of the hand-over', () => {
    const rig = failingBack();
    const released = [{ id: 1, activity: 'standby' as const, leased: false }];
    rig.beacon('gw-b', { appliedEpoch: rig.group(1).epoch - 1, groups: released });
    expect(rig.group(1).owner?.gateway).toBe('gw-b');
    rig.beacon('gw-b', {
      appliedEpoch: rig.group(1).epoch,
      groups: [{ ...released[0], activity: 'releasing' }],
    });
    expect(rig.group(1).owner?.gateway).toBe('gw-b');
    rig.beacon('gw-b', { appliedEpoch: rig.group(1).epoch, groups: [] });
    expect(rig.group(1).owner?.gateway).toBe('gw-b');
    rig.beacon('gw-b', { appliedEpoch: rig.group(1).epoch, groups: released });
    expect(rig.group(1).owner?.gateway).toBe('gw-a');
  });

  it('end when the owner is lost: the home gateway owns the group and waits for the fence', () => {
    const rig = failingBack();
    rig.lose('gw-b');
    expect(rig.group(1)).toMatchObject({ owner: { gateway: 'gw-a', incarnation: 'gw-a.2' }, next: null });
    expect(rig.holders(1)).toEqual(['gw-b.1', 'gw-a.2']);
  });

  for (const [event, happen] of [
    ['is lost', (rig: Rig) => rig.lose('gw-a')],
    ['restarts', restart],
    ['loses its last listener', (rig: Rig) => rig.beacon('gw-a', { available: false })],
    ['stops', (rig: Rig) => rig.beacon('gw-a', { leaving: true })],
    ['is drained', (rig: Rig) => rig.ask('gw-c', { kind: 'drain', gateway: 'gw-a', force: false })],
    ['is disabled', (rig: Rig) => rig.ask('gw-c', { kind: 'disable', gateway: 'gw-a' })],
    ['is deleted', (rig: Rig) => rig.ask('gw-c', { kind: 'delete', gateway: 'gw-a' })],
  ] as const)
    it(`end when the home gateway ${event}: the owner keeps the group`, () => {
      const rig = failingBack();
      happen(rig);
      expect(rig.group(1)).toMatchObject({
        owner: { gateway: 'gw-b' },
        next: null,
        holders: [{ gateway: 'gw-b' }],
      });
      rig.rounds(1, TIMES.beacon, ['gw-b', 'gw-c']);
      expect(rig.get('gw-b').activity(1)).toBe('serving');
    });

  it('go on under a new leader, who has heard of nobody yet', () => {
    const rig = failingBack();
    rig.changeLeader();
    rig.tick();
    expect(rig.group(1).next).toBe('gw-a');
    rig.rounds(2);
    expect(rig.group(1).owner?.gateway).toBe('gw-a');
  });
});

describe('a run that has to let go of a group', () => {
  it('and does not, is fenced: its successor does not wait for ever', () => {
    const rig = Rig.running(['gw-a']);
    const stuck = { leaving: true, groups: [{ id: 1, activity: 'releasing' as const, leased: false }] };
    rig.beacon('gw-a', { ...stuck, appliedEpoch: rig.map.epoch });
    rig.add('gw-b');
    expect(rig.group(1).owner?.gateway).toBe('gw-b');
    rig.tick();
    rig.tick(TIMES.handOver - 1);
    rig.beacon('gw-a', { ...stuck, appliedEpoch: rig.map.epoch });
    expect(rig.map.fences).toEqual([]);
    rig.tick(1);
    expect(rig.map.fences[0]).toMatchObject({ incarnation: 'gw-a.1', reason: 'did not release ANA group 1' });
    rig.fenceAll();
    expect(rig.holders(1)).toEqual(['gw-b.1']);
  });
});

describe('an owner that lives and has no lease', () => {
  const lapsed = [{ id: 1, activity: 'serving' as const, leased: false }];
  /** gw-a reports as it is, the others too, for `ms`. */
  function lapse(rig: Rig, ms: number, others: readonly string[] = ['gw-b']): void {
    for (const end = rig.nowMs + ms; rig.nowMs < end; ) {
      rig.beacon('gw-a', { appliedEpoch: rig.map.epoch, groups: lapsed });
      rig.rounds(1, 500, others);
    }
  }

  it('while another one has: its groups go to others, and do not come back soon', () => {
    const rig = Rig.running(['gw-a', 'gw-b']);
    rig.expectServed();
    lapse(rig, TIMES.handOver - 1000);
    expect(rig.map.fences).toEqual([]);
    lapse(rig, 2000);
    expect(rig.map.fences[0]?.reason).toBe('had no lease for ANA group 1 while others had');
    rig.fenceAll();
    rig.get('gw-a').restart();
    rig.rounds(20);
    expect(rig.owners()).toEqual({ 1: 'gw-b', 2: 'gw-b' });
    rig.rounds(10, 60_000);
    rig.rounds(12);
    expect(rig.owners()).toEqual({ 1: 'gw-a', 2: 'gw-b' });
  });

  it('also after a hand-over that was called off', () => {
    const rig = Rig.running(['gw-a', 'gw-b']);
    rig.ask('gw-b', { kind: 'move', group: 1, gateway: 'gw-b', force: true });
    expect(rig.group(1).next).toBe('gw-b');
    lapse(rig, TIMES.handOver * 2 + 2000);
    rig.tick();
    expect(rig.map.fences[0]?.incarnation).toBe('gw-a.1');
  });

  it('also when it owns every group, and the others only say that they would get one', () => {
    const rig = Rig.running(['gw-a', 'gw-b']);
    rig.ask('gw-b', { kind: 'move', group: 2, gateway: 'gw-a', force: true });
    rig.rounds(3);
    expect(rig.owners()).toEqual({ 1: 'gw-a', 2: 'gw-a' });
    lapse(rig, TIMES.handOver + 1000);
    expect(rig.map.fences[0]?.incarnation).toBe('gw-a.1');
    expect(rig.owners()).toEqual({ 1: 'gw-b', 2: 'gw-b' });
  });

  it('also when it has never served, after a longer time', () => {
    const rig = Rig.running(['gw-a', 'gw-b']);
    rig.add('gw-c', { groups: [{ id: 3, activity: 'taking-over', leased: false }] });
    rig.rounds((3 * TIMES.handOver) / 500 - 2);
    expect(rig.map.fences).toEqual([]);
    rig.rounds(4);
    expect(rig.map.fences[0]).toMatchObject({
      gateway: 'gw-c',
      reason: 'had no lease for ANA group 3 while others had',
    });
    expect(rig.owners()[3]).not.toBe('gw-c');
  });

  it('while nobody has, nor would get one: everybody waits for the cluster', () => {
    const rig = Rig.running(['gw-a', 'gw-b']);
    rig.get('gw-b').leases = false;
    lapse(rig, TIMES.handOver * 7);
    // All get their leases back, the owner not first.
    rig.get('gw-b').leases = true;
    rig.rounds(1, 500, ['gw-b']);
    rig.rounds(4);
    expect(rig.map.fences).toEqual([]);
    expect(rig.owners()).toEqual({ 1: 'gw-a', 2: 'gw-b' });
  });

  it('while the one that would get a lease may not own anything', () => {
    const rig = Rig.running(['gw-a', 'gw-b']);
    rig.ask('gw-b', { kind: 'disable', gateway: 'gw-b' });
    lapse(rig, TIMES.handOver * 7);
    expect(rig.map.fences).toEqual([]);
  });

  it('one after the other: each time it takes longer, also under a new leader', () => {
    const rig = Rig.running(['gw-a', 'gw-b']);
    const takes: number[] = [];
    for (let time = 0; time < 4; time += 1) {
      const owner = rig.group(1).owner!.gateway;
      const run = rig.group(1).owner!.incarnation;
      const begunMs = rig.nowMs;
      // Its own beacons say that it has no lease for the group, the other one's that it would get one.
      while (rig.group(1).owner?.incarnation === run) {
        for (const name of ['gw-a', 'gw-b']) {
          const gateway = rig.get(name);
          gateway.apply(rig.map);
          const { groups } = gateway.beacon();
          const without = groups.map((group) => (group.id === 1 ? { ...group, leased: false } : group));
          rig.beacon(name, name === owner ? { groups: without } : {});
        }
        rig.tick(500);
      }
      takes.push(rig.nowMs - begunMs);
      rig.fenceAll();
      rig.changeLeader();
      rig.rounds(2);
    }
    for (const [at, ms] of takes.entries()) {
      expect(ms).toBeGreaterThanOrEqual(TIMES.handOver * 2 ** at);
      expect(ms).toBeLessThan(TIMES.handOver * 2 ** at + 3000);
    }
  });
});

describe('groups without home', () => {
  it('exist while a namespace is in them', () => {
    const rig = Rig.running(['gw-a', 'gw-b'], { populated: [1, 2, 7] });
    expect(Object.keys(rig.owners())).toEqual(['1', '2', '7']);
    for (const name of ['gw-a', 'gw-b']) rig.get(name).condition = { populated: [1, 2] };
    rig.rounds(3);
    expect(Object.keys(rig.owners())).toEqual(['1', '2']);
  });

  it('go back to where there are fewer groups', () => {
    const rig = Rig.running(['gw-a', 'gw-b'], { populated: [1, 2, 5, 6] });
    rig.lose('gw-b');
    rig.fenceAll();
    rig.get('gw-b').restart();
    rig.rounds(20);
    const owners = Object.values(rig.owners());
    expect(owners.filter((owner) => owner === 'gw-b')).toHaveLength(2);
    rig.expectServed();
  });
});

describe('the history', () => {
  it('has the timeline of a failover', () => {
    const rig = three();
    const wall = () => 1_700_000_000_000 + rig.nowMs;
    const decided = wall();
    rig.lose('gw-a', 'silent for 2.1 s');
    const { epoch } = rig.map;
    rig.rounds(2, 300, ['gw-b', 'gw-c']);
    const fenced = wall();
    rig.fenceAll();
    rig.nowMs += 40;
    rig.rounds(1, 0, ['gw-b', 'gw-c']);
    expect(rig.map.history.at(-1)).toEqual({
      epoch,
      group: 1,
      from: 'gw-a',
      to: 'gw-b',
      why: 'failover from gw-a: silent for 2.1 s',
      marks: { decided, fenced, serving: fenced + 40 },
    });
  });

  it('has what was called off', () => {
    const rig = three();
    rig.ask('gw-a', { kind: 'drain', gateway: 'gw-a', force: false });
    rig.lose('gw-b');
    const [last] = rig.map.history.filter(({ group }) => group === 1).slice(-2);
    expect(last).toMatchObject({ from: 'gw-a', to: 'gw-b', why: 'hand-over from gw-a, which is drained' });
    expect(last.marks).toHaveProperty('cancelled');
  });

  it('has only so much', () => {
    const rig = three();
    for (let round = 0; round < MAX_HISTORY; round += 1) {
      rig.lose('gw-a');
      rig.fenceAll();
      rig.rounds(9);
    }
    expect(rig.map.history).toHaveLength(MAX_HISTORY);
  }, 60_000);
});

describe('complete fences', () => {
  it('are kept for a day, unless there are very many', () => {
    const rig = three();
    rig.lose('gw-a');
    rig.fenceAll();
    rig.tick(23 * 3_600_000);
    expect(rig.map.fences).toHaveLength(4);
    rig.tick(2 * 3_600_000);
    expect(rig.map.fences).toEqual([]);
  });

  it('are kept while a group waits for another fence of the same run, and fences in progress always', () => {
    const rig = three();
    rig.lose('gw-b');
    rig.fenceAll();
    rig.rounds(2, TIMES.beacon, ['gw-a', 'gw-c']);
    rig.lose('gw-a');
    rig.fence(fenceOf(rig, 'gw-a.1', 1));
    rig.tick(25 * 3_600_000);
    const left = rig.map.fences.filter(({ incarnation }) => incarnation === 'gw-a.1');
    expect(left.length).toBeGreaterThanOrEqual(3);
    expect(rig.map.fences.some(({ incarnation }) => incarnation === 'gw-b.1')).toBe(false);
  });

  it('are dropped from the oldest on when there are more than 256', () => {
    const rig = three();
    for (let round = 0; round < 90; round += 1) {
      rig.nowMs += 10;
      rig.get('gw-a').restart();
      rig.get('gw-a').apply(rig.map);
      rig.beacon('gw-a', { available: false });
      rig.fenceAll();
    }
    expect(rig.map.fences.length).toBe(256);
    expect(rig.map.fences.at(-1)?.incarnation).toBe('gw-a.90');
  });
});
