/** Connect: what each wrong field is answered with, and where the completion says it is (NVMe Base 2.0 section 6.3). */
import { describe, expect, it } from 'vitest';
import { CntlidAllocator } from '../../../src/target/cntlid.ts';
import { Feature, fabricsSqe, sqe } from '../../initiator/command.ts';
import { Status } from '../../initiator/status.ts';
import {
  CC_ENABLE,
  type ConnectOptions,
  DISCOVERY_NQN,
  HOST_NQN,
  SUBSYSTEM_NQN,
  TargetWorld,
} from '../target-world.ts';

/** Completion dword 0 of Connect Invalid Parameters: IPO in 15:0, IATTR bit 16 = offset into the data. */
const inCommand = (offset: number) => offset;
const inData = (offset: number) => 0x1_0000 | offset;
const OTHER_HOST = 'nqn.2014-08.org.nvmexpress:uuid:99999999-2222-3333-4444-555555555555';

/** Where fields are: in the submission queue entry and in the Connect data. */
const SQE = { recfmt: 40, qid: 42, sqsize: 44 };
const DATA = { hostid: 0, cntlid: 16, subnqn: 256, hostnqn: 512 };

describe('an admin queue', () => {
  it('gets a controller of its own, its id in dword 0, and no demand for authentication', () => {
    const world = new TargetWorld();
    const first = world.connect(world.connection());
    const second = world.connect(world.connection());
    expect(first).toMatchObject({ status: 0, dw0: 1, sqhd: 1 });
    expect(second).toMatchObject({ status: 0, dw0: 2 });
  });

  const wrong: readonly [string, ConnectOptions, number, number][] = [
    [
      'a subsystem that is not there',
      { subnqn: 'nqn.2026-11.io.anagate:none' },
      Status.connectInvalidParameters,
      inData(DATA.subnqn),
    ],
    ['no subsystem NQN', { subnqn: '' }, Status.connectInvalidParameters, inData(DATA.subnqn)],
    ['no host NQN', { hostnqn: '' }, Status.connectInvalidParameters, inData(DATA.hostnqn)],
    [
      'a subsystem NQN without end',
      { subnqn: 'n'.repeat(256) },
      Status.connectInvalidParameters,
      inData(DATA.subnqn),
    ],
    ['a static controller id', { cntlid: 1 }, Status.connectInvalidParameters, inData(DATA.cntlid)],
    [
      'static model, any controller (FFFEh)',
      { cntlid: 0xfffe },
      Status.connectInvalidParameters,
      inData(DATA.cntlid),
    ],
    ['fewer than 32 entries', { sqsize: 30 }, Status.connectInvalidParameters, inCommand(SQE.sqsize)],
    ['SQSIZE 0', { sqsize: 0 }, Status.connectInvalidParameters, inCommand(SQE.sqsize)],
    [
      'more entries than there can be',
      { sqsize: 0xffff },
      Status.connectInvalidParameters,
      inCommand(SQE.sqsize),
    ],
    ['RECFMT 1', { recfmt: 1 }, Status.connectIncompatibleFormat, inCommand(SQE.recfmt)],
  ];

  it.each(wrong)('%s: never any good, DNR', (_name, options, status, dw0) => {
    const world = new TargetWorld();
    const connection = world.connection();
    expect(world.connect(connection, options)).toMatchObject({ status, dw0, dnr: true });
    expect(connection.queue.controller).toBeNull();
    expect([...world.target.controllers()]).toEqual([]);
    // the connection may try again with better values
    expect(world.connect(connection).status).toBe(0);
  });

  it('a host that is not allowed: Invalid Host, DNR; allowed again: welcome', () => {
    const world = new TargetWorld();
    world.subsystem.disallowHost('*');
    world.subsystem.allowHost(OTHER_HOST);
    expect(world.connect(world.connection())).toMatchObject({ status: Status.connectInvalidHost, dnr: true });
    expect(world.connect(world.connection(), { hostnqn: OTHER_HOST }).status).toBe(0);
    world.subsystem.allowHost(HOST_NQN);
    expect(world.connect(world.connection()).status).toBe(0);
  });

  it.each([
    [
      'the target does not accept now',
      (world: TargetWorld) => {
        world.target.accepting = false;
      },
    ],
    [
      'all controller ids are in use',
      (world: TargetWorld) => {
        while (world.cntlids.take(world.subsystem) !== null);
      },
    ],
  ])('%s: Controller Busy without DNR, so that Linux tries again', (_name, spoil) => {
    const world = new TargetWorld();
    spoil(world);
    expect(world.connect(world.connection())).toMatchObject({
      status: Status.connectControllerBusy,
      dnr: false,
    });
    expect([...world.target.controllers()]).toEqual([]);
  });

  it('a subsystem that this port does not offer is not there', () => {
    const world = new TargetWorld();
    const other = world.addPort({ portId: 2 });
    expect(world.connect(world.connection(other))).toMatchObject({
      status: Status.connectInvalidParameters,
      dw0: inData(DATA.subnqn),
    });
  });

  it('the discovery subsystem is on every port, for every host; a discovery port has nothing else', () => {
    const world = new TargetWorld();
    world.subsystem.disallowHost('*');
    const discovery = world.addPort({ portId: 3, discoveryOnly: true });
    discovery.expose(world.subsystem);
    for (const port of [world.port, discovery])
      expect(world.connect(world.connection(port), { subnqn: DISCOVERY_NQN }).status).toBe(0);
    world.subsystem.allowHost('*');
    expect(world.connect(world.connection(discovery)).status).toBe(Status.connectInvalidParameters);
  });

  it('ids come from the range of the gateway of the port', () => {
    const world = new TargetWorld();
    const port = world.addPort({ portId: 2, cntlids: new CntlidAllocator(2041, 4080) });
    port.expose(world.subsystem);
    expect(world.connect(world.connection(port)).dw0).toBe(2041);
  });
});

