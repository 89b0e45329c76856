/** An NVM subsystem: namespaces, allowed hosts, and the controllers that hosts have on it. */
import type { BlockDevice } from '../base/block-device.ts';
import { LatencyHistogram } from '../base/histogram.ts';
import type { AnaStates } from './ana.ts';
import type { Controller } from './controller.ts';
import { HostAccess } from './host-access.ts';
import { Namespace, type NamespaceConfig } from './namespace.ts';

export interface SubsystemConfig {
  nqn: string;
  /** 1..20 ASCII characters. */
  serial: string;
  /** 1..40 ASCII characters. */
  model: string;
  maxNamespaces: number;
}

export class Subsystem {
  readonly nqn: string;
  readonly serial: string;
  readonly model: string;
  readonly maxNamespaces: number;
  readonly hosts = new HostAccess();
  /** By nsid, ascending. */
  readonly namespaces = new Map<number, Namespace>();
  readonly controllers = new Set<Controller>();
  readonly readLatency = new LatencyHistogram();
  readonly writeLatency = new LatencyHistogram();
  private readonly onAccessChange: (isConcerned: (hostNqn: string) => boolean) => void;
  /** Highest nsid ever used: adding in ascending order, as at start, needs no sorting. */
  private highestNsid = 0;

  /** Made by {@link Target.addSubsystem}; `onAccessChange` tells which hosts may use it now and might not before, or the other way. */
  constructor(config: SubsystemConfig, onAccessChange: (isConcerned: (hostNqn: string) => boolean) => void) {
    this.nqn = config.nqn;
    this.serial = config.serial;
    this.model = config.model;
    this.maxNamespaces = config.maxNamespaces;
    this.onAccessChange = onAccessChange;
  }

  // ---- hosts ----

  /** `*` allows any host. One with keys is listed, but not let in before it can be authenticated. */
  allowHost(hostNqn: string, hasKeys = false): void {
    const isConcerned = this.concernedBy(hostNqn);
    this.hosts.allow(hostNqn, hasKeys);
    this.onAccessChange(isConcerned);
  }

  /** Takes the permission back and ends the controllers that hosts have by it, unless those that there are now are to be kept. */
  disallowHost(hostNqn: string, keepControllers = false): void {
    const meant = [...this.controllers].filter(({ host }) => hostNqn === '*' || hostNqn === host.hostNqn);
    if (keepControllers) this.hosts.disallowButKeep(hostNqn, meant);
    else {
      this.hosts.disallow(hostNqn);
      for (const controller of meant) this.endUnlessAllowed(controller);
    }
    this.onAccessChange(this.concernedBy(hostNqn));
  }

  private endUnlessAllowed(controller: Controller): void {
    const { hostNqn } = controller.host;
    if (this.hosts.isAllowed(hostNqn) || this.hosts.isKept(hostNqn, controller)) return;
    controller.end('host removed');
  }

  /** Whom a permission makes a difference to, as it is not given: those that have no other. */
  private concernedBy(permission: string): (hostNqn: string) => boolean {
    const { allowAny, nqns } = this.hosts;
    if (allowAny || nqns.has(permission)) return () => false;
    return permission === '*' ? (hostNqn) => !nqns.has(hostNqn) : (hostNqn) => hostNqn === permission;
  }

  // ---- namespaces ----

  /** Hosts that are connected see the namespace appear. The device stays the caller's to close. */
  addNamespace(config: NamespaceConfig, device: BlockDevice): Namespace {
    if (this.namespaces.has(config.nsid)) throw new Error(`namespace ${config.nsid} exists in ${this.nqn}`);
    const namespace = new Namespace(config, device);
    this.namespaces.set(config.nsid, namespace);
    if (config.nsid < this.highestNsid) this.sortNamespaces();
    else this.highestNsid = config.nsid;
    this.announce(namespace);
    for (const ana of this.anaTables()) ana.memberCameOrWent(config.anaGroupId);
    return namespace;
  }

  /** Hosts that are connected see the namespace disappear; commands at the device still complete. */
  removeNamespace(nsid: number): Namespace | undefined {
    const namespace = this.namespaces.get(nsid);
    if (namespace === undefined) return undefined;
    namespace.removed = true;
    this.namespaces.delete(nsid);
    this.announce(namespace);
    for (const ana of this.anaTables()) ana.memberCameOrWent(namespace.anaGroupId);
    namespace.turnAwayWaiting();
    return namespace;
  }

  /**
   * Shows a namespace to other hosts (null: to all). Those that gain or lose it see it appear or disappear; the others hear
   * nothing. What a host that loses it has at the device still completes.
   */
  setVisibility(nsid: number, visibleTo: ReadonlySet<string> | null): void {
    const namespace = this.namespaces.get(nsid);
    if (namespace === undefined) return;
    const saw = new Set([...this.controllers].filter((controller) => namespace.isVisibleTo(controller)));
    namespace.visibleTo = visibleTo;
    const tables = new Set<AnaStates>();
    for (const controller of this.controllers) {
      if (namespace.isVisibleTo(controller) === saw.has(controller)) continue;
      controller.namespaceChanged(nsid);
      tables.add(controller.port.ana);
    }
    for (const ana of tables) ana.memberCameOrWent(namespace.anaGroupId);
    namespace.turnAwayWaiting();
  }

  /** The namespace has another size now: hosts read it anew. */
  resizeNamespace(nsid: number, sizeBytes: number): void {
    const namespace = this.namespaces.get(nsid);
    if (namespace === undefined || namespace.sizeBytes === sizeBytes) return;
    namespace.setSize(sizeBytes);
    this.announce(namespace);
  }

  /** Moves a namespace to another ANA group: hosts re-read the ANA log. */
  changeAnaGroup(nsid: number, groupId: number): void {
    const namespace = this.namespaces.get(nsid);
    if (namespace === undefined || namespace.anaGroupId === groupId) return;
    const old = namespace.anaGroupId;
    namespace.anaGroupId = groupId;
    this.announce(namespace);
    for (const ana of this.anaTables()) {
      ana.membersChanged(old);
      ana.membersChanged(groupId);
    }
    namespace.turnAwayWaiting();
  }

  /** Ends every controller. */
  endControllers(reason: string): void {
    for (const controller of [...this.controllers]) controller.end(reason);
  }

  private announce(namespace: Namespace): void {
    for (const controller of this.controllers) {
      if (namespace.isVisibleTo(controller)) controller.namespaceChanged(namespace.nsid);
    }
  }

  /** The ANA states that hosts of this subsystem see. */
  private anaTables(): Set<AnaStates> {
    const tables = new Set<AnaStates>();
    for (const controller of this.controllers) tables.add(controller.port.ana);
    return tables;
  }

  private sortNamespaces(): void {
    const entries = [...this.namespaces].sort((a, b) => a[0] - b[0]);
    this.namespaces.clear();
    for (const [nsid, namespace] of entries) this.namespaces.set(nsid, namespace);
  }
}
