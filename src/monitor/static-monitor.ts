/**
 * Who owns which ANA group, as the configuration file says it: no failover. All gateways of a group are told the same table; a
 * gateway's slot is the place of its first mention, so a table may grow at its end and must not be reordered.
 */
import { AnagateError } from '../base/errors.ts';
import { LIMITS } from '../limits.ts';
import { FixedOwner } from './fixed-owner.ts';
import type { GroupServer } from './group-server.ts';
import { type GatewayPlace, type MonitorClient, placeOfSlot } from './monitor-client.ts';

/** One line of the table. */
export interface GroupOwner {
  /** 1..{@link LIMITS.maxAnaGroups}. */
  readonly group: number;
  /** Name of a gateway. */
  readonly gateway: string;
}

export class StaticMonitor implements MonitorClient {
  readonly admin = null;
  readonly #place: GatewayPlace;
  readonly #groups: readonly number[];
  readonly #own: ReadonlySet<number>;

  /** Throws INVALID_ARGUMENT when the table does not name this gateway, or a group twice, or too many gateways. */
  constructor(gateway: string, owners: readonly GroupOwner[]) {
    const gateways = [...new Set(owners.map((owner) => owner.gateway))];
    const slot = gateways.indexOf(gateway);
    if (slot < 0) {
      refuse(`does not name this gateway, ${gateway}; it names ${gateways.join(', ') || 'none'}`);
    }
    if (gateways.length > LIMITS.maxSlots) refuse(`names more than ${LIMITS.maxSlots} gateways`);
    const groups = owners.map(({ group }) => group);
    for (const [at, group] of groups.entries()) {
      if (!Number.isInteger(group) || group < 1 || group > LIMITS.maxAnaGroups)
        refuse(`names ANA group ${group}, which is not from 1 to ${LIMITS.maxAnaGroups}`);
      if (groups.indexOf(group) !== at) refuse(`names two owners of ANA group ${group}`);
    }
    this.#place = placeOfSlot(slot);
    this.#groups = groups.sort((a, b) => a - b);
    this.#own = new Set(owners.filter((owner) => owner.gateway === gateway).map(({ group }) => group));
  }

  attach(server: GroupServer): void {
    new FixedOwner(this.#groups, (group) => this.#own.has(group)).attach(server);
  }

  async start(): Promise<GatewayPlace> {
    return this.#place;
  }

  homeGroups(): readonly number[] {
    return this.#groups;
  }

  homeLocations(): ReadonlyMap<number, string> {
    return new Map();
  }

  onChange(_listener: () => void): () => void {
    return () => {};
  }

  async leave(): Promise<void> {}

  async stop(): Promise<void> {}
}

function refuse(what: string): never {
  throw new AnagateError('INVALID_ARGUMENT', `The table of owners ([monitor] owners) ${what}`);
}
