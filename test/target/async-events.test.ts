/** Asynchronous events: limit, masking, clearing, and that no change is lost (NVMe Base 2.0 section 5.2). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnaState, AnaStates } from '../../src/target/ana.ts';
import { Feature, getLogPageSqe, Property, propertySetSqe, sqe } from '../initiator/command.ts';
import { LogId, parseAnaLog } from '../initiator/log-page.ts';
import { Status } from '../initiator/status.ts';
import type { FakeConnection } from './fake-connection.ts';
import { BLOCK, CC_ENABLE, DISCOVERY_NQN, HOST_NQN, TargetWorld } from './target-world.ts';

/** Completion dword 0: log page in 23:16, information in 15:8, type 2 (notice) in 2:0. */
const NAMESPACE_EVENT = 0x0004_0002;
const ANA_EVENT = 0x000c_0302;
const DISCOVERY_EVENT = 0x0070_f002;
const ALL = (1 << 8) | (1 << 11);

function configure(admin: FakeConnection, bits: number): void {
  admin.call(sqe({ opcode: 0x09, cdw: [Feature.asyncEvent, bits] }));
}

function readLog(admin: FakeConnection, lid: number, rae = false): Buffer {
  return admin.call(getLogPageSqe({ lid, length: 4096, rae })).data!;
}

function changedNamespaces(admin: FakeConnection, rae = false): number[] {
  const page = readLog(admin, LogId.changedNamespaces, rae);
  const nsids = Array.from({ length: 1024 }, (_, i) => page.readUInt32LE(4 * i));
  return nsids.slice(0, nsids.indexOf(0));
}

function makeWorld(bits = ALL) {
  const world = new TargetWorld();
  const { admin, controller } = world.connectAdmin();
  if (bits !== 0) configure(admin, bits);
  const flip = () => {
    const next = world.ana.stateOf(1) === AnaState.optimized ? AnaState.inaccessible : AnaState.optimized;
    world.ana.set(1, next);
  };
  return { world, admin, controller, flip };
}

describe('Asynchronous Event Request', () => {
  it('waits until something changes, and says what and where to read it', () => {
    const { world, admin, flip } = makeWorld();
    const aer = world.arm(admin);
    expect(admin.isOpen(aer)).toBe(true);
    flip();
    expect(admin.answerTo(aer)).toMatchObject({ status: 0, dw0: ANA_EVENT });
    const next = world.arm(admin);
    world.subsystem.resizeNamespace(1, 64 * BLOCK);
    expect(admin.answerTo(next)).toMatchObject({ status: 0, dw0: NAMESPACE_EVENT });
  });

  it('one request, one event', () => {
    const { world, admin, flip } = makeWorld();
    const aers = [world.arm(admin), world.arm(admin)];
    flip();
    expect(aers.map((cid) => admin.isOpen(cid))).toEqual([false, true]);
  });

  it('more than AERL + 1 is refused with its own status', () => {
    const { world, admin } = makeWorld();
    const identify = admin.call(sqe({ opcode: 0x06, cdw: [1] })).data!;
    const limit = identify[259] + 1;
    const open = Array.from({ length: limit }, () => world.arm(admin));
    expect(open.every((cid) => admin.isOpen(cid))).toBe(true);
    const over = world.arm(admin);
    expect(admin.answerTo(over)).toMatchObject({ status: Status.aerLimit });
    expect(open.every((cid) => admin.isOpen(cid))).toBe(true);
  });

  it('Abort ends it', () => {
    const { world, admin, flip } = makeWorld();
    const aer = world.arm(admin);
    expect(admin.call(sqe({ opcode: 0x08, cdw: [0 | (aer << 16)] }))).toMatchObject({ status: 0, dw0: 0 });
    expect(admin.answerTo(aer)!.status).toBe(Status.abortRequested);
    flip();
    expect(admin.inUse).toBe(0);
  });

  it('a controller reset ends it without an answer, and clears what was configured', () => {
    const { world, admin, flip } = makeWorld();
    const aer = world.arm(admin);
    const before = admin.answers.length;
    admin.call(propertySetSqe(Property.cc, CC_ENABLE & ~1));
    admin.call(propertySetSqe(Property.cc, CC_ENABLE));
    expect(admin.answers.length).toBe(before + 2);
    expect(admin.inUse).toBe(0);
    const again = world.arm(admin);
    expect(aer).not.toBe(again);
    flip();
    expect(admin.isOpen(again)).toBe(true);
    expect(admin.call(sqe({ opcode: 0x0a, cdw: [Feature.asyncEvent] })).dw0).toBe(0);
  });
});

