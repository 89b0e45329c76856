/**
 * Generated from proto/gateway.proto by scripts/gen-proto-types.mjs: do not edit.
 *
 * Messages as they come off the wire: a field without `?` is always there (with its default when it was not sent), one with
 * `?` only when it was sent. A sender may leave out any field: {@link Sent}.
 */

/** A 64-bit integer: a decimal string when received, either when sent. */
export type Int64 = string | number;

/** A message as a sender may write it. */
export type Sent<T> = { [K in keyof T]?: T[K] | undefined };

/** A number is a value that this proto file does not know. */
export type AddressFamily = 'ipv4' | 'ipv6' | number;

/** A number is a value that this proto file does not know. */
export type LogLevel = 'ERROR' | 'WARNING' | 'NOTICE' | 'INFO' | 'DEBUG' | number;

/** A number is a value that this proto file does not know. */
export type GwLogLevel = 'notset' | 'debug' | 'info' | 'warning' | 'error' | 'critical' | number;

/** A number is a value that this proto file does not know. */
export type EncryptionFormat = 'none' | 'luks1' | 'luks2' | number;

/** A number is a value that this proto file does not know. */
export type EncryptionAlgorithm = 'no_algorithm' | 'aes128' | 'aes256' | number;

/** A number is a value that this proto file does not know. */
export type DHCHAPControllerKeyOrigin = 'no_key' | 'host_specific' | 'subsystem_implicit' | number;

/** A number is a value that this proto file does not know. */
export type AnaState = 'UNSET' | 'OPTIMIZED' | 'NON_OPTIMIZED' | 'INACCESSIBLE' | number;

export interface DryRunPlan {
  effects: string[];
}

export interface ReqStatus {
  status: number;
  error_message: string;
  plan?: DryRunPlan;
}

export interface SubsysStatus {
  status: number;
  error_message: string;
  nqn: string;
}

export interface NsidStatus {
  status: number;
  error_message: string;
  nsid: number;
}

export interface CreateSubsystemReq {
  subsystem_nqn: string;
  serial_number: string;
  max_namespaces?: number;
  enable_ha: boolean;
  no_group_append?: boolean;
  dhchap_key?: string;
  key_encrypted?: boolean;
  network_mask: string[];
  secure_listeners?: boolean;
  port?: number;
}

export interface DeleteSubsystemReq {
  subsystem_nqn: string;
  force?: boolean;
  i_am_sure?: boolean;
  dry_run?: boolean;
}

export interface ListSubsystemsReq {
  subsystem_nqn?: string;
  serial_number?: string;
}

export interface SubsystemCli {
  nqn: string;
  enable_ha: boolean;
  serial_number: string;
  model_number: string;
  min_cntlid: number;
  max_cntlid: number;
  namespace_count: number;
  subtype: string;
  max_namespaces: number;
  has_dhchap_key?: boolean;
  allow_any_host?: boolean;
  created_without_key?: boolean;
  network_mask: string[];
}

export interface SubsystemsInfoCli {
  status: number;
  error_message: string;
  subsystems: SubsystemCli[];
}

export type GetSubsystemsReq = Record<string, never>;

export interface ListenAddress {
  trtype: string;
  adrfam: string;
  traddr: string;
  trsvcid: string;
  transport?: string;
  secure?: boolean;
}

export interface Namespace {
  nsid: number;
  name: string;
  bdev_name?: string;
  nguid?: string;
  uuid?: string;
  anagrpid?: number;
  nonce?: string;
  auto_visible?: boolean;
  hosts: string[];
}

export interface Subsystem {
  nqn: string;
  subtype: string;
  listen_addresses: ListenAddress[];
  hosts: Host[];
  allow_any_host: boolean;
  serial_number?: string;
  model_number?: string;
  max_namespaces?: number;
  min_cntlid?: number;
  max_cntlid?: number;
  namespaces: Namespace[];
  has_dhchap_key?: boolean;
  network_mask: string[];
}

export interface SubsystemsInfo {
  subsystems: Subsystem[];
}

