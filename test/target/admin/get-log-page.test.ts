/** Get Log Page: which pages there are, parts of them, and the contents that come from the target's state (NVMe Base 2.0 section 5.16). */
import { describe, expect, it } from 'vitest';
import { AnaState, AnaStates } from '../../../src/target/ana.ts';
import { CntlidAllocator } from '../../../src/target/cntlid.ts';
import { getLogPageSqe, IoOpcode, ioSqe, sqe } from '../../initiator/command.ts';
import { LogId, parseAnaLog, parseDiscoveryLog } from '../../initiator/log-page.ts';
import { Status } from '../../initiator/status.ts';
import { FakeBlockDevice } from '../fake-block-device.ts';
import type { FakeConnection } from '../fake-connection.ts';
import { BLOCK, DISCOVERY_NQN, HOST_NQN, SUBSYSTEM_NQN, TargetWorld } from '../target-world.ts';

function read(admin: FakeConnection, lid: number, length: number, offset = 0, nsid = 0xffff_ffff): Buffer {
  return admin.call(getLogPageSqe({ lid, length, offset, nsid })).data!;
}

describe('pages', () => {
  it('those that page 00h names can be read, no other', () => {
    const { admin } = new TargetWorld().connectAdmin();
    const page = read(admin, LogId.supported, 1024);
    for (let lid = 0; lid < 256; lid++) {
      const named = (page.readUInt32LE(lid * 4) & 1) === 1;
      const { status } = admin.call(getLogPageSqe({ lid, length: 512 }));
      expect([lid, status]).toEqual([lid, named ? 0 : Status.invalidLogPage]);
    }
  });

  it('in pieces are the same as whole, and what is behind the end is 0', () => {
    const world = new TargetWorld();
    for (let nsid = 2; nsid < 40; nsid++) world.addNamespace(nsid, (nsid % 4) + 1, world.device);
    const { admin } = world.connectAdmin();
    for (const lid of [LogId.supported, LogId.smart, LogId.firmware, LogId.commandEffects, LogId.ana]) {
      const whole = read(admin, lid, 8192);
      for (const piece of [4, 60, 512, 1028]) {
        const parts: Buffer[] = [];
        for (let at = 0; at + piece <= 512; at += piece) parts.push(read(admin, lid, piece, at));
        const joined = Buffer.concat(parts);
        expect(joined.equals(whole.subarray(0, joined.length))).toBe(true);
      }
    }
  });

  it.each([
    ['an offset that is no multiple of 4', 2],
    ['an offset far behind the end', 2 ** 40],
  ])('%s: Invalid Field', (_name, offset) => {
    const { admin } = new TargetWorld().connectAdmin();
    for (const lid of [LogId.smart, LogId.ana])
      expect(admin.call(getLogPageSqe({ lid, length: 64, offset })).status).toBe(Status.invalidField);
  });

  it('more than MDTS at once: Invalid Field', () => {
    const { admin } = new TargetWorld({ maxTransferBytes: 65536 }).connectAdmin();
    expect(admin.call(getLogPageSqe({ lid: LogId.ana, length: 65536 })).status).toBe(0);
    expect(admin.call(getLogPageSqe({ lid: LogId.ana, length: 65540 })).status).toBe(Status.invalidField);
    expect(admin.call(getLogPageSqe({ lid: LogId.ana, length: 2 ** 34 })).status).toBe(Status.invalidField);
  });
});

