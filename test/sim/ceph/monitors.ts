/** Ceph's monitors: the OSD map with its blocklist, committed slowly, and spread to the OSDs at leisure. */
import type { Simulation } from '../engine/simulation.ts';

interface BlocklistEntry {
  readonly address: string;
  readonly addedAt: number;
  /** Epoch of the OSD map that has it, and the one that has it no more. */
  readonly from: number;
  until: number;
  readonly expiresMs: number;
}

export interface MonitorOptions {
  /** A commit takes something between. */
  readonly commitMs: readonly [least: number, most: number];
}

export class Monitors {
  /** Of the OSD map. */
  epoch = 1;
  readonly #simulation: Simulation;
  readonly #options: MonitorOptions;
  readonly #entries: BlocklistEntry[] = [];
  /** Called when an entry has run out. */
  onExpiry: (address: string) => void = () => {};
  readonly #onEpoch: ((epoch: number) => void)[] = [];
  #electionUntilMs = 0;

  constructor(simulation: Simulation, options: MonitorOptions) {
    this.#simulation = simulation;
    this.#options = options;
  }

  onEpoch(listener: (epoch: number) => void): void {
    this.#onEpoch.push(listener);
  }

  /** Nothing is answered for so long. */
  elect(ms: number): void {
    this.#simulation.note(() => `monitors: election for ${ms.toFixed(0)} ms`);
    this.#electionUntilMs = Math.max(this.#electionUntilMs, this.#simulation.now + ms);
  }

  /** A question that the monitors answer with what they know then. */
  ask(answer: () => void): void {
    const wait = Math.max(0, this.#electionUntilMs - this.#simulation.now);
    this.#simulation.after(wait + this.#simulation.random.between(0.2, 2), answer);
  }

  /** Calls `done` when the blocklist entry is committed. */
  addToBlocklist(address: string, expireMs: number, done: () => void): void {
    this.ask(() => this.#propose(address, expireMs, done));
  }

  /** Whether an OSD or a client whose map is of `epoch` knows the address as fenced. */
  isFenced(address: string, epoch: number): boolean {
    return this.#entries.some(
      (entry) => entry.address === address && entry.from <= epoch && epoch < entry.until,
    );
  }

  /** First epoch in which the address is fenced; Infinity: never. */
  fencedSince(address: string): number {
    return Math.min(
      Number.POSITIVE_INFINITY,
      ...this.#entries.filter((entry) => entry.address === address).map(({ from }) => from),
    );
  }

  /** Addresses that are fenced in the newest map. */
  fenced(): string[] {
    return this.#entries.filter(({ until }) => until > this.epoch).map(({ address }) => address);
  }

  #propose(address: string, expireMs: number, done: () => void): void {
    const { random } = this.#simulation;
    this.#simulation.after(random.between(...this.#options.commitMs), () => {
      this.ask(() => this.#commit(address, expireMs, done));
    });
  }

  #commit(address: string, expireMs: number, done: () => void): void {
    const { now } = this.#simulation;
    this.#raise();
    const entry: BlocklistEntry = {
      address,
      addedAt: now,
      from: this.epoch,
      until: Number.POSITIVE_INFINITY,
      expiresMs: now + expireMs,
    };
    this.#entries.push(entry);
    this.#simulation.note(() => `monitors: epoch ${this.epoch} fences ${address}`);
    this.#simulation.at(entry.expiresMs, () => this.#expire(entry));
    done();
  }

  #expire(entry: BlocklistEntry): void {
    this.#raise();
    entry.until = this.epoch;
    this.#simulation.note(() => `monitors: epoch ${this.epoch} forgets ${entry.address}`);
    this.onExpiry(entry.address);
  }

  #raise(): void {
    this.epoch += 1;
    for (const listener of this.#onEpoch) listener(this.epoch);
  }
}
