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

  function asking(answers: (string[] | Error)[], known: Record<string, true | 'soon'> = {}) {
    const clock = new ManualClock();
    const asked: string[] = [];
    const clients = new FencedClients({
      isKnown: (address) => known[address] ?? false,
      readBlocklist: async () => {
        asked.push('blocklist');
        const answer = answers.shift()!;
        if (answer instanceof Error) throw answer;
        return list(...answer);
      },
      waitForFences: async () => void asked.push('wait'),
      clock,
    });
    return { clients, clock, asked };
  }

  it('is known from committed fences without asking the cluster', async () => {
    const { clients, asked } = asking([], { [ONE]: true });
    expect(await clients.includes(`v2:${ONE}`)).toBe(true);
    expect(asked).toEqual(['wait']);
  });

  it('is asked of the cluster once for many images', async () => {
    const { clients, asked } = asking([[ONE]]);
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, i) => clients.includes(`192.0.2.1:0/${i}`)),
    );
    expect(answers.filter(Boolean).length).toBe(1);
    expect(asked).toEqual(['blocklist', 'wait']);
  });

  it('is asked again when the answer has become old, or when there was none', async () => {
    const { clients, clock } = asking([new Error('no quorum'), [], [ONE]]);
    await expect(clients.includes(ONE)).rejects.toThrow('no quorum');
    expect(await clients.includes(ONE)).toBe(false);
    clock.advance(1001);
    expect(await clients.includes(ONE)).toBe(true);
  });

  it('is not told before all OSDs that are asked from then on know of the fence, which is waited for once', async () => {
    const { clients, asked } = asking([], { [ONE]: true });
    await Promise.all([clients.includes(ONE), clients.includes(ONE)]);
    await clients.includes(ONE);
    expect(asked).toEqual(['wait']);
  });

  it('is not decided while the fence is under way, even if the cluster has it already', async () => {
    const known: Record<string, true | 'soon'> = { [ONE]: 'soon' };
    const { clients, asked } = asking([[ONE]], known);
    await expect(clients.includes(ONE)).rejects.toThrow(`client ${ONE} is being fenced`);
    known[ONE] = true;
    expect(await clients.includes(ONE)).toBe(true);
    expect(asked).toEqual(['wait']);
  });
});
