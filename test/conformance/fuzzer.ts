/**
 * Seeded, structure-aware fuzzing: episodes of one connection each, that send dozens of PDUs with something wrong in them. Every
 * episode has its own seed (run seed and number), so one that fails can be run alone.
 *
 * What is wrong with a PDU is of two kinds. A wrong *command* leaves the framing right: the target must answer it and a fence command behind the
 * batch. Wrong *framing* may end the connection or turn everything behind it into something else: the episode ends with it.
 */
import { connectData, connectSqe, Feature, IoOpcode, Sgl, setSgl, sqe } from '../initiator/command.ts';
import { type Endpoint, RawConnection } from '../initiator/connection.ts';
import { freshHost, HostController } from '../initiator/controller.ts';
import { buildPdu, h2cDataSpecific, h2cTermReq, icReq, PduFlag, PduType } from '../initiator/pdu.ts';
import type { Pdu } from '../initiator/pdu-parser.ts';
import { type Draft, draftAdmin, draftFarewell, draftIo, edge, spoilCommand } from './bad-command.ts';
import { pattern, Random } from './random.ts';

export interface FuzzOptions {
  endpoint: Endpoint;
  subnqn: string;
  seed: number;
  /** Mutated PDUs to send. */
  count: number;
  /** Episodes at a time. */
  parallel?: number;
  /** The first episode; to run one again alone. */
  firstEpisode?: number;
  onProgress?: (report: FuzzReport) => void;
}

export interface FuzzReport {
  /** Mutated PDUs sent on connections that were open. */
  pdus: number;
  connections: number;
  /** Completions that came back. */
  answered: number;
  /** Connections that ended with a C2HTermReq. */
  terminated: number;
  /** Connections that ended otherwise. */
  closed: number;
  episodes: number;
}

/** The target did not do its part; names the episode. */
export class FuzzFailure extends Error {}

const FENCE_LIMIT_MS = 15_000;
const FENCE_CID = 0xfe00;
const DIGESTS = [
  { hdgst: false, ddgst: false },
  { hdgst: false, ddgst: false },
  { hdgst: true, ddgst: true },
  { hdgst: true, ddgst: false },
  { hdgst: false, ddgst: true },
];