export interface ChangeSubsystemKeyReq {
  subsystem_nqn: string;
  dhchap_key?: string;
}

export interface AddSubsystemNetworkReq {
  subsystem_nqn: string;
  network_mask: string;
}

export interface DelSubsystemNetworkReq {
  subsystem_nqn: string;
  network_mask: string;
  dry_run?: boolean;
}

export interface KmipServerEndpoint {
  address: string;
  port?: number;
}

export interface KmipServerEndpointCli {
  subsystem_nqn: string;
  server_name: string;
  address: string;
  port: number;
}

export interface AddKmipServerEndpointsReq {
  subsystem_nqn: string;
  server_name: string;
  endpoints: KmipServerEndpoint[];
}

export interface DelKmipServerEndpointsReq {
  subsystem_nqn: string;
  server_name: string;
  endpoints: KmipServerEndpoint[];
  force?: boolean;
}

export interface ListKmipServerEndpointsReq {
  subsystem_nqn?: string;
  server_name?: string;
}

export interface KmipServerEndpointsInfo {
  status: number;
  error_message: string;
  endpoints: KmipServerEndpointCli[];
}

export interface CreateListenerReq {
  nqn: string;
  host_name: string;
  traddr: string;
  adrfam?: AddressFamily;
  trsvcid?: number;
  secure?: boolean;
  verify_host_name?: boolean;
  force?: boolean;
}

export interface DeleteListenerReq {
  nqn: string;
  host_name: string;
  traddr: string;
  adrfam?: AddressFamily;
  trsvcid?: number;
  force?: boolean;
  dry_run?: boolean;
}

export interface ListListenersReq {
  subsystem: string;
}

export interface ListenerInfo {
  host_name: string;
  trtype: string;
  adrfam: AddressFamily;
  traddr: string;
  trsvcid: number;
  secure?: boolean;
  active?: boolean;
  manual?: boolean;
}

export interface ListenersInfo {
  status: number;
  error_message: string;
  listeners: ListenerInfo[];
  ambiguous: AmbiguousAddress[];
}

export interface AmbiguousAddress {
  address: string;
  host_names: string[];
}

export interface ShowGatewayListenersInfoReq {
  subsystem_nqn: string;
}

export interface GatewayListenerInfo {
  listener: ListenerInfo | null;
  lb_states: AnaGroupState[];
}

export interface GatewayListenersInfo {
  status: number;
  error_message: string;
  gw_listeners: GatewayListenerInfo[];
}

export interface AddHostReq {
  subsystem_nqn: string;
  host_nqn: string;
  psk?: string;
  dhchap_key?: string;
  psk_encrypted?: boolean;
  key_encrypted?: boolean;
  dhchap_ctrlr_key?: string;
  ctrlr_key_encrypted?: boolean;
}

export interface RemoveHostReq {
  subsystem_nqn: string;
  host_nqn: string;
  force?: boolean;
  keep_connections?: boolean;
  dry_run?: boolean;
}

export interface SetKeepHostConnectedReq {
  subsystem_nqn: string;
  host_nqn: string;
}

export interface ChangeHostKeyReq {
  subsystem_nqn: string;
  host_nqn: string;
  dhchap_key?: string;
  dhchap_ctrlr_key?: string;
}

export interface ListHostsReq {
  subsystem: string;
  clear_alerts?: boolean;
}

export interface Host {
  nqn: string;
  use_psk?: boolean;
  use_dhchap?: boolean;
  disconnected_due_to_keepalive_timeout?: boolean;
  dhchap_controller_origin?: DHCHAPControllerKeyOrigin;
}

export interface HostsInfo {
  status: number;
  error_message: string;
  allow_any_host: boolean;
  subsystem_nqn: string;
  hosts: Host[];
}

export interface EncryptionEntry {
  format: EncryptionFormat;
  key_id: string;
}

