/** Whether a process that was held up notices (ha-design S4). */
import { expect, it } from 'vitest';
import { WatchedClock } from '../../src/target/watched-clock.ts';
import { ManualClock } from '../base/manual-clock.ts';

function watched() {
  const clock = new ManualClock();
  let skewMs = 0;
  const inner = { nowMs: () => clock.nowMs(), wallMs: () => clock.wallMs() + skewMs };
  const watch = new WatchedClock(inner, clock, 250);
  const gaps: number[] = [];
  const leave = watch.onGap((gapMs) => gaps.push(gapMs));
  const skew = (ms: number): void => {
    skewMs += ms;
  };
  return { clock, watch, gaps, leave, skew };
}

it('time that is looked at is no gap, however long', () => {
  const { clock, watch, gaps } = watched();
  watch.start();
  clock.advance(60_000);
  expect(gaps).toEqual([]);
  watch.stop();
  expect(clock.armed).toBe(0);
});

it('a stall of the event loop is found by whoever reads the clock first, before he has the time', () => {
  const { clock, watch, gaps } = watched();
  watch.start();
  clock.stall(251);
  expect(gaps).toEqual([251]);
  const { clock: other, watch: unstarted, gaps: found } = watched();
  other.advance(5000);
  expect(unstarted.lastMs).toBe(0);
  expect(unstarted.nowMs()).toBe(5000);
  expect(found).toEqual([5000]);
  expect(unstarted.nowMs()).toBe(5000);
  expect(found).toEqual([5000]);
});

it('a stall within the limit is none', () => {
  const { clock, watch, gaps } = watched();
  watch.start();
  clock.stall(249);
  clock.stall(249);
  expect(gaps).toEqual([]);
});

it('a paused machine, whose monotonic clock stood still, is found by the other clock', () => {
  const { clock, watch, gaps, skew } = watched();
  watch.start();
  clock.advance(100);
  skew(30_000);
  watch.nowMs();
  expect(gaps).toEqual([30_000]);
  skew(-3600_000);
  watch.nowMs();
  expect(gaps.length).toBe(2);
});

it('who has left is told no more', () => {
  const { clock, watch, gaps, leave } = watched();
  leave();
  clock.advance(5000);
  watch.nowMs();
  expect(gaps).toEqual([]);
});