describe('an event', () => {
  it('with no request outstanding is remembered', () => {
    const { world, admin, flip } = makeWorld();
    flip();
    const aer = world.arm(admin);
    expect(admin.answerTo(aer)!.dw0).toBe(ANA_EVENT);
  });

  it('is not sent again before its log page was read', () => {
    const { world, admin, flip } = makeWorld();
    world.arm(admin);
    flip();
    const second = world.arm(admin);
    flip();
    expect(admin.isOpen(second)).toBe(true);
    readLog(admin, LogId.ana);
    expect(admin.isOpen(second)).toBe(true); // that read told everything
    flip();
    expect(admin.answerTo(second)!.dw0).toBe(ANA_EVENT);
  });

  it('whose log page was read before a request came is not sent: the host knows', () => {
    const { world, admin, flip } = makeWorld();
    flip();
    readLog(admin, LogId.ana);
    const aer = world.arm(admin);
    expect(admin.isOpen(aer)).toBe(true);
    flip();
    expect(admin.answerTo(aer)!.dw0).toBe(ANA_EVENT);
  });

  it('masked by one that was sent does not mask another kind', () => {
    const { world, admin, flip } = makeWorld();
    world.arm(admin);
    flip();
    const second = world.arm(admin);
    world.subsystem.resizeNamespace(1, 64 * BLOCK);
    expect(admin.answerTo(second)!.dw0).toBe(NAMESPACE_EVENT);
  });

  it('a read with Retain Asynchronous Event leaves it masked', () => {
    const { world, admin, flip } = makeWorld();
    world.arm(admin);
    flip();
    readLog(admin, LogId.ana, true);
    const second = world.arm(admin);
    flip();
    expect(admin.isOpen(second)).toBe(true);
    readLog(admin, LogId.ana);
    flip();
    expect(admin.isOpen(second)).toBe(false);
  });

  it('reading another page does not clear it', () => {
    const { world, admin, flip } = makeWorld();
    world.arm(admin);
    flip();
    readLog(admin, LogId.smart);
    changedNamespaces(admin);
    const second = world.arm(admin);
    flip();
    expect(admin.isOpen(second)).toBe(true);
  });

  it('of a kind that the host did not ask for is not sent; it is when the host asks', () => {
    const { world, admin, flip } = makeWorld(0);
    const aer = world.arm(admin);
    flip();
    expect(admin.isOpen(aer)).toBe(true);
    configure(admin, 1 << 8);
    expect(admin.isOpen(aer)).toBe(true);
    configure(admin, ALL);
    expect(admin.answerTo(aer)!.dw0).toBe(ANA_EVENT);
  });

  it('of a kind that was switched off does not come any more', () => {
    const { world, admin, flip } = makeWorld();
    configure(admin, 1 << 8);
    const aer = world.arm(admin);
    flip();
    expect(admin.isOpen(aer)).toBe(true);
    expect(admin.call(sqe({ opcode: 0x0a, cdw: [Feature.asyncEvent] })).dw0).toBe(1 << 8);
  });

  it('of one host is not for another: each hears of it by itself', () => {
    const { world, admin, flip } = makeWorld();
    const other = world.connectAdmin();
    configure(other.admin, ALL);
    const aers = [world.arm(admin), world.arm(other.admin)];
    flip();
    expect(admin.answerTo(aers[0])!.dw0).toBe(ANA_EVENT);
    expect(other.admin.answerTo(aers[1])!.dw0).toBe(ANA_EVENT);
  });

  it('of a group on one gateway is not for hosts of another gateway', () => {
    const { world, admin } = makeWorld();
    const otherAna = new AnaStates(4);
    const port = world.addPort({ portId: 2, ana: otherAna });
    port.expose(world.subsystem);
    const aer = world.arm(admin);
    otherAna.set(1, AnaState.optimized);
    expect(admin.isOpen(aer)).toBe(true);
  });
});

