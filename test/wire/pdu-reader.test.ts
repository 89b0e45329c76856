/**
 * The receive machine: however a stream is cut into chunks, the same is understood; a wrong header is reported once, with
 * the lowest field that is wrong (NVMe/TCP Transport Specification 1.0 sections 3.3, 3.6 and 3.7).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PduReader } from '../../src/wire/pdu-reader.ts';
import { buildPdu, Fes, h2cDataSpecific, h2cTermReq, icReq, PduFlag, PduType } from '../initiator/pdu.ts';

const MAX_CAPSULE_DATA = 8192;
const MAX_H2C_DATA = 65536;

type Event =
  | { header: number; flags: number; bytes: string; dataLength: number }
  | { data: string | null; digestOk: boolean }
  | { fault: number; fei: number; quoted: string };

interface Digests {
  hdgst: boolean;
  ddgst: boolean;
}
const NONE: Digests = { hdgst: false, ddgst: false };

/** Notes what the reader tells, and keeps the data of every second PDU. */
class Recorder {
  readonly events: Event[] = [];
  readonly reader: PduReader;
  #kept: Buffer | null = null;
  #keepNext = true;

  constructor(digests: Digests, headerBytes: Record<number, number> = { 0: 128, 2: 24, 4: 72, 6: 24 }) {
    this.reader = new PduReader(
      {
        onHeader: (type, flags, buf, at, dataLength) => {
          const bytes = buf.toString('hex', at, at + headerBytes[type]);
          this.events.push({ header: type, flags, bytes, dataLength });
          if (type === PduType.h2cTermReq) this.reader.stop();
          this.#kept = null;
          if (dataLength > 0) {
            if (this.#keepNext) {
              this.#kept = Buffer.alloc(dataLength + 6, 0xcc);
              this.reader.place(this.#kept, 3);
            }
            this.#keepNext = !this.#keepNext;
          }
        },
        onData: (digestOk) => {
          const kept = this.#kept;
          if (kept !== null) {
            // not a byte before or behind the place that was named
            expect(kept.toString('hex', 0, 3) + kept.toString('hex', kept.length - 3)).toBe('cc'.repeat(6));
          }
          this.events.push({
            data: kept === null ? null : kept.toString('hex', 3, kept.length - 3),
            digestOk,
          });
        },
        onFault: (fault, fei, header) => this.events.push({ fault, fei, quoted: header.toString('hex') }),
      },
      MAX_CAPSULE_DATA,
      MAX_H2C_DATA,
    );
    this.reader.setDigests(digests.hdgst, digests.ddgst);
  }

  /** Pushes a chunk as a socket does: a slice of a buffer that is used again right after. */
  push(bytes: Uint8Array): void {
    const shared = Buffer.alloc(bytes.length + 7, 0xee);
    shared.set(bytes);
    this.reader.push(shared, bytes.length);
    shared.fill(0xdd);
  }
}

function understand(stream: Buffer, cuts: readonly number[], digests: Digests): Event[] {
  const recorder = new Recorder(digests);
  let from = 0;
  for (const cut of [...cuts, stream.length]) {
    recorder.push(stream.subarray(from, cut));
    from = cut;
  }
  return recorder.events;
}

const digestsArbitrary = fc.record({ hdgst: fc.boolean(), ddgst: fc.boolean() });
const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** One PDU as a host sends it, any alignment of the data, right or with a wrong data digest. */
function hostPdu(digests: Digests): fc.Arbitrary<Buffer> {
  const data = fc.oneof(
    fc.constant(new Uint8Array(0)),
    fc.uint8Array({ minLength: 1, maxLength: 300 }),
    fc.integer({ min: 1, max: MAX_CAPSULE_DATA }).map((n) => new Uint8Array(n).fill(n & 0xff)),
  );
  const align = fc.constantFrom(0, 4, 8, 64, 128);
  const spoilDdgst = fc.constantFrom(0, 0, 0, 1, 0x8000_0000);
  const capsule = fc
    .record({ specific: bytesOf(64), data, align, spoilDdgst })
    .map((spec) => buildPdu({ type: PduType.capsuleCmd, ...digests, ...spec }));
  const h2c = fc
    .record({
      specific: bytesOf(16),
      data: data.filter((d) => d.length > 0),
      align,
      spoilDdgst,
      last: fc.boolean(),
    })
    .map(({ last, ...spec }) =>
      buildPdu({ type: PduType.h2cData, flags: last ? PduFlag.last : 0, ...digests, ...spec }),
    );
  // FLAGS and PDO of an ICReq are reserved: whatever they hold is ignored
  const ic = fc.record({ flags: fc.nat({ max: 255 }), pdo: fc.nat({ max: 255 }) }).map(({ flags, pdo }) => {
    const pdu = icReq({ hdgst: digests.hdgst, ddgst: digests.ddgst });
    pdu[1] = flags;
    pdu[3] = pdo;
    return pdu;
  });
  return fc.oneof(
    { weight: 4, arbitrary: capsule },
    { weight: 4, arbitrary: h2c },
    { weight: 1, arbitrary: ic },
  );
}

/** A few PDUs, perhaps a wrong one or a termination at the end, and where to cut them. */
const stream = digestsArbitrary.chain((digests) =>
  fc
    .record({
      pdus: fc.array(hostPdu(digests), { minLength: 1, maxLength: 6 }),
      end: fc.oneof(
        { weight: 4, arbitrary: fc.constant(Buffer.alloc(0)) },
        { weight: 1, arbitrary: fc.constant(h2cTermReq(1, 2, Buffer.alloc(40, 7))) },
        { weight: 2, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 200 }).map((b) => Buffer.from(b)) },
      ),
      cutAt: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 }),
    })
    .map(({ pdus, end, cutAt }) => {
      const bytes = Buffer.concat([...pdus, end]);
      const cuts = cutAt.map((part) => Math.floor(part * bytes.length)).sort((a, b) => a - b);
      return { digests, bytes, cuts };
    }),
);

