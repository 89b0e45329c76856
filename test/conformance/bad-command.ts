/** Commands with anything in them: a valid one of every kind to begin with, then fields changed on purpose. */
import {
  AdminOpcode,
  connectSqe,
  disconnectSqe,
  dsmRanges,
  dsmSqe,
  Feature,
  fabricsSqe,
  getLogPageSqe,
  IoOpcode,
  identifySqe,
  ioSqe,
  propertyGetSqe,
  propertySetSqe,
  Sgl,
  setSgl,
  sqe,
} from '../initiator/command.ts';
import { pattern, type Random } from './random.ts';

/** A submission queue entry with its SGL set, and the data that goes in the capsule, if any. */
export interface Draft {
  command: Buffer;
  data: Buffer | null;
}

/** Values at which off-by-one errors, overflows and sign errors live. */
const EDGES = [
  0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 511, 512, 513, 1023, 1024, 4095, 4096, 4097,
  8191, 8192, 8193, 65535, 65536, 65537, 0x00ffffff, 0x01000000, 0x7ffffffe, 0x7fffffff, 0x80000000,
  0x80000001, 0xfffffffe, 0xffffffff,
];

export function edge(random: Random): number {
  return random.pick(EDGES);
}

const none = (command: Buffer): Draft => ({ command, data: null });

function read(command: Buffer, length: number): Draft {
  setSgl(command, Sgl.transport, length);
  return { command, data: null };
}

function inside(command: Buffer, data: Buffer): Draft {
  setSgl(command, Sgl.inCapsule, data.length);
  return { command, data };
}

const ADMIN: readonly ((random: Random) => Draft)[] = [
  (r) =>
    read(
      identifySqe({
        cns: r.pick([0, 1, 2, 3, 5, 6, 7, 8, 0x10, 0x11, 0x12, 0x13, 0x1c, r.below(256)]),
        nsid: r.pick([0, 1, 2, edge(r)]),
        csi: r.below(4),
      }),
      4096,
    ),
  (r) => {
    const length = 4 * (1 + r.below(1024));
    const lid = r.pick([0, 1, 2, 3, 4, 5, 0xc, 0x70, r.below(256)]);
    return read(
      getLogPageSqe({ lid, length, offset: r.chance(2) ? 0 : edge(r), lsp: r.below(16), rae: r.chance(2) }),
      length,
    );
  },
  (r) =>
    none(
      sqe({
        opcode: AdminOpcode.getFeatures,
        nsid: r.below(3),
        cdw: [r.pick([...Object.values(Feature), r.below(256)]) | (r.below(8) << 8)],
      }),
    ),
  (r) => {
    // Not KATO: a short one would end the connection by right.
    const fid = r.pick([
      Feature.numberOfQueues,
      Feature.asyncEvent,
      Feature.volatileWriteCache,
      Feature.hostIdentifier,
      Feature.hostBehavior,
      0x7b,
    ]);
    return none(sqe({ opcode: AdminOpcode.setFeatures, cdw: [fid | (r.chance(4) ? 1 << 31 : 0), edge(r)] }));
  },
  () => none(sqe({ opcode: AdminOpcode.keepAlive })),
  (r) => none(sqe({ opcode: AdminOpcode.abort, cdw: [((r.below(0x400) << 16) | r.below(3)) >>> 0] })),
  (r) =>
    r.chance(4)
      ? none(sqe({ opcode: AdminOpcode.asyncEvent }))
      : none(sqe({ opcode: AdminOpcode.keepAlive })),
  (r) => none(propertyGetSqe(r.pick([0, 8, 0x14, 0x1c, 0x20, edge(r)]), r.pick([4, 8]))),
  (r) => none(propertySetSqe(r.pick([0, 8, 0x1c, 0x20, edge(r)]), edge(r), r.pick([4, 8]))),
  (r) => inside(connectSqe({ qid: r.below(3), sqsize: edge(r) & 0xffff }), pattern(1024, r.next())),
  (r) => none(fabricsSqe(r.pick([5, 6, 9, r.below(256)]))),
  (r) => none(sqe({ opcode: r.below(256), nsid: edge(r), cdw: [edge(r), edge(r), edge(r)] })),
];

