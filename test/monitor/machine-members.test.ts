/** Gateways come, run, fall silent, and leave. */
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/limits.ts';
import { whyRefused } from '../../src/monitor/machine.ts';
import { FakeGateway, Rig, TIMES } from './machine-rig.ts';

const HOSTS = ['nqn.h1', 'nqn.h2'];
const three = (): Rig => Rig.running(['gw-a', 'gw-b', 'gw-c'], { populated: [1, 2, 3], hosts: HOSTS });

describe('a gateway that nobody knows', () => {
  it('is in the group with its first beacon, in the lowest free slot, with its clients', () => {
    const rig = new Rig();
    rig.add('gw-z', { location: 'east', peerAddress: '192.0.2.9', peerPort: 5500 });
    rig.add('gw-a');
    expect(rig.map.gateways.map(({ name, slot }) => [name, slot])).toEqual([
      ['gw-z', 0],
      ['gw-a', 1],
    ]);
    expect(rig.entry('gw-z')).toMatchObject({
      availability: 'AVAILABLE',
      location: 'east',
      peerAddress: '192.0.2.9',
      incarnation: { id: 'gw-z.1', clients: [rig.get('gw-z').clientOf(0)] },
    });
  });

  it('owns its home group at once', () => {
    const rig = new Rig();
    rig.add('gw-a');
    expect(rig.group(1)).toMatchObject({ owner: { gateway: 'gw-a', incarnation: 'gw-a.1' }, why: 'home' });
  });

  it('is CREATED, and owns nothing, until it has a subsystem with a listener', () => {
    const rig = new Rig();
    const gateway = rig.add('gw-a', { available: false });
    expect(rig.entry('gw-a').availability).toBe('CREATED');
    expect(rig.group(1).owner).toBeNull();
    gateway.condition = {};
    rig.beacon('gw-a');
    expect(rig.entry('gw-a').availability).toBe('AVAILABLE');
    expect(rig.group(1).owner?.gateway).toBe('gw-a');
  });

  it('stays out when its last beacon is all that is left of it', () => {
    const rig = new Rig();
    rig.send({ kind: 'beacon', beacon: new FakeGateway('gw-a').beacon({ goodbye: true }) });
    expect(rig.map.gateways).toEqual([]);
  });

  it('stays out when all slots are taken', () => {
    const names = Array.from({ length: LIMITS.maxSlots + 1 }, (_, at) => `gw-${at}`);
    const rig = new Rig();
    for (const name of names) rig.add(name);
    expect(rig.map.gateways.map(({ name }) => name)).toEqual(names.slice(0, -1));
  });
});

describe('a beacon is refused', () => {
  const good = new FakeGateway('gw-a').beacon();
  for (const address of [
    '',
    '-',
    '192.0.2.1:0/0',
    '0.0.0.0:0/17',
    '192.0.2.300:0/17',
    '[::]:0/17',
    ':/0',
    '192.0.2.1',
  ])
    it(`that names a client which cannot be fenced: "${address}"`, () => {
      const rig = new Rig();
      rig.send({ kind: 'beacon', beacon: { ...good, clients: [...good.clients, { group: 1, address }] } });
      expect(rig.map.gateways).toEqual([]);
      expect(whyRefused({ ...good, clients: [{ group: 1, address }] })).toContain(`"${address}"`);
    });

  it('that names no client', () => {
    const rig = new Rig();
    rig.send({ kind: 'beacon', beacon: { ...good, clients: [] } });
    expect(rig.map.gateways).toEqual([]);
    expect(whyRefused({ ...good, clients: [] })).not.toBeNull();
  });

  it('and otherwise not', () => {
    expect(whyRefused(good)).toBeNull();
    expect(whyRefused({ ...good, clients: [{ group: 1, address: '[2001:db8::1]:0/4711' }] })).toBeNull();
  });
});

describe('the clients of a run', () => {
  it('are in the map as soon as a beacon names them, and stay until the run ends', () => {
    const rig = new Rig();
    const gateway = rig.add('gw-a');
    const [control] = gateway.beacon().clients;
    const client = { group: 1, address: '192.0.2.1:0/4711' };
    rig.beacon('gw-a', { clients: [control, client] });
    rig.beacon('gw-a', { clients: [control] });
    expect(rig.entry('gw-a').incarnation?.clients).toEqual([control, client]);
  });
});

