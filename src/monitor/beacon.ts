/** What a gateway tells the leader, twice a second and whenever something of it changes. */
import type { ClientAddress } from './group-map.ts';
import type { AdminRequest } from './machine.ts';

/** What a gateway does with an ANA group: `serving` admits commands, `releasing` drains, `standby` has nothing in flight and no lock. */
export type GroupActivity = 'standby' | 'taking-over' | 'serving' | 'releasing';

export interface BeaconGroup {
  readonly id: number;
  readonly activity: GroupActivity;
  /** Its lease is valid. On standby: this gateway would get one, as it has tried not long ago, because the owner has none. */
  readonly leased: boolean;
}

export interface Beacon {
  readonly gateway: string;
  readonly incarnation: string;
  /** Rises by 1 with each beacon of the incarnation: a change is life. */
  readonly sequence: number;
  /** The configuration is applied, and at least one subsystem has a listener here. */
  readonly available: boolean;
  /** Told to stop: every group shall be taken from it, without waiting for hosts. */
  readonly leaving: boolean;
  /** Last beacon: nothing is held, its clients are closed or write no more. */
  readonly goodbye: boolean;
  readonly location: string;
  readonly peerAddress: string;
  readonly peerPort: number;
  /** Its leases last so long from the sending of a renewal, ms: a fence waits for it. */
  readonly leaseMs?: number;
  /** Connected RADOS clients. */
  readonly clients: readonly ClientAddress[];
  /** Epoch of the last map that was applied; what `groups` says is as of it. */
  readonly appliedEpoch: number;
  /** Every group of that map. */
  readonly groups: readonly BeaconGroup[];
  /** ANA groups in which this gateway's configuration has namespaces. */
  readonly populated: readonly number[];
  /** Groups with a namespace of a subsystem that has no usable listener here. */
  readonly uncovered: readonly number[];
  /** NQNs of hosts with a live controller here. */
  readonly hosts: readonly string[];
  /** Commands per second, for placement. */
  readonly load: number;
  /** Front network: no carrier or address gone. */
  readonly linkDown: boolean;
  /** How listeners name this gateway; absent: as the gateway. */
  readonly hostName?: string;
  /** Peers whose I/O port this gateway does not reach, and those that it does, as listeners name them. */
  readonly unreachable: readonly string[];
  readonly reachable: readonly string[];
  /** What operators asked of this gateway and the map has not answered yet. */
  readonly requests: readonly AdminRequest[];
}

/** Whether hosts get answers from there: with a lease, also while the group is being given back. */
export function servesWithLease({ groups }: Beacon, group: number): boolean {
  return groups.some(
    ({ id, activity, leased }) =>
      id === group && leased && (activity === 'serving' || activity === 'releasing'),
  );
}
