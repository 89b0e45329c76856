/** A hundred thousand abuses: memory and descriptors stay flat, another host's data stays right. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectData, connectSqe, Feature, IoOpcode, ioSqe, Sgl, setSgl, sqe } from '../initiator/command.ts';
import { RawConnection } from '../initiator/connection.ts';
import { freshHost, HostController } from '../initiator/controller.ts';
import { buildPdu, icReq, PduType } from '../initiator/pdu.ts';
import type { HostQueue, R2t } from '../initiator/queue.ts';
import { draftIo, spoilCommand } from './bad-command.ts';
import { liveBytes, openDescriptors } from './gauges.ts';
import { AFTER_ICRESP, BAD_R2T_ANSWERS, type BadPdu, BEFORE_ICREQ } from './malformed-pdus.ts';
import { pattern, Random } from './random.ts';
import { Sentinel } from './sentinel.ts';
import { eventually } from './waiting.ts';
import { EXTERNAL, NS512, startWorld, type World } from './world.ts';

const MIB = 1024 * 1024;
const ABUSES = 100_000;

describe.skipIf(EXTERNAL)('abuse without end', () => {
  let world: World;
  let sentinel: Sentinel;
  let abuses = 0;
  beforeAll(async () => {
    world = await startWorld();
    sentinel = await Sentinel.start(world, { pauseMs: 3 });
  });
  afterAll(async () => {
    await sentinel.stop();
    await world.stop();
  });

  /** Reads until the connection ends or a C2HTermReq comes, then resets our side. */
  async function finish(connection: RawConnection): Promise<void> {
    for (;;) {
      const pdu = await connection.nextPdu(20_000);
      if (pdu === null || pdu.type === PduType.c2hTermReq) break;
    }
    connection.reset();
    await connection.ended;
  }

  async function malformedStart(bad: BadPdu): Promise<void> {
    const connection = await RawConnection.open(world.a);
    connection.send(bad.bytes());
    abuses++;
    await finish(connection);
  }

  async function malformedLater(bad: BadPdu, connected: boolean): Promise<void> {
    const digests = { hdgst: bad.hdgst ?? false, ddgst: bad.ddgst ?? false };
    const connection = await RawConnection.open(world.a);
    connection.send(icReq(digests));
    await connection.nextPdu();
    connection.parser.digests = digests;
    if (connected) {
      const connect = connectSqe();
      setSgl(connect, Sgl.inCapsule, 1024);
      const data = connectData({ ...freshHost(), subnqn: world.subnqn });
      const aer = sqe({ opcode: 0x0c });
      aer.writeUInt16LE(7, 2);
      connection.send(buildPdu({ type: PduType.capsuleCmd, specific: connect, data, ...digests }));
      connection.send(buildPdu({ type: PduType.capsuleCmd, specific: aer, ...digests }));
    }
    connection.send(bad.bytes());
    abuses++;
    await finish(connection);
  }

  /** One host with an I/O queue: bad commands, then an R2T answered badly or left alone, then gone without a word. */
  async function badHost(random: Random): Promise<void> {
    const host = await HostController.connectAdmin({
      ...world.a,
      subnqn: world.subnqn,
      ddgst: random.chance(3),
    });
    await host.setCc(0x00460001);
    await host.setFeature(Feature.numberOfQueues, 0x00010001);
    const queue = await host.connectIoQueue(1, 64);
    queue.checkSqhd = false;
    // What is never answered (half a fused pair, an R2T) is given up with the connection.
    for (let i = 0; i < 24; i++) {
      abuses++;
      const { command, data } = spoilCommand(draftIo(random), random);
      queue
        .submitNow(command, {
          ...(data ? { data, inCapsule: true } : {}),
          keepSgl: true,
          onR2t: () => undefined,
          noTimeout: true,
        })
        .catch(() => undefined);
    }
    await leave(random, host, queue);
  }

  async function leave(random: Random, host: HostController, queue: HostQueue): Promise<void> {
    const bad = random.pick(BAD_R2T_ANSWERS);
    const data = pattern(32768, 1);
    const answer = (r2t: R2t) => {
      abuses++;
      if (!random.chance(4)) for (const pdu of bad.pdus(r2t, data)) queue.connection.send(pdu);
      queue.connection.socket.end();
    };
    const write = queue.submitNow(ioSqe(IoOpcode.write, NS512, 0, 64), {
      data,
      inCapsule: false,
      onR2t: answer,
      noTimeout: true,
    });
    await write.catch(() => undefined);
    queue.connection.reset();
    host.admin.connection.reset();
    await Promise.all([queue.connection.ended, host.admin.connection.ended]);
  }

  async function abuse(count: number, seed: number): Promise<void> {
    const random = new Random(seed);
    const until = abuses + count;
    const worker = async () => {
      while (abuses < until) {
        const kind = random.below(10);
        if (kind < 2) await malformedStart(random.pick(BEFORE_ICREQ));
        else if (kind < 5) await malformedLater(random.pick(AFTER_ICRESP), false);
        else if (kind < 8) await malformedLater(random.pick(AFTER_ICRESP), true);
        else await badHost(random);
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    sentinel.check();
    await eventually(
      'every connection but the sentinel to be gone',
      () => world.control!.connectionCount() === 2,
    );
    await eventually('every controller to be gone', () => world.control!.controllerCount() === 0);
    expect(world.control!.borrowedBytes()).toBe(0);
  }

  it('leaves memory and descriptors as they were', async () => {
    await abuse(ABUSES / 10, 1);
    const memory = liveBytes();
    const descriptors = openDescriptors();
    abuses = 0;
    const began = performance.now();
    await abuse(ABUSES, 2);
    const seconds = (performance.now() - began) / 1000;
    expect(abuses).toBeGreaterThanOrEqual(ABUSES);
    expect(openDescriptors()).toBe(descriptors);
    await eventually('the memory to be flat', () => liveBytes() - memory < 6 * MIB);
    process.stdout.write(
      `abuse: ${abuses} in ${seconds.toFixed(0)} s, memory ${((liveBytes() - memory) / 1024).toFixed(0)} KiB more, sentinel ${sentinel.rounds} rounds, slowest ${sentinel.slowestMs.toFixed(0)} ms\n`,
    );
  }, 180_000);
});