/** A fault quotes what had arrived of the header: that depends on the cut, all else does not. */
function withoutQuote(events: Event[]): Event[] {
  return events.map((event) => ('fault' in event ? { ...event, quoted: '' } : event));
}

describe('any stream, cut anywhere', () => {
  it('is understood the same as in one piece', () => {
    fc.assert(
      fc.property(stream, ({ digests, bytes, cuts }) => {
        expect(withoutQuote(understand(bytes, cuts, digests))).toEqual(
          withoutQuote(understand(bytes, [], digests)),
        );
      }),
      { numRuns: 600 },
    );
  });

  it('is understood the same byte by byte', () => {
    fc.assert(
      fc.property(stream, ({ digests, bytes }) => {
        const cuts = Array.from({ length: bytes.length }, (_, i) => i);
        expect(withoutQuote(understand(bytes, cuts, digests))).toEqual(
          withoutQuote(understand(bytes, [], digests)),
        );
      }),
      { numRuns: 25 },
    );
  });

  it('never makes it throw, whatever the bytes, and after a fault it says nothing more', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.uint8Array({ maxLength: 300 }),
            hostPdu(NONE).map((b) => new Uint8Array(b)),
          ),
          {
            maxLength: 6,
          },
        ),
        fc.array(fc.record({ at: fc.nat({ max: 2000 }), value: fc.nat({ max: 255 }) }), { maxLength: 4 }),
        digestsArbitrary,
        (parts, damage, digests) => {
          const bytes = Buffer.concat(parts);
          for (const { at, value } of damage) if (at < bytes.length) bytes[at] = value;
          const recorder = new Recorder(digests);
          for (let at = 0; at < bytes.length; at += 61) recorder.push(bytes.subarray(at, at + 61));
          const faults = recorder.events.filter((event) => 'fault' in event);
          expect(faults.length).toBeLessThanOrEqual(1);
          if (faults.length === 1) expect(recorder.events.at(-1)).toBe(faults[0]);
        },
      ),
      { numRuns: 600 },
    );
  });
});

