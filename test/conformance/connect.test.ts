/** Fabrics Connect: every check with its status and the IPO/IATTR pointer (NVMe Base 2.0 section 6.3). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ConnectDataSpec,
  type ConnectSpec,
  connectData,
  connectSqe,
  identifySqe,
  propertyGetSqe,
  Sgl,
  setSgl,
} from '../initiator/command.ts';
import { ConnectRefused, DISCOVERY_NQN, freshHost, HostController } from '../initiator/controller.ts';
import { type Completion, HostQueue } from '../initiator/queue.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, stopClean, withHost } from './expectations.ts';
import { within } from './waiting.ts';
import { EXTERNAL, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => stopClean(world));

const DATA = 1 << 16;

/** Sends one Connect as given on a fresh connection. */
async function tryConnect(
  command: ConnectSpec,
  data: Partial<ConnectDataSpec> = {},
  spoil?: (bytes: Buffer) => void,
): Promise<Completion> {
  const queue = await HostQueue.open({
    ...world.a,
    qid: command.qid ?? 0,
    depth: 32,
    flowControlOff: ((command.cattr ?? 0) & 4) !== 0,
  });
  queue.checkSqhd = false;
  try {
    const bytes = connectData({ ...freshHost(), subnqn: world.subnqn, ...data });
    spoil?.(bytes);
    const completion = await queue.submit(connectSqe(command), { data: bytes, inCapsule: true });
    expect(queue.violations).toEqual([]);
    return completion;
  } finally {
    await queue.close();
  }
}

describe('Connect of an admin queue', () => {
  it('returns a controller id in the low word and asks for no authentication', async () => {
    const completion = await tryConnect({});
    expectStatus(completion, Status.success);
    expect(completion.dw0 & 0xffff).toBeGreaterThanOrEqual(1);
    expect(completion.dw0 & 0xffff).toBeLessThanOrEqual(0xffef);
    expect(completion.dw0 >>> 16).toBe(0);
  });

  it.each<
    [string, ConnectSpec, Partial<ConnectDataSpec>, ((bytes: Buffer) => void) | undefined, number, number]
  >([
    ['SQSIZE 0', { sqsize: 0 }, {}, undefined, Status.connectInvalidParameters, 44],
    [
      'SUBNQN that does not exist',
      {},
      { subnqn: 'nqn.2026-11.test:nobody' },
      undefined,
      Status.connectInvalidParameters,
      DATA | 256,
    ],
    [
      'SUBNQN without NUL',
      {},
      {},
      (b) => b.fill(0x61, 256, 512),
      Status.connectInvalidParameters,
      DATA | 256,
    ],
    ['SUBNQN empty', {}, {}, (b) => b.fill(0, 256, 512), Status.connectInvalidParameters, DATA | 256],
  ])('%s is refused with DNR and a pointer', async (_name, command, data, spoil, status, dw0) => {
    const completion = await tryConnect(command, data, spoil);
    expectStatus(completion, status);
    expect(completion.dw0 & 0x1ffff).toBe(dw0);
    expect(completion.dnr).toBe(true);
  });

  // The kernel's target does not check these.
  it
    .skipIf(EXTERNAL)
    .each<
      [string, ConnectSpec, Partial<ConnectDataSpec>, ((bytes: Buffer) => void) | undefined, number, number]
    >([
      ['CNTLID other than FFFFh', {}, { cntlid: 1 }, undefined, Status.connectInvalidParameters, DATA | 16],
      [
        'CNTLID FFFEh (static model)',
        {},
        { cntlid: 0xfffe },
        undefined,
        Status.connectInvalidParameters,
        DATA | 16,
      ],
      ['SQSIZE over the admin limit', { sqsize: 0xffff }, {}, undefined, Status.connectInvalidParameters, 44],
      ['HOSTNQN empty', {}, {}, (b) => b.fill(0, 512, 768), Status.connectInvalidParameters, DATA | 512],
      [
        'HOSTNQN without NUL',
        {},
        {},
        (b) => b.fill(0x61, 512, 768),
        Status.connectInvalidParameters,
        DATA | 512,
      ],
    ])('%s is refused with a pointer', async (_name, command, data, spoil, status, dw0) => {
    const completion = await tryConnect(command, data, spoil);
    expectStatus(completion, status);
    expect(completion.dw0 & 0x1ffff).toBe(dw0);
  });

  it('an unknown record format is Connect Incompatible Format', async () => {
    const completion = await tryConnect({ recfmt: 1 });
    expectStatus(completion, Status.connectIncompatibleFormat);
  });

  it.skipIf(EXTERNAL)(
    'a host that is not allowed is refused for good, one that is allowed is served',
    async () => {
      const host = freshHost();
      const subnqn = world.control!.privateSubnqn;
      const refused = await tryConnect({}, { ...host, subnqn });
      expectStatus(refused, Status.connectInvalidHost);
      expect(refused.dnr).toBe(true);
      world.control!.allowHost(host.hostnqn);
      try {
        expectStatus(await tryConnect({}, { ...host, subnqn }), Status.success);
      } finally {
        world.control!.disallowHost(host.hostnqn);
      }
      expectStatus(await tryConnect({}, { ...host, subnqn }), Status.connectInvalidHost);
    },
  );

  it.skipIf(EXTERNAL)('a live controller ends when its host loses the permission', async () => {
    const host = freshHost();
    world.control!.allowHost(host.hostnqn);
    const controller = await HostController.connect({
      ...world.a,
      subnqn: world.control!.privateSubnqn,
      ...host,
    });
    world.control!.disallowHost(host.hostnqn);
    await controller.admin.connection.ended;
    await controller.io[0].connection.ended;
    await controller.drop();
  });

  it.skipIf(EXTERNAL)(
    'while the gateway starts or stops, the answer is Controller Busy without DNR',
    async () => {
      world.control!.setAccepting(false);
      try {
        const completion = await tryConnect({});
        expectStatus(completion, Status.connectControllerBusy);
        expect(completion.dnr).toBe(false);
      } finally {
        world.control!.setAccepting(true);
      }
    },
  );

  it('with the wrong data length is refused', async () => {
    const queue = await HostQueue.open({ ...world.a, qid: 0, depth: 32 });
    const command = connectSqe();
    setSgl(command, Sgl.inCapsule, 512);
    const completion = await queue.submit(command, {
      data: connectData({ ...freshHost(), subnqn: world.subnqn }).subarray(0, 512),
      inCapsule: true,
    });
    expectStatus(completion, Status.dataSglLength, Status.invalidField);
    await queue.close();
  });

  it('with solicited data is answered, whatever the answer', async () => {
    const queue = await HostQueue.open({ ...world.a, qid: 0, depth: 32 });
    queue.checkSqhd = false;
    const data = connectData({ ...freshHost(), subnqn: world.subnqn });
    const completion = await queue.submit(connectSqe(), { data, inCapsule: false }).catch(() => null);
    if (completion?.status === 0) expect(completion.r2ts).toBe(1);
    await queue.close();
  });

  it('a NQN of 223 bytes is looked at, and refused by name only', async () => {
    const completion = await tryConnect({}, { subnqn: `nqn.2026-11.test:${'x'.repeat(206)}` });
    expectStatus(completion, Status.connectInvalidParameters);
    expect(completion.dw0 & 0x1ffff).toBe(DATA | 256);
  });

  it('two hosts, and one host twice, get different controllers', async () => {
    const host = freshHost();
    await withHost(world, host, async (first) => {
      await withHost(world, host, async (second) => {
        await withHost(world, {}, async (third) => {
          expect(new Set([first.cntlid, second.cntlid, third.cntlid]).size).toBe(3);
          // The first controller lost nothing.
          expect(await first.csts()).toBe(1);
          expectStatus(await first.flush(1), Status.success);
        });
      });
    });
  });
});

