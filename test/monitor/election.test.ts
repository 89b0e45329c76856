import { expect, it } from 'vitest';
import { nullLog } from '../../src/base/log.ts';
import { type Coordination, NO_LEADER } from '../../src/monitor/coordination.ts';
import { Election } from '../../src/monitor/election.ts';
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
