import { expect, it } from 'vitest';
import { nullLog } from '../../src/base/log.ts';
import { type Coordination, type Leadership, NO_LEADER } from '../../src/monitor/coordination.ts';
import { Election } from '../../src/monitor/election.ts';
import { EMPTY_MAP } from '../../src/monitor/group-map.ts';
import { MONITOR_TIMES } from '../../src/monitor/times.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { LateObject } from './support/late-object.ts';

it('leads by a claim that came true late, while it claimed again', async () => {
  const clock = new ManualClock();
  const object = new LateObject(NO_LEADER);
  const won: number[] = [];
  const election = new Election({
    coordination: object.coordination as Coordination,
    clock,
    timers: clock,
    times: MONITOR_TIMES,
    log: nullLog,
    candidate: () => ({
      gateway: 'gw-a',
      incarnation: 'a1',
      peerAddress: '192.0.2.1',
      peerPort: 5500,
      leaving: false,
    }),
    isBlind: () => false,
    onWon: ({ leadership }) => won.push(leadership.term),
    onFailure: () => {},
  });
  for (let turn = 0; turn < 4; turn += 1) {
    election.observe(await object.coordination.readMap());
    clock.advance(500);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(object.leadership).toMatchObject({ term: 1, incarnation: 'a1' });
  expect(won).toEqual([1]);
});

it('leaves the lead to one that has come back before it could claim', async () => {
  const clock = new ManualClock();
  const other = { ...NO_LEADER, term: 3, gateway: 'gw-b', incarnation: 'b1', beat: 7 };
  const object = { leadership: other, map: EMPTY_MAP };
  const claims: number[] = [];
  const election = new Election({
    coordination: {
      readMap: async () => ({ ...object, leadership: { ...other, beat: 8 } }),
      lead: async (_before: Leadership, after: Leadership) => claims.push(after.term) > 0,
    } as unknown as Coordination,
    clock,
    timers: clock,
    times: MONITOR_TIMES,
    log: nullLog,
    candidate: () => ({
      gateway: 'gw-a',
      incarnation: 'a1',
      peerAddress: '192.0.2.1',
      peerPort: 5500,
      leaving: false,
    }),
    isBlind: () => false,
    onWon: () => expect.unreachable(),
    onFailure: () => {},
  });
  for (let turn = 0; turn <= MONITOR_TIMES.leaderGrace; turn += MONITOR_TIMES.beacon) {
    election.observe(object);
    clock.advance(MONITOR_TIMES.beacon);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(claims).toEqual([]);
  // Its process has ended: that it beat a moment ago does not matter.
  election.ended(other);
  clock.advance(100);
  await new Promise((resolve) => setImmediate(resolve));
  expect(claims).toEqual([4]);
  election.stop();
});
