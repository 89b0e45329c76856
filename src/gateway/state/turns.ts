/** Long work in slices, with a turn of the event loop between them: beacons, keep-alives and hosts' commands do not wait for it. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Items that are looked at or encoded in one go: one to five milliseconds. */
const ITEMS_PER_TURN = 512;

export class Turns {
  #done = 0;

  /** To be called, and awaited if it gives something, after each item. `weight`: items that it is worth. */
  next(weight = 1): Promise<void> | undefined {
    this.#done += weight;
    if (this.#done < ITEMS_PER_TURN) return undefined;
    this.#done = 0;
    return nextTurn();
  }

  /** The items, with turns between them. */
  async *each<T>(items: Iterable<T>, weight = 1): AsyncGenerator<T> {
    for (const item of items) {
      const turn = this.next(weight);
      if (turn !== undefined) await turn;
      yield item;
    }
  }
}
