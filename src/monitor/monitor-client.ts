/**
 * What a gateway learns from whoever decides ownership, which has it serve ANA groups: its place in the group. Providers: this
 * process alone (local-monitor.ts), a table in the configuration file (static-monitor.ts), and the gateways together
 * (shared-monitor.ts).
 */
import { LIMITS } from '../limits.ts';
import type { MonitorAdmin } from './admin.ts';
import type { GroupServer } from './group-server.ts';

/** Where this gateway stands in its group. Constant for the life of the process. */
export interface GatewayPlace {
  /** 0 .. {@link LIMITS.maxSlots} - 1. */
  readonly slot: number;
  /** The ANA group whose home this gateway is: slot + 1. */
  readonly anaGroupId: number;
  /** Controller ids that only this gateway gives out, both ends included. */
  readonly minCntlid: number;
  readonly maxCntlid: number;
}

export interface MonitorClient {
  /** What serves the ANA groups as this monitor decides. Once, before {@link start}. */
  attach(server: GroupServer): void;

  /** Resolves once the place is known: no host may be let in before. */
  start(): Promise<GatewayPlace>;

  /** ANA groups that have a home gateway in the group, ascending: what automatic placement chooses from. Never empty. */
  homeGroups(): readonly number[];

  /** Where the home gateways of ANA groups stand, by group; those without a location are left out. */
  homeLocations(): ReadonlyMap<number, string>;

  /** Calls `listener` after the home groups changed. Returns the function that ends it. */
  onChange(listener: () => void): () => void;

  /**
   * Hands every group over, without waiting for hosts that have no other path. Resolves when nothing is held here any more,
   * or when that took too long; never rejects. A start that waits for a place is given up: it rejects with SHUTTING_DOWN.
   */
  leave(): Promise<void>;

  /** After {@link leave}, and after the clients of all groups have written their last. */
  stop(): Promise<void>;

  /** What operators ask and command; null: nothing is decided here that they could change. */
  readonly admin: MonitorAdmin | null;
}

/** The place that belongs to `slot`: its own ANA group and a range of controller ids that no other slot has. */
export function placeOfSlot(slot: number): GatewayPlace {
  if (!Number.isInteger(slot) || slot < 0 || slot >= LIMITS.maxSlots) {
    throw new RangeError(`slot ${slot} is not in 0..${LIMITS.maxSlots - 1}`);
  }
  return {
    slot,
    anaGroupId: slot + 1,
    minCntlid: slot * LIMITS.cntlidsPerSlot + 1,
    maxCntlid: (slot + 1) * LIMITS.cntlidsPerSlot,
  };
}
