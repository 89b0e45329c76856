/** A gateway that only notes which ANA groups it is told to take over. */
import type { GatewayCondition, GroupServer } from '../../src/monitor/group-server.ts';

export class TakingServer implements GroupServer {
  readonly taken: number[] = [];
  #populated: readonly number[];
  #changed = (): void => {};

  constructor(populated: readonly number[]) {
    this.#populated = populated;
  }

  /** Namespaces are in these groups from now on. */
  populate(groups: readonly number[]): void {
    this.#populated = groups;
    this.#changed();
  }

  condition(): GatewayCondition {
    return {
      available: true,
      populated: this.#populated,
      uncovered: [],
      hosts: [],
      load: 0,
      linkDown: false,
      unreachable: [],
      reachable: [],
    };
  }

  async takeOver(group: number): Promise<void> {
    this.taken.push(group);
  }

  onCondition(listener: () => void): void {
    this.#changed = listener;
  }

  clients(): [] {
    return [];
  }
  async connect(): Promise<string> {
    return '192.0.2.1:0/1';
  }
  async release(): Promise<boolean> {
    return true;
  }
  withdraw(): void {}
  async renew(): Promise<boolean> {
    return true;
  }
  async renewClients(): Promise<void> {}
  onFenced(): void {}
}
