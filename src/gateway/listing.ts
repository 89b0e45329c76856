/** What the gateway answers when it is asked what there is. Reads only. */
import type { GatewayRow } from '../monitor/admin.ts';
import type { MonitorClient } from '../monitor/monitor-client.ts';
import { AnaState, type AnaStates } from '../target/ana.ts';
import type { Controller } from '../target/controller.ts';
import type { Target } from '../target/target.ts';
import { formatNguid, nguidOfUuid } from '../wire/uuid.ts';
import { allListeners, type Configuration, type SubsystemConfig } from './configuration/configuration.ts';
import type { ListenerRecord, NamespaceRecord } from './configuration/records.ts';
import type {
  ConnectionInfo,
  HostInfo,
  HostsInfo,
  ListenerInfo,
  NamespaceInfo,
  SubsystemInfo,
} from './gateway-api.ts';
import { UNLIMITED } from './plans/qos.ts';
import { addressOf } from './plans/subsystems.ts';
import type { Listeners } from './serving/listeners.ts';
import { MODEL } from './serving/target-applier.ts';

/** The words of the API. */
const API_STATE = {
  [AnaState.optimized]: 'optimized',
  [AnaState.nonOptimized]: 'non-optimized',
  [AnaState.inaccessible]: 'inaccessible',
} as const;

/** The other gateways of the group that hosts can be connected to. */
export function othersOf({ admin }: Pick<MonitorClient, 'admin'>, own: string): readonly GatewayRow[] {
  return (admin?.gateways() ?? []).filter(
    ({ name, availability }) => name !== own && availability === 'AVAILABLE',
  );
}

export interface ListingOptions {
  config: Configuration;
  target: Target;
  ana: AnaStates;
  listeners: Listeners;
  /** The other gateways of the group, and the NQNs of hosts with a live controller there, on whatever subsystem. */
  others(): readonly { readonly name: string; readonly hosts: readonly string[] }[];
  /** Size of what is behind a namespace; undefined when it is not open here. */
  deviceBytes(record: NamespaceRecord): number | undefined;
}

export class Listing {
  readonly #options: ListingOptions;

  constructor(options: ListingOptions) {
    this.#options = options;
  }

  /** By NQN. */
  subsystems(
    filter: { nqn?: string; serial?: string },
    cntlids: { minCntlid: number; maxCntlid: number },
  ): SubsystemInfo[] {
    return this.#subsystemConfigs(filter.nqn)
      .filter(({ record }) => filter.serial === undefined || record.serial === filter.serial)
      .map((subsystem) => this.subsystem(subsystem, cntlids));
  }

  subsystem(subsystem: SubsystemConfig, cntlids: { minCntlid: number; maxCntlid: number }): SubsystemInfo {
    const { record, namespaces, allowAnyHost, networks, key } = subsystem;
    return {
      nqn: record.nqn,
      serial: record.serial,
      model: MODEL,
      minCntlid: cntlids.minCntlid,
      maxCntlid: cntlids.maxCntlid,
      namespaceCount: namespaces.size,
      maxNamespaces: record.maxNamespaces,
      allowAnyHost,
      networks: [...networks].sort(),
      hasDhchapKey: key !== null,
    };
  }

