/** A gateway that keeps everything in memory and serves nobody: enough to test what stands before a gateway. */
import { AnagateError } from '../../src/base/errors.ts';
import type { AmbiguousAddress } from '../../src/gateway/configuration/automatic-listeners.ts';
import type { QosLimits } from '../../src/gateway/configuration/records.ts';
import type {
  ConnectionInfo,
  GatewayApi,
  GatewayInfo,
  HostInfo,
  HostsInfo,
  ListenerInfo,
  NamespaceInfo,
  RebalanceInfo,
  SubsystemInfo,
} from '../../src/gateway/gateway-api.ts';
import { UNLIMITED } from '../../src/gateway/plans/qos.ts';
import type {
  HostKeyChange,
  HostKeys,
  ImageTreatment,
  ListenerChecks,
  ListenerSpec,
  NamespaceSpec,
  SubsystemSpec,
} from '../../src/gateway/plans/requests.ts';
import type { RehearsalApi } from '../../src/gateway/rehearsal.ts';
import type { ImportedChange, ImportMode } from '../../src/gateway/state/import.ts';
import type { StateApi } from '../../src/gateway/state/requests.ts';
import type { NamespaceIoStats, QueueTotals, StatisticsApi } from '../../src/gateway/statistics.ts';
import type { ThreadTime } from '../../src/gateway/thread-times.ts';
import { ConnectionStats } from '../../src/target/connection-stats.ts';

export const FAKE_UUID = '11111111-2222-4333-8444-555555555555';
export const OTHER_NODE = 'node-2';

const FRESH_INFO: GatewayInfo = {
  version: '9.8.7',
  name: 'gw-1',
  group: '',
  address: '192.0.2.1',
  port: 5500,
  hostname: 'node-1',
  anaGroupId: 1,
  maxSubsystems: 128,
  maxNamespaces: 4096,
  maxNamespacesPerSubsystem: 512,
  maxHosts: 2048,
  maxHostsPerSubsystem: 128,
  initialized: true,
  troubles: [],
};

/** What the image of any namespace has when its size is asked for. */
export const REFRESHED_BYTES = 7 * 2 ** 30;

export class FakeGateway implements GatewayApi {
  gatewayInfo: GatewayInfo = { ...FRESH_INFO };
  connections: ConnectionInfo[] = [];
  ambiguous: AmbiguousAddress[] = [];
  level = 'info';
  /** The last spec given to addNamespace. */
  lastNamespace: NamespaceSpec | null = null;
  /** What the last deletion said of the image. */
  lastTrash = false;
  /** The keys that the last request about a host gave. */
  lastKeys: HostKeys | HostKeyChange = {};
  /** The last host whose connections were to be kept. */
  keptHost = '';
  /** When set, every mutating call and list throws it. */
  broken: Error | null = null;
  readonly #subsystems = new Map<string, SubsystemInfo>();
  readonly #listeners: ListenerInfo[] = [];
  readonly #hosts = new Map<string, HostsInfo>();
  readonly #namespaces: NamespaceInfo[] = [];
  readonly statistics = new FakeStatistics();
  /** Refuses what there is not, and has one effect. */
  readonly rehearsal: RehearsalApi = {
    deleteSubsystem: (nqn) => [`subsystem ${this.#subsystem(nqn).nqn} would be deleted`],
    deleteHost: (nqn, hostNqn) => [`host ${hostNqn} could not use ${this.#subsystem(nqn).nqn} any more`],
    deleteSubsystemNetwork: (nqn, mask) => [`network ${mask} of ${nqn} would be given up`],
    deleteListener: (spec) => [`the listener at ${spec.traddr}:${spec.trsvcid} would be closed`],
    deleteNamespace: (nqn, nsid) => [
      `namespace ${this.#namespace(nqn, nsid).nsid} of ${nqn} would be deleted`,
    ],
  };
  readonly state = new FakeState();

  /** As new. */
  reset(): void {
    this.gatewayInfo = { ...FRESH_INFO };
    this.connections = [];
    this.level = 'info';
    this.lastNamespace = null;
    this.broken = null;
    this.#subsystems.clear();
    this.#hosts.clear();
    this.#listeners.length = 0;
    this.#namespaces.length = 0;
    this.statistics.all = [];
    this.statistics.connected = null;
    this.statistics.countsByHost = true;
  }

