/** The times of the monitor as the settings have them. */
import type { Settings } from '../config/settings.ts';
import { type MonitorTimes, timesWith } from '../monitor/times.ts';

/** Throws as {@link timesWith}. */
export function monitorTimes({ beaconMs, leaseMs, graceMs, failbackDelayMs }: Settings): MonitorTimes {
  return timesWith({ beacon: beaconMs, lease: leaseMs, grace: graceMs, failbackDelay: failbackDelayMs });
}
