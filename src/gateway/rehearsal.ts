/**
 * What requests that take something away would do: the plan that they would commit, said in sentences for people. A refusal is the
 * same as that of the request. Changes nothing.
 */
import type { ConfigChange } from '../store/store.ts';
import { automaticListeners } from './configuration/automatic-listeners.ts';
import type { Configuration } from './configuration/configuration.ts';
import { parseMask } from './configuration/network-mask.ts';
import {
  type BackendRecord,
  type ConfigRecord,
  decodeRecord,
  imagePathOf,
  keyOf,
  type ListenerRecord,
  type NamespaceRecord,
} from './configuration/records.ts';
import type { Listing } from './listing.ts';
import { planDeleteHost } from './plans/access.ts';
import { findNamespace } from './plans/namespaces.ts';
import { planDeleteNetwork } from './plans/networks.ts';
import type { ListenerSpec } from './plans/requests.ts';
import { addressOf, planDeleteListener, planDeleteSubsystem } from './plans/subsystems.ts';
import { planDeleteNamespace } from './plans/visibility.ts';

/** Each gives one sentence per effect, and throws as the request of {@link GatewayApi} does. */
export interface RehearsalApi {
  deleteSubsystem(nqn: string, force: boolean): string[];
  deleteHost(nqn: string, hostNqn: string, keepConnections?: boolean): string[];
  deleteListener(spec: ListenerSpec, force: boolean): string[];
  deleteNamespace(nqn: string, nsid: number): string[];
  deleteSubsystemNetwork(nqn: string, mask: string): string[];
}

export class Rehearsal implements RehearsalApi {
  readonly #config: Configuration;
  readonly #listing: Pick<Listing, 'connectedHosts' | 'hostsThrough' | 'useOf'>;

  constructor(config: Configuration, listing: Pick<Listing, 'connectedHosts' | 'hostsThrough' | 'useOf'>) {
    this.#config = config;
    this.#listing = listing;
  }

  deleteSubsystem(nqn: string, force: boolean): string[] {
    const cut = [...this.#listing.connectedHosts(nqn)].map(
      (host) => `host ${host} would be disconnected from ${nqn} here`,
    );
    return [...this.#removals(planDeleteSubsystem(this.#config, nqn, force)), ...cut];
  }

  deleteHost(nqn: string, hostNqn: string, keepConnections = false): string[] {
    const changes = planDeleteHost(this.#config, nqn, hostNqn, keepConnections);
    if (changes.some(({ value }) => value !== null)) {
      const who = hostNqn === '*' ? 'hosts that are not listed' : `host ${hostNqn}`;
      return [`${who} would not be let in to ${nqn} any more; connections stay until they end`];
    }
    const effects = this.#removals(changes);
    const { allowAnyHost, hosts } = this.#config.subsystem(nqn);
    const stays = (host: string): boolean => (hostNqn === '*' ? hosts.has(host) : allowAnyHost);
    const cut = [...this.#listing.connectedHosts(nqn)].filter(
      (host) => (hostNqn === '*' || host === hostNqn) && !stays(host),
    );
    return [...effects, ...cut.map((host) => `host ${host} would be disconnected from ${nqn} here`)];
  }

  deleteListener(spec: ListenerSpec, force: boolean): string[] {
    const changes = planDeleteListener(this.#config, spec, force, (record) => this.#listing.useOf(record));
    const cut = this.#removed(changes).flatMap((record) =>
      record.kind === 'listener' ? this.#pathsThrough(record) : [],
    );
    return [...this.#removals(changes), ...cut];
  }

  deleteSubsystemNetwork(nqn: string, mask: string): string[] {
    const changes = planDeleteNetwork(this.#config, nqn, mask);
    const subsystem = this.#config.subsystem(nqn);
    const networks = new Set([...subsystem.networks].filter((other) => other !== parseMask(mask).text));
    const stay = automaticListeners([{ ...subsystem, networks }], this.#config.gateways.values());
    const closed = [...subsystem.automatic.values()].filter((record) => !stay.has(keyOf(record)));
    return [
      ...this.#removals(changes),
      ...closed.map((record) => sentenceOf(record, false)),
      ...closed.flatMap((record) => this.#pathsThrough(record)),
    ];
  }

  #pathsThrough(record: ListenerRecord): string[] {
    const hosts = [...this.#listing.hostsThrough(record)];
    return hosts.map((host) => `host ${host} would lose its path through ${addressOf(record)}`);
  }

  deleteNamespace(nqn: string, nsid: number): string[] {
    const record = findNamespace(this.#config, nqn, nsid);
    const seers = this.#config.visibleTo(nqn, nsid);
    const hosts = [...this.#listing.connectedHosts(nqn)].filter((host) => seers?.has(host) ?? true);
    return [
      ...this.#removals(planDeleteNamespace(this.#config, record), true),
      ...hosts.map((host) => `host ${host}, which is connected here, would lose the disk`),
    ];
  }

  /** What disappears from the configuration. `trashes`: images go to the trash if their namespaces say so. */
  #removals(changes: readonly ConfigChange[], trashes = false): string[] {
    return this.#removed(changes).map((record) => sentenceOf(record, trashes));
  }

  #removed(changes: readonly ConfigChange[]) {
    return changes.flatMap(({ key, value }) => {
      const text = this.#config.texts.get(key);
      return value !== null || text === undefined ? [] : [decodeRecord(key, text)];
    });
  }
}

function sentenceOf(record: ConfigRecord, trashes: boolean): string {
  switch (record.kind) {
    case 'subsystem':
      return `subsystem ${record.nqn} would be deleted`;
    case 'host':
      return record.hostNqn === '*'
        ? `hosts that are not listed could not use ${record.nqn} any more`
        : `host ${record.hostNqn} could not use ${record.nqn} any more`;
    case 'key-subsystem':
      return `the key of subsystem ${record.nqn} would be deleted`;
    case 'listener':
      return `the listener at ${addressOf(record)} of ${record.hostName} would be closed`;
    case 'namespace':
      return `namespace ${record.nsid} of ${record.nqn} would be deleted; ${fateOf(record, trashes)}`;
    case 'ns-host':
      return `host ${record.hostNqn} would not be listed for namespace ${record.nsid} of ${record.nqn} any more`;
    case 'qos':
      return `the limits of namespace ${record.nsid} of ${record.nqn} would be given up`;
    case 'network':
      return `network ${record.mask} of ${record.nqn} would be given up`;
  }
}

function fateOf({ backend }: NamespaceRecord, trashes: boolean): string {
  const place = placeOf(backend);
  if (backend.type === 'memory') return 'its bytes would be lost';
  if (trashes && backend.type === 'rbd' && backend.trashOnDelete)
    return `${place} would go to the trash, for which the request needs i_am_sure (--i-am-sure)`;
  return `${place} would stay`;
}

function placeOf(backend: BackendRecord): string {
  if (backend.type === 'file') return `the file ${backend.path}`;
  return backend.type === 'rbd' ? `the image ${imagePathOf(backend)}` : 'memory';
}
