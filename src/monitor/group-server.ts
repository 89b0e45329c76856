/** What the monitor client has the gateway do with its ANA groups, and asks of it. Implemented by the gateway, and by the simulator. */
import type { ClientAddress } from './group-map.ts';

/** What goes into the beacon. */
export interface GatewayCondition {
  /** The configuration is applied and at least one subsystem has a listener here. */
  readonly available: boolean;
  readonly populated: readonly number[];
  readonly uncovered: readonly number[];
  readonly hosts: readonly string[];
  /** Commands per second. */
  readonly load: number;
  readonly linkDown: boolean;
  /** How listeners name this gateway; absent: as the gateway. */
  readonly hostName?: string;
  /** As listeners name them. */
  readonly unreachable: readonly string[];
  readonly reachable: readonly string[];
}

export interface GroupServer {
  condition(): GatewayCondition;

  /** RADOS clients that are connected now, without the control client. */
  clients(): readonly ClientAddress[];

  /** Connects the group's client if there is none; resolves with its address. */
  connect(group: number): Promise<string>;

  /**
   * The group may be served: waits for the latest OSD map on the group's client if `afterFence`, gets a first lease with it
   * (see {@link renew}), then opens the gate and turns the group optimized; images whose lock is not ours yet hold their I/O.
   * Resolves when optimized. Rejects when that cannot be; the group is inaccessible then. {@link withdraw} or {@link release} end it.
   */
  takeOver(group: number, afterFence: boolean): Promise<void>;

  /**
   * Planned hand-over: new commands are held (at most 500 ms), those in flight finish, images are flushed, their locks released,
   * the group turns inaccessible. Resolves true when all that is so; false when it did not end within 5 s or the group was
   * taken over again meanwhile: the group is as before then.
   */
  release(group: number): Promise<boolean>;

  /** Inaccessible at once. What is in flight is answered with a path status when it ends; nothing is waited for. */
  withdraw(group: number): void;

  /**
   * Asks with the group's own client whether its lease goes on, and prolongs it from the time of asking. Resolves with false if
   * it was revoked. Rejects with EBLOCKLISTED, or ETIMEDOUT when no answer came within the lease.
   */
  renew(group: number): Promise<boolean>;

  /** Ends all RADOS clients, which are fenced or about to be, and makes new ones. All groups are withdrawn before. */
  renewClients(): Promise<void>;

  /** Calls `listener` when an operation of the group's client met EBLOCKLISTED, before that operation is answered. */
  onFenced(listener: (group: number) => void): void;

  /** Calls `listener` when {@link condition} or {@link clients} changed so that the leader should know at once. */
  onCondition(listener: () => void): void;
}
