import { describe, expect, it } from 'vitest';
import { Silence } from '../../src/monitor/silence.ts';
import { FakeGateway, TIMES } from './machine-rig.ts';

/** A judge, gw-a, with two peers; who is in `beating` writes a new beacon before each look. */
class Watch {
  readonly silence = new Silence(TIMES, 5000);
  readonly gateways = ['gw-a', 'gw-b', 'gw-c'].map((name) => new FakeGateway(name));
  nowMs = 5000;
  #last = this.gateways.map((gateway) => gateway.beacon());

  constructor() {
    this.silence.become('gw-a.1', this.nowMs);
    this.silence.expect(
      this.gateways.map(({ name, incarnation }) => ({ gateway: name, incarnation })),
      this.nowMs,
    );
  }

  look(beating: readonly string[], afterMs: number = TIMES.tick): void {
    this.nowMs += afterMs;
    this.#last = this.#last.map((last, at) =>
      beating.includes(last.gateway) ? this.gateways[at].beacon() : last,
    );
    this.silence.saw(this.#last, this.nowMs);
  }

  /** Looks, a tick apart, for so long. Names of those who were suspected at any time. */
  watch(ms: number, beating: readonly string[]): readonly string[] {
    const suspected = new Set<string>();
    for (const end = this.nowMs + ms; this.nowMs < end; ) {
      this.look(beating);
      for (const { gateway } of this.silence.suspects(this.nowMs)) suspected.add(gateway);
    }
    return [...suspected];
  }
}

const ALL = ['gw-a', 'gw-b', 'gw-c'];

describe('silence', () => {
  it('suspects nobody whose beacon changes', () => {
    expect(new Watch().watch(20_000, ALL)).toEqual([]);
  });

  it('suspects the silent one after the grace, and not before', () => {
    const watch = new Watch();
    watch.watch(3000, ALL);
    expect(watch.watch(TIMES.grace - TIMES.tick, ['gw-a', 'gw-b'])).toEqual([]);
    watch.look(['gw-a', 'gw-b']);
    expect(watch.silence.suspects(watch.nowMs)).toEqual([
      { gateway: 'gw-c', incarnation: 'gw-c.1', silentMs: TIMES.grace },
    ]);
  });

  it('suspects two at once', () => {
    expect(new Watch().watch(5000, ['gw-a'])).toEqual(['gw-b', 'gw-c']);
  });

  it('never suspects the judge', () => {
    expect(new Watch().watch(20_000, ['gw-b', 'gw-c'])).toEqual([]);
  });

  it('suspects nobody while the judge does not see its own beacon either, nor for a grace after that (osd pause)', () => {
    const watch = new Watch();
    watch.watch(3000, ALL);
    expect(watch.watch(60_000, [])).toEqual([]);
    // The others' writes go through later than the judge's.
    expect(watch.watch(TIMES.grace - TIMES.tick, ['gw-a'])).toEqual([]);
    expect(watch.watch(2 * TIMES.grace, ALL)).toEqual([]);
  });

  it('does not count what the judge lost when it looked late', () => {
    const watch = new Watch();
    watch.watch(3000, ALL);
    watch.watch(TIMES.grace - 2 * TIMES.tick, ['gw-a', 'gw-b']);
    watch.look(['gw-a', 'gw-b'], 40 * TIMES.tick);
    expect(watch.silence.suspects(watch.nowMs)).toEqual([]);
    expect(watch.watch(TIMES.tick, ['gw-a', 'gw-b'])).toEqual(['gw-c']);
  });

  it('suspects nobody who shows life after the judge was held up', () => {
    const watch = new Watch();
    watch.watch(TIMES.grace - 2 * TIMES.tick, ['gw-a', 'gw-b']);
    watch.look(ALL, 40 * TIMES.tick);
    expect(watch.watch(TIMES.grace - TIMES.tick, ['gw-a', 'gw-b'])).toEqual([]);
  });

  it('suspects the silent one also where each look takes long, later', () => {
    const watch = new Watch();
    const begunMs = watch.nowMs;
    while (watch.silence.suspects(watch.nowMs).length === 0) {
      watch.look(['gw-a', 'gw-b'], 4 * TIMES.tick);
      expect(watch.nowMs - begunMs).toBeLessThan(5 * TIMES.grace);
    }
    expect(watch.silence.suspects(watch.nowMs).map(({ gateway }) => gateway)).toEqual(['gw-c']);
    expect(watch.nowMs - begunMs).toBeGreaterThan(3 * TIMES.grace);
  });

  it('suspects nobody on the strength of an old look', () => {
    const watch = new Watch();
    watch.watch(TIMES.grace - TIMES.tick, ['gw-a', 'gw-b']);
    expect(watch.silence.suspects(watch.nowMs + 10 * TIMES.tick)).toEqual([]);
  });

  it('starts anew when told that the judge was late', () => {
    const watch = new Watch();
    watch.watch(TIMES.grace - TIMES.tick, ['gw-a', 'gw-b']);
    watch.silence.startAnew(watch.nowMs);
    expect(watch.watch(TIMES.grace - TIMES.tick, ['gw-a', 'gw-b'])).toEqual([]);
  });

  it('suspects a run that the map names and that never had a beacon', () => {
    const watch = new Watch();
    watch.silence.expect([{ gateway: 'gw-x', incarnation: 'gw-x.1' }], watch.nowMs);
    expect(watch.watch(5000, ALL)).toEqual(['gw-x']);
  });

  it('does not suspect runs that the map does not name', () => {
    const watch = new Watch();
    watch.silence.expect([{ gateway: 'gw-a', incarnation: 'gw-a.1' }], watch.nowMs);
    expect(watch.watch(5000, ['gw-a'])).toEqual([]);
  });

  it('knows at once who is silent when it becomes the leader late', () => {
    const watch = new Watch();
    watch.watch(1000, ALL);
    for (let looks = 0; looks < 20; looks += 1) watch.look(['gw-a', 'gw-b']);
    expect(watch.silence.suspects(watch.nowMs).map(({ gateway }) => gateway)).toEqual(['gw-c']);
  });
});
