/** What a controller sends, byte by byte (NVMe/TCP Transport Specification 1.0 section 3.6). */
import { describe, expect, it } from 'vitest';
import {
  buildC2hTermReq,
  writeC2hDataHeader,
  writeCapsuleResp,
  writeIcResp,
  writeR2t,
} from '../../src/wire/pdu.ts';
import { firstDifference, goldenPage } from './golden-page.ts';

/** The writers write into memory that was used before. */
function dirty(size: number): Buffer {
  return Buffer.alloc(size + 16, 0xa5);
}

function untouched(buf: Buffer, from: number): boolean {
  return buf.subarray(from).every((byte) => byte === 0xa5);
}

describe('ICResp', () => {
  it('is 128 bytes: PFV 0, CPDA, digests, MAXH2CDATA, all else 0', () => {
    const buf = dirty(128);
    expect(writeIcResp(buf, 0, 3, 3, 0x0010_0000)).toBe(128);
    const golden = goldenPage(128, [
      [0, '01 00 80 00 80000000'],
      [10, '03 03 00001000'],
    ]);
    expect(firstDifference(buf.subarray(0, 128), golden)).toBeNull();
    expect(untouched(buf, 128)).toBe(true);
  });
});

describe('CapsuleResp', () => {
  it('is the header and 16 bytes of completion, without phase tag and SQID', () => {
    const buf = dirty(24);
    // status 3h/02h with DNR: 4302h in bits 15:1
    writeCapsuleResp(buf, 4, false, 0x1122_3344, 0x5566_7788, 0xabcd, 0xfeff, 0x4302);
    expect(buf.toString('hex', 4, 28)).toBe('05001800180000004433221188776655cdab0000fffe0486');
    expect(untouched(buf, 28)).toBe(true);
    expect(buf.toString('hex', 0, 4)).toBe('a5a5a5a5');
  });

  it('with header digest says so in FLAGS and PLEN, and leaves the digest to the caller', () => {
    const buf = dirty(24);
    writeCapsuleResp(buf, 0, true, 0, 0, 0xffff, 0, 0);
    expect(buf.toString('hex', 0, 24)).toBe('050118001c0000000000000000000000ffff000000000000');
    expect(untouched(buf, 24)).toBe(true);
  });

  it('keeps values with the top bit set', () => {
    const buf = dirty(24);
    writeCapsuleResp(buf, 0, false, 0xffff_ffff, 0x8000_0000, 0xffff, 0xffff, 0x7fff);
    expect(buf.toString('hex', 8, 24)).toBe('ffffffff00000080ffff0000fffffeff');
  });
});

describe('C2HData', () => {
  it('names command, offset and length; reserved bytes are 0', () => {
    const buf = dirty(24);
    writeC2hDataHeader(buf, 0, 0x0f, 0x80, 0x0001_0084, 0x1234, 0x8000_0000, 0x0001_0000);
    expect(buf.toString('hex', 0, 24)).toBe('070f188084000100341200000000008000000100' + '00000000');
    expect(untouched(buf, 24)).toBe(true);
  });
});

describe('R2T', () => {
  it('names command, transfer tag, offset and length', () => {
    const buf = dirty(24);
    writeR2t(buf, 0, false, 0xbeef, 0x0102, 0, 0x0010_0000);
    expect(buf.toString('hex', 0, 24)).toBe('0900180018000000efbe0201000000000000100000000000');
    writeR2t(buf, 0, true, 0xbeef, 0x0102, 0, 0x0010_0000);
    expect(buf.toString('hex', 0, 8)).toBe('090118001c000000');
    expect(untouched(buf, 24)).toBe(true);
  });
});

describe('C2HTermReq', () => {
  it('carries FES, FEI and the header it is about', () => {
    const header = Buffer.from('04004800480000000102030405060708', 'hex');
    expect(buildC2hTermReq(1, 0x8000_0002, header).toString('hex')).toBe(
      `0300180028000000${'0100'}${'02000080'}${'00'.repeat(10)}${header.toString('hex')}`,
    );
  });

  it('quotes at most 128 bytes', () => {
    for (const length of [0, 1, 127, 128, 129, 400]) {
      const pdu = buildC2hTermReq(2, 0, Buffer.alloc(length, 0x77));
      expect(pdu.length).toBe(24 + Math.min(length, 128));
      expect(pdu.readUInt32LE(4)).toBe(pdu.length);
      expect(pdu[2]).toBe(24);
    }
  });
});