describe('ANA', () => {
  it('names each group with its state and the namespaces of this subsystem, ascending', () => {
    const world = new TargetWorld();
    for (const [nsid, group] of [
      [12, 2],
      [5, 2],
      [7, 3],
    ])
      world.addNamespace(nsid, group, world.device);
    world.ana.set(2, AnaState.nonOptimized);
    const { admin } = world.connectAdmin();
    const log = parseAnaLog(read(admin, LogId.ana, 4096));
    expect(log.groups.map(({ id, state, nsids }) => ({ id, state, nsids }))).toEqual([
      { id: 1, state: AnaState.optimized, nsids: [1] },
      { id: 2, state: AnaState.nonOptimized, nsids: [5, 12] },
      { id: 3, state: AnaState.inaccessible, nsids: [7] },
    ]);
  });

  it('with RGO leaves the namespaces out', () => {
    const { admin } = new TargetWorld().connectAdmin();
    const page = admin.call(getLogPageSqe({ lid: LogId.ana, length: 4096, lsp: 1 })).data!;
    expect(parseAnaLog(page).groups).toMatchObject([{ id: 1, nsids: [] }]);
    expect(page.readUInt32LE(16 + 4)).toBe(0);
  });

  it('is that of the gateway of the port', () => {
    const world = new TargetWorld();
    const ana = new AnaStates(4);
    const port = world.addPort({ portId: 2, ana, cntlids: new CntlidAllocator(2041, 4080) });
    port.expose(world.subsystem);
    const a = world.connectAdmin();
    const b = world.connectAdmin({ port });
    const states = () =>
      [a, b].map(({ admin }) => parseAnaLog(read(admin, LogId.ana, 4096)).groups.map((g) => g.state));
    expect(states()).toEqual([[AnaState.optimized], [AnaState.inaccessible]]);
    world.ana.set(1, AnaState.inaccessible);
    ana.set(1, AnaState.optimized);
    expect(states()).toEqual([[AnaState.inaccessible], [AnaState.optimized]]);
  });
});

describe('errors', () => {
  it('newest first, as many as ELPE says, counted on; path statuses are none', () => {
    const world = new TargetWorld();
    const { admin, io } = world.host();
    const entries = admin.call(sqe({ opcode: 0x06, cdw: [1] })).data![262] + 1;
    for (let i = 0; i < entries + 5; i++) io.call(ioSqe(IoOpcode.read, 1, 10_000 + i, 1));
    world.ana.set(1, AnaState.inaccessible);
    io.call(ioSqe(IoOpcode.read, 1, 0, 1));
    const page = read(admin, LogId.error, (entries + 1) * 64);
    const rows = Array.from({ length: entries + 1 }, (_, i) => [
      Number(page.readBigUInt64LE(i * 64)),
      Number(page.readBigUInt64LE(i * 64 + 16)),
    ]);
    const newest = entries + 5;
    expect(rows).toEqual([
      ...Array.from({ length: entries }, (_, i) => [newest - i, 10_000 + newest - 1 - i]),
      [0, 0],
    ]);
  });

  it('are those of one controller', () => {
    const world = new TargetWorld();
    const first = world.host();
    const second = world.host();
    first.io.call(ioSqe(IoOpcode.read, 1, 10_000, 1));
    expect(read(first.admin, LogId.error, 64).readBigUInt64LE(0)).toBe(1n);
    expect(read(second.admin, LogId.error, 64).readBigUInt64LE(0)).toBe(0n);
  });
});

describe('SMART', () => {
  it('counts commands and data units of one namespace or of all', () => {
    const world = new TargetWorld();
    const second = new FakeBlockDevice(64 * BLOCK);
    world.device.immediately = 0;
    second.immediately = 0;
    world.addNamespace(2, 1, second);
    const { admin, io } = world.host();
    for (let i = 0; i < 5; i++) io.call(ioSqe(IoOpcode.read, 1, 0, 1000));
    io.call(ioSqe(IoOpcode.write, 2, 0, 8));
    const counts = (nsid: number) => {
      const page = read(admin, LogId.smart, 512, 0, nsid);
      return [32, 48, 64, 80].map((at) => Number(page.readBigUInt64LE(at)));
    };
    expect(counts(1)).toEqual([5, 0, 5, 0]);
    expect(counts(2)).toEqual([0, 1, 0, 1]); // one unit is 1000 blocks of 512 bytes, rounded up
    expect(counts(0xffff_ffff)).toEqual([5, 1, 5, 1]);
    expect(counts(0)).toEqual([5, 1, 5, 1]);
    expect(admin.call(getLogPageSqe({ lid: LogId.smart, length: 512, nsid: 9 })).status).toBe(
      Status.invalidNamespace,
    );
  });

  it('media errors are those of the medium', () => {
    const world = new TargetWorld();
    const { admin, io } = world.host();
    world.device.immediately = 2;
    io.call(ioSqe(IoOpcode.read, 1, 0, 1));
    io.call(ioSqe(IoOpcode.read, 1, 9999, 1));
    const page = read(admin, LogId.smart, 512);
    expect(page.readBigUInt64LE(160)).toBe(1n);
    expect(page.readBigUInt64LE(176)).toBe(2n);
  });
});

