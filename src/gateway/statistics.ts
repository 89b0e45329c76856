/** What the gateway answers when it is asked how much was done. Reads only what the target counts anyway. */
import { NamespaceStats, type OperationStats } from '../target/namespace-stats.ts';
import type { Target } from '../target/target.ts';
import type { Configuration } from './configuration.ts';
import { findNamespace } from './namespace-plans.ts';
import type { NamespaceRecord } from './records.ts';

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

  #statsOf({ nqn, nsid, uuid }: NamespaceRecord): NamespaceIoStats {
    const stats = this.#target.subsystems.get(nqn)?.namespaces.get(nsid)?.stats ?? NOTHING;
    const { reads, writes, unmaps, errors, mediaErrors, miscompares } = stats;
    const otherErrors = errors - mediaErrors - miscompares;
    return { nqn, nsid, uuid, reads, writes, unmaps, mediaErrors, miscompares, otherErrors };
  }
}
