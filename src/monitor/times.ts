/** Times of the monitor, ms. `grace` must be longer than `lease`, `lease` longer than four renewals. */
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
  lease: 1000,
  renewal: 200,
  grace: 2000,
  leaderGrace: 2000,
  failbackDelay: 3000,
  hostsWait: 60_000,
  handOver: 10_000,
};