describe('beacons of the present run', () => {
  it('change the map only when they say something that lasts', () => {
    const rig = three();
    const { map } = rig;
    rig.rounds(5);
    rig.beacon('gw-a', { load: 77, hosts: HOSTS });
    expect(rig.map).toBe(map);
  });

  it('count only when they are newer', () => {
    const rig = three();
    const old = rig.get('gw-a').beacon({ available: false });
    rig.beacon('gw-a');
    rig.send({ kind: 'beacon', beacon: old });
    expect(rig.entry('gw-a').availability).toBe('AVAILABLE');
  });

  it('take a gateway without listener from AVAILABLE to CREATED, and back', () => {
    const rig = three();
    rig.beacon('gw-a', { available: false });
    expect(rig.entry('gw-a').availability).toBe('CREATED');
    rig.beacon('gw-a');
    expect(rig.entry('gw-a').availability).toBe('AVAILABLE');
  });

  it('say where its management port is', () => {
    const rig = three();
    rig.beacon('gw-a', { peerAddress: '192.0.2.77', peerPort: 5501 });
    expect(rig.entry('gw-a')).toMatchObject({ peerAddress: '192.0.2.77', peerPort: 5501 });
  });
});

describe('a lost gateway', () => {
  it('is UNAVAILABLE, has every client fenced, and its group goes to another in the same step', () => {
    const rig = three();
    const { clients } = rig.entry('gw-a').incarnation!;
    rig.lose('gw-a', 'silent for 2.1 s');
    expect(rig.entry('gw-a')).toMatchObject({ availability: 'UNAVAILABLE', incarnation: null });
    expect(rig.map.fences.map(({ group, address, state }) => ({ group, address, state }))).toEqual(
      clients.map((client) => ({ ...client, state: 'intended' })),
    );
    expect(clients.map(({ group }) => group)).toEqual([0, 1, 2, 3]);
    expect(rig.group(1)).toMatchObject({
      owner: { gateway: 'gw-b' },
      why: 'failover from gw-a: silent for 2.1 s',
    });
    expect(rig.holders(1)).toEqual(['gw-a.1', 'gw-b.1']);
  });

  it('is lost only once, and only the run that was meant', () => {
    const rig = three();
    rig.send({ kind: 'lost', gateway: 'gw-a', incarnation: 'gw-a.0', reason: 'silent' });
    expect(rig.entry('gw-a').availability).toBe('AVAILABLE');
    rig.lose('gw-a');
    const { map } = rig;
    rig.send({ kind: 'lost', gateway: 'gw-a', incarnation: 'gw-a.1', reason: 'silent' });
    expect(rig.map).toBe(map);
  });

  it('is not heard any more: its run is over', () => {
    const rig = three();
    rig.lose('gw-a');
    rig.fenceAll();
    const { map } = rig;
    rig.beacon('gw-a');
    expect(rig.map).toBe(map);
  });

  it('comes back as a new run, in its slot, and gets its group when that is due', () => {
    const rig = three();
    rig.lose('gw-a');
    rig.fenceAll();
    rig.rounds(2);
    expect(rig.entry('gw-a')).toMatchObject({
      availability: 'AVAILABLE',
      slot: 0,
      incarnation: { id: 'gw-a.2' },
    });
    rig.rounds(10);
    expect(rig.owners()).toEqual({ 1: 'gw-a', 2: 'gw-b', 3: 'gw-c' });
    rig.expectServed();
  });
});

