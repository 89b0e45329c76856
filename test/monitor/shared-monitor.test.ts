import { describe, expect, it } from 'vitest';
import { failure } from './support/fake-ceph.ts';
import { FakeGroup } from './support/fake-group.ts';

describe('a group that comes up', () => {
  it('gives the first gateway slot 0, and group 1 to serve', async () => {
    const group = new FakeGroup();
    const gateway = group.add('gw-a');
    await group.until('group 1 is served', () => group.serverOf(1) === 'gw-a', 3000);
    expect(await gateway.placed).toMatchObject({ slot: 0, anaGroupId: 1 });
    expect(group.leader()).toBe('gw-a');
  });

  it('gives each gateway the group of its slot', async () => {
    const group = new FakeGroup();
    const gateways = await group.settled('gw-a', 'gw-b', 'gw-c');
    expect((await gateways[2].placed).slot).toBe(2);
    expect(group.entry(3).owner?.gateway).toBe('gw-c');
    expect(gateways[0].monitor.homeGroups()).toEqual([1, 2, 3]);
    expect(group.leader()).toBe('gw-a');
  });

  it('tells where the home gateways of groups stand, and of a change', async () => {
    const group = new FakeGroup();
    const [first, second] = await group.settled('gw-a', 'gw-b');
    expect(first.monitor.homeLocations()).toEqual(new Map());
    const done = first.monitor.admin.request({ kind: 'set-location', gateway: 'gw-b', location: 'dc2' });
    await group.until('the other knows it too', () => second.monitor.homeLocations().get(2) === 'dc2');
    await done;
    expect(first.monitor.homeLocations()).toEqual(new Map([[2, 'dc2']]));
  });

  it('comes up when all gateways start at once, under one leader', async () => {
    const group = new FakeGroup();
    for (const name of ['gw-a', 'gw-b', 'gw-c']) group.add(name);
    await group.until('three groups are served', () => [1, 2, 3].every((id) => group.serverOf(id) !== null));
    expect(group.ceph.leadership.term).toBe(1);
  });

  it('serves nothing on a gateway without listeners', async () => {
    const group = new FakeGroup();
    const [, second] = await group.settled('gw-a', 'gw-b');
    second.server.set({ available: false });
    await group.until('gw-a serves both', () => group.serverOf(1) === 'gw-a' && group.serverOf(2) === 'gw-a');
  });
});

describe('an owner that dies', () => {
  it('is fenced before another one serves, soon when its process ended', async () => {
    const group = new FakeGroup();
    const [, second] = await group.settled('gw-a', 'gw-b', 'gw-c');
    const address = second.server.address(2);
    second.kill();
    const ms = await group.until(
      'group 2 is served again',
      () => group.serverOf(2) !== null && group.serverOf(2) !== 'gw-b',
    );
    expect(group.ceph.blocklisted).toContain(address);
    expect(ms).toBeLessThan(1500);
    const server = group.gateways.find(({ name }) => name === group.serverOf(2))!.server;
    expect(server.asked).toContain('take-over 2 after fence');
  });

  it('keeps its groups for as long as its own lease lasts', async () => {
    const group = new FakeGroup();
    await group.settled('gw-a');
    const second = group.add('gw-b', { lease: 4000, grace: 6000 });
    await group.until('gw-b serves its group', () => group.serverOf(2) === 'gw-b');
    second.kill();
    const ms = await group.until('group 2 is served again', () => group.serverOf(2) === 'gw-a');
    expect(ms).toBeGreaterThan(4000);
    expect(ms).toBeLessThan(4500);
  });

  it('is noticed by its silence when no stream tells', async () => {
    const group = new FakeGroup();
    group.network.down = true;
    const [, second] = await group.settled('gw-a', 'gw-b', 'gw-c');
    second.kill();
    const ms = await group.until('group 2 is served again', () => (group.serverOf(2) ?? 'gw-b') !== 'gw-b');
    expect(ms).toBeLessThan(4000);
    expect(group.entry(2).why).toContain('silent for');
  });

  it('gets its group back when it comes back', async () => {
    const group = new FakeGroup();
    const [, second] = await group.settled('gw-a', 'gw-b');
    second.kill();
    await group.until('gw-a serves both', () => group.serverOf(2) === 'gw-a');
    group.add('gw-b');
    await group.until('gw-b serves its group', () => group.serverOf(2) === 'gw-b', 12_000);
    expect(group.entry(1).owner?.gateway).toBe('gw-a');
  });

  it('is fenced when it starts again before anybody missed it', async () => {
    const group = new FakeGroup();
    group.network.down = true;
    const [, second] = await group.settled('gw-a', 'gw-b');
    const address = second.server.address(2);
    second.kill();
    group.add('gw-b');
    await group.until('the old client is fenced', () => group.ceph.blocklisted.has(address), 2500);
    await group.until('group 2 is served', () => group.serverOf(2) !== null);
  });

  it('may be two at once', async () => {
    const group = new FakeGroup();
    const [, second, third] = await group.settled('gw-a', 'gw-b', 'gw-c', 'gw-d');
    second.kill();
    third.kill();
    const ms = await group.until('groups 2 and 3 are served', () =>
      [2, 3].every((id) => ['gw-a', 'gw-d'].includes(group.serverOf(id) ?? '')),
    );
    expect(ms).toBeLessThan(1500);
  });

  it('takes over and dies, and is fenced for that group too', async () => {
    const group = new FakeGroup();
    const [first, second, third] = await group.settled('gw-a', 'gw-b', 'gw-c');
    second.kill();
    await group.until('somebody is to take over', () => (group.entry(2).owner?.gateway ?? 'gw-b') !== 'gw-b');
    const chosen = [first, third].find(({ name }) => name === group.entry(2).owner!.gateway)!;
    const address = chosen.server.address(2);
    chosen.kill();
    await group.until(
      'the last one serves',
      () => group.serverOf(2) !== null && group.serverOf(2) !== chosen.name,
    );
    expect(group.ceph.blocklisted).toContain(address);
  });
});

