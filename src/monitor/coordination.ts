/**
 * What the gateways of a group share besides the configuration: the map with its leader, the beacons, the revocations, and the
 * fence. The one interface between the monitor and RADOS; the simulator has another implementation.
 *
 * Every call rejects when the cluster refuses (code EBLOCKLISTED: this client is fenced) or does not answer in time
 * (code ETIMEDOUT; whether a write was done is then not known).
 */
import type { Beacon } from './beacon.ts';
import type { Fence, GroupMap } from './group-map.ts';

/** Who leads. A leader proves its life by raising `beat`. */
export interface Leadership {
  /** Raised by 1 with each new leader; 0: there never was one. */
  readonly term: number;
  readonly gateway: string;
  readonly incarnation: string;
  readonly beat: number;
  /** Where followers hold a stream to it. */
  readonly peerAddress: string;
  readonly peerPort: number;
}

export const NO_LEADER: Leadership = {
  term: 0,
  gateway: '',
  incarnation: '',
  beat: 0,
  peerAddress: '',
  peerPort: 0,
};

export interface MapReading {
  readonly leadership: Leadership;
  readonly map: GroupMap;
}

export interface Coordination {
  /** Of the client that does all this, the gateway's control client: `192.0.2.1:0/4711`. It is fenced together with the others. */
  readonly address: string;

  /** Leadership and map as of one moment. The same map object comes back while its epoch is the same. */
  readMap(): Promise<MapReading>;

  /**
   * Replaces leadership `before`, all fields of it compared, with `after`, and the map too if given; all or nothing. Resolves
   * with false when leadership is another one by now, or the map's epoch is not `map.epoch - 1`. After ETIMEDOUT read back.
   */
  lead(before: Leadership, after: Leadership, map?: GroupMap): Promise<boolean>;

  /** Puts the beacon into all beacon objects; resolves once one has it. */
  writeBeacon(beacon: Beacon): Promise<void>;

  /** The newest beacon of each incarnation, from all beacon objects that answer. Rejects if none does. */
  readBeacons(): Promise<readonly Beacon[]>;

  /**
   * Removes the beacon of an incarnation that the map does not know any more, and revocations of fences of before `beforeMs`,
   * wall clock, whosever they are.
   */
  forget(incarnation: string, beforeMs: number): Promise<void>;

  /** No renewal of a lease by this client, begun after this resolved, succeeds. Resolves once a majority of the lease objects has it. */
  revoke(fence: Fence): Promise<void>;

  /** Puts the client on the OSD blocklist for 30 days or more; resolves once the monitors have committed that. */
  blocklist(fence: Fence): Promise<void>;

  /** Tells all gateways that the map changed. Never awaited by the leader's tick; never rejects. */
  notify(epoch: number): void;

  /** Calls `listener` when the map may have changed. A hint: may come late or never. */
  onHint(listener: () => void): void;

  /** A new client takes the place of the present one, which is fenced or about to be. What is under way rejects or is dropped. */
  renew(): Promise<void>;

  close(): Promise<void>;
}
