/** Which namespaces move when gateways come and go for good, and how fast. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nullLog } from '../../src/base/log.ts';
import { imbalance, type PlacedNamespace, planRebalance } from '../../src/gateway/rebalance.ts';
import { Rebalancer } from '../../src/gateway/rebalancer.ts';
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