describe('a leader that dies', () => {
  it('is replaced at once when its stream ends, and its groups go to others', async () => {
    const group = new FakeGroup();
    const [first] = await group.settled('gw-a', 'gw-b', 'gw-c');
    first.kill();
    const ms = await group.until('group 1 is served again', () => (group.serverOf(1) ?? 'gw-a') !== 'gw-a');
    expect(ms).toBeLessThan(1500);
    expect(group.ceph.leadership.term).toBe(2);
  });

  it('is replaced when its beat stands still', async () => {
    const group = new FakeGroup();
    group.network.down = true;
    const [first] = await group.settled('gw-a', 'gw-b', 'gw-c');
    first.kill();
    const ms = await group.until('group 1 is served again', () => (group.serverOf(1) ?? 'gw-a') !== 'gw-a');
    expect(ms).toBeLessThan(6000);
  });

  it('has its fences ended by the next one', async () => {
    const group = new FakeGroup();
    const [first, second, third] = await group.settled('gw-a', 'gw-b', 'gw-c');
    const address = second.server.address(2);
    second.kill();
    await group.until('the fence is written down', () => group.ceph.map.fences.length > 0);
    first.kill();
    await group.until('groups 1 and 2 are served', () => [1, 2].every((id) => group.serverOf(id) === 'gw-c'));
    expect(third.coordination.calls).toContain(`blocklist ${address}`);
  });

  it('starts again and the group goes on', async () => {
    const group = new FakeGroup();
    const [first] = await group.settled('gw-a', 'gw-b');
    first.kill();
    const again = group.add('gw-a');
    await group.until(
      'both are home',
      () => group.serverOf(1) === 'gw-a' && group.serverOf(2) === 'gw-b',
      12_000,
    );
    expect((await again.placed).slot).toBe(0);
  });

  it('cannot write when it wakes after another one leads', async () => {
    const group = new FakeGroup();
    const [first] = await group.settled('gw-a', 'gw-b', 'gw-c');
    const incarnation = group.ceph.leadership.incarnation;
    first.process.freeze();
    await group.until('another one leads', () => group.leader() !== 'gw-a', 6000);
    await group.until('group 1 is served by another one', () => (group.serverOf(1) ?? 'gw-a') !== 'gw-a');
    const { maps } = group.ceph;
    const before = maps.length;
    first.process.thaw();
    await group.run(5000);
    expect(group.ceph.leadership.incarnation).not.toBe(incarnation);
    expect(maps.slice(before).every((map, at) => map.epoch === maps[before - 1].epoch + at + 1)).toBe(true);
    expect(first.messages).toContain('this gateway is fenced; it joins anew');
    await group.until('gw-a serves its group again', () => group.serverOf(1) === 'gw-a', 12_000);
  });
});

