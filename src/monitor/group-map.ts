/**
 * The map of a group of gateways: who is in it, who owns which ANA group, who is fenced. The leader writes it, epoch by
 * epoch; every gateway obeys it. Only data and questions to it; what changes it is in machine.ts.
 *
 * Ownership in one line: `owner` is whom the map names, `holders` are all that a map has ever named and that have neither given
 * the group back nor been fenced. An owner serves only while it is the only holder (ha-design S1, S3).
 */

/** One RADOS client of an incarnation: what is fenced. */
export interface ClientAddress {
  /** ANA group whose images it opens; 0: the control client, which writes beacons and reads the map. */
  readonly group: number;
  /** As the blocklist takes it: `192.0.2.1:0/4711`. Never empty, nonce never 0. */
  readonly address: string;
}

/** One run of a gateway: from its first beacon until it leaves or is fenced. */
export interface Incarnation {
  /** Random, unique for ever. */
  readonly id: string;
  readonly clients: readonly ClientAddress[];
}

/**
 * CREATED: known, serves nothing (starting, or without subsystem or listener). AVAILABLE: may own groups.
 * UNAVAILABLE: silent, fenced, or stopped. DELETING: leaves for good; its slot waits for its successor.
 */
export type Availability = 'CREATED' | 'AVAILABLE' | 'UNAVAILABLE' | 'DELETING';

/** A planned drain: 'force' does not wait for hosts that have no path to the others. */
export type Drain = 'no' | 'yes' | 'force';

export interface GatewayEntry {
  readonly name: string;
  /** 0.. ; its home ANA group is slot + 1. Kept over restarts, and by the successor of a deleted gateway. */
  readonly slot: number;
  readonly location: string;
  readonly enabled: boolean;
  readonly drain: Drain;
  readonly availability: Availability;
  /** The run that the map knows; null: none. */
  readonly incarnation: Incarnation | null;
  /** Where peers reach its management port; '' when unknown. */
  readonly peerAddress: string;
  readonly peerPort: number;
  /** Wall clock (ms since 1970) of the last change of availability. For people. */
  readonly sinceMs: number;
}

/** Says which run of which gateway. */
export interface Holder {
  readonly gateway: string;
  readonly incarnation: string;
}

export interface AnaGroupEntry {
  /** 1.. */
  readonly id: number;
  /** Whom the map names; null: nobody can serve it now. */
  readonly owner: Holder | null;
  /** Planned hand-over under way to this gateway: the owner has to release. */
  readonly next: string | null;
  /** See the head of this file. Contains the owner. */
  readonly holders: readonly Holder[];
  /** Epoch of the last change of `owner` or `next`: a release counts only if it acknowledges this epoch or a later one. */
  readonly epoch: number;
  /** Epoch at which a holder was last removed because its fence was complete; 0: never. A new owner waits for the OSD map once. */
  readonly fencedEpoch: number;
  /** Wall clock of the last change of owner, ms. For people. */
  readonly sinceMs: number;
  /** An operator moved it here, away from its home: no failback until its owner changes for another reason. */
  readonly stays?: boolean;
  /** Why the owner is the owner, for people: `home`, `failover from gw-a: silent for 2.1 s`, ... */
  readonly why: string;
}

/** A fence: the intent is committed before the blocklist command, `committed` when it is done and the client's lease is over. */
export interface Fence extends Holder, ClientAddress {
  readonly state: 'intended' | 'committed';
  /** `silent for 2.1 s`, `its process ended`, `restarted`, `deleted`, ... */
  readonly reason: string;
  /** Wall clock of the intent, ms. */
  readonly sinceMs: number;
}

/** One change of ownership, for `events`. Times are wall clock, ms since 1970. */
export interface OwnershipChange {
  readonly epoch: number;
  readonly group: number;
  readonly from: string | null;
  readonly to: string | null;
  readonly why: string;
  /** Marks of its timeline: `decided`, `fenced`, `released`, `serving`; `cancelled` when it did not come about. */
  readonly marks: Readonly<Record<string, number>>;
}

export interface GroupMap {
  /** 0: nothing was ever committed. Raised by 1 with each commit. */
  readonly epoch: number;
  /** By slot. */
  readonly gateways: readonly GatewayEntry[];
  /** By id. */
  readonly groups: readonly AnaGroupEntry[];
  readonly fences: readonly Fence[];
  /** Newest last, at most {@link MAX_HISTORY}. */
  readonly history: readonly OwnershipChange[];
  /** What became of operators' requests, newest last, at most {@link MAX_ANSWERS}. */
  readonly answers: readonly AdminAnswer[];
}

/** A request of an operator was carried out, or refused and changed nothing. */
export interface AdminAnswer {
  readonly id: string;
  /** Why it was refused, for people; null: done. */
  readonly refusal: string | null;
}

/** Why a group is at a gateway that it was moved to. */
export const MOVED_BY_OPERATOR = 'moved by an operator';

export const MAX_HISTORY = 64;
export const MAX_ANSWERS = 32;

export const EMPTY_MAP: GroupMap = {
  epoch: 0,
  gateways: [],
  groups: [],
  fences: [],
  history: [],
  answers: [],
};

/** NVMeofGwMon's names of the states of an ANA group on a gateway. */
export type GroupStateName =
  | 'STANDBY'
  | 'ACTIVE'
  | 'WAIT_BLOCKLIST_CMPL'
  | 'OWNER_WAIT_FAILBACK_PREPARED'
  | 'WAIT_FAILBACK_PREPARED';

export function gatewayOf(map: GroupMap, name: string): GatewayEntry | undefined {
  return map.gateways.find((gateway) => gateway.name === name);
}

export function groupOf(map: GroupMap, id: number): AnaGroupEntry | undefined {
  return map.groups.find((group) => group.id === id);
}

/** Fences whose blocklist command is still to be done (again): what a leader works on. */
export function pendingFences(map: GroupMap): readonly Fence[] {
  return map.fences.filter(({ state }) => state === 'intended');
}

/** Whether the map has a fence, begun or complete, of any client of this incarnation. */
export function isFenced(map: GroupMap, incarnation: string): boolean {
  return map.fences.some((fence) => fence.incarnation === incarnation);
}

/** Whether this incarnation may serve the group as far as the map is concerned: named, no hand-over, no other holder. */
export function maySelfServe(group: AnaGroupEntry, incarnation: string): boolean {
  return (
    group.owner?.incarnation === incarnation &&
    group.next === null &&
    group.holders.every((holder) => holder.incarnation === incarnation)
  );
}

/** State of a group on a gateway. */
export function stateName(group: AnaGroupEntry, gateway: string): GroupStateName {
  if (group.next === gateway) return 'OWNER_WAIT_FAILBACK_PREPARED';
  if (group.owner?.gateway !== gateway) return 'STANDBY';
  if (group.next !== null) return 'WAIT_FAILBACK_PREPARED';
  return maySelfServe(group, group.owner.incarnation) ? 'ACTIVE' : 'WAIT_BLOCKLIST_CMPL';
}
