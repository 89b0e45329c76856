/** Long work in slices, with a turn of the event loop between them: beacons, keep-alives and hosts' commands do not wait for it. */
import { setImmediate as nextTurn } from 'node:timers/promises';

export class Turns {
  readonly #perTurn: number;
  #done = 0;

  /** @param perTurn items that take a few milliseconds */
  constructor(perTurn: number) {
    this.#perTurn = perTurn;
  }

  /** To be called, and awaited if it gives something, after each item. */
  next(): Promise<void> | undefined {
    this.#done += 1;
    return this.#done % this.#perTurn === 0 ? nextTurn() : undefined;
  }
}
