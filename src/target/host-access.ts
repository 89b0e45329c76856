/** Which hosts may use a subsystem: a list of host NQNs, or any host. */
export class HostAccess {
  allowAny = false;
  readonly nqns = new Set<string>();
  /** Hosts with keys: what they may do needs authentication. */
  readonly #keyed = new Set<string>();
  /** The controllers that hosts had when they were removed and may keep, by host NQN. */
  readonly #kept = new Map<string, WeakSet<object>>();

  /** '*' is any host. */
  allow(hostNqn: string, hasKeys: boolean): void {
    if (hostNqn === '*') this.allowAny = true;
    else this.nqns.add(hostNqn);
    this.#kept.delete(hostNqn);
    if (hasKeys) this.#keyed.add(hostNqn);
    else this.#keyed.delete(hostNqn);
  }

  /** What was kept for the host is so no more. */
  disallow(hostNqn: string): void {
    if (hostNqn === '*') this.allowAny = false;
    else this.nqns.delete(hostNqn);
    this.#keyed.delete(hostNqn);
    this.#kept.delete(hostNqn);
  }

  /** As {@link disallow}; what the host has now, and nothing that comes later, stays whatever other permission goes. */
  disallowButKeep(hostNqn: string, controllers: Iterable<object>): void {
    const before = this.nqns.has(hostNqn) ? undefined : this.#kept.get(hostNqn);
    this.disallow(hostNqn);
    this.#kept.set(hostNqn, before ?? new WeakSet(controllers));
  }

  isAllowed(hostNqn: string): boolean {
    return this.allowAny || this.nqns.has(hostNqn);
  }

  isKept(hostNqn: string, controller: object): boolean {
    return this.#kept.get(hostNqn)?.has(controller) ?? false;
  }

  /** Also where any host may come: the key was given to protect. */
  mustAuthenticate(hostNqn: string): boolean {
    return this.#keyed.has(hostNqn);
  }
}
