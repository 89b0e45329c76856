/** All connections of the process, over all its listeners: how many there may be, and which of them stand in others' way. */
import type { Timer, Timers } from '../../base/clock.ts';
import type { TcpConnection } from './connection.ts';

/**
 * While others wait for data buffers, a connection that holds some and has not moved a byte for this long is closed: its
 * host answers no R2T or reads no data. Linux retries on a new connection.
 */
const STALL_MS = 15_000;
const STALL_CHECK_MS = 2_500;

export class ConnectionTable {
  readonly most: number;
  /** Connections refused because the table was full. */
  refused = 0;
  /** Connections closed because something did not come in time (`no-icreq`, `no-connect`, `stalled`), counted by that. */
  readonly missedDeadlines = new Map<string, number>();
  private readonly timers: Timers;
  private readonly connections = new Set<TcpConnection>();
  private stallTimer: Timer | null = null;

  /** `most`: how many connections the process takes. */
  constructor(most: number, timers: Timers) {
    this.most = most;
    this.timers = timers;
  }

  get count(): number {
    return this.connections.size;
  }

  /** No place for another one; counts the refusal. */
  full(): boolean {
    if (this.connections.size < this.most) return false;
    this.refused += 1;
    return true;
  }

  add(connection: TcpConnection): void {
    this.connections.add(connection);
  }

  remove(connection: TcpConnection): void {
    this.connections.delete(connection);
  }

  countMissed(deadline: string): void {
    this.missedDeadlines.set(deadline, (this.missedDeadlines.get(deadline) ?? 0) + 1);
  }

  /** Somebody waits for data buffers: looks after hoarders until nobody waits any more. */
  watchStalls(): void {
    if (this.stallTimer !== null) return;
    this.stallTimer = this.timers.after(STALL_CHECK_MS, () => {
      this.stallTimer = null;
      let waiting = false;
      for (const connection of [...this.connections]) {
        if (connection.closeIfStalled(STALL_MS)) this.countMissed('stalled');
        waiting ||= connection.admission.waitsForPool;
      }
      if (waiting) this.watchStalls();
    });
  }
}
