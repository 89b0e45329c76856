/**
 * Whose a listener is: that of the gateway that it names, or, without a host name, of the gateway whose node has the address.
 */
import type { Configuration } from '../configuration/configuration.ts';
import { canonicalAddress, isWildcard } from '../configuration/network-mask.ts';
import type { GatewayRecord, ListenerRecord } from '../configuration/records.ts';
import type { ListenerChecks, ListenerSpec } from '../plans/requests.ts';
import { refuse } from '../plans/validation.ts';
import type { NodeAddresses } from './node-addresses.ts';

/** Host name of a listener that is whoever's node has the address. */
export const ANY_NODE = '*';

export interface ListenerPlacesOptions {
  identity: { readonly name: string; readonly hostname: string };
  config: Configuration;
  addresses: Pick<NodeAddresses, 'has'>;
  /** false: there is no other gateway that could have an address. */
  shared: boolean;
}

export class ListenerPlaces {
  readonly #options: ListenerPlacesOptions;

  constructor(options: ListenerPlacesOptions) {
    this.#options = options;
  }

  /** Whether a host name means this gateway, maybe among others. */
  isLocal(hostName: string): boolean {
    const { name, hostname } = this.#options.identity;
    return ['', ANY_NODE, name, hostname].includes(hostName);
  }

  /** Whether a host name, or the name of a gateway, means this gateway's node. */
  isThisNode(hostName: string): boolean {
    const gateways = [...this.#options.config.gateways.values()];
    const named = gateways.find(({ name }) => name === hostName);
    return this.isLocal(named?.hostName ?? hostName);
  }

  /** Whether this gateway has to listen. */
  isOurs({ gateway, hostName, traddr }: ListenerRecord): boolean {
    const { identity, addresses, shared } = this.#options;
    if (gateway !== undefined) return gateway === identity.name;
    if (hostName !== ANY_NODE) return this.isLocal(hostName);
    return !shared || isWildcard(traddr) || addresses.has(traddr);
  }

  /** Host name of the gateway that a listener is of; null: no gateway of the group has its address. */
  hostOf({ gateway, hostName, traddr }: ListenerRecord): string | null {
    if (gateway !== undefined || hostName !== ANY_NODE) return hostName;
    return this.#holderOf(traddr)?.hostName ?? null;
  }

  /**
   * The listener that a request means: without a host name it is this gateway's if its node has the address, else whoever's has.
   * Throws INVALID_ARGUMENT when the host name has to be that of a gateway and is not.
   */
  resolve(spec: ListenerSpec, { verifyHostName }: ListenerChecks): ListenerSpec {
    const { identity, addresses } = this.#options;
    const { hostName, traddr } = spec;
    if (hostName === '') {
      const isHere = isWildcard(traddr) || addresses.has(traddr);
      return { ...spec, hostName: isHere || !this.#holderOf(traddr) ? identity.hostname : ANY_NODE };
    }
    if (verifyHostName && !this.#isGateway(hostName)) {
      const known = this.#nodes().map((node) => node.hostName);
      refuse(
        'INVALID_ARGUMENT',
        `host name "${hostName}" is not that of a gateway of the group; they are on ${[...new Set(known)].sort().join(', ')}`,
      );
    }
    return spec;
  }

  /** Throws ADDRESS_NOT_AVAILABLE when it is a listener of whoever has the address, and nobody has. */
  requireHolder({ hostName, traddr }: ListenerRecord): void {
    if (hostName !== ANY_NODE || this.#holderOf(traddr) !== undefined) return;
    refuse(
      'ADDRESS_NOT_AVAILABLE',
      `no gateway of the group has address ${traddr} on its node; check it, or use force to have it listened on once one has`,
    );
  }

  /** Who will listen, for people. */
  describe(record: ListenerRecord): string {
    if (record.hostName !== ANY_NODE)
      return `it becomes active on the gateway of host ${record.hostName}, not on this one`;
    const holder = this.#holderOf(record.traddr);
    return holder === undefined
      ? `it becomes active on the gateway whose node gets address ${record.traddr}; none has it now`
      : `it becomes active on gateway ${holder.name}, whose node has address ${record.traddr}, not on this one`;
  }

  #holderOf(traddr: string): GatewayRecord | undefined {
    const wanted = canonicalAddress(traddr);
    return [...this.#options.config.gateways.values()].find(({ addresses }) => addresses.includes(wanted));
  }

  #isGateway(hostName: string): boolean {
    if (this.isLocal(hostName)) return true;
    return this.#nodes().some((node) => node.name === hostName || node.hostName === hostName);
  }

  #nodes(): { name: string; hostName: string }[] {
    const { identity, config } = this.#options;
    return [{ name: identity.name, hostName: identity.hostname }, ...config.gateways.values()];
  }
}
