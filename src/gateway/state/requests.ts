/** Requests about the whole configuration. */
import type { ConfigChange } from '../../store/store.ts';
import type { Configuration } from '../configuration/configuration.ts';
import type { SecretBox } from '../configuration/secret-box.ts';
import { decodeStateDocument, encodeStateDocument, type StateDocument } from './document.ts';
import { configuredOf, type ImportedChange, type ImportMode, planImport } from './import.ts';

export interface StateApi {
  /** The whole configuration as of one commit, see state-document.ts. Keys stay encrypted. */
  exportState(): { document: string; version: number };
  /**
   * Makes the configuration what the document says, all or nothing; with `dryRun` only says what would change. Throws
   * INVALID_ARGUMENT that names each record that cannot be used.
   */
  importState(document: string, mode: ImportMode, dryRun: boolean): Promise<ImportedChange[]>;
}

export interface StateRequestsOptions {
  config: Configuration;
  group: string;
  secrets: SecretBox | null;
  /** See NamespaceRequestsOptions. */
  mutate<T>(request: () => Promise<T>): Promise<T>;
  commit(changes: readonly ConfigChange[]): Promise<void>;
}

export class StateRequests implements StateApi {
  readonly #options: StateRequestsOptions;

  constructor(options: StateRequestsOptions) {
    this.#options = options;
  }

  exportState(): { document: string; version: number } {
    const { config, group } = this.#options;
    const state: StateDocument = { group, version: config.version, records: configuredOf(config.texts) };
    return { document: encodeStateDocument(state), version: config.version };
  }

  async importState(document: string, mode: ImportMode, dryRun: boolean): Promise<ImportedChange[]> {
    const { config, secrets, mutate, commit } = this.#options;
    const { records } = decodeStateDocument(document);
    return mutate(async () => {
      const { changes, list } = planImport(config, records, mode, secrets);
      if (!dryRun && changes.length > 0) await commit(changes);
      return list;
    });
  }
}
