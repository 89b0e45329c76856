/** What a connection sends, read by an independent parser; and when its buffers come back. */
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DataBuffer } from '../../../src/base/buffer-pool.ts';
import { type Request, Transfer } from '../../../src/target/request.ts';
import { Output } from '../../../src/transport/tcp/output.ts';
import { PduFlag, PduType } from '../../initiator/pdu.ts';
import { type Digests, type Pdu, PduParser } from '../../initiator/pdu-parser.ts';
import { TargetWorld } from '../../target/target-world.ts';

const NONE: Digests = { hdgst: false, ddgst: false };
const DIGESTS: readonly Digests[] = [
  NONE,
  { hdgst: true, ddgst: false },
  { hdgst: false, ddgst: true },
  { hdgst: true, ddgst: true },
];

/** A socket that keeps what it was given, without copying, until the test lets it go. */
class FakeSocket {
  readonly pieces: Buffer[] = [];
  readonly callbacks: (() => void)[] = [];
  corked = 0;
  corks = 0;
  writableLength = 0;

  write(piece: Buffer, sent?: () => void): boolean {
    this.pieces.push(piece);
    this.writableLength += piece.length;
    if (sent !== undefined) this.callbacks.push(sent);
    return true;
  }

  cork(): void {
    this.corked += 1;
    this.corks += 1;
  }

  uncork(): void {
    this.corked -= 1;
  }

  /** The peer has taken everything. */
  drain(): void {
    this.writableLength = 0;
    for (const sent of this.callbacks.splice(0)) sent();
  }
}

function setup(digests: Digests = NONE, hpda = 0, flowControl = true) {
  const world = new TargetWorld({ maxIoQueueDepth: 1024 });
  const { controller } = world.connectAdmin();
  const { queue } = world.connectIo(controller, { sqsize: 1023, cattr: flowControl ? 0 : 4 });
  const socket = new FakeSocket();
  const returned: DataBuffer[] = [];
  const output = new Output(socket as unknown as Socket, (buffers) => {
    for (const buffer of buffers) {
      expect(returned).not.toContain(buffer);
      returned.push(buffer);
      buffer.memory.fill(0xdb); // somebody else uses it from now on
    }
  });
  output.configure(digests.hdgst, digests.ddgst, hpda);
  const request = (cid: number): Request => {
    const taken = queue.take()!;
    taken.parse(Buffer.alloc(64), 0);
    taken.cid = cid;
    return taken;
  };
  /** A read that succeeded with `length` bytes of the value `fill`. */
  const read = (cid: number, length: number, fill = cid & 0xff): Request => {
    const made = request(cid);
    made.transfer = Transfer.toHost;
    made.dataLength = length;
    made.buffer = world.target.buffers.borrow(length);
    made.buffer.memory.fill(0xee);
    made.data.fill(fill);
    return made;
  };
  /** Everything that was given to the socket, as PDUs. */
  const pdus = (): Pdu[] => {
    const found: Pdu[] = [];
    const parser = new PduParser((pdu) => found.push(pdu));
    parser.digests = digests;
    parser.alignment = (hpda + 1) * 4;
    for (const piece of socket.pieces) parser.push(Buffer.from(piece));
    expect(parser.pendingBytes).toBe(0);
    expect(found.flatMap((pdu) => pdu.faults)).toEqual([]);
    return found;
  };
  return { world, socket, output, returned, request, read, pdus };
}

