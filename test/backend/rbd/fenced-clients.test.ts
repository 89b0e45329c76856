import { describe, expect, it } from 'vitest';
import { FencedClients, isBlocklisted } from '../../../src/backend/rbd/fenced-clients.ts';
import { ManualClock } from '../../base/manual-clock.ts';

const list = (...addresses: string[]) => addresses.map((address) => ({ address, until: '' }));

describe('a locker on the blocklist', () => {
  it.each([
    ['its own entry', '192.0.2.1:0/5', ['192.0.2.2:0/5', '192.0.2.1:0/5'], true],
    ['whatever protocol is named', 'v1:192.0.2.1:0/5', ['v2:192.0.2.1:0/5'], true],
    ['the entry of its whole host', '192.0.2.1:0/5', ['192.0.2.1:0/0'], true],
    ['an IPv6 host', '[2001:db8::1]:0/5', ['[2001:db8::1]:0/0'], true],
    ['another client of its host', '192.0.2.1:0/5', ['192.0.2.1:0/50'], false],
    ['another host', '192.0.2.1:0/5', ['192.0.2.10:0/0'], false],
    ['nobody', '192.0.2.1:0/5', [], false],
  ])('%s', (_, address, entries, fenced) => {
    expect(isBlocklisted(address, list(...entries))).toBe(fenced);
  });
});

describe('who is fenced', () => {
  const ONE = '192.0.2.1:0/5';

  function asking(answers: (string[] | Error)[], known: string[] = []) {
    const clock = new ManualClock();
    let asked = 0;
    const clients = new FencedClients(
      (address) => known.includes(address),
      async () => {
        const answer = answers[asked++]!;
        if (answer instanceof Error) throw answer;
        return list(...answer);
      },
      clock,
    );
    return { clients, clock, asked: () => asked };
  }

  it('is known from committed fences without asking the cluster', async () => {
    const { clients, asked } = asking([], [ONE]);
    expect(await clients.includes(`v2:${ONE}`)).toBe(true);
    expect(asked()).toBe(0);
  });

  it('is asked of the cluster once for many images', async () => {
    const { clients, asked } = asking([[ONE]]);
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, i) => clients.includes(`192.0.2.1:0/${i}`)),
    );
    expect(answers.filter(Boolean).length).toBe(1);
    expect(asked()).toBe(1);
  });

  it('is asked again when the answer has become old, or when there was none', async () => {
    const { clients, clock } = asking([new Error('no quorum'), [], [ONE]]);
    await expect(clients.includes(ONE)).rejects.toThrow('no quorum');
    expect(await clients.includes(ONE)).toBe(false);
    clock.advance(1001);
    expect(await clients.includes(ONE)).toBe(true);
  });
});
