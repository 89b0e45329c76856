/**
 * One gateway per state directory, kept by the kernel: a child holds flock(2) on `<directory>/lock` for as long as this
 * process lives. Node has no flock, and nothing else that Node can do ends with the process *and* holds across network,
 * mount and process namespaces (a pid file goes stale, an abstract socket ends at the network namespace).
 *
 * The child is `cat` with the lock on an inherited descriptor and our pipe as its input: when this process ends, however
 * it ends, the pipe closes, `cat` ends, and the kernel drops the lock. It runs in a session of its own and ignores the
 * polite signals, so that a Ctrl-C or a service manager's SIGTERM to the whole group does not take the lock away while
 * the gateway is still stopping.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { AnagateError } from '../base/errors.ts';

/** Name of the lock file in the state directory. It stays when the lock is gone; its text is the last owner's pid. */
export const LOCK_FILE_NAME = 'lock';

/** Exit status of `flock` when somebody else has the lock (-E). */
const LOCKED_STATUS = 75;
const HOLDER_SCRIPT = 'trap "" INT TERM HUP; echo locked; exec cat';

type Holder = ChildProcessByStdio<Writable, Readable, Readable>;

export class StateLock {
  /** Pid of the child that holds the lock. */
  readonly holderPid: number;
  readonly #holder: Holder;
  readonly #ended: Promise<void>;
  #releasing = false;

  private constructor(holder: Holder) {
    this.#holder = holder;
    this.holderPid = holder.pid!;
    this.#ended = new Promise((resolve) => {
      holder.once('exit', () => resolve());
    });
  }

  /**
   * Creates `directory` if needed and takes its lock, waiting up to `waitMs` for a predecessor that is just ending.
   * Rejects with STATE_DIR_IN_USE, naming the directory and the owner's pid, or with INTERNAL.
   */
  static async acquire(directory: string, waitMs: number): Promise<StateLock> {
    const path = join(directory, LOCK_FILE_NAME);
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new AnagateError(
        'INTERNAL',
        `State directory ${directory} cannot be created: ${(error as Error).message}. Choose another with --state-dir`,
        { cause: error },
      );
    }
    const lock = new StateLock(await startHolder(directory, path, waitMs));
    await writeFile(path, `${process.pid}\n`);
    return lock;
  }

  /**
   * Calls `listener` if the lock goes without {@link release}, even before this call: another gateway may start then, so
   * this one must end at once.
   */
  onLost(listener: () => void): void {
    this.#ended.then(() => {
      if (!this.#releasing) listener();
    });
  }

  /** Gives the lock up; resolves once another process can take it. */
  async release(): Promise<void> {
    this.#releasing = true;
    this.#holder.stdin.destroy();
    await this.#ended;
  }
}

/** Resolves with the child that holds the lock on `path`. */
function startHolder(directory: string, path: string, waitMs: number): Promise<Holder> {
  const wait = waitMs > 0 ? ['--wait', (waitMs / 1000).toFixed(3)] : ['--nonblock'];
  const args = [
    '--no-fork',
    '--conflict-exit-code',
    `${LOCKED_STATUS}`,
    ...wait,
    path,
    'sh',
    '-c',
    HOLDER_SCRIPT,
  ];
  return new Promise((resolve, reject) => {
    const holder: Holder = spawn('flock', args, { detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    let complaint = '';
    holder.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint += text;
    });
    holder.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said !== 'locked\n') return;
      holder.removeAllListeners();
      resolve(holder);
    });
    // Without this, the end of the child while we write to it would be an uncaught EPIPE.
    holder.stdin.on('error', () => {});
    holder.once('error', (error) => {
      reject(
        new AnagateError(
          'INTERNAL',
          `State directory ${directory} cannot be locked: the program flock does not start (${error.message}). ` +
            'Install util-linux',
          { cause: error },
        ),
      );
    });
    holder.once('close', (status) => {
      if (status === LOCKED_STATUS) reportOwner(directory, path).then(reject, reject);
      else {
        reject(
          new AnagateError(
            'INTERNAL',
            `State directory ${directory} cannot be locked: flock ended with status ${status}: ${complaint.trim()}`,
          ),
        );
      }
    });
  });
}

async function reportOwner(directory: string, path: string): Promise<AnagateError> {
  const pid = await readFile(path, 'utf8').then(
    (text) => (/^\d+\n$/.test(text) ? `pid ${text.trim()}` : 'pid unknown'),
    () => 'pid unknown',
  );
  return new AnagateError(
    'STATE_DIR_IN_USE',
    `State directory ${directory} is in use by another gateway (${pid}). Stop that one first, or choose another ` +
      'directory with --state-dir',
  );
}