export interface NamespaceAddReq {
  rbd_pool_name: string;
  rbd_image_name: string;
  subsystem_nqn: string;
  nsid?: number;
  block_size: number;
  uuid?: string;
  anagrpid?: number;
  create_image?: boolean;
  size?: Int64;
  force?: boolean;
  no_auto_visible?: boolean;
  trash_image?: boolean;
  disable_auto_resize?: boolean;
  read_only?: boolean;
  rbd_data_pool_name?: string;
  location?: string;
  rados_namespace_name?: string;
  encryption_entries: EncryptionEntry[];
  encryption_algorithm?: EncryptionAlgorithm;
  backend?: string;
  path?: string;
}

export interface NamespaceDeleteReq {
  subsystem_nqn: string;
  nsid: number;
  OBSOLETE_uuid?: string;
  i_am_sure?: boolean;
  dry_run?: boolean;
}

export interface NamespaceResizeReq {
  subsystem_nqn: string;
  nsid: number;
  OBSOLETE_uuid?: string;
  new_size: Int64;
}

export interface NamespaceChangeLoadBalancingGroupReq {
  subsystem_nqn: string;
  nsid: number;
  OBSOLETE_uuid?: string;
  anagrpid: number;
  auto_lb_logic?: boolean;
}

export interface NamespaceSetQosReq {
  subsystem_nqn: string;
  nsid: number;
  OBSOLETE_uuid?: string;
  rw_ios_per_second?: Int64;
  rw_mbytes_per_second?: Int64;
  r_mbytes_per_second?: Int64;
  w_mbytes_per_second?: Int64;
  force?: boolean;
}

export interface NamespaceChangeVisibilityReq {
  subsystem_nqn: string;
  nsid: number;
  auto_visible: boolean;
  force?: boolean;
}

export interface NamespaceChangeLocationReq {
  subsystem_nqn: string;
  nsid: number;
  location?: string;
}

export interface NamespaceSetRbdTrashImageReq {
  subsystem_nqn: string;
  nsid: number;
  trash_image: boolean;
}

export interface NamespaceSetAutoResizeReq {
  subsystem_nqn: string;
  nsid: number;
  auto_resize: boolean;
}

export interface NamespaceAddHostReq {
  subsystem_nqn: string;
  nsid: number;
  host_nqn: string;
  force?: boolean;
}

export interface NamespaceDeleteHostReq {
  subsystem_nqn: string;
  nsid: number;
  host_nqn: string;
}

export interface ListNamespacesReq {
  subsystem: string;
  nsid?: number;
  uuid?: string;
}

export interface NamespaceCli {
  nsid: number;
  bdev_name: string;
  rbd_image_name: string;
  rbd_pool_name: string;
  load_balancing_group: number;
  block_size: number;
  rbd_image_size: Int64;
  uuid: string;
  rw_ios_per_second: Int64;
  rw_mbytes_per_second: Int64;
  r_mbytes_per_second: Int64;
  w_mbytes_per_second: Int64;
  auto_visible: boolean;
  hosts: string[];
  ns_subsystem_nqn?: string;
  trash_image?: boolean;
  disable_auto_resize?: boolean;
  read_only?: boolean;
  cluster_name?: string;
  configured_load_balancing_group?: number;
  image_was_shrunk?: boolean;
  rbd_data_pool_name?: string;
  location?: string;
  rados_namespace_name?: string;
  encryption_algorithm?: EncryptionAlgorithm;
  encryption_entries: EncryptionEntry[];
  backend?: string;
  path?: string;
  nguid?: string;
}

export interface NamespacesInfo {
  status: number;
  error_message: string;
  subsystem_nqn: string;
  namespaces: NamespaceCli[];
}

export interface NamespaceGetIoStatsReq {
  subsystem_nqn: string;
  nsid: number;
  OBSOLETE_uuid?: string;
}

export interface NamespaceIoError {
  name: string;
  value: number;
}

