/**
 * Who reaches whom. Parties are names (`gw-a`, `gw-a/front`, `host-1`, `osd-0`, `monitors`). What is sent over a cut waits, as TCP
 * does, and arrives some time after the cut was healed.
 */
import type { Simulation } from './simulation.ts';

/** After a cut TCP sends again only when its timer runs out. */
const RETRANSMISSION_MS = 400;

export class Network {
  readonly #simulation: Simulation;
  readonly #cuts = new Map<string, number>();
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  reaches(a: string, b: string): boolean {
    return !this.#cuts.has(pair(a, b));
  }

  /** Cuts may overlap: each is healed on its own. */
  cut(a: string, b: string): void {
    const key = pair(a, b);
    this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + 1);
  }

  heal(a: string, b: string): void {
    const key = pair(a, b);
    const left = (this.#cuts.get(key) ?? 0) - 1;
    if (left > 0) {
      this.#cuts.set(key, left);
      return;
    }
    this.#cuts.delete(key);
    const waiting = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    const delay = this.#simulation.random.between(1, RETRANSMISSION_MS);
    for (const arrive of waiting) this.#simulation.after(delay, () => this.#arrive(key, arrive));
  }

  /** Calls `arrive` at the other end after `ms`, or later if the way is cut. */
  send(from: string, to: string, ms: number, arrive: () => void): void {
    this.#simulation.after(ms, () => this.#arrive(pair(from, to), arrive));
  }

  #arrive(key: string, arrive: () => void): void {
    if (!this.#cuts.has(key)) {
      arrive();
      return;
    }
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) this.#waiting.set(key, [arrive]);
    else waiting.push(arrive);
  }
}

function pair(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

/** One direction of a connection: what is sent arrives in the order in which it was sent. */
export class Pipe {
  readonly #simulation: Simulation;
  readonly #network: Network;
  readonly #from: string;
  readonly #to: string;
  #lastMs = 0;
  /** Sent, not arrived, in order. */
  readonly #under: (() => void)[] = [];

  constructor(simulation: Simulation, network: Network, from: string, to: string) {
    this.#simulation = simulation;
    this.#network = network;
    this.#from = from;
    this.#to = to;
  }

  /** The sender closes its socket and does not linger: over a cut nothing leaves any more. False: there is no cut. */
  reset(): boolean {
    if (this.#network.reaches(this.#from, this.#to)) return false;
    this.#under.length = 0;
    return true;
  }

  send(arrive: () => void): void {
    const { now, random } = this.#simulation;
    this.#lastMs = Math.max(this.#lastMs, now + random.between(0.05, 0.3));
    this.#under.push(arrive);
    // each arrival brings the oldest that is under way, so that the order holds over a cut as well
    this.#network.send(this.#from, this.#to, this.#lastMs - now, () => this.#under.shift()?.());
  }
}
