/** Requests about the whole configuration. */
import { AnagateError } from '../../base/errors.ts';
import type { ConfigChange } from '../../store/store.ts';
import type { Configuration } from '../configuration/configuration.ts';
import { isGatewayKey } from '../configuration/records.ts';
import { planRotateKeys, secretKeyIds } from '../plans/access.ts';
import { decodeStateDocument, encodeStateDocument } from './document.ts';
import { type ImportContext, type ImportedChange, type ImportMode, planImport } from './import.ts';

export interface StateApi {
  /** The whole configuration as of one commit, see state-document.ts. Keys stay encrypted. */
  exportState(): Promise<{ document: string; version: number }>;
  /**
   * Makes the configuration what the document says; with `dryRun` only says what would change. Throws INVALID_ARGUMENT that names
   * each record that cannot be used, and has changed nothing then.
   */
  importState(document: string, mode: ImportMode, dryRun: boolean): Promise<ImportedState>;
  /** The keys that encrypt secrets: those of the key file in its order, then others that are in use. */
  encryptionKeys(): EncryptionKey[];
  /** Encrypts all secrets with the first key of the key file. Resolves with the records that it took. KEY_REQUIRED: one cannot be opened. */
  rotateKeys(): Promise<number>;
}

export interface EncryptionKey {
  /** Says nothing about the key. */
  id: string;
  /** This gateway's key file has it. */
  known: boolean;
  /** Secrets of hosts and subsystems that it encrypts. */
  secrets: number;
}

export interface ImportedState {
  changes: ImportedChange[];
  /** Commits that it took, or would take. */
  commits: number;
}

export interface StateRequestsOptions extends ImportContext {
  config: Configuration;
  group: string;
  /** See NamespaceRequestsOptions. */
  mutate<T>(request: () => Promise<T>): Promise<T>;
  commit(changes: readonly ConfigChange[]): Promise<void>;
  /** false: the gateway stops, and nothing more is to be begun. */
  serves(): boolean;
}

export class StateRequests implements StateApi {
  readonly #options: StateRequestsOptions;

  constructor(options: StateRequestsOptions) {
    this.#options = options;
  }

  async exportState(): Promise<{ document: string; version: number }> {
    const { config, group } = this.#options;
    const { version, texts } = config;
    const records = new Map([...texts].filter(([key]) => !isGatewayKey(key)));
    return { document: await encodeStateDocument({ group, version, records }), version };
  }

  async importState(document: string, mode: ImportMode, dryRun: boolean): Promise<ImportedState> {
    const { config, mutate } = this.#options;
    const { records } = await decodeStateDocument(document);
    const progress = new Progress(mode);
    return mutate(async () => {
      const { batches, list } = await planImport(config, records, progress.mode, this.#options);
      progress.planned(list, batches.length);
      if (!dryRun) await this.#commitAll(batches, progress);
      return progress.result;
    }).catch((error: unknown) => {
      throw progress.explained(error);
    });
  }

  encryptionKeys(): EncryptionKey[] {
    const { config, box } = this.#options;
    const inUse = secretKeyIds(config);
    const ids = new Set([...(box?.keyIds ?? []), ...inUse.keys()]);
    return [...ids].map((id) => ({ id, known: box?.has(id) ?? false, secrets: inUse.get(id) ?? 0 }));
  }

  rotateKeys(): Promise<number> {
    const { config, box, mutate, commit } = this.#options;
    return mutate(async () => {
      const changes = planRotateKeys(config, box);
      if (changes.length > 0) await commit(changes);
      return changes.length;
    });
  }

  async #commitAll(batches: readonly ConfigChange[][], progress: Progress): Promise<void> {
    const { commit, serves } = this.#options;
    for (const batch of batches) {
      if (!serves()) throw new AnagateError('SHUTTING_DOWN', 'the gateway is stopping');
      await commit(batch);
      progress.committed();
    }
  }
}

/** Of an import that may take several commits, and be planned anew between them when somebody else commits something. */
class Progress {
  /** How what is left to do is to be planned. */
  mode: ImportMode;
  #done = 0;
  /** Commits that were still to be made by the last plan. */
  #left = 0;
  #list: ImportedChange[] | null = null;
  #commits = 0;

  constructor(mode: ImportMode) {
    this.mode = mode;
  }

  get result(): ImportedState {
    return { changes: this.#list!, commits: this.#commits };
  }

  /** The first plan says what the whole import changes. Throws when somebody undoes it: two imports would never end. */
  planned(list: ImportedChange[], commits: number): void {
    if (this.#done === 0) this.#list = list;
    else if (commits > this.#left + 1)
      throw new AnagateError(
        'INVALID_ARGUMENT',
        'somebody else changes the same at the same time, as another import would; look at what is there (state export), then do one of them',
      );
    this.#left = commits;
    this.#commits = this.#done + commits;
  }

  committed(): void {
    this.#done += 1;
    this.#left -= 1;
    // What is there by now is the beginning of it.
    if (this.mode === 'empty') this.mode = 'merge';
  }

  explained(error: unknown): unknown {
    if (this.#done === 0 || !(error instanceof AnagateError)) return error;
    return new AnagateError(
      error.code,
      `${error.message}. ${this.#done} of the ${this.#commits} commits of this import were made, each a valid configuration by itself; ` +
        `the same import with --${this.mode} makes the rest`,
      { cause: error },
    );
  }
}
