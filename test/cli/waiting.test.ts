import { expect, it } from 'vitest';
import { withProgress } from '../../src/cli/waiting.ts';
import { ManualClock } from '../base/manual-clock.ts';

it('says after a second what is waited for, and takes it back', async () => {
  const clock = new ManualClock();
  const said: string[] = [];
  let answer = (_: number): void => {};
  const work = new Promise<number>((resolve) => {
    answer = resolve;
  });
  const waiting = withProgress('Asking gw-a', work, (text) => said.push(text), clock);
  clock.advance(999);
  expect(said).toEqual([]);
  clock.advance(1001);
  expect(said).toEqual(['\r\u001b[KAsking gw-a ... 1 s', '\r\u001b[KAsking gw-a ... 2 s']);
  answer(7);
  expect(await waiting).toBe(7);
  expect(said.at(-1)).toBe('\r\u001b[K');
  expect(clock.armed).toBe(0);
});

it('says nothing of what is quick', async () => {
  const said: string[] = [];
  expect(await withProgress('x', Promise.resolve(1), (text) => said.push(text), new ManualClock())).toBe(1);
  expect(said).toEqual([]);
});
