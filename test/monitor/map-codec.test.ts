import { describe, expect, it } from 'vitest';
import { AnagateError } from '../../src/base/errors.ts';
import type { Beacon } from '../../src/monitor/beacon.ts';
import { NO_LEADER } from '../../src/monitor/coordination.ts';
import { EMPTY_MAP, type GroupMap } from '../../src/monitor/group-map.ts';
import type { AdminCommand } from '../../src/monitor/machine.ts';
import {
  decodeBeacon,
  decodeLeadership,
  decodeMap,
  encodeBeacon,
  encodeLeadership,
  encodeMap,
} from '../../src/monitor/map-codec.ts';
import { FakeGateway, Rig } from './machine-rig.ts';

function fullMap(): GroupMap {
  const rig = Rig.running(['gw-a', 'gw-b', 'gw-c'], { populated: [1, 2, 3], hosts: ['nqn.h'] });
  rig.lose('gw-b');
  rig.fence(rig.map.fences[0]);
  rig.ask('gw-a', { kind: 'move', group: 3, gateway: 'gw-a', force: true });
  rig.ask('gw-a', { kind: 'drain', gateway: 'gw-x', force: false });
  return rig.map;
}

const FULL = fullMap();

type Json = Record<string, unknown>;

/** The text with one field changed: `path` such as `groups.0.owner`. */
function changed(json: string, path: string, value: unknown): string {
  const whole = JSON.parse(json) as Json;
  const names = path.split('.');
  const last = names.pop()!;
  let place = whole;
  for (const name of names) place = place[name] as Json;
  if (value === undefined) delete place[last];
  else place[last] = value;
  return JSON.stringify(whole);
}

