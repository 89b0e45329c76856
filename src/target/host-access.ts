/** Which hosts may use a subsystem: a list of host NQNs, or any host. */
export class HostAccess {
  allowAny = false;
  readonly nqns = new Set<string>();

  isAllowed(hostNqn: string): boolean {
    return this.allowAny || this.nqns.has(hostNqn);
  }
}
