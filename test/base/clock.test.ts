import { describe, expect, it } from 'vitest';
import { systemClock, systemTimers } from '../../src/base/clock.ts';
import { ManualClock } from './manual-clock.ts';

describe('the real clock', () => {
  it('never goes back, and its wall clock is the time of day', () => {
    const times = Array.from({ length: 1000 }, () => systemClock.nowMs());
    expect([...times].sort((a, b) => a - b)).toEqual(times);
    expect(Math.abs(systemClock.wallMs() - Date.now())).toBeLessThan(1000);
  });

  it('a timer fires after its time, not before', async () => {
    const start = systemClock.nowMs();
    await new Promise<void>((resolve) => {
      systemTimers.after(5, resolve);
      setTimeout(() => {}, 1000).unref(); // the timer under test does not keep the process alive by itself
    });
    expect(systemClock.nowMs() - start).toBeGreaterThanOrEqual(4);
  });

  it('a cancelled timer does not fire, and cancelling again is harmless', async () => {
    let fired = false;
    const timer = systemTimers.after(0, () => {
      fired = true;
    });
    timer.cancel();
    timer.cancel();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(fired).toBe(false);
  });

  it('a time beyond what Node can count (KATO of 2^32 - 1 ms) does not fire at once', async () => {
    let fired = false;
    const timer = systemTimers.after(0xffff_ffff, () => {
      fired = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    timer.cancel();
    expect(fired).toBe(false);
  });
});

describe('the manual clock', () => {
  it('fires timers in the order of their times, at their times, also those that timers set', () => {
    const clock = new ManualClock();
    const seen: [string, number][] = [];
    const note = (name: string) => () => seen.push([name, clock.nowMs()]);
    clock.after(20, note('b'));
    clock.after(10, () => {
      note('a')();
      clock.after(5, note('from a'));
      clock.after(50, note('too late'));
    });
    clock.after(20, note('c'));
    clock.after(15, note('cancelled')).cancel();
    clock.advance(30);
    expect(seen).toEqual([
      ['a', 10],
      ['from a', 15],
      ['b', 20],
      ['c', 20],
    ]);
    expect(clock.nowMs()).toBe(30);
    expect(clock.armed).toBe(1);
  });

  it('a stall fires timers late', () => {
    const clock = new ManualClock();
    let at = -1;
    clock.after(10, () => {
      at = clock.nowMs();
    });
    clock.stall(100);
    expect(at).toBe(100);
  });
});
