import { describe, expect, it } from 'vitest';
import { type Log, nullLog } from '../../src/base/log.ts';
import type { Coordination } from '../../src/monitor/coordination.ts';
import { FenceWork } from '../../src/monitor/fence-work.ts';
import { EMPTY_MAP, type Fence, type GroupMap } from '../../src/monitor/group-map.ts';
import { ManualClock } from '../base/manual-clock.ts';

const DAY_MS = 86_400_000;

function fence(number: number, state: Fence['state'] = 'intended'): Fence {
  const address = `192.0.2.1:0/${number}`;
  return { gateway: 'gw-a', incarnation: 'a-1', group: number, address, state, reason: 'silent', sinceMs: 0 };
}

function mapWith(...fences: Fence[]): GroupMap {
  return { ...EMPTY_MAP, epoch: 1, fences };
}

function rig(failures = 0, refused = '') {
  const clock = new ManualClock();
  const asked: string[] = [];
  const fenced: string[] = [];
  const errors: string[] = [];
  let left = failures;
  const answer = async (what: string): Promise<void> => {
    asked.push(what);
    left -= 1;
    if (what === refused) throw Object.assign(new Error('refused'), { code: 'EINVAL' });
    if (left >= 0) throw new Error('no answer');
  };
  const coordination = {
    revoke: ({ address }: Fence) => answer(`revoke ${address}`),
    blocklist: ({ address }: Fence) => answer(`blocklist ${address}`),
  } as Partial<Coordination> as Coordination;
  const work = new FenceWork({
    coordination,
    clock,
    timers: clock,
    log: { ...nullLog, error: (_fields: unknown, message: string) => errors.push(message) } as Log,
    leaseOf: () => 1000,
    onFenced: ({ address }) => fenced.push(address),
    onFailure: () => {},
  });
  const run = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 50) {
      clock.advance(50);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { clock, work, asked, fenced, errors, run };
}

describe('fences of the map', () => {
  it('are all begun at once, and complete when the lease is over', async () => {
    const { work, asked, fenced, run } = rig();
    work.work(mapWith(fence(1), fence(2)));
    expect(asked).toHaveLength(4);
    await run(1000);
    expect(fenced).toEqual([]);
    await run(100);
    expect(fenced).toEqual([fence(1).address, fence(2).address]);
  });

  it('are begun once, whatever other maps come', async () => {
    const { work, asked, run } = rig();
    work.work(mapWith(fence(1)));
    work.work(mapWith(fence(1), fence(2)));
    await run(2000);
    expect(asked).toHaveLength(4);
  });

  it('are tried again when the cluster does not answer', async () => {
    const { work, fenced, run } = rig(3);
    work.work(mapWith(fence(1)));
    await run(2500);
    expect(fenced).toEqual([fence(1).address]);
  });

  it('do not go on after the end of the term', async () => {
    const { work, asked, fenced, run } = rig(2);
    work.work(mapWith(fence(1)));
    work.stop();
    await run(5000);
    expect(asked).toHaveLength(2);
    expect(fenced).toEqual([]);
  });

  it('are renewed when they are complete, so that none runs out', async () => {
    const { clock, work, asked } = rig();
    work.work(mapWith(fence(1, 'committed')));
    clock.advance(30 * DAY_MS);
    expect(asked.length).toBeGreaterThanOrEqual(29);
    expect(new Set(asked)).toEqual(new Set([`blocklist ${fence(1).address}`]));
    work.work(mapWith());
    const { length } = asked;
    clock.advance(3 * DAY_MS);
    expect(asked).toHaveLength(length);
  });

  it('that the cluster refuses are no storm of commands, and an error in the log', async () => {
    const { work, asked, fenced, errors, run } = rig(0, 'blocklist 192.0.2.1:0/1');
    work.work(mapWith(fence(1)));
    await run(61_000);
    expect(fenced).toEqual([]);
    expect(asked.filter((what) => what.startsWith('blocklist'))).toHaveLength(3);
    expect(errors[0]).toContain('the cluster refuses its address');
    work.stop();
  });
});
