/** Sends messages one at a time; of those that have to wait only the newest is sent. So nothing piles up for a peer that does not read. */

/** What is sent with; `sent` is called when there is room for more. */
export type Write<T> = (message: T, sent: () => void) => void;

export class LatestSender<T> {
  readonly #write: Write<T>;
  #busy = false;
  #next: T | null = null;

  constructor(write: Write<T>) {
    this.#write = write;
  }

  send(message: T): void {
    if (this.#busy) {
      this.#next = message;
      return;
    }
    this.#busy = true;
    this.#write(message, () => this.#sent());
  }

  /** Sends what waits without waiting for room: the last message. */
  flush(): void {
    const next = this.#next;
    this.#next = null;
    if (next !== null) this.#write(next, () => {});
  }

  #sent(): void {
    const next = this.#next;
    this.#busy = false;
    this.#next = null;
    if (next !== null) this.send(next);
  }
}
