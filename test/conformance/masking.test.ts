/** Namespaces that only some hosts see: for all others they are not there, whatever is asked (NVMe Base 2.0 section 3.2.1). */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AdminOpcode, dsmRanges, dsmSqe, Feature, IoOpcode, ioSqe, sqe } from '../initiator/command.ts';
import { freshHost, HostController } from '../initiator/controller.ts';
import { parseControllerList, parseNamespaceList } from '../initiator/identify-page.ts';
import { LogId } from '../initiator/log-page.ts';
import type { Completion } from '../initiator/queue.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, stopClean } from './expectations.ts';
import { pattern } from './random.ts';
import { eventually } from './waiting.ts';
import { EXTERNAL, NS512, startWorld, type World } from './world.ts';

const MIB = 1024 * 1024;
/** The masked namespace, and an NSID that never is one. */
const MASKED = 70;
const ABSENT = 71;

describe.skipIf(EXTERNAL)('a namespace that is masked', () => {
  let world: World;
  const seer = freshHost();
  const other = freshHost();
  let sees: HostController;
  let blind: HostController;
  const control = () => world.control!;

  beforeAll(async () => {
    world = await startWorld();
    control().addNamespace(MASKED, MIB, 512, 3, [seer.hostnqn]);
    [sees, blind] = await Promise.all([connect(seer), connect(other)]);
  });
  beforeEach(async () => {
    control().setVisibility(MASKED, [seer.hostnqn]);
    for (const host of [sees, blind]) {
      await changed(host);
      host.events.length = 0;
    }
  });
  afterAll(async () => {
    for (const host of [sees, blind]) {
      expect(host.violations).toEqual([]);
      await host.shutdown();
    }
    await stopClean(world);
  });

  /** A host that wants to hear of namespaces and ANA. */
  async function connect(identity: ReturnType<typeof freshHost>): Promise<HostController> {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn, ...identity });
    expectStatus(await host.setFeature(Feature.asyncEvent, (1 << 8) | (1 << 11)), Status.success);
    host.armAsyncEvents(1);
    return host;
  }

  async function changed(host: HostController): Promise<number[]> {
    const completion = await host.getLog({ lid: LogId.changedNamespaces, length: 4096 });
    expectStatus(completion, Status.success);
    return parseNamespaceList(completion.data);
  }

  const listed = async (host: HostController) => (await host.anaLog()).groups.flatMap((group) => group.nsids);
  const lists = async (host: HostController, cns: number) =>
    parseNamespaceList((await host.identify({ cns, nsid: 0 })).data);

  it.each([0x02, 0x07, 0x10, 0x1a])('is in namespace list %#x of its host only', async (cns) => {
    expect(await lists(sees, cns)).toContain(MASKED);
    const others = (await lists(sees, cns)).filter((nsid) => nsid !== MASKED);
    expect(await lists(blind, cns)).toEqual(others);
  });

  it('is in the ANA log of its host only, and the others read the same groups', async () => {
    expect(await listed(sees)).toContain(MASKED);
    expect(await listed(blind)).not.toContain(MASKED);
    const ids = async (host: HostController) =>
      (await host.anaLog()).groups.map(({ id, state }) => [id, state]);
    expect(await ids(blind)).toEqual(await ids(sees));
  });

  it('is attached to the controllers of its host only', async () => {
    const attached = async (cns: number, nsid: number) =>
      parseControllerList((await sees.identify({ cns, nsid })).data);
    expect(await attached(0x12, MASKED)).toEqual([sees.cntlid]);
    expect(await attached(0x12, NS512)).toEqual([sees.cntlid, blind.cntlid].sort((a, b) => a - b));
    expect(await attached(0x13, 0)).toEqual(await attached(0x12, NS512));
  });

  it('changes nothing of what the controller says of itself', async () => {
    const { nn, mnan } = blind.id;
    expect([sees.id.nn, sees.id.mnan]).toEqual([nn, mnan]);
  });

  /** What is asked of an NSID; each answer must be the one for an NSID that is not there. */
  const admin = (host: HostController, nsid: number): [string, () => Promise<Completion>][] => [
    ...[0x00, 0x03, 0x08, 0x11, 0x12].map((cns): [string, () => Promise<Completion>] => [
      `Identify ${cns.toString(16)}h`,
      () => host.identify({ cns, nsid }),
    ]),
    ...[0x05, 0x1b].map((cns): [string, () => Promise<Completion>] => [
      `Identify ${cns.toString(16)}h of the NVM command set`,
      () => host.identify({ cns, nsid, csi: 0 }),
    ]),
    ['SMART', () => host.getLog({ lid: LogId.smart, length: 512, nsid })],
    ['Get Features', () => host.getFeature(Feature.errorRecovery, { nsid })],
    ['Set Features', () => host.setFeature(Feature.errorRecovery, 0, { nsid })],
    ['Namespace Management', () => host.admin.submit(sqe({ opcode: AdminOpcode.nsManagement, nsid }))],
  ];
  const data = pattern(512, 7);
  const io = (host: HostController, nsid: number): [string, () => Promise<Completion>][] => [
    ['Read', () => host.read(nsid, 0, 1, 512)],
    ['Write', () => host.write(nsid, 0, 1, data)],
    ['Write after R2T', () => host.write(nsid, 0, 1, data, { inCapsule: false })],
    ['Compare', () => host.compare(nsid, 0, 1, data)],
    ['Write Zeroes', () => host.writeZeroes(nsid, 0, 1)],
    ['Flush', () => host.flush(nsid)],
    ['Dataset Management', () => host.deallocate(nsid, [{ slba: 0, blocks: 1 }])],
    [
      'Dataset Management without deallocating',
      () => host.io[0]!.submit(dsmSqe(nsid, 1, 0), { data: dsmRanges([{ slba: 0, blocks: 1 }]) }),
    ],
    ['Reservation Register', () => host.io[0]!.submit(sqe({ opcode: IoOpcode.reservationRegister, nsid }))],
    ['Write past the end', () => host.write(nsid, 1 << 30, 1, data)],
  ];

  it('is answered to others as an NSID that is not there, every command', async () => {
    const reads = control().device(MASKED).counts;
    const before = { ...reads };
    for (const commands of [admin, io]) {
      const absent = commands(blind, ABSENT);
      for (const [at, [name, ask]] of commands(blind, MASKED).entries()) {
        const [masked, missing] = [await ask(), await absent[at]![1]()];
        expect(masked.status, name).toBe(missing.status);
        expect([masked.dw0, masked.dw1], name).toEqual([missing.dw0, missing.dw1]);
        expect(masked.data?.equals(missing.data), name).not.toBe(false);
      }
    }
    for (const [name, ask] of io(blind, MASKED).filter(([name]) => !name.startsWith('Reservation')))
      expect((await ask()).status & 0x7ff, name).toBe(Status.invalidNamespace);
    expect(reads, 'nothing reached the device').toEqual(before);
    expectStatus(await blind.flush(0xffffffff), Status.invalidNamespace);
  });

  it('serves its host', async () => {
    expect((await sees.identifyNamespace(MASKED)).nsze).toBe(MIB / 512);
    for (const [name, ask] of io(sees, MASKED).slice(0, 8))
      expect((await ask()).status, name).not.toBe(Status.invalidNamespace);
    expectStatus(await sees.write(MASKED, 0, 1, data), Status.success);
    expect((await sees.read(MASKED, 0, 1, 512)).data.equals(data)).toBe(true);
  });

  it('changes unheard by others: its size, its ANA group', async () => {
    await control().resizeNamespace(MASKED, 2 * MIB);
    await sees.nextEvent();
    expect(await changed(sees)).toEqual([MASKED]);
    expect(await changed(blind)).toEqual([]);
    await control().resizeNamespace(MASKED, MIB);
    expect(blind.events).toEqual([]);
  });

  it('appears to a host that is added and disappears when it is taken off: an event and an entry there, none elsewhere', async () => {
    control().setVisibility(MASKED, [seer.hostnqn, other.hostnqn]);
    expect(await blind.nextEvent()).toEqual({ type: 2, info: 0, lid: LogId.changedNamespaces });
    expect(await changed(blind)).toEqual([MASKED]);
    expect(await blind.activeNamespaces()).toContain(MASKED);
    expect(await listed(blind)).toContain(MASKED);
    expectStatus(await blind.write(MASKED, 0, 1, data), Status.success);
    control().setVisibility(MASKED, [seer.hostnqn]);
    expect(await blind.nextEvent()).toEqual({ type: 2, info: 0, lid: LogId.changedNamespaces });
    expect(await changed(blind)).toEqual([MASKED]);
    expect(await blind.activeNamespaces()).not.toContain(MASKED);
    expect(await listed(blind)).not.toContain(MASKED);
    expectStatus(await blind.read(MASKED, 0, 1, 512), Status.invalidNamespace);
    expect(await changed(sees)).toEqual([]);
    expect(sees.events).toEqual([]);
  });

  it('made visible to all is seen by all, and by nobody when nobody is listed', async () => {
    control().setVisibility(MASKED, null);
    await blind.nextEvent();
    expect(await blind.activeNamespaces()).toContain(MASKED);
    expect(await changed(sees)).toEqual([]);
    control().setVisibility(MASKED, []);
    await sees.nextEvent();
    for (const host of [sees, blind]) expect(await host.activeNamespaces()).not.toContain(MASKED);
  });

  it('lost while commands are at the device: they complete, later ones and those without data yet are refused', async () => {
    const device = control().device(MASKED);
    device.hold();
    const written = sees.write(MASKED, 0, 1, pattern(512, 9));
    await eventually('the write to reach the device', () => device.heldCount === 1);
    const late = await sees.write(MASKED, 1, 8, pattern(4096, 9), {
      inCapsule: false,
      beforeR2tAnswer: async () => control().setVisibility(MASKED, []),
    });
    expectStatus(late, Status.invalidNamespace);
    expectStatus(await sees.read(MASKED, 0, 1, 512), Status.invalidNamespace);
    device.release();
    expectStatus(await written, Status.success);
  });

  it('lost while a command waits in a drain: the command is refused', async () => {
    const device = control().device(MASKED);
    device.hold();
    const first = sees.read(MASKED, 0, 1, 512);
    await eventually('the read to reach the device', () => device.heldCount === 1);
    const drained = control().drain('a', 3, 60_000);
    const held = sees.write(MASKED, 0, 1, data);
    expectStatus(await sees.flush(NS512), Status.success);
    control().setVisibility(MASKED, []);
    control().setAna('a', 3, 'optimized');
    expectStatus(await held, Status.invalidNamespace);
    device.release();
    expectStatus(await first, Status.success);
    expect(await drained).toBe(false);
  });

  it('half of a fused pair to it is refused like one to nothing', async () => {
    const pair = (nsid: number) => {
      const compare = ioSqe(IoOpcode.compare, nsid, 0, 1);
      compare[1]! |= 1;
      const write = ioSqe(IoOpcode.write, nsid, 0, 1);
      write[1]! |= 2;
      return Promise.all([
        blind.io[0]!.submit(compare, { data, inCapsule: true }),
        blind.io[0]!.submit(write, { data, inCapsule: true }),
      ]);
    };
    const statuses = async (nsid: number) => (await pair(nsid)).map(({ status }) => status);
    expect(await statuses(MASKED)).toEqual(await statuses(ABSENT));
  });
});