describe('what is understood', () => {
  const sqe = Buffer.from(Array.from({ length: 64 }, (_, i) => i));
  const data = Buffer.from(Array.from({ length: 513 }, (_, i) => (i * 3) & 0xff));

  it.each([
    ['no digests', NONE],
    ['header digest', { hdgst: true, ddgst: false }],
    ['data digest', { hdgst: false, ddgst: true }],
    ['both', { hdgst: true, ddgst: true }],
  ])('with %s: header, then data', (_name, digests) => {
    const recorder = new Recorder(digests);
    recorder.push(buildPdu({ type: PduType.capsuleCmd, specific: sqe, data, ...digests }));
    recorder.push(buildPdu({ type: PduType.capsuleCmd, specific: sqe, ...digests }));
    const [header, body, lone, ...rest] = recorder.events;
    expect(header).toMatchObject({ header: PduType.capsuleCmd, dataLength: 513 });
    expect((header as { bytes: string }).bytes.slice(16)).toBe(sqe.toString('hex'));
    expect(body).toEqual({ data: data.toString('hex'), digestOk: true });
    expect(lone).toMatchObject({ header: PduType.capsuleCmd, dataLength: 0 });
    expect(rest).toEqual([]);
    expect(recorder.reader.idle).toBe(true);
  });

  it('a wrong data digest is told with the data, and the stream goes on', () => {
    const digests = { hdgst: false, ddgst: true };
    const recorder = new Recorder(digests);
    const specific = h2cDataSpecific(1, 2, 0, data.length);
    recorder.push(buildPdu({ type: PduType.h2cData, specific, data, ...digests, spoilDdgst: 1 }));
    recorder.push(buildPdu({ type: PduType.capsuleCmd, specific: sqe, ...digests }));
    expect(recorder.events[1]).toEqual({ data: data.toString('hex'), digestOk: false });
    expect(recorder.events[2]).toMatchObject({ header: PduType.capsuleCmd });
  });

  it('idle only between PDUs', () => {
    const pdu = buildPdu({ type: PduType.capsuleCmd, specific: sqe, data, hdgst: true, ddgst: true });
    const recorder = new Recorder({ hdgst: true, ddgst: true });
    for (const byte of pdu) {
      recorder.push(Buffer.of(byte));
    }
    expect(recorder.reader.idle).toBe(true);
    recorder.push(pdu.subarray(0, 1));
    expect(recorder.reader.idle).toBe(false);
    recorder.push(pdu.subarray(1, pdu.length - 1));
    expect(recorder.reader.idle).toBe(false);
    recorder.push(pdu.subarray(pdu.length - 1));
    expect(recorder.reader.idle).toBe(true);
  });

  it('stop inside a callback ends it there, rest of the chunk included', () => {
    const seen: number[] = [];
    const reader: PduReader = new PduReader(
      {
        onHeader: (type) => {
          seen.push(type);
          reader.stop();
        },
        onData: () => seen.push(-1),
        onFault: () => seen.push(-2),
      },
      MAX_CAPSULE_DATA,
      MAX_H2C_DATA,
    );
    const pdu = buildPdu({ type: PduType.capsuleCmd, data });
    const twice = Buffer.concat([pdu, pdu]);
    reader.push(twice, twice.length);
    reader.push(twice, twice.length);
    expect(seen).toEqual([PduType.capsuleCmd]);
  });

  it('digests are expected from the PDU after they were agreed on', () => {
    const recorder = new Recorder(NONE);
    recorder.push(icReq({ hdgst: true, ddgst: true }));
    recorder.reader.setDigests(true, true);
    recorder.push(buildPdu({ type: PduType.capsuleCmd, hdgst: true, ddgst: true, data }));
    expect(recorder.events.map((event) => Object.keys(event)[0])).toEqual(['header', 'header', 'data']);
  });
});

