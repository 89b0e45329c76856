import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileStore, STATE_FILE_NAME } from '../../src/store/file-store.ts';

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'anagate-file-store-'));
  file = join(directory, STATE_FILE_NAME);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('FileStore', () => {
  it('writes a file that people can read and only the owner may', async () => {
    const store = await FileStore.open(directory);
    await store.commit(0, [{ key: 'subsystem_nqn.x', value: '{"serial_number":"1"}' }]);
    const text = await readFile(file, 'utf8');
    expect(JSON.parse(text)).toEqual({
      format: 1,
      version: 1,
      records: { 'subsystem_nqn.x': '{"serial_number":"1"}' },
    });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual([STATE_FILE_NAME]);
  });

  const notState: [string, string][] = [
    ['an empty file', ''],
    ['a cut file', '{"format": 1, "version": 3, "rec'],
    ['binary', '\0\0\0\0'],
    ['another kind of value', '[1]'],
    ['no format', '{"version": 1, "records": {}}'],
    ['a bad version', '{"format": 1, "version": "1", "records": {}}'],
    ['a negative version', '{"format": 1, "version": -1, "records": {}}'],
    ['no records', '{"format": 1, "version": 1}'],
    ['records that are a list', '{"format": 1, "version": 1, "records": []}'],
    ['a record that is no text', '{"format": 1, "version": 1, "records": {"a": {}}}'],
  ];
  it.each(notState)('refuses %s with STATE_CORRUPT, names the file and leaves it alone', async (_, text) => {
    await writeFile(file, text);
    await expect(FileStore.open(directory)).rejects.toMatchObject({
      code: 'STATE_CORRUPT',
      message: expect.stringContaining(file),
    });
    expect(await readFile(file, 'utf8')).toBe(text);
    expect(await readdir(directory)).toEqual([STATE_FILE_NAME]);
  });

  it('refuses the format of a newer Anagate and says so', async () => {
    const text = '{"format": 2, "version": {"new": true}}';
    await writeFile(file, text);
    await expect(FileStore.open(directory)).rejects.toMatchObject({
      code: 'NOT_SUPPORTED',
      message: expect.stringMatching(/format 2.*newer Anagate.*up to 1/),
    });
    expect(await readFile(file, 'utf8')).toBe(text);
  });

  it('ignores and overwrites what a killed writer left beside the file', async () => {
    await writeFile(`${file}.new`, '{"half');
    const store = await FileStore.open(directory);
    expect((await store.load()).version).toBe(0);
    await store.commit(0, [{ key: 'a', value: '1' }]);
    expect(await readdir(directory)).toEqual([STATE_FILE_NAME]);
  });

  it('says why a commit failed, keeps the old state and goes on when the medium is back', async () => {
    const store = await FileStore.open(directory);
    await store.commit(0, [{ key: 'a', value: '1' }]);
    // A directory in the place of the temporary file makes the write fail even for root.
    await mkdir(`${file}.new`);
    await expect(store.commit(1, [{ key: 'a', value: '2' }])).rejects.toMatchObject({
      code: 'STATE_WRITE_FAILED',
      message: expect.stringContaining(file),
    });
    expect(await store.load()).toEqual({ version: 1, records: new Map([['a', '1']]) });
    await rm(`${file}.new`, { recursive: true });
    expect(await store.commit(1, [{ key: 'a', value: '3' }])).toBe(2);
    expect((await (await FileStore.open(directory)).load()).records.get('a')).toBe('3');
  });

  it.skipIf(process.getuid?.() === 0)('says when the file may not be read', async () => {
    await writeFile(file, '{}');
    await chmod(file, 0);
    await expect(FileStore.open(directory)).rejects.toMatchObject({ message: expect.stringContaining(file) });
  });
});
