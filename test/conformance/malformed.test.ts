/** Every malformed PDU gets what the specification says or a closed connection, and another host never notices. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectData, connectSqe, IoOpcode, ioSqe, Sgl, setSgl, sqe } from '../initiator/command.ts';
import { RawConnection } from '../initiator/connection.ts';
import { freshHost, HostController } from '../initiator/controller.ts';
import { buildPdu, icReq, PduType } from '../initiator/pdu.ts';
import type { Pdu } from '../initiator/pdu-parser.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, withHost } from './expectations.ts';
import { AFTER_ICRESP, BAD_R2T_ANSWERS, type BadPdu, BEFORE_ICREQ } from './malformed-pdus.ts';
import { pattern } from './random.ts';
import { Sentinel } from './sentinel.ts';
import { eventually, within } from './waiting.ts';
import { EXTERNAL, NS512, startWorld, type World } from './world.ts';

let world: World;
let sentinel: Sentinel;
beforeAll(async () => {
  world = await startWorld();
  sentinel = await Sentinel.start(world);
});
afterAll(async () => {
  await sentinel.stop();
  expect(sentinel.rounds).toBeGreaterThan(10);
  if (world.control) {
    await eventually('every controller to be gone', () => world.control!.controllerCount() === 0);
    await eventually('every connection to be gone', () => world.control!.connectionCount() === 0);
    expect(world.control.borrowedBytes()).toBe(0);
  }
  await world.stop();
});

/** The C2HTermReq, or null when the connection ended without one. Then our side is closed, as a host must. */
async function termination(connection: RawConnection): Promise<Pdu | null> {
  for (;;) {
    const pdu = await connection.nextPdu(8000);
    if (pdu === null || pdu.type === PduType.c2hTermReq) {
      if (pdu === null) await connection.ended;
      else await connection.close();
      return pdu;
    }
  }
}

async function expectTermination(connection: RawConnection, bad: BadPdu): Promise<void> {
  const sent = bad.bytes();
  connection.send(sent);
  const term = await termination(connection);
  if (bad.fes.length === 0) {
    expect(term, 'a termination request is not answered').toBeNull();
    return;
  }
  if (EXTERNAL && term === null) return;
  expect(term, 'C2HTermReq').not.toBeNull();
  expect(term!.faults).toEqual([]);
  const fes = term!.header.readUInt16LE(8);
  const fei = term!.header.readUInt32LE(10);
  expect(bad.fes, `FES ${fes}`).toContain(fes);
  if ((fes === 1 || fes === 6) && bad.fei) expect(bad.fei, `FES ${fes} FEI ${fei}`).toContain(fei);
  // The header in error comes back, as much of it as was understood.
  expect(term!.data.length).toBeGreaterThanOrEqual(8);
  expect(term!.data.length).toBeLessThanOrEqual(128);
  expect(sent.subarray(0, term!.data.length).equals(term!.data)).toBe(true);
}

describe('before ICReq', () => {
  it.each(BEFORE_ICREQ)('$name', async (bad) => {
    const connection = await RawConnection.open(world.a);
    await expectTermination(connection, bad);
  });
});

describe('after ICResp', () => {
  it.each(AFTER_ICRESP)('$name', async (bad) => {
    const connection = await RawConnection.open(world.a);
    connection.send(icReq({ hdgst: bad.hdgst ?? false, ddgst: bad.ddgst ?? false }));
    expect((await connection.nextPdu())?.type).toBe(PduType.icResp);
    await expectTermination(connection, bad);
  });
});

describe('after Connect, with a command open', () => {
  it.each(AFTER_ICRESP)('$name', async (bad) => {
    const { hdgst = false, ddgst = false } = bad;
    const connection = await RawConnection.open(world.a);
    connection.send(icReq({ hdgst, ddgst }));
    expect((await connection.nextPdu())?.type).toBe(PduType.icResp);
    connection.parser.digests = { hdgst, ddgst };
    const connect = connectSqe();
    setSgl(connect, Sgl.inCapsule, 1024);
    const data = connectData({ ...freshHost(), subnqn: world.subnqn });
    connection.send(buildPdu({ type: PduType.capsuleCmd, specific: connect, data, hdgst, ddgst }));
    expect((await connection.nextPdu())?.type).toBe(PduType.capsuleResp);
    const aer = sqe({ opcode: 0x0c });
    aer.writeUInt16LE(77, 2);
    connection.send(buildPdu({ type: PduType.capsuleCmd, specific: aer, hdgst }));
    await expectTermination(connection, bad);
  });
});