describe('a cluster that stands still', () => {
  it('changes no owner and fences nobody', async () => {
    const group = new FakeGroup();
    await group.settled('gw-a', 'gw-b', 'gw-c');
    await group.run(2000);
    const { epoch } = group.ceph.map;
    const { term } = group.ceph.leadership;
    group.ceph.pause();
    await group.run(60_000);
    expect([1, 2, 3].map((id) => group.serverOf(id))).toEqual([null, null, null]);
    group.ceph.unpause();
    await group.until('all serve again', () => [1, 2, 3].every((id) => group.serverOf(id) !== null), 3000);
    await group.run(10_000);
    expect(group.ceph.map.fences).toEqual([]);
    expect(group.ceph.leadership.term).toBe(term);
    expect(group.ceph.map.groups.map(({ owner }) => owner?.gateway)).toEqual(['gw-a', 'gw-b', 'gw-c']);
    expect(group.ceph.map.epoch).toBe(epoch);
  }, 60_000);

  it('for one gateway alone: its group goes to another, and it comes back as a new incarnation', async () => {
    const group = new FakeGroup();
    const [, second] = await group.settled('gw-a', 'gw-b', 'gw-c');
    second.link.cut = true;
    await group.until('group 2 is served elsewhere', () => (group.serverOf(2) ?? 'gw-b') !== 'gw-b', 5000);
    await group.run(3000);
    second.link.mend();
    await group.until('gw-b serves its group again', () => group.serverOf(2) === 'gw-b', 12_000);
    expect(second.server.asked).toContain('renew clients');
  });

  it('for the leader alone: another one leads', async () => {
    const group = new FakeGroup();
    const [first] = await group.settled('gw-a', 'gw-b', 'gw-c');
    first.link.cut = true;
    await group.until('group 1 is served elsewhere', () => (group.serverOf(1) ?? 'gw-a') !== 'gw-a', 8000);
    first.link.mend();
    await group.until('gw-a serves its group again', () => group.serverOf(1) === 'gw-a', 12_000);
  });
});

describe('an owner that reaches a part of the cluster only', () => {
  it('and gets no lease, is replaced by one that would get it, also when that one serves nothing', async () => {
    const group = new FakeGroup();
    const [first] = await group.settled('gw-a', 'gw-b');
    first.monitor.admin.request({ kind: 'move', group: 2, gateway: 'gw-a', force: true });
    await group.until('gw-a serves both', () => group.serverOf(1) === 'gw-a' && group.serverOf(2) === 'gw-a');
    first.server.leasesCut = true;
    const ms = await group.until(
      'gw-b serves both',
      () => group.serverOf(1) === 'gw-b' && group.serverOf(2) === 'gw-b',
      20_000,
    );
    expect(ms).toBeGreaterThan(10_000);
    first.server.leasesCut = false;
    await group.run(20_000);
    expect(group.ceph.map.groups.map(({ owner }) => owner?.gateway)).toEqual(['gw-b', 'gw-b']);
  }, 60_000);

  it('and gets its first lease never, is replaced as well', async () => {
    const group = new FakeGroup();
    const [, second] = await group.settled('gw-a', 'gw-b');
    second.kill();
    await group.until('gw-a serves both', () => group.serverOf(2) === 'gw-a');
    const again = group.add('gw-b');
    again.server.leasesCut = true;
    await group.until('group 2 is to be served by gw-b', () => group.entry(2).owner?.gateway === 'gw-b');
    await group.until('gw-a serves it again', () => group.serverOf(2) === 'gw-a', 40_000);
    expect(group.ceph.map.history.at(-1)?.why).toContain('had no lease for ANA group 2 while others had');
  }, 60_000);

  it('hands the lead to another one when it cannot read the beacons, and is replaced', async () => {
    const group = new FakeGroup();
    const [first] = await group.settled('gw-a', 'gw-b', 'gw-c');
    expect(group.leader()).toBe('gw-a');
    first.coordination.beaconsCut = true;
    first.server.leasesCut = true;
    await group.until('another one leads', () => group.leader() !== 'gw-a', 8000);
    await group.until('group 1 is served elsewhere', () => (group.serverOf(1) ?? 'gw-a') !== 'gw-a', 5000);
    const { term } = group.ceph.leadership;
    await group.run(10_000);
    expect(group.ceph.leadership.term).toBe(term);
  });

  it('leads on when nobody can read the beacons', async () => {
    const group = new FakeGroup();
    const gateways = await group.settled('gw-a', 'gw-b', 'gw-c');
    const { term } = group.ceph.leadership;
    for (const { coordination } of gateways) coordination.beaconsCut = true;
    await group.run(15_000);
    expect(group.ceph.leadership.term).toBe(term);
    for (const { messages } of gateways)
      expect(messages.filter((message) => message.includes('cannot tell who is silent'))).toHaveLength(1);
    for (const { coordination } of gateways) coordination.beaconsCut = false;
    await group.run(3000);
    expect(group.ceph.map.fences).toEqual([]);
    expect(group.ceph.leadership.term).toBe(term);
    expect(gateways[1].messages).toContain('this gateway can tell again who is silent');
  });
});