describe('before Connect', () => {
  it.each([
    ['Property Get', () => propertyGetSqe(0, 8)],
    ['Identify', () => identifySqe({ cns: 1 })],
    ['Keep Alive', () => Buffer.concat([Buffer.from([0x18, 0x40]), Buffer.alloc(62)])],
  ])('%s is a Command Sequence Error', async (_name, command) => {
    const queue = await HostQueue.open({ ...world.a, qid: 0, depth: 32 });
    queue.checkSqhd = false;
    const completion = await queue.submit(command(), { readLength: 0 });
    expectStatus(completion, Status.commandSequence);
    await queue.close();
  });
});

describe('Connect of an I/O queue', () => {
  async function expectRefused(promise: Promise<unknown>): Promise<Completion> {
    const cause = await promise.then(
      () => null,
      (error: unknown) => error,
    );
    expect(cause).toBeInstanceOf(ConnectRefused);
    return (cause as ConnectRefused).completion;
  }

  it('a second Connect on the same connection is a Command Sequence Error', async () => {
    await withHost(world, { ioQueues: 1 }, async (host) => {
      const data = connectData({ ...host.options, cntlid: host.cntlid });
      expectStatus(
        await host.io[0].submit(connectSqe({ qid: 1, sqsize: 127 }), { data, inCapsule: true }),
        Status.commandSequence,
      );
      expectStatus(await host.admin.submit(connectSqe(), { data, inCapsule: true }), Status.commandSequence);
      expectStatus(await host.flush(1), Status.success);
    });
  });

  it('a queue id that is connected already is a Command Sequence Error', async () => {
    await withHost(world, { ioQueues: 1 }, async (host) => {
      const completion = await expectRefused(host.connectIoQueue(1));
      expectStatus(completion, Status.commandSequence);
      expectStatus(await host.flush(1), Status.success);
    });
  });

  it('SQSIZE 0 and SQSIZE over MQES point at offset 44', async () => {
    await withHost(world, { ioQueues: 1 }, async (host) => {
      const mqes = Number(host.cap & 0xffffn);
      for (const sqsize of [0, mqes + 1]) {
        const completion = await tryIo(host, { qid: 2, sqsize });
        expectStatus(completion, Status.connectInvalidParameters);
        expect(completion.dw0 & 0x1ffff).toBe(44);
      }
    });
  });

  it('QID over what may be granted points at offset 42', async () => {
    await withHost(world, { ioQueues: 1 }, async (host) => {
      const completion = await tryIo(host, { qid: 5000, sqsize: 31 });
      expectStatus(completion, Status.connectInvalidParameters);
      expect(completion.dw0 & 0x1ffff).toBe(42);
    });
  });

  it('an unknown controller id points at data offset 16', async () => {
    await withHost(world, { ioQueues: 1 }, async (host) => {
      const completion = await tryIo(host, { qid: 2, sqsize: 31 }, { cntlid: 0xff00 });
      expectStatus(completion, Status.connectInvalidParameters);
      expect(completion.dw0 & 0x1ffff).toBe(DATA | 16);
    });
  });

  it("another host's controller id is refused with a pointer into the data", async () => {
    await withHost(world, { ioQueues: 1 }, async (host) => {
      const completion = await tryIo(host, { qid: 2, sqsize: 31 }, freshHost());
      expectStatus(completion, Status.connectInvalidParameters);
      expect(completion.dw0 & DATA).toBe(DATA);
    });
  });

  it.skipIf(EXTERNAL)('the same host NQN with another HOSTID is refused', async () => {
    await withHost(world, { ioQueues: 1 }, async (host) => {
      const completion = await tryIo(host, { qid: 2, sqsize: 31 }, { hostid: freshHost().hostid });
      expectStatus(completion, Status.connectInvalidParameters);
      expect(completion.dw0 & 0x1ffff).toBe(DATA | 0);
    });
  });

  it('before the controller is enabled it is refused', async () => {
    const host = await HostController.connectAdmin({ ...world.a, subnqn: world.subnqn });
    const completion = await expectRefused(host.connectIoQueue(1));
    expect(completion.status).not.toBe(0);
    await host.drop();
  });

  it('a discovery controller has no I/O queues', async () => {
    const host = await HostController.connectAdmin({ ...world.a, subnqn: DISCOVERY_NQN });
    await host.enable();
    const completion = await expectRefused(host.connectIoQueue(1));
    expectStatus(completion, Status.connectInvalidParameters, Status.invalidField, Status.commandSequence);
    await host.drop();
  });

  async function tryIo(
    host: HostController,
    command: ConnectSpec,
    data: Partial<ConnectDataSpec> = {},
  ): Promise<Completion> {
    const { hostid, hostnqn } = host.options;
    return tryConnect(command, { hostid, hostnqn, cntlid: host.cntlid, ...data });
  }
});

