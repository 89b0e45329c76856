import { describe, expect, it } from 'vitest';
import {
  encodeIdentifyController,
  encodeIdentifyNamespace,
  encodeIndependentNamespace,
  encodeNamespaceDescriptors,
  encodeNvmController,
  encodeNvmNamespace,
  IDENTIFY_BYTES,
} from '../../src/wire/identify.ts';
import {
  encodeCommandSetCombinations,
  encodeControllerList,
  encodeNamespaceGranularity,
  encodeNamespaceList,
} from '../../src/wire/identify-lists.ts';
import { firstDifference, goldenPage, textHex } from './golden-page.ts';

const encoded = (encode: (page: Buffer) => void): Buffer => {
  const page = Buffer.alloc(IDENTIFY_BYTES);
  encode(page);
  return page;
};
const golden = (places: readonly (readonly [number, string])[]): Buffer => goldenPage(IDENTIFY_BYTES, places);

describe('encodeIdentifyController', () => {
  it('puts every field where figure 275 of the base specification has it', () => {
    const page = encoded((buf) =>
      encodeIdentifyController(
        {
          vid: 0x0102,
          ssvid: 0x0304,
          sn: 'AG0123456789',
          mn: 'Anagate Controller',
          fr: '1.2.3',
          rab: 6,
          ieee: 0x5cd2e4,
          cmic: 0x0b,
          mdts: 8,
          cntlid: 0xfedc,
          ver: 0x0002_0000,
          rtd3r: 0x11223344,
          rtd3e: 0x55667788,
          oaes: 0x8000_0900,
          ctratt: 0x0000_0041,
          rrls: 0x1001,
          cntrltype: 1,
          fguid: Buffer.from('00112233445566778899aabbccddeeff', 'hex'),
          crdt1: 1,
          crdt2: 0x0200,
          crdt3: 0x0303,
          nvmsr: 1,
          vwci: 2,
          mec: 3,
          oacs: 0x0108,
          acl: 3,
          aerl: 4,
          frmw: 0x17,
          lpa: 0x2e,
          elpe: 127,
          npss: 1,
          avscc: 1,
          apsta: 1,
          wctemp: 343,
          cctemp: 353,
          mtfa: 100,
          hmpre: 0x01020304,
          hmmin: 0x05060708,
          tnvmcap: 0x0123_4567_89ab_cdef_0011_2233_4455_6677n,
          unvmcap: 2 ** 40 + 1,
          rpmbs: 0x0a0b0c0d,
          edstt: 0x0e0f,
          dsto: 1,
          fwug: 0xff,
          kas: 10,
          hctma: 1,
          mntmt: 273,
          mxtmt: 373,
          sanicap: 0xa0000003,
          hmminds: 0x1f2f3f4f,
          hmmaxd: 0x1234,
          nsetidmax: 0x2345,
          endgidmax: 0x3456,
          anatt: 10,
          anacap: 0xc7,
          anagrpmax: 128,
          nanagrpid: 127,
          pels: 0x00010002,
          domainid: 0x4567,
          megcap: 1,
          cqt: 0x5678,
          sqes: 0x66,
          cqes: 0x44,
          maxcmd: 128,
          nn: 0xffff_fffe,
          oncs: 0x000d,
          fuses: 1,
          fna: 2,
          vwc: 5,
          awun: 0x0706,
          awupf: 0x0908,
          icsvscc: 1,
          nwpc: 7,
          acwu: 0x0b0a,
          ocfs: 1,
          sgls: 0x0010_0001,
          mnan: 4096,
          maxdna: 3,
          maxcna: 4095,
          subnqn: 'nqn.2026-11.io.anagate:demo',
          ioccsz: 516,
          iorcsz: 1,
          icdoff: 0x0c0d,
          fcatt: 1,
          msdbd: 1,
          ofcs: 1,
          dctype: 1,
          psd0: {
            mp: 2500,
            mxpsNops: 2,
            enlat: 7,
            exlat: 9,
            rrt: 1,
            rrl: 2,
            rwt: 3,
            rwl: 4,
            idlp: 5,
            ips: 0x80,
            actp: 6,
            apwAps: 0x82,
          },
        },
        buf,
      ),
    );
    expect(
      firstDifference(
        page,
        golden([
          [0, '0201'],
          [2, '0403'],
          [4, textHex('AG0123456789', 20, 0x20)],
          [24, textHex('Anagate Controller', 40, 0x20)],
          [64, '312e322e33202020'],
          [72, '06'],
          [73, 'e4d25c'],
          [76, '0b'],
          [77, '08'],
          [78, 'dcfe'],
          [80, '00000200'],
          [84, '44332211'],
          [88, '88776655'],
          [92, '00090080'],
          [96, '41000000'],
          [100, '0110'],
          [111, '01'],
          [112, '00112233445566778899aabbccddeeff'],
          [128, '0100'],
          [130, '0002'],
          [132, '0303'],
          [253, '01'],
          [254, '02'],
          [255, '03'],
          [256, '0801'],
          [258, '03'],
          [259, '04'],
          [260, '17'],
          [261, '2e'],
          [262, '7f'],
          [263, '01'],
          [264, '01'],
          [265, '01'],
          [266, '5701'],
          [268, '6101'],
          [270, '6400'],
          [272, '04030201'],
          [276, '08070605'],
          [280, '7766554433221100 efcdab8967452301'],
          [296, '0100000000010000 0000000000000000'],
          [312, '0d0c0b0a'],
          [316, '0f0e'],
          [318, '01'],
          [319, 'ff'],
          [320, '0a00'],
          [322, '0100'],
          [324, '1101'],
          [326, '7501'],
          [328, '030000a0'],
          [332, '4f3f2f1f'],
          [336, '3412'],
          [338, '4523'],
          [340, '5634'],
          [342, '0a'],
          [343, 'c7'],
          [344, '80000000'],
          [348, '7f000000'],
          [352, '02000100'],
          [356, '6745'],
          [368, '01'],
          [386, '7856'],
          [512, '66'],
          [513, '44'],
          [514, '8000'],
          [516, 'feffffff'],
          [520, '0d00'],
          [522, '0100'],
          [524, '02'],
          [525, '05'],
          [526, '0607'],
          [528, '0809'],
          [530, '01'],
          [531, '07'],
          [532, '0a0b'],
          [534, '0100'],
          [536, '01001000'],
          [540, '00100000'],
          [544, '03'],
          [560, 'ff0f0000'],
          [768, textHex('nqn.2026-11.io.anagate:demo', 256, 0)],
          [1792, '04020000'],
          [1796, '01000000'],
          [1800, '0d0c'],
          [1802, '01'],
          [1803, '01'],
          [1804, '0100'],
          [1806, '01'],
          [2048, 'c409 00 02 07000000 09000000 01 02 03 04 0500 80 00 0600 82'],
        ]),
      ),
    ).toBeNull();
  });

  it('serves a discovery controller, whose other fields stay zero', () => {
    const page = encoded((buf) =>
      encodeIdentifyController(
        {
          fr: '1.0',
          mdts: 8,
          cntlid: 1,
          ver: 0x0002_0000,
          oaes: 2 ** 31,
          cntrltype: 2,
          maxcmd: 32,
          sgls: 0x0010_0001,
          subnqn: 'nqn.2014-08.org.nvmexpress.discovery',
        },
        buf,
      ),
    );
    const expected = golden([
      [64, '312e302020202020'],
      [77, '08'],
      [78, '0100'],
      [80, '00000200'],
      [92, '00000080'],
      [111, '02'],
      [514, '2000'],
      [536, '01001000'],
      [768, textHex('nqn.2014-08.org.nvmexpress.discovery', 256, 0)],
    ]);
    expect(firstDifference(page, expected)).toBeNull();
  });

  it('refuses values that do not fit', () => {
    const page = Buffer.alloc(IDENTIFY_BYTES);
    for (const fields of [
      { sn: 'x'.repeat(21) },
      { mn: 'Größe' },
      { fr: 'a\0' },
      { cntlid: 65536 },
      { rab: -1 },
      { mnan: 2 ** 32 },
      { tnvmcap: -1 },
      { fguid: Buffer.alloc(15) },
      { subnqn: 'x'.repeat(224) },
    ]) {
      expect(() => encodeIdentifyController(fields, page)).toThrow(RangeError);
    }
  });
});