describe('a gateway that is frozen', () => {
  it('is fenced, wakes, and joins anew', async () => {
    const group = new FakeGroup();
    const [, second] = await group.settled('gw-a', 'gw-b', 'gw-c');
    const before = group.ceph.map.gateways[1].incarnation!.id;
    second.process.freeze();
    await group.until('group 2 is served elsewhere', () => (group.serverOf(2) ?? 'gw-b') !== 'gw-b', 5000);
    await group.run(5000);
    second.process.thaw();
    await group.until('gw-b serves its group again', () => group.serverOf(2) === 'gw-b', 12_000);
    expect(group.ceph.map.gateways[1].incarnation!.id).not.toBe(before);
    expect(second.server.asked).toContain('withdraw 2');
  });

  it('for a moment only is left alone', async () => {
    const group = new FakeGroup();
    const [first, second] = await group.settled('gw-a', 'gw-b');
    const { fences } = group.ceph.map;
    for (const gateway of [first, second]) {
      gateway.process.freeze();
      await group.run(900);
      gateway.process.thaw();
      await group.run(3000);
    }
    expect(group.ceph.map.fences).toEqual(fences);
    expect(group.serverOf(2)).toBe('gw-b');
  });
});

describe('a blocklist from outside', () => {
  it('makes a new incarnation, later each time', async () => {
    const group = new FakeGroup();
    const [, second] = await group.settled('gw-a', 'gw-b');
    const strike = async (): Promise<number> => {
      const address = second.server.address(2);
      group.ceph.blocklisted.add(address);
      await group.until('it has new clients', () => second.server.address(2) !== address, 20_000);
      return group.until('gw-b serves its group', () => group.serverOf(2) === 'gw-b', 20_000);
    };
    await strike();
    const begunMs = group.clock.nowMs();
    await strike();
    expect(group.clock.nowMs() - begunMs).toBeGreaterThan(5000);
    expect(second.messages.filter((message) => message.includes('outside the group'))).toHaveLength(2);
  }, 30_000);

  it('that goes on while the gateway joins anew is met with new clients again', async () => {
    const group = new FakeGroup();
    const [, { coordination, server }] = await group.settled('gw-a', 'gw-b');
    const [renew, connect, renewClients] = [coordination.renew, server.connect, server.renewClients];
    let controlStrikes = 1;
    let groupStrikes = 1;
    let fenced = false;
    coordination.renew = async () => {
      await renew.call(coordination);
      if (controlStrikes-- > 0) group.ceph.blocklisted.add(coordination.address);
    };
    server.renewClients = async () => {
      await renewClients.call(server);
      fenced = groupStrikes-- > 0;
      if (fenced) server.dropClient(2);
    };
    server.connect = async (id) => {
      if (fenced && id === 2) throw failure('EBLOCKLISTED');
      return connect.call(server, id);
    };
    const before = group.entry(2).owner?.incarnation;
    group.ceph.blocklisted.add(coordination.address);
    const isBack = () => group.serverOf(2) === 'gw-b' && group.entry(2).owner?.incarnation !== before;
    await group.until('gw-b serves its group', isBack, 30_000);
    expect(fenced).toBe(false);
  }, 30_000);

  it('of the control client alone ends the incarnation as well', async () => {
    const group = new FakeGroup();
    const [, second] = await group.settled('gw-a', 'gw-b');
    const before = group.ceph.map.gateways[1].incarnation!.id;
    group.ceph.blocklisted.add(second.coordination.address);
    await group.until(
      'it is back',
      () => {
        const present = group.ceph.map.gateways[1].incarnation?.id;
        return present !== undefined && present !== before && group.serverOf(2) === 'gw-b';
      },
      12_000,
    );
  });
});