const IO: readonly ((random: Random) => Draft)[] = [
  (r) => {
    const blocks = 1 + r.below(16);
    return read(ioSqe(IoOpcode.read, 1, r.below(4096), blocks), blocks * 512);
  },
  (r) => {
    const blocks = 1 + r.below(8);
    return inside(
      ioSqe(r.pick([IoOpcode.write, IoOpcode.compare]), 1, r.below(4096), blocks),
      pattern(blocks * 512, r.next()),
    );
  },
  (r) => read(ioSqe(IoOpcode.read, 2, r.below(64), 1), 4096),
  (r) => inside(ioSqe(IoOpcode.write, 2, r.below(64), 1), pattern(4096, r.next())),
  () => none(sqe({ opcode: IoOpcode.flush, nsid: 1 })),
  (r) => none(ioSqe(IoOpcode.writeZeroes, 1, r.below(8192), 1 + r.below(4096))),
  (r) => {
    const ranges = 1 + r.below(16);
    return inside(
      dsmSqe(1, ranges),
      dsmRanges(Array.from({ length: ranges }, () => ({ slba: r.below(8192), blocks: r.below(64) }))),
    );
  },
  (r) => {
    // Half a fused pair, or the wrong half.
    const command = ioSqe(r.pick([IoOpcode.compare, IoOpcode.write]), 1, 0, 1);
    command[1] |= 1 + r.below(3);
    return inside(command, pattern(512, r.next()));
  },
  (r) => {
    // Solicited: whether the R2T is answered is the sender's business.
    const blocks = 1 + r.below(64);
    return read(ioSqe(IoOpcode.write, 1, r.below(4096), blocks), blocks * 512);
  },
  (r) => none(sqe({ opcode: r.below(256), nsid: edge(r), cdw: [edge(r), edge(r), edge(r)] })),
];

export function draftAdmin(random: Random): Draft {
  return random.pick(ADMIN)(random);
}

export function draftIo(random: Random): Draft {
  return random.pick(IO)(random);
}

/** Opcodes and properties that end or change the association by right; the abuse of them is tested elsewhere. */
function isFarewell(command: Buffer): boolean {
  return (
    command[0] === AdminOpcode.fabrics &&
    (command[4] === 8 || (command[4] === 0 && command.readUInt32LE(44) === 0x14))
  );
}

/** Changes the command in one to three ways. Framing stays right: the target must answer with a status. */
export function spoilCommand(draft: Draft, random: Random): Draft {
  const command = Buffer.from(draft.command);
  for (let times = 1 + random.below(3); times > 0; times--) {
    switch (random.below(9)) {
      case 0:
        command[random.below(64)] = random.below(256);
        break;
      case 1:
        command[random.below(64)] ^= 1 << random.below(8);
        break;
      case 2:
        command.writeUInt32LE(edge(random), 4);
        break;
      case 3:
      case 4:
        command.writeUInt32LE(edge(random), 40 + 4 * random.below(6));
        break;
      case 5:
        command.writeUInt32LE(edge(random), 32);
        break;
      case 6:
        command[39] = random.pick([0, 1, 0x10, 0x20, 0x30, 0x40, 0x41, 0x5a, 0x5b, 0xf0, random.below(256)]);
        break;
      case 7:
        command.writeUInt32LE(edge(random), 24 + 4 * random.below(2));
        break;
      default:
        command[1] = random.below(256);
    }
  }
  if (isFarewell(command) && !random.chance(8))
    command[0] = draft.command[0] === AdminOpcode.fabrics ? 0x18 : draft.command[0];
  let data = draft.data;
  if (data && random.chance(6)) data = data.subarray(0, 4 * random.below(data.length / 4));
  if (!data && random.chance(12)) data = pattern(4 * (1 + random.below(1024)), random.next());
  return { command, data: data && data.length > 0 ? data : null };
}

/** Disconnect, reset and shutdown: used rarely, each ends a connection or its I/O. */
export function draftFarewell(random: Random): Draft {
  return none(
    random.pick([
      disconnectSqe(random.below(2)),
      propertySetSqe(0x14, edge(random)),
      propertySetSqe(0x14, 0x00464001),
    ]),
  );
}