describe('encodeIdentifyNamespace', () => {
  it('puts every field where figure 97 of the NVM command set specification has it', () => {
    const page = encoded((buf) =>
      encodeIdentifyNamespace(
        {
          nsze: 2 ** 41 + 0x1122,
          ncap: 0x0102_0304_0506_0708n,
          nuse: 3,
          nsfeat: 0x14,
          nlbaf: 1,
          flbas: 1,
          mc: 2,
          dpc: 3,
          dps: 4,
          nmic: 1,
          rescap: 0xff,
          fpi: 0x80,
          dlfeat: 9,
          nawun: 0x0201,
          nawupf: 0x0403,
          nacwu: 0x0605,
          nabsn: 0x0807,
          nabo: 0x0a09,
          nabspf: 0x0c0b,
          noiob: 0x0e0d,
          nvmcap: 2 ** 50,
          npwg: 7,
          npwa: 0x0107,
          npdg: 0x0207,
          npda: 0x0307,
          nows: 0x0407,
          mssrl: 0x0507,
          mcl: 0x01020304,
          msrc: 127,
          nulbaf: 2,
          anagrpid: 0x000a_000b,
          nsattr: 1,
          nvmsetid: 0x1112,
          endgid: 0x1314,
          nguid: Buffer.from('f81d4fae7dec11d0a76500a0c91e6bf6', 'hex'),
          eui64: Buffer.from('0011223344556677', 'hex'),
          lbaf: [{ lbads: 9 }, { ms: 0x0108, lbads: 12, rp: 3 }],
        },
        buf,
      ),
    );
    expect(
      firstDifference(
        page,
        golden([
          [0, '2211000000020000'],
          [8, '0807060504030201'],
          [16, '0300000000000000'],
          [24, '14'],
          [25, '01'],
          [26, '01'],
          [27, '02'],
          [28, '03'],
          [29, '04'],
          [30, '01'],
          [31, 'ff'],
          [32, '80'],
          [33, '09'],
          [34, '0102'],
          [36, '0304'],
          [38, '0506'],
          [40, '0708'],
          [42, '090a'],
          [44, '0b0c'],
          [46, '0d0e'],
          [48, '00000000000004000000000000000000'],
          [64, '0700'],
          [66, '0701'],
          [68, '0702'],
          [70, '0703'],
          [72, '0704'],
          [74, '0705'],
          [76, '04030201'],
          [80, '7f'],
          [82, '02'],
          [92, '0b000a00'],
          [99, '01'],
          [100, '1211'],
          [102, '1413'],
          [104, 'f81d4fae7dec11d0a76500a0c91e6bf6'],
          [120, '0011223344556677'],
          [128, '00000900'],
          [132, '08010c03'],
        ]),
      ),
    ).toBeNull();
  });

  it('holds 64 LBA formats and no more', () => {
    const formats = Array.from({ length: 64 }, () => ({ lbads: 9 }));
    const page = encoded((buf) => encodeIdentifyNamespace({ lbaf: formats }, buf));
    expect(page.readUInt32LE(128 + 63 * 4)).toBe(0x0009_0000);
    expect(page.readUInt32LE(128 + 64 * 4)).toBe(0);
    expect(() => encodeIdentifyNamespace({ lbaf: [...formats, {}] }, page)).toThrow(RangeError);
  });

  it('refuses sizes that are no 64-bit integers', () => {
    const page = Buffer.alloc(IDENTIFY_BYTES);
    for (const nsze of [-1, 0.5, 2 ** 53, Number.NaN, -1n, 1n << 64n]) {
      expect(() => encodeIdentifyNamespace({ nsze }, page)).toThrow(RangeError);
    }
  });
});