  rebalance(dryRun: boolean): RebalanceInfo {
    return {
      moves: [{ nqn: 'nqn.2026-11.test:sub', nsid: 3, anaGroupId: 1, to: 2 }],
      done: 4,
      running: !dryRun,
    };
  }

  info(): GatewayInfo {
    return this.gatewayInfo;
  }

  async addSubsystem(spec: SubsystemSpec): Promise<SubsystemInfo> {
    this.#check();
    if (this.#subsystems.has(spec.nqn))
      throw new AnagateError('SUBSYSTEM_EXISTS', `${spec.nqn} exists already`);
    const info: SubsystemInfo = {
      nqn: spec.nqn,
      serial: spec.serial ?? 'AG0001',
      model: 'Anagate',
      minCntlid: 1,
      maxCntlid: 2040,
      namespaceCount: 0,
      maxNamespaces: spec.maxNamespaces ?? 4096,
      allowAnyHost: false,
      networks: spec.networks ?? [],
      hasDhchapKey: spec.dhchapKey !== undefined,
    };
    this.#subsystems.set(spec.nqn, info);
    this.#hosts.set(spec.nqn, { nqn: spec.nqn, allowAnyHost: false, hosts: [] });
    return info;
  }

  async addSubsystemNetwork(nqn: string, mask: string): Promise<void> {
    const subsystem = this.#subsystem(nqn);
    if (subsystem.networks.includes(mask)) throw new AnagateError('NETWORK_EXISTS', `${nqn} has ${mask}`);
    this.#subsystems.set(nqn, { ...subsystem, networks: [...subsystem.networks, mask] });
  }

  async deleteSubsystemNetwork(nqn: string, mask: string): Promise<void> {
    const subsystem = this.#subsystem(nqn);
    if (!subsystem.networks.includes(mask))
      throw new AnagateError('NETWORK_NOT_FOUND', `${nqn} lacks ${mask}`);
    this.#subsystems.set(nqn, { ...subsystem, networks: subsystem.networks.filter((one) => one !== mask) });
  }

  async deleteSubsystem(nqn: string, force: boolean): Promise<void> {
    this.#subsystem(nqn);
    if (!force && this.#namespaces.some((n) => n.nqn === nqn)) {
      throw new AnagateError('SUBSYSTEM_NOT_EMPTY', `${nqn} still has namespaces; delete them or use force`);
    }
    removeIf(this.#namespaces, (n) => n.nqn === nqn);
    this.#subsystems.delete(nqn);
  }

  listSubsystems(filter: { nqn?: string; serial?: string } = {}): SubsystemInfo[] {
    this.#check();
    return [...this.#subsystems.values()]
      .filter((s) => filter.nqn === undefined || s.nqn === filter.nqn)
      .filter((s) => filter.serial === undefined || s.serial === filter.serial)
      .map((s) => ({ ...s, namespaceCount: this.#namespaces.filter((n) => n.nqn === s.nqn).length }));
  }

  async addListener(asked: ListenerSpec, { verifyHostName }: ListenerChecks = {}): Promise<ListenerInfo> {
    const spec = { ...asked, hostName: asked.hostName || this.gatewayInfo.hostname };
    if (verifyHostName && spec.hostName !== this.gatewayInfo.hostname)
      throw new AnagateError('INVALID_ARGUMENT', `${spec.hostName} is no gateway's host`);
    this.#subsystem(spec.nqn);
    if (this.#listeners.some((l) => sameListener(l, spec))) {
      throw new AnagateError(
        'LISTENER_EXISTS',
        `${spec.nqn} has a listener at ${spec.traddr}:${spec.trsvcid}`,
      );
    }
    const active = spec.hostName === this.gatewayInfo.hostname || spec.hostName === '*';
    const listener: ListenerInfo = { ...spec, active, anaStates: [{ group: 1, state: 'optimized' }] };
    this.#listeners.push(listener);
    if (!active) throw new AnagateError('LISTENER_REMOTE', `the gateway on ${spec.hostName} will listen`);
    return listener;
  }

  async deleteListener(spec: ListenerSpec, force: boolean): Promise<void> {
    this.#subsystem(spec.nqn);
    const removed = removeIf(this.#listeners, (l) => sameListener(l, spec));
    if (removed === 0)
      throw new AnagateError('LISTENER_NOT_FOUND', `no listener at ${spec.traddr}:${spec.trsvcid}`);
    if (!force && this.connections.some((c) => c.connected)) {
      throw new AnagateError(
        'LISTENER_IN_USE',
        `hosts are connected at ${spec.traddr}:${spec.trsvcid}; use force`,
      );
    }
  }

  listListeners(nqn: string): ListenerInfo[] {
    this.#subsystem(nqn);
    return this.#listeners.filter((l) => l.nqn === nqn);
  }

  ambiguousAddresses(): AmbiguousAddress[] {
    return this.ambiguous;
  }

  async addHost(nqn: string, hostNqn: string, keys: HostKeys = {}): Promise<void> {
    this.lastKeys = keys;
    const info = this.listHosts(nqn);
    if (info.hosts.some((host) => host.nqn === hostNqn))
      throw new AnagateError('HOST_EXISTS', `${hostNqn} is allowed already`);
    if (hostNqn === '*') info.allowAnyHost = true;
    else info.hosts.push(fakeHost(hostNqn, keys));
  }

  async keepHostConnected(nqn: string, hostNqn: string): Promise<void> {
    this.#subsystem(nqn);
    this.keptHost = hostNqn;
  }

  async changeHostKey(nqn: string, _hostNqn: string, change: HostKeyChange): Promise<void> {
    this.#subsystem(nqn);
    this.lastKeys = change;
  }

  async changeSubsystemKey(nqn: string, key: string | null): Promise<void> {
    this.#subsystem(nqn).hasDhchapKey = key !== null;
  }

  async deleteHost(nqn: string, hostNqn: string, keepConnections = false): Promise<void> {
    if (keepConnections) this.keptHost = hostNqn;
    const info = this.listHosts(nqn);
    if (hostNqn === '*') info.allowAnyHost = false;
    else if (removeIf(info.hosts, (h) => h.nqn === hostNqn) === 0) {
      throw new AnagateError('HOST_NOT_FOUND', `${hostNqn} is not an allowed host of ${nqn}`);
    }
  }

  listHosts(nqn: string): HostsInfo {
    this.#subsystem(nqn);
    return this.#hosts.get(nqn) as HostsInfo;
  }

  async addNamespace(spec: NamespaceSpec): Promise<NamespaceInfo> {
    this.#subsystem(spec.nqn);
    this.lastNamespace = spec;
    const used = this.#namespaces.filter((n) => n.nqn === spec.nqn).map((n) => n.nsid);
    const nsid = spec.nsid ?? Math.max(0, ...used) + 1;
    if (used.includes(nsid)) throw new AnagateError('NAMESPACE_EXISTS', `namespace ${nsid} exists already`);
    const namespace: NamespaceInfo = {
      nqn: spec.nqn,
      nsid,
      uuid: spec.uuid ?? FAKE_UUID,
      nguid: (spec.uuid ?? FAKE_UUID).replaceAll('-', ''),
      backend: spec.backend,
      sizeBytes: spec.sizeBytes ?? 2 ** 30,
      blockSize: spec.blockSize ?? 512,
      anaGroupId: spec.anaGroupId ?? 1,
      readOnly: spec.readOnly ?? false,
      autoVisible: !spec.noAutoVisible,
      hosts: [],
      location: spec.location ?? '',
      disableAutoResize: spec.disableAutoResize ?? false,
      imageWasShrunk: false,
      qos: UNLIMITED,
    };
    this.#namespaces.push(namespace);
    return namespace;
  }

  async deleteNamespace(nqn: string, nsid: number, trash = false): Promise<void> {
    const namespace = this.#namespace(nqn, nsid);
    this.lastTrash = trash;
    removeIf(this.#namespaces, (n) => n === namespace);
  }

  async resizeNamespace(nqn: string, nsid: number, sizeBytes: number): Promise<NamespaceInfo> {
    const namespace = this.#namespace(nqn, nsid);
    namespace.sizeBytes = sizeBytes;
    return namespace;
  }

  async changeNamespaceAnaGroup(nqn: string, nsid: number, anaGroupId: number): Promise<void> {
    this.#namespace(nqn, nsid).anaGroupId = anaGroupId;
  }

  async changeImageTreatment(
    nqn: string,
    nsid: number,
    { autoResize, trashOnDelete }: ImageTreatment,
  ): Promise<void> {
    const namespace = this.#namespace(nqn, nsid);
    if (namespace.backend.type !== 'rbd')
      throw new AnagateError('INVALID_ARGUMENT', `namespace ${nsid} is not on an image`);
    if (autoResize !== undefined) namespace.disableAutoResize = !autoResize;
    if (trashOnDelete !== undefined) namespace.backend.trashOnDelete = trashOnDelete;
  }

  async refreshNamespaceSize(nqn: string, nsid: number): Promise<NamespaceInfo> {
    const namespace = this.#namespace(nqn, nsid);
    namespace.sizeBytes = REFRESHED_BYTES;
    return namespace;
  }

  async changeNamespaceLocation(nqn: string, nsid: number, location: string): Promise<void> {
    this.#namespace(nqn, nsid).location = location;
  }

  /** What the last change of visibility or addition of a host to a namespace said. */
  lastForce = false;

  async changeNamespaceVisibility(
    nqn: string,
    nsid: number,
    autoVisible: boolean,
    force: boolean,
  ): Promise<void> {
    this.#namespace(nqn, nsid).autoVisible = autoVisible;
    this.lastForce = force;
  }

  async addNamespaceHost(nqn: string, nsid: number, hostNqn: string, force: boolean): Promise<void> {
    this.#namespace(nqn, nsid).hosts.push(hostNqn);
    this.lastForce = force;
  }

  async deleteNamespaceHost(nqn: string, nsid: number, hostNqn: string): Promise<void> {
    removeIf(this.#namespace(nqn, nsid).hosts, (host) => host === hostNqn);
  }

  async setQosLimits(nqn: string, nsid: number, limits: Partial<QosLimits>): Promise<void> {
    const namespace = this.#namespace(nqn, nsid);
    namespace.qos = { ...namespace.qos, ...limits };
  }

  listNamespaces(filter: { nqn?: string; nsid?: number; uuid?: string } = {}): NamespaceInfo[] {
    this.#check();
    return this.#namespaces
      .filter((n) => filter.nqn === undefined || n.nqn === filter.nqn)
      .filter((n) => filter.nsid === undefined || n.nsid === filter.nsid)
      .filter((n) => filter.uuid === undefined || n.uuid === filter.uuid);
  }

  listConnections(nqn?: string): ConnectionInfo[] {
    this.#check();
    return this.connections.filter((c) => nqn === undefined || c.subsystemNqn === nqn);
  }

  logLevel(): string {
    return this.level;
  }

  setLogLevel(level: string): void {
    this.level = level;
  }

  #check(): void {
    if (this.broken !== null) throw this.broken;
  }

  #subsystem(nqn: string): SubsystemInfo {
    this.#check();
    const subsystem = this.#subsystems.get(nqn);
    if (subsystem === undefined)
      throw new AnagateError('SUBSYSTEM_NOT_FOUND', `there is no subsystem ${nqn}`);
    return subsystem;
  }

  #namespace(nqn: string, nsid: number): NamespaceInfo {
    this.#subsystem(nqn);
    const namespace = this.#namespaces.find((n) => n.nqn === nqn && n.nsid === nsid);
    if (namespace === undefined)
      throw new AnagateError('NAMESPACE_NOT_FOUND', `${nqn} has no namespace ${nsid}`);
    return namespace;
  }
}

/** Exports what it was given last. */
export class FakeState implements StateApi {
  document = '{"anagate_state": 1, "records": {}}\n';
  lastImport: { mode: ImportMode; dryRun: boolean } | null = null;
  changes: ImportedChange[] = [{ key: 'subsystem_nqn.x', change: 'added', remark: '' }];

  async exportState() {
    return { document: this.document, version: 7 };
  }

  async importState(document: string, mode: ImportMode, dryRun: boolean) {
    this.document = document;
    this.lastImport = { mode, dryRun };
    return { changes: this.changes, commits: 1 };
  }

  encryptionKeys() {
    return [
      { id: 'aaaaaaaaaaaa', known: true, secrets: 1 },
      { id: 'bbbbbbbbbbbb', known: false, secrets: 2 },
    ];
  }

  async rotateKeys() {
    return 3;
  }
}

/** Says what the test wants. */
export class FakeStatistics implements StatisticsApi {
  all: NamespaceIoStats[] = [];
  countsByHost = true;
  /** Of the host that is connected, if one is. */
  connected: { hostNqn: string; stats: ConnectionStats } | null = null;

  host(nqn: string, hostNqn: string, reset: boolean): ConnectionStats {
    if (hostNqn !== this.connected?.hostNqn)
      throw new AnagateError('HOST_NOT_FOUND', `host ${hostNqn} is not connected to ${nqn}`);
    const { stats } = this.connected;
    if (reset) this.connected.stats = new ConnectionStats();
    return stats;
  }

  queues(): QueueTotals {
    return { adminConnected: 9, ioConnected: 33, admin: 2, io: 8, pending: 5, completed: 1_000_000 };
  }

  async threads(): Promise<ThreadTime[]> {
    return [
      { name: 'event_loop', busyMs: 250.5, idleMs: 749.5 },
      { name: 'tp_librbd', busyMs: 10, idleMs: 3990 },
    ];
  }

  nowMs(): number {
    return 1234.5;
  }

  namespace(nqn: string, nsid: number): NamespaceIoStats {
    const found = this.namespaces({ nqn, nsid })[0];
    if (found === undefined)
      throw new AnagateError('NAMESPACE_NOT_FOUND', `subsystem ${nqn} has no namespace ${nsid}`);
    return found;
  }

  namespaces({ nqn, nsid }: { nqn?: string; nsid?: number }): NamespaceIoStats[] {
    return this.all.filter(
      (stats) => (nqn === undefined || stats.nqn === nqn) && (nsid === undefined || stats.nsid === nsid),
    );
  }
}

/** Of namespace 1 of "nqn.2026-11.test:sub": three reads, two writes, nothing unmapped, two kinds of errors. */
export function fakeIoStats(overrides: Partial<NamespaceIoStats> = {}): NamespaceIoStats {
  return {
    nqn: 'nqn.2026-11.test:sub',
    nsid: 1,
    uuid: FAKE_UUID,
    reads: { count: 3, bytes: 12_288, latencyMs: 6.6, leastMs: 0.5, mostMs: 4 },
    writes: { count: 2, bytes: 8192, latencyMs: 3, leastMs: 1, mostMs: 2 },
    unmaps: { count: 0, bytes: 0, latencyMs: 0, leastMs: Number.POSITIVE_INFINITY, mostMs: 0 },
    mediaErrors: 7,
    miscompares: 0,
    otherErrors: 1,
    ...overrides,
  };
}

export function fakeHost(nqn: string, keys: HostKeys = {}): HostInfo {
  const hasDhchapKey = keys.dhchapKey !== undefined;
  const controllerKey = keys.dhchapControllerKey === undefined ? 'no_key' : 'host_specific';
  return { nqn, hasPsk: keys.psk !== undefined, hasDhchapKey, controllerKey };
}

/** A connection of host "nqn.2026-11.test:host". */
export function fakeConnection(overrides: Partial<ConnectionInfo> = {}): ConnectionInfo {
  return {
    subsystemNqn: 'nqn.2026-11.test:sub',
    hostNqn: 'nqn.2026-11.test:host',
    connected: true,
    traddr: '192.0.2.77',
    trsvcid: 54321,
    adrfam: 'ipv4',
    queueCount: 5,
    cntlid: 17,
    keepAliveTimeout: false,
    hostDeleted: false,
    ...overrides,
  };
}

function sameListener(listener: ListenerInfo, spec: ListenerSpec): boolean {
  const host = spec.hostName === '*' || listener.hostName === spec.hostName;
  return (
    host && listener.nqn === spec.nqn && listener.traddr === spec.traddr && listener.trsvcid === spec.trsvcid
  );
}

/** Removes in place; returns how many went. */
function removeIf<T>(list: T[], match: (item: T) => boolean): number {
  const before = list.length;
  const kept = list.filter((item) => !match(item));
  list.splice(0, list.length, ...kept);
  return before - kept.length;
}