describe('a response', () => {
  it.each(DIGESTS)('holds CID, status and dwords (header digest $hdgst, data digest $ddgst)', (digests) => {
    const { output, request, pdus } = setup(digests);
    const answer = request(0xbeef);
    answer.status = 0x4302;
    answer.dw0 = 0x1122_3344;
    answer.dw1 = 0xffff_ffff;
    output.answer(answer);
    output.flush();
    const [pdu] = pdus();
    expect(pdu.type).toBe(PduType.capsuleResp);
    expect(pdu.header.readUInt32LE(8)).toBe(0x1122_3344);
    expect(pdu.header.readUInt32LE(12)).toBe(0xffff_ffff);
    expect(pdu.header.readUInt16LE(16)).toBe(2); // Connect and this command
    expect(pdu.header.readUInt16LE(20)).toBe(0xbeef);
    expect(pdu.header.readUInt16LE(22)).toBe(0x4302 << 1);
  });

  it('of a failed read brings no data', () => {
    const { output, read, pdus } = setup();
    const answer = read(1, 512);
    answer.status = 0x281;
    output.answer(answer);
    output.flush();
    expect(pdus().map((pdu) => pdu.type)).toEqual([PduType.capsuleResp]);
    expect(answer.buffer).not.toBeNull(); // still the caller's to give back
  });

  it('a thousand of them in one turn: each once, in order, one cork', () => {
    const { socket, output, request, pdus } = setup();
    for (let cid = 0; cid < 1000; cid++) output.answer(request(cid));
    output.flush();
    expect(pdus().map((pdu) => pdu.header.readUInt16LE(20))).toEqual(
      Array.from({ length: 1000 }, (_, i) => i),
    );
    expect([socket.corks, socket.corked]).toEqual([1, 0]);
    expect(socket.callbacks.length).toBe(1);
  });
});

describe('read data', () => {
  it.each(DIGESTS)(
    'with flow control: C2HData, then CapsuleResp (header digest $hdgst, data digest $ddgst)',
    (digests) => {
      const { output, read, pdus } = setup(digests);
      output.answer(read(7, 5000, 0x5c));
      output.flush();
      const [data, response, ...rest] = pdus();
      expect(rest).toEqual([]);
      expect(data.type).toBe(PduType.c2hData);
      expect(data.flags & (PduFlag.last | PduFlag.success)).toBe(PduFlag.last);
      expect(data.header.readUInt16LE(8)).toBe(7);
      expect(data.header.readUInt32LE(12)).toBe(0);
      expect(data.data.equals(Buffer.alloc(5000, 0x5c))).toBe(true);
      expect(response.type).toBe(PduType.capsuleResp);
      expect(response.header.readUInt16LE(20)).toBe(7);
    },
  );

  it('without flow control: C2HData with SUCCESS says it all', () => {
    const { output, read, pdus } = setup(NONE, 0, false);
    output.answer(read(7, 512));
    output.flush();
    const [data, ...rest] = pdus();
    expect(rest).toEqual([]);
    expect(data.flags & (PduFlag.last | PduFlag.success)).toBe(PduFlag.last | PduFlag.success);
  });

  it('SUCCESS would lose a dword that is not 0: then a response follows', () => {
    const { output, read, pdus } = setup(NONE, 0, false);
    const answer = read(7, 512);
    answer.dw0 = 5;
    output.answer(answer);
    output.flush();
    expect(pdus().map((pdu) => [pdu.type, pdu.flags & PduFlag.success])).toEqual([
      [PduType.c2hData, 0],
      [PduType.capsuleResp, 0],
    ]);
  });

  it.each([0, 1, 7, 15, 31])('begins where HPDA %i wants it, and what is skipped is 0', (hpda) => {
    for (const digests of DIGESTS) {
      const { socket, output, read, pdus } = setup(digests, hpda);
      output.answer(read(1, 512));
      output.flush();
      const [data] = pdus(); // the parser checks the alignment
      const header = 24 + (digests.hdgst ? 4 : 0);
      expect(data.pdo).toBeLessThan(header + (hpda + 1) * 4);
      expect(
        Buffer.concat(socket.pieces)
          .subarray(header, data.pdo)
          .every((byte) => byte === 0),
      ).toBe(true);
    }
  });
});

describe('R2T', () => {
  it.each(DIGESTS)(
    'asks for all data of the command (header digest $hdgst, data digest $ddgst)',
    (digests) => {
      const { output, request, pdus } = setup(digests);
      request(1);
      const write = request(0x1234);
      write.dataLength = 1 << 20;
      output.r2t(write);
      output.flush();
      const [pdu] = pdus();
      expect(pdu.type).toBe(PduType.r2t);
      expect(pdu.header.readUInt16LE(8)).toBe(0x1234);
      expect(pdu.header.readUInt16LE(10)).toBe(write.slot);
      expect(pdu.header.readUInt32LE(12)).toBe(0);
      expect(pdu.header.readUInt32LE(16)).toBe(1 << 20);
    },
  );
});