describe('I/O command set pages', () => {
  it('Identify Namespace, CNS 08h', () => {
    const page = encoded((buf) =>
      encodeIndependentNamespace(
        {
          nsfeat: 0x10,
          nmic: 1,
          rescap: 2,
          fpi: 3,
          anagrpid: 0x01020304,
          nsattr: 1,
          nvmsetid: 5,
          endgid: 6,
          nstat: 1,
        },
        buf,
      ),
    );
    expect(firstDifference(page, golden([[0, '10 01 02 03 04030201 01 00 0500 0600 01']]))).toBeNull();
  });

  it('NVM Identify Namespace, CNS 05h', () => {
    const page = encoded((buf) =>
      encodeNvmNamespace({ lbstm: 1, pic: 2, pifa: 3, npdgl: 4, nprg: 5, npra: 6, nors: 7, npdal: 8 }, buf),
    );
    const expected = golden([
      [0, '0100000000000000 02 03'],
      [268, '04000000 05000000 06000000 07000000 08000000'],
    ]);
    expect(firstDifference(page, expected)).toBeNull();
  });

  it('NVM Identify Controller, CNS 06h', () => {
    const page = encoded((buf) =>
      encodeNvmController({ vsl: 1, wzsl: 2, wusl: 3, dmrl: 255, dmrsl: 0x0a0b0c0d, dmsl: 2 ** 33 + 1 }, buf),
    );
    expect(firstDifference(page, golden([[0, '01 02 03 ff 0d0c0b0a 0100000002000000']]))).toBeNull();
  });

  it('I/O Command Set combinations, CNS 1Ch', () => {
    const page = encoded((buf) => encodeCommandSetCombinations([1n, 5n], buf));
    expect(firstDifference(page, golden([[0, '0100000000000000 0500000000000000']]))).toBeNull();
  });
});

