/**
 * TCP has no message boundaries: a session must give the same results however its bytes are cut and joined. Every offset of the
 * session is tried as a cut, then every byte alone, then cuts at random (fast-check prints seed and counterexample).
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  connectData,
  connectSqe,
  dsmRanges,
  dsmSqe,
  Feature,
  IoOpcode,
  ioSqe,
  Sgl,
  setSgl,
  sqe,
} from '../initiator/command.ts';
import { RawConnection } from '../initiator/connection.ts';
import { freshHost, HostController } from '../initiator/controller.ts';
import { buildPdu, h2cDataSpecific, icReq, PduFlag, PduType } from '../initiator/pdu.ts';
import type { Pdu } from '../initiator/pdu-parser.ts';
import { pattern } from './random.ts';
import { Sentinel } from './sentinel.ts';
import { NS512, startWorld, type World } from './world.ts';

let world: World;
let sentinel: Sentinel;
beforeAll(async () => {
  world = await startWorld();
  sentinel = await Sentinel.start(world, { pauseMs: 5 });
});
afterAll(async () => {
  await sentinel.stop();
  await world.stop();
});

function digestOf(data: Uint8Array): string {
  return createHash('sha1').update(data).digest('hex');
}

interface Digests {
  hdgst: boolean;
  ddgst: boolean;
}

/** Sends one stage's bytes, cut somehow. `base` is where they lie in the whole session. */
type Send = (bytes: Buffer, base: number) => Promise<void>;

function command(
  bytes: Buffer,
  cid: number,
  digests: Digests,
  data?: Buffer,
  length = data?.length ?? 0,
): Buffer {
  bytes.writeUInt16LE(cid, 2);
  setSgl(bytes, data ? Sgl.inCapsule : Sgl.transport, length);
  return buildPdu({ type: PduType.capsuleCmd, specific: bytes, ...(data ? { data } : {}), ...digests });
}

/** One line per answer, sorted: what came back, without what may differ (order, controller id). */
class Transcript {
  readonly lines: string[] = [];
  readonly #data = new Map<number, Buffer[]>();

  add(pdu: Pdu): void {
    if (pdu.faults.length > 0) this.lines.push(`faults ${pdu.faults.join(', ')}`);
    if (pdu.type === PduType.c2hData) {
      const cid = pdu.header.readUInt16LE(8);
      this.#data.set(cid, [...(this.#data.get(cid) ?? []), Buffer.from(pdu.data)]);
      return;
    }
    if (pdu.type !== PduType.capsuleResp) {
      this.lines.push(`type ${pdu.type}`);
      return;
    }
    const cid = pdu.header.readUInt16LE(20);
    const status = pdu.header.readUInt16LE(22) >> 1;
    const data = this.#data.get(cid);
    this.lines.push(`${cid}: ${status.toString(16)} ${data ? digestOf(Buffer.concat(data)) : ''}`);
  }

  toString(): string {
    return [...this.lines].sort().join('\n');
  }
}

async function receive(
  connection: RawConnection,
  transcript: Transcript,
  responses: number,
): Promise<Pdu | null> {
  for (let seen = 0; seen < responses; ) {
    const pdu = await connection.nextPdu(20_000);
    if (pdu === null) throw new Error(`connection over; so far:\n${transcript.toString()}`);
    if (pdu.type === PduType.r2t) return pdu;
    transcript.add(pdu);
    if (pdu.type === PduType.capsuleResp || pdu.type === PduType.icResp || pdu.type === PduType.c2hTermReq)
      seen++;
  }
  return null;
}

const SOLICITED = 1536;

