/** Subsystems, ports, hosts and namespaces come and go while hosts are connected. */
import { describe, expect, it } from 'vitest';
import { BlockStatus } from '../../src/base/block-device.ts';
import { IoOpcode, ioSqe } from '../initiator/command.ts';
import { Status } from '../initiator/status.ts';
import { FakeBlockDevice } from './fake-block-device.ts';
import { BLOCK, DISCOVERY_NQN, HOST_NQN, SUBSYSTEM_NQN, TargetWorld } from './target-world.ts';

const OTHER_HOST = 'nqn.2014-08.org.nvmexpress:uuid:99999999-2222-3333-4444-555555555555';
const CONFIG = { nqn: 'nqn.2026-11.io.anagate:two', serial: 'TWO', model: 'Anagate', maxNamespaces: 4096 };

describe('a host that is not allowed any more', () => {
  it('loses its controllers, others keep theirs', () => {
    const world = new TargetWorld();
    world.subsystem.allowHost(HOST_NQN);
    world.subsystem.allowHost(OTHER_HOST);
    world.subsystem.disallowHost('*');
    const mine = world.host();
    const other = world.host({ hostnqn: OTHER_HOST });
    world.subsystem.disallowHost(HOST_NQN);
    expect(mine.controller.ended).toBe('host removed');
    expect([mine.admin.closedBecause, mine.io.closedBecause]).toEqual(['host removed', 'host removed']);
    expect(other.controller.ended).toBeNull();
  });

  it('stays when any host is allowed', () => {
    const world = new TargetWorld();
    world.subsystem.allowHost(HOST_NQN);
    const { controller } = world.host();
    world.subsystem.disallowHost(HOST_NQN);
    expect(controller.ended).toBeNull();
    world.subsystem.disallowHost('*');
    expect(controller.ended).not.toBeNull();
  });
});

describe('a subsystem', () => {
  it('with the NQN of another cannot be', () => {
    const world = new TargetWorld();
    expect(() => world.target.addSubsystem({ ...CONFIG, nqn: SUBSYSTEM_NQN })).toThrow(/exists/);
  });

  it('that is removed takes its controllers along, and leaves those of others', () => {
    const world = new TargetWorld();
    const two = world.target.addSubsystem(CONFIG);
    two.allowHost('*');
    world.port.expose(two);
    const mine = world.host();
    const other = world.connectAdmin({ subnqn: CONFIG.nqn });
    const discovery = world.connectAdmin({ subnqn: DISCOVERY_NQN });
    expect(world.target.removeSubsystem(SUBSYSTEM_NQN)).toBe(world.subsystem);
    expect(world.target.removeSubsystem(SUBSYSTEM_NQN)).toBeUndefined();
    expect(mine.controller.ended).not.toBeNull();
    expect(other.controller.ended).toBeNull();
    expect(discovery.controller.ended).toBeNull();
    expect(world.port.subsystems.has(world.subsystem)).toBe(false);
    expect([...world.target.controllers()]).toEqual([discovery.controller, other.controller]);
  });
});

describe('a port', () => {
  it('that stops offering a subsystem ends the controllers that came through it, and no other', () => {
    const world = new TargetWorld();
    const second = world.addPort({ portId: 2 });
    second.expose(world.subsystem);
    const a = world.host();
    const b = world.host({ port: second });
    second.unexpose(world.subsystem);
    expect(a.controller.ended).toBeNull();
    expect(b.controller.ended).toBe('listener removed');
  });

  it('that goes takes its discovery controllers along', () => {
    const world = new TargetWorld();
    const second = world.addPort({ portId: 2, discoveryOnly: true });
    const a = world.connectAdmin({ subnqn: DISCOVERY_NQN });
    const b = world.connectAdmin({ subnqn: DISCOVERY_NQN, port: second });
    world.target.removePort(second);
    expect(a.controller.ended).toBeNull();
    expect(b.controller.ended).toBe('listener removed');
    expect(world.target.discoveryControllers.size).toBe(1);
  });

  it('offers a subsystem once, however often it is told', () => {
    const world = new TargetWorld();
    const before = world.target.discoveryGeneration;
    world.port.expose(world.subsystem);
    expect(world.target.discoveryGeneration).toBe(before);
  });
});

describe('a namespace', () => {
  it('with the id of another cannot be', () => {
    const world = new TargetWorld();
    expect(() => world.addNamespace(1, 1, world.device)).toThrow(/exists/);
  });

  it('that is removed: what the device has still ends, and is answered', () => {
    const world = new TargetWorld();
    const { io } = world.host();
    const read = io.send(ioSqe(IoOpcode.read, 1, 0, 1));
    const write = io.send(ioSqe(IoOpcode.write, 1, 0, 1), { later: true });
    world.subsystem.removeNamespace(1);
    expect(world.subsystem.removeNamespace(1)).toBeUndefined();
    world.device.finishAll();
    expect(io.answerTo(read)!.status).toBe(Status.success);
    io.deliver(write, Buffer.alloc(BLOCK));
    // its data comes too late: the device is not asked any more
    expect(io.answerTo(write)).toMatchObject({ status: Status.invalidNamespace, dnr: true });
    expect(world.device.calls.length).toBe(1);
    expect(io.call(ioSqe(IoOpcode.write, 1, 0, 1)).status).toBe(Status.invalidNamespace);
  });

  it('added again under the same id is a new one', () => {
    const world = new TargetWorld();
    const { io } = world.host();
    world.subsystem.removeNamespace(1);
    const device = new FakeBlockDevice(8 * BLOCK);
    device.immediately = BlockStatus.ok;
    world.addNamespace(1, 1, device);
    expect(io.call(ioSqe(IoOpcode.read, 1, 0, 1)).status).toBe(Status.success);
    expect(io.call(ioSqe(IoOpcode.read, 1, 8, 1)).status).toBe(Status.lbaRange);
    expect(world.device.calls).toEqual([]);
  });

  it('moved to a group that is not served here is not served from then on', () => {
    const world = new TargetWorld();
    const { io } = world.host();
    const flying = io.send(ioSqe(IoOpcode.read, 1, 0, 1));
    world.subsystem.changeAnaGroup(1, 3);
    expect(io.call(ioSqe(IoOpcode.read, 1, 0, 1)).status).toBe(Status.anaInaccessible);
    world.device.finishAll();
    expect(io.answerTo(flying)!.status).toBe(Status.success);
    // each command is counted in the group that admitted it
    expect(world.ana.groups.map((group) => group.inFlight)).toEqual([0, 0, 0, 0, 0]);
  });
});

describe('controllers', () => {
  it('one that ends by keep alive is remembered by host, until that host is back', () => {
    const world = new TargetWorld();
    world.connectAdmin({ kato: 1000 });
    world.clock.advance(2000);
    expect([...world.target.keepAliveTimeouts]).toEqual([`${SUBSYSTEM_NQN} ${HOST_NQN}`]);
    expect(world.target.endReasons.get('keep alive timeout')).toBe(1);
    world.connectAdmin();
    expect(world.target.keepAliveTimeouts.size).toBe(0);
  });

  it('the discovery generation rises over restarts: it begins with the wall clock', () => {
    const first = new TargetWorld();
    for (let i = 0; i < 100; i++) first.subsystem.allowHost(`nqn.2014-08.org.nvmexpress:${i}`);
    const later = first.clock.wallMs() + 1000;
    expect(first.target.discoveryGeneration).toBeLessThan(later);
    expect(first.target.discoveryGeneration).toBeGreaterThanOrEqual(first.clock.wallMs());
  });
});
