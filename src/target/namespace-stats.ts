/** What hosts did to a namespace through this gateway, since it is offered here. Plain numbers: the hot path adds, observers read. */

/** One kind of command. */
export class OperationStats {
  /** Commands that succeeded. */
  count = 0;
  bytes = 0;
  /** Sum of latencies in milliseconds, arrival of the capsule to hand-over of the answer. */
  latencyMs = 0;
  /** The shortest of them; infinite while there was none. */
  leastMs = Number.POSITIVE_INFINITY;
  /** The longest. */
  mostMs = 0;

  record(bytes: number, elapsedMs: number): void {
    this.count += 1;
    this.bytes += bytes;
    this.latencyMs += elapsedMs;
    if (elapsedMs < this.leastMs) this.leastMs = elapsedMs;
    if (elapsedMs > this.mostMs) this.mostMs = elapsedMs;
  }
}

export class NamespaceStats {
  readonly reads = new OperationStats();
  readonly writes = new OperationStats();
  /** Dataset Management that deallocates. Write Zeroes is none of the three: no data of it moves. */
  readonly unmaps = new OperationStats();
  /** Commands that ended with an error status other than a path status. */
  errors = 0;
  /** Those among them that blame the medium. */
  mediaErrors = 0;
  /** Those among them that are Compare Failure, which is an answer more than an error. */
  miscompares = 0;
}
