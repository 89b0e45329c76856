/**
 * The durable configuration: a set of named text records under one version number. Providers differ in where they keep
 * it (a file, an omap object); everything above sees only this interface.
 *
 * A commit is all or nothing and durable before it is acknowledged. The version is a compare-and-swap token: a commit
 * against an older version changes nothing. The store does not know what the records mean.
 */

/** All records as of one version. */
export interface ConfigSnapshot {
  /** 0 for a store that was never written, else the number of the last commit. */
  readonly version: number;
  /** Record name -> value (JSON text). */
  readonly records: ReadonlyMap<string, string>;
}

/** One record set (a string) or removed (null; removing what is not there is no error). */
export interface ConfigChange {
  readonly key: string;
  readonly value: string | null;
}

export interface ConfigStore {
  /** For people: where the records live. */
  readonly description: string;

  /** The newest committed state. Rejects with STATE_CORRUPT when it cannot be read as one. */
  load(): Promise<ConfigSnapshot>;

  /**
   * Applies `changes` as one, if the store still is at `expectedVersion`, and resolves with the new version once that is
   * durable. Rejects with STATE_VERSION_CONFLICT when it is not, and with INTERNAL when the medium failed: then
   * the outcome is unknown and the caller loads again before it tries again.
   */
  commit(expectedVersion: number, changes: readonly ConfigChange[]): Promise<number>;

  /**
   * Calls `listener` with the new version after every commit, this process's own included; versions may be skipped, never
   * repeated. Returns the function that ends the watch.
   */
  watch(listener: (version: number) => void): () => void;

  /** Waits for a commit under way. No call after it. */
  close(): Promise<void>;
}

/** The records that `changes` make of `records`. */
export function withChanges(
  records: ReadonlyMap<string, string>,
  changes: readonly ConfigChange[],
): ReadonlyMap<string, string> {
  const next = new Map(records);
  for (const { key, value } of changes) {
    if (value === null) next.delete(key);
    else next.set(key, value);
  }
  return next;
}
