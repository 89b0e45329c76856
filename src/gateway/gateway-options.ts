/** What a gateway is made of and told. */
import type { Timers } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { MonitorClient } from '../monitor/monitor-client.ts';
import type { ConfigStore } from '../store/store.ts';
import type { Target } from '../target/target.ts';
import type { configuredLimits } from './configuration/configuration.ts';
import type { SecretBox } from './configuration/secret-box.ts';
import type { FrontProbe } from './group/front-network.ts';
import type { LeaseTerms } from './group/ownership.ts';
import type { GroupBackends, OpenBackend } from './serving/backends.ts';
import type { OpenListener } from './serving/listeners.ts';

/** Who this gateway is, for people and for listeners. */
export interface GatewayIdentity {
  version: string;
  name: string;
  group: string;
  hostname: string;
  address: string;
  /** gRPC port. */
  port: number;
}

export interface GatewayOptions {
  identity: GatewayIdentity;
  store: ConfigStore;
  monitor: MonitorClient;
  target: Target;
  openBackend: OpenBackend;
  groups: GroupBackends;
  /** Absent: nobody else could serve the groups. Its clock is the target's. */
  lease?: LeaseTerms;
  openListener: OpenListener;
  /** How this machine's network is looked at; the system's unless said. */
  probe?: FrontProbe;
  /** Other gateways have the configuration too. */
  shared?: boolean;
  /** false: listeners may be added at addresses that no node has, ceph-nvmeof's verify_listener_ip. */
  verifyListenerAddress?: boolean;
  /** Encrypts the keys of hosts and subsystems; absent: they are refused. */
  secrets?: SecretBox;
  /** Files that namespaces must not use. */
  reservedPaths: readonly string[];
  timers: Timers;
  log: Log;
  /** See Rebalancer; ceph-nvmeof's figures unless said. */
  rebalance?: { periodMs: number; movesPerRound: number };
  /** Lower than those of limits.ts. */
  limits?: Parameters<typeof configuredLimits>[0];
  logLevel: { get(): string; set(level: string): void };
  random: {
    /** A new UUID. */
    uuid(): string;
    /** A whole number from 0 to `below` - 1. */
    integer(below: number): number;
  };
}