/** Runs episodes until `count` PDUs are sent. Throws {@link FuzzFailure} with the seed and the episode. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const report: FuzzReport = { pdus: 0, connections: 0, answered: 0, terminated: 0, closed: 0, episodes: 0 };
  let next = options.firstEpisode ?? 0;
  let failed = false;
  const worker = async () => {
    while (report.pdus < options.count && !failed) {
      const number = next++;
      const episode = new Episode(
        options,
        new Random(Math.imul(options.seed, 0x01000193) ^ Math.imul(number + 1, 0x85ebca6b)),
        report,
      );
      try {
        await episode.run();
      } catch (cause) {
        failed = true;
        throw new FuzzFailure(`seed ${options.seed}, episode ${number}: ${(cause as Error).message}`, {
          cause,
        });
      }
      report.episodes++;
      if (report.episodes % 500 === 0) options.onProgress?.(report);
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: options.parallel ?? 8 }, worker));
  for (const outcome of workers) if (outcome.status === 'rejected') throw outcome.reason;
  return report;
}

class Episode {
  readonly #options: FuzzOptions;
  readonly #random: Random;
  readonly #report: FuzzReport;
  readonly #digests: { hdgst: boolean; ddgst: boolean };
  #connection!: RawConnection;
  #cid = 0;
  /** R2Ts that nobody answered yet. */
  readonly #r2ts: Pdu[] = [];
  #fence: { cid: number; resolve: () => void } | null = null;
  #fences = 0;
  #terminated = false;

  constructor(options: FuzzOptions, random: Random, report: FuzzReport) {
    this.#options = options;
    this.#random = random;
    this.#report = report;
    this.#digests = random.pick(DIGESTS);
  }

  async run(): Promise<void> {
    const random = this.#random;
    const stage = random.below(20);
    // The I/O stage needs a live controller on connections of its own.
    const owner = stage >= 9 ? await this.#owner() : null;
    try {
      this.#connection = await RawConnection.open(this.#options.endpoint);
      this.#report.connections++;
      if (stage === 0) await this.#spoiledStart();
      else if (await this.#handshake()) {
        this.#connection.onPdu = (pdu) => this.#take(pdu);
        if (stage < 3) await this.#batches(draftAdmin, 1, false);
        else if (owner) {
          if (await this.#connect(owner)) await this.#batches(draftIo, 6, true);
        } else if (await this.#connect(null)) await this.#batches(draftAdmin, 5, true);
      }
      if (this.#terminated) this.#report.terminated++;
      else if (this.#connection.isOver) this.#report.closed++;
    } finally {
      this.#connection?.reset();
      await this.#connection?.ended;
      if (owner) for (const queue of [...owner.io, owner.admin]) queue.connection.reset();
    }
  }

  async #owner(): Promise<HostController> {
    const { endpoint, subnqn } = this.#options;
    const owner = await HostController.connectAdmin({ ...endpoint, subnqn });
    this.#report.connections++;
    await owner.setCc(0x00460001);
    await owner.setFeature(Feature.numberOfQueues, 0x00010001);
    return owner;
  }

  /** Something other than a good ICReq. */
  async #spoiledStart(): Promise<void> {
    const random = this.#random;
    const bytes = random.chance(3)
      ? pattern(1 + random.below(400), random.next())
      : this.#spoilFraming(icReq({ hpda: random.below(64), dgst: random.below(256), pfv: random.below(2) }));
    this.#report.pdus++;
    await this.#write(bytes);
    await this.#endOrPause();
  }

  async #handshake(): Promise<boolean> {
    const hpda = this.#random.chance(4) ? this.#random.below(32) : 0;
    this.#connection.parser.alignment = 4 * (hpda + 1);
    this.#connection.send(icReq({ ...this.#digests, hpda }));
    const pdu = await this.#connection.nextPdu(FENCE_LIMIT_MS);
    if (pdu?.type !== PduType.icResp) throw new Error(`no ICResp to a good ICReq (type ${pdu?.type})`);
    this.#connection.parser.digests = this.#digests;
    return true;
  }

  /** A good Connect, and for an admin queue mostly CC.EN too. */
  async #connect(owner: HostController | null): Promise<boolean> {
    const host = owner ? owner.options : freshHost();
    const command = owner
      ? connectSqe({ qid: 1, sqsize: 63 })
      : connectSqe({ sqsize: 63, cattr: this.#random.chance(4) ? 4 : 0 });
    const data = connectData({ ...host, cntlid: owner?.cntlid ?? 0xffff, subnqn: this.#options.subnqn });
    setSgl(command, Sgl.inCapsule, 1024);
    const answered = this.#nextCompletion();
    this.#sendCapsule({ command, data }, this.#nextCid());
    if (!(await answered)) throw new Error('no answer to a good Connect');
    if (!owner && !this.#random.chance(8)) {
      const enable = sqe({ opcode: 0x7f });
      enable.writeUInt32LE(0x14, 44);
      enable.writeUInt32LE(0x00460001, 48);
      this.#sendCapsule({ command: enable, data: null }, this.#nextCid());
    }
    return true;
  }

  #nextCompletion(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), FENCE_LIMIT_MS);
      this.#fence = {
        cid: -1,
        resolve: () => {
          clearTimeout(timer);
          resolve(true);
        },
      };
    });
  }

  async #batches(draft: (random: Random) => Draft, most: number, fenced: boolean): Promise<void> {
    const random = this.#random;
    for (let batch = 1 + random.below(most); batch > 0; batch--) {
      const pdus: Buffer[] = [];
      let broken = false;
      for (let i = 4 + random.below(20); i > 0 && !broken; i--) {
        if (random.chance(60)) {
          pdus.push(this.#brokenPdu(draft));
          broken = true;
        } else if (this.#r2ts.length > 0 && random.chance(2)) {
          const [bytes, wrong] = this.#answerR2t(this.#r2ts.shift()!);
          pdus.push(bytes);
          broken = wrong;
        } else {
          const one = random.chance(400) ? draftFarewell(random) : draft(random);
          pdus.push(this.#capsule(random.chance(10) ? one : spoilCommand(one, random), this.#nextCid()));
        }
      }
      this.#report.pdus += pdus.length;
      if (broken || !fenced) {
        await this.#write(Buffer.concat(pdus));
        await this.#endOrPause();
        return;
      }
      const passed = this.#raiseFence(pdus);
      await this.#write(Buffer.concat(pdus));
      if (!(await passed) || this.#connection.isOver) return;
    }
  }

  /** Adds a command that must be answered and a promise of its answer, or of the end of the connection. */
  #raiseFence(pdus: Buffer[]): Promise<boolean> {
    const cid = FENCE_CID + (this.#fences++ & 0xff);
    const command = sqe({ opcode: IoOpcode.flush, nsid: 1 });
    pdus.push(this.#capsule({ command, data: null }, cid));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error('the fence command was not answered: the connection hangs')),
        FENCE_LIMIT_MS,
      );
      const done = () => {
        clearTimeout(timer);
        resolve(!this.#connection.isOver);
      };
      this.#fence = { cid, resolve: done };
      void this.#connection.ended.then(done);
    });
  }

  #take(pdu: Pdu): void {
    if (pdu.faults.length > 0) {
      this.#connection.socket.destroy(new Error(`wrong PDU from the target: ${pdu.faults.join(', ')}`));
      throw new FuzzFailure(`wrong PDU from the target: ${pdu.faults.join(', ')}`);
    }
    if (pdu.type === PduType.r2t) this.#r2ts.push(pdu);
    else if (pdu.type === PduType.c2hTermReq) {
      this.#terminated = true;
      this.#connection.reset();
    } else if (pdu.type === PduType.capsuleResp) {
      this.#report.answered++;
      const fence = this.#fence;
      if (fence && (fence.cid === -1 || fence.cid === pdu.header.readUInt16LE(20))) {
        this.#fence = null;
        fence.resolve();
      }
    }
  }

  #nextCid(): number {
    // Now and then a CID that is in use already.
    if (!this.#random.chance(50)) this.#cid = (this.#cid + 1) % 0xfd00;
    return this.#cid;
  }

  #capsule(draft: Draft, cid: number): Buffer {
    draft.command.writeUInt16LE(cid, 2);
    const spoil = draft.data && this.#random.chance(25) ? { spoilDdgst: 1 } : {};
    return buildPdu({
      type: PduType.capsuleCmd,
      specific: draft.command,
      ...(draft.data ? { data: draft.data } : {}),
      ...this.#digests,
      ...spoil,
    });
  }

  #sendCapsule(draft: Draft, cid: number): void {
    this.#connection.send(this.#capsule(draft, cid));
  }

  /** Right, or wrong in a way that must end the connection. */
  #answerR2t(r2t: Pdu): [Buffer, boolean] {
    const random = this.#random;
    let [cccid, ttag] = [r2t.header.readUInt16LE(8), r2t.header.readUInt16LE(10)];
    let offset = r2t.header.readUInt32LE(12);
    const length = r2t.header.readUInt32LE(16);
    let data = pattern(length, random.next());
    let declared = length;
    let flags: number = PduFlag.last;
    const wrong = random.chance(6);
    if (wrong) {
      switch (random.below(6)) {
        case 0:
          cccid = random.below(0x10000);
          break;
        case 1:
          ttag = random.below(0x10000);
          break;
        case 2:
          offset = edge(random);
          break;
        case 3:
          declared = edge(random);
          break;
        case 4:
          data = data.subarray(0, 4 * random.below(length / 4));
          declared = data.length;
          break;
        default:
          flags = 0;
      }
    }
    const specific = h2cDataSpecific(cccid, ttag, offset, declared);
    const spoil = random.chance(10) ? { spoilDdgst: 1 } : {};
    const whole = buildPdu({ type: PduType.h2cData, flags, specific, data, ...this.#digests, ...spoil });
    if (wrong || length < 64 || random.chance(2)) return [whole, wrong];
    // Several pieces.
    const at = 4 * (1 + random.below(length / 4 - 1));
    const piece = (from: number, to: number) =>
      buildPdu({
        type: PduType.h2cData,
        flags: to === length ? PduFlag.last : 0,
        specific: h2cDataSpecific(cccid, ttag, offset + from, to - from),
        data: data.subarray(from, to),
        ...this.#digests,
      });
    return [Buffer.concat([piece(0, at), piece(at, length)]), false];
  }

  /** A PDU whose framing is wrong, or one that does not belong here. */
  #brokenPdu(draft: (random: Random) => Draft): Buffer {
    const random = this.#random;
    switch (random.below(6)) {
      case 0:
        return buildPdu({
          type: random.below(256),
          flags: random.below(256),
          specific: pattern(random.below(128), random.next()),
        });
      case 1:
        return buildPdu({
          type: PduType.h2cData,
          flags: random.below(16),
          specific: h2cDataSpecific(random.below(64), random.below(64), edge(random), edge(random)),
          data: pattern(4 * random.below(256), random.next()),
          ...this.#digests,
        });
      case 2:
        return h2cTermReq(random.below(8), edge(random), pattern(random.below(160), random.next()));
      case 3:
        return icReq();
      case 4:
        return pattern(1 + random.below(2000), random.next());
      default:
        return this.#spoilFraming(this.#capsule(draft(random), this.#nextCid()));
    }
  }

  /** Changes the header of a PDU without mending its digest, or cuts or repeats it. */
  #spoilFraming(pdu: Buffer): Buffer {
    const random = this.#random;
    const bytes = Buffer.from(pdu);
    switch (random.below(6)) {
      case 0:
        bytes[random.below(8)] = random.below(256);
        break;
      case 1:
        bytes.writeUInt32LE(
          random.chance(2) ? edge(random) : (bytes.length + random.below(64) - 32) >>> 0,
          4,
        );
        break;
      case 2:
        bytes[random.below(bytes.length)] ^= 1 << random.below(8);
        break;
      case 3:
        return bytes.subarray(0, random.below(bytes.length));
      case 4:
        return Buffer.concat([bytes, bytes.subarray(random.below(bytes.length))]);
      default:
        bytes[3] = random.below(256);
    }
    return bytes;
  }

  /** Writes in up to three pieces. */
  async #write(bytes: Buffer): Promise<void> {
    const random = this.#random;
    if (random.chance(3) || bytes.length < 8) {
      this.#connection.send(bytes);
      return;
    }
    const cuts = [random.below(bytes.length), random.below(bytes.length)].sort((x, y) => x - y);
    await this.#connection.sendCut(bytes, cuts, 1);
  }

  /** The target ends the connection, or waits for more bytes of what it takes for a PDU. */
  async #endOrPause(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const pause = new Promise((resolve) => {
      timer = setTimeout(resolve, 3);
    });
    await Promise.race([this.#connection.ended, pause]);
    clearTimeout(timer);
  }
}
