import { describe, expect, it } from 'vitest';
import { Rounds } from '../../src/monitor/rounds.ts';
import { ManualClock } from '../base/manual-clock.ts';

/** Each round takes as long as `takesMs` says at its beginning. */
function rig(takesMs: () => number) {
  const clock = new ManualClock();
  const begun: number[] = [];
  const late: number[] = [];
  const rounds = new Rounds({
    clock,
    timers: clock,
    everyMs: 100,
    work: (lateMs) => {
      begun.push(clock.nowMs());
      late.push(lateMs);
      const ms = takesMs();
      return ms === 0 ? undefined : new Promise((resolve) => clock.after(ms, resolve));
    },
  });
  const run = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 10) {
      clock.advance(10);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { clock, rounds, begun, late, run };
}

describe('rounds', () => {
  it('begin at equal distances however long each takes', async () => {
    const { rounds, begun, run } = rig(() => 30);
    rounds.start();
    await run(300);
    expect(begun).toEqual([0, 100, 200, 300]);
  });

  it('are never two at a time, and the next one knows how late it is', async () => {
    let takesMs = 450;
    const { rounds, begun, late, run } = rig(() => takesMs);
    rounds.start();
    takesMs = 0;
    await run(550);
    expect(begun).toEqual([0, 450, 550]);
    expect(late).toEqual([0, 350, 0]);
  });

  it('begin at once when asked, once for all who ask, after the one under way', async () => {
    const { rounds, begun, run } = rig(() => 30);
    rounds.start();
    rounds.soon();
    rounds.soon();
    await run(50);
    expect(begun).toEqual([0, 30]);
    await run(50);
    rounds.soon();
    await run(10);
    expect(begun).toEqual([0, 30, 100]);
  });

  it('know that the process was held up', async () => {
    const { clock, rounds, late, run } = rig(() => 0);
    rounds.start();
    await run(0);
    await new Promise((resolve) => setImmediate(resolve));
    clock.stall(700);
    expect(late.at(-1)).toBe(600);
  });

  it('end when stopped', async () => {
    const { clock, rounds, begun, run } = rig(() => 30);
    rounds.start();
    await run(10);
    rounds.stop();
    rounds.soon();
    await run(500);
    expect(begun).toEqual([0]);
    expect(clock.armed).toBe(0);
  });
});
