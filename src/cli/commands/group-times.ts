/** Points in time and spans of it, as people read them. */
import type { Int64 } from '../../control/gateway-types.ts';

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

/** `2.1 s`, `4 min`, `3 h`, `12 d`. */
export function spanText(ms: number): string {
  const seconds = Math.max(ms, 0) / 1000;
  if (seconds < MINUTE_S) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < HOUR_S) return `${Math.floor(seconds / MINUTE_S)} min`;
  if (seconds < 2 * DAY_S) return `${Math.floor(seconds / HOUR_S)} h`;
  return `${Math.floor(seconds / DAY_S)} d`;
}

/** `2026-11-20T21:00:00.123Z`. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

/** What stands below an answer that a gateway gives from memory. */
export function staleText(staleMs: Int64 | undefined): string {
  if (staleMs === undefined) return '';
  return `\nAs of ${spanText(Number(staleMs))} ago: this gateway does not reach the group's objects in Ceph at present. Ask another gateway`;
}
