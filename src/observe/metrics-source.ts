/**
 * What the metrics page reads. The composition root adapts the live gateway to this; nothing here is copied or kept.
 *
 * Every method is called anew for each scrape, some several times. An iterable is walked over several turns of the event
 * loop, so it has to bear changes meanwhile (a `Map`'s values do). Objects may be reused between steps of one walk.
 * Counters only grow while the process lives; a reader sees a restart as a reset.
 */
import type { HistogramView } from '../base/histogram.ts';

/** Who this gateway is. */
export interface GatewayMetrics {
  version: string;
  /** Management address and port. */
  address: string;
  port: number;
  /** Gateway name, unique in its group. */
  name: string;
  hostname: string;
  /** '' when the gateway is in no group. */
  group: string;
  /** The ANA group this gateway owns when all is well; 0 for none. */
  anaGroupId: number;
}

/** One namespace: what it is and what hosts did to it through this gateway. */
export interface NamespaceMetrics {
  nqn: string;
  nsid: number;
  /** `bdev_<uuid>`, as users of ceph-nvmeof know it. */
  bdevName: string;
  /** RBD pool; '' for other backends. */
  pool: string;
  /** RBD namespace inside the pool; ''. */
  poolNamespace?: string;
  /** RBD image, or the file's path, or 'memory'. */
  image: string;
  blockSize: number;
  sizeBytes: number;
  anaGroupId: number;
  reads: number;
  writes: number;
  readBytes: number;
  writtenBytes: number;
  /** Sum of the time commands took, seconds. */
  readSeconds: number;
  writeSeconds: number;
  /** Commands that ended with a status other than success, path-related ones not counted. */
  errors: number;
}

export interface SubsystemMetrics {
  nqn: string;
  serial: string;
  model: string;
  allowAnyHost: boolean;
  listenerCount: number;
  hostCount: number;
  namespaceCount: number;
  namespaceLimit: number;
  /** Time from a command's capsule to its response handed to the socket. */
  readLatency: HistogramView;
  writeLatency: HistogramView;
}

export interface ListenerMetrics {
  nqn: string;
  address: string;
  port: number;
  /** This gateway listens there now. */
  active: boolean;
}

export interface HostMetrics {
  nqn: string;
  hostNqn: string;
  /** '' when not connected. */
  hostAddress: string;
  connected: boolean;
  /** The host's last controller ended by keep-alive timeout. */
  keepAliveTimeout: boolean;
}

export interface AnaGroupMetrics {
  nqn: string;
  anaGroupId: number;
  /** NVMe's number: 1 optimized, 2 non-optimized, 3 inaccessible, 4 persistent loss, 15 change. */
  state: number;
  /** Changes of state since start. */
  changes: number;
}

/** The transport's totals. */
export interface ConnectionMetrics {
  /** Open now, all kinds. */
  open: number;
  /** Accepted since start. */
  accepted: number;
}

export interface ConnectionErrorMetrics {
  /** A short fixed word: 'header-digest', 'icreq-timeout', 'too-many-connections' ... Never text from the peer. */
  reason: string;
  count: number;
}

export interface BufferPoolMetrics {
  /** Bytes that may ever be out at once. */
  limitBytes: number;
  /** Bytes lent to commands now. */
  usedBytes: number;
  /** Times a command had to wait for a buffer. */
  waits: number;
}

/** The monitor of a group that decides together who serves what. */
export interface MonitorMetrics {
  /** Epoch of the last map that was read. */
  epoch: number;
  /** This gateway leads the group. */
  leading: boolean;
  /** Failovers in the group since this gateway joined it. */
  failovers: number;
  /** Times that this gateway was fenced and joined anew. */
  fences: number;
  /** Leases that ran out here while their ANA group was served. */
  lapses: number;
  /** Looks at the beacons that came too late to judge anybody. */
  lateLooks: number;
  /** Milliseconds since the last sign of life of each gateway that runs. */
  beaconAgesMs: ReadonlyMap<string, number>;
}

export interface MetricsSource {
  gateway(): GatewayMetrics;
  subsystems(): Iterable<SubsystemMetrics>;
  listeners(): Iterable<ListenerMetrics>;
  namespaces(): Iterable<NamespaceMetrics>;
  hosts(): Iterable<HostMetrics>;
  anaGroups(): Iterable<AnaGroupMetrics>;
  connections(): ConnectionMetrics;
  connectionErrors(): Iterable<ConnectionErrorMetrics>;
  bufferPool(): BufferPoolMetrics;
  /** null: no group decides here. */
  monitor(): MonitorMetrics | null;
}