describe('an I/O queue', () => {
  function ready() {
    const world = new TargetWorld({ maxIoQueueDepth: 128 });
    const { admin, controller } = world.connectAdmin();
    return { world, admin, controller, cntlid: controller.cntlid };
  }

  it('joins the controller that it names', () => {
    const { world, controller, cntlid } = ready();
    const io = world.connection();
    expect(world.connect(io, { qid: 1, sqsize: 127, cntlid })).toMatchObject({
      status: 0,
      dw0: cntlid,
      sqhd: 1,
    });
    expect(io.queue.controller).toBe(controller);
    expect(io.queue.size).toBe(128);
  });

  it('the smallest one has two entries', () => {
    const { world, cntlid } = ready();
    const io = world.connection();
    expect(world.connect(io, { qid: 1, sqsize: 1, cntlid }).status).toBe(0);
    expect(io.queue.size).toBe(2);
  });

  const wrong: readonly [string, ConnectOptions, number][] = [
    ['SQSIZE 0', { sqsize: 0 }, inCommand(SQE.sqsize)],
    ['more entries than MQES says', { sqsize: 128 }, inCommand(SQE.sqsize)],
    ['a queue id beyond those granted', { qid: 9 }, inCommand(SQE.qid)],
    ['queue id FFFFh', { qid: 0xffff }, inCommand(SQE.qid)],
    ['another host NQN', { hostnqn: OTHER_HOST }, inData(DATA.hostnqn)],
    ['another host identifier', { hostid: Buffer.alloc(16, 9) }, inData(DATA.hostid)],
  ];

  it.each(wrong)('%s: Invalid Parameters, DNR', (_name, options, dw0) => {
    const { world, controller, cntlid } = ready();
    const io = world.connection();
    expect(world.connect(io, { qid: 1, cntlid, ...options })).toMatchObject({
      status: Status.connectInvalidParameters,
      dw0,
      dnr: true,
    });
    expect(controller.queues.size).toBe(1);
    expect(io.queue.controller).toBeNull();
  });

  it.each([
    ['a controller that is not there', 2000],
    ['the dynamic id FFFFh', 0xffff],
    ['id 0', 0],
  ])('%s: Invalid Parameters without DNR, the association may just have ended', (_name, cntlid) => {
    const { world } = ready();
    expect(world.connect(world.connection(), { qid: 1, cntlid })).toMatchObject({
      status: Status.connectInvalidParameters,
      dw0: inData(DATA.cntlid),
      dnr: false,
    });
  });

  it('a controller that is not enabled takes none', () => {
    const world = new TargetWorld();
    const { controller } = world.connectAdmin({ enable: false });
    expect(world.connect(world.connection(), { qid: 1, cntlid: controller.cntlid }).status).not.toBe(0);
  });

  it('a queue that exists already: Command Sequence Error, and it lives on', () => {
    const { world, controller, cntlid } = ready();
    const io = world.connectIo(controller);
    expect(world.connect(world.connection(), { qid: 1, cntlid }).status).toBe(Status.commandSequence);
    expect(io.closedBecause).toBeNull();
    expect(controller.queues.get(1)).toBe(io.queue);
  });

  it('a second Connect on the same connection: Command Sequence Error', () => {
    const { world, admin, controller } = ready();
    const io = world.connectIo(controller);
    for (const connection of [admin, io])
      expect(world.connect(connection).status).toBe(Status.commandSequence);
  });

  it('only as many as Set Features granted', () => {
    const { world, admin, cntlid } = ready();
    expect(admin.call(sqe({ opcode: 0x09, cdw: [Feature.numberOfQueues, 0x0001_0001] })).dw0).toBe(
      0x0001_0001,
    );
    expect(world.connect(world.connection(), { qid: 3, cntlid }).dw0).toBe(inCommand(SQE.qid));
    expect(world.connect(world.connection(), { qid: 2, cntlid }).status).toBe(0);
  });

  it('of a discovery controller there are none', () => {
    const world = new TargetWorld();
    const { controller } = world.connectAdmin({ subnqn: DISCOVERY_NQN });
    const answer = world.connect(world.connection(), {
      qid: 1,
      cntlid: controller.cntlid,
      subnqn: DISCOVERY_NQN,
    });
    expect(answer.status).toBe(Status.connectInvalidParameters);
  });

  it('must come to the gateway that has the controller: ids of gateways are different', () => {
    const { world, cntlid } = ready();
    const port = world.addPort({ portId: 2, cntlids: new CntlidAllocator(1, 2040) });
    port.expose(world.subsystem);
    expect(world.connect(world.connection(port), { qid: 1, cntlid }).status).not.toBe(0);
  });

  it('through another port of the same gateway is fine', () => {
    const { world, cntlid } = ready();
    const port = world.addPort({ portId: 2 });
    port.expose(world.subsystem);
    expect(world.connect(world.connection(port), { qid: 1, cntlid }).status).toBe(0);
  });
});

describe('before Connect', () => {
  it('no other command is served', () => {
    const world = new TargetWorld();
    const connection = world.connection();
    for (const command of [
      sqe({ opcode: 0x06 }),
      sqe({ opcode: 0x02, nsid: 1 }),
      fabricsSqe(0x00),
      fabricsSqe(0x04),
      fabricsSqe(0x08),
    ])
      expect(connection.call(command)).toMatchObject({ status: Status.commandSequence, dnr: true });
    expect(world.connect(connection).status).toBe(0);
  });
});

describe('properties of the connection', () => {
  it('KATO and host are those of the admin Connect', () => {
    const world = new TargetWorld();
    const { controller } = world.connectAdmin({ kato: 5000 });
    expect(controller).toMatchObject({ katoMs: 5000, host: { hostNqn: HOST_NQN } });
    expect(controller.subsystem?.nqn).toBe(SUBSYSTEM_NQN);
    expect(controller.cc).toBe(CC_ENABLE);
  });
});
