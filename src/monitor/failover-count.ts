/** Counts the failovers that the history of the map tells of, each once, from the first map on. */
import type { GroupMap } from './group-map.ts';

export class FailoverCount {
  #count = 0;
  /** Up to which the history is counted; null: no map was read yet. */
  #epoch: number | null = null;

  get count(): number {
    return this.#count;
  }

  read(map: GroupMap): void {
    const counted = this.#epoch ?? map.epoch;
    this.#count += map.history.filter(
      ({ epoch, why }) => epoch > counted && why.startsWith('failover'),
    ).length;
    this.#epoch = Math.max(counted, map.epoch);
  }
}
