import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AddressFamily,
  type DiscoveryEntry,
  type DiscoveryLog,
  DYNAMIC_CNTLID,
  discoveryLogBytes,
  encodeDiscoveryLog,
  SubsystemType,
  TcpSecurity,
  TransportRequirements,
  TransportType,
} from '../../src/wire/discovery-log.ts';
import { firstDifference, goldenPage, textHex } from './golden-page.ts';

const entry: DiscoveryEntry = {
  trtype: TransportType.tcp,
  adrfam: AddressFamily.ipv4,
  subtype: SubsystemType.nvm,
  treq: TransportRequirements.secureNotRequired | TransportRequirements.sqFlowControlDisable,
  portid: 0x0102,
  cntlid: DYNAMIC_CNTLID,
  asqsz: 32,
  eflags: 3,
  trsvcid: '4420',
  subnqn: 'nqn.2026-11.io.anagate:demo',
  traddr: '192.0.2.17',
  sectype: TcpSecurity.tls13,
};
const v6: DiscoveryEntry = {
  ...entry,
  adrfam: AddressFamily.ipv6,
  subtype: SubsystemType.currentDiscovery,
  treq: 0,
  portid: 2,
  eflags: 0,
  trsvcid: '8009',
  subnqn: 'nqn.2014-08.org.nvmexpress.discovery',
  traddr: 'fd00::1',
  sectype: TcpSecurity.none,
};
const log: DiscoveryLog = { genctr: 2 ** 32 + 9, entries: [entry, v6] };

/** Figures 264 to 266 of the base specification, byte by byte. */
const expected = goldenPage(3072, [
  [0, '0900000001000000'],
  [8, '0200000000000000'],
  [1024, '03 01 02 06 0201 ffff 2000 0300'],
  [1024 + 32, textHex('4420', 32, 0x20)],
  [1024 + 256, textHex('nqn.2026-11.io.anagate:demo', 256, 0)],
  [1024 + 512, textHex('192.0.2.17', 256, 0x20)],
  [1024 + 768, '02'],
  [2048, '03 02 03 00 0200 ffff 2000 0000'],
  [2048 + 32, textHex('8009', 32, 0x20)],
  [2048 + 256, textHex('nqn.2014-08.org.nvmexpress.discovery', 256, 0)],
  [2048 + 512, textHex('fd00::1', 256, 0x20)],
]);

describe('encodeDiscoveryLog', () => {
  it('is the page of the specification', () => {
    const out = Buffer.alloc(discoveryLogBytes(log), 0xff);
    encodeDiscoveryLog(log, 0, out);
    expect(firstDifference(out, expected)).toBeNull();
  });

  it('gives any part of the page, and zeroes past its end', () => {
    fc.assert(
      fc.property(fc.nat(4000), fc.nat(4000), (offset, length) => {
        const out = Buffer.alloc(length, 0xff);
        encodeDiscoveryLog(log, offset, out);
        const part = Buffer.alloc(length);
        expected.copy(part, 0, Math.min(offset, expected.length), offset + length);
        expect(firstDifference(out, part)).toBeNull();
      }),
    );
  });

  it('is a header alone when there is nothing to tell', () => {
    const out = Buffer.alloc(1024, 0xff);
    encodeDiscoveryLog({ genctr: 1, entries: [] }, 0, out);
    expect(firstDifference(out, goldenPage(1024, [[0, '01']]))).toBeNull();
  });

  it('does not encode what is not asked for', () => {
    const broken: DiscoveryLog = { genctr: 1, entries: [entry, { ...entry, traddr: 'x'.repeat(257) }] };
    const out = Buffer.alloc(1024);
    expect(() => encodeDiscoveryLog(broken, 1024, out)).not.toThrow();
    expect(() => encodeDiscoveryLog(broken, 2048, out)).toThrow(RangeError);
  });
});
