/**
 * Controller ids of one gateway: a range that no other gateway of the group uses (ha-design section 4). An id is unique
 * within its NVM subsystem, so each subsystem has the whole range to itself, and so has discovery: hosts that look
 * around take nothing from those that do I/O.
 */
export class CntlidAllocator {
  readonly first: number;
  readonly last: number;
  private next: number;
  /** Ids in use, by subsystem. */
  private readonly used = new Map<object | null, Set<number>>();

  /**
   * `start` is where this run of the process begins in the range, so that ids of a frozen predecessor do not come back
   * soon.
   */
  constructor(first: number, last: number, start = first) {
    if (!(first >= 1 && last <= 0xffef && first <= start && start <= last)) {
      throw new RangeError(`controller id range ${first}..${last} (start ${start}) is not inside 1..65519`);
    }
    this.first = first;
    this.last = last;
    this.next = start;
  }

  /** The next id in turn that `subsystem` (null: discovery) has free, or null when it uses all of them. */
  take(subsystem: object | null = null): number | null {
    let used = this.used.get(subsystem);
    if (used === undefined) {
      used = new Set();
      this.used.set(subsystem, used);
    }
    const total = this.last - this.first + 1;
    if (used.size >= total) return null;
    while (used.has(this.next)) this.next = this.after(this.next);
    const id = this.next;
    used.add(id);
    this.next = this.after(id);
    return id;
  }

  release(id: number, subsystem: object | null = null): void {
    const used = this.used.get(subsystem);
    used?.delete(id);
    if (used?.size === 0) this.used.delete(subsystem);
  }

  private after(id: number): number {
    return id === this.last ? this.first : id + 1;
  }
}
