/** What operators ask for, and what they are told. */
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/limits.ts';
import { MAX_ANSWERS } from '../../src/monitor/group-map.ts';
import type { AdminCommand } from '../../src/monitor/machine.ts';
import { Rig, TIMES } from './machine-rig.ts';

const HOSTS = ['nqn.h1', 'nqn.h2'];
const three = (): Rig => Rig.running(['gw-a', 'gw-b', 'gw-c'], { populated: [1, 2, 3], hosts: HOSTS });

describe('a request', () => {
  it('is answered once, however often it is heard', () => {
    const rig = three();
    expect(rig.ask('gw-b', { kind: 'disable', gateway: 'gw-a' })).toBeNull();
    rig.ask('gw-c', { kind: 'enable', gateway: 'gw-a' });
    for (let times = 0; times < 3; times += 1) rig.beacon('gw-b');
    expect(rig.entry('gw-a').enabled).toBe(true);
    expect(rig.map.answers).toHaveLength(2);
  });

  it('is answered although the map has many answers, of which the oldest go', () => {
    const rig = three();
    const ids = (): readonly string[] => rig.map.answers.map(({ id }) => id);
    for (let count = 0; count < MAX_ANSWERS; count += 1)
      rig.ask('gw-b', { kind: 'undrain', gateway: 'gw-a' });
    const [first] = ids();
    expect(
      rig.ask('gw-c', { kind: 'undrain', gateway: 'gw-a' }),
      'all answers are still waited for',
    ).toBeUndefined();
    rig.get('gw-b').requests.shift();
    rig.beacon('gw-b');
    expect(rig.answer()).toBeNull();
    expect(ids()).toHaveLength(MAX_ANSWERS);
    expect(ids()).not.toContain(first);
  });

  const noGateway = 'There is no gateway "gw-x" in this group; gw list shows those that there are';
  const commands: AdminCommand[] = [
    { kind: 'delete', gateway: 'gw-x' },
    { kind: 'enable', gateway: 'gw-x' },
    { kind: 'disable', gateway: 'gw-x' },
    { kind: 'drain', gateway: 'gw-x', force: true },
    { kind: 'undrain', gateway: 'gw-x' },
    { kind: 'set-location', gateway: 'gw-x', location: 'east' },
    { kind: 'move', gateway: 'gw-x', group: 1, force: true },
  ];
  for (const command of commands)
    it(`to ${command.kind} an unknown gateway is refused`, () => {
      expect(three().ask('gw-a', command)).toBe(noGateway);
    });

  it('about a gateway that is being deleted is refused, but for deleting and creating it', () => {
    const rig = three();
    expect(rig.ask('gw-b', { kind: 'delete', gateway: 'gw-a' })).toBeNull();
    expect(rig.ask('gw-b', { kind: 'delete', gateway: 'gw-a' })).toBeNull();
    expect(rig.ask('gw-b', { kind: 'enable', gateway: 'gw-a' })).toBe(
      'Gateway "gw-a" is being deleted; gw create takes it back into the group',
    );
    expect(rig.ask('gw-b', { kind: 'create', gateway: 'gw-a' })).toBeNull();
  });
});

describe('create', () => {
  it('makes an entry with a slot before the gateway ever ran', () => {
    const rig = three();
    expect(rig.ask('gw-a', { kind: 'create', gateway: 'gw-d', location: 'east' })).toBeNull();
    expect(rig.entry('gw-d')).toMatchObject({
      slot: 3,
      location: 'east',
      availability: 'CREATED',
      incarnation: null,
    });
    expect(rig.group(4).owner?.gateway).toBeDefined();
    rig.add('gw-d');
    expect(rig.entry('gw-d')).toMatchObject({ slot: 3, location: 'east', availability: 'AVAILABLE' });
  });

  it('of one that there is changes nothing but the location that it names', () => {
    const rig = three();
    expect(rig.ask('gw-b', { kind: 'create', gateway: 'gw-a' })).toBeNull();
    expect(rig.entry('gw-a')).toMatchObject({ availability: 'AVAILABLE', location: '' });
    expect(rig.ask('gw-b', { kind: 'create', gateway: 'gw-a', location: 'west' })).toBeNull();
    expect(rig.entry('gw-a')).toMatchObject({ availability: 'AVAILABLE', location: 'west' });
  });

  it('is refused without name, and when there are as many as there can be', () => {
    const rig = three();
    expect(rig.ask('gw-a', { kind: 'create', gateway: '' })).toBe('A gateway needs a name');
    for (let at = 3; at < LIMITS.maxSlots; at += 1) {
      rig.get('gw-a').requests = [];
      expect(rig.ask('gw-a', { kind: 'create', gateway: `gw-${at}` })).toBeNull();
    }
    rig.get('gw-a').requests = [];
    expect(rig.ask('gw-a', { kind: 'create', gateway: 'gw-x' })).toBe(
      'Gateway "gw-x" was not created: the group has 32 gateways, as many as there can be; delete one first',
    );
  });
});

describe('set-location', () => {
  it('stays over beacons, and over restarts unless the gateway itself names another', () => {
    const rig = three();
    rig.ask('gw-b', { kind: 'set-location', gateway: 'gw-a', location: 'west' });
    rig.rounds(3);
    rig.get('gw-a').restart();
    rig.rounds(3);
    expect(rig.entry('gw-a').location).toBe('west');
    rig.get('gw-a').restart();
    rig.beacon('gw-a', { location: 'east' });
    expect(rig.entry('gw-a').location).toBe('east');
  });
});