describe('encodeNamespaceDescriptors', () => {
  const nguid = Buffer.alloc(16, 0xaa);
  const uuid = Buffer.from('f81d4fae7dec11d0a76500a0c91e6bf6', 'hex');

  it('writes all four types in order, without gaps', () => {
    const page = encoded((buf) =>
      encodeNamespaceDescriptors({ eui64: Buffer.alloc(8, 0xbb), nguid, uuid, csi: 0 }, buf),
    );
    const expected = golden([
      [0, `01080000 ${'bb'.repeat(8)}`],
      [12, `02100000 ${'aa'.repeat(16)}`],
      [32, '03100000 f81d4fae7dec11d0a76500a0c91e6bf6'],
      [52, '04010000 00'],
    ]);
    expect(firstDifference(page, expected)).toBeNull();
  });

  it('leaves out what is absent', () => {
    const page = encoded((buf) => encodeNamespaceDescriptors({ uuid, csi: 2 }, buf));
    const expected = golden([
      [0, '03100000 f81d4fae7dec11d0a76500a0c91e6bf6'],
      [20, '04010000 02'],
    ]);
    expect(firstDifference(page, expected)).toBeNull();
  });

  it('refuses an identifier of another length', () => {
    expect(() => encodeNamespaceDescriptors({ nguid: Buffer.alloc(8) }, Buffer.alloc(4096))).toThrow(
      RangeError,
    );
  });
});

describe('lists', () => {
  it('names the namespaces after the given one, sparse ids and all', () => {
    const nsids = [1, 2, 7, 300, 0xfffffffe];
    const list = (after: number): Buffer => encoded((buf) => encodeNamespaceList(nsids, after, buf));
    expect(
      firstDifference(list(0), golden([[0, '01000000 02000000 07000000 2c010000 feffffff']])),
    ).toBeNull();
    expect(firstDifference(list(2), golden([[0, '07000000 2c010000 feffffff']]))).toBeNull();
    expect(firstDifference(list(6), golden([[0, '07000000 2c010000 feffffff']]))).toBeNull();
    expect(list(0xfffffffe).every((byte) => byte === 0)).toBe(true);
  });

  it('gives 4096 namespaces in four full pages', () => {
    const nsids = Array.from({ length: 4096 }, (_, i) => 2 * i + 1);
    const seen: number[] = [];
    for (let after = 0; ; ) {
      const page = Buffer.alloc(IDENTIFY_BYTES);
      const count = encodeNamespaceList(nsids, after, page);
      if (count === 0) break;
      expect(count).toBe(1024);
      for (let i = 0; i < count; i += 1) seen.push(page.readUInt32LE(i * 4));
      after = seen.at(-1)!;
    }
    expect(seen).toEqual(nsids);
  });

  it('counts controllers and begins at the given one', () => {
    const list = (from: number): Buffer => encoded((buf) => encodeControllerList([1, 2, 0x0102], from, buf));
    expect(firstDifference(list(0), golden([[0, '0300 0100 0200 0201']]))).toBeNull();
    expect(firstDifference(list(2), golden([[0, '0200 0200 0201']]))).toBeNull();
    expect(list(0x0103).every((byte) => byte === 0)).toBe(true);
    const many = Array.from({ length: 3000 }, (_, i) => i);
    const page = encoded((buf) => encodeControllerList(many, 10, buf));
    expect(page.readUInt16LE(0)).toBe(2047);
    expect(page.readUInt16LE(4094)).toBe(2056);
  });

  it('writes the granularity list with a 0-based count', () => {
    const page = encoded((buf) =>
      encodeNamespaceGranularity(
        [
          { nszegran: 0x1000, ncapgran: 2 ** 32 },
          { nszegran: 1, ncapgran: 2 },
        ],
        true,
        buf,
      ),
    );
    const expected = golden([
      [0, '01000000 01'],
      [32, '0010000000000000 0000000001000000 0100000000000000 0200000000000000'],
    ]);
    expect(firstDifference(page, expected)).toBeNull();
    expect(() => encodeNamespaceGranularity([], false, page)).toThrow(RangeError);
  });
});
