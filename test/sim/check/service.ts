/** Looks again and again whether each group is served, and who has had trouble when (ha-design L1, L3). */
import type { Fence, GroupMap } from '../../../src/monitor/group-map.ts';
import type { SimProcess } from '../engine/process.ts';
import type { Fault } from '../faults.ts';
import type { World } from '../world.ts';

const LOOK_MS = 100;
/** Groups have to be served from then on. */
const STARTED_MS = 1500;
/** A silence is noticed late, and what was written is read late. */
const JUDGEMENT_MS = 1500;

export class ServiceChecker {
  readonly #world: World;
  readonly #servedMs = new Map<number, number>();
  /** When each process was last held up, cut off or otherwise disturbed. */
  readonly #disturbedMs = new Map<SimProcess, number>();
  readonly #judged = new Set<string>();
  #harmless = false;
  #limitMs = Number.POSITIVE_INFINITY;
  /** Longest time that any group was not served. */
  longestMs = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** From now on no group may be without service for longer, and if all faults are harmless nobody be fenced. */
  start(faults: readonly Fault[]): void {
    const [only, ...others] = faults;
    this.#limitMs = (others.length === 0 ? only?.unservedMs : undefined) ?? Number.POSITIVE_INFINITY;
    this.#harmless = faults.every(
      ({ harmless }) => harmless === true || (harmless === 'alone' && others.length === 0),
    );
    this.#world.simulation.after(LOOK_MS, () => this.#look());
  }

  disturbed(process: SimProcess): void {
    this.#disturbedMs.set(process, this.#world.simulation.now);
  }

  /** Nobody is fenced for silence who was well, and could write its beacons, all the time. */
  committed(map: GroupMap): void {
    for (const fence of map.fences) {
      const key = `${fence.incarnation} ${fence.address}`;
      if (this.#judged.has(key)) continue;
      this.#judged.add(key);
      if (this.#harmless)
        this.#world.simulation.fail(
          'L3',
          `${fence.gateway} is fenced (${fence.reason}), and did nothing wrong`,
        );
      else if (fence.reason.startsWith('silent')) this.#judge(fence);
    }
  }

  #judge({ gateway, incarnation, reason }: Fence): void {
    const { simulation, times } = this.#world;
    const process = this.#world.processOf(incarnation);
    if (process === undefined || process.isDead) return;
    const wellMs = simulation.now - (this.#disturbedMs.get(process) ?? 0);
    if (wellMs > times.grace + JUDGEMENT_MS)
      simulation.fail('L3', `${gateway} is fenced (${reason}), and was well for ${wellMs.toFixed(0)} ms`);
  }

  #look(): void {
    const { simulation, machines, map } = this.#world;
    simulation.after(LOOK_MS, () => this.#look());
    for (const { process } of machines) this.#lookAt(process);
    if (simulation.now < STARTED_MS) return;
    for (const { id } of map.groups) {
      const isServed = machines.some(({ gateway }) => gateway?.isServing(id) === true);
      const sinceMs = this.#servedMs.get(id) ?? STARTED_MS;
      if (isServed) this.#servedMs.set(id, simulation.now);
      const ms = simulation.now - sinceMs;
      this.longestMs = Math.max(this.longestMs, ms);
      if (!isServed && ms > this.#limitMs)
        simulation.fail('L1', `group ${id} is not served for ${ms.toFixed(0)} ms`);
    }
  }

  #lookAt(process: SimProcess | null): void {
    if (process === null) return;
    const { network, cephParties, osds, ceph } = this.#world;
    const isCut = cephParties.some((party) => !network.reaches(process.node.name, party));
    if (process.state !== 'running' || isCut || osds.isDisturbed || ceph.lostAnswers > 0)
      this.disturbed(process);
  }
}
