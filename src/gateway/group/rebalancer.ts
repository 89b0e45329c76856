/**
 * Moves namespaces to other ANA groups, a few at a time, when gateways were added to the group or removed for good, when a
 * namespace is not at its location, or when an operator asks. Runs on the gateway that leads the group, so that one does it.
 */
import type { Timer, Timers } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { HomeLocations } from '../plans/homes.ts';
import { imbalance, type NamespaceMove, type PlacedNamespace, planRebalance } from './rebalance.ts';

/** Between rounds that an operator asked for, when there are none otherwise. */
const ASKED_PERIOD_MS = 1000;

export interface RebalancerOptions {
  /** Whether this gateway is the one to do it. */
  leads(): boolean;
  namespaces(): Iterable<PlacedNamespace>;
  homeGroups(): readonly number[];
  homeLocations(): HomeLocations;
  /** Commits the change; the gateways follow it. */
  move(move: NamespaceMove): Promise<void>;
  /** Between two rounds, ms; 0: only when asked. */
  periodMs: number;
  /** Namespaces moved in one round. */
  movesPerRound: number;
  timers: Timers;
  log: Log;
}

/** How far it is. */
export interface RebalanceProgress {
  /** Moves made since the last start. */
  readonly done: number;
  /** Moves still to make as things are now; 0: balanced. */
  readonly left: number;
  /** Moves are being made. */
  readonly running: boolean;
}

export class Rebalancer {
  readonly #options: RebalancerOptions;
  #timer: Timer | null = null;
  #closed = false;
  #running = false;
  /** An operator asked this gateway: it does it whether it leads or not. */
  #asked = false;
  #done = 0;

  constructor(options: RebalancerOptions) {
    this.#options = options;
  }

  start(): void {
    const { periodMs, timers } = this.#options;
    if (this.#closed) return;
    this.#timer = timers.after(periodMs === 0 ? ASKED_PERIOD_MS : periodMs, () => {
      const round = periodMs > 0 || this.#asked ? this.#round() : Promise.resolve();
      void round.finally(() => this.start());
    });
  }

  stop(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** Begins now, here. Returns what will be moved. */
  begin(): readonly NamespaceMove[] {
    const plan = this.plan();
    this.#asked = plan.length > 0;
    if (this.#asked) void this.#round();
    return plan;
  }

  /** What would be moved now. */
  plan(): readonly NamespaceMove[] {
    const { namespaces, homeGroups, homeLocations } = this.#options;
    return planRebalance(namespaces(), homeGroups(), homeLocations());
  }

  progress(): RebalanceProgress {
    return { done: this.#done, left: this.plan().length, running: this.#running };
  }

  async #round(): Promise<void> {
    const { leads, log, movesPerRound, namespaces, homeGroups, homeLocations } = this.#options;
    if (!leads() && !this.#asked) {
      this.#running = false;
      return;
    }
    const reason = imbalance(namespaces(), homeGroups(), homeLocations());
    if (!this.#running && !this.#asked && reason === null) return;
    const plan = this.plan();
    if (!this.#running && plan.length > 0) {
      log.info(
        { moves: plan.length, reason: reason ?? 'asked for' },
        'rebalancing namespaces over the ANA groups',
      );
      this.#done = 0;
    }
    this.#running = plan.length > 0;
    for (const move of plan.slice(0, movesPerRound)) {
      if (this.#closed || !(await this.#move(move))) return;
    }
    if (!this.#running || this.plan().length > 0) return;
    this.#running = false;
    this.#asked = false;
    log.info({ moves: this.#done }, 'namespaces are balanced over the ANA groups');
  }

  /** Resolves with whether to go on in this round. */
  async #move(move: NamespaceMove): Promise<boolean> {
    const { log } = this.#options;
    const fields = { subsystemNqn: move.nqn, nsid: move.nsid, from: move.anaGroupId, to: move.to };
    try {
      await this.#options.move(move);
      this.#done += 1;
      log.info(fields, 'namespace moved to another ANA group');
      return true;
    } catch (err) {
      log.warn({ ...fields, err }, 'a namespace could not be moved to another ANA group; trying again later');
      return false;
    }
  }
}