describe('limits', () => {
  const capsule = (length: number) => buildPdu({ type: PduType.capsuleCmd, data: Buffer.alloc(length) });
  const h2c = (length: number) => buildPdu({ type: PduType.h2cData, data: Buffer.alloc(length) });

  it('in-capsule data up to IOCCSZ, H2CData up to MAXH2CDATA', () => {
    for (const pdu of [capsule(MAX_CAPSULE_DATA), h2c(MAX_H2C_DATA)]) {
      const recorder = new Recorder(NONE);
      recorder.push(pdu);
      expect(recorder.events.length).toBe(2);
    }
  });

  it('a capsule beyond it has a wrong PLEN', () => {
    const recorder = new Recorder(NONE);
    recorder.push(capsule(MAX_CAPSULE_DATA + 1));
    expect(recorder.events).toMatchObject([{ fault: Fes.invalidHeaderField, fei: 4 }]);
  });

  it('H2CData beyond it is Data Transfer Limit Exceeded', () => {
    const recorder = new Recorder(NONE);
    recorder.push(h2c(MAX_H2C_DATA + 1));
    expect(recorder.events).toMatchObject([{ fault: Fes.dataLimitExceeded }]);
  });

  it('a fault is known from the first 8 bytes: nothing of what was announced is waited for', () => {
    const recorder = new Recorder(NONE);
    recorder.push(capsule(MAX_CAPSULE_DATA + 1).subarray(0, 8));
    expect(recorder.events.length).toBe(1);
  });
});

