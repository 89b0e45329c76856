import { describe, expect, it } from 'vitest';
import { SyncCoalescer } from '../../src/backend/sync-coalescer.ts';
import { BlockStatus } from '../../src/base/block-device.ts';

/** A coalescer whose syncs end when the test says so. */
function manual() {
  const running: ((status: BlockStatus) => void)[] = [];
  const ended: [string, BlockStatus][] = [];
  const coalescer = new SyncCoalescer((done) => running.push(done));
  return {
    running,
    ended,
    request: (name: string) => coalescer.request({ ioDone: (status) => ended.push([name, status]) }),
    end: (status: BlockStatus) => running.shift()!(status),
  };
}

describe('SyncCoalescer', () => {
  it('never lets a request join the sync that already runs, and merges those that wait', () => {
    const test = manual();
    test.request('a');
    expect(test.running).toHaveLength(1);
    for (const name of ['b', 'c', 'd']) test.request(name);
    expect(test.running).toHaveLength(1);

    test.end(BlockStatus.ok);
    expect(test.ended).toEqual([['a', BlockStatus.ok]]);
    expect(test.running).toHaveLength(1);

    test.request('e');
    test.end(BlockStatus.ok);
    expect(test.ended.slice(1).map(([name]) => name)).toEqual(['b', 'c', 'd']);
    test.end(BlockStatus.ok);
    expect(test.ended.at(-1)).toEqual(['e', BlockStatus.ok]);
    expect(test.running).toHaveLength(0);
  });

  it('starts a new sync for a request that a completion makes', () => {
    const running: ((status: BlockStatus) => void)[] = [];
    const coalescer = new SyncCoalescer((done) => running.push(done));
    const ended: number[] = [];
    coalescer.request({
      ioDone: () => {
        ended.push(1);
        coalescer.request({ ioDone: () => ended.push(2) });
      },
    });
    running.shift()!(BlockStatus.ok);
    expect(ended).toEqual([1]);
    running.shift()!(BlockStatus.ok);
    expect(ended).toEqual([1, 2]);
  });

  it('fails for ever after one failure: the kernel has forgotten what it could not write', async () => {
    const test = manual();
    test.request('a');
    test.request('b');
    test.end(BlockStatus.noSpace);
    test.request('c');
    await Promise.resolve();
    await Promise.resolve();
    expect(test.running).toHaveLength(0);
    expect(test.ended).toEqual([
      ['a', BlockStatus.noSpace],
      ['b', BlockStatus.noSpace],
      ['c', BlockStatus.noSpace],
    ]);
  });
});
