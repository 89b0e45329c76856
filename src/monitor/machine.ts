/**
 * The decisions of the leader, as a pure function: (state, event, now) -> state'. What has to be done outside follows from the
 * committed map (`pendingFences`), so nothing is done that is not written down first.
 */
import type { Beacon } from './beacon.ts';
import { EMPTY_MAP, type GroupMap } from './group-map.ts';

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

/** A leader's state when it begins, from the map that it has read. */
export function beginWith(map: GroupMap): MachineState {
  return { map, seen: new Map(), since: new Map() };
}

export const NOTHING: MachineState = beginWith(EMPTY_MAP);