describe('buffers', () => {
  it('come back when the bytes have left, not before, and once', () => {
    const { socket, output, read, returned } = setup();
    const answers = [read(1, 512), read(2, 512)];
    const buffers = answers.map((answer) => answer.buffer!);
    for (const answer of answers) output.answer(answer);
    expect(answers.map((answer) => answer.buffer)).toEqual([null, null]);
    output.flush();
    expect(returned).toEqual([]);
    socket.drain();
    expect(returned).toEqual(buffers);
    output.discard();
    expect(returned.length).toBe(2);
  });

  it('of a turn that was not sent come back with discard', () => {
    const { socket, output, read, returned } = setup();
    output.answer(read(1, 512));
    output.flush();
    output.answer(read(2, 512));
    output.discard();
    expect(returned.length).toBe(1);
    socket.drain();
    expect(returned.length).toBe(2);
  });

  it('a flush with nothing to send does nothing', () => {
    const { socket, output } = setup();
    output.flush();
    output.flush();
    expect(socket.pieces).toEqual([]);
    expect(socket.corks).toBe(0);
  });

  it('backlog is what the socket holds', () => {
    const { socket, output, read } = setup();
    output.answer(read(1, 4096));
    output.flush();
    expect(output.backlogBytes).toBeGreaterThan(4096);
    socket.drain();
    expect(output.backlogBytes).toBe(0);
  });
});

describe('any turns', () => {
  const piece = fc.oneof(
    { weight: 4, arbitrary: fc.record({ status: fc.constantFrom(0, 0, 0x302, 0x4080) }) },
    { weight: 4, arbitrary: fc.record({ read: fc.integer({ min: 1, max: 9000 }) }) },
    { weight: 2, arbitrary: fc.record({ r2t: fc.integer({ min: 1, max: 1 << 20 }) }) },
    { weight: 3, arbitrary: fc.constant('flush' as const) },
    { weight: 1, arbitrary: fc.constant('drain' as const) },
  );

  it('every PDU is right and sent once, and no byte changes before it has left', () => {
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 120 }),
        fc.constantFrom(...DIGESTS),
        fc.constantFrom(0, 3, 31),
        fc.boolean(),
        (script, digests, hpda, flowControl) => {
          const { socket, output, read, request, returned, pdus } = setup(digests, hpda, flowControl);
          const expected: string[] = [];
          const got: string[] = [];
          let cid = 0;
          let reads = 0;
          const look = () => {
            for (const pdu of pdus()) {
              if (pdu.type === PduType.c2hData) {
                const id = pdu.header.readUInt16LE(8);
                const whole = pdu.data.length > 0 && pdu.data.every((byte) => byte === (id & 0xff));
                got.push(`data ${id} ${pdu.data.length} ${whole}`);
                if ((pdu.flags & PduFlag.success) !== 0) got.push(`answer ${id} 0`);
              } else if (pdu.type === PduType.r2t) {
                got.push(`r2t ${pdu.header.readUInt16LE(8)} ${pdu.header.readUInt32LE(16)}`);
              } else {
                got.push(`answer ${pdu.header.readUInt16LE(20)} ${pdu.header.readUInt16LE(22) >> 1}`);
              }
            }
            socket.pieces.length = 0;
            socket.drain();
          };
          for (const step of script) {
            if (step === 'flush') output.flush();
            else if (step === 'drain') {
              output.flush();
              look();
            } else {
              cid += 1;
              if ('status' in step) {
                const answer = request(cid);
                answer.status = step.status;
                output.answer(answer);
                expected.push(`answer ${cid} ${step.status}`);
              } else if ('read' in step) {
                output.answer(read(cid, step.read));
                reads += 1;
                expected.push(`data ${cid} ${step.read} true`, `answer ${cid} 0`);
              } else {
                const write = request(cid);
                write.dataLength = step.r2t;
                output.r2t(write);
                expected.push(`r2t ${cid} ${step.r2t}`);
              }
            }
          }
          output.flush();
          look();
          expect(got.sort()).toEqual(expected.sort());
          expect(returned.length).toBe(reads);
          expect(socket.corked).toBe(0);
        },
      ),
      { numRuns: 120 },
    );
  });
});
