/** What is asked about listeners and network masks, and what this gateway publishes of its node so that all know who has which address. */
import type { Timers } from '../base/clock.ts';
import { AnagateError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { MonitorClient } from '../monitor/monitor-client.ts';
import type { ConfigChange } from '../store/store.ts';
import type { Target } from '../target/target.ts';
import type { Configuration } from './configuration/configuration.ts';
import type { ListenerRecord } from './configuration/records.ts';
import type { FrontProbe } from './group/front-network.ts';
import { ListenerPlaces } from './group/listener-places.ts';
import { NodeAddresses } from './group/node-addresses.ts';
import { Publisher } from './group/publisher.ts';
import { planAddNetwork, planDeleteNetwork } from './plans/networks.ts';
import type { ListenerChecks, ListenerSpec } from './plans/requests.ts';
import { planAddListener } from './plans/subsystems.ts';
import { refuse } from './plans/validation.ts';
import type { Listeners } from './serving/listeners.ts';
import type { Trouble } from './serving/target-applier.ts';

export interface ListenerRequestsOptions {
  identity: { readonly name: string; readonly hostname: string };
  config: Configuration;
  target: Target;
  listeners: Listeners;
  monitor: Pick<MonitorClient, 'admin'>;
  probe: FrontProbe;
  timers: Timers;
  log: Log;
  /** Other gateways have the configuration too. */
  shared: boolean;
  /** Refuse listeners at addresses that no node has. */
  verifyAddress: boolean;
  /** As the gateway's: runs a request in its turn, and again after a conflict. */
  mutate<T>(request: () => Promise<T>): Promise<T>;
  commit(changes: readonly ConfigChange[], undo?: () => Promise<void>): Promise<void>;
  /** The node has other addresses than before. */
  onAddresses(): void;
}

export class ListenerRequests {
  readonly #options: ListenerRequestsOptions;
  readonly #addresses: NodeAddresses;
  readonly #publisher: Publisher;
  readonly places: ListenerPlaces;

  constructor(options: ListenerRequestsOptions) {
    this.#options = options;
    const addresses = new NodeAddresses({ ...options, onChange: () => options.onAddresses() });
    this.#addresses = addresses;
    this.places = new ListenerPlaces({ ...options, addresses });
    this.#publisher = new Publisher({ ...options, addresses });
  }

  /** Looks after the addresses of the node from now on. */
  start(): void {
    this.#addresses.start();
  }

  stop(): void {
    this.#addresses.stop();
  }

  /** Commits what this gateway has to say of its node, if that is something new. */
  publish(): void {
    if (this.#publisher.plan().length === 0) return;
    const { mutate, commit, log } = this.#options;
    mutate(async () => {
      const changes = this.#publisher.plan();
      if (changes.length > 0) await commit(changes);
    }).catch((err: unknown) => {
      if (err instanceof AnagateError && err.code === 'SHUTTING_DOWN') return;
      log.warn({ err }, 'the addresses of this node could not be published; it is tried again');
    });
  }

  /** What has to be committed with new network masks: a gateway that is alone has published nothing until then. */
  withMasks(changes: readonly ConfigChange[]): ConfigChange[] {
    return [...changes, ...this.#publisher.plan(true)];
  }

  /** Throws when this gateway has listeners that somebody added and none can be opened. */
  requireSome(troubles: readonly Trouble[]): void {
    const { config, listeners } = this.#options;
    const ours = [...config.listeners()].filter((record) => this.places.isOurs(record));
    // Those that masks made follow the addresses of the node, which may be others than last time.
    if (ours.every(({ gateway }) => gateway !== undefined)) return;
    if (ours.some((record) => listeners.isOpen(record))) return;
    throw troubles.find(({ record }) => record.kind === 'listener')!.error;
  }

  addNetwork(nqn: string, mask: string): Promise<void> {
    const { config, mutate, commit } = this.#options;
    return mutate(() => commit(this.withMasks(planAddNetwork(config, nqn, mask))));
  }

  deleteNetwork(nqn: string, mask: string): Promise<void> {
    const { config, mutate, commit } = this.#options;
    return mutate(() => commit(planDeleteNetwork(config, nqn, mask)));
  }

  /** Resolves with the listener, open here; see {@link GatewayApi.addListener} for those of others. */
  add(spec: ListenerSpec, checks: ListenerChecks): Promise<ListenerRecord> {
    const { config, listeners, mutate, commit, verifyAddress } = this.#options;
    return mutate(async () => {
      const placed = this.places.resolve(spec, checks);
      const { record, changes } = planAddListener(config, placed, (name) => this.places.isLocal(name));
      // Before the commit, so that an address that cannot be had is an error and not a promise.
      await this.#try(record, checks.force ?? !verifyAddress);
      await commit(changes, () => listeners.close(record));
      if (!this.places.isOurs(record)) refuse('LISTENER_REMOTE', `stored; ${this.places.describe(record)}`);
      return record;
    });
  }

  /** `unverified`: though no node has the address. */
  async #try(record: ListenerRecord, unverified: boolean): Promise<void> {
    const { listeners, target } = this.#options;
    try {
      if (!this.places.isOurs(record)) this.places.requireHolder(record);
      else await listeners.open(record, target.subsystems.get(record.nqn)!);
    } catch (error) {
      const missing = error instanceof AnagateError && error.code === 'ADDRESS_NOT_AVAILABLE';
      if (!missing || !unverified) throw error;
    }
  }
}
