/** Planned moves: why they begin, whom they wait for, and how they are called off. */
import { describe, expect, it } from 'vitest';
import type { Beacon } from '../../src/monitor/beacon.ts';
import { Rig, TIMES } from './machine-rig.ts';

const HOSTS = ['nqn.h1', 'nqn.h2'];
const three = (): Rig => Rig.running(['gw-a', 'gw-b', 'gw-c'], { populated: [1, 2, 3], hosts: HOSTS });

function say(rig: Rig, name: string, changes: Partial<Beacon>): void {
  const gateway = rig.get(name);
  gateway.condition = { ...gateway.condition, ...changes };
  rig.beacon(name);
}

describe('a group moves away from an owner', () => {
  const reasons: [string, (rig: Rig) => void, string][] = [
    [
      'that is drained',
      (rig) => rig.ask('gw-b', { kind: 'drain', gateway: 'gw-a', force: false }),
      'is drained',
    ],
    ['that is disabled', (rig) => rig.ask('gw-b', { kind: 'disable', gateway: 'gw-a' }), 'is disabled'],
    ['that stops', (rig) => say(rig, 'gw-a', { leaving: true }), 'is stopping'],
    ['without listener', (rig) => say(rig, 'gw-a', { available: false }), 'has no subsystem with a listener'],
    ['without link', (rig) => say(rig, 'gw-a', { linkDown: true }), 'has no link on its front network'],
    [
      'that its peers do not reach',
      (rig) => {
        say(rig, 'gw-b', { unreachable: ['gw-a'], reachable: ['gw-c'] });
        say(rig, 'gw-c', { unreachable: ['gw-a'], reachable: ['gw-b'] });
      },
      'is not reached by its peers on its front network',
    ],
    [
      'without listener for a subsystem of the group',
      (rig) => say(rig, 'gw-a', { uncovered: [1] }),
      'has no listener for a subsystem of it',
    ],
  ];
  for (const [name, happen, reason] of reasons)
    it(`${name}, and is never without one to serve it`, () => {
      const rig = three();
      happen(rig);
      expect(rig.group(1)).toMatchObject({ owner: { gateway: 'gw-a' }, next: 'gw-b' });
      rig.rounds(3);
      expect(rig.group(1)).toMatchObject({
        owner: { gateway: 'gw-b' },
        why: `hand-over from gw-a, which ${reason}`,
      });
      rig.rounds(20);
      expect(rig.owners()).toEqual({ 1: 'gw-b', 2: 'gw-b', 3: 'gw-c' });
      expect(rig.map.fences).toEqual([]);
      rig.expectServed();
    });

  it('that has lost all its hosts while others have some, when that lasts', () => {
    const rig = three();
    say(rig, 'gw-a', { hosts: [] });
    rig.tick(TIMES.failbackDelay - 1);
    expect(rig.group(1).next).toBeNull();
    rig.tick(1);
    expect(rig.group(1).next).toBe('gw-b');
    rig.rounds(20);
    expect(rig.group(1).owner?.gateway, 'its hosts are not back').toBe('gw-b');
    say(rig, 'gw-a', { hosts: HOSTS });
    rig.rounds(10);
    expect(rig.group(1).owner?.gateway).toBe('gw-a');
  });

  it('but not because there are no hosts at all', () => {
    const rig = Rig.running(['gw-a', 'gw-b'], { populated: [1, 2] });
    rig.rounds(20);
    expect(rig.owners()).toEqual({ 1: 'gw-a', 2: 'gw-b' });
    expect(rig.group(1).next).toBeNull();
  });

  it('but not to one that has no listener for it either', () => {
    const rig = three();
    for (const name of ['gw-b', 'gw-c']) say(rig, name, { uncovered: [1] });
    say(rig, 'gw-a', { uncovered: [1] });
    expect(rig.group(1).next).toBeNull();
    rig.ask('gw-b', { kind: 'drain', gateway: 'gw-a', force: false });
    expect(rig.group(1).next, 'a drain cannot make it worse').toBe('gw-b');
  });

  it('but not to one that covers less, unless it has to', () => {
    const rig = three();
    for (const name of ['gw-b', 'gw-c']) say(rig, name, { uncovered: [1] });
    rig.ask('gw-b', { kind: 'drain', gateway: 'gw-a', force: false });
    expect(rig.group(1).next).toBeNull();
    rig.ask('gw-b', { kind: 'drain', gateway: 'gw-a', force: true });
    expect(rig.group(1).next).toBe('gw-b');
  });

  it('and stays when there is nobody else', () => {
    const rig = Rig.running(['gw-a'], { populated: [1] });
    rig.ask('gw-a', { kind: 'disable', gateway: 'gw-a' });
    rig.rounds(5);
    expect(rig.group(1).owner?.gateway).toBe('gw-a');
    rig.expectServed();
  });
});

