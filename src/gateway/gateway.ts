/**
 * A gateway: the durable configuration, made real in a target. One management request at a time: it is planned against
 * the configuration, what it needs is made ready, it is committed, and then it is applied. A request that fails before the
 * commit leaves no trace.
 */
import type { Timer } from '../base/clock.ts';
import { within } from '../base/within.ts';
import { LIMITS } from '../limits.ts';
import type { GatewayPlace } from '../monitor/monitor-client.ts';
import { type ConfigChange, type ConfigSnapshot, withChanges } from '../store/store.ts';
import { AnaStates } from '../target/ana.ts';
import { CntlidAllocator } from '../target/cntlid.ts';
import type { Port } from '../target/port.ts';
import { type AmbiguousAddress, ambiguousAddresses } from './configuration/automatic-listeners.ts';
import {
  Configuration,
  configuredLimits,
  holds,
  type RecordChange,
  type SubsystemConfig,
  setRecord,
} from './configuration/configuration.ts';
import type { ListenerRecord, QosLimits } from './configuration/records.ts';
import type { SecretBox } from './configuration/secret-box.ts';
import type {
  ConnectionInfo,
  GatewayApi,
  GatewayInfo,
  HostsInfo,
  ListenerInfo,
  NamespaceInfo,
  RebalanceInfo,
  SubsystemInfo,
} from './gateway-api.ts';
import type { GatewayOptions } from './gateway-options.ts';
import { Condition } from './group/condition.ts';
import { hasAddress } from './group/front-network.ts';
import { systemFrontProbe } from './group/front-probe.ts';
import { Ownership } from './group/ownership.ts';
import { Rebalancer } from './group/rebalancer.ts';
import { closeInTime, drainAll, Life } from './life.ts';
import { ListenerRequests } from './listener-requests.ts';
import { Listing, othersOf } from './listing.ts';
import { NamespaceRequests } from './namespace-requests.ts';
import {
  keyFileTrouble,
  planAddHost,
  planChangeHostKey,
  planChangeSubsystemKey,
  planDeleteHost,
  planKeepHostConnected,
  sealSubsystemKey,
} from './plans/access.ts';
import type {
  HostKeyChange,
  HostKeys,
  ImageTreatment,
  ListenerChecks,
  ListenerSpec,
  NamespaceSpec,
  SubsystemSpec,
} from './plans/requests.ts';
import { newSerial } from './plans/serial.ts';
import { planAddSubsystem, planDeleteListener, planDeleteSubsystem } from './plans/subsystems.ts';
import { Rehearsal } from './rehearsal.ts';
import { Listeners, type PortPlace } from './serving/listeners.ts';
import { NamespaceDevices } from './serving/namespace-devices.ts';
import { TargetApplier, type Trouble } from './serving/target-applier.ts';
import { StateRequests } from './state/requests.ts';
import { Statistics } from './statistics.ts';

/** How often what could not be served is tried again. */
const RETRY_MS = 5000;
/** Controller ids as listed before the place in the group is known. */
const NO_PLACE = { minCntlid: 0, maxCntlid: 0 };

/** Defaults of ceph-nvmeof's rebalance_period_sec and max_ns_to_change_lb_grp. */
const REBALANCE_PERIOD_MS = 7000;
const REBALANCE_MOVES = 8;

export type { GatewayIdentity, GatewayOptions } from './gateway-options.ts';

