import { describe, expect, it } from 'vitest';
import { AnaStateCode, anaLogBytes, anaLogMaxBytes, encodeAnaLog } from '../../src/wire/ana-log.ts';
import {
  Effects,
  encodeChangedNamespaceList,
  encodeCommandEffectsLog,
  encodeErrorLog,
  encodeFeatureEffectsLog,
  encodeFirmwareSlotLog,
  encodeSmartLog,
  encodeSupportedLogPages,
  LogPageSupport,
} from '../../src/wire/log-pages.ts';
import { firstDifference, goldenPage } from './golden-page.ts';

describe('error information', () => {
  const entry = {
    errorCount: 0x0102_0304_0506_0708n,
    sqid: 0x1112,
    cid: 0x1314,
    status: 0x4004,
    parameterErrorLocation: 0xffff,
    lba: 2 ** 33 + 5,
    nsid: 0x21222324,
    vendorLogPage: 0x80,
    trtype: 3,
    csi: 1,
    opcode: 2,
    commandSpecific: 7,
    transportSpecific: 0x3132,
    version: 1,
  };
  const places = (base: number): [number, string][] => [
    [
      base,
      '0807060504030201 1211 1413 0440 ffff 0500000002000000 24232221 80 03 01 02 0700000000000000 3231',
    ],
    [base + 63, '01'],
  ];

  it('puts the newest entry first and leaves empty slots zero', () => {
    const log = encodeErrorLog([entry, { errorCount: 9 }], 4);
    expect(firstDifference(log, goldenPage(256, [...places(0), [64, '09']]))).toBeNull();
  });

  it('shows no more entries than it has slots', () => {
    expect(
      firstDifference(
        encodeErrorLog([entry, entry, entry], 2),
        goldenPage(128, [...places(0), ...places(64)]),
      ),
    ).toBeNull();
    expect(encodeErrorLog([], 1)).toEqual(Buffer.alloc(64));
  });
});

it('SMART / health information has its fields at their offsets', () => {
  const log = encodeSmartLog({
    criticalWarning: 0x08,
    compositeTemperature: 310,
    availableSpare: 100,
    availableSpareThreshold: 10,
    percentageUsed: 3,
    enduranceGroupCriticalWarning: 1,
    dataUnitsRead: 2 ** 40,
    dataUnitsWritten: 1n << 70n,
    hostReadCommands: 1,
    hostWriteCommands: 2,
    controllerBusyTime: 3,
    powerCycles: 4,
    powerOnHours: 5,
    unsafeShutdowns: 6,
    mediaErrors: 7,
    errorLogEntries: 8,
    warningTemperatureTime: 9,
    criticalTemperatureTime: 10,
  });
  const expected = goldenPage(512, [
    [0, '08 3601 64 0a 03 01'],
    [32, '00000000000100000000000000000000'],
    [48, '00000000000000004000000000000000'],
    [64, '01'],
    [80, '02'],
    [96, '03'],
    [112, '04'],
    [128, '05'],
    [144, '06'],
    [160, '07'],
    [176, '08'],
    [192, '09000000'],
    [196, '0a000000'],
  ]);
  expect(firstDifference(log, expected)).toBeNull();
});

it('firmware slot information names slot 1', () => {
  const expected = goldenPage(512, [
    [0, '01'],
    [8, '302e312e30202020'],
  ]);
  expect(firstDifference(encodeFirmwareSlotLog('0.1.0'), expected)).toBeNull();
});

describe('changed namespace list', () => {
  it('is ascending, whatever the order of the changes', () => {
    const expected = goldenPage(4096, [[0, '02000000 09000000 0a000000 2c010000']]);
    expect(firstDifference(encodeChangedNamespaceList(new Set([300, 9, 10, 2])), expected)).toBeNull();
    expect(encodeChangedNamespaceList([])).toEqual(Buffer.alloc(4096));
  });

  it('says FFFFFFFFh alone when 1025 changed', () => {
    const ids = Array.from({ length: 1025 }, (_, i) => i + 1);
    expect(firstDifference(encodeChangedNamespaceList(ids), goldenPage(4096, [[0, 'ffffffff']]))).toBeNull();
    const full = encodeChangedNamespaceList(ids.slice(0, 1024));
    expect(full.readUInt32LE(0)).toBe(1);
    expect(full.readUInt32LE(4092)).toBe(1024);
  });
});