export interface NamespaceIoStatsInfo {
  status: number;
  error_message: string;
  subsystem_nqn: string;
  nsid: number;
  uuid?: string;
  bdev_name: string;
  tick_rate: Int64;
  ticks: Int64;
  bytes_read: Int64;
  num_read_ops: Int64;
  bytes_written: Int64;
  num_write_ops: Int64;
  bytes_unmapped: Int64;
  num_unmap_ops: Int64;
  read_latency_ticks: Int64;
  max_read_latency_ticks: Int64;
  min_read_latency_ticks: Int64;
  write_latency_ticks: Int64;
  max_write_latency_ticks: Int64;
  min_write_latency_ticks: Int64;
  unmap_latency_ticks: Int64;
  max_unmap_latency_ticks: Int64;
  min_unmap_latency_ticks: Int64;
  copy_latency_ticks: Int64;
  max_copy_latency_ticks: Int64;
  min_copy_latency_ticks: Int64;
  io_error: NamespaceIoError[];
}

export interface ListNamespacesIoStatsReq {
  subsystem_nqn?: string;
  nsid?: number;
}

export interface BdevIoStatsInfo {
  bdev_name: string;
  bytes_read: Int64;
  num_read_ops: Int64;
  bytes_written: Int64;
  num_write_ops: Int64;
  bytes_unmapped: Int64;
  num_unmap_ops: Int64;
  bytes_copied: Int64;
  num_copy_ops: Int64;
  read_latency_ticks: Int64;
  max_read_latency_ticks: Int64;
  min_read_latency_ticks: Int64;
  write_latency_ticks: Int64;
  max_write_latency_ticks: Int64;
  min_write_latency_ticks: Int64;
  unmap_latency_ticks: Int64;
  max_unmap_latency_ticks: Int64;
  min_unmap_latency_ticks: Int64;
  copy_latency_ticks: Int64;
  max_copy_latency_ticks: Int64;
  min_copy_latency_ticks: Int64;
  io_error: NamespaceIoError[];
  subsystem_nqn?: string;
  nsid?: number;
}

export interface ListNamespacesIoStatsInfo {
  status: number;
  error_message: string;
  tick_rate: Int64;
  ticks: Int64;
  namespaces: BdevIoStatsInfo[];
}

export interface ListConnectionsReq {
  subsystem: string;
  clear_alerts?: boolean;
}

export interface Connection {
  nqn: string;
  traddr: string;
  trsvcid: number;
  trtype: string;
  adrfam: AddressFamily;
  connected: boolean;
  qpairs_count: number;
  controller_id: number;
  secure?: boolean;
  use_psk?: boolean;
  use_dhchap?: boolean;
  subsystem?: string;
  disconnected_due_to_keepalive_timeout?: boolean;
  dhchap_controller_origin?: DHCHAPControllerKeyOrigin;
  host_deleted?: boolean;
}

export interface ConnectionsInfo {
  status: number;
  error_message: string;
  subsystem_nqn: string;
  connections: Connection[];
}

export interface GetConnectionIoStatisticsReq {
  subsystem_nqn: string;
  host_nqn: string;
  reset?: boolean;
}

export interface LatencyStats {
  min: Int64;
  max: Int64;
  mean: Int64;
}

export interface LatencyGroup {
  io_count: Int64;
  total: LatencyStats | null;
  bdev: LatencyStats | null;
  net: LatencyStats | null;
  qos: LatencyStats | null;
}

export interface BucketInfo {
  size: number;
  read: LatencyGroup | null;
  write: LatencyGroup | null;
}

export interface ConnectionIoStatistics {
  status: number;
  error_message: string;
  subsystem_nqn: string;
  host_nqn: string;
  total_num_ios?: Int64;
  buckets: BucketInfo[];
}

export interface GetGatewayInfoReq {
  cli_version?: string;
}

export interface GatewayInfo {
  cli_version: string;
  version: string;
  name: string;
  group: string;
  addr: string;
  port: string;
  bool_status: boolean;
  status: number;
  error_message: string;
  spdk_version?: string;
  load_balancing_group: number;
  hostname: string;
  max_subsystems?: number;
  max_namespaces?: number;
  max_hosts_per_subsystem?: number;
  max_namespaces_per_subsystem?: number;
  max_hosts?: number;
  gateway_initialization_over?: boolean;
  io_stats_enabled?: boolean;
  anagate_version?: string;
  troubles: string[];
  dry_runs?: boolean;
}

