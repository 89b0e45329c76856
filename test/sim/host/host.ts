/**
 * A Linux host with native multipath: operations of its applications go over the path that the ANA log calls optimized, wait
 * while there is none, are sent again when a path fails, and end with an error only when the gateway says that they must.
 */
import { IoOpcode, ioSqe } from '../../initiator/command.ts';
import { SECTOR_BYTES } from '../ceph/image-state.ts';
import type { History } from '../check/history.ts';
import type { Network } from '../engine/network.ts';
import type { Simulation } from '../engine/simulation.ts';
import type { Answer } from '../gateway/connection.ts';
import type { FrontDoor } from '../gateway/front-door.ts';
import { Path } from './path.ts';

/** `nvme_core.max_retries`: for statuses that are no matter of the path. */
const MOST_RETRIES = 5;
const REQUEUE_MS = 5;

/** A disk that hosts see. */
export interface Disk {
  readonly nsid: number;
  /** ANA group as it is configured now. */
  group: number;
  /** Sectors that are used. */
  readonly sectors: readonly number[];
}

export interface HostOptions {
  readonly name: string;
  readonly number: number;
  readonly simulation: Simulation;
  readonly network: Network;
  readonly history: History;
  readonly subsystemNqn: string;
  readonly keepAliveMs: number;
  readonly reconnectMs: number;
  /** Operations under way at a time, and the pause between them. */
  readonly depth: number;
  readonly thinkMs: number;
  readonly disks: readonly Disk[];
}

interface Operation {
  readonly isWrite: boolean;
  readonly disk: Disk;
  readonly sector: number;
  readonly begunMs: number;
  readonly done: () => void;
  /** Of each attempt to write. */
  readonly values: number[];
  attemptMs: number;
  retries: number;
}

export class SimHost {
  readonly name: string;
  readonly nqn: string;
  readonly paths: readonly Path[];
  readonly #options: HostOptions;
  readonly #underWay = new Set<Operation>();
  #waiting: Operation[] = [];
  #working = false;
  #requeued = false;

  constructor(options: HostOptions, doors: readonly FrontDoor[]) {
    const { name, number, simulation, subsystemNqn, keepAliveMs, reconnectMs } = options;
    this.#options = options;
    this.name = name;
    this.nqn = `nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
    this.paths = doors.map(
      (door) =>
        new Path(door, {
          simulation,
          party: name,
          hostNqn: this.nqn,
          hostId: Buffer.alloc(16, number + 1),
          subsystemNqn,
          keepAliveMs,
          reconnectMs,
          onChange: () => this.#requeue(),
        }),
    );
  }

  /** When the oldest operation that is under way began; null: there is none. */
  get waitsSinceMs(): number | null {
    let oldest: number | null = null;
    for (const { begunMs } of this.#underWay) oldest = Math.min(oldest ?? begunMs, begunMs);
    return oldest;
  }

  start(): void {
    for (const path of this.paths) path.connect();
    this.#working = true;
    for (let i = 0; i < this.#options.depth; i++) this.#think();
  }

  /** Nothing new is begun. */
  rest(): void {
    this.#working = false;
  }

  /** Begins so many operations at once. */
  burst(count: number): void {
    if (this.#working) for (let i = 0; i < count; i++) this.#work(() => {});
  }

  /** Reads everything once. */
  readAll(): void {
    for (const disk of this.#options.disks) {
      for (const sector of disk.sectors) this.#begin(false, disk, sector, () => undefined);
    }
  }

  // ---- applications ----

  #think(): void {
    const { simulation, thinkMs } = this.#options;
    simulation.after(simulation.random.exponential(thinkMs), () => {
      if (this.#working) this.#work(() => this.#think());
    });
  }

  #work(done: () => void): void {
    const { simulation, disks } = this.#options;
    const { random, now } = simulation;
    const disk = random.pick(disks);
    // more and more of the disk comes into use, so that there is always something that was never written
    const inUse = Math.min(disk.sectors.length, 3 + Math.floor(now / 1500));
    const sector = disk.sectors[Math.max(random.below(inUse), random.below(inUse))]!;
    this.#begin(random.chance(0.5), disk, sector, done);
  }

  #begin(isWrite: boolean, disk: Disk, sector: number, done: () => void): void {
    const begunMs = this.#options.simulation.now;
    const operation = { isWrite, disk, sector, begunMs, done, values: [], attemptMs: begunMs, retries: 0 };
    this.#underWay.add(operation);
    this.#send(operation);
  }

  // ---- multipath ----

  #send(operation: Operation): void {
    const { disk, sector, isWrite } = operation;
    const path = this.paths.find((one) => one.isOptimized(disk.nsid));
    if (path === undefined) {
      this.#waiting.push(operation);
      return;
    }
    const { simulation, history } = this.#options;
    operation.attemptMs = simulation.now;
    let data: Buffer | null = null;
    if (isWrite) {
      const value = history.writes(key(operation), `${this.name} over ${path.door.name}`, simulation.now);
      operation.values.push(value);
      data = Buffer.alloc(SECTOR_BYTES);
      data.writeUInt32LE(value, 0);
    }
    simulation.note(() => `${this.name} > ${path.door.name}: ${describe(operation)}`);
    const command = ioSqe(isWrite ? IoOpcode.write : IoOpcode.read, disk.nsid, sector, 1);
    path.send(command, data, disk.nsid, (answer) => this.#answered(operation, path, answer));
  }

  #answered(operation: Operation, path: Path, answer: Answer | null): void {
    const { simulation } = this.#options;
    simulation.note(() => `${this.name} < ${path.door.name}: ${describe(operation)} ${outcomeOf(answer)}`);
    if (answer === null || (answer.status & 0x700) === 0x300) {
      this.#waiting.push(operation);
      this.#requeue();
    } else if (answer.status === 0) this.#succeeded(operation, path, answer);
    else if (answer.dnr || operation.retries >= MOST_RETRIES) {
      simulation.fail('host I/O error', `${this.name}: ${describe(operation)} ${outcomeOf(answer)}`);
    } else {
      operation.retries += 1;
      this.#send(operation);
    }
  }

  #succeeded(operation: Operation, path: Path, answer: Answer): void {
    const { history, simulation } = this.#options;
    const { isWrite, values } = operation;
    const sector = key(operation);
    if (isWrite) {
      for (const [i, value] of values.entries()) {
        history.wrote(sector, value, i === values.length - 1, simulation.now);
      }
    } else {
      const by = `${this.name} over ${path.door.name}`;
      history.read(sector, answer.data!.readUInt32LE(0), by, operation.attemptMs, simulation.now);
    }
    this.#underWay.delete(operation);
    operation.done();
  }

  #requeue(): void {
    if (this.#requeued || this.#waiting.length === 0) return;
    this.#requeued = true;
    this.#options.simulation.after(REQUEUE_MS, () => {
      this.#requeued = false;
      for (const operation of this.#waiting.splice(0)) this.#send(operation);
    });
  }
}

function key({ disk, sector }: Operation): string {
  return `namespace ${disk.nsid} sector ${sector}`;
}

function describe(operation: Operation): string {
  const what = operation.isWrite ? `write ${operation.values.at(-1)} to` : 'read';
  return `${what} ${key(operation)}`;
}

function outcomeOf(answer: Answer | null): string {
  if (answer === null) return 'lost with its path';
  if (answer.status !== 0) return `status ${answer.status.toString(16)}h${answer.dnr ? ' DNR' : ''}`;
  return answer.data === null ? 'done' : `gives ${answer.data.readUInt32LE(0)}`;
}
