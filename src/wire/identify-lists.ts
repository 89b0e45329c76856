/**
 * Identify data structures that are lists (NVMe base 2.0 section 5.17.2). Each encoder writes into a zeroed page of
 * 4096 bytes.
 */
import { encodeFields, u64, writeU64 } from './layout.ts';

/** Namespace ids in one list. */
export const NAMESPACE_LIST_MAX = 1024;
/** Controller ids in one list. */
export const CONTROLLER_LIST_MAX = 2047;
/** I/O command set combinations in CNS 1Ch. */
const COMBINATIONS_MAX = 512;
/** Descriptors in CNS 16h. */
const GRANULARITIES_MAX = 16;

/**
 * Namespace list (CNS 02h, 07h, 10h, 1Ah): of `nsids`, ascending, those greater than `after`, at most 1024.
 * Returns how many were written.
 */
export function encodeNamespaceList(nsids: Iterable<number>, after: number, buf: Buffer): number {
  let count = 0;
  for (const nsid of nsids) {
    if (nsid <= after) continue;
    if (count === NAMESPACE_LIST_MAX) break;
    buf.writeUInt32LE(nsid, count * 4);
    count += 1;
  }
  return count;
}

/**
 * Controller list (CNS 12h, 13h; base figure 137): a count, then of `cntlids`, ascending, those not less than
 * `from`, at most 2047. Returns how many were written.
 */
export function encodeControllerList(cntlids: Iterable<number>, from: number, buf: Buffer): number {
  let count = 0;
  for (const cntlid of cntlids) {
    if (cntlid < from) continue;
    if (count === CONTROLLER_LIST_MAX) break;
    count += 1;
    buf.writeUInt16LE(cntlid, count * 2);
  }
  buf.writeUInt16LE(count, 0);
  return count;
}

/**
 * I/O Command Set data structure, CNS 1Ch (base figure 290): each entry a set of command sets that may be used
 * together, bit n for CSI n. The index of an entry is what Set Features 19h selects.
 */
export function encodeCommandSetCombinations(combinations: readonly bigint[], buf: Buffer): void {
  if (combinations.length > COMBINATIONS_MAX) throw new RangeError('too many command set combinations');
  combinations.forEach((combination, i) => {
    writeU64(buf, i * 8, combination);
  });
}

/** Preferred granularity of namespaces to be created, in bytes; 0 for none. */
export interface NamespaceGranularity {
  nszegran: number | bigint;
  ncapgran: number | bigint;
}

const GRANULARITY_LAYOUT = { nszegran: u64(0), ncapgran: u64(8) };

/**
 * Namespace Granularity List, CNS 16h (base figure 286). With `perFormat` the descriptors belong to the LBA formats
 * with the same index, else the one descriptor to all of them.
 */
export function encodeNamespaceGranularity(
  granularities: readonly NamespaceGranularity[],
  perFormat: boolean,
  buf: Buffer,
): void {
  if (granularities.length < 1 || granularities.length > GRANULARITIES_MAX) {
    throw new RangeError('a namespace granularity list has 1 to 16 descriptors');
  }
  buf.writeUInt32LE(perFormat ? 1 : 0, 0);
  buf.writeUInt8(granularities.length - 1, 4); // 0's based
  granularities.forEach((granularity, i) => {
    encodeFields(GRANULARITY_LAYOUT, granularity, buf, 32 + i * 16);
  });
}