export class Gateway implements GatewayApi {
  readonly #options: GatewayOptions;
  readonly #config: Configuration;
  readonly #ana = new AnaStates(LIMITS.maxAnaGroups);
  readonly #devices: NamespaceDevices;
  readonly #listeners: Listeners;
  readonly #listenerRequests: ListenerRequests;
  readonly #condition: Condition;
  readonly #ownership: Ownership;
  readonly #applier: TargetApplier;
  readonly #listing: Listing;
  readonly #namespaces: NamespaceRequests;
  readonly rehearsal: Rehearsal;
  readonly statistics: Statistics;
  readonly state: StateRequests;
  readonly #life: Life;
  #place: GatewayPlace | null = null;
  #cntlids: CntlidAllocator | null = null;
  /** What {@link load} has read and {@link start} will serve. */
  #unapplied: readonly RecordChange[] | null = null;
  readonly #rebalancer: Rebalancer;
  #retryTimer: Timer | null = null;
  readonly #endSubscriptions: (() => void)[] = [];

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#config = new Configuration(configuredLimits(options.limits ?? {}));
    this.#life = new Life(options.timers);
    const { target, monitor, log } = options;
    const { openBackend, reservedPaths, timers } = options;
    this.#devices = new NamespaceDevices(openBackend, reservedPaths, timers, log, () => this.#resized());
    const { identity, probe = systemFrontProbe, shared = false, verifyListenerAddress = true } = options;
    const isHere = (address: string): Promise<boolean> => hasAddress(probe, address);
    this.#listeners = new Listeners(target, (place) => this.#makePort(place), options.openListener, isHere);
    this.#listenerRequests = new ListenerRequests({
      identity,
      config: this.#config,
      target,
      listeners: this.#listeners,
      monitor,
      probe,
      timers,
      shared,
      log,
      verifyAddress: verifyListenerAddress,
      mutate: (request) => this.#life.mutate(request),
      commit: (changes, undo) => this.#commit(changes, undo),
      onAddresses: () => this.#readdressed(),
    });
    const { places } = this.#listenerRequests;
    this.#condition = new Condition({
      config: this.#config,
      target,
      listeners: this.#listeners,
      probe,
      places,
      hostName: options.identity.hostname,
      timers,
      isServing: () => this.#life.serves || this.#life.state === 'stopping',
      onChange: () => this.#ownership.conditionChanged(),
    });
    this.#ownership = new Ownership({
      ana: this.#ana,
      target,
      backends: options.groups,
      lease: options.lease ?? null,
      timers,
      log,
      condition: () => this.#condition.read(),
      onTakeOver: () => void this.#applier.wake(),
    });
    this.#applier = new TargetApplier({
      target,
      devices: this.#devices,
      listeners: this.#listeners,
      isOurs: (record) => places.isOurs(record),
      groups: options.groups,
      visibleTo: (nqn, nsid) => this.#config.visibleTo(nqn, nsid),
      standby: { isServed: (group) => this.#ownership.isCalled(group), most: LIMITS.standbyImages },
      qosOf: (nqn, nsid) => this.#config.subsystems.get(nqn)?.qos.get(nsid)?.limits,
      log,
    });
    this.#rebalancer = new Rebalancer({
      leads: () => monitor.admin?.leader()?.gateway === options.identity.name,
      namespaces: () => this.#config.namespaces(),
      homeGroups: () => monitor.homeGroups(),
      homeLocations: () => monitor.homeLocations(),
      move: ({ nqn, nsid, to }) => this.changeNamespaceAnaGroup(nqn, nsid, to),
      periodMs: options.rebalance?.periodMs ?? REBALANCE_PERIOD_MS,
      movesPerRound: options.rebalance?.movesPerRound ?? REBALANCE_MOVES,
      timers,
      log,
    });
    this.statistics = new Statistics(this.#config, target);
    this.state = new StateRequests({
      config: this.#config,
      group: options.identity.group,
      box: this.#secrets,
      isLocal: (hostName) => places.isLocal(hostName),
      checkBacking: (record) => this.#devices.requireUsable(record.backend),
      mutate: (request) => this.#life.mutate(request),
      commit: (changes) => this.#commit(changes),
      serves: () => this.#life.serves,
    });
    this.#listing = new Listing({
      config: this.#config,
      target,
      ana: this.#ana,
      listeners: this.#listeners,
      others: () => othersOf(monitor, identity.name),
      deviceBytes: (record) => this.#devices.get(record)?.sizeBytes,
    });
    this.rehearsal = new Rehearsal(this.#config, this.#listing);
    this.#namespaces = new NamespaceRequests({
      config: this.#config,
      devices: this.#devices,
      listing: this.#listing,
      groups: options.groups,
      monitor,
      serves: (group) => this.#ownership.serves(group),
      open: (record) => this.#applier.need(record),
      mutate: (request) => this.#life.mutate(request),
      commit: (changes, undo) => this.#commit(changes, undo),
      newUuid: options.random.uuid,
      log,
    });
  }

  // ---- life cycle ----

  /**
   * Reads what the store says, so that it can be asked for before it is served. {@link start} does it when nobody has. Rejects as
   * the store does.
   */
  async load(): Promise<void> {
    this.#life.become('starting');
    const { store, monitor, lease } = this.#options;
    lease?.clock.start();
    monitor.attach(this.#ownership);
    this.#unapplied = this.#config.follow(await store.load());
  }

  /**
   * Serves what the store says. Hosts are let in last, so that one that knocks early finds no open port, which it takes
   * for a reason to try again. Rejects when nothing can be served: the configuration cannot be read, or none of this
   * gateway's listeners can be opened.
   */
  async start(): Promise<void> {
    if (this.#unapplied === null) await this.load();
    const { store, monitor, target, lease } = this.#options;
    this.#place = await monitor.start();
    const { minCntlid, maxCntlid } = this.#place;
    // Each run begins elsewhere in the range: the ids of a predecessor that hangs do not come back soon.
    const start = minCntlid + this.#options.random.integer(maxCntlid - minCntlid + 1);
    this.#cntlids = new CntlidAllocator(minCntlid, maxCntlid, start);
    // While some listeners are open and others are not yet: who asks then for a subsystem that comes next is told "busy".
    target.accepting = false;
    this.#listenerRequests.start();
    await this.#apply(this.#unapplied!);
    // The wait for a place may have been long.
    await this.#follow();
    const keyTrouble = keyFileTrouble(this.#config, this.#secrets);
    if (keyTrouble !== null) this.#options.log.error({}, keyTrouble);
    this.#listenerRequests.requireSome(this.#applier.troubles);
    target.accepting = true;
    this.#endSubscriptions.push(
      monitor.onChange(() => {
        this.#showGroups();
        // An image may have grown while nobody served its group.
        this.#tidy();
      }),
      store.watch((version) => this.#storeChanged(version)),
    );
    this.#life.become('serving');
    // Without others nobody could take over what hosts do not reach here.
    if (lease !== undefined) this.#condition.watchNetwork();
    this.#ownership.conditionChanged();
    // What was committed between the load and the watch.
    void this.#life.exclusive(() => this.#follow()).catch(() => {});
    this.#scheduleRetry();
    this.#rebalancer.start();
    this.#tidy();
  }

  /** Opens the discovery service, once {@link start} is done; resolves with its TCP port. */
  async openDiscovery(address: string, tcpPort: number): Promise<number> {
    return this.#listeners.openDiscovery(address, tcpPort);
  }

  /** What is configured but cannot be served at the moment; it is tried again every few seconds. */
  get troubles(): readonly Trouble[] {
    return this.#applier.troubles;
  }

  /** What is configured, for those who want more than the API tells. */
  configured(): Iterable<Readonly<SubsystemConfig>> {
    return this.#config.subsystems.values();
  }

  /** ANA table that all ports of this gateway show. */
  get ana(): AnaStates {
    return this.#ana;
  }

  /**
   * Ends everything in the order that hosts like best: other gateways take over, no new connections, commands in flight are
   * answered (for at most {@link LIMITS.stopDrainMs}), connections closed, devices flushed and closed.
   */
  async stop(): Promise<void> {
    if (this.#life.state === 'stopping' || this.#life.state === 'stopped') return;
    this.#life.become('stopping');
    this.#retryTimer?.cancel();
    this.#rebalancer.stop();
    for (const end of this.#endSubscriptions) end();
    await this.#life.quiet();
    const { monitor, target, lease } = this.#options;
    target.accepting = false;
    await within(LIMITS.stopLeaveMs, this.#options.timers, monitor.leave());
    this.#condition.stop();
    this.#listenerRequests.stop();
    this.#listeners.stopAccepting();
    await drainAll(this.#ana, this.#options.timers);
    await this.#listeners.closeAll('gateway stopping');
    this.#ownership.withdrawAll();
    await this.#applier.stop();
    await closeInTime(this.#devices, this.#options);
    lease?.clock.stop();
    await monitor.stop();
    await this.#options.store.close();
    this.#life.become('stopped');
  }

  #scheduleRetry(): void {
    this.#retryTimer = this.#options.timers.after(RETRY_MS, () => {
      void this.#life
        .exclusive(async () => {
          // A change that could not be followed when it came.
          await this.#follow().catch(() => {});
          if (this.#applier.troubles.length > 0) await this.#applier.retry();
          await this.#applier.readdress(this.#config.listeners());
          this.#applier.keepStandby(this.#config.namespaces());
          this.#tidy();
        })
        .catch(() => {})
        .then(() => {
          if (!this.#life.serves) return;
          // A size whose commit failed.
          this.#resized();
          this.#scheduleRetry();
        });
    });
  }

  #makePort(place: PortPlace): Port {
    const { target } = this.#options;
    const taken = new Set([...target.ports].map((port) => port.portId));
    let portId = this.#place!.slot * LIMITS.maxListenAddresses;
    while (taken.has(portId)) portId += 1;
    return target.addPort({
      portId,
      adrfam: place.adrfam,
      traddr: place.traddr,
      trsvcid: String(place.trsvcid),
      ana: this.#ana,
      cntlids: this.#cntlids!,
      discoveryOnly: place.discoveryOnly ?? false,
    });
  }

  /** The node has other addresses than before. */
  #readdressed(): void {
    void this.#life
      .exclusive(() => this.#applier.readdress(this.#config.listeners()))
      .then(() => this.#ownership.conditionChanged())
      .catch(() => {});
    this.#tidy();
  }

  // ---- what is committed ----

  /** A request that needs nothing made ready. */
  #change(plan: (config: Configuration) => ConfigChange[]): Promise<void> {
    return this.#life.mutate(async () => {
      const changes = plan(this.#config);
      if (changes.length > 0) await this.#commit(changes);
    });
  }

  get #secrets(): SecretBox | null {
    return this.#options.secrets ?? null;
  }

  /**
   * Commits and applies. When it rejects, nothing was applied but what the store says; `undo` takes back what was made ready,
   * unless the commit came true after all. It is given what the store says, if that is known.
   */
  async #commit(
    changes: readonly ConfigChange[],
    undo?: (now: ConfigSnapshot | null) => Promise<void>,
  ): Promise<void> {
    const { store } = this.#options;
    let version: number;
    try {
      version = await store.commit(this.#config.version, changes);
    } catch (error) {
      const snapshot = await store.load().catch(() => null);
      // First: what somebody else has committed may have the same name as what was made ready.
      if (snapshot === null || !holds(snapshot, changes)) await undo?.(snapshot);
      // A configuration that cannot be followed says why, which trying again would not.
      if (snapshot !== null) await this.#take(snapshot);
      throw error;
    }
    await this.#take({ version, records: withChanges(this.#config.texts, changes) });
  }

  async #follow(): Promise<void> {
    await this.#take(await this.#options.store.load());
  }

  async #take(snapshot: ConfigSnapshot): Promise<void> {
    if (snapshot.version === this.#config.version) return;
    await this.#apply(this.#config.follow(snapshot));
    this.#ownership.conditionChanged();
    this.#tidy();
  }

  /** The states of new groups come before their namespaces: hosts shall not see one that seems to be served nowhere. */
  async #apply(changes: readonly RecordChange[]): Promise<void> {
    this.#ownership.conditionChanged();
    this.#showGroups();
    await this.#applier.apply(changes);
  }

  /** Hosts see the home groups, and all that namespaces are in. */
  #showGroups(): void {
    const groups = [...this.#config.namespaces()].map(({ anaGroupId }) => anaGroupId);
    this.#ownership.exist([...this.#options.monitor.homeGroups(), ...groups]);
  }

  #resized(): void {
    if (this.#life.serves) this.#namespaces.followSizes();
  }

  /** Commits what this gateway has to say by itself: larger images, other addresses. */
  #tidy(): void {
    this.#resized();
    if (this.#life.serves) this.#listenerRequests.publish();
  }

  /** Another gateway's commit, or an echo of our own. */
  #storeChanged(version: number): void {
    if (version <= this.#config.version) return;
    this.#life
      .exclusive(() => this.#follow())
      .catch((err: unknown) => {
        if (this.#life.serves)
          this.#options.log.error({ err }, 'a change of the configuration cannot be followed');
      });
  }

  // ---- subsystems and hosts ----

  addSubsystem(spec: SubsystemSpec): Promise<SubsystemInfo> {
    return this.#life.mutate(async () => {
      const { record, changes } = planAddSubsystem(this.#config, spec, () =>
        newSerial(this.#options.random.integer),
      );
      const { dhchapKey } = spec;
      if (dhchapKey !== undefined)
        changes.push(setRecord(sealSubsystemKey(this.#config, record.nqn, dhchapKey, this.#secrets)));
      await this.#commit(spec.networks?.length ? this.#listenerRequests.withMasks(changes) : changes);
      return this.#listing.subsystem(this.#config.subsystem(record.nqn), this.#place!);
    });
  }

  deleteSubsystem(nqn: string, force: boolean): Promise<void> {
    return this.#life.mutate(() => this.#commit(planDeleteSubsystem(this.#config, nqn, force)));
  }

  addSubsystemNetwork(nqn: string, mask: string): Promise<void> {
    return this.#listenerRequests.addNetwork(nqn, mask);
  }

  deleteSubsystemNetwork(nqn: string, mask: string): Promise<void> {
    return this.#listenerRequests.deleteNetwork(nqn, mask);
  }

  addHost(nqn: string, hostNqn: string, keys: HostKeys = {}): Promise<void> {
    return this.#change((config) => planAddHost(config, nqn, hostNqn, keys, this.#secrets));
  }

  deleteHost(nqn: string, hostNqn: string, keepConnections = false): Promise<void> {
    return this.#change((config) => planDeleteHost(config, nqn, hostNqn, keepConnections));
  }

  keepHostConnected(nqn: string, hostNqn: string): Promise<void> {
    return this.#change((config) => planKeepHostConnected(config, nqn, hostNqn));
  }

  changeHostKey(nqn: string, hostNqn: string, change: HostKeyChange): Promise<void> {
    return this.#change((config) => planChangeHostKey(config, nqn, hostNqn, change, this.#secrets));
  }

  changeSubsystemKey(nqn: string, key: string | null): Promise<void> {
    return this.#change((config) => planChangeSubsystemKey(config, nqn, key, this.#secrets));
  }

  // ---- listeners ----

  async addListener(spec: ListenerSpec, checks: ListenerChecks = {}): Promise<ListenerInfo> {
    return this.#listing.listener(await this.#listenerRequests.add(spec, checks));
  }

  deleteListener(spec: ListenerSpec, force: boolean): Promise<void> {
    const useOf = (record: ListenerRecord): string | null => this.#listing.useOf(record);
    return this.#life.mutate(() => this.#commit(planDeleteListener(this.#config, spec, force, useOf)));
  }

  // ---- namespaces: see NamespaceRequests ----

  addNamespace(spec: NamespaceSpec): Promise<NamespaceInfo> {
    return this.#namespaces.add(spec);
  }

  deleteNamespace(nqn: string, nsid: number, trash = false): Promise<void> {
    return this.#namespaces.delete(nqn, nsid, trash);
  }

  resizeNamespace(nqn: string, nsid: number, sizeBytes: number): Promise<NamespaceInfo> {
    return this.#namespaces.resize(nqn, nsid, sizeBytes);
  }

  changeNamespaceAnaGroup(nqn: string, nsid: number, anaGroupId: number): Promise<void> {
    return this.#namespaces.changeAnaGroup(nqn, nsid, anaGroupId);
  }

  changeImageTreatment(nqn: string, nsid: number, treatment: ImageTreatment): Promise<void> {
    return this.#namespaces.changeImageTreatment(nqn, nsid, treatment);
  }

  changeNamespaceLocation(nqn: string, nsid: number, location: string): Promise<void> {
    return this.#namespaces.changeLocation(nqn, nsid, location);
  }

  refreshNamespaceSize(nqn: string, nsid: number): Promise<NamespaceInfo> {
    return this.#namespaces.refreshSize(nqn, nsid);
  }

  changeNamespaceVisibility(nqn: string, nsid: number, autoVisible: boolean, force: boolean): Promise<void> {
    return this.#namespaces.changeVisibility(nqn, nsid, autoVisible, force);
  }

  addNamespaceHost(nqn: string, nsid: number, hostNqn: string, force: boolean): Promise<void> {
    return this.#namespaces.addHost(nqn, nsid, hostNqn, force);
  }

  deleteNamespaceHost(nqn: string, nsid: number, hostNqn: string): Promise<void> {
    return this.#namespaces.deleteHost(nqn, nsid, hostNqn);
  }

  setQosLimits(nqn: string, nsid: number, limits: Partial<QosLimits>): Promise<void> {
    return this.#namespaces.setQosLimits(nqn, nsid, limits);
  }

  // ---- what there is ----

  info(): GatewayInfo {
    return {
      ...this.#options.identity,
      anaGroupId: this.#place?.anaGroupId ?? 0,
      ...this.#config.limits,
      initialized: this.#life.serves,
      troubles: this.troubles.map(({ error }) => error.message),
    };
  }

  listSubsystems(filter: { nqn?: string; serial?: string } = {}): SubsystemInfo[] {
    return this.#listing.subsystems(filter, this.#place ?? NO_PLACE);
  }

  listListeners(nqn: string): ListenerInfo[] {
    return this.#listing.listeners(nqn);
  }

  ambiguousAddresses(nqn: string): AmbiguousAddress[] {
    return ambiguousAddresses(this.#config.subsystem(nqn), this.#config.gateways.values());
  }

  listHosts(nqn: string): HostsInfo {
    return this.#listing.hosts(nqn);
  }

  listNamespaces(filter: { nqn?: string; nsid?: number; uuid?: string } = {}): NamespaceInfo[] {
    return this.#listing.namespaces(filter);
  }

  rebalance(dryRun: boolean): RebalanceInfo {
    const moves = dryRun ? this.#rebalancer.plan() : this.#rebalancer.begin();
    const { done, running } = this.#rebalancer.progress();
    return { moves, done, running };
  }

  listConnections(nqn?: string): ConnectionInfo[] {
    return this.#listing.connections(nqn);
  }

  logLevel(): string {
    return this.#options.logLevel.get();
  }

  setLogLevel(level: string): void {
    this.#options.logLevel.set(level);
  }
}
