/**
 * What a gateway can be asked to do: the seam between the control plane (gRPC, start-up) and the gateway.
 * Every mutating call validates first, commits to the store, then applies to the target; it rejects with an
 * {@link AnagateError} and changes nothing when it cannot be done.
 */

import type { AmbiguousAddress } from './configuration/automatic-listeners.ts';
import type { QosLimits } from './configuration/records.ts';
import type { NamespaceMove } from './group/rebalance.ts';
import type {
  BackendSpec,
  HostKeyChange,
  HostKeys,
  ImageTreatment,
  ListenerChecks,
  ListenerSpec,
  NamespaceSpec,
  SubsystemSpec,
} from './plans/requests.ts';
import type { RehearsalApi } from './rehearsal.ts';
import type { StateApi } from './state/requests.ts';
import type { StatisticsApi } from './statistics.ts';

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
  /** Addresses in networks of the subsystem that are not listened on, because several nodes have them. */
  ambiguousAddresses(nqn: string): AmbiguousAddress[];

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