describe('answers to an R2T', () => {
  it.each(BAD_R2T_ANSWERS)(
    '$name: the connection ends; nothing that was not whole is written',
    async ({ name, pdus }) => {
      const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
      const before = pattern(32768, 1);
      expectStatus(await host.write(NS512, 512, 64, before), Status.success);
      const queue = host.io[0];
      const data = pattern(32768, 2);
      queue
        .submit(ioSqe(IoOpcode.write, NS512, 512, 64), {
          data,
          inCapsule: false,
          onR2t: (r2t) => {
            for (const pdu of pdus(r2t, data)) queue.connection.send(pdu);
          },
        })
        .catch(() => undefined);
      await within(
        'the termination',
        eventually('', () => queue.termReq !== null || queue.connection.isOver),
      );
      if (queue.termReq) expect([1, 2, 4, 5]).toContain(queue.termReq.header.readUInt16LE(8));
      await host.drop();
      await withHost(world, {}, async (again) => {
        const now = (await again.read(NS512, 512, 64, 512)).data;
        if (name === 'data after the end') expect(now.equals(data) || now.equals(before)).toBe(true);
        else expect(now.equals(before)).toBe(true);
      });
    },
  );

  it('data for a command that has failed already', async () => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
    const queue = host.io[0];
    let ttag = 0;
    expectStatus(
      await queue.submit(ioSqe(IoOpcode.write, NS512, 512, 64), {
        data: pattern(32768, 2),
        inCapsule: false,
        onR2t: (r2t) => {
          ttag = r2t.ttag;
          queue.connection.send(queue.h2cData(r2t.cccid, r2t.ttag, 0, pattern(32768, 2), true));
        },
      }),
      Status.success,
    );
    queue.connection.send(queue.h2cData(0, ttag, 0, pattern(512, 1), true));
    await eventually('the termination', () => queue.termReq !== null || queue.connection.isOver);
    await host.drop();
  });
});

describe('commands', () => {
  it('a CID that is open already: Command ID Conflict or a closed connection, never two answers to one', async () => {
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
    const open = host.asyncEvent().catch(() => null);
    const cid = [...host.admin.openCids()][0];
    const second = sqe({ opcode: 0x18 });
    second.writeUInt16LE(cid, 2);
    host.admin.connection.send(host.admin.capsule(second));
    const first = await within(
      'an answer',
      Promise.race([open, host.admin.connection.ended.then(() => null)]),
    );
    if (first !== null) {
      expectStatus(first, Status.cidConflict);
      expect(await host.csts()).toBe(1);
    }
    await host.drop();
  });

  it('every I/O opcode with every field set to all ones is answered or closes the connection', async () => {
    let host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
    for (let opcode = 0; opcode < 256; opcode++) {
      for (const nsid of [NS512, 0xffffffff]) {
        const command = Buffer.alloc(64, 0xff);
        command[0] = opcode;
        command[1] = 0x40;
        command.writeUInt32LE(nsid, 4);
        setSgl(command, Sgl.transport, 0xffffffff);
        const outcome = await host.io[0].submit(command, { keepSgl: true }).catch(() => null);
        if (outcome === null) {
          await host.drop();
          host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
        } else if (opcode !== 0x7f) expect(outcome.status, `opcode ${opcode}`).not.toBe(0);
      }
    }
    expectStatus(await host.read(NS512, 0, 1, 512), Status.success);
    await host.drop();
  });

  it('every admin opcode with every field set to all ones is answered or closes the connection', async () => {
    let host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
    for (let opcode = 0; opcode < 256; opcode++) {
      const command = Buffer.alloc(64, 0xff);
      command[0] = opcode;
      command[1] = 0x40;
      const pending = host.admin.submit(command, { keepSgl: true, noTimeout: true }).catch(() => null);
      const alive = await host.csts().catch(() => null);
      if (alive === null) {
        await host.drop();
        host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
      } else if (opcode !== 0x0c) await pending;
    }
    await host.drop();
  });
});
