/** Which namespaces move when gateways come and go for good, and how fast. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nullLog } from '../../src/base/log.ts';
import { imbalance, type PlacedNamespace, planRebalance } from '../../src/gateway/group/rebalance.ts';
import { Rebalancer } from '../../src/gateway/group/rebalancer.ts';
import { ManualClock } from '../base/manual-clock.ts';

/** `a:1,1,2` is subsystem a with namespaces 1, 2, 3 in groups 1, 1, 2. */
function placed(...subsystems: string[]): PlacedNamespace[] {
  return subsystems.flatMap((text) => {
    const [nqn = '', groups = ''] = text.split(':');
    return groups.split(',').map((group, i) => ({ nqn, nsid: i + 1, anaGroupId: Number(group) }));
  });
}

function counts(namespaces: readonly PlacedNamespace[], homes: readonly number[]): number[] {
  const moves = planRebalance(namespaces, homes);
  const target = (n: PlacedNamespace) =>
    moves.find((move) => move.nqn === n.nqn && move.nsid === n.nsid)?.to ?? n.anaGroupId;
  return homes.map((group) => namespaces.filter((n) => target(n) === group).length);
}

describe('the plan', () => {
  it('fills the group of a new gateway, from the fullest', () => {
    expect(counts(placed('a:1,1,1,2,2,2'), [1, 2, 3])).toEqual([2, 2, 2]);
    expect(planRebalance(placed('a:1,1,1,2,2,2'), [1, 2, 3])).toHaveLength(2);
  });

  it('empties the group of a gateway that was removed for good', () => {
    expect(counts(placed('a:1,2,3,3'), [1, 2])).toEqual([2, 2]);
  });

  it('takes from the subsystem that is most lopsided', () => {
    const moves = planRebalance(placed('a:1,1,1,1', 'b:2,1'), [1, 2]);
    expect(moves.map(({ nqn }) => nqn)).toEqual(['a', 'a']);
  });

  it('leaves what is balanced, and a group without gateways', () => {
    expect(planRebalance(placed('a:1,2,1'), [1, 2])).toEqual([]);
    expect(planRebalance(placed('a:1,2,1'), [])).toEqual([]);
  });

  it('ends within one namespace of each other, with no more moves than needed', () => {
    const groups = fc.integer({ min: 1, max: 6 });
    fc.assert(
      fc.property(
        fc.array(fc.record({ nqn: fc.constantFrom('a', 'b', 'c'), anaGroupId: groups }), { maxLength: 60 }),
        fc.uniqueArray(groups, { minLength: 1, maxLength: 6 }),
        (raw, homes) => {
          const namespaces = raw.map((n, i) => ({ ...n, nsid: i + 1 }));
          const after = counts(namespaces, homes);
          expect(Math.max(...after) - Math.min(...after)).toBeLessThanOrEqual(1);
          const floor = Math.floor(namespaces.length / homes.length);
          const kept = homes.map((g) => namespaces.filter((n) => n.anaGroupId === g).length);
          const least = namespaces.length - kept.reduce((sum, n) => sum + Math.min(n, floor + 1), 0);
          expect(planRebalance(namespaces, homes).length).toBeLessThanOrEqual(least + homes.length);
        },
      ),
    );
  });
});