/** An I/O queue's life on a controller that exists: returns what came back. */
async function ioSession(
  host: HostController,
  digests: Digests,
  send: (connection: RawConnection) => Send,
): Promise<{ transcript: string; length: number }> {
  const connection = await RawConnection.open(world.a);
  const transcript = new Transcript();
  const sendStage = send(connection);
  let base = 0;
  const stage = async (pdus: Buffer[]) => {
    const bytes = Buffer.concat(pdus);
    await sendStage(bytes, base);
    base += bytes.length;
  };
  const connect = connectSqe({ qid: 2, sqsize: 31 });
  const identity = connectData({ ...host.options, cntlid: host.cntlid });
  await stage([icReq(digests)]);
  await receive(connection, transcript, 1);
  connection.parser.digests = digests;
  await stage([command(connect, 1, digests, identity)]);
  await receive(connection, transcript, 1);
  const data = pattern(SOLICITED, 9);
  const bad = buildPdu({
    type: PduType.capsuleCmd,
    specific: (() => {
      const bytes = ioSqe(IoOpcode.write, NS512, 40, 1);
      bytes.writeUInt16LE(20, 2);
      setSgl(bytes, Sgl.inCapsule, 512);
      return bytes;
    })(),
    data: pattern(512, 5),
    ...digests,
    spoilDdgst: digests.ddgst ? 1 : 0,
  });
  await stage([
    command(ioSqe(IoOpcode.write, NS512, 0, 1), 2, digests, pattern(512, 1)),
    command(ioSqe(IoOpcode.write, NS512, 8, 3), 3, digests, undefined, SOLICITED),
  ]);
  let r2t: Pdu | null = null;
  // The first write's response and the R2T may come in either order.
  const first = await connection.nextPdu(20_000);
  const second = await connection.nextPdu(20_000);
  for (const pdu of [first, second]) {
    if (pdu?.type === PduType.r2t) r2t = pdu;
    else if (pdu) transcript.add(pdu);
  }
  if (!r2t) throw new Error(`no R2T; so far:\n${transcript.toString()}`);
  const ttag = r2t.header.readUInt16LE(10);
  const piece = (from: number, to: number) =>
    buildPdu({
      type: PduType.h2cData,
      flags: to === SOLICITED ? PduFlag.last : 0,
      specific: h2cDataSpecific(3, ttag, from, to - from),
      data: data.subarray(from, to),
      ...digests,
    });
  await stage([piece(0, 100), piece(100, 1000), piece(1000, SOLICITED)]);
  await receive(connection, transcript, 1);
  await stage([
    command(ioSqe(IoOpcode.read, NS512, 0, 1), 4, digests, undefined, 512),
    command(ioSqe(IoOpcode.read, NS512, 8, 3), 5, digests, undefined, SOLICITED),
    command(sqe({ opcode: IoOpcode.flush, nsid: NS512 }), 6, digests),
    command(dsmSqe(NS512, 1, 0), 7, digests, dsmRanges([{ slba: 0, blocks: 1 }])),
    command(ioSqe(IoOpcode.read, NS512, 2 ** 40, 1), 8, digests, undefined, 512),
    bad,
    command(sqe({ opcode: 0x7d, nsid: NS512 }), 9, digests),
  ]);
  await receive(connection, transcript, 7);
  // Disconnect: the controller lives on for the next session.
  const disconnect = sqe({ opcode: 0x7f });
  disconnect[4] = 8;
  await stage([command(disconnect, 10, digests)]);
  await receive(connection, transcript, 1);
  await connection.ended;
  return { transcript: transcript.toString(), length: base };
}

const wholeStages =
  (connection: RawConnection): Send =>
  async (bytes) =>
    connection.send(bytes);

const cutAt =
  (cuts: readonly number[]) =>
  (connection: RawConnection): Send =>
  async (bytes, base) => {
    const local = cuts.map((cut) => cut - base).filter((cut) => cut > 0 && cut < bytes.length);
    if (local.length === 0) connection.send(bytes);
    else await connection.sendCut(bytes, local, 1);
  };

describe.skipIf(process.env.ANAGATE_TEST_ADDR !== undefined).each([
  { hdgst: false, ddgst: false },
  { hdgst: true, ddgst: true },
])('a session with %o', (digests) => {
  let host: HostController;
  let expected: string;
  let length: number;
  beforeAll(async () => {
    host = await HostController.connectAdmin({ ...world.a, subnqn: world.subnqn, ...freshHost() });
    await host.enable();
    await host.setFeature(Feature.numberOfQueues, 0x00010001);
    ({ transcript: expected, length } = await ioSession(host, digests, wholeStages));
    expect(expected.split('\n').length).toBe(12);
    expect(expected).not.toContain('faults');
  });
  afterAll(() => host.shutdown());

  it('is the same with a cut at any one offset', async () => {
    const wrong: number[] = [];
    for (let cut = 1; cut < length; cut++) {
      const { transcript } = await ioSession(host, digests, cutAt([cut])).catch((cause: Error) => ({
        transcript: cause.message,
      }));
      if (transcript !== expected) wrong.push(cut);
    }
    expect(wrong).toEqual([]);
  });

  it('is the same byte by byte', async () => {
    const every = Array.from({ length: length - 1 }, (_, i) => i + 1);
    expect((await ioSession(host, digests, cutAt(every))).transcript).toBe(expected);
  });

  it('is the same with cuts at random', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 1, max: length - 1 }), { maxLength: 60 }),
        async (cuts) => {
          cuts.sort((x, y) => x - y);
          expect((await ioSession(host, digests, cutAt(cuts))).transcript).toBe(expected);
        },
      ),
      { numRuns: 300 },
    );
    sentinel.check();
  });

  it('is the same with pieces of one size', async () => {
    for (let size = 2; size < 200; size += 3) {
      const cuts = Array.from({ length: Math.floor(length / size) }, (_, i) => (i + 1) * size);
      expect((await ioSession(host, digests, cutAt(cuts))).transcript, `pieces of ${size}`).toBe(expected);
    }
  });
});

it('an ICReq with any flags and PDO, cut anywhere, is answered or ends the connection', async () => {
  for (const [flags, pdo] of [
    [1, 0],
    [2, 0],
    [0xff, 0],
    [0, 255],
    [1, 255],
    [1, 4],
    [0, 1],
  ]) {
    for (const cut of [1, 7, 8, 9, 64, 127]) {
      const connection = await RawConnection.open(world.a);
      const bytes = icReq();
      bytes[1] = flags;
      bytes[3] = pdo;
      await connection.sendCut(bytes, [cut]);
      const answer = await connection.nextPdu();
      if (answer) expect([PduType.icResp, PduType.c2hTermReq] as number[]).toContain(answer.type);
      await connection.close();
    }
  }
  sentinel.check();
});
