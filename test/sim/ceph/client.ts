/** One librados client: an address, what it knows of the OSD map, and its operations that are under way. */
import { RadosError } from '../../../src/node-rados/lib/node-rados.ts';
import type { Network } from '../engine/network.ts';
import type { SimProcess } from '../engine/process.ts';
import type { Simulation } from '../engine/simulation.ts';
import type { Monitors } from './monitors.ts';
import type { OsdCluster, OsdOperation } from './osds.ts';

/** All that is of one cluster. */
export interface Ceph {
  readonly simulation: Simulation;
  readonly network: Network;
  readonly monitors: Monitors;
  readonly osds: OsdCluster;
  /** All that there ever were. */
  readonly clients: RadosClient[];
  /** Part of the answers that arrive only when they are sent again: whoever waits may have given up before. */
  lostAnswers: number;
}

const FIRST_INSTANCE = 4000;

/** Answers of the cluster that are simulated. */
const ERRNO = {
  ENOENT: 2,
  EIO: 5,
  EEXIST: 17,
  EINVAL: 22,
  EROFS: 30,
  ERANGE: 34,
  EOVERFLOW: 75,
  ENOTCONN: 107,
  EBLOCKLISTED: 108,
  ETIMEDOUT: 110,
  ECANCELED: 125,
} as const;

export type ClusterError = RadosError;

export function clusterError(code: keyof typeof ERRNO): ClusterError {
  return new RadosError('simulated', ERRNO[code]);
}

/** Told in a thread of librados. */
export type Outcome<T> = (error: ClusterError | null, value: T) => void;

export class RadosClient {
  readonly instance: number;
  readonly address: string;
  readonly process: SimProcess;
  readonly ceph: Ceph;
  /** The newest OSD map that it has. */
  epoch: number;
  closed = false;
  /** Questions to the monitors that are not answered. */
  #asking = 0;
  readonly #whenQuiet: (() => void)[] = [];
  readonly #open = new Map<OsdOperation, () => void>();

  constructor(process: SimProcess, ceph: Ceph) {
    this.process = process;
    this.ceph = ceph;
    this.epoch = ceph.monitors.epoch;
    this.instance = FIRST_INSTANCE + ceph.clients.length;
    ceph.clients.push(this);
    this.address = `${process.node.address}:0/${this.instance * 1000 + ceph.simulation.random.below(1000)}`;
  }

  /** Does something to an object, all or nothing. */
  operate<T>(object: string, execute: () => T, done: Outcome<T>): void {
    if (this.closed) {
      this.process.postToThread(() => done(clusterError('ENOTCONN'), undefined as T));
      return;
    }
    const osd = this.ceph.osds.of(object);
    const { simulation, network } = this.ceph;
    const { random } = simulation;
    const operation: OsdOperation = {
      address: this.address,
      object,
      epoch: this.epoch,
      execute,
      outcome: null,
      answer: (epoch) => {
        const lost = random.chance(this.ceph.lostAnswers) ? random.between(1500, 4000) : 0;
        network.send(osd.name, this.process.node.name, random.between(0.05, 0.3) + lost, () =>
          this.process.postToThread(() => this.#answered(operation, epoch, done as Outcome<unknown>)),
        );
      },
    };
    const send = () => {
      const epoch = this.epoch;
      const slow =
        random.between(0, this.ceph.osds.slowMs) + (random.chance(0.01) ? random.between(5, 100) : 0);
      network.send(this.process.node.name, osd.name, random.between(0.1, 1) + slow, () => {
        // sent again it may overtake itself
        operation.epoch = Math.max(operation.epoch, epoch);
        osd.receive(operation);
      });
    };
    this.#open.set(operation, send);
    send();
  }

  /** Connections were lost: everything that is under way is sent again. */
  resend(): void {
    for (const send of this.#open.values()) send();
  }

  /** After `done` operations carry at least the epoch that the monitors had. */
  waitForLatestMap(done: Outcome<void>): void {
    this.askMonitors(
      () => this.ceph.monitors.epoch,
      (error, epoch) => {
        if (error === null) this.epoch = Math.max(this.epoch, epoch);
        done(error);
      },
    );
  }

  askMonitors<T>(question: () => T, done: Outcome<T>): void {
    const { network, monitors } = this.ceph;
    this.#toMonitors(done, (answered) => {
      network.send(this.process.node.name, 'monitors', 0.3, () => {
        monitors.ask(() => answered(question()));
      });
    });
  }

  blocklist(address: string, expireMs: number, done: Outcome<void>): void {
    const { network, monitors } = this.ceph;
    this.#toMonitors(done, (answered) => {
      network.send(this.process.node.name, 'monitors', 0.3, () => {
        monitors.addToBlocklist(address, expireMs, () => answered(undefined));
      });
    });
  }

  /** Whether its watches are still there: it lives, or was held up less than `ms` ago. */
  isHeardOf(ms: number): boolean {
    const { state, stateSinceMs } = this.process;
    return !this.closed && (state === 'running' || this.ceph.simulation.now - stateSinceMs < ms);
  }

  /** Calls `done` when nothing is under way any more; what is begun from then on fails. */
  shutDown(done: () => void): void {
    if (this.#isQuiet) this.close();
    if (this.closed) done();
    else this.#whenQuiet.push(() => this.shutDown(done));
  }

  /** Nothing is waited for: what is under way is never heard of. */
  close(): void {
    this.closed = true;
    this.#open.clear();
  }

  #toMonitors<T>(done: Outcome<T>, ask: (answered: (answer: T) => void) => void): void {
    if (this.closed) {
      this.process.postToThread(() => done(clusterError('ENOTCONN'), undefined as T));
      return;
    }
    this.#asking += 1;
    ask((answer) => {
      this.ceph.network.send('monitors', this.process.node.name, 0.3, () => {
        this.process.postToThread(() => {
          if (this.closed) return;
          this.#asking -= 1;
          done(null, answer);
          this.#lookQuiet();
        });
      });
    });
  }

  #lookQuiet(): void {
    if (this.#isQuiet) for (const quiet of this.#whenQuiet.splice(0)) quiet();
  }

  get #isQuiet(): boolean {
    return this.#open.size === 0 && this.#asking === 0;
  }

  #answered(operation: OsdOperation, epoch: number, done: Outcome<unknown>): void {
    if (!this.#open.delete(operation)) return;
    // OSDs hand on their map to clients that are behind
    this.epoch = Math.max(this.epoch, epoch);
    const outcome = operation.outcome!;
    if ('error' in outcome) done(outcome.error, undefined);
    else done(null, outcome.value);
    this.#lookQuiet();
  }
}

/** What a thread answers, for the event loop; given up after a while (0: never). */
export function call<T>(
  process: SimProcess,
  timeoutMs: number,
  start: (done: Outcome<T>) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = timeoutMs > 0 ? process.after(timeoutMs, () => reject(clusterError('ETIMEDOUT'))) : null;
    start((error, value) =>
      process.post(() => {
        timer?.cancel();
        if (error === null) resolve(value);
        else reject(error);
      }),
    );
  });
}
