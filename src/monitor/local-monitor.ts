/** The monitor of a gateway that is alone: it is in slot 0 and owns every ANA group. */
import type { GroupQuestions } from './admin.ts';
import { FixedOwner } from './fixed-owner.ts';
import type { GroupServer } from './group-server.ts';
import { LoneGateway, type LoneIdentity } from './lone-gateway.ts';
import { type GatewayPlace, type MonitorClient, placeOfSlot } from './monitor-client.ts';

export class LocalMonitor implements MonitorClient {
  readonly admin = null;
  readonly #place = placeOfSlot(0);
  #server: GroupServer | null = null;

  /** What is to be known of the group that this gateway is by itself. */
  questions(self: LoneIdentity): GroupQuestions {
    return new LoneGateway(self, this.#place, () => this.#server?.condition() ?? null);
  }

  attach(server: GroupServer): void {
    this.#server = server;
    // Nobody else could serve a group that was set by hand.
    new FixedOwner(this.homeGroups(), () => true).attach(server);
  }

  async start(): Promise<GatewayPlace> {
    return this.#place;
  }

  homeGroups(): readonly number[] {
    return [this.#place.anaGroupId];
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
