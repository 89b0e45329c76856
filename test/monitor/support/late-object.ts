import type { Coordination, Leadership } from '../../../src/monitor/coordination.ts';
import { EMPTY_MAP, type GroupMap } from '../../../src/monitor/group-map.ts';
import { failure } from './fake-ceph.ts';

/** A map object whose first write is done only when the second one comes: reads overtake a write that a full pool holds up. */
export class LateObject {
  leadership: Leadership;
  map: GroupMap = EMPTY_MAP;
  #late: (() => void) | null = null;
  #isFirst = true;

  constructor(leadership: Leadership) {
    this.leadership = leadership;
  }

  readonly coordination: Pick<Coordination, 'lead' | 'readMap'> = {
    readMap: async () => ({ leadership: this.leadership, map: this.map }),
    lead: async (before, after, map) => {
      if (this.#isFirst) {
        this.#isFirst = false;
        this.#late = () => this.#write(before, after, map);
        throw failure('ETIMEDOUT');
      }
      this.#late?.();
      this.#late = null;
      return this.#write(before, after, map);
    },
  };

  #write(before: Leadership, after: Leadership, map?: GroupMap): boolean {
    if (JSON.stringify(before) !== JSON.stringify(this.leadership)) return false;
    if (map !== undefined && map.epoch !== this.map.epoch + 1) return false;
    this.leadership = after;
    this.map = map ?? this.map;
    return true;
  }
}
