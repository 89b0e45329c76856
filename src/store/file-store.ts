/**
 * The configuration in one file of a directory that this process alone writes (see state-lock.ts).
 *
 * A commit writes the whole file anew beside the old one, makes it durable, renames it over the old one and makes the
 * rename durable. So the file holds either the old or the new state in full whenever the process or the machine stops,
 * and an acknowledged commit is never lost.
 */
import { type FileHandle, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { AnagateError } from '../base/errors.ts';
import { decodeStateFile, encodeStateFile } from './state-file.ts';
import { type ConfigChange, type ConfigSnapshot, type ConfigStore, withChanges } from './store.ts';
import { Watchers } from './watchers.ts';

/** Name of the state file in the state directory. */
export const STATE_FILE_NAME = 'state.json';

const EMPTY: ConfigSnapshot = { version: 0, records: new Map() };

export class FileStore implements ConfigStore {
  readonly description: string;
  readonly #directory: string;
  readonly #path: string;
  readonly #watchers = new Watchers();
  /** What the file holds. */
  #snapshot: ConfigSnapshot;
  /** The last commit's end; commits run one after the other. */
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(directory: string, path: string, snapshot: ConfigSnapshot) {
    this.description = `file:${path}`;
    this.#directory = directory;
    this.#path = path;
    this.#snapshot = snapshot;
  }

  /**
   * Reads the state file of `directory`, which must exist; a missing file is an empty configuration. Rejects with
   * STATE_CORRUPT, NOT_SUPPORTED (newer format) or INTERNAL (cannot be read), and changes nothing.
   */
  static async open(directory: string): Promise<FileStore> {
    const path = join(directory, STATE_FILE_NAME);
    return new FileStore(directory, path, await readState(path));
  }

  async load(): Promise<ConfigSnapshot> {
    await this.#tail.catch(() => {});
    return this.#snapshot;
  }

  commit(expectedVersion: number, changes: readonly ConfigChange[]): Promise<number> {
    const result = this.#tail.catch(() => {}).then(() => this.#commit(expectedVersion, changes));
    this.#tail = result;
    return result;
  }

  watch(listener: (version: number) => void): () => void {
    return this.#watchers.add(listener);
  }

  async close(): Promise<void> {
    this.#watchers.clear();
    await this.#tail.catch(() => {});
  }

  async #commit(expectedVersion: number, changes: readonly ConfigChange[]): Promise<number> {
    const { version, records } = this.#snapshot;
    if (version !== expectedVersion) {
      throw new AnagateError(
        'STATE_VERSION_CONFLICT',
        `The configuration is at version ${version}, not ${expectedVersion}: somebody else changed it; try again`,
      );
    }
    const next: ConfigSnapshot = { version: version + 1, records: withChanges(records, changes) };
    try {
      await this.#replace(next);
    } catch (error) {
      throw new AnagateError(
        'STATE_WRITE_FAILED',
        `State file ${this.#path} cannot be written: ${(error as Error).message}. Check the file system's space and ` +
          'permissions, then try again',
        { cause: error },
      );
    }
    this.#watchers.notify(next.version);
    return next.version;
  }

  async #replace(next: ConfigSnapshot): Promise<void> {
    // One name, so that what a killed writer left behind is overwritten by the next commit.
    const temporary = `${this.#path}.new`;
    await writeDurably(temporary, encodeStateFile(next));
    await rename(temporary, this.#path);
    // From here on the file holds the new state, whether or not the rename survives a power cut.
    this.#snapshot = next;
    await syncDirectory(this.#directory);
  }
}

async function readState(path: string): Promise<ConfigSnapshot> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return EMPTY;
    throw new AnagateError('INTERNAL', `State file ${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return decodeStateFile(text, path);
}

async function writeDurably(path: string, pieces: Iterable<string>): Promise<void> {
  // Host keys will live here one day: nobody else reads it.
  const file = await open(path, 'w', 0o600);
  await syncAndClose(file, async () => {
    // Each goes where the last one ended.
    for (const piece of pieces) await file.writeFile(piece);
  });
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  await syncAndClose(directory, async () => {});
}

async function syncAndClose(file: FileHandle, write: () => Promise<void>): Promise<void> {
  try {
    await write();
    await file.sync();
  } finally {
    await file.close();
  }
}
