/** Those who want to hear of commits; shared by the providers. */
export class Watchers {
  readonly #listeners = new Set<(version: number) => void>();

  /** Adds `listener`; the returned function removes it. */
  add(listener: (version: number) => void): () => void {
    // Wrapped, so that a function added twice is told twice and removed once.
    const entry = (version: number): void => listener(version);
    this.#listeners.add(entry);
    return () => {
      this.#listeners.delete(entry);
    };
  }

  notify(version: number): void {
    for (const listener of [...this.#listeners]) listener(version);
  }

  clear(): void {
    this.#listeners.clear();
  }
}
