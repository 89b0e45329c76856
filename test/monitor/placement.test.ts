import { describe, expect, it } from 'vitest';
import type { Beacon } from '../../src/monitor/beacon.ts';
import type { AnaGroupEntry, GatewayEntry } from '../../src/monitor/group-map.ts';
import { choose, isIsolated, obstacle, type Wish } from '../../src/monitor/placement.ts';
import { FakeGateway } from './machine-rig.ts';

const wish = (changes: Partial<Wish> = {}): Wish => ({ group: 3, hosts: [], location: null, ...changes });

function gateway(name: string, slot: number, changes: Partial<GatewayEntry> = {}): GatewayEntry {
  return {
    name,
    slot,
    location: '',
    enabled: true,
    drain: 'no',
    availability: 'AVAILABLE',
    incarnation: { id: `${name}.1`, clients: [] },
    peerAddress: '',
    peerPort: 0,
    sinceMs: 0,
    ...changes,
  };
}

function ownedBy(id: number, owner: string, next: string | null = null): AnaGroupEntry {
  const run = { gateway: owner, incarnation: `${owner}.1` };
  return { id, owner: run, next, holders: [run], epoch: 1, fencedEpoch: 0, sinceMs: 0, why: '' };
}

function beacons(conditions: Record<string, Partial<Beacon>>): Map<string, Beacon> {
  const entries = Object.entries(conditions);
  return new Map(entries.map(([name, condition]) => [name, new FakeGateway(name).beacon(condition)]));
}

describe('the new owner of ANA group 3', () => {
  const gateways = [gateway('gw-a', 0), gateway('gw-b', 1), gateway('gw-c', 2)];
  const chosen = (
    conditions: Record<string, Partial<Beacon>>,
    groups: readonly AnaGroupEntry[] = [],
    asked: Wish = wish(),
    among: readonly GatewayEntry[] = gateways,
  ) => choose({ gateways: among, groups, seen: beacons(conditions) }, among, asked)?.name;

  it('is its home gateway', () => {
    expect(chosen({ 'gw-a': {}, 'gw-b': {}, 'gw-c': { load: 99 } })).toBe('gw-c');
  });

  it('rather has a listener for every subsystem in it', () => {
    expect(chosen({ 'gw-a': { uncovered: [3] }, 'gw-b': {}, 'gw-c': { uncovered: [3] } })).toBe('gw-b');
  });

  it('rather has the hosts of the old owner', () => {
    const conditions = {
      'gw-a': { hosts: ['h1', 'h2'] },
      'gw-b': { hosts: ['h1'] },
      'gw-c': { hosts: ['h3'] },
    };
    expect(chosen(conditions, [], wish({ hosts: ['h1', 'h2'] }))).toBe('gw-a');
  });

  it('is where its home is, when that cannot have it', () => {
    const home = gateway('gw-c', 2, { location: 'east' });
    const among = [gateway('gw-a', 0, { location: 'west' }), gateway('gw-b', 1, { location: 'east' })];
    const board = { gateways: [...among, home], groups: [], seen: beacons({ 'gw-a': {}, 'gw-b': {} }) };
    expect(choose(board, among, wish({ location: 'west' }))?.name).toBe('gw-b');
  });

  it('is where the old owner was, when there is no home', () => {
    const among = [gateway('gw-a', 0, { location: 'west' }), gateway('gw-b', 1, { location: 'east' })];
    const board = { gateways: among, groups: [], seen: beacons({ 'gw-a': {}, 'gw-b': {} }) };
    expect(choose(board, among, wish({ location: 'east' }))?.name).toBe('gw-b');
  });

  const others = gateways.slice(0, 2);
  it('has fewest groups, those on their way to it counted, those on their way from it not', () => {
    const conditions = { 'gw-a': {}, 'gw-b': { load: 99 } };
    expect(chosen(conditions, [ownedBy(1, 'gw-a'), ownedBy(2, 'gw-b')], wish(), others)).toBe('gw-a');
    expect(chosen(conditions, [ownedBy(1, 'gw-a'), ownedBy(2, 'gw-b', 'gw-a')], wish(), others)).toBe('gw-b');
    expect(chosen(conditions, [ownedBy(1, 'gw-a')], wish(), others)).toBe('gw-b');
  });

  it('has least load, then the lowest slot', () => {
    expect(chosen({ 'gw-a': { load: 2 }, 'gw-b': { load: 1 } }, [], wish(), others)).toBe('gw-b');
    expect(chosen({ 'gw-a': {}, 'gw-b': {} }, [], wish(), others)).toBe('gw-a');
  });

  it('is nobody when nobody can', () => {
    expect(chosen({}, [], wish(), [])).toBeUndefined();
  });
});

describe('a gateway is able', () => {
  const table: [string, Partial<GatewayEntry>, Partial<Beacon> | null, string | null][] = [
    ['when nothing is in the way', {}, {}, null],
    ['not while it is deleted', { availability: 'DELETING' }, {}, 'is being deleted'],
    ['not when it is away', { availability: 'UNAVAILABLE' }, {}, 'is not running'],
    ['not without run', { incarnation: null }, {}, 'is not running'],
    ['not before it ever ran', { availability: 'CREATED', incarnation: null }, null, 'has never run'],
    ['not without listener', { availability: 'CREATED' }, {}, 'has no subsystem with a listener'],
    ['not when disabled', { enabled: false }, {}, 'is disabled'],
    ['not when drained', { drain: 'yes' }, {}, 'is drained'],
    ['not before its beacon was seen', {}, null, 'has not reported to the present leader'],
    ['not while it stops', {}, { leaving: true }, 'is stopping'],
    ['not without link', {}, { linkDown: true }, 'has no link on its front network'],
  ];
  for (const [name, entry, beacon, reason] of table) {
    it(name, () => {
      const seen = beacon === null ? new Map<string, Beacon>() : beacons({ 'gw-a': beacon });
      expect(obstacle(gateway('gw-a', 0, entry), seen)).toBe(reason);
    });
  }

  it('not when two peers that reach one another do not reach it', () => {
    const b = { unreachable: ['gw-a'], reachable: ['gw-c'] };
    const c = { unreachable: ['gw-a'], reachable: ['gw-b'] };
    const seen = beacons({ 'gw-a': {}, 'gw-b': b, 'gw-c': c });
    expect(obstacle(gateway('gw-a', 0), seen)).toBe('is not reached by its peers on its front network');
  });

  it('although one peer, or peers that do not reach one another either, say they do not reach it', () => {
    expect(
      isIsolated('gw-a', beacons({ 'gw-b': { unreachable: ['gw-a'], reachable: ['gw-c'] }, 'gw-c': {} })),
    ).toBe(false);
    const lonely = { 'gw-b': { unreachable: ['gw-a', 'gw-c'] }, 'gw-c': { unreachable: ['gw-a', 'gw-b'] } };
    expect(isIsolated('gw-a', beacons(lonely))).toBe(false);
  });
});
