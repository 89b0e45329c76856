/**
 * The addresses of this gateway's node, as listeners see them: one that is gone for a moment, or whose interface has no carrier,
 * is still the node's. Hosts must not lose a path for good because a cable was pulled.
 */
import type { Timer, Timers } from '../../base/clock.ts';
import { canonicalAddress, isLinkLocal, isLoopback } from '../configuration/network-mask.ts';
import type { FrontProbe } from './front-network.ts';

const LOOK_MS = 1000;
/** An address is given up after so many looks in vain: restarting a network takes a few seconds. */
const LOOKS = 10;

export interface NodeAddressesOptions {
  probe: Pick<FrontProbe, 'addresses' | 'canBind'>;
  timers: Timers;
  /** Called when {@link NodeAddresses.list} has changed. */
  onChange(): void;
}

export class NodeAddresses {
  readonly #options: NodeAddressesOptions;
  /** Looks in vain, by address. */
  readonly #kept = new Map<string, number>();
  #timer: Timer | null = null;
  #stopped = false;

  constructor(options: NodeAddressesOptions) {
    this.#options = options;
  }

  /** Whether a listener at that address is for this node. */
  has(address: string): boolean {
    return isLoopback(address) || this.#kept.has(canonicalAddress(address));
  }

  /** Ascending; link-local ones left out. */
  list(): string[] {
    return [...this.#kept.keys()].sort();
  }

  /** It was not there at the last look, be it gone or its interface without a carrier. */
  isMissing(address: string): boolean {
    return this.#kept.get(address) !== 0;
  }

  /** Looks now, and from now on again and again. */
  start(): void {
    this.#see();
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    if (!this.#stopped) this.#timer = this.#options.timers.after(LOOK_MS, () => void this.#look());
  }

  async #look(): Promise<void> {
    const before = this.list().join();
    this.#see();
    await this.#forget();
    if (this.#stopped) return;
    if (this.list().join() !== before) this.#options.onChange();
    this.#schedule();
  }

  #see(): void {
    const present = [...this.#options.probe.addresses()].filter((address) => !isLinkLocal(address));
    for (const [address, looks] of this.#kept) this.#kept.set(address, looks + 1);
    for (const address of present) this.#kept.set(canonicalAddress(address), 0);
  }

  async #forget(): Promise<void> {
    for (const [address, looks] of [...this.#kept]) {
      if (looks < LOOKS) continue;
      // The interface is up without a carrier: such addresses are not listed.
      if (!(await this.#options.probe.canBind(address))) this.#kept.delete(address);
    }
  }
}
