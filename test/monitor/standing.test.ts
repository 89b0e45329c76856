import { describe, expect, it } from 'vitest';
import { EMPTY_MAP, type GatewayEntry, type GroupMap } from '../../src/monitor/group-map.ts';
import { type OwnRuns, type Standing, standingOf } from '../../src/monitor/standing.ts';

const NEW: OwnRuns = {
  gateway: 'gw-a',
  incarnation: 'second',
  all: new Set(['first', 'second']),
  registered: false,
  everRegistered: false,
};
const RETURNING: OwnRuns = { ...NEW, everRegistered: true };
const MEMBER: OwnRuns = { ...RETURNING, registered: true };

function mapWith(incarnation: string | null, more: Partial<GatewayEntry> = {}): GroupMap {
  const entry: GatewayEntry = {
    name: 'gw-a',
    slot: 0,
    location: '',
    enabled: true,
    drain: 'no',
    availability: 'AVAILABLE',
    incarnation: incarnation === null ? null : { id: incarnation, clients: [] },
    peerAddress: '',
    peerPort: 0,
    sinceMs: 0,
    ...more,
  };
  return { ...EMPTY_MAP, epoch: 5, gateways: [entry] };
}

function fenced(incarnation: string): GroupMap {
  const fence = { gateway: 'gw-a', incarnation, group: 1, address: '192.0.2.1:0/7', reason: '', sinceMs: 0 };
  return { ...mapWith(null), fences: [{ ...fence, state: 'intended' }] };
}

describe('the standing of a run', () => {
  const cases: [string, GroupMap, OwnRuns, Standing][] = [
    ['in a group that does not know its gateway', EMPTY_MAP, NEW, 'unknown'],
    ['whose predecessor is still in the map', mapWith('other'), NEW, 'unknown'],
    [
      'of a gateway that is being deleted, before it came',
      mapWith(null, { availability: 'DELETING' }),
      NEW,
      'unknown',
    ],
    ['that the map has', mapWith('second'), MEMBER, 'member'],
    ['with a fence', fenced('second'), MEMBER, 'fenced'],
    ['whose predecessor has a fence', fenced('first'), RETURNING, 'unknown'],
    ['that the map had, and has no more', mapWith(null), MEMBER, 'fenced'],
    ['whose predecessor of the same process is in the map', mapWith('first'), RETURNING, 'unknown'],
    ['whose name another process has', mapWith('other'), MEMBER, 'replaced'],
    [
      'whose name another process had',
      mapWith('other', { availability: 'UNAVAILABLE' }),
      RETURNING,
      'unknown',
    ],
    ['of a gateway that is being deleted', mapWith(null, { availability: 'DELETING' }), MEMBER, 'deleting'],
    ['of a gateway that is gone', EMPTY_MAP, MEMBER, 'removed'],
  ];
  for (const [what, map, own, standing] of cases) {
    it(`${what} is ${standing}`, () => expect(standingOf(map, own)).toBe(standing));
  }
});