describe('a hand-over', () => {
  it('counts only after the epoch that asks for it was acknowledged with nothing in flight', async () => {
    const group = new FakeGroup();
    const [first, second] = await group.settled('gw-a', 'gw-b');
    second.kill();
    await group.until('gw-a serves both', () => group.serverOf(2) === 'gw-a');
    first.server.releaseMs = 700;
    group.add('gw-b');
    await group.until('gw-a is asked to release', () => group.entry(2).next === 'gw-b', 8000);
    const asked = group.entry(2).epoch;
    await group.until('gw-a holds it no more', () => group.entry(2).owner?.gateway === 'gw-b');
    expect(first.server.asked).toContain('release 2');
    expect(group.serverOf(2)).toBe(null);
    expect(group.entry(2).epoch).toBeGreaterThan(asked);
    await group.until('gw-b serves', () => group.serverOf(2) === 'gw-b', 500);
  });

  it('is quick once the owner lets go', async () => {
    const group = new FakeGroup();
    const [first] = await group.settled('gw-a', 'gw-b');
    void first.monitor.admin.request({ kind: 'move', group: 1, gateway: 'gw-b', force: false });
    await group.until('the owner stops', () => group.serverOf(1) === null);
    const ms = await group.until('gw-b serves', () => group.serverOf(1) === 'gw-b');
    expect(ms).toBeLessThan(50);
  });

  it('that does not end is called off, and the owner serves on', async () => {
    const group = new FakeGroup();
    const [first] = await group.settled('gw-a', 'gw-b');
    first.server.releases = false;
    void first.monitor.admin.request({ kind: 'move', group: 1, gateway: 'gw-b', force: false });
    await group.until('the owner is asked', () => group.entry(1).next === 'gw-b');
    await group.until('it is called off', () => group.entry(1).next === null, 12_000);
    await group.run(1500);
    expect(group.serverOf(1)).toBe('gw-a');
  });
});

describe('a clean end', () => {
  it('hands everything over before it is over, without a fence', async () => {
    const group = new FakeGroup();
    const [first, second] = await group.settled('gw-a', 'gw-b', 'gw-c');
    for (const gateway of [second, first]) {
      let left = false;
      void gateway.monitor.leave().then(() => {
        left = true;
      });
      const ms = await group.until('it has left', () => left);
      expect(ms).toBeLessThan(1000);
      await group.until('its group is served', () => group.serverOf(gateway === first ? 1 : 2) !== null);
      let stopped = false;
      void gateway.monitor.stop().then(() => {
        stopped = true;
      });
      await group.until('it has stopped', () => stopped, 2500);
      gateway.kill();
      await group.run(4000);
    }
    expect([1, 2, 3].map((id) => group.serverOf(id))).toEqual(['gw-c', 'gw-c', 'gw-c']);
    expect(group.ceph.map.fences).toEqual([]);
    expect(group.leader()).toBe('gw-c');
    expect(group.ceph.map.gateways.map(({ availability }) => availability)).toEqual([
      'UNAVAILABLE',
      'UNAVAILABLE',
      'AVAILABLE',
    ]);
  });

  it('comes for one that still waits for its place', async () => {
    const group = new FakeGroup();
    group.ceph.pause();
    const gateway = group.add('gw-a');
    await group.run(100);
    await gateway.monitor.leave();
    await expect(gateway.placed).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  });

  it('of the last gateway leaves nothing to be fenced', async () => {
    const group = new FakeGroup();
    const [only] = await group.settled('gw-a');
    let ended = false;
    void only.monitor
      .leave()
      .then(() => only.monitor.stop())
      .then(() => {
        ended = true;
      });
    await group.until('it has ended', () => ended, 4000);
    only.kill();
    expect(group.ceph.leadership.incarnation).toBe('');
    group.add('gw-a');
    await group.until('group 1 is served', () => group.serverOf(1) === 'gw-a', 4000);
    expect(group.ceph.map.fences).toEqual([]);
  });
});

