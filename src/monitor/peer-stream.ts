/**
 * A stream from each gateway to the leader, beside RADOS: beacons come quicker on it, and it ends the moment a process does. The
 * kernel of a process that was killed closes its connection without the farewell that a living one sends: an `abrupt` end. A
 * process that hangs ends nothing. The same end of a connection may come from a firewall or a proxy: it counts as abrupt only when
 * the peer's management port refuses a new connection. Handed in, because it runs over the management port.
 */
import type { Beacon } from './beacon.ts';
import type { Holder } from './group-map.ts';

/** The end that a follower has. */
export interface LeaderStream {
  /** Sends a beacon; one that could not leave yet is replaced by a newer one. Nothing happens after the end. */
  send(beacon: Beacon): void;
  /** Takes leave. Resolves once the leader has noticed, or after a short while. */
  close(): Promise<void>;
}

export interface LeaderStreamEvents {
  /** The leader has committed this epoch. A hint. */
  onEpoch(epoch: number): void;
  /**
   * Once, unless closed here. `abrupt`: the leader had answered on this stream, and then its connection broke without a word, and its
   * management port refuses connections. A leader that cannot be reached, or that says that it leads no more, is no abrupt end.
   */
  onEnd(abrupt: boolean): void;
}

/** The end that a leader has. */
export interface FollowerEvents {
  onBeacon(beacon: Beacon): void;
  /**
   * The stream of this gateway and incarnation ended, and it has not begun another one. `abrupt`: without a farewell, and
   * its management port refuses connections.
   */
  onEnd(follower: Holder, abrupt: boolean): void;
}

export interface PeerStreams {
  /** Opens a stream to the gateway at this address. It is not opened again after its end. */
  follow(address: string, port: number, self: Holder, events: LeaderStreamEvents): LeaderStream;

  /** From now on this gateway leads and has followers; null: it does not, takes leave of those it has, and turns others away. */
  serve(events: FollowerEvents | null): void;

  /** Tells all followers that the map has this epoch. */
  push(epoch: number): void;
}
