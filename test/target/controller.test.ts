/** Life of a controller: CC and CSTS, keep alive, loss of connections (NVMe Base 2.0 sections 3.1.3, 3.5, 3.6 and 3.9). */
import { describe, expect, it } from 'vitest';
import {
  Feature,
  IoOpcode,
  ioSqe,
  Property,
  propertyGetSqe,
  propertySetSqe,
  sqe,
} from '../initiator/command.ts';
import { Status } from '../initiator/status.ts';
import type { FakeConnection } from './fake-connection.ts';
import { CC_ENABLE, TargetWorld } from './target-world.ts';

const KEEP_ALIVE = sqe({ opcode: 0x18 });
const SHUTDOWN_NORMAL = 1 << 14;
const FAREWELL_MS = 2000;

function setCc(admin: FakeConnection, value: number): void {
  expect(admin.call(propertySetSqe(Property.cc, value)).status).toBe(0);
}

function csts(admin: FakeConnection): number {
  return admin.call(propertyGetSqe(Property.csts, 4)).dw0;
}

describe('CC and CSTS', () => {
  it('EN makes it ready; until then only fabrics commands are served', () => {
    const world = new TargetWorld();
    const { admin } = world.connectAdmin({ enable: false });
    expect(csts(admin)).toBe(0);
    expect(admin.call(sqe({ opcode: 0x06, cdw: [1] })).status).toBe(Status.commandSequence);
    expect(admin.call(KEEP_ALIVE).status).toBe(Status.commandSequence);
    setCc(admin, CC_ENABLE);
    expect(csts(admin)).toBe(1);
    expect(admin.call(propertyGetSqe(Property.cc, 4)).dw0).toBe(CC_ENABLE);
    expect(admin.call(KEEP_ALIVE).status).toBe(0);
  });

  it.each([
    ['memory page size 8 KiB', 0x0046_0081],
    ['weighted round robin', 0x0046_0801],
    ['a reserved command set', 0x0046_0031],
    ['IOSQES 0', 0x0040_0001],
    ['IOCQES 5', 0x0056_0001],
    ['CSS 7, which CAP does not offer', 0x0046_0071],
  ])('%s: Controller Fatal Status, and a reset mends it', (_name, value) => {
    const world = new TargetWorld();
    const { admin } = world.connectAdmin({ enable: false });
    setCc(admin, value);
    expect(csts(admin)).toBe(2);
    expect(admin.call(KEEP_ALIVE).status).toBe(Status.commandSequence);
    setCc(admin, value & ~1);
    expect(csts(admin)).toBe(0);
    setCc(admin, CC_ENABLE);
    expect(csts(admin)).toBe(1);
  });

  it.each([0, 6])('command set selection %i is one that CAP offers', (css) => {
    const world = new TargetWorld();
    const { admin } = world.connectAdmin({ enable: false });
    setCc(admin, CC_ENABLE | (css << 4));
    expect(csts(admin)).toBe(1);
  });

  it('EN 0 ends the I/O queues and keeps the admin queue and the controller', () => {
    const world = new TargetWorld();
    const { admin, io, controller } = world.host();
    io.send(ioSqe(IoOpcode.read, 1, 0, 1));
    setCc(admin, CC_ENABLE & ~1);
    expect(io.closedBecause).not.toBeNull();
    expect(csts(admin)).toBe(0);
    expect(controller.ended).toBeNull();
    world.device.finishAll();
    expect(world.target.buffers.borrowedBytes).toBe(0);
    world.clock.advance(60_000);
    expect(controller.ended).toBeNull();
    setCc(admin, CC_ENABLE);
    const again = world.connectIo(controller);
    world.device.immediately = 0;
    expect(again.call(ioSqe(IoOpcode.read, 1, 0, 1)).status).toBe(0);
  });

  it('a reset after a shutdown: the controller works again, and so does its keep alive', () => {
    const world = new TargetWorld();
    const { admin, controller } = world.connectAdmin({ kato: 1000 });
    setCc(admin, CC_ENABLE | SHUTDOWN_NORMAL);
    world.clock.advance(3_600_000);
    setCc(admin, CC_ENABLE & ~1);
    setCc(admin, CC_ENABLE);
    expect(csts(admin)).toBe(1);
    expect(admin.call(sqe({ opcode: 0x0a, cdw: [Feature.keepAlive] })).dw0).toBe(1000);
    world.clock.advance(900);
    admin.call(KEEP_ALIVE);
    expect(controller.ended).toBeNull();
    world.clock.advance(2000);
    expect(controller.ended).toBe('keep alive timeout');
  });

  it.each([1, 2])(
    'SHN %i: shutdown is complete at once (SHST 10b), and no keep alive is expected any more',
    (shn) => {
      const world = new TargetWorld();
      const { admin, controller } = world.connectAdmin({ kato: 1000 });
      setCc(admin, CC_ENABLE | (shn << 14));
      expect((csts(admin) >> 2) & 3).toBe(2);
      world.clock.advance(3_600_000);
      expect(controller.ended).toBeNull();
    },
  );
});

