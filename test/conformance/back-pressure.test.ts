/** Peers that do not do their part: never read, never answer, half open, too many. Others are served on, memory stays bounded. */
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { IoOpcode, ioSqe, Sgl, setSgl, sqe } from '../initiator/command.ts';
import { RawConnection } from '../initiator/connection.ts';
import { HostController } from '../initiator/controller.ts';
import { icReq, PduType } from '../initiator/pdu.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, withHost } from './expectations.ts';
import { liveBytes, openDescriptors } from './gauges.ts';
import { pattern } from './random.ts';
import { Sentinel } from './sentinel.ts';
import { eventually, within } from './waiting.ts';
import { EXTERNAL, NS512, startWorld, type World, type WorldOptions } from './world.ts';

const MIB = 1024 * 1024;

describe.skipIf(EXTERNAL)('peers that do not do their part', () => {
  let world: World;
  let sentinel: Sentinel;
  async function begin(options: WorldOptions = {}): Promise<void> {
    world = await startWorld(options);
    sentinel = await Sentinel.start(world);
  }
  let hosts: HostController[] = [];
  afterEach(async () => {
    await Promise.all(hosts.splice(0).map((host) => host.drop()));
    await sentinel.stop();
    await eventually('every controller to be gone', () => world.control!.controllerCount() === 0);
    await eventually('every connection to be gone', () => world.control!.connectionCount() === 0);
    expect(world.control!.borrowedBytes()).toBe(0);
    await world.stop();
  });

  async function progress(what: string, rounds = 20): Promise<void> {
    const from = sentinel.rounds;
    await eventually(`${what}: ${rounds} rounds of the sentinel`, () => {
      sentinel.check();
      return sentinel.rounds >= from + rounds;
    });
  }

  it('a host that asks for 100 MiB and does not read: bounded memory, then all of it, right', async () => {
    await begin();
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn, commandTimeoutMs: 60_000 });
    const data = pattern(MIB, 5);
    expectStatus(await host.write(NS512, 0, 2048, data), Status.success);
    const queue = host.io[0];
    const before = liveBytes();
    queue.connection.pauseReading();
    // The initiator's own read buffers are made up front: 100 MiB that do not count.
    const mine = 100 * MIB;
    const reads = Array.from({ length: 100 }, () => host.read(NS512, 0, 2048, 512));
    await progress('while a peer does not read', 50);
    expect(liveBytes() - before - mine).toBeLessThan(48 * MIB);
    expect(world.control!.borrowedBytes()).toBeLessThan(48 * MIB);
    queue.connection.resumeReading();
    for (const completion of await Promise.all(reads)) {
      expectStatus(completion, Status.success);
      expect(completion.data.equals(data)).toBe(true);
    }
    await host.shutdown();
  });

  it('a host that sends a million commands and reads no answer is not read from any more', async () => {
    await begin();
    const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
    hosts = [host];
    const queue = host.io[0];
    const { connection } = queue;
    let answers = 0;
    connection.onPdu = () => {
      answers++;
    };
    const capsules: Buffer[] = [];
    for (let cid = 0; cid < 100; cid++) {
      const command = sqe({ opcode: IoOpcode.flush, nsid: NS512 });
      command.writeUInt16LE(cid, 2);
      capsules.push(queue.capsule(command));
    }
    const hundred = Buffer.concat(capsules);
    const before = liveBytes();
    connection.pauseReading();
    // Never more at a time than the queue has entries, as far as the target can see.
    let rounds = 0;
    while (rounds < 10_000 && connection.socket.writableLength < MIB && !connection.isOver) {
      connection.send(hundred);
      rounds++;
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(rounds, 'hundreds of commands until the target stopped reading').toBeLessThan(10_000);
    expect(liveBytes() - before).toBeLessThan(16 * MIB);
    await progress('while a peer reads no answer', 50);
    connection.resumeReading();
    await eventually('all answers, or the end', () => answers === rounds * 100 || connection.isOver, 20_000);
    expect(answers).toBeGreaterThan(10_000);
    expect(connection.faults).toEqual([]);
  });

  it('48 connections that ask for all they may and never read do not starve another host', async () => {
    await begin();
    hosts = await Promise.all(
      Array.from({ length: 8 }, () =>
        HostController.connect({ ...world.a, subnqn: world.subnqn, ioQueues: 6 }),
      ),
    );
    for (const queue of hosts.flatMap((host) => host.io)) {
      queue.connection.pauseReading();
      queue.checkSqhd = false;
      for (let cid = 0; cid < 64; cid++) {
        const command = ioSqe(IoOpcode.read, NS512, 0, 2048);
        command.writeUInt16LE(cid, 2);
        setSgl(command, Sgl.transport, MIB);
        queue.connection.send(queue.capsule(command));
      }
    }
    await progress('while 48 connections do not read', 50);
    expect(sentinel.slowestMs).toBeLessThan(5000);
  });

  it('48 connections that ask to write all they may and never send it do not starve another host', async () => {
    await begin();
    hosts = await Promise.all(
      Array.from({ length: 8 }, () =>
        HostController.connect({ ...world.a, subnqn: world.subnqn, ioQueues: 6 }),
      ),
    );
    for (const queue of hosts.flatMap((host) => host.io)) {
      queue.checkSqhd = false;
      for (let cid = 0; cid < 64; cid++) {
        const command = ioSqe(IoOpcode.write, NS512, 0, 2048);
        command.writeUInt16LE(cid, 2);
        setSgl(command, Sgl.transport, MIB);
        queue.connection.send(queue.capsule(command));
      }
    }
    await progress('while 48 connections do not send', 50);
    await withHost(world, {}, async (host) => {
      const data = pattern(MIB, 8);
      expectStatus(
        await within('a large write of another host', host.write(NS512, 4096, 2048, data)),
        Status.success,
      );
      expect(
        (await within('a large read of another host', host.read(NS512, 4096, 2048, 512))).data.equals(data),
      ).toBe(true);
    });
  });

  it('a reader so slow that it takes a few KiB at a time gets everything', async () => {
    await begin();
    await withHost(world, {}, async (host) => {
      const data = pattern(256 * 1024, 6);
      expectStatus(await host.write(NS512, 0, 512, data), Status.success);
      const { socket } = host.io[0].connection;
      let slow = true;
      socket.on('data', () => {
        if (!slow) return;
        socket.pause();
        setTimeout(() => socket.resume(), 1);
      });
      const reads = await Promise.all(Array.from({ length: 32 }, () => host.read(NS512, 0, 512, 512)));
      slow = false;
      for (const completion of reads) expect(completion.data.equals(data)).toBe(true);
    });
  });

  it('a connection that sends nothing, or half an ICReq, or drips it, is closed in time', async () => {
    await begin({ icReqTimeoutMs: 300 });
    const silent = await RawConnection.open(world.a);
    const half = await RawConnection.open(world.a);
    half.send(icReq().subarray(0, 100));
    const dripping = await RawConnection.open(world.a);
    const drip = setInterval(() => dripping.send(icReq().subarray(0, 1)), 50);
    await within('all three to be closed', Promise.all([silent.ended, half.ended, dripping.ended]), 3000);
    clearInterval(drip);
    await progress('after closing idle connections');
  });

  it('a connection that sends ICReq and never Connect is closed in time', async () => {
    await begin({ connectTimeoutMs: 300 });
    const connection = await RawConnection.open(world.a);
    connection.send(icReq());
    expect((await connection.nextPdu())?.type).toBe(PduType.icResp);
    await within('it to be closed', connection.ended, 3000);
  });

  it('half-open sockets: a host that says FIN after its commands is let go, whatever was open', async () => {
    await begin();
    for (let i = 0; i < 50; i++) {
      const host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
      const reads = Array.from({ length: 20 }, () => host.read(NS512, 0, 256, 512).catch(() => null));
      host.io[0].connection.halfClose();
      await within('the end of the queue', host.io[0].connection.ended);
      await Promise.all(reads);
      await host.drop();
    }
  });

  it('over the limit of connections new ones are closed, those that are there are served, then there is room again', async () => {
    await begin({ maxConnections: 20 });
    const raw: RawConnection[] = [];
    for (let i = 0; i < 18; i++) {
      const connection = await RawConnection.open(world.a);
      connection.send(icReq());
      expect((await connection.nextPdu())?.type).toBe(PduType.icResp);
      raw.push(connection);
    }
    const refused = await RawConnection.open(world.a);
    refused.send(icReq());
    await within('the refused connection to be closed', refused.ended);
    await progress('at the limit');
    for (const connection of raw) await connection.close();
    await eventually('the connections to be gone', () => world.control!.connectionCount() === 2);
    await withHost(world, {}, async (host) => expectStatus(await host.flush(NS512), Status.success));
  });

  it('connections that come and go at once leave nothing', async () => {
    await begin();
    const descriptors = openDescriptors();
    for (let round = 0; round < 20; round++) {
      const sockets: Socket[] = [];
      for (let i = 0; i < 50; i++) {
        const socket = connect({ ...world.a });
        socket.on('error', () => undefined);
        socket.on('connect', () => socket.resetAndDestroy());
        sockets.push(socket);
      }
      await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.on('close', resolve))));
    }
    await eventually('the connections to be gone', () => world.control!.connectionCount() === 2);
    expect(openDescriptors()).toBeLessThanOrEqual(descriptors);
    await progress('after a burst of resets');
  });
});
