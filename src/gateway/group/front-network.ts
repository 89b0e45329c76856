/**
 * The network between hosts and gateways, as this gateway sees it: whether its own listen addresses are there, and whether
 * it reaches the I/O ports of the others.
 */
import type { Timer, Timers } from '../../base/clock.ts';
import { canonicalAddress, isLoopback, isWildcard } from '../configuration/network-mask.ts';
import type { ListenerRecord } from '../configuration/records.ts';

const LOOK_MS = 1000;
const REACH_TIMEOUT_MS = 900;
/** A peer is unreachable after so many tries in vain. */
const TRIES = 2;

/** What the machine tells. */
export interface FrontProbe {
  /** Addresses of interfaces that are up and have a carrier. */
  addresses(): ReadonlySet<string>;
  /** Whether the machine has the address at all, be its interface without a carrier. Never rejects. */
  canBind(address: string): Promise<boolean>;
  /** Whether a TCP connection comes about. Never rejects. */
  reaches(address: string, port: number, timeoutMs: number): Promise<boolean>;
}

/** Whether the machine has the address, be its interface without a carrier. */
export async function hasAddress(
  probe: Pick<FrontProbe, 'addresses' | 'canBind'>,
  address: string,
): Promise<boolean> {
  if (isLoopback(address)) return true;
  const present = [...probe.addresses()].some((one) => canonicalAddress(one) === address);
  return present || (await probe.canBind(address));
}

export interface FrontNetworkOptions {
  probe: FrontProbe;
  timers: Timers;
  /** All listeners of the group. */
  listeners(): Iterable<ListenerRecord>;
  /** Whether a listener is this gateway's. */
  isOurs(listener: ListenerRecord): boolean;
  /** Host name of the gateway that a listener is of; null: nobody knows whose it is. */
  hostOf(listener: ListenerRecord): string | null;
  /** Whether a host name means the node of this gateway. */
  isThisNode(hostName: string): boolean;
  /** Called when an answer of this has changed. */
  onChange(): void;
}

export class FrontNetwork {
  readonly #options: FrontNetworkOptions;
  /** Tries in vain, by host name of the peer's listeners. */
  readonly #failures = new Map<string, number>();
  #missing: ReadonlySet<string> = new Set();
  /** Addresses of this node, as of the last look. */
  #present: ReadonlySet<string> = new Set();
  #linkDown = false;
  #timer: Timer | null = null;
  #stopped = true;

  constructor(options: FrontNetworkOptions) {
    this.#options = options;
  }

  /** There are listeners here, and none of their addresses. */
  get linkDown(): boolean {
    return this.#linkDown;
  }

  /** Peers whose I/O port is not reached, by host name of their listeners. */
  get unreachable(): readonly string[] {
    return [...this.#failures].filter(([, count]) => count >= TRIES).map(([name]) => name);
  }

  get reachable(): readonly string[] {
    return [...this.#failures].filter(([, count]) => count === 0).map(([name]) => name);
  }

  /** The address of a listener of this gateway is gone, or its interface has no carrier. */
  isMissing({ traddr }: ListenerRecord): boolean {
    return this.#missing.has(traddr);
  }

  start(): void {
    this.#stopped = false;
    void this.#look();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    const before = this.#summary();
    this.#lookAtLinks();
    if (this.#summary() !== before) this.#options.onChange();
    const beforePeers = this.#summary();
    await this.#lookAtPeers();
    if (this.#stopped) return;
    if (this.#summary() !== beforePeers) this.#options.onChange();
    this.#timer = this.#options.timers.after(LOOK_MS, () => void this.#look());
  }

  #lookAtLinks(): void {
    const { probe, listeners, isOurs } = this.#options;
    const present = new Set([...probe.addresses()].map(canonicalAddress));
    this.#present = present;
    const isThere = (address: string) => isLoopback(address) || present.has(canonicalAddress(address));
    const own = [...listeners()].filter(isOurs).map(({ traddr }) => traddr);
    this.#missing = new Set(own.filter((address) => !isWildcard(address) && !isThere(address)));
    this.#linkDown = own.length > 0 && own.every((address) => this.#missing.has(address));
  }

  async #lookAtPeers(): Promise<void> {
    const peers = this.#peers();
    for (const name of this.#failures.keys()) if (!peers.has(name)) this.#failures.delete(name);
    await Promise.all([...peers].map(([name, ports]) => this.#lookAtPeer(name, ports)));
  }

  async #lookAtPeer(name: string, ports: readonly ListenerRecord[]): Promise<void> {
    const { probe } = this.#options;
    const answers = await Promise.all(
      ports.map(({ traddr, trsvcid }) => probe.reaches(traddr, trsvcid, REACH_TIMEOUT_MS)),
    );
    this.#failures.set(name, answers.includes(true) ? 0 : (this.#failures.get(name) ?? 0) + 1);
  }

  /**
   * Listeners of the others, one per address and port. An address that this node has as well, such as that of a bridge for
   * containers, would tell of this node only.
   */
  #peers(): Map<string, ListenerRecord[]> {
    const { listeners, isOurs, hostOf, isThisNode } = this.#options;
    const peers = new Map<string, ListenerRecord[]>();
    for (const listener of listeners()) {
      const { traddr, trsvcid } = listener;
      const hostName = hostOf(listener);
      if (hostName === null || isWildcard(traddr) || isOurs(listener)) continue;
      if (this.#present.has(canonicalAddress(traddr)) && !isThisNode(hostName)) continue;
      const known = peers.get(hostName) ?? [];
      if (!known.some((other) => other.traddr === traddr && other.trsvcid === trsvcid)) known.push(listener);
      peers.set(hostName, known);
    }
    return peers;
  }

  #summary(): string {
    return JSON.stringify([this.#linkDown, [...this.#missing], this.unreachable, this.reachable]);
  }
}
