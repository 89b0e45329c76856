/**
 * What a gateway learns from whoever decides ownership: its place in the group, and the state of each ANA group on it.
 * Providers: `local` (this process decides) and, later, `rados`.
 */
import { LIMITS } from '../limits.ts';

/** State of an ANA group on one gateway. */
export type GroupState = 'optimized' | 'non-optimized' | 'inaccessible';

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
  /** Resolves once the place is known: no host may be let in before. */
  start(): Promise<GatewayPlace>;

  /** ANA groups that have a home gateway in the group, ascending: what automatic placement chooses from. Never empty. */
  homeGroups(): readonly number[];

  /** State of ANA group `groupId` (1..{@link LIMITS.maxAnaGroups}) on this gateway, now. */
  stateOf(groupId: number): GroupState;

  /** Calls `listener` after states or home groups changed. Returns the function that ends it. */
  onChange(listener: () => void): () => void;

  stop(): Promise<void>;
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