  /** Throws SUBSYSTEM_NOT_FOUND. */
  listeners(nqn: string): ListenerInfo[] {
    return [...allListeners(this.#options.config.subsystem(nqn))].map((record) => this.listener(record));
  }

  listener(record: ListenerRecord): ListenerInfo {
    const { nqn, hostName, traddr, adrfam, trsvcid } = record;
    const active = this.#options.listeners.isOpen(record);
    const automatic = record.gateway !== undefined;
    const anaStates = active ? this.#anaStates() : [];
    return { nqn, hostName, traddr, adrfam, trsvcid, active, anaStates, ...(automatic && { automatic }) };
  }

  #anaStates(): ListenerInfo['anaStates'] {
    return this.#options.ana.groups
      .filter((group) => group.known)
      .map(({ id, state }) => ({ group: id, state: API_STATE[state] }));
  }

  /** What is known of hosts that may lose their path when the listener goes; null: none would. */
  useOf(record: ListenerRecord): string | null {
    const where = `through the listener at ${addressOf(record)}`;
    if (this.hostsThrough(record).size > 0) return `hosts are connected ${where}`;
    const name = this.#gatewayOf(record);
    const there = this.#options.others().find((one) => one.name === name);
    const { nqn } = record;
    if (!there?.hosts.some((host) => mayUse(this.#options.config.subsystem(nqn), host))) return null;
    return `hosts of subsystem ${nqn} are connected to gateway ${name}, maybe ${where}`;
  }

  #gatewayOf({ gateway, hostName, traddr }: ListenerRecord): string {
    const nodes = [...this.#options.config.gateways.values()];
    const isIt = (node: (typeof nodes)[number]): boolean =>
      hostName === '*' ? node.addresses.includes(traddr) : [node.name, node.hostName].includes(hostName);
    return gateway ?? nodes.find(isIt)?.name ?? hostName;
  }

  /** NQNs of the hosts that are connected through this listener to its subsystem. */
  hostsThrough(record: ListenerRecord): Set<string> {
    const port = this.#options.listeners.portOf(record);
    const through = [...this.#controllers(record.nqn)].filter((controller) => controller.port === port);
    return new Set(port === undefined ? [] : through.map(({ host }) => host.hostNqn));
  }

  /** Throws SUBSYSTEM_NOT_FOUND. */
  hosts(nqn: string): HostsInfo {
    const subsystem = this.#options.config.subsystem(nqn);
    const hosts = [...subsystem.hosts].sort().map((hostNqn) => hostOf(subsystem, hostNqn));
    return { nqn, allowAnyHost: subsystem.allowAnyHost, hosts };
  }

  /** By NQN and nsid. */
  namespaces(filter: { nqn?: string; nsid?: number; uuid?: string }): NamespaceInfo[] {
    const uuid = filter.uuid?.toLowerCase();
    return this.#subsystemConfigs(filter.nqn).flatMap(({ namespaces }) =>
      [...namespaces.values()]
        .filter((record) => filter.nsid === undefined || record.nsid === filter.nsid)
        .filter((record) => uuid === undefined || record.uuid === uuid)
        .sort((a, b) => a.nsid - b.nsid)
        .map((record) => this.namespace(record)),
    );
  }

  namespace(record: NamespaceRecord): NamespaceInfo {
    const { nqn, nsid, uuid, backend, sizeBytes, blockSize, anaGroupId, readOnly } = record;
    const listed = this.#options.config.subsystem(nqn).namespaceHosts.get(nsid) ?? [];
    return {
      nqn,
      nsid,
      uuid,
      nguid: formatNguid(nguidOfUuid(uuid)!),
      backend: backend.type === 'file' ? { ...backend, create: false } : backend,
      sizeBytes,
      blockSize,
      anaGroupId,
      readOnly,
      autoVisible: !record.noAutoVisible,
      hosts: [...listed].sort(),
      location: record.location ?? '',
      disableAutoResize: record.disableAutoResize ?? false,
      qos: this.#options.config.subsystem(nqn).qos.get(nsid)?.limits ?? UNLIMITED,
      imageWasShrunk: (this.#options.deviceBytes(record) ?? sizeBytes) < sizeBytes,
    };
  }

  /** NQNs of the hosts that have a live controller on a subsystem here. */
  connectedHosts(nqn: string): Set<string> {
    return new Set([...this.#controllers(nqn)].map(({ host }) => host.hostNqn));
  }

  /** As {@link connectedHosts}, and hosts that may use the subsystem and have a live controller at another gateway. */
  hostsOfGroup(nqn: string): Set<string> {
    const subsystem = this.#options.config.subsystem(nqn);
    const elsewhere = this.#options.others().flatMap(({ hosts }) => hosts);
    return new Set([...this.connectedHosts(nqn), ...elsewhere.filter((host) => mayUse(subsystem, host))]);
  }

  /** Live controllers, and the allowed hosts that have none. Throws SUBSYSTEM_NOT_FOUND for an NQN that is not there. */
  connections(nqn?: string): ConnectionInfo[] {
    if (nqn !== undefined) this.#options.config.subsystem(nqn);
    return this.#subsystemConfigs(nqn).flatMap((subsystem) => {
      const controllers = [...this.#controllers(subsystem.record.nqn)];
      const connected = new Set(controllers.map((controller) => controller.host.hostNqn));
      const absent = [...subsystem.hosts].filter((hostNqn) => !connected.has(hostNqn));
      return [
        ...controllers.map((controller) => connectionOf(subsystem, controller)),
        ...absent.sort().map((hostNqn) => this.#noConnection(subsystem.record.nqn, hostNqn)),
      ];
    });
  }

  #noConnection(subsystemNqn: string, hostNqn: string): ConnectionInfo {
    return {
      subsystemNqn,
      hostNqn,
      connected: false,
      traddr: '',
      trsvcid: 0,
      adrfam: 'ipv4',
      queueCount: 0,
      cntlid: -1,
      hostDeleted: false,
      keepAliveTimeout: this.#options.target.keepAliveTimeouts.has(`${subsystemNqn} ${hostNqn}`),
    };
  }

  #controllers(nqn: string): Iterable<Controller> {
    return this.#options.target.subsystems.get(nqn)?.controllers ?? [];
  }

  #subsystemConfigs(nqn: string | undefined): SubsystemConfig[] {
    const all = [...this.#options.config.subsystems.values()];
    const found = nqn === undefined ? all : all.filter(({ record }) => record.nqn === nqn);
    return found.sort((a, b) => (a.record.nqn < b.record.nqn ? -1 : 1));
  }
}

function hostOf({ hostRecords, key }: SubsystemConfig, nqn: string): HostInfo {
  const { psk, dhchapKey, dhchapControllerKey } = hostRecords.get(nqn)!;
  const implicit = key === null || dhchapKey === undefined ? 'no_key' : 'subsystem_implicit';
  return {
    nqn,
    hasPsk: psk !== undefined,
    hasDhchapKey: dhchapKey !== undefined,
    controllerKey: dhchapControllerKey !== undefined ? 'host_specific' : implicit,
  };
}

function connectionOf(
  { record, hosts, allowAnyHost }: SubsystemConfig,
  controller: Controller,
): ConnectionInfo {
  const transport = controller.queues.get(0)?.transport;
  const traddr = transport?.remoteAddress ?? '';
  return {
    subsystemNqn: record.nqn,
    hostNqn: controller.host.hostNqn,
    connected: true,
    traddr,
    trsvcid: transport?.remotePort ?? 0,
    adrfam: traddr.includes(':') ? 'ipv6' : 'ipv4',
    queueCount: controller.queues.size,
    cntlid: controller.cntlid,
    keepAliveTimeout: false,
    hostDeleted: !allowAnyHost && !hosts.has(controller.host.hostNqn),
  };
}

function mayUse({ allowAnyHost, hosts }: SubsystemConfig, hostNqn: string): boolean {
  return allowAnyHost || hosts.has(hostNqn);
}
