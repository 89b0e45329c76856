/** What this gateway publishes of its node in the configuration, so that all know who has which address, also while it is down. */
import { LIMITS } from '../../limits.ts';
import type { MonitorClient } from '../../monitor/monitor-client.ts';
import type { ConfigChange } from '../../store/store.ts';
import { type Configuration, removeRecord, setRecord } from '../configuration/configuration.ts';
import { isInMask, parseMask } from '../configuration/network-mask.ts';
import { encodeRecord, type GatewayRecord, keyOf } from '../configuration/records.ts';
import type { NodeAddresses } from './node-addresses.ts';

export interface PublisherOptions {
  identity: { readonly name: string; readonly hostname: string };
  config: Configuration;
  addresses: Pick<NodeAddresses, 'list' | 'isMissing'>;
  monitor: Pick<MonitorClient, 'admin'>;
  /** Other gateways have the configuration too. */
  shared: boolean;
}

export class Publisher {
  readonly #options: PublisherOptions;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /**
   * What to commit, so that this gateway's record says what is, and none is left of gateways that were deleted for good. A
   * gateway that is alone writes nothing until there is a network mask, or will be (`masks`).
   */
  plan(masks = false): ConfigChange[] {
    const { config, shared } = this.#options;
    const networks = [...config.subsystems.values()].some((subsystem) => subsystem.networks.size > 0);
    if (!shared && !masks && !networks) return [];
    return [...this.#own(), ...this.#gone()];
  }

  #own(): ConfigChange[] {
    const { identity, config } = this.#options;
    if (!(this.#members()?.has(identity.name) ?? true)) return [];
    const record: GatewayRecord = {
      kind: 'gateway',
      name: identity.name,
      hostName: identity.hostname,
      addresses: this.#addresses(),
    };
    return config.texts.get(keyOf(record)) === encodeRecord(record) ? [] : [setRecord(record)];
  }

  /** Those that listeners may be at first, if there are more than a record may have. */
  #addresses(): string[] {
    const { config, addresses } = this.#options;
    const own = addresses.list().filter((address) => !this.#wentToOther(address));
    if (own.length <= LIMITS.maxPublishedAddresses) return own;
    const masks = [...config.subsystems.values()].flatMap(({ networks }) => [...networks].map(parseMask));
    const listened = new Set([...config.listeners()].map(({ traddr }) => traddr));
    const isWanted = (address: string): boolean =>
      listened.has(address) || masks.some((mask) => isInMask(mask, address));
    const wanted = own.filter(isWanted);
    const others = own.filter((address) => !wanted.includes(address));
    return [...wanted, ...others].slice(0, LIMITS.maxPublishedAddresses).sort();
  }

  /** It is missing here, and another node says that it has it. */
  #wentToOther(address: string): boolean {
    const { identity, config, addresses } = this.#options;
    if (!addresses.isMissing(address)) return false;
    return [...config.gateways.values()].some(
      (other) => other.hostName !== identity.hostname && other.addresses.includes(address),
    );
  }

  /** The leader clears away what is left of others; who is down is in the group all the same. */
  #gone(): ConfigChange[] {
    const { identity, config, monitor, shared } = this.#options;
    if (shared && monitor.admin?.leader()?.gateway !== identity.name) return [];
    const members = shared ? this.#members() : new Set([identity.name]);
    if (members === null) return [];
    return [...config.gateways.values()].filter(({ name }) => !members.has(name)).map(removeRecord);
  }

  /** Names of the gateways of the group; null: not known, or not yet. */
  #members(): ReadonlySet<string> | null {
    const rows = this.#options.monitor.admin?.gateways() ?? [];
    return rows.length === 0 ? null : new Set(rows.map(({ name }) => name));
  }
}