describe('what gateways are told of themselves', () => {
  it('is that no slot is free, until one is', async () => {
    const group = new FakeGroup();
    const entry = {
      location: '',
      enabled: true,
      drain: 'no',
      availability: 'UNAVAILABLE',
      incarnation: null,
    } as const;
    const gateways = Array.from({ length: 32 }, (_, slot) => ({
      ...{ ...entry, name: `gw-${slot}`, slot, peerAddress: '', peerPort: 0, sinceMs: 0 },
    }));
    group.ceph.map = { ...group.ceph.map, epoch: 1, gateways };
    group.add('gw-0');
    await group.until('gw-0 serves its group', () => group.serverOf(1) === 'gw-0');
    const late = group.add('gw-x');
    await group.run(2000);
    expect(late.messages.at(-1)).toContain('all 32 slots of the group are taken');
    void group.gateways[0].monitor.admin.request({ kind: 'delete', gateway: 'gw-7' });
    await group.until(
      'gw-x has the slot of gw-7',
      () => late.messages.at(-1)!.includes('is served here'),
      8000,
    );
    expect((await late.placed).slot).toBe(7);
  });

  it('is that a younger process at their place has their name', async () => {
    const group = new FakeGroup();
    const [, second] = await group.settled('gw-a', 'gw-b');
    group.add('gw-b');
    await group.until('the first one gives up', () =>
      second.messages.some((message) => message.includes('another process runs as this gateway')),
    );
    await group.until('group 2 is served', () => group.serverOf(2) !== null);
    const { length } = group.ceph.maps;
    await group.run(10_000);
    expect(group.ceph.maps.length - length).toBeLessThan(8);
  });

  it.each(['gw-a', 'gw-b'])(
    'is that another machine has their name, %s, and nobody is fenced',
    async (name) => {
      const group = new FakeGroup();
      await group.settled('gw-a', 'gw-b');
      const { term } = group.ceph.leadership;
      const twin = group.add(name, {}, 'elsewhere');
      let refusal = '';
      twin.placed.catch((error: Error) => {
        refusal = error.message;
      });
      await group.run(3000);
      expect(twin.messages.at(-1)).toMatch(`waiting: gateway "${name}" runs already, at 192.0.2.`);
      await group.until('it gives up', () => refusal !== '', 20_000);
      expect(refusal).toContain(`another process runs under this name, at 192.0.2.`);
      twin.kill();
      await group.run(1000);
      expect([1, 2].map((id) => group.serverOf(id))).toEqual(['gw-a', 'gw-b']);
      expect(group.ceph.map.fences).toEqual([]);
      expect(group.ceph.leadership).toMatchObject({ term, gateway: 'gw-a' });
    },
  );

  it('is nothing of that when the gateway of their name died on another machine', async () => {
    const group = new FakeGroup();
    group.network.down = true;
    const [, second] = await group.settled('gw-a', 'gw-b');
    second.kill();
    const moved = group.add('gw-b', {}, 'elsewhere');
    await group.until('it serves', () => moved.server.serves(2), 8000);
    expect(group.ceph.map.fences[0]?.reason).toContain('silent for');
  });

  it('is that the leader was deleted, and another one leads', async () => {
    const group = new FakeGroup();
    const [first, second] = await group.settled('gw-a', 'gw-b');
    second.server.set({ populated: [1, 2] });
    await group.run(10);
    void second.monitor.admin.request({ kind: 'delete', gateway: 'gw-a' });
    const ms = await group.until('group 1 is served elsewhere', () => group.serverOf(1) === 'gw-b');
    expect(ms).toBeLessThan(1500);
    expect(group.leader()).toBe('gw-b');
    expect(first.messages.some((message) => message.includes('was deleted'))).toBe(true);
  });

  it('is that they were deleted', async () => {
    const group = new FakeGroup();
    const [first, second] = await group.settled('gw-a', 'gw-b');
    first.server.set({ populated: [1, 2] });
    await group.run(10);
    void first.monitor.admin.request({ kind: 'delete', gateway: 'gw-b' });
    await group.until('group 2 is served elsewhere', () => group.serverOf(2) === 'gw-a');
    await group.run(5000);
    expect(second.messages.some((message) => message.includes('was deleted'))).toBe(true);
    expect(group.ceph.map.gateways.find(({ name }) => name === 'gw-b')?.incarnation ?? null).toBe(null);
  });
});
