/**
 * Bytes that real Linux hosts sent (kernel 6.12 and 6.1, nvme-cli, over loopback to the kernel's nvmet) are replayed as they are: the target must
 * accept every one. Only what a controller chooses is put in: the TTAG of an R2T and the controller id, and the digests over them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RawConnection } from '../initiator/connection.ts';
import { crc32c } from '../initiator/crc32c.ts';
import { PduFlag, PduType } from '../initiator/pdu.ts';
import type { Pdu } from '../initiator/pdu-parser.ts';
import { Status, statusName } from '../initiator/status.ts';
import { stopClean } from './expectations.ts';
import { startWorld, type World } from './world.ts';

interface Golden {
  kernel: string;
  what: string;
  connections: { icResp: string; host: string[] }[];
}

const FOLDER = new URL('./golden/', import.meta.url);

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => stopClean(world));

/** CC with SHN: the host's farewell, sent after its I/O connections are closed. */
function isShutdown(pdu: Buffer): boolean {
  return (
    pdu[0] === PduType.capsuleCmd &&
    pdu[8] === 0x7f &&
    pdu[12] === 0 &&
    pdu.readUInt32LE(52) === 0x14 &&
    (pdu.readUInt32LE(56) & 0xc000) !== 0
  );
}

function refreshHeaderDigest(pdu: Buffer): void {
  if ((pdu[1] & PduFlag.hdgst) !== 0) pdu.writeUInt32LE(crc32c(pdu.subarray(0, pdu[2])), pdu[2]);
}

/** Replays the PDUs of one connection of a capture, each after the one before it was answered. */
class Replay {
  readonly connection: RawConnection;
  cntlid = 0;
  flowControlOff = false;
  answered = 0;
  /** Data that the host wrote, by SLBA, and what it read. */
  readonly written = new Map<number, Buffer>();
  readonly #seen: Pdu[] = [];

  constructor(connection: RawConnection) {
    this.connection = connection;
  }

  async run(pdus: readonly Buffer[], cntlid = 0): Promise<void> {
    for (let i = 0; i < pdus.length; i++) {
      const pdu = Buffer.from(pdus[i]);
      if (pdu[0] === PduType.icReq) {
        this.connection.send(pdu);
        const answer = await this.connection.nextPdu();
        expect(answer?.type).toBe(PduType.icResp);
        expect(answer!.header[11], 'digests as asked').toBe(pdu[11]);
        this.connection.parser.digests = { hdgst: (pdu[11] & 1) !== 0, ddgst: (pdu[11] & 2) !== 0 };
      } else if (pdu[0] === PduType.capsuleCmd) {
        const solicited = pdus[i + 1]?.[0] === PduType.h2cData ? Buffer.from(pdus[++i]) : null;
        await this.#command(pdu, solicited, cntlid);
      }
    }
    expect(this.connection.faults).toEqual([]);
  }