describe('a gateway that restarts before it was missed', () => {
  it('has its old run fenced, and its group is given away at once', () => {
    const rig = three();
    rig.get('gw-a').restart();
    rig.beacon('gw-a', { available: false });
    expect(rig.entry('gw-a')).toMatchObject({
      availability: 'CREATED',
      slot: 0,
      incarnation: { id: 'gw-a.2' },
    });
    expect(rig.map.fences.map(({ incarnation, reason }) => `${incarnation} ${reason}`)).toContain(
      'gw-a.1 restarted',
    );
    expect(rig.group(1).owner?.gateway).toBe('gw-b');
  });

  it('gets its group itself when it is able already, and waits for its own fence', () => {
    const rig = three();
    rig.get('gw-a').restart();
    rig.beacon('gw-a');
    expect(rig.group(1).owner).toEqual({ gateway: 'gw-a', incarnation: 'gw-a.2' });
    expect(rig.holders(1)).toEqual(['gw-a.1', 'gw-a.2']);
    rig.fenceAll();
    expect(rig.holders(1)).toEqual(['gw-a.2']);
  });

  it('is drained no more', () => {
    const rig = three();
    rig.ask('gw-b', { kind: 'drain', gateway: 'gw-a', force: false });
    rig.get('gw-a').restart();
    rig.beacon('gw-a');
    expect(rig.entry('gw-a').drain).toBe('no');
  });
});

describe('a gateway that stops', () => {
  it('hands everything over without waiting for hosts, then goes without a fence', () => {
    const rig = three();
    rig.get('gw-b').condition = { hosts: [] };
    rig.beacon('gw-b');
    rig.get('gw-a').condition = { leaving: true, hosts: HOSTS };
    rig.beacon('gw-a');
    expect(rig.group(1).next).toBe('gw-c');
    rig.rounds(2);
    expect(rig.group(1)).toMatchObject({ owner: { gateway: 'gw-c' }, holders: [{ gateway: 'gw-c' }] });
    expect(rig.get('gw-a').writes()).toEqual([]);
    rig.beacon('gw-a', { goodbye: true });
    expect(rig.entry('gw-a')).toMatchObject({ availability: 'UNAVAILABLE', incarnation: null });
    expect(rig.map.fences).toEqual([]);
  });

  it('can say in its last beacon that it has released its group', () => {
    const rig = three();
    rig.beacon('gw-a', { leaving: true });
    rig.beacon('gw-a', { leaving: true, goodbye: true, clients: [] });
    expect(rig.group(1)).toMatchObject({
      owner: { gateway: 'gw-b' },
      holders: [{ gateway: 'gw-b' }],
      next: null,
    });
    expect(rig.map.fences).toEqual([]);
  });

  it('takes its group with it when nobody else can serve it', () => {
    const rig = Rig.running(['gw-a']);
    rig.get('gw-a').condition = { leaving: true };
    rig.beacon('gw-a');
    expect(rig.group(1)).toMatchObject({ owner: null, holders: [{ gateway: 'gw-a' }] });
    rig.rounds(2);
    expect(rig.group(1)).toMatchObject({ owner: null, holders: [] });
    rig.beacon('gw-a', { goodbye: true });
    expect(rig.map.fences).toEqual([]);
  });

  it('is not heard any more after its goodbye', () => {
    const rig = three();
    const late = rig.get('gw-a').beacon();
    rig.beacon('gw-a', { goodbye: true });
    const { map } = rig;
    rig.send({ kind: 'beacon', beacon: late });
    expect(rig.map).toBe(map);
    rig.lose('gw-a');
    expect(rig.map).toBe(map);
  });

  it('is not fenced when it starts again', () => {
    const rig = three();
    rig.beacon('gw-a', { goodbye: true });
    rig.get('gw-a').restart();
    rig.beacon('gw-a');
    expect(rig.map.fences).toEqual([]);
    expect(rig.entry('gw-a')).toMatchObject({ availability: 'AVAILABLE', slot: 0 });
  });
});

