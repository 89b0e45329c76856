/** The Discovery log page, LID 70h (NVMe base 2.0 section 5.16.1.23, figures 264 to 266; NVMe/TCP for TSAS). */
import { ascii, encodeFields, u8, u16, u64 } from './layout.ts';
import { NQN_FIELD_BYTES, writeNqn } from './nqn.ts';

/** TRTYPE. */
export const TransportType = { rdma: 1, fc: 2, tcp: 3 } as const;
/** ADRFAM. */
export const AddressFamily = { ipv4: 1, ipv6: 2 } as const;
/** SUBTYPE. */
export const SubsystemType = {
  /** A referral to another discovery service. */
  discovery: 1,
  nvm: 2,
  /** The discovery service that answers. */
  currentDiscovery: 3,
} as const;
/** TREQ: bits 1:0 the secure channel, bit 2 whether SQ flow control may be disabled. */
export const TransportRequirements = {
  secureNotSpecified: 0,
  secureRequired: 1,
  secureNotRequired: 2,
  sqFlowControlDisable: 4,
} as const;
/** SECTYPE, the first byte of TSAS for TCP (NVMe/TCP figure 14). */
export const TcpSecurity = { none: 0, tls12: 1, tls13: 2 } as const;
/** CNTLID of a subsystem with dynamic controllers. */
export const DYNAMIC_CNTLID = 0xffff;

/** Size of the header and of each entry. */
export const DISCOVERY_RECORD_BYTES = 1024;

const HEADER_LAYOUT = {
  genctr: u64(0),
  numrec: u64(8),
  /** 0: entries as below. */
  recfmt: u16(16),
};

const ENTRY_LAYOUT = {
  trtype: u8(0),
  adrfam: u8(1),
  subtype: u8(2),
  treq: u8(3),
  portid: u16(4),
  cntlid: u16(6),
  asqsz: u16(8),
  eflags: u16(10),
  trsvcid: ascii(32, 32),
  subnqn: {
    offset: 256,
    bytes: NQN_FIELD_BYTES,
    write: (buf: Buffer, at: number, nqn: string) => writeNqn(nqn, buf, at),
  },
  traddr: ascii(512, 256),
  sectype: u8(768),
};

/** One way to reach one subsystem; fields as the specification abbreviates them. */
export interface DiscoveryEntry {
  trtype: number;
  adrfam: number;
  subtype: number;
  treq: number;
  portid: number;
  cntlid: number;
  /** Largest admin queue, at least 32 entries. */
  asqsz: number;
  eflags: number;
  /** TCP port in decimal. */
  trsvcid: string;
  subnqn: string;
  /** Numeric address. */
  traddr: string;
  /** TSAS: {@link TcpSecurity}. */
  sectype: number;
}

export interface DiscoveryLog {
  /** Grows with each change of the log. */
  genctr: number | bigint;
  entries: readonly DiscoveryEntry[];
}

/** Size of the page. */
export function discoveryLogBytes(log: DiscoveryLog): number {
  return (1 + log.entries.length) * DISCOVERY_RECORD_BYTES;
}

/**
 * Fills `out` with the part of the page that begins at `offset` (LPO); zeroes past the end of the page. Only the
 * records of that part are encoded: a host reads thousands of entries 4 KiB at a time.
 */
export function encodeDiscoveryLog(log: DiscoveryLog, offset: number, out: Buffer): void {
  out.fill(0);
  const end = Math.min(offset + out.length, discoveryLogBytes(log));
  const record = Buffer.alloc(DISCOVERY_RECORD_BYTES);
  for (let at = offset; at < end; ) {
    const index = Math.floor(at / DISCOVERY_RECORD_BYTES);
    const start = at - index * DISCOVERY_RECORD_BYTES;
    record.fill(0);
    if (index === 0)
      encodeFields(HEADER_LAYOUT, { genctr: log.genctr, numrec: log.entries.length, recfmt: 0 }, record);
    else encodeFields(ENTRY_LAYOUT, log.entries[index - 1]!, record);
    const length = Math.min(DISCOVERY_RECORD_BYTES - start, end - at);
    record.copy(out, at - offset, start, start + length);
    at += length;
  }
}