describe('keep alive', () => {
  it('a silent host is given up between KATO and twice KATO, whenever it spoke last', () => {
    for (let spokeAt = 0; spokeAt <= 2000; spokeAt += 125) {
      const world = new TargetWorld();
      const { admin, controller } = world.connectAdmin({ kato: 1000 });
      world.clock.advance(spokeAt);
      if (controller.ended !== null) throw new Error(`ended at ${spokeAt}`);
      admin.call(KEEP_ALIVE);
      world.clock.advance(999);
      expect(controller.ended).toBeNull();
      world.clock.advance(1001);
      expect(controller.ended).toBe('keep alive timeout');
      expect(admin.closedBecause).toBe('keep alive timeout');
      if (spokeAt === 750) break;
    }
  });

  it('sent each half KATO keeps it for ever', () => {
    const world = new TargetWorld();
    const { admin, controller } = world.connectAdmin({ kato: 1000 });
    for (let i = 0; i < 500; i++) {
      world.clock.advance(500);
      admin.call(KEEP_ALIVE);
    }
    expect(controller.ended).toBeNull();
  });

  it('any command on any queue counts as well (traffic based keep alive)', () => {
    const world = new TargetWorld();
    world.device.immediately = 0;
    const { io, controller } = world.host({ kato: 1000 });
    for (let i = 0; i < 50; i++) {
      world.clock.advance(900);
      io.call(ioSqe(IoOpcode.read, 1, 0, 1));
    }
    expect(controller.ended).toBeNull();
    world.clock.advance(2000);
    expect(controller.ended).toBe('keep alive timeout');
  });

  it('KATO 0 is none', () => {
    const world = new TargetWorld();
    const { controller } = world.connectAdmin({ kato: 0 });
    expect(world.clock.armed).toBe(0);
    world.clock.advance(10 ** 9);
    expect(controller.ended).toBeNull();
  });

  it('a timer that is late because this process was held up ends nobody', () => {
    const world = new TargetWorld();
    const { admin, controller } = world.connectAdmin({ kato: 1000 });
    world.clock.advance(1500); // one quiet period has begun
    world.clock.stall(30_000);
    expect(controller.ended).toBeNull();
    // what the host sent meanwhile is read now
    admin.call(KEEP_ALIVE);
    world.clock.advance(1000);
    expect(controller.ended).toBeNull();
    world.clock.advance(1000);
    expect(controller.ended).toBe('keep alive timeout');
  });

  it('after a stall a host that is really gone is still given up within twice KATO', () => {
    const world = new TargetWorld();
    const { controller } = world.connectAdmin({ kato: 1000 });
    world.clock.advance(1500);
    world.clock.stall(30_000);
    expect(controller.ended).toBeNull();
    world.clock.advance(2000);
    expect(controller.ended).toBe('keep alive timeout');
  });

  it('Set Features 0Fh changes it at once, Get Features tells it', () => {
    const world = new TargetWorld();
    const { admin, controller } = world.connectAdmin({ kato: 5000 });
    const get = () => admin.call(sqe({ opcode: 0x0a, cdw: [Feature.keepAlive] })).dw0;
    expect(get()).toBe(5000);
    expect(admin.call(sqe({ opcode: 0x09, cdw: [Feature.keepAlive, 15_000] })).status).toBe(0);
    expect(get()).toBe(15_000);
    world.clock.advance(14_000);
    expect(controller.ended).toBeNull();
    expect(admin.call(sqe({ opcode: 0x09, cdw: [Feature.keepAlive, 0] })).status).toBe(0);
    expect(get()).toBe(0);
    world.clock.advance(10 ** 9);
    expect(controller.ended).toBeNull();
  });

  it.each([
    [1, 100],
    [99, 100],
    [100, 100],
    [101, 200],
    [4_294_967_295, 4_294_967_295],
  ])('%i ms is rounded up to the granularity that KAS names: %i ms', (asked, kept) => {
    const world = new TargetWorld();
    const { controller, admin } = world.connectAdmin({ kato: asked });
    expect(admin.call(sqe({ opcode: 0x06, cdw: [1] })).data!.readUInt16LE(320)).toBe(1);
    world.clock.advance(Math.min(kept, 2 ** 31) - 1);
    expect(controller.ended).toBeNull();
  });
});

