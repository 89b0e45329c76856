/**
 * Punching holes into files. Node has no fallocate(2), so util-linux's fallocate(1) does it: one small shell serves
 * all files of the process, is started at the first hole, and ends after a moment without work or when this
 * process ends. A hole costs about 2 ms in that shell, and one line through a pipe here: worth it for large
 * extents only.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

export interface HolePunch {
  /**
   * Makes the extent of the open file a hole; its size stays. Calls back with false when that did not work: then
   * the extent may be partly a hole, and is otherwise unchanged. The descriptor must stay open until then.
   */
  punch(fd: number, offset: number, length: number, done: (punched: boolean) => void): void;
}

/** One request a line: offset, length, file. One exit status a line comes back. */
const SCRIPT =
  'while read -r offset length file; do fallocate -p -o "$offset" -l "$length" "$file" 2>/dev/null; echo "$?"; done';
const IDLE_MS = 200;
/** All that the shell needs of the environment. */
const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

type Shell = ChildProcessByStdio<Writable, Readable, null>;

export class FallocateShell implements HolePunch {
  #shell: Shell | null = null;
  #idleTimer: NodeJS.Timeout | undefined;
  /** Requests that the shell has not answered, oldest first. */
  #pending: ((punched: boolean) => void)[] = [];
  /** An incomplete last line of answers. */
  #partial = '';

  punch(fd: number, offset: number, length: number, done: (punched: boolean) => void): void {
    clearTimeout(this.#idleTimer);
    this.#pending.push(done);
    this.#shell ??= this.#startShell();
    // Through the descriptor, not the path: the file may have been renamed since it was opened.
    this.#shell.stdin.write(`${offset} ${length} /proc/${process.pid}/fd/${fd}\n`);
  }

  #startShell(): Shell {
    const shell = spawn('/bin/sh', ['-c', SCRIPT], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: ENVIRONMENT,
      detached: true, // an interrupt typed at the gateway's terminal must not end it in the middle of a request
    });
    // "close", not "exit": a fallocate that outlives its shell still holds the pipe, and may still punch.
    shell.once('close', () => this.#lost(shell));
    shell.once('error', () => this.#lost(shell)); // it could not be started
    shell.stdin.on('error', () => {}); // "close" follows
    shell.stdout.setEncoding('latin1');
    shell.stdout.on('data', (text: string) => this.#answered(text));
    return shell;
  }

  #answered(text: string): void {
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() ?? '';
    for (const line of lines) this.#pending.shift()?.(line === '0');
    if (this.#pending.length === 0) {
      this.#idleTimer = setTimeout(() => this.#dismiss(), IDLE_MS);
    }
  }

  /** The shell reads the end of its input and exits. */
  #dismiss(): void {
    const shell = this.#shell;
    this.#shell = null;
    shell?.stdin.end();
  }

  /** The shell could not be started or died: whatever it had not answered did not happen. */
  #lost(shell: Shell): void {
    if (this.#shell !== shell) return; // dismissed before, nothing was pending
    this.#shell = null;
    this.#partial = '';
    const unanswered = this.#pending;
    this.#pending = [];
    for (const done of unanswered) done(false);
  }
}

/** The one shell of this process. */
export const sharedFallocateShell: HolePunch = new FallocateShell();
