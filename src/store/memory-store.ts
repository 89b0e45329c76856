/**
 * A configuration store in memory, forgotten with the process. Several handles may share one {@link MemoryRecords}, as
 * several gateways share one omap object: that is how tests play a lost race.
 */
import { AnagateError } from '../base/errors.ts';
import { type ConfigChange, type ConfigSnapshot, type ConfigStore, withChanges } from './store.ts';
import { Watchers } from './watchers.ts';

/** What the handles share. */
export class MemoryRecords {
  snapshot: ConfigSnapshot = { version: 0, records: new Map() };
  readonly watchers: Watchers = new Watchers();
}

export class MemoryStore implements ConfigStore {
  readonly description = 'memory';
  readonly #shared: MemoryRecords;
  readonly #unwatch = new Set<() => void>();

  constructor(shared: MemoryRecords = new MemoryRecords()) {
    this.#shared = shared;
  }

  async load(): Promise<ConfigSnapshot> {
    return this.#shared.snapshot;
  }

  async commit(expectedVersion: number, changes: readonly ConfigChange[]): Promise<number> {
    const { version, records } = this.#shared.snapshot;
    if (version !== expectedVersion) {
      throw new AnagateError(
        'STATE_VERSION_CONFLICT',
        `The configuration is at version ${version}, not ${expectedVersion}: somebody else changed it; try again`,
      );
    }
    this.#shared.snapshot = { version: version + 1, records: withChanges(records, changes) };
    this.#shared.watchers.notify(version + 1);
    return version + 1;
  }

  watch(listener: (version: number) => void): () => void {
    const unwatch = this.#shared.watchers.add(listener);
    this.#unwatch.add(unwatch);
    return () => {
      unwatch();
      this.#unwatch.delete(unwatch);
    };
  }

  async close(): Promise<void> {
    for (const unwatch of this.#unwatch) unwatch();
    this.#unwatch.clear();
  }
}