export interface CliVersion {
  status: number;
  error_message: string;
  version: string;
}

export interface GwVersion {
  status: number;
  error_message: string;
  version: string;
}

export type GetGatewayLogLevelReq = Record<string, never>;

export interface GatewayLogLevelInfo {
  status: number;
  error_message: string;
  log_level: GwLogLevel;
}

export interface SetGatewayLogLevelReq {
  log_level: GwLogLevel;
}

export type GetGatewayStatsReq = Record<string, never>;

export interface PollGroupTransportInfo {
  trtype: string;
}

export interface PollGroupInfo {
  name: string;
  admin_qpairs: number;
  io_qpairs: number;
  current_admin_qpairs: number;
  current_io_qpairs: number;
  pending_bdev_io: Int64;
  completed_nvme_io: Int64;
  transports: PollGroupTransportInfo[];
}

export interface GatewayStatsInfo {
  status: number;
  error_message: string;
  tick_rate: Int64;
  poll_groups: PollGroupInfo[];
}

export type GetThreadStatsReq = Record<string, never>;

export interface SpdkThreadInfo {
  name: string;
  busy: Int64;
  idle: Int64;
}

export interface ThreadStatsInfo {
  status: number;
  error_message: string;
  threads: SpdkThreadInfo[];
  tick_rate: Int64;
}

export interface SetGatewayIoStatsModeReq {
  enabled: boolean;
}

export interface AnaGroupState {
  grp_id: number;
  state: AnaState;
}

export interface NqnAnaStates {
  nqn: string;
  states: AnaGroupState[];
}

export interface AnaInfo {
  states: NqnAnaStates[];
}

export type ListGatewaysReq = Record<string, never>;

export interface GroupGateway {
  name: string;
  slot: number;
  location: string;
  availability: string;
  enabled: boolean;
  drain: string;
  leader: boolean;
  ana_groups: number[];
  hosts: string[];
  load: number;
  beacon_age_ms?: Int64;
  since_ms: Int64;
  incarnation: string;
  address: string;
  port: number;
}

export interface GatewaysInfo {
  status: number;
  error_message: string;
  epoch: Int64;
  gateways: GroupGateway[];
  leader?: string;
  stale_ms?: Int64;
}

export type ListAnaGroupsReq = Record<string, never>;

export interface AnaGroupOnGateway {
  gateway: string;
  state: string;
}

export interface AnaGroupInfo {
  id: number;
  owner?: string;
  home?: string;
  state: string;
  states: AnaGroupOnGateway[];
  since_ms: Int64;
  why: string;
  epoch: Int64;
  awaited?: string;
}

export interface AnaGroupsInfo {
  status: number;
  error_message: string;
  epoch: Int64;
  ana_groups: AnaGroupInfo[];
  stale_ms?: Int64;
}

export type ListOwnershipChangesReq = Record<string, never>;

export interface OwnershipMark {
  name: string;
  at_ms: Int64;
}

export interface OwnershipChange {
  epoch: Int64;
  ana_group: number;
  from?: string;
  to?: string;
  why: string;
  marks: OwnershipMark[];
}

export interface OwnershipChangesInfo {
  status: number;
  error_message: string;
  changes: OwnershipChange[];
  stale_ms?: Int64;
}

export interface ChangeGatewayReq {
  gateway: string;
  action: string;
  force: boolean;
  location?: string;
  dry_run?: boolean;
}

export interface MoveAnaGroupReq {
  ana_group: number;
  gateway: string;
  force: boolean;
  dry_run?: boolean;
}

export interface RebalanceReq {
  dry_run: boolean;
}

export interface NamespaceMove {
  subsystem_nqn: string;
  nsid: number;
  from: number;
  to: number;
}

export interface RebalanceInfo {
  status: number;
  error_message: string;
  moves: NamespaceMove[];
  done: number;
  running: boolean;
}

export interface OkToStopReq {
  gateways: string[];
}

export interface OkToStopInfo {
  status: number;
  error_message: string;
  ok: boolean;
  reasons: string[];
}