describe('a deleted gateway', () => {
  it('is fenced, its groups go to others, and it stays while its group has namespaces', () => {
    const rig = three();
    expect(rig.ask('gw-b', { kind: 'delete', gateway: 'gw-a' })).toBeNull();
    expect(rig.entry('gw-a')).toMatchObject({ availability: 'DELETING', slot: 0, incarnation: null });
    expect(new Set(rig.map.fences.map(({ reason }) => reason))).toEqual(new Set(['deleted']));
    expect(rig.group(1).owner?.gateway).toBe('gw-b');
    rig.fenceAll();
    rig.rounds(20, TIMES.beacon, ['gw-b', 'gw-c']);
    expect(rig.group(1)).toMatchObject({ owner: { gateway: 'gw-b' }, holders: [{ gateway: 'gw-b' }] });
    rig.expectServed();
  });

  it('is not heard, whatever it says, also when it is started again', () => {
    const rig = three();
    rig.ask('gw-b', { kind: 'delete', gateway: 'gw-a' });
    const { map } = rig;
    rig.beacon('gw-a');
    rig.get('gw-a').restart();
    rig.beacon('gw-a');
    expect(rig.map).toBe(map);
  });

  it('is gone, with its group, once no namespace is in that', () => {
    const rig = three();
    rig.ask('gw-b', { kind: 'delete', gateway: 'gw-a' });
    rig.fenceAll();
    for (const name of ['gw-b', 'gw-c']) rig.get(name).condition = { populated: [2, 3], hosts: HOSTS };
    rig.beacon('gw-b');
    expect(
      rig.map.gateways.map(({ name }) => name),
      'gw-c still sees a namespace in it',
    ).toContain('gw-a');
    rig.beacon('gw-c');
    expect(rig.map.gateways.map(({ name }) => name)).toEqual(['gw-b', 'gw-c']);
    expect(rig.group(1), 'its server has to let go first').toMatchObject({
      owner: null,
      holders: [{ gateway: 'gw-b' }],
    });
    rig.rounds(2, TIMES.beacon, ['gw-b', 'gw-c']);
    expect(rig.owners()).toEqual({ 2: 'gw-b', 3: 'gw-c' });
  });

  it('is not given up for gone by a leader that has not heard everybody', () => {
    const rig = three();
    rig.ask('gw-b', { kind: 'delete', gateway: 'gw-a' });
    rig.changeLeader();
    rig.beacon('gw-b', { populated: [2] });
    expect(rig.entry('gw-a').availability).toBe('DELETING');
    expect(rig.group(1).owner?.gateway).toBe('gw-b');
  });

  it('leaves its slot and its group to the next new gateway', () => {
    const rig = three();
    rig.ask('gw-a', { kind: 'delete', gateway: 'gw-b' });
    rig.fenceAll();
    rig.add('gw-d', { populated: [1, 2, 3], hosts: HOSTS });
    expect(rig.map.gateways.map(({ name, slot }) => `${name} ${slot}`)).toEqual([
      'gw-a 0',
      'gw-d 1',
      'gw-c 2',
    ]);
    rig.rounds(12, TIMES.beacon, ['gw-a', 'gw-c', 'gw-d']);
    expect(rig.owners()).toEqual({ 1: 'gw-a', 2: 'gw-d', 3: 'gw-c' });
    rig.expectServed();
  });

  it('can be taken back', () => {
    const rig = three();
    rig.ask('gw-b', { kind: 'delete', gateway: 'gw-a' });
    rig.ask('gw-b', { kind: 'create', gateway: 'gw-a' });
    expect(rig.entry('gw-a')).toMatchObject({ availability: 'CREATED', slot: 0 });
    rig.get('gw-a').restart();
    rig.beacon('gw-a');
    expect(rig.entry('gw-a').availability).toBe('AVAILABLE');
  });
});

describe('a group of many', () => {
  it('has 16 gateways with a home group each, and 112 groups more', () => {
    const rig = new Rig();
    const populated = Array.from({ length: LIMITS.maxAnaGroups }, (_, at) => at + 1);
    for (let at = 0; at < 16; at += 1) rig.add(`gw-${at}`, { populated: [...populated, 0, 129] });
    rig.rounds(30);
    expect(rig.map.groups.map(({ id }) => id)).toEqual(populated);
    for (const { name, slot } of rig.map.gateways) expect(rig.group(slot + 1).owner?.gateway).toBe(name);
    const owned = rig.map.gateways.map(
      ({ name }) => rig.map.groups.filter(({ owner }) => owner?.gateway === name).length,
    );
    expect(Math.max(...owned) - Math.min(...owned)).toBeLessThanOrEqual(1);
    rig.expectServed();
  });
});
