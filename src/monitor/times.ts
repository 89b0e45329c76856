import { AnagateError } from '../base/errors.ts';

/** Times of the monitor, ms. */
export interface MonitorTimes {
  /** Between beacons. */
  readonly beacon: number;
  /** Between the leader's looks at the beacons. */
  readonly tick: number;
  /** A lease lasts so long from the sending of its last renewal. */
  readonly lease: number;
  /** Between renewals. */
  readonly renewal: number;
  /** A gateway whose beacon has not changed for so long is fenced. */
  readonly grace: number;
  /** A leader whose beat stood still for so long is replaced. */
  readonly leaderGrace: number;
  /** A gateway that came back gets its home group back after so long. */
  readonly failbackDelay: number;
  /** A planned move waits so long for hosts that have no path to the target. */
  readonly hostsWait: number;
  /** A hand-over that was not released by then is called off. */
  readonly handOver: number;
}

export const MONITOR_TIMES: MonitorTimes = {
  beacon: 500,
  tick: 250,
  lease: 800,
  renewal: 200,
  grace: 2000,
  leaderGrace: 2000,
  failbackDelay: 3000,
  hostsWait: 60_000,
  handOver: 10_000,
};

/** No gateway may be told a longer lease. */
export const LONGEST_LEASE_MS = 20_000;

/** What an operator may set. */
export type OwnTimes = { [K in 'beacon' | 'lease' | 'grace' | 'failbackDelay']?: number | undefined };

/**
 * The times with what was set. Throws INVALID_ARGUMENT, in the words of the configuration file, when their order would not be
 * safe, or would cause failovers without need.
 */
export function timesWith(own: OwnTimes): MonitorTimes {
  const { beacon, lease, grace, failbackDelay, ...others } = MONITOR_TIMES;
  const set = { beacon, lease, grace, failbackDelay };
  for (const key of ['beacon', 'lease', 'grace', 'failbackDelay'] as const) set[key] = own[key] ?? set[key];
  requireRange('beacon_interval', set.beacon, 100, 10_000);
  requireRange('lease', set.lease, 500, LONGEST_LEASE_MS);
  requireRange('failback_delay', set.failbackDelay, 0, 86_400_000);
  requireRange('grace', set.grace, Math.max(set.lease * 1.5, set.beacon * 3), 120_000);
  return {
    ...others,
    ...set,
    tick: Math.min(others.tick, set.beacon / 2),
    renewal: Math.min(others.renewal, set.lease / 4),
    leaderGrace: Math.max(others.leaderGrace, set.beacon * 4),
  };
}

function requireRange(key: string, ms: number, least: number, most: number): void {
  if (ms >= least && ms <= most) return;
  throw new AnagateError(
    'INVALID_ARGUMENT',
    `[monitor] ${key} must be from ${least / 1000} to ${most / 1000} s with the other times as they are, not ${ms / 1000} s`,
  );
}
