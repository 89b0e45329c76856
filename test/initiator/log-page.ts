/** Log pages as the host reads them. */
import { cString } from './identify-page.ts';

export const LogId = {
  supported: 0x00,
  error: 0x01,
  smart: 0x02,
  firmware: 0x03,
  changedNamespaces: 0x04,
  commandEffects: 0x05,
  ana: 0x0c,
  discovery: 0x70,
} as const;

export const AnaState = {
  optimized: 1,
  nonOptimized: 2,
  inaccessible: 3,
  persistentLoss: 4,
  change: 0xf,
} as const;

export interface AnaGroup {
  id: number;
  changeCount: number;
  state: number;
  /** Empty with RGO. */
  nsids: number[];
}

export interface AnaLog {
  changeCount: number;
  groups: AnaGroup[];
  /** Bytes that header and descriptors take. */
  length: number;
}

/** Strict: throws on any layout that Linux would reject. */
export function parseAnaLog(page: Buffer): AnaLog {
  const count = page.readUInt16LE(8);
  const groups: AnaGroup[] = [];
  let at = 16;
  for (let i = 0; i < count; i++) {
    if (at + 32 > page.length)
      throw new Error(`ANA log: descriptor ${i} of ${count} starts at ${at}, page ${page.length}`);
    const id = page.readUInt32LE(at);
    const namespaces = page.readUInt32LE(at + 4);
    if (id === 0) throw new Error(`ANA log: group id 0 in descriptor ${i}`);
    if (at + 32 + 4 * namespaces > page.length) throw new Error(`ANA log: group ${id} runs past the page`);
    groups.push({
      id,
      changeCount: Number(page.readBigUInt64LE(at + 8)),
      state: page[at + 16] & 0xf,
      nsids: Array.from({ length: namespaces }, (_, k) => page.readUInt32LE(at + 32 + 4 * k)),
    });
    at += 32 + 4 * namespaces;
  }
  return { changeCount: Number(page.readBigUInt64LE(0)), groups, length: at };
}

export interface DiscoveryEntry {
  trtype: number;
  adrfam: number;
  subtype: number;
  treq: number;
  portid: number;
  cntlid: number;
  asqsz: number;
  eflags: number;
  trsvcid: string;
  subnqn: string;
  traddr: string;
  sectype: number;
}

export interface DiscoveryLog {
  generation: bigint;
  count: number;
  recfmt: number;
  entries: DiscoveryEntry[];
}

const trimmed = (page: Buffer, from: number, to: number) => cString(page, from, to).trimEnd();

/** Parses as many entries as `page` holds. */
export function parseDiscoveryLog(page: Buffer): DiscoveryLog {
  const entries: DiscoveryEntry[] = [];
  const count = Number(page.readBigUInt64LE(8));
  for (let i = 0; i < count && 1024 * (i + 2) <= page.length; i++) {
    const entry = page.subarray(1024 * (i + 1), 1024 * (i + 2));
    entries.push({
      trtype: entry[0],
      adrfam: entry[1],
      subtype: entry[2],
      treq: entry[3],
      portid: entry.readUInt16LE(4),
      cntlid: entry.readUInt16LE(6),
      asqsz: entry.readUInt16LE(8),
      eflags: entry.readUInt16LE(10),
      trsvcid: trimmed(entry, 32, 64),
      subnqn: cString(entry, 256, 512),
      traddr: trimmed(entry, 512, 768),
      sectype: entry[768],
    });
  }
  return { generation: page.readBigUInt64LE(0), count, recfmt: page.readUInt16LE(16), entries };
}
