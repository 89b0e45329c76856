/** The Asymmetric Namespace Access log page, LID 0Ch (NVMe base 2.0 section 5.16.1.13, figures 219 and 220). */
import { writeU64 } from './layout.ts';

/** State of an ANA group (base figure 220). */
export type AnaStateCode = (typeof AnaStateCode)[keyof typeof AnaStateCode];
export const AnaStateCode = {
  optimized: 0x1,
  nonOptimized: 0x2,
  inaccessible: 0x3,
  persistentLoss: 0x4,
  change: 0xf,
} as const;

export interface AnaGroupDescriptor {
  /** 1 .. ANAGRPMAX. */
  anagrpid: number;
  /** Grows with each change of this group; 0 when changes are not counted. */
  changeCount: number | bigint;
  state: AnaStateCode;
  /** Attached namespaces of the group, ascending. */
  nsids: readonly number[];
}

export interface AnaLog {
  /** Grows with each change of the log page. */
  changeCount: number | bigint;
  /** Ascending by id; the specification wants the groups that hold an attached namespace. */
  groups: readonly AnaGroupDescriptor[];
}

const HEADER_BYTES = 16;
const DESCRIPTOR_BYTES = 32;

/** Size of the page. `groupsOnly` is RGO, Return Groups Only: no namespace ids. */
export function anaLogBytes(log: AnaLog, groupsOnly: boolean): number {
  let bytes = HEADER_BYTES + log.groups.length * DESCRIPTOR_BYTES;
  if (!groupsOnly) for (const group of log.groups) bytes += group.nsids.length * 4;
  return bytes;
}

/** Largest page that a controller with these limits can return; what a host allocates. */
export function anaLogMaxBytes(nanagrpid: number, mnan: number): number {
  return HEADER_BYTES + nanagrpid * DESCRIPTOR_BYTES + mnan * 4;
}

export function encodeAnaLog(log: AnaLog, groupsOnly: boolean): Buffer {
  const buf = Buffer.alloc(anaLogBytes(log, groupsOnly));
  writeU64(buf, 0, log.changeCount);
  buf.writeUInt16LE(log.groups.length, 8);
  let at = HEADER_BYTES;
  for (const group of log.groups) {
    const nsids = groupsOnly ? [] : group.nsids;
    buf.writeUInt32LE(group.anagrpid, at);
    buf.writeUInt32LE(nsids.length, at + 4);
    writeU64(buf, at + 8, group.changeCount);
    buf.writeUInt8(group.state, at + 16);
    at += DESCRIPTOR_BYTES;
    for (const nsid of nsids) {
      buf.writeUInt32LE(nsid, at);
      at += 4;
    }
  }
  return buf;
}
