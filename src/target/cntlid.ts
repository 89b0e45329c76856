/** Controller ids of one gateway: a range that no other gateway of the group uses (ha-design section 4). */
export class CntlidAllocator {
  readonly first: number;
  readonly last: number;
  private next: number;
  private readonly used = new Set<number>();

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

  /** The next free id in turn, or null when all are in use. */
  take(): number | null {
    const total = this.last - this.first + 1;
    if (this.used.size >= total) return null;
    while (this.used.has(this.next)) this.next = this.next === this.last ? this.first : this.next + 1;
    const id = this.next;
    this.used.add(id);
    this.next = id === this.last ? this.first : id + 1;
    return id;
  }

  release(id: number): void {
    this.used.delete(id);
  }
}
