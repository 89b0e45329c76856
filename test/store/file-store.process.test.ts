import { execFileSync, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileStore } from '../../src/store/file-store.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'anagate-file-store-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

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