describe('move', () => {
  const toC = (force: boolean): AdminCommand => ({ kind: 'move', group: 1, gateway: 'gw-c', force });

  it('hands the group over, and there it stays', () => {
    const rig = three();
    expect(rig.ask('gw-b', toC(false))).toBeNull();
    expect(rig.group(1)).toMatchObject({ owner: { gateway: 'gw-a' }, next: 'gw-c' });
    rig.rounds(30);
    expect(rig.group(1)).toMatchObject({ owner: { gateway: 'gw-c' }, why: 'moved by an operator' });
    rig.expectServed();
  });

  it('home again makes it a group like the others', () => {
    const rig = three();
    rig.ask('gw-b', toC(false));
    rig.rounds(3);
    expect(rig.ask('gw-b', { kind: 'move', group: 1, gateway: 'gw-a', force: false })).toBeNull();
    rig.rounds(3);
    expect(rig.group(1)).toMatchObject({ owner: { gateway: 'gw-a' }, stays: false });
  });

  it('is forgotten when its new owner is lost', () => {
    const rig = three();
    rig.ask('gw-b', toC(false));
    rig.rounds(3);
    rig.lose('gw-c');
    rig.fenceAll();
    rig.rounds(12);
    expect(rig.group(1).owner?.gateway).toBe('gw-a');
  });

  it('to where the group is, or is going, is done', () => {
    const rig = three();
    expect(rig.ask('gw-b', { kind: 'move', group: 1, gateway: 'gw-a', force: false })).toBeNull();
    rig.ask('gw-b', toC(false));
    expect(rig.ask('gw-b', toC(false))).toBeNull();
  });

  it('waits for hosts that have no path to the target, then is refused with their names', () => {
    const rig = three();
    rig.get('gw-c').condition = { populated: [1, 2, 3], hosts: ['nqn.h1'] };
    rig.beacon('gw-c');
    expect(rig.ask('gw-b', toC(false))).toBeUndefined();
    rig.tick(TIMES.hostsWait - 1);
    expect(rig.answer()).toBeUndefined();
    rig.tick(1);
    expect(rig.answer()).toBe(
      'ANA group 1 was not moved to gw-c: not connected there is host nqn.h2; connect them, or use --force',
    );
    expect(rig.group(1).next).toBeNull();
  });

  it('goes on when the hosts have come in time, or at once when it is forced', () => {
    const rig = three();
    rig.get('gw-c').condition = { populated: [1, 2, 3], hosts: [] };
    rig.beacon('gw-c');
    rig.ask('gw-b', toC(false));
    rig.tick(1000);
    rig.get('gw-c').condition = { populated: [1, 2, 3], hosts: HOSTS };
    rig.beacon('gw-c');
    expect(rig.answer()).toBeNull();
    const other = three();
    other.get('gw-c').condition = { populated: [1, 2, 3], hosts: [] };
    other.beacon('gw-c');
    expect(other.ask('gw-b', toC(true))).toBeNull();
    expect(other.group(1).next).toBe('gw-c');
  });

  it('is refused where it cannot be, with the reason', () => {
    const rig = three();
    expect(rig.ask('gw-b', { kind: 'move', group: 9, gateway: 'gw-c', force: false })).toBe(
      'There is no ANA group 9; group show lists those that there are',
    );
    rig.beacon('gw-c', { uncovered: [1] });
    expect(rig.ask('gw-b', toC(true))).toBe(
      'ANA group 1 was not moved to gw-c: a subsystem with namespaces in it has no listener on gw-c; add one first',
    );
    rig.ask('gw-b', { kind: 'disable', gateway: 'gw-c' });
    expect(rig.ask('gw-b', toC(true))).toBe('ANA group 1 was not moved to gw-c: gw-c is disabled');
    rig.ask('gw-b', { kind: 'move', group: 1, gateway: 'gw-b', force: false });
    rig.ask('gw-b', { kind: 'enable', gateway: 'gw-c' });
    rig.beacon('gw-c');
    expect(rig.ask('gw-b', toC(true))).toBe(
      'ANA group 1 was not moved to gw-c: it is being handed over to gw-b; wait until that is done',
    );
  });
});

describe('a request at a gateway that is not in the map', () => {
  it('is answered: by gw create, a gateway that is being deleted asks for itself', () => {
    const rig = Rig.running(['gw-a', 'gw-b'], { populated: [1, 2] });
    rig.ask('gw-a', { kind: 'delete', gateway: 'gw-b' });
    rig.get('gw-b').restart();
    rig.beacon('gw-b');
    expect(rig.entry('gw-b')).toMatchObject({ availability: 'DELETING', incarnation: null });
    expect(rig.ask('gw-b', { kind: 'create', gateway: 'gw-b' })).toBe(null);
    rig.rounds(3);
    expect(rig.entry('gw-b')).toMatchObject({ availability: 'AVAILABLE', slot: 1 });
  });

  it('is answered also when there is no slot, and makes room', () => {
    const rig = Rig.running(Array.from({ length: LIMITS.maxSlots }, (_, at) => `gw-${at}`));
    rig.add('gw-late');
    expect(rig.ask('gw-late', { kind: 'delete', gateway: 'gw-7' })).toBe(null);
    rig.rounds(2, TIMES.beacon, ['gw-0', 'gw-late']);
    expect(rig.entry('gw-late').slot).toBe(7);
  });

  it('is carried out once, however often it is asked', () => {
    const rig = Rig.running(['gw-a', 'gw-b'], { populated: [1, 2] });
    rig.ask('gw-a', { kind: 'delete', gateway: 'gw-b' });
    rig.get('gw-b').restart();
    rig.ask('gw-b', { kind: 'disable', gateway: 'gw-a' });
    rig.ask('gw-a', { kind: 'enable', gateway: 'gw-a' });
    rig.beacon('gw-b');
    expect(rig.entry('gw-a').enabled).toBe(true);
  });
});