describe('the end of an association', () => {
  it('an I/O connection that breaks ends it; the host comes back with a new controller', async () => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn, ioQueues: 2 });
    host.io[1].connection.reset();
    const survivors = [host.admin, host.io[0]];
    // At once, or after a grace in which an orderly host would write CC.
    if (!EXTERNAL)
      await within(
        'the end of the association',
        Promise.all(survivors.map((queue) => queue.connection.ended)),
        6000,
      );
    await host.drop();
    await withHost(world, { hostnqn: host.options.hostnqn, hostid: host.options.hostid }, async (again) => {
      expectStatus(await again.flush(1), Status.success);
    });
  });

  it('a host that closes its I/O queues first, as Linux does, can still shut down', async () => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn, ioQueues: 4 });
    for (const queue of host.io) queue.connection.halfClose();
    await Promise.all(host.io.map((queue) => queue.connection.ended));
    await host.setCc(0x00464001);
    await host.waitCsts((csts) => ((csts >> 2) & 3) === 2, 'CSTS.SHST');
    await host.drop();
  });

  it('and can reset its controller the same way', async () => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn, ioQueues: 4 });
    await Promise.all(host.io.splice(0).map((queue) => queue.close()));
    await host.setCc(0x00460060);
    await host.waitCsts((csts) => (csts & 1) === 0, 'CSTS.RDY 0');
    await host.enable();
    await host.startIo();
    expectStatus(await host.flush(1), Status.success);
    await host.drop();
  });

  it.skipIf(EXTERNAL)('Disconnect ends one I/O queue and nothing else', async () => {
    await withHost(world, { ioQueues: 2 }, async (host) => {
      const queue = host.io[1];
      expectStatus(await host.disconnectQueue(queue), Status.success);
      await queue.connection.ended;
      expectStatus(await host.flush(1), Status.success);
      host.io[1] = await host.connectIoQueue(2);
      expectStatus(await host.flush(1, { queue: host.io[1] }), Status.success);
    });
  });

  it.skipIf(EXTERNAL)('Disconnect on the admin queue is Invalid Queue Type', async () => {
    await withHost(world, {}, async (host) => {
      const completion = await host.disconnectQueue(host.admin);
      expectStatus(completion, 0x185);
    });
  });
});
