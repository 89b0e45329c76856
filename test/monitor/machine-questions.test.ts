/** What people are told about a group of gateways. */
import { describe, expect, it } from 'vitest';
import { okToStop, waitsFor } from '../../src/monitor/machine.ts';
import { Rig, TIMES } from './machine-rig.ts';

const HOSTS = ['nqn.h1', 'nqn.h2'];
const three = (): Rig => Rig.running(['gw-a', 'gw-b', 'gw-c'], { populated: [1, 2, 3], hosts: HOSTS });

describe('ok to stop', () => {
  it('says yes when the others can serve everything and have every host', () => {
    const rig = three();
    expect(okToStop(rig.state, ['gw-a'])).toEqual({ ok: true, reasons: [] });
    expect(okToStop(rig.state, ['gw-a', 'gw-c'])).toEqual({ ok: true, reasons: [] });
  });

  it('says which groups nobody would serve', () => {
    const rig = three();
    rig.ask('gw-b', { kind: 'disable', gateway: 'gw-b' });
    rig.rounds(3);
    expect(okToStop(rig.state, ['gw-a', 'gw-c']).reasons).toEqual([
      'Nobody would serve ANA group 1',
      'Nobody would serve ANA group 2',
      'Nobody would serve ANA group 3',
    ]);
  });

  it('says which hosts would lose their path', () => {
    const rig = three();
    for (const name of ['gw-b', 'gw-c']) rig.beacon(name, { hosts: ['nqn.h1'] });
    expect(okToStop(rig.state, ['gw-a'])).toEqual({
      ok: false,
      reasons: ['ANA group 1 would go to gw-b, where nqn.h2 has no path'],
    });
  });

  it('says where a listener would be missing', () => {
    const rig = three();
    for (const name of ['gw-b', 'gw-c']) rig.beacon(name, { uncovered: [1] });
    expect(okToStop(rig.state, ['gw-a']).reasons).toEqual([
      'ANA group 1 would go to gw-b, where a subsystem of it has no listener',
    ]);
  });

  it('says no when a group is not served now', () => {
    const rig = Rig.running(['gw-a', 'gw-b'], { populated: [1, 2] });
    for (const name of ['gw-a', 'gw-b']) rig.beacon(name, { available: false });
    rig.lose('gw-a');
    expect(okToStop(rig.state, []).reasons).toEqual(['Nobody would serve ANA group 1']);
  });

  it('says no while another group is on its way', () => {
    const rig = three();
    rig.lose('gw-b');
    expect(okToStop(rig.state, ['gw-c']).reasons[0]).toMatch(
      /^ANA group 2 is on its way to gw-a, and waits for fence of gw-b/,
    );
  });

  it('says which hosts have no path but to those, also where no namespace is', () => {
    const rig = Rig.running(['gw-a', 'gw-b']);
    rig.get('gw-b').condition = { hosts: HOSTS };
    rig.get('gw-a').condition = { hosts: ['nqn.h1'] };
    rig.rounds(2);
    expect(okToStop(rig.state, ['gw-b']).reasons).toEqual([
      'No path to a gateway that is left would have nqn.h2',
    ]);
  });

  it('knows the gateways', () => {
    expect(okToStop(three().state, ['gw-x']).reasons).toEqual(['There is no gateway "gw-x" in this group']);
  });
});

describe('a group waits for', () => {
  it('nothing when it is served at home', () => {
    expect(waitsFor(three().state, 1)).toBeNull();
    expect(waitsFor(three().state, 99)).toBeNull();
  });

  it('a fence', () => {
    const rig = three();
    const { address } = rig.get('gw-a').clientOf(1)!;
    rig.lose('gw-a', 'silent for 2.1 s');
    expect(waitsFor(rig.state, 1)).toBe(`fence of gw-a (${address}): silent for 2.1 s`);
  });

  it('a release, and which epoch is awaited of whom', () => {
    const rig = three();
    rig.ask('gw-b', { kind: 'drain', gateway: 'gw-a', force: false });
    const { epoch } = rig.group(1);
    expect(waitsFor(rig.state, 1)).toBe(
      `gw-a to release it to gw-b (epoch ${epoch}; it has applied ${epoch - 1} and is serving)`,
    );
    rig.get('gw-a').apply(rig.map);
    rig.beacon('gw-a');
    expect(waitsFor(rig.state, 1)).toBe(
      `gw-a to release it to gw-b (epoch ${epoch}; it has applied ${epoch} and is releasing)`,
    );
  });

  it('its new owner to serve it', () => {
    const rig = three();
    rig.lose('gw-a');
    rig.fenceAll();
    const { epoch } = rig.group(1);
    expect(waitsFor(rig.state, 1)).toBe(
      `gw-b to serve it (epoch ${epoch}; it has applied ${epoch - 1} and is standby)`,
    );
  });

  it('a gateway that can serve it', () => {
    const rig = Rig.running(['gw-a', 'gw-b']);
    rig.ask('gw-a', { kind: 'disable', gateway: 'gw-b' });
    rig.rounds(2);
    rig.lose('gw-a');
    rig.fenceAll();
    expect(waitsFor(rig.state, 1)).toBe('a gateway that can serve it: gw-a is not running, gw-b is disabled');
  });

  it('its home gateway to have been able for a while', () => {
    const rig = three();
    rig.lose('gw-a');
    rig.fenceAll();
    rig.rounds(3);
    expect(waitsFor(rig.state, 1)).toBe('failback to gw-a, which has to stay able for a while');
  });

  it('hosts without a path to where it should go', () => {
    const rig = three();
    for (const name of ['gw-b', 'gw-c'])
      rig.get(name).condition = { populated: [1, 2, 3], hosts: ['nqn.h1'] };
    rig.rounds(1);
    rig.ask('gw-b', { kind: 'drain', gateway: 'gw-a', force: false });
    rig.rounds(1);
    expect(waitsFor(rig.state, 1)).toBe(
      'hosts of gw-a to connect to the gateway that it is to move to: gw-b lacks nqn.h2; gw-c lacks nqn.h2',
    );
  });

  it('another try after a hand-over that was called off', () => {
    const rig = three();
    rig.ask('gw-b', { kind: 'drain', gateway: 'gw-a', force: false });
    rig.tick(TIMES.handOver);
    rig.beacon('gw-a', { groups: [{ id: 1, activity: 'serving', leased: true }] });
    expect(waitsFor(rig.state, 1)).toBe('gw-a, which did not release it in time, before it is asked again');
  });
});
