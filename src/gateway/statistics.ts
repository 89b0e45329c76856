/** What the gateway answers when it is asked how much was done: from what the target counts. */
import { ConnectionStats } from '../target/connection-stats.ts';
import { NamespaceStats, type OperationStats } from '../target/namespace-stats.ts';
import type { Target } from '../target/target.ts';
import type { Configuration } from './configuration/configuration.ts';
import type { NamespaceRecord } from './configuration/records.ts';
import { findNamespace } from './plans/namespaces.ts';
import { refuse } from './plans/validation.ts';
import { eventLoopTime, otherThreadTimes, type ThreadTime } from './thread-times.ts';

export { type Latency, SIZES_KIB, type SizeStats } from '../target/connection-stats.ts';

/** What hosts did to a namespace through this gateway. */
export interface NamespaceIoStats {
  nqn: string;
  nsid: number;
  uuid: string;
  reads: Readonly<Operations>;
  writes: Readonly<Operations>;
  /** Deallocations. */
  unmaps: Readonly<Operations>;
  /** Commands that failed, path-related ones not counted. */
  mediaErrors: number;
  miscompares: number;
  otherErrors: number;
}

/** See {@link OperationStats}. */
export type Operations = Pick<OperationStats, 'count' | 'bytes' | 'latencyMs' | 'leastMs' | 'mostMs'>;

export interface StatisticsApi {
  /** The moment of what is told now: milliseconds of a clock that only moves on. */
  nowMs(): number;
  /** Throws SUBSYSTEM_NOT_FOUND or NAMESPACE_NOT_FOUND. */
  namespace(nqn: string, nsid: number): NamespaceIoStats;
  /** By NQN and nsid. Throws SUBSYSTEM_NOT_FOUND. */
  namespaces(filter: { nqn?: string; nsid?: number }): NamespaceIoStats[];

  /** Whether I/O is counted by host and size; what is told of namespaces is counted always. */
  countsByHost: boolean;
  /**
   * What a host did through its controllers that are there now, by size of I/O; `reset` begins anew. Throws
   * SUBSYSTEM_NOT_FOUND, HOST_NOT_FOUND when the host is not connected, INVALID_ARGUMENT while this is not counted.
   */
  host(nqn: string, hostNqn: string, reset: boolean): ConnectionStats;

  /** Of all that hosts have here. */
  queues(): QueueTotals;
  threads(): Promise<ThreadTime[]>;
}

export interface QueueTotals {
  /** Since start. */
  readonly adminConnected: number;
  readonly ioConnected: number;
  /** Now. */
  readonly admin: number;
  readonly io: number;
  /** Commands at backends. */
  readonly pending: number;
  /** I/O commands that succeeded, of the namespaces that are there. */
  readonly completed: number;
}

/** A namespace that is not offered yet. */
const NOTHING = new NamespaceStats();

export class Statistics implements StatisticsApi {
  readonly #config: Configuration;
  readonly #target: Target;

  constructor(config: Configuration, target: Target) {
    this.#config = config;
    this.#target = target;
  }

  nowMs(): number {
    return this.#target.clock.nowMs();
  }

  namespace(nqn: string, nsid: number): NamespaceIoStats {
    return this.#statsOf(findNamespace(this.#config, nqn, nsid));
  }

  namespaces({ nqn, nsid }: { nqn?: string; nsid?: number }): NamespaceIoStats[] {
    const subsystems = nqn === undefined ? this.#config.subsystems.values() : [this.#config.subsystem(nqn)];
    return [...subsystems]
      .flatMap(({ namespaces }) => [...namespaces.values()])
      .filter((record) => nsid === undefined || record.nsid === nsid)
      .sort((a, b) => (a.nqn === b.nqn ? a.nsid - b.nsid : a.nqn < b.nqn ? -1 : 1))
      .map((record) => this.#statsOf(record));
  }

  get countsByHost(): boolean {
    return this.#target.countsIo;
  }

  set countsByHost(counts: boolean) {
    this.#target.countsIo = counts;
  }

  host(nqn: string, hostNqn: string, reset: boolean): ConnectionStats {
    this.#config.subsystem(nqn);
    const controllers = [...(this.#target.subsystems.get(nqn)?.controllers ?? [])];
    const counted = controllers.filter(({ host }) => host.hostNqn === hostNqn);
    if (counted.length === 0)
      refuse('HOST_NOT_FOUND', `host ${hostNqn} is not connected to subsystem ${nqn} on this gateway`);
    const sum = new ConnectionStats();
    for (const { ioStats } of counted) {
      if (ioStats === null) {
        refuse(
          'INVALID_ARGUMENT',
          'I/O statistics are switched off; "gw set_io_stats_mode --enable" counts anew',
        );
      }
      sum.add(ioStats);
      if (reset) ioStats.reset();
    }
    return sum;
  }

  queues(): QueueTotals {
    const { subsystems, queuesConnected, ports } = this.#target;
    const totals = { admin: 0, io: 0, pending: 0, completed: 0 };
    for (const { queues } of this.#target.controllers()) {
      const admin = queues.has(0) ? 1 : 0;
      totals.admin += admin;
      totals.io += queues.size - admin;
    }
    for (const ana of new Set([...ports].map((port) => port.ana))) {
      for (const { inFlight } of ana.groups) totals.pending += inFlight;
    }
    for (const { namespaces } of subsystems.values()) {
      for (const { stats } of namespaces.values())
        totals.completed += stats.reads.count + stats.writes.count + stats.unmaps.count;
    }
    return { ...totals, adminConnected: queuesConnected.admin, ioConnected: queuesConnected.io };
  }

  async threads(): Promise<ThreadTime[]> {
    return [eventLoopTime(), ...(await otherThreadTimes())];
  }

  #statsOf({ nqn, nsid, uuid }: NamespaceRecord): NamespaceIoStats {
    const stats = this.#target.subsystems.get(nqn)?.namespaces.get(nsid)?.stats ?? NOTHING;
    const { reads, writes, unmaps, errors, mediaErrors, miscompares } = stats;
    const otherErrors = errors - mediaErrors - miscompares;
    return { nqn, nsid, uuid, reads, writes, unmaps, mediaErrors, miscompares, otherErrors };
  }
}
