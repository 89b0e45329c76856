/**
 * The decisions of the leader, as a pure function: (state, event, now) -> state'. What has to be done outside follows from the
 * committed map (`pendingFences`), so nothing is done that is not written down first.
 */
import type { Beacon } from './beacon.ts';
import { EMPTY_MAP, type GroupMap } from './group-map.ts';
import { Draft } from './machine/draft.ts';
import { lose, takeBeacon } from './machine/members.ts';
import { answerRequests } from './machine/requests.ts';
import { settle } from './machine/settle.ts';
import type { MonitorTimes } from './times.ts';

export { whyRefused } from './machine/members.ts';
export { listedHosts, okToStop, type Permission, waitsFor } from './machine/questions.ts';

/** The two clocks at the moment of an event. */
export interface Now {
  /** Monotonic, ms: what decisions depend on. */
  readonly ms: number;
  /** Wall clock, ms since 1970: what people are told. */
  readonly wallMs: number;
}

/** What an operator asks for; `gateway` is a name. */
export type AdminCommand =
  | { readonly kind: 'create'; readonly gateway: string; readonly location?: string }
  | { readonly kind: 'delete'; readonly gateway: string }
  | { readonly kind: 'enable' | 'disable' | 'undrain'; readonly gateway: string }
  | { readonly kind: 'drain'; readonly gateway: string; readonly force: boolean }
  | { readonly kind: 'set-location'; readonly gateway: string; readonly location: string }
  | { readonly kind: 'move'; readonly group: number; readonly gateway: string; readonly force: boolean };

export interface AdminRequest {
  /** Unique for ever. */
  readonly id: string;
  readonly command: AdminCommand;
}

export type MachineEvent =
  | { readonly kind: 'beacon'; readonly beacon: Beacon }
  /** Silent for the grace, or its stream ended abruptly. Ignored unless the map has this incarnation. */
  | { readonly kind: 'lost'; readonly gateway: string; readonly incarnation: string; readonly reason: string }
  /** Revoked, on the blocklist, and its lease is over: by (incarnation, address). */
  | { readonly kind: 'fenced'; readonly incarnation: string; readonly address: string }
  | { readonly kind: 'tick' };

/** What the leader knows. Only the map outlives it. */
export interface MachineState {
  readonly map: GroupMap;
  /** Last beacon of each gateway's present incarnation. */
  readonly seen: ReadonlyMap<string, Beacon>;
  /** Monotonic ms since when something waits: `failback 3`, `hosts 3`, `hand-over 3`, ... */
  readonly since: ReadonlyMap<string, number>;
}

/**
 * A leader's state when it begins, from the map that it has read. `beacons` are those that it already knows: they spare
 * it decisions on half of the picture.
 */
export function beginWith(map: GroupMap, beacons: readonly Beacon[] = []): MachineState {
  const present = new Set(map.gateways.map(({ incarnation }) => incarnation?.id));
  const seen = beacons.filter(({ incarnation }) => present.has(incarnation));
  return { map, seen: new Map(seen.map((beacon) => [beacon.gateway, beacon])), since: new Map() };
}

export const NOTHING: MachineState = beginWith(EMPTY_MAP);

/**
 * What becomes of the state. The map is the same object when nothing in it changes, else its epoch is one higher. Beacons of
 * incarnations that the map does not know must be fresh: an old one, left behind, would pass for a restart.
 */
export function step(state: MachineState, event: MachineEvent, now: Now, times: MonitorTimes): MachineState {
  return stepAll(state, [event], now, times);
}

/** Several events as one step, hence one epoch. */
export function stepAll(
  state: MachineState,
  events: readonly MachineEvent[],
  now: Now,
  times: MonitorTimes,
): MachineState {
  const draft = new Draft(state, now, times);
  for (const event of events) take(draft, event);
  answerRequests(draft);
  settle(draft);
  return draft.finish();
}

function take(draft: Draft, event: MachineEvent): void {
  switch (event.kind) {
    case 'beacon':
      takeBeacon(draft, event.beacon);
      break;
    case 'lost':
      lose(draft, event.gateway, event.incarnation, event.reason);
      break;
    case 'fenced':
      draft.commitFence(event.incarnation, event.address);
      break;
    case 'tick':
      break;
  }
}
