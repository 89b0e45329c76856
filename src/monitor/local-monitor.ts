/** The monitor of a gateway that is alone: it is in slot 0 and owns every ANA group. */
import type { GroupServer } from './group-server.ts';
import { type GatewayPlace, type GroupState, type MonitorClient, placeOfSlot } from './monitor-client.ts';

export class LocalMonitor implements MonitorClient {
  readonly admin = null;
  readonly #place = placeOfSlot(0);

  attach(_server: GroupServer): void {}

  async start(): Promise<GatewayPlace> {
    return this.#place;
  }

  homeGroups(): readonly number[] {
    return [this.#place.anaGroupId];
  }

  /** Nobody else could serve a group that was set by hand. */
  stateOf(_groupId: number): GroupState {
    return 'optimized';
  }

  onChange(_listener: () => void): () => void {
    return () => {};
  }

  async leave(): Promise<void> {}

  async stop(): Promise<void> {}
}