describe('discovery', () => {
  function discover(world: TargetWorld, hostnqn = HOST_NQN, localAddress = '192.0.2.77') {
    const admin = world.connection();
    admin.localAddress = localAddress;
    expect(world.connect(admin, { subnqn: DISCOVERY_NQN, hostnqn }).status).toBe(0);
    admin.queue.controller!.setCc(0x0046_0001);
    return () => parseDiscoveryLog(read(admin, LogId.discovery, 16384));
  }

  it('lists each port that offers a subsystem which the host may use', () => {
    const world = new TargetWorld();
    const ipv6 = world.addPort({ portId: 7, adrfam: 'ipv6', traddr: '2001:db8::1', trsvcid: '4421' });
    ipv6.expose(world.subsystem);
    world.addPort({ portId: 8, discoveryOnly: true });
    const log = discover(world)();
    expect(log.entries).toMatchObject([
      {
        portid: 1,
        adrfam: 1,
        traddr: '192.0.2.1',
        trsvcid: '4420',
        subnqn: SUBSYSTEM_NQN,
        trtype: 3,
        subtype: 2,
        cntlid: 0xffff,
      },
      { portid: 7, adrfam: 2, traddr: '2001:db8::1', trsvcid: '4421', subnqn: SUBSYSTEM_NQN },
    ]);
    expect(log.count).toBe(2);
  });

  it('a host sees only what it may use, and nothing is a log too', () => {
    const world = new TargetWorld();
    world.subsystem.disallowHost('*');
    const log = discover(world);
    expect(log()).toMatchObject({ count: 0, entries: [] });
    world.subsystem.allowHost(HOST_NQN);
    expect(log().count).toBe(1);
    world.subsystem.disallowHost(HOST_NQN);
    expect(log().count).toBe(0);
  });

  it('the generation changes with every change, and only then', () => {
    const world = new TargetWorld();
    const log = discover(world);
    const first = log().generation;
    expect(log().generation).toBe(first);
    world.port.unexpose(world.subsystem);
    const second = log().generation;
    expect(second).not.toBe(first);
    world.port.unexpose(world.subsystem); // no change
    expect(log().generation).toBe(second);
  });

  it.each([
    ['0.0.0.0', '192.0.2.77', 1],
    ['::', '2001:db8::77', 2],
    ['::', '192.0.2.77', 1],
  ])('a port on %s tells each host the address that it dialled (%s)', (traddr, dialled, adrfam) => {
    const world = new TargetWorld();
    world.target.removePort(world.port);
    const port = world.addPort({ traddr, adrfam: traddr === '::' ? 'ipv6' : 'ipv4' });
    port.expose(world.subsystem);
    const admin = world.connection(port);
    admin.localAddress = dialled;
    world.connect(admin, { subnqn: DISCOVERY_NQN });
    admin.queue.controller!.setCc(0x0046_0001);
    const log = parseDiscoveryLog(read(admin, LogId.discovery, 4096));
    expect(log.entries).toMatchObject([{ traddr: dialled, adrfam }]);
  });

  it('is the only page of a discovery controller, and no page of others', () => {
    const world = new TargetWorld();
    const { admin } = world.connectAdmin({ subnqn: DISCOVERY_NQN });
    for (const lid of [LogId.smart, LogId.ana, LogId.changedNamespaces])
      expect(admin.call(getLogPageSqe({ lid, length: 512 })).status).toBe(Status.invalidLogPage);
    const io = world.connectAdmin().admin;
    expect(io.call(getLogPageSqe({ lid: LogId.discovery, length: 512 })).status).toBe(Status.invalidLogPage);
  });
});
