/**
 * What a gateway can be asked to do: the seam between the control plane (gRPC, start-up) and the gateway.
 * Every mutating call validates first, commits to the store, then applies to the target; it rejects with an
 * {@link AnagateError} and changes nothing when it cannot be done.
 */

import type { QosLimits } from './qos.ts';
import type { NamespaceMove } from './rebalance.ts';
import type { RehearsalApi } from './rehearsal.ts';
import type { StateApi } from './state-requests.ts';
import type { StatisticsApi } from './statistics.ts';

export interface SubsystemSpec {
  nqn: string;
  /** Default "AG" + 18 random digits; at most 20 ASCII characters. */
  serial?: string;
  /** 1..4096; default 4096. */
  maxNamespaces?: number;
  /** Masks (CIDR): each gateway listens on the addresses of its node that are within one. */
  networks?: readonly string[];
  /** TCP port of those listeners, default 4420. */
  listenPort?: number;
  /** DH-HMAC-CHAP key of its controllers, in the clear; with it each host needs a key. */
  dhchapKey?: string;
}

/** Keys of a host in their text forms, in the clear. */
export interface HostKeys {
  /** `NVMeTLSkey-1:...` */
  psk?: string | undefined;
  /** `DHHC-1:...` */
  dhchapKey?: string | undefined;
  /** What controllers prove themselves with to this host: `DHHC-1:...` */
  dhchapControllerKey?: string | undefined;
}

/** null deletes a key; what is absent stays. */
export interface HostKeyChange {
  dhchapKey?: string | null;
  dhchapControllerKey?: string | null;
}

export interface ListenerSpec {
  nqn: string;
  /**
   * Name of the node whose gateway activates it; '*': of whoever has the address; '': this gateway's, or that of whoever has
   * the address when this one has not.
   */
  hostName: string;
  traddr: string;
  adrfam: 'ipv4' | 'ipv6';
  /** TCP port, default 4420. */
  trsvcid: number;
}

/** What is asked of a listener that is added. */
export interface ListenerChecks {
  /** INVALID_ARGUMENT unless the host name is that of a gateway of the group. */
  verifyHostName?: boolean;
  /** Though nobody has the address now. */
  force?: boolean;
}

export type BackendSpec = { type: 'file'; path: string; create: boolean } | { type: 'memory' } | RbdSpec;

export interface RbdSpec {
  type: 'rbd';
  pool: string;
  image: string;
  /** Absent: the pool's default namespace. */
  radosNamespace?: string;
  /** For an image that is made: the pool that holds its data. */
  dataPool?: string;
  /** Make the image when it is missing; needs a size. */
  create?: boolean;
  /** Move the image to the pool's trash when the namespace is deleted. */
  trashOnDelete?: boolean;
}

export interface NamespaceSpec {
  nqn: string;
  /** Default: lowest free. */
  nsid?: number;
  /** RFC 9562 text form; default random. */
  uuid?: string;
  backend: BackendSpec;
  /** Bytes; required when the backend object is to be created. */
  sizeBytes?: number;
  /** Default 512. */
  blockSize?: 512 | 4096;
  /** 0 or absent: least loaded group. */
  anaGroupId?: number;
  readOnly?: boolean;
  /** Only the hosts that are listed for it see it; absent: all hosts of the subsystem. */
  noAutoVisible?: boolean;
  /** Placed on gateways that stand there, while there are any. */
  location?: string;
  /** Keep the namespace's size when its image grows. */
  disableAutoResize?: boolean;
  /** Use the file or image even though another namespace has it. */
  force?: boolean;
}

/** What a namespace does with its image; what is absent stays as it is. */
export interface ImageTreatment {
  /** Grow when the image grows. */
  autoResize?: boolean;
  /** See {@link RbdSpec}. */
  trashOnDelete?: boolean;
}

export interface SubsystemInfo {
  nqn: string;
  serial: string;
  model: string;
  minCntlid: number;
  maxCntlid: number;
  namespaceCount: number;
  maxNamespaces: number;
  allowAnyHost: boolean;
  /** Masks. */
  networks: readonly string[];
  hasDhchapKey: boolean;
}
export interface ListenerInfo extends ListenerSpec {
  /** This gateway listens on it now. */
  active: boolean;
  /** A network mask made it. */
  automatic?: boolean;
  /** ANA group id -> state on this gateway. */
  anaStates: { group: number; state: 'optimized' | 'non-optimized' | 'inaccessible' }[];
}
export interface NamespaceInfo {
  nqn: string;
  nsid: number;
  uuid: string;
  nguid: string;
  backend: BackendSpec;
  sizeBytes: number;
  blockSize: number;
  anaGroupId: number;
  readOnly: boolean;
  /** All hosts of the subsystem see it; otherwise those of `hosts`. */
  autoVisible: boolean;
  /** NQNs, in order. */
  hosts: string[];
  /** '': anywhere. */
  location: string;
  disableAutoResize: boolean;
  /** The image is smaller than the namespace; what lies past its end is lost. */
  imageWasShrunk: boolean;
  qos: QosLimits;
}
export interface HostsInfo {
  nqn: string;
  allowAnyHost: boolean;
  hosts: HostInfo[];
}
export interface HostInfo {
  nqn: string;
  hasPsk: boolean;
  hasDhchapKey: boolean;
  /** Whose key the controllers prove themselves with; no_key also when the host has none itself. */
  controllerKey: 'no_key' | 'host_specific' | 'subsystem_implicit';
}
/** One controller of one host; `connected: false` for an allowed host without a live controller. */
export interface ConnectionInfo {
  subsystemNqn: string;
  hostNqn: string;
  connected: boolean;
  /** Host side address, '' when not connected. */
  traddr: string;
  trsvcid: number;
  adrfam: 'ipv4' | 'ipv6';
  /** Connected queues, admin queue included. */
  queueCount: number;
  /** -1 when not connected. */
  cntlid: number;
  /** The last controller of this host ended by keep-alive timeout. */
  keepAliveTimeout: boolean;
  /** The host was removed; the connection was kept. */
  hostDeleted: boolean;
}
export interface GatewayInfo {
  version: string;
  name: string;
  group: string;
  address: string;
  port: number;
  hostname: string;
  anaGroupId: number;
  maxSubsystems: number;
  maxNamespaces: number;
  maxNamespacesPerSubsystem: number;
  maxHosts: number;
  maxHostsPerSubsystem: number;
  initialized: boolean;
  /** What is configured and cannot be served at the moment, and why; a sentence each. */
  troubles: string[];
}

