/** Times that an operator sets must leave a failover safe, and must not cause one without need. */
import { expect, it } from 'vitest';
import { MONITOR_TIMES, timesWith } from '../../src/monitor/times.ts';

it('are as they were when nothing is set', () => {
  expect(timesWith({})).toEqual(MONITOR_TIMES);
});

it('follow what was set', () => {
  const times = timesWith({ beacon: 2000, lease: 4000, grace: 8000, failbackDelay: 0 });
  expect(times).toMatchObject({ beacon: 2000, lease: 4000, grace: 8000, failbackDelay: 0 });
  expect(times.leaderGrace).toBeGreaterThanOrEqual(4 * times.beacon);
  expect(timesWith({ lease: 500 }).renewal * 4).toBeLessThanOrEqual(500);
});

it.each([
  [{ lease: 2000 }, /grace must be from 3 to/],
  [{ grace: 1200, lease: 1000 }, /grace must be from 1\.5 to/],
  [{ beacon: 1000 }, /grace must be from 3 to/],
  [{ lease: 100 }, /lease must be from 0\.5 to/],
  [{ beacon: 10 }, /beacon_interval must be/],
  [{ failbackDelay: -1 }, /failback_delay must be/],
])('%o is refused', (own, reason) => {
  expect(() => timesWith(own)).toThrow(reason);
});
