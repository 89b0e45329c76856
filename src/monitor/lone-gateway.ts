/** What a gateway that is alone answers to questions about its group: it is the group, and serves what there is. */
import type { GatewayRow, GroupQuestions, GroupRow, LeaderRow } from './admin.ts';
import type { OwnershipChange } from './group-map.ts';
import type { GatewayCondition } from './group-server.ts';
import { listedHosts } from './machine.ts';
import type { GatewayPlace } from './monitor-client.ts';

export interface LoneIdentity {
  /** Its name, and where it is managed, as it is by then: the port may be chosen when it is opened. */
  readonly identity: { readonly name: string; readonly address: string; readonly port: number };
  readonly location: string;
  /** Wall clock, ms. */
  readonly startedMs: number;
}

export class LoneGateway implements GroupQuestions {
  /** There is no map. */
  readonly epoch = 0;
  readonly staleMs = null;
  readonly #self: LoneIdentity;
  readonly #place: GatewayPlace;
  /** null: it has not begun to serve. */
  readonly #condition: () => GatewayCondition | null;

  constructor(self: LoneIdentity, place: GatewayPlace, condition: () => GatewayCondition | null) {
    this.#self = self;
    this.#place = place;
    this.#condition = condition;
  }

  gateways(): readonly GatewayRow[] {
    const { identity, location, startedMs } = this.#self;
    const condition = this.#condition();
    const row: GatewayRow = {
      name: identity.name,
      slot: this.#place.slot,
      location,
      availability: condition?.available === true ? 'AVAILABLE' : 'CREATED',
      enabled: true,
      drain: 'no',
      incarnation: null,
      peerAddress: identity.address,
      peerPort: identity.port,
      leader: true,
      groups: this.#groupIds(),
      hosts: condition?.hosts ?? [],
      load: condition?.load ?? 0,
      beaconAgeMs: 0,
      sinceMs: startedMs,
    };
    return [row];
  }

  groups(): readonly GroupRow[] {
    const { identity, startedMs } = this.#self;
    const { name } = identity;
    return this.#groupIds().map((id) => ({
      id,
      owner: name,
      home: id === this.#place.anaGroupId ? name : null,
      state: 'ACTIVE',
      states: [{ gateway: name, state: 'ACTIVE' }],
      sinceMs: startedMs,
      why: id === this.#place.anaGroupId ? 'home' : 'there is no other gateway',
      epoch: 0,
      awaited: null,
    }));
  }

  events(): readonly OwnershipChange[] {
    return [];
  }

  leader(): LeaderRow {
    return { gateway: this.#self.identity.name, term: 0, ageMs: 0 };
  }

  okToStop(): readonly string[] {
    const { populated = [], hosts = [] } = this.#condition() ?? {};
    if (populated.length > 0) return populated.map((id) => `Nobody would serve ANA group ${id}`);
    return hosts.length === 0 ? [] : [`No path to a gateway that is left would have ${listedHosts(hosts)}`];
  }

  #groupIds(): readonly number[] {
    const ids = new Set([this.#place.anaGroupId, ...(this.#condition()?.populated ?? [])]);
    return [...ids].sort((a, b) => a - b);
  }
}