describe('tables of what is supported', () => {
  it('commands by opcode, admin and I/O', () => {
    const log = encodeCommandEffectsLog(
      [
        [0x06, Effects.supported],
        [0xff, 0x8000_0001],
      ],
      new Map([[0x01, Effects.supported | Effects.contentChange]]),
    );
    const expected = goldenPage(4096, [
      [0x06 * 4, '01000000'],
      [0xff * 4, '01000080'],
      [1024 + 4, '03000000'],
    ]);
    expect(firstDifference(log, expected)).toBeNull();
  });

  it('features by identifier', () => {
    const log = encodeFeatureEffectsLog([
      [0x0f, Effects.supported | Effects.controllerScope],
      [0x84, Effects.supported | Effects.namespaceScope],
    ]);
    const expected = goldenPage(1024, [
      [0x0f * 4, '01002000'],
      [0x84 * 4, '01001000'],
    ]);
    expect(firstDifference(log, expected)).toBeNull();
  });

  it('log pages by identifier', () => {
    const log = encodeSupportedLogPages([
      [0x00, LogPageSupport.supported],
      [0x0c, LogPageSupport.supported | LogPageSupport.indexOffset],
    ]);
    const expected = goldenPage(1024, [
      [0, '01000000'],
      [0x0c * 4, '03000000'],
    ]);
    expect(firstDifference(log, expected)).toBeNull();
  });

  it('refuses an identifier past 255', () => {
    expect(() => encodeSupportedLogPages([[256, 1]])).toThrow(RangeError);
  });
});

describe('ANA log', () => {
  const log = {
    changeCount: 2 ** 32 + 3,
    groups: [
      { anagrpid: 1, changeCount: 5, state: AnaStateCode.optimized, nsids: [1, 7] },
      { anagrpid: 2, changeCount: 0, state: AnaStateCode.change, nsids: [] },
      { anagrpid: 0x0100, changeCount: 1n << 40n, state: AnaStateCode.inaccessible, nsids: [0x01020304] },
    ],
  };

  it('lists the groups with their namespaces', () => {
    const expected = goldenPage(16 + 3 * 32 + 3 * 4, [
      [0, '0300000001000000 0300'],
      [16, '01000000 02000000 0500000000000000 01'],
      [48, '01000000 07000000'],
      [56, '02000000 00000000 0000000000000000 0f'],
      [88, '00010000 01000000 0000000000010000 03'],
      [120, '04030201'],
    ]);
    expect(firstDifference(encodeAnaLog(log, false), expected)).toBeNull();
    expect(anaLogBytes(log, false)).toBe(expected.length);
  });

  it('lists the groups only, with no namespaces counted', () => {
    const expected = goldenPage(16 + 3 * 32, [
      [0, '0300000001000000 0300'],
      [16, '01000000 00000000 0500000000000000 01'],
      [48, '02000000 00000000 0000000000000000 0f'],
      [80, '00010000 00000000 0000000000010000 03'],
    ]);
    expect(firstDifference(encodeAnaLog(log, true), expected)).toBeNull();
    expect(anaLogBytes(log, true)).toBe(expected.length);
  });

  it('never passes the size that a host allocates', () => {
    const nsids = Array.from({ length: 4096 }, (_, i) => i + 1);
    const groups = Array.from({ length: 128 }, (_, i) => ({
      anagrpid: i + 1,
      changeCount: 1,
      state: AnaStateCode.optimized,
      nsids: nsids.slice(i * 32, (i + 1) * 32),
    }));
    expect(anaLogMaxBytes(128, 4096)).toBe(16 + 128 * 32 + 4096 * 4);
    expect(anaLogBytes({ changeCount: 1, groups }, false)).toBe(anaLogMaxBytes(128, 4096));
    expect(encodeAnaLog({ changeCount: 0, groups: [] }, false)).toEqual(Buffer.alloc(16));
  });
});