describe('a drain', () => {
  it('is undone, and the group comes home', () => {
    const rig = three();
    rig.ask('gw-b', { kind: 'drain', gateway: 'gw-a', force: false });
    rig.rounds(3);
    rig.ask('gw-b', { kind: 'undrain', gateway: 'gw-a' });
    rig.rounds(10);
    expect(rig.owners()).toEqual({ 1: 'gw-a', 2: 'gw-b', 3: 'gw-c' });
  });

  it('waits for hosts that have no path to any other gateway', () => {
    const rig = three();
    for (const name of ['gw-b', 'gw-c']) say(rig, name, { hosts: ['nqn.h1'] });
    rig.ask('gw-b', { kind: 'drain', gateway: 'gw-a', force: false });
    rig.rounds(200);
    expect(rig.group(1)).toMatchObject({ owner: { gateway: 'gw-a' }, next: null });
    say(rig, 'gw-c', { hosts: HOSTS });
    expect(rig.group(1).next).toBe('gw-c');
  });

  it('does not wait when it is forced', () => {
    const rig = three();
    for (const name of ['gw-b', 'gw-c']) say(rig, name, { hosts: [] });
    rig.ask('gw-b', { kind: 'drain', gateway: 'gw-a', force: true });
    expect(rig.group(1).next).toBe('gw-b');
  });

  it('is survived by a kill of the target: the group goes to the third', () => {
    const rig = three();
    rig.ask('gw-c', { kind: 'drain', gateway: 'gw-a', force: false });
    rig.lose('gw-b');
    expect(rig.group(1)).toMatchObject({ owner: { gateway: 'gw-a' }, next: 'gw-c' });
  });

  it('lasts beyond a restart only when the gateway is disabled', () => {
    const rig = three();
    rig.ask('gw-c', { kind: 'disable', gateway: 'gw-a' });
    rig.get('gw-a').restart();
    rig.rounds(10);
    expect(rig.entry('gw-a')).toMatchObject({ enabled: false, availability: 'AVAILABLE' });
    expect(rig.group(1).owner?.gateway).toBe('gw-b');
    rig.ask('gw-c', { kind: 'enable', gateway: 'gw-a' });
    rig.fenceAll();
    rig.rounds(10);
    expect(rig.group(1).owner?.gateway).toBe('gw-a');
  });
});

describe('failback', () => {
  it('waits for hosts that have not come back to the home gateway, however long', () => {
    const rig = three();
    rig.lose('gw-a');
    rig.fenceAll();
    rig.get('gw-a').restart();
    rig.get('gw-a').condition = { populated: [1, 2, 3], hosts: ['nqn.h1'] };
    rig.rounds(300);
    expect(rig.group(1)).toMatchObject({ owner: { gateway: 'gw-b' }, next: null });
    say(rig, 'gw-a', { hosts: HOSTS });
    rig.rounds(3);
    expect(rig.group(1).owner?.gateway).toBe('gw-a');
  });

  it('begins to count anew when the home gateway was not able for a moment', () => {
    const rig = three();
    rig.lose('gw-a');
    rig.fenceAll();
    rig.get('gw-a').restart();
    rig.beacon('gw-a');
    rig.tick(TIMES.failbackDelay - 100);
    say(rig, 'gw-a', { linkDown: true });
    rig.tick(50);
    say(rig, 'gw-a', { linkDown: false });
    rig.tick(TIMES.failbackDelay - 100);
    expect(rig.group(1).next).toBeNull();
    rig.tick(100);
    expect(rig.group(1).next).toBe('gw-a');
  });
});

describe('a hand-over that is not released', () => {
  it('is called off in time, and not tried again for a while', () => {
    const rig = three();
    rig.ask('gw-b', { kind: 'drain', gateway: 'gw-a', force: false });
    const keep = (): void => {
      const groups = [{ id: 1, activity: 'releasing' as const, leased: true }];
      rig.beacon('gw-a', { appliedEpoch: rig.map.epoch, groups });
    };
    for (let ms = 0; ms < TIMES.handOver; ms += 500) {
      expect(rig.group(1).next).toBe('gw-b');
      keep();
      rig.tick(500);
    }
    expect(rig.group(1)).toMatchObject({
      owner: { gateway: 'gw-a' },
      next: null,
      holders: [{ gateway: 'gw-a' }],
    });
    expect(rig.group(1).epoch, 'the owner learns that it may go on').toBe(rig.map.epoch);
    for (let ms = 0; ms < 29_500; ms += 500) {
      rig.tick(500);
      keep();
      expect(rig.group(1).next).toBeNull();
    }
    rig.tick(500);
    expect(rig.group(1).next).toBe('gw-b');
  });

  it('is not believed to be released by an answer to the hand-over before it', () => {
    const rig = three();
    rig.ask('gw-b', { kind: 'drain', gateway: 'gw-a', force: false });
    const released = rig.get('gw-a').beacon({
      appliedEpoch: rig.map.epoch,
      groups: [{ id: 1, activity: 'standby', leased: false }],
    });
    rig.ask('gw-b', { kind: 'undrain', gateway: 'gw-a' });
    rig.lose('gw-b');
    expect(rig.group(1)).toMatchObject({ owner: { gateway: 'gw-a' }, next: null });
    rig.send({ kind: 'beacon', beacon: released });
    expect(rig.group(1).owner?.gateway).toBe('gw-a');
    rig.ask('gw-c', { kind: 'drain', gateway: 'gw-a', force: false });
    expect(rig.group(1)).toMatchObject({ owner: { gateway: 'gw-a' }, next: 'gw-c' });
  });
});