describe('a wrong header', () => {
  const TYPE = 0;
  const FLAGS = 1;
  const HLEN = 2;
  const PDO = 3;
  const PLEN = 4;
  const data = Buffer.alloc(512);
  const cap = PduType.capsuleCmd;
  const h2c = PduType.h2cData;
  /** name, digests, PDU, changes to its bytes, the field that is reported. */
  const table: readonly [string, Digests, Buffer, Record<number, number>, number][] = [
    ['type of a controller', NONE, buildPdu({ type: cap }), { 0: 5 }, TYPE],
    ['type C2HData', NONE, buildPdu({ type: cap }), { 0: 7 }, TYPE],
    ['type R2T', NONE, buildPdu({ type: cap }), { 0: 9 }, TYPE],
    ['type 8, between the known ones', NONE, buildPdu({ type: cap }), { 0: 8 }, TYPE],
    ['type FFh', NONE, buildPdu({ type: cap }), { 0: 0xff }, TYPE],
    [
      'everything wrong: the type is lowest',
      NONE,
      buildPdu({ type: cap }),
      { 0: 0x55, 1: 0xff, 2: 0, 3: 0xff, 4: 0 },
      TYPE,
    ],
    ['reserved flag of a capsule', NONE, buildPdu({ type: cap }), { 1: 0x10 }, FLAGS],
    ['LAST on a capsule', NONE, buildPdu({ type: cap }), { 1: PduFlag.last }, FLAGS],
    ['SUCCESS on H2CData', NONE, buildPdu({ type: h2c, data }), { 1: PduFlag.success }, FLAGS],
    ['HDGSTF without having agreed on it', NONE, buildPdu({ type: cap, hdgst: true }), {}, FLAGS],
    ['DDGSTF without having agreed on it', NONE, buildPdu({ type: cap, data, ddgst: true }), {}, FLAGS],
    ['no HDGSTF although agreed', { hdgst: true, ddgst: false }, buildPdu({ type: cap }), {}, FLAGS],
    [
      'data without DDGSTF although agreed',
      { hdgst: false, ddgst: true },
      buildPdu({ type: cap, data }),
      {},
      FLAGS,
    ],
    [
      'data without DDGSTF, and PDO wrong too',
      { hdgst: false, ddgst: true },
      buildPdu({ type: cap, data }),
      { 3: 1 },
      FLAGS,
    ],
    ['flags and HLEN', NONE, buildPdu({ type: cap }), { 1: 0x80, 2: 1 }, FLAGS],
    ['HLEN too small', NONE, buildPdu({ type: cap }), { 2: 71 }, HLEN],
    ['HLEN too large', NONE, buildPdu({ type: cap }), { 2: 73 }, HLEN],
    ['HLEN 0', NONE, buildPdu({ type: h2c, data }), { 2: 0 }, HLEN],
    ['HLEN and PDO and PLEN', NONE, buildPdu({ type: h2c, data }), { 2: 23, 3: 1, 4: 0, 5: 0 }, HLEN],
    ['HLEN of an ICReq', NONE, icReq(), { 2: 127 }, HLEN],
    ['PDO inside the header', NONE, buildPdu({ type: cap, data }), { 3: 68 }, PDO],
    [
      'PDO inside the header digest',
      { hdgst: true, ddgst: false },
      buildPdu({ type: cap, data, hdgst: true }),
      { 3: 72 },
      PDO,
    ],
    ['PDO not aligned', NONE, buildPdu({ type: cap, data }), { 3: 73 }, PDO],
    ['PDO 0 with data', NONE, buildPdu({ type: h2c, data }), { 3: 0 }, PDO],
    ['PLEN of an ICReq', NONE, icReq(), { 4: 127 }, PLEN],
    ['PLEN less than the header', NONE, buildPdu({ type: cap }), { 4: 71 }, PLEN],
    [
      'PLEN less than header and digest',
      { hdgst: true, ddgst: false },
      buildPdu({ type: cap, hdgst: true }),
      { 4: 75 },
      PLEN,
    ],
    ['PLEN 0', NONE, buildPdu({ type: cap }), { 4: 0 }, PLEN],
    ['PLEN of 4 GiB', NONE, buildPdu({ type: cap, data }), { 4: 0xff, 5: 0xff, 6: 0xff, 7: 0xff }, PLEN],
    ['PLEN ends before the data', NONE, buildPdu({ type: cap, data, align: 128 }), { 4: 100, 5: 0 }, PLEN],
    ['PLEN leaves no byte of data', NONE, buildPdu({ type: cap, data, align: 128 }), { 4: 128, 5: 0 }, PLEN],
    [
      'PLEN leaves the data digest only',
      { hdgst: false, ddgst: true },
      buildPdu({ type: cap, data, ddgst: true }),
      { 4: 76, 5: 0 },
      PLEN,
    ],
    ['H2CData without data', NONE, buildPdu({ type: h2c }), {}, PLEN],
  ];

  it.each(table)('%s', (_name, digests, pdu, changes, field) => {
    const bytes = Buffer.from(pdu);
    for (const [at, value] of Object.entries(changes)) bytes[Number(at)] = value;
    for (const cuts of [[], [1], [7], [8], [8, 9]]) {
      const events = understand(bytes, cuts, digests);
      expect(events).toMatchObject([{ fault: Fes.invalidHeaderField, fei: field }]);
      // at least the common header is quoted, and nothing that was not sent
      const { quoted } = events[0] as { quoted: string };
      expect(quoted.length).toBeGreaterThanOrEqual(16);
      expect(bytes.toString('hex').startsWith(quoted)).toBe(true);
    }
  });

  it('a wrong header digest: FEI is the digest that was received', () => {
    const bytes = buildPdu({ type: cap, hdgst: true, spoilHdgst: 0x8000_0001 });
    const events = understand(bytes, [], { hdgst: true, ddgst: false });
    expect(events).toEqual([
      { fault: Fes.headerDigest, fei: bytes.readUInt32LE(72), quoted: bytes.toString('hex', 0, 72) },
    ]);
  });

  it.each([
    ['HLEN', { 2: 25 }],
    ['PLEN too small', { 4: 23 }],
    ['PLEN too large', { 4: 153 }],
  ])('of an H2CTermReq (%s) is not answered: FES 0', (_name, changes) => {
    const bytes = h2cTermReq(1, 0, Buffer.alloc(24));
    for (const [at, value] of Object.entries(changes)) bytes[Number(at)] = value;
    expect(understand(bytes, [], NONE)).toMatchObject([{ fault: 0 }]);
  });

  it('an H2CTermReq is told by its first 24 bytes, quoted header or not', () => {
    for (const quoted of [0, 24, 128]) {
      const recorder = new Recorder(NONE);
      recorder.push(h2cTermReq(3, 0x1234, Buffer.alloc(quoted)));
      expect(recorder.events).toMatchObject([{ header: PduType.h2cTermReq, dataLength: 0 }]);
      expect((recorder.events[0] as { bytes: string }).bytes.slice(16, 28)).toBe('030034120000');
    }
  });
});