describe('the plan with locations', () => {
  const DC1 = [1, 2];
  const DC2 = [3, 4];
  const ALL = [...DC1, ...DC2];
  const locations = new Map([...DC1.map((g) => [g, 'dc1'] as const), ...DC2.map((g) => [g, 'dc2'] as const)]);
  const at = (location: string | undefined, ...groups: number[]): PlacedNamespace[] =>
    groups.map((anaGroupId, i) => ({
      nqn: location ?? 'anywhere',
      nsid: i + 1,
      anaGroupId,
      ...(location !== undefined && { location }),
    }));
  const balanced = (namespaces: PlacedNamespace[], homes = ALL) => {
    const moves = planRebalance(namespaces, homes, locations);
    return namespaces.map((n) => ({
      ...n,
      anaGroupId: moves.find((m) => m.nqn === n.nqn && m.nsid === n.nsid)?.to ?? n.anaGroupId,
    }));
  };

  it('brings a namespace to its location, and balances within', () => {
    const found = balanced(at('dc2', 1, 1, 1, 3)).map((n) => n.anaGroupId);
    expect(found.sort()).toEqual([3, 3, 4, 4]);
    expect(imbalance(at('dc2', 1), ALL, locations)).toMatch(/namespace 1 of dc2 is not at its location dc2/);
    expect(imbalance(at('dc2', 3), ALL, locations)).toBeNull();
  });

  it('leaves the groups of another location alone, however empty', () => {
    expect(planRebalance(at('dc1', 1, 1, 2, 2), ALL, locations)).toEqual([]);
    expect(imbalance(at('dc1', 1, 1, 1, 2), ALL, locations)).toBeNull();
    expect(imbalance(at('dc1', 1, 1), ALL, locations)).toMatch(/group 2 has a home gateway and no namespace/);
  });

  it('lets namespaces without location fill what is left', () => {
    const found = balanced([...at('dc1', 1, 1, 2, 2), ...at(undefined, 1, 1, 2, 2)]);
    const count = (group: number) => found.filter((n) => n.anaGroupId === group).length;
    expect(ALL.map(count)).toEqual([2, 2, 2, 2]);
    expect(found.filter((n) => n.location === 'dc1').every((n) => DC1.includes(n.anaGroupId))).toBe(true);
  });

  it('takes all groups when no gateway is left at the location', () => {
    expect(
      balanced(at('dc2', 3, 4, 3, 4), DC1)
        .map((n) => n.anaGroupId)
        .sort(),
    ).toEqual([1, 1, 2, 2]);
  });

  it('ends, with everything where it belongs and no move left that would help', () => {
    const spec = fc.record({
      nqn: fc.constantFrom('a', 'b'),
      anaGroupId: fc.integer({ min: 1, max: 5 }),
      place: fc.constantFrom('dc1', 'dc2', 'gone', ''),
    });
    fc.assert(
      fc.property(fc.array(spec, { maxLength: 60 }), (specs) => {
        const namespaces = specs.map(({ place: location, ...n }, i) => ({ ...n, nsid: i + 1, location }));
        const found = balanced(namespaces);
        const homes = { dc1: DC1, dc2: DC2, gone: ALL, '': ALL };
        for (const { location, anaGroupId } of found) {
          const suitable = homes[location as keyof typeof homes];
          expect(suitable).toContain(anaGroupId);
          const count = (group: number) => found.filter((n) => n.anaGroupId === group).length;
          for (const group of suitable) expect(count(anaGroupId) - count(group)).toBeLessThanOrEqual(1);
        }
        expect(planRebalance(found, ALL, locations)).toEqual([]);
        expect(imbalance(found, ALL, locations)).toBeNull();
      }),
    );
  });
});

describe('when it begins by itself', () => {
  it.each([
    ['a group without home gateway', 'a:1,2,3', [1, 2], /group 3 has no home/],
    ['a gateway without namespaces', 'a:1,1,2', [1, 2, 3], /group 3 has a home gateway and no namespace/],
    ['an operator who chose unevenly', 'a:1,1,1,2', [1, 2], null],
    ['one namespace only', 'a:1', [1, 2], null],
  ])('%s', (_what, namespaces, homes, reason) => {
    const found = imbalance(placed(namespaces), homes);
    if (reason === null) expect(found).toBeNull();
    else expect(found).toMatch(reason);
  });
});

describe('the rebalancer', () => {
  function rig(start: PlacedNamespace[], homes: number[]) {
    const clock = new ManualClock();
    const state = { namespaces: start, leads: true, broken: false };
    const rebalancer = new Rebalancer({
      leads: () => state.leads,
      namespaces: () => state.namespaces,
      homeGroups: () => homes,
      homeLocations: () => new Map(),
      move: async ({ nqn, nsid, to }) => {
        if (state.broken) throw new Error('the store does not answer');
        state.namespaces = state.namespaces.map((n) =>
          n.nqn === nqn && n.nsid === nsid ? { ...n, anaGroupId: to } : n,
        );
      },
      periodMs: 7000,
      movesPerRound: 2,
      timers: clock,
      log: nullLog,
    });
    rebalancer.start();
    const round = async () => {
      clock.advance(7000);
      await new Promise((resolve) => setImmediate(resolve));
    };
    return { state, rebalancer, round };
  }

  it('moves a few namespaces per round until all is even, and then rests', async () => {
    const { rebalancer, round } = rig(placed('a:1,1,1,1,1,1,1,1'), [1, 2]);
    expect(rebalancer.progress()).toEqual({ done: 0, left: 4, running: false });
    await round();
    expect(rebalancer.progress()).toEqual({ done: 2, left: 2, running: true });
    await round();
    await round();
    expect(rebalancer.progress()).toEqual({ done: 4, left: 0, running: false });
  });

  it('is the leader’s business', async () => {
    const { state, rebalancer, round } = rig(placed('a:1,1,1'), [1, 2]);
    state.leads = false;
    await round();
    expect(rebalancer.progress().done).toBe(0);
  });

  it('does what an operator asked for, here and now', async () => {
    const { state, rebalancer, round } = rig(placed('a:1,1,1,1,2'), [1, 2]);
    state.leads = false;
    expect(rebalancer.begin()).toHaveLength(1);
    await round();
    expect(rebalancer.progress()).toEqual({ done: 1, left: 0, running: false });
  });

  it('tries again what failed', async () => {
    const { state, rebalancer, round } = rig(placed('a:1,1,1'), [1, 2]);
    state.broken = true;
    await round();
    expect(rebalancer.progress()).toMatchObject({ done: 0, running: true });
    state.broken = false;
    await round();
    expect(rebalancer.progress()).toMatchObject({ done: 1, left: 0 });
  });
});