export interface RebalanceInfo {
  /** Still to be made, as things are now. */
  readonly moves: readonly NamespaceMove[];
  /** Made by this gateway since it last began. */
  readonly done: number;
  readonly running: boolean;
}

export interface GatewayApi {
  info(): GatewayInfo;

  addSubsystem(spec: SubsystemSpec): Promise<SubsystemInfo>;
  /** `force` also removes its namespaces; otherwise SUBSYSTEM_NOT_EMPTY. Backing files and images stay. */
  deleteSubsystem(nqn: string, force: boolean): Promise<void>;
  listSubsystems(filter?: { nqn?: string; serial?: string }): SubsystemInfo[];

  /** Resolves with the listener; when it belongs to another node it is stored and LISTENER_REMOTE is thrown *after* the commit. */
  addListener(spec: ListenerSpec, checks?: ListenerChecks): Promise<ListenerInfo>;
  deleteListener(spec: ListenerSpec, force: boolean): Promise<void>;
  listListeners(nqn: string): ListenerInfo[];

  addSubsystemNetwork(nqn: string, mask: string): Promise<void>;
  /** Hosts that came through its listeners are disconnected. */
  deleteSubsystemNetwork(nqn: string, mask: string): Promise<void>;

  /** hostNqn '*' = any host. */
  /** A host with a key is not let in before this version can authenticate it. */
  addHost(nqn: string, hostNqn: string, keys?: HostKeys): Promise<void>;
  /** Its connections end, unless they are kept until they end by themselves; see {@link keepHostConnected}. */
  deleteHost(nqn: string, hostNqn: string, keepConnections?: boolean): Promise<void>;
  /** When the host is deleted, its connections shall stay. */
  keepHostConnected(nqn: string, hostNqn: string): Promise<void>;
  /** Connections that there are stay. */
  changeHostKey(nqn: string, hostNqn: string, change: HostKeyChange): Promise<void>;
  /** null deletes the key. */
  changeSubsystemKey(nqn: string, key: string | null): Promise<void>;
  listHosts(nqn: string): HostsInfo;

  addNamespace(spec: NamespaceSpec): Promise<NamespaceInfo>;
  /**
   * The backing file or image stays, unless the namespace was added with `trashOnDelete`: it is deleted only if `trash`, and
   * its image is moved to the trash.
   */
  deleteNamespace(nqn: string, nsid: number, trash?: boolean): Promise<void>;
  resizeNamespace(nqn: string, nsid: number, sizeBytes: number): Promise<NamespaceInfo>;
  /** Takes over the size that the image has now, also a smaller one, and one that is not followed by itself. */
  refreshNamespaceSize(nqn: string, nsid: number): Promise<NamespaceInfo>;
  /** '': anywhere. The namespace moves there when namespaces are next rebalanced. */
  changeNamespaceLocation(nqn: string, nsid: number, location: string): Promise<void>;
  /** INVALID_ARGUMENT for a group that is not at the namespace's location. */
  changeNamespaceAnaGroup(nqn: string, nsid: number, anaGroupId: number): Promise<void>;
  /** Without `force`, NAMESPACE_IN_USE while hosts are listed (to visible to all) or connected (to visible to listed ones). */
  changeNamespaceVisibility(nqn: string, nsid: number, autoVisible: boolean, force: boolean): Promise<void>;
  /** Lists a host for a namespace that is not visible to all. HOST_NOT_FOUND when it may not use the subsystem, unless `force`. */
  addNamespaceHost(nqn: string, nsid: number, hostNqn: string, force: boolean): Promise<void>;
  deleteNamespaceHost(nqn: string, nsid: number, hostNqn: string): Promise<void>;
  /** INVALID_ARGUMENT when the namespace is not on an image. */
  changeImageTreatment(nqn: string, nsid: number, treatment: ImageTreatment): Promise<void>;
  /** A limit that is left out stays as it is. */
  setQosLimits(nqn: string, nsid: number, limits: Partial<QosLimits>): Promise<void>;
  listNamespaces(filter?: { nqn?: string; nsid?: number; uuid?: string }): NamespaceInfo[];

  /** Spreads the namespaces evenly over the ANA groups, or only says how. Resolves before the moves are made. */
  rebalance(dryRun: boolean): RebalanceInfo;

  listConnections(nqn?: string): ConnectionInfo[];

  /** What requests would do that are not made. */
  readonly rehearsal: RehearsalApi;
  readonly statistics: StatisticsApi;

  readonly state: StateApi;

  /** pino level names: trace, debug, info, warn, error, fatal. */
  logLevel(): string;
  setLogLevel(level: string): void;
}
