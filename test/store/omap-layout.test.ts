import { describe, expect, it } from 'vitest';
import {
  decodeHead,
  decodeRecords,
  encodeLogEntry,
  logKey,
  namesChangedSince,
  objectNameOf,
  recordKey,
} from '../../src/store/omap-layout.ts';

function omap(entries: Record<string, string>): Map<string, Uint8Array> {
  return new Map(Object.entries(entries).map(([key, value]) => [key, Buffer.from(value)]));
}

function commits(...entries: [version: number, names: string[]][]): Record<string, string> {
  return Object.fromEntries(
    entries.map(([version, names]) => [
      logKey(version),
      encodeLogEntry(
        version,
        `id-${version}`,
        'gw',
        names.map((key) => ({ key, value: null })),
      ),
    ]),
  );
}

describe('layout of the shared configuration', () => {
  it('has an object for each group, that of no name too', () => {
    expect(objectNameOf('mygroup')).toBe('anagate.mygroup.config');
    expect(objectNameOf('')).toBe('anagate.config');
  });

  it('keeps records apart from the rest, whatever their names', () => {
    const entries = omap({ format: '1', version: '5', [recordKey('version')]: 'a', [recordKey('')]: 'b' });
    expect(decodeRecords(entries)).toEqual(
      new Map([
        ['version', 'a'],
        ['', 'b'],
      ]),
    );
    expect(decodeHead(entries, 'o')).toEqual({ format: 1, version: 5, log: new Map() });
  });

  it('says which records changed since a version', () => {
    const head = decodeHead(
      omap({ format: '1', version: '9', ...commits([7, ['a']], [8, ['b', 'a']], [9, []]) }),
      'o',
    );
    expect(namesChangedSince(head, 6)).toEqual(new Set(['a', 'b']));
    expect(namesChangedSince(head, 8)).toEqual(new Set());
    expect(namesChangedSince(head, 9)).toEqual(new Set());
    expect(namesChangedSince(head, 5)).toBeNull();
  });

  it('does not say it of commits that are too old or too large', () => {
    const names = Array.from({ length: 65 }, (_, i) => `n${i}`);
    const large = decodeHead(omap({ format: '1', version: '2', ...commits([1, ['a']], [2, names]) }), 'o');
    expect(namesChangedSince(large, 1)).toBeNull();
    // 64 later the place in the log is another commit's.
    expect(logKey(2)).toBe(logKey(66));
    const later = decodeHead(omap({ format: '1', version: '66', ...commits([66, ['a']]) }), 'o');
    expect(namesChangedSince(later, 1)).toBeNull();
  });

  it('takes a log that it cannot read for none', () => {
    const head = decodeHead(
      omap({ format: '1', version: '3', 'log.03': '{', 'log.02': '{"version":2}' }),
      'o',
    );
    expect(head.log.size).toBe(0);
  });

  it.each([
    [
      { version: '1' },
      'STATE_CORRUPT',
      /object o does not hold a configuration: its omap key "format" is missing/,
    ],
    [{ format: '1' }, 'STATE_CORRUPT', /"version" is missing/],
    [{ format: '1', version: '-1' }, 'STATE_CORRUPT', /"version" is "-1", no whole number/],
    [{ format: '2', version: '1' }, 'NOT_SUPPORTED', /format 2, written by a newer Anagate/],
    [{ format: '0', version: '1' }, 'NOT_SUPPORTED', /format 0; this Anagate knows formats from 1 on/],
  ])('refuses %j', (entries, code, message) => {
    expect(() => decodeHead(omap(entries as Record<string, string>), 'o')).toThrowError(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});
