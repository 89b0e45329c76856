/** Where one run of a gateway stands with the group, as a map says. Pure. */
import { type GroupMap, gatewayOf, isFenced } from './group-map.ts';

/** Runs of one process. */
export interface OwnRuns {
  readonly gateway: string;
  /** The present incarnation. */
  readonly incarnation: string;
  /** All incarnations that this process has had, the present one included. */
  readonly all: ReadonlySet<string>;
  /** A map has had the present one. */
  readonly registered: boolean;
  /** A map has had any of them. */
  readonly everRegistered: boolean;
}

/**
 * `unknown`: not registered yet. `member`: registered. `fenced`: to be given up for a new incarnation. `replaced`: another
 * process runs under this gateway's name. `deleting`, `removed`: an operator has deleted the gateway.
 */
export type Standing = 'unknown' | 'member' | 'fenced' | 'replaced' | 'deleting' | 'removed';

export function standingOf(map: GroupMap, own: OwnRuns): Standing {
  if (isFenced(map, own.incarnation)) return 'fenced';
  const entry = gatewayOf(map, own.gateway);
  if (entry === undefined) return own.everRegistered ? 'removed' : 'unknown';
  if (entry.availability === 'DELETING') return own.everRegistered ? 'deleting' : 'unknown';
  const present = entry.incarnation?.id;
  if (present === own.incarnation) return 'member';
  if (present === undefined || own.all.has(present)) return own.registered ? 'fenced' : 'unknown';
  return own.everRegistered && entry.availability !== 'UNAVAILABLE' ? 'replaced' : 'unknown';
}