  async #command(pdu: Buffer, solicited: Buffer | null, cntlid: number): Promise<void> {
    const sqe = pdu.subarray(8, 72);
    const isConnect = sqe[0] === 0x7f && sqe[4] === 1;
    if (isConnect) {
      this.flowControlOff = (sqe[46] & 4) !== 0;
      const pdo = pdu[3];
      if (pdu.readUInt16LE(pdo + 16) !== 0xffff) {
        pdu.writeUInt16LE(cntlid, pdo + 16);
        if ((pdu[1] & PduFlag.ddgst) !== 0)
          pdu.writeUInt32LE(crc32c(pdu.subarray(pdo, pdo + 1024)), pdo + 1024);
      }
    }
    this.connection.send(pdu);
    const cid = sqe.readUInt16LE(2);
    if (sqe[0] === 0x0c) return;
    const received: Buffer[] = [];
    for (;;) {
      const answer = this.#recall(cid) ?? (await this.connection.nextPdu());
      if (answer === null) throw new Error(`connection over at command ${sqe.toString('hex')}`);
      if (answer.type === PduType.r2t) {
        expect(solicited, 'an R2T where the kernel got none').not.toBeNull();
        solicited!.writeUInt16LE(answer.header.readUInt16LE(10), 10);
        refreshHeaderDigest(solicited!);
        this.connection.send(solicited!);
        continue;
      }
      const isData = answer.type === PduType.c2hData;
      const answerCid = answer.header.readUInt16LE(isData ? 8 : 20);
      if (answerCid !== cid) {
        // An asynchronous event may come at any time.
        this.#seen.push(answer);
        continue;
      }
      if (isData) {
        received.push(Buffer.from(answer.data));
        if ((answer.flags & PduFlag.success) === 0) continue;
        expect(this.flowControlOff, 'SUCCESS only without flow control').toBe(true);
        this.#check(sqe, 0, received, solicited);
        return;
      }
      expect(answer.type).toBe(PduType.capsuleResp);
      if (isConnect) {
        this.cntlid = answer.header.readUInt16LE(8);
        if (this.flowControlOff) expect(answer.header.readUInt16LE(16), 'SQHD').toBe(0xffff);
      }
      this.#check(sqe, (answer.header.readUInt16LE(22) >> 1) & 0x7ff, received, solicited ?? inCapsule(pdu));
      return;
    }
  }

  #recall(cid: number): Pdu | undefined {
    const at = this.#seen.findIndex(
      (pdu) => pdu.type === PduType.capsuleResp && pdu.header.readUInt16LE(20) === cid,
    );
    return at < 0 ? undefined : this.#seen.splice(at, 1)[0];
  }

  #check(sqe: Buffer, status: number, received: Buffer[], sent: Buffer | null): void {
    this.answered++;
    const what = `opcode ${sqe[0].toString(16)}h cdw10 ${sqe.readUInt32LE(40).toString(16)}h cdw11 ${sqe.readUInt32LE(44).toString(16)}h`;
    // nvme show-regs asks for optional properties; nvmet refuses some of them too.
    const optional = sqe[0] === 0x7f && sqe[4] === 4 && ![0, 8, 0x14, 0x1c].includes(sqe.readUInt32LE(44));
    if (optional)
      expect([Status.success, Status.invalidField] as number[], `${what}: ${statusName(status)}`).toContain(
        status,
      );
    else expect(statusName(status), what).toBe(statusName(0));
    const expected = sqe.readUInt32LE(32);
    const data = Buffer.concat(received);
    if (received.length > 0) expect(data.length, what).toBe(expected);
    const io = sqe.readUInt32LE(4) === 1 && sqe.readUInt32LE(40) >= 8 && sqe[4] === 1;
    if (io && sqe[0] === 1 && sent) this.written.set(sqe.readUInt32LE(40), sent);
    if (io && sqe[0] === 2 && this.written.has(sqe.readUInt32LE(40))) {
      const pdu = this.written.get(sqe.readUInt32LE(40))!;
      expect(data.equals(pdu.subarray(pdu[3], pdu[3] + data.length)), 'reads what it wrote').toBe(true);
    }
  }
}

function inCapsule(pdu: Buffer): Buffer | null {
  return pdu[3] > 0 ? pdu : null;
}

describe.each(readdirSync(FOLDER).filter((name) => name.endsWith('.json')))('%s', (name) => {
  const golden = JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as Golden;
  const connections = golden.connections.map((connection) =>
    connection.host.map((hex) => Buffer.from(hex, 'hex')),
  );

  it(`a kernel ${golden.kernel} host (${golden.what}) is served`, async () => {
    const [adminPdus, ...ioPdus] = connections;
    const farewell = adminPdus.findIndex(isShutdown);
    const admin = new Replay(await RawConnection.open(world.a));
    await admin.run(adminPdus.slice(0, farewell));
    for (const pdus of ioPdus) {
      const io = new Replay(await RawConnection.open(world.a));
      await io.run(pdus, admin.cntlid);
      expect(io.answered).toBeGreaterThan(8);
      io.connection.halfClose();
      await io.connection.ended;
    }
    await admin.run(adminPdus.slice(farewell));
    expect(admin.answered).toBeGreaterThan(10);
    await admin.connection.close();
  });
});
