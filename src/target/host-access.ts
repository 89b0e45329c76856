/** Which hosts may use a subsystem: a list of host NQNs, or any host. */
export class HostAccess {
  allowAny = false;
  readonly nqns = new Set<string>();
  /** Hosts with keys: what they may do needs authentication. */
  readonly #keyed = new Set<string>();
  /** Hosts that are not allowed any more but may keep the controllers that they have. */
  readonly #kept = new Set<string>();

  /** '*' is any host. */
  allow(hostNqn: string, hasKeys: boolean): void {
    if (hostNqn === '*') this.allowAny = true;
    else this.nqns.add(hostNqn);
    this.#kept.delete(hostNqn);
    if (hasKeys) this.#keyed.add(hostNqn);
    else this.#keyed.delete(hostNqn);
  }

  disallow(hostNqn: string, keep: boolean): void {
    if (hostNqn === '*') this.allowAny = false;
    else this.nqns.delete(hostNqn);
    this.#keyed.delete(hostNqn);
    if (keep) this.#kept.add(hostNqn);
    else this.#kept.delete(hostNqn);
  }

  isAllowed(hostNqn: string): boolean {
    return this.allowAny || this.nqns.has(hostNqn);
  }

  isKept(hostNqn: string): boolean {
    return this.#kept.has(hostNqn);
  }

  /** Also where any host may come: the key was given to protect. */
  mustAuthenticate(hostNqn: string): boolean {
    return this.#keyed.has(hostNqn);
  }
}
