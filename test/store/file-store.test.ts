import { execFileSync, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
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

describe('FileStore under SIGKILL', () => {
  const KILLS = 120;
  let built: string;
  beforeEach(async () => {
    built = await mkdtemp(join(tmpdir(), 'anagate-writer-'));
    await compileWriter(built);
  });
  afterEach(() => rm(built, { recursive: true }));

  it(`loses no acknowledged commit and shows no half state over ${KILLS} kills at random moments`, async () => {
    let acknowledged = 0;
    let killsInCommit = 0;
    // The next writer starts up while the present one works, so that the test does not wait for processes.
    let next = startWriter(built, directory);
    for (let kill = 0; kill < KILLS; kill += 1) {
      const writer = next;
      if (kill + 1 < KILLS) next = startWriter(built, directory);
      await writer.ready;
      writer.go();
      await writer.acknowledgedFirst;
      await spin(Math.random() * 5);
      const { last, begun } = await writer.kill();
      if (begun > last) killsInCommit += 1;
      acknowledged = Math.max(acknowledged, last);

      const { version, records } = await (await FileStore.open(directory)).load();
      // Everything acknowledged is there; only the commit under way may be there too.
      expect(version).toBeGreaterThanOrEqual(acknowledged);
      expect(version).toBeLessThanOrEqual(begun);
      // One commit sets every record to its version: a mixture would be half a state.
      expect(records.size).toBe(300);
      expect(new Set(records.values())).toEqual(new Set([`${version}`.padEnd(50, '.')]));
      acknowledged = version;
    }
    expect(killsInCommit).toBeGreaterThan(KILLS / 4);
  }, 120_000);
});

/** Plain JavaScript starts in a quarter of the time that TypeScript needs, and there are many to start. */
async function compileWriter(directory: string): Promise<void> {
  const root = join(import.meta.dirname, '../..');
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      rootDir: root,
      outDir: directory,
      typeRoots: [join(root, 'node_modules/@types')],
    },
    include: [],
    files: [join(import.meta.dirname, 'file-store-writer.ts')],
  };
  await writeFile(join(directory, 'tsconfig.json'), JSON.stringify(config));
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', directory], {
    stdio: 'inherit',
  });
}

/** Waits with sub-millisecond precision, letting the event loop run. */
async function spin(ms: number): Promise<void> {
  const until = performance.now() + ms;
  while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve));
}

interface Writer {
  ready: Promise<void>;
  acknowledgedFirst: Promise<void>;
  go(): void;
  /** Ends it; the versions last acknowledged and last begun. */
  kill(): Promise<{ last: number; begun: number }>;
}

function startWriter(built: string, directory: string): Writer {
  const child = spawn(process.execPath, [join(built, 'test/store/file-store-writer.js'), directory], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let last = 0;
  let begun = 0;
  const said = new EventEmitter();
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('begin ')) begun = Number(line.slice(6));
    if (line.startsWith('done ')) last = Number(line.slice(5));
    said.emit(line.split(' ')[0]!);
  });
  const closed = once(child, 'close');
  return {
    ready: once(said, 'ready').then(() => {}),
    acknowledgedFirst: once(said, 'done').then(() => {}),
    go: () => child.stdin.write('go\n'),
    async kill() {
      child.kill('SIGKILL');
      await closed;
      return { last, begun };
    },
  };
}
