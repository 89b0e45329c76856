import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StateLock } from '../../src/store/state-lock.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'anagate-lock-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Another process that takes the lock of `directory` and waits. */
async function startOwner(): Promise<ChildProcess & { holderPid: number }> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', join(import.meta.dirname, 'state-lock-owner.ts'), directory],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([
    new Promise<string[]>((resolve) => lines.once('line', (text) => resolve([text]))),
    new Promise<never>((_, reject) => child.once('exit', () => reject(new Error('owner ended')))),
  ]);
  return Object.assign(child, { holderPid: Number(line) });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

describe('StateLock', () => {
  it('is held by one, given back, and taken again; the directory is made', async () => {
    const nested = join(directory, 'a', 'b');
    const first = await StateLock.acquire(nested, 0);
    await expect(StateLock.acquire(nested, 0)).rejects.toMatchObject({
      code: 'STATE_DIR_IN_USE',
      message: expect.stringMatching(new RegExp(`${nested} is in use.*pid ${process.pid}\\b`)),
    });
    await first.release();
    const second = await StateLock.acquire(nested, 0);
    await second.release();
    expect((await stat(nested)).mode & 0o777).toBe(0o700);
  });

  it('refuses while another process has it and names that process', async () => {
    const owner = await startOwner();
    await expect(StateLock.acquire(directory, 0)).rejects.toMatchObject({
      code: 'STATE_DIR_IN_USE',
      message: expect.stringContaining(`pid ${owner.pid}`),
    });
    owner.kill('SIGKILL');
    await ended(owner);
  });

  it('can be taken at once after the owner was killed', async () => {
    for (let i = 0; i < 5; i += 1) {
      const owner = await startOwner();
      const gone = ended(owner);
      owner.kill('SIGKILL');
      await gone;
      const lock = await StateLock.acquire(directory, 2000);
      await lock.release();
    }
  });

  it('is not taken away by the signals that a terminal or a service manager sends to all processes', async () => {
    const owner = await startOwner();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(owner.holderPid, signal);
    await expect(StateLock.acquire(directory, 50)).rejects.toMatchObject({ code: 'STATE_DIR_IN_USE' });
    owner.kill('SIGKILL');
    await ended(owner);
  });

  it('says when it is lost, and not when it is released', async () => {
    const lock = await StateLock.acquire(directory, 0);
    const lost = new Promise<string>((resolve) => lock.onLost(() => resolve('lost')));
    process.kill(lock.holderPid, 'SIGKILL');
    expect(await lost).toBe('lost');
    expect(await new Promise<string>((resolve) => lock.onLost(() => resolve('lost')))).toBe('lost');
    await lock.release();

    const other = await StateLock.acquire(directory, 0);
    let told = false;
    other.onLost(() => {
      told = true;
    });
    await other.release();
    expect(told).toBe(false);
  });

  it('says which directory cannot be made or locked', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    await expect(StateLock.acquire(join(file, 'state'), 0)).rejects.toMatchObject({
      code: 'INTERNAL',
      message: expect.stringContaining(file),
    });
  });
});