export interface GetSpdkNvmfLogFlagsAndLevelReq {
  all_log_flags?: boolean;
}

export interface SpdkLogFlagInfo {
  name: string;
  enabled: boolean;
}

export interface SpdkNvmfLogFlagsAndLevelInfo {
  status: number;
  error_message: string;
  nvmf_log_flags: SpdkLogFlagInfo[];
  log_level: LogLevel;
  log_print_level: LogLevel;
}

export interface SetSpdkNvmfLogsReq {
  log_level?: LogLevel;
  print_level?: LogLevel;
  extra_log_flags: string[];
}

export interface DisableSpdkNvmfLogsReq {
  extra_log_flags: string[];
}

export type ExportStateReq = Record<string, never>;

export interface StateInfo {
  status: number;
  error_message: string;
  document: Buffer;
  version: Int64;
}

export interface ImportStateReq {
  document: Buffer;
  mode: string;
  dry_run: boolean;
}

export interface StateChange {
  key: string;
  change: string;
  remark: string;
}

export interface ImportStateInfo {
  status: number;
  error_message: string;
  changes: StateChange[];
  commits: number;
}

export type ListEncryptionKeysReq = Record<string, never>;

export interface EncryptionKey {
  id: string;
  known: boolean;
  secrets: number;
}

export interface EncryptionKeysInfo {
  status: number;
  error_message: string;
  keys: EncryptionKey[];
}

export type RotateEncryptionKeyReq = Record<string, never>;

export interface RotateEncryptionKeyInfo {
  status: number;
  error_message: string;
  key_id: string;
  changed: number;
}

