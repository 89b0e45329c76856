/** What operators see of the group of gateways, and what they command. */
import type { Availability, Drain, GroupStateName, OwnershipChange } from './group-map.ts';
import type { AdminCommand } from './machine.ts';

export interface GatewayRow {
  readonly name: string;
  readonly slot: number;
  readonly location: string;
  readonly availability: Availability;
  readonly enabled: boolean;
  readonly drain: Drain;
  readonly incarnation: string | null;
  readonly peerAddress: string;
  readonly peerPort: number;
  readonly leader: boolean;
  /** ANA groups that it owns. */
  readonly groups: readonly number[];
  /** NQNs of hosts with a live controller there. */
  readonly hosts: readonly string[];
  /** Commands per second. */
  readonly load: number;
  /** ms since its beacon was last seen to change; null: never seen. */
  readonly beaconAgeMs: number | null;
  /** Wall clock of the last change of availability, ms. */
  readonly sinceMs: number;
}

export interface GroupRow {
  readonly id: number;
  readonly owner: string | null;
  /** Name of the gateway whose home it is. */
  readonly home: string | null;
  /** The owner's state; STANDBY when there is no owner. */
  readonly state: GroupStateName;
  /** State on each gateway. */
  readonly states: readonly { readonly gateway: string; readonly state: GroupStateName }[];
  readonly sinceMs: number;
  readonly why: string;
  /** Epoch of the last change; gateways have to acknowledge it. */
  readonly epoch: number;
  /** What is waited for, for people; null: nothing. */
  readonly awaited: string | null;
}

export interface LeaderRow {
  readonly gateway: string;
  readonly term: number;
  /** ms since its last sign of life. */
  readonly ageMs: number;
}

/** What can be asked, also of a gateway that is alone. */
export interface GroupQuestions {
  /** Of the map that was applied last. */
  readonly epoch: number;
  /** This gateway does not reach the group's objects now: so long ago, ms, is what follows; null: it does. */
  readonly staleMs: number | null;
  /** By slot. */
  gateways(): readonly GatewayRow[];
  /** By id. */
  groups(): readonly GroupRow[];
  /** The last changes of ownership, newest last. */
  events(): readonly OwnershipChange[];
  /** null: nobody leads at the moment. */
  leader(): LeaderRow | null;
  /** Why these gateways must not be stopped together now, one reason each; empty: they may. */
  okToStop(gateways: readonly string[]): readonly string[];
}

export interface MonitorAdmin extends GroupQuestions {
  /** Resolves when it is done. Rejects with an AnagateError that says why not and what to do. */
  request(command: AdminCommand): Promise<void>;
  /** As {@link request}; resolves when the gateway owns nothing any more. Rejects, naming the hosts in the way, when that takes too long. */
  drain(gateway: string, force: boolean): Promise<void>;
}
