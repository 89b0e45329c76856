/** Has a gateway serve the groups that are its own for good, as they come to be. */
import type { GroupServer } from './group-server.ts';

export class FixedOwner {
  readonly #owns: (group: number) => boolean;
  readonly #homeGroups: readonly number[];
  readonly #taken = new Set<number>();

  constructor(homeGroups: readonly number[], owns: (group: number) => boolean) {
    this.#homeGroups = homeGroups;
    this.#owns = owns;
  }

  attach(server: GroupServer): void {
    this.#serveOwn(server);
    server.onCondition(() => this.#serveOwn(server));
  }

  #serveOwn(server: GroupServer): void {
    for (const group of [...this.#homeGroups, ...server.condition().populated]) {
      if (this.#taken.has(group) || !this.#owns(group)) continue;
      this.#taken.add(group);
      // Nobody else could serve it, so it may be tried again whenever something has changed.
      server.takeOver(group, false).catch(() => this.#taken.delete(group));
    }
  }
}