/** The RPCs of service Gateway. */
export interface GatewayRpcs {
  create_subsystem: {
    request: CreateSubsystemReq;
    answer: SubsysStatus;
  };
  delete_subsystem: {
    request: DeleteSubsystemReq;
    answer: ReqStatus;
  };
  list_subsystems: {
    request: ListSubsystemsReq;
    answer: SubsystemsInfoCli;
  };
  get_subsystems: {
    request: GetSubsystemsReq;
    answer: SubsystemsInfo;
  };
  change_subsystem_key: {
    request: ChangeSubsystemKeyReq;
    answer: ReqStatus;
  };
  add_subsystem_network: {
    request: AddSubsystemNetworkReq;
    answer: ReqStatus;
  };
  del_subsystem_network: {
    request: DelSubsystemNetworkReq;
    answer: ReqStatus;
  };
  add_kmip_server_endpoints: {
    request: AddKmipServerEndpointsReq;
    answer: ReqStatus;
  };
  del_kmip_server_endpoints: {
    request: DelKmipServerEndpointsReq;
    answer: ReqStatus;
  };
  list_kmip_server_endpoints: {
    request: ListKmipServerEndpointsReq;
    answer: KmipServerEndpointsInfo;
  };
  create_listener: {
    request: CreateListenerReq;
    answer: ReqStatus;
  };
  delete_listener: {
    request: DeleteListenerReq;
    answer: ReqStatus;
  };
  list_listeners: {
    request: ListListenersReq;
    answer: ListenersInfo;
  };
  show_gateway_listeners_info: {
    request: ShowGatewayListenersInfoReq;
    answer: GatewayListenersInfo;
  };
  add_host: {
    request: AddHostReq;
    answer: ReqStatus;
  };
  remove_host: {
    request: RemoveHostReq;
    answer: ReqStatus;
  };
  set_keep_host_connected: {
    request: SetKeepHostConnectedReq;
    answer: ReqStatus;
  };
  change_host_key: {
    request: ChangeHostKeyReq;
    answer: ReqStatus;
  };
  list_hosts: {
    request: ListHostsReq;
    answer: HostsInfo;
  };
  namespace_add: {
    request: NamespaceAddReq;
    answer: NsidStatus;
  };
  namespace_delete: {
    request: NamespaceDeleteReq;
    answer: ReqStatus;
  };
  namespace_resize: {
    request: NamespaceResizeReq;
    answer: ReqStatus;
  };
  namespace_change_load_balancing_group: {
    request: NamespaceChangeLoadBalancingGroupReq;
    answer: ReqStatus;
  };
  namespace_set_qos_limits: {
    request: NamespaceSetQosReq;
    answer: ReqStatus;
  };
  namespace_change_visibility: {
    request: NamespaceChangeVisibilityReq;
    answer: ReqStatus;
  };
  namespace_change_location: {
    request: NamespaceChangeLocationReq;
    answer: ReqStatus;
  };
  namespace_set_rbd_trash_image: {
    request: NamespaceSetRbdTrashImageReq;
    answer: ReqStatus;
  };
  namespace_set_auto_resize: {
    request: NamespaceSetAutoResizeReq;
    answer: ReqStatus;
  };
  namespace_add_host: {
    request: NamespaceAddHostReq;
    answer: ReqStatus;
  };
  namespace_delete_host: {
    request: NamespaceDeleteHostReq;
    answer: ReqStatus;
  };
  namespace_get_io_stats: {
    request: NamespaceGetIoStatsReq;
    answer: NamespaceIoStatsInfo;
  };
  list_namespaces_io_stats: {
    request: ListNamespacesIoStatsReq;
    answer: ListNamespacesIoStatsInfo;
  };
  list_namespaces: {
    request: ListNamespacesReq;
    answer: NamespacesInfo;
  };
  list_connections: {
    request: ListConnectionsReq;
    answer: ConnectionsInfo;
  };
  get_connection_io_statistics: {
    request: GetConnectionIoStatisticsReq;
    answer: ConnectionIoStatistics;
  };
  get_gateway_info: {
    request: GetGatewayInfoReq;
    answer: GatewayInfo;
  };
  get_gateway_log_level: {
    request: GetGatewayLogLevelReq;
    answer: GatewayLogLevelInfo;
  };
  set_gateway_log_level: {
    request: SetGatewayLogLevelReq;
    answer: ReqStatus;
  };
  get_gateway_stats: {
    request: GetGatewayStatsReq;
    answer: GatewayStatsInfo;
  };
  get_thread_stats: {
    request: GetThreadStatsReq;
    answer: ThreadStatsInfo;
  };
  set_gateway_io_stats_mode: {
    request: SetGatewayIoStatsModeReq;
    answer: ReqStatus;
  };
  set_ana_state: {
    request: AnaInfo;
    answer: ReqStatus;
  };
  list_gateways: {
    request: ListGatewaysReq;
    answer: GatewaysInfo;
  };
  list_ana_groups: {
    request: ListAnaGroupsReq;
    answer: AnaGroupsInfo;
  };
  list_ownership_changes: {
    request: ListOwnershipChangesReq;
    answer: OwnershipChangesInfo;
  };
  change_gateway: {
    request: ChangeGatewayReq;
    answer: ReqStatus;
  };
  move_ana_group: {
    request: MoveAnaGroupReq;
    answer: ReqStatus;
  };
  ok_to_stop: {
    request: OkToStopReq;
    answer: OkToStopInfo;
  };
  rebalance: {
    request: RebalanceReq;
    answer: RebalanceInfo;
  };
  export_state: {
    request: ExportStateReq;
    answer: StateInfo;
  };
  import_state: {
    request: ImportStateReq;
    answer: ImportStateInfo;
  };
  list_encryption_keys: {
    request: ListEncryptionKeysReq;
    answer: EncryptionKeysInfo;
  };
  rotate_encryption_key: {
    request: RotateEncryptionKeyReq;
    answer: RotateEncryptionKeyInfo;
  };
  get_spdk_nvmf_log_flags_and_level: {
    request: GetSpdkNvmfLogFlagsAndLevelReq;
    answer: SpdkNvmfLogFlagsAndLevelInfo;
  };
  set_spdk_nvmf_logs: {
    request: SetSpdkNvmfLogsReq;
    answer: ReqStatus;
  };
  disable_spdk_nvmf_logs: {
    request: DisableSpdkNvmfLogsReq;
    answer: ReqStatus;
  };
}
