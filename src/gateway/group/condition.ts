/** What this gateway can tell of itself for the decision who serves what. */
import type { Timers } from '../../base/clock.ts';
import type { GatewayCondition } from '../../monitor/group-server.ts';
import type { Target } from '../../target/target.ts';
import { allListeners, type Configuration, type SubsystemConfig } from '../configuration/configuration.ts';
import type { Listeners } from '../serving/listeners.ts';
import { FrontNetwork, type FrontProbe } from './front-network.ts';
import type { ListenerPlaces } from './listener-places.ts';

const LOAD_SPAN_MS = 1000;

export interface ConditionOptions {
  config: Configuration;
  target: Target;
  listeners: Listeners;
  probe: FrontProbe;
  places: ListenerPlaces;
  /** How others name this gateway's listeners. */
  hostName: string;
  timers: Timers;
  /** The configuration is applied. */
  isServing(): boolean;
  /** Told when the network between hosts and gateways changed. */
  onChange(): void;
}

export class Condition {
  readonly #options: ConditionOptions;
  readonly #front: FrontNetwork;
  #load = 0;
  #sampledMs: number;
  #sampledCommands = 0;

  constructor(options: ConditionOptions) {
    this.#options = options;
    this.#sampledMs = options.target.clock.nowMs();
    const { probe, timers, places, onChange, config } = options;
    this.#front = new FrontNetwork({
      probe,
      listeners: () => config.listeners(),
      isOurs: (listener) => places.isOurs(listener),
      hostOf: (listener) => places.hostOf(listener),
      isThisNode: (hostName) => places.isThisNode(hostName),
      timers,
      onChange,
    });
  }

  /** Looks from now on after the network between hosts and gateways. */
  watchNetwork(): void {
    this.#front.start();
  }

  stop(): void {
    this.#front.stop();
  }

  read(): GatewayCondition {
    const { config, isServing } = this.#options;
    const subsystems = [...config.subsystems.values()];
    const covered = new Set(subsystems.filter((subsystem) => this.#isCovered(subsystem)));
    return {
      available: isServing() && covered.size > 0,
      populated: groupsOf(subsystems),
      uncovered: groupsOf(subsystems.filter((subsystem) => !covered.has(subsystem))),
      hosts: this.#hosts(),
      load: this.#commandsPerSecond(),
      linkDown: this.#front.linkDown,
      hostName: this.#options.hostName,
      unreachable: this.#front.unreachable,
      reachable: this.#front.reachable,
    };
  }

  /** Hosts can reach it here. */
  #isCovered(subsystem: SubsystemConfig): boolean {
    const { listeners: open } = this.#options;
    return [...allListeners(subsystem)].some(
      (listener) => open.isOpen(listener) && !this.#front.isMissing(listener),
    );
  }

  #hosts(): string[] {
    const hosts = new Set<string>();
    for (const { controllers } of this.#options.target.subsystems.values()) {
      for (const { host } of controllers) hosts.add(host.hostNqn);
    }
    return [...hosts];
  }

  #commandsPerSecond(): number {
    const nowMs = this.#options.target.clock.nowMs();
    if (nowMs - this.#sampledMs < LOAD_SPAN_MS) return this.#load;
    let commands = 0;
    for (const { namespaces } of this.#options.target.subsystems.values()) {
      for (const { stats } of namespaces.values()) commands += stats.reads.count + stats.writes.count;
    }
    // Counters of a namespace go with it.
    const more = Math.max(0, commands - this.#sampledCommands);
    this.#load = Math.round((more * 1000) / (nowMs - this.#sampledMs));
    this.#sampledMs = nowMs;
    this.#sampledCommands = commands;
    return this.#load;
  }
}

function groupsOf(subsystems: readonly SubsystemConfig[]): number[] {
  const groups = new Set<number>();
  for (const { namespaces } of subsystems) {
    for (const { anaGroupId } of namespaces.values()) groups.add(anaGroupId);
  }
  return [...groups].sort((a, b) => a - b);
}