describe('connections', () => {
  it('without its admin queue the controller ends, and all its queues with it', () => {
    const world = new TargetWorld();
    const { admin, io, controller } = world.host();
    const second = world.connectIo(controller, { qid: 2 });
    admin.lose();
    expect(controller.ended).not.toBeNull();
    expect(io.closedBecause).not.toBeNull();
    expect(second.closedBecause).not.toBeNull();
    expect(world.subsystem.controllers.size).toBe(0);
    expect(world.clock.armed).toBe(0);
  });

  it('an I/O connection that goes is no end while keep alives come: SPDK hosts delete queues that way', () => {
    const world = new TargetWorld();
    const { admin, io, controller } = world.host({ kato: 1000 });
    io.lose();
    for (let i = 0; i < 20; i++) {
      world.clock.advance(500);
      admin.call(KEEP_ALIVE);
    }
    expect(controller.ended).toBeNull();
    expect(world.connectIo(controller).queue.qid).toBe(1);
  });

  it('without keep alive an I/O connection that goes without a word ends it after a while', () => {
    const world = new TargetWorld();
    const { admin, io, controller } = world.host();
    io.lose();
    world.clock.advance(FAREWELL_MS - 1);
    expect(controller.ended).toBeNull();
    world.clock.advance(1);
    expect(controller.ended).toContain('I/O queue 1');
    expect(admin.closedBecause).not.toBeNull();
  });

  it.each([
    ['a reset', CC_ENABLE & ~1],
    ['a shutdown', CC_ENABLE | SHUTDOWN_NORMAL],
  ])('Linux closes its I/O connections first and then says %s: the admin queue lives', (_name, cc) => {
    const world = new TargetWorld();
    const { admin, io, controller } = world.host();
    io.lose();
    world.clock.advance(FAREWELL_MS / 2);
    setCc(admin, cc);
    world.clock.advance(60_000);
    expect(controller.ended).toBeNull();
    expect(admin.closedBecause).toBeNull();
  });

  it('an I/O connection that closes after the shutdown was said ends nothing', () => {
    const world = new TargetWorld();
    const { admin, io, controller } = world.host();
    setCc(admin, CC_ENABLE | SHUTDOWN_NORMAL);
    io.lose();
    world.clock.advance(60_000);
    expect(controller.ended).toBeNull();
    admin.lose();
    expect(controller.ended).not.toBeNull();
  });

  it('an I/O queue that the host deletes with Disconnect is no loss, and may be created again', () => {
    const world = new TargetWorld();
    const { io, controller } = world.host();
    const bytes = sqe({ opcode: 0x7f });
    bytes[4] = 0x08;
    const cid = io.send(bytes);
    expect(io.answerTo(cid)!.status).toBe(0);
    expect(io.closedBecause).toBe('disconnect');
    world.clock.advance(60_000);
    expect(controller.ended).toBeNull();
    expect(world.connectIo(controller).queue.qid).toBe(1);
  });

  it('a host that comes back gets a new controller, and the old one does not stand in its way', () => {
    const world = new TargetWorld();
    const old = world.host();
    const { controller } = world.host();
    expect(controller.cntlid).not.toBe(old.controller.cntlid);
    expect(old.controller.ended).toBeNull();
    expect(world.subsystem.controllers.size).toBe(2);
    old.admin.lose();
    expect(controller.ended).toBeNull();
  });

  it('an ended controller leaves nothing: no id, no timer, no listener', () => {
    const world = new TargetWorld();
    for (let i = 0; i < 5000; i++) {
      const { admin } = world.connectAdmin({ kato: 1000 }); // more than there are ids
      admin.lose();
    }
    expect(world.clock.armed).toBe(0);
    expect(world.target.endReasons.get('admin queue connection closed')).toBe(5000);
    expect([...world.target.controllers()]).toEqual([]);
    world.ana.set(1, 3); // nobody is left to be told
  });
});