function failureOf(work: () => unknown): AnagateError {
  try {
    work();
  } catch (error) {
    if (error instanceof AnagateError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('the map as text', () => {
  it('comes back as it was', () => {
    expect(decodeMap(encodeMap(EMPTY_MAP))).toEqual(EMPTY_MAP);
    expect(decodeMap(encodeMap(FULL))).toEqual(FULL);
  });

  it('says its format first', () => {
    expect(encodeMap(EMPTY_MAP)).toMatch(/^\{"format":1,/);
  });

  it('may have fields that a newer gateway added', () => {
    const json = changed(changed(encodeMap(FULL), 'colour', 'red'), 'groups.0.colour', 'blue');
    expect(decodeMap(json)).toEqual(FULL);
  });

  it('is refused in a newer format', () => {
    const failure = failureOf(() => decodeMap(changed(encodeMap(EMPTY_MAP), 'format', 2)));
    expect(failure.code).toBe('NOT_SUPPORTED');
    expect(failure.message).toBe(
      'The map of the gateways has format 2; this Anagate knows format 1. Upgrade this gateway',
    );
  });

  const wrong: [string, unknown, string][] = [
    ['format', undefined, 'format is missing'],
    ['epoch', -1, 'epoch is -1, not a whole number from 0 on'],
    ['epoch', '7', 'epoch is "7", not a whole number from 0 on'],
    ['gateways', null, 'gateways is null, not a list'],
    ['gateways.0', 5, 'gateways[0] is 5, not an object'],
    ['gateways.0.name', '', 'gateways[0].name is "", not a name'],
    ['gateways.0.slot', 32, 'gateways[0].slot is 32, not a slot below 32'],
    ['gateways.0.slot', 2, 'not a list with names and slots that differ'],
    ['gateways.0.enabled', 1, 'gateways[0].enabled is 1, not true or false'],
    ['gateways.0.drain', 'maybe', 'gateways[0].drain is "maybe", not one of no, yes, force'],
    ['gateways.0.incarnation.clients.0.address', '192.0.2.1:0/0', 'not the address of a RADOS client'],
    ['gateways.0.incarnation.clients.0.address', '', 'not the address of a RADOS client'],
    ['gateways.0.peerPort', 65536, 'gateways[0].peerPort is 65536, not a port'],
    ['groups.0.id', 129, 'groups[0].id is 129, not an ANA group from 1 to 128'],
    ['groups.0.owner', undefined, 'groups[0].owner is missing'],
    ['groups.0.owner.incarnation', 3, 'groups[0].owner.incarnation is 3, not a string'],
    ['groups.0.holders', [], 'groups[0] is'],
    ['groups.0.stays', 'yes', 'groups[0].stays is "yes", not true or false'],
    ['fences.0.state', 'done', 'fences[0].state is "done", not one of intended, committed'],
    ['fences.0.group', 1.5, 'fences[0].group is 1.5, not a whole number'],
    ['history.0.marks', { decided: 'now' }, 'history[0].marks.decided is "now", not a number'],
    ['answers.0.refusal', undefined, 'answers[0].refusal is missing'],
  ];
  for (const [path, value, message] of wrong) {
    it(`is refused with ${path} = ${JSON.stringify(value)}`, () => {
      const failure = failureOf(() => decodeMap(changed(encodeMap(FULL), path, value)));
      expect(failure.code).toBe('STATE_CORRUPT');
      expect(failure.message).toContain(message);
    });
  }

  for (const text of ['', '{', 'null', '[]', '"map"'])
    it(`is refused when it is ${JSON.stringify(text)}`, () => {
      expect(failureOf(() => decodeMap(text)).code).toBe('STATE_CORRUPT');
    });

  it('is not written when nobody could read it', () => {
    expect(() => encodeMap({ ...EMPTY_MAP, epoch: Number.NaN })).toThrow('epoch');
  });
});

describe('a beacon as text', () => {
  const commands: AdminCommand[] = [
    { kind: 'create', gateway: 'gw-b' },
    { kind: 'create', gateway: 'gw-b', location: 'east' },
    { kind: 'delete', gateway: 'gw-b' },
    { kind: 'enable', gateway: 'gw-b' },
    { kind: 'disable', gateway: 'gw-b' },
    { kind: 'undrain', gateway: 'gw-b' },
    { kind: 'drain', gateway: 'gw-b', force: true },
    { kind: 'set-location', gateway: 'gw-b', location: 'west' },
    { kind: 'move', gateway: 'gw-b', group: 2, force: false },
  ];
  const beacon = new FakeGateway('gw-a').beacon({
    leaseMs: 800,
    hostName: 'node-a',
    groups: [{ id: 1, activity: 'serving', leased: true }],
    populated: [1, 2],
    hosts: ['nqn.h'],
    load: 0.5,
    reachable: ['gw-b'],
    requests: commands.map((command, at) => ({ id: `r${at}`, command })),
  }) as Required<Beacon>;

  it('comes back as it was', () => {
    expect(decodeBeacon(encodeBeacon(beacon))).toEqual(beacon);
  });

  it('is nothing when it is broken, or of a newer format', () => {
    const json = encodeBeacon(beacon);
    expect(decodeBeacon('{')).toBeNull();
    expect(decodeBeacon(changed(json, 'format', 2))).toBeNull();
    expect(decodeBeacon(changed(json, 'sequence', null))).toBeNull();
    expect(decodeBeacon(changed(json, 'groups.0.activity', 'sleeping'))).toBeNull();
    expect(decodeBeacon(changed(json, 'requests.0.command.gateway', 5))).toBeNull();
  });

  it('goes without the requests that only a newer gateway knows', () => {
    const json = changed(encodeBeacon(beacon), 'requests.0.command', { kind: 'dance' });
    expect(decodeBeacon(json)?.requests).toEqual(beacon.requests.slice(1));
  });
});

describe('the leadership as text', () => {
  const leadership = {
    term: 3,
    gateway: 'gw-a',
    incarnation: 'i',
    beat: 7,
    peerAddress: '192.0.2.1',
    peerPort: 5500,
  };

  it('comes back as it was', () => {
    expect(decodeLeadership(encodeLeadership(NO_LEADER))).toEqual(NO_LEADER);
    expect(decodeLeadership(encodeLeadership(leadership))).toEqual(leadership);
  });

  it('is the same text for the same leadership', () => {
    const { beat, ...rest } = leadership;
    expect(encodeLeadership({ beat, ...rest })).toBe(encodeLeadership(leadership));
  });

  it('is refused when it is broken', () => {
    expect(failureOf(() => decodeLeadership('{"format":1}')).message).toBe(
      'The record of the leader cannot be read: term is missing',
    );
  });
});
