/** A gateway that serves nothing, but keeps the rules: a lease for each group, clients of its own, and a slow drain if asked for. */
import type { Clock } from '../../../src/base/clock.ts';
import type { ClientAddress } from '../../../src/monitor/group-map.ts';
import type { GatewayCondition, GroupServer } from '../../../src/monitor/group-server.ts';
import { type FakeCeph, type FakeLink, failure } from './fake-ceph.ts';

export class FakeGroupServer implements GroupServer {
  readonly #ceph: FakeCeph;
  readonly #link: FakeLink;
  readonly #clock: Clock;
  readonly #host: string;
  readonly #leaseMs: number;
  readonly #clients = new Map<number, string>();
  readonly #open = new Set<number>();
  readonly #leases = new Map<number, number>();
  #onCondition: () => void = () => {};
  #onFenced: (group: number) => void = () => {};
  /** What was asked, in order: `take-over 1`, `take-over 1 after fence`, `release 1`, `withdraw 1`, `renew clients`. */
  readonly asked: string[] = [];
  /** How long a release takes, and how it ends. */
  releaseMs = 20;
  releases = true;
  /** The next take-overs that fail. */
  failing = 0;
  /** Of the lease objects too few are reached. */
  leasesCut = false;
  #condition: GatewayCondition = {
    available: true,
    populated: [],
    uncovered: [],
    hosts: ['nqn.2026-11.test:host'],
    load: 1,
    linkDown: false,
    unreachable: [],
    reachable: [],
  };

  constructor(ceph: FakeCeph, link: FakeLink, clock: Clock, host: string, leaseMs: number) {
    this.#ceph = ceph;
    this.#link = link;
    this.#clock = clock;
    this.#host = host;
    this.#leaseMs = leaseMs;
  }

  set(condition: Partial<GatewayCondition>): void {
    this.#condition = { ...this.#condition, ...condition };
    this.#onCondition();
  }

  /** Whether a host's command would be answered, and an image changed, at this moment. */
  serves(group: number): boolean {
    return this.#open.has(group) && this.#clock.nowMs() < (this.#leases.get(group) ?? 0);
  }

  /** An operation of the group's client meets the blocklist. */
  meetBlocklist(group: number): void {
    this.#onFenced(group);
  }

  condition(): GatewayCondition {
    return this.#condition;
  }

  clients(): readonly ClientAddress[] {
    return [...this.#clients].map(([group, address]) => ({ group, address }));
  }

  address(group: number): string {
    return this.#clients.get(group)!;
  }

  dropClient(group: number): void {
    this.#clients.delete(group);
  }

  async connect(group: number): Promise<string> {
    if (!this.#clients.has(group)) this.#clients.set(group, this.#ceph.newAddress(this.#host));
    return this.address(group);
  }

  async takeOver(group: number, afterFence: boolean): Promise<void> {
    this.asked.push(`take-over ${group}${afterFence ? ' after fence' : ''}`);
    if (this.failing > 0) {
      this.failing -= 1;
      throw failure('EIO');
    }
    const address = this.address(group);
    if (!(await this.renew(group))) throw failure('EBLOCKLISTED');
    if (address === this.#clients.get(group)) this.#open.add(group);
  }

  async release(group: number): Promise<boolean> {
    this.asked.push(`release ${group}`);
    await new Promise<void>((resolve) => {
      this.#link.timers.after(this.releaseMs, resolve);
    });
    if (this.releases) this.#open.delete(group);
    return this.releases;
  }

  withdraw(group: number): void {
    this.asked.push(`withdraw ${group}`);
    this.#open.delete(group);
  }

  async renew(group: number): Promise<boolean> {
    const address = this.address(group);
    const begunMs = this.#clock.nowMs();
    if (this.leasesCut) {
      await new Promise<void>((resolve) => {
        this.#link.timers.after(this.#leaseMs, resolve);
      });
      throw failure('ETIMEDOUT');
    }
    const goesOn = await this.#ceph.call(
      this.#link,
      address,
      () => !this.#ceph.revoked.has(address),
      this.#leaseMs,
    );
    if (goesOn && address === this.#clients.get(group)) this.#leases.set(group, begunMs + this.#leaseMs);
    return goesOn;
  }

  async renewClients(): Promise<void> {
    this.asked.push('renew clients');
    this.#open.clear();
    this.#leases.clear();
    for (const group of this.#clients.keys()) this.#clients.set(group, this.#ceph.newAddress(this.#host));
  }

  onFenced(listener: (group: number) => void): void {
    this.#onFenced = listener;
  }

  onCondition(listener: () => void): void {
    this.#onCondition = listener;
  }
}