describe('Changed Namespace List', () => {
  it('names what was added, resized and removed since the last read, ascending', () => {
    const { world, admin } = makeWorld();
    world.addNamespace(9, 1, world.device);
    world.addNamespace(3, 1, world.device);
    world.subsystem.resizeNamespace(1, 64 * BLOCK);
    world.subsystem.removeNamespace(9);
    expect(changedNamespaces(admin, true)).toEqual([1, 3, 9]);
    expect(changedNamespaces(admin)).toEqual([1, 3, 9]);
    expect(changedNamespaces(admin)).toEqual([]);
  });

  it('more than 1024 of them are FFFFFFFFh alone, until it is read', () => {
    const { world, admin } = makeWorld();
    for (let nsid = 2; nsid <= 1026; nsid++) world.addNamespace(nsid, 1, world.device);
    const page = readLog(admin, LogId.changedNamespaces);
    expect(page.readUInt32LE(0)).toBe(0xffff_ffff);
    expect(page.subarray(4).every((byte) => byte === 0)).toBe(true);
    world.subsystem.removeNamespace(7);
    expect(changedNamespaces(admin)).toEqual([7]);
  });

  it('a resize to the same size is no change', () => {
    const { world, admin } = makeWorld();
    world.subsystem.resizeNamespace(1, world.namespace.sizeBytes);
    expect(changedNamespaces(admin)).toEqual([]);
  });

  it('moving a namespace to another ANA group changes namespace and ANA log', () => {
    const { world, admin } = makeWorld();
    const aers = [world.arm(admin), world.arm(admin)];
    world.subsystem.changeAnaGroup(1, 2);
    expect(aers.map((cid) => admin.answerTo(cid)!.dw0).sort((a, b) => a - b)).toEqual([
      NAMESPACE_EVENT,
      ANA_EVENT,
    ]);
    const log = parseAnaLog(readLog(admin, LogId.ana));
    expect(log.groups.filter((g) => g.nsids.includes(1)).map((g) => g.id)).toEqual([2]);
  });
});

describe('discovery', () => {
  it('a persistent discovery controller hears of every change of its log', () => {
    const world = new TargetWorld();
    const { admin } = world.connectAdmin({ subnqn: DISCOVERY_NQN, kato: 120_000 });
    configure(admin, 0x8000_0000);
    const changes = [
      () => world.port.unexpose(world.subsystem),
      () => world.port.expose(world.subsystem),
      () => world.subsystem.disallowHost('*'),
      () => world.subsystem.allowHost(HOST_NQN),
    ];
    world.subsystem.allowHost('nqn.2014-08.org.nvmexpress:uuid:other');
    for (const change of changes) {
      const aer = world.arm(admin);
      const before = readLog(admin, LogId.discovery).readBigUInt64LE(0);
      change();
      expect(admin.answerTo(aer)!.dw0).toBe(DISCOVERY_EVENT);
      expect(readLog(admin, LogId.discovery).readBigUInt64LE(0)).toBeGreaterThan(before);
    }
  });
});

describe('1000 flips', () => {
  /** What happens between two flips: 0 nothing, 1 the host arms, 2 it reads the log that it was told of. */
  const noise = fc.array(fc.nat({ max: 2 }), { maxLength: 3 });

  it('with requests armed and logs read at any moment, the host ends up knowing the last state', () => {
    fc.assert(
      fc.property(fc.array(noise, { minLength: 1000, maxLength: 1000 }), (script) => {
        const { world, admin, flip } = makeWorld();
        let armed: number[] = [];
        let toRead = 0;
        let told = parseAnaLog(readLog(admin, LogId.ana)).changeCount;
        const collect = () => {
          const gone = armed.filter((cid) => !admin.isOpen(cid));
          armed = armed.filter((cid) => !gone.includes(cid));
          for (const cid of gone) expect(admin.answerTo(cid)!.dw0).toBe(ANA_EVENT);
          toRead += gone.length;
        };
        const host = (action: number) => {
          if (action === 1 && armed.length < 4) armed.push(world.arm(admin));
          if (action === 2 && toRead > 0) {
            toRead = 0;
            told = parseAnaLog(readLog(admin, LogId.ana)).changeCount;
          }
          collect();
        };
        for (const actions of script) {
          flip();
          collect();
          for (const action of actions) host(action);
        }
        // the world comes to rest; the host goes on as hosts do: it reads what it is told of, and arms again
        for (let i = 0; i < 4; i++) {
          host(1);
          host(2);
        }
        expect(told).toBe(world.ana.changeCount);
        expect(toRead).toBe(0);
        const slots = admin.inUse;
        expect(slots).toBe(armed.length);
      }),
      { numRuns: 8 },
    );
  });

  it('in a burst, with one request, are one event and one read', () => {
    const { world, admin, flip } = makeWorld();
    const aer = world.arm(admin);
    for (let i = 0; i < 1000; i++) flip();
    expect(admin.answers.filter((a) => a.cid === aer && a.dw0 === ANA_EVENT).length).toBe(1);
    expect(parseAnaLog(readLog(admin, LogId.ana)).changeCount).toBe(world.ana.changeCount);
    const next = world.arm(admin);
    expect(admin.isOpen(next)).toBe(true);
  });
});
