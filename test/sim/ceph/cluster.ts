/** What the product uses of node-rados, on a simulated client. */
import {
  type BlocklistEntry,
  type Bytes,
  ObjectReading,
  type ReadOperation,
} from '../../../src/node-rados/lib/node-rados.ts';
import { StepCode } from '../../../src/node-rados/lib/operation-codes.ts';
import type { SimProcess } from '../engine/process.ts';
import { type Ceph, ClusterError, RadosClient } from './client.ts';
import { call, type SharedState } from './coordination.ts';
import { type LibrbdOptions, SimImage } from './image.ts';
import type { ImageState } from './image-state.ts';

/** What all processes find in the pool. */
export interface Pool {
  readonly images: ReadonlyMap<string, ImageState>;
  readonly shared: SharedState;
}

export class SimCluster {
  readonly client: RadosClient;
  readonly #pool: Pool;
  readonly #librbd: LibrbdOptions;
  readonly #contexts: SimContext[] = [];

  constructor(process: SimProcess, ceph: Ceph, pool: Pool, librbd: LibrbdOptions) {
    this.client = new RadosClient(process, ceph);
    this.#pool = pool;
    this.#librbd = librbd;
  }

  get addresses(): string {
    return this.client.address;
  }

  get instanceId(): bigint {
    return BigInt(this.client.instance);
  }

  waitForLatestOsdMap(): Promise<void> {
    return call(this.client.process, 0, (done) => this.client.waitForLatestMap(done));
  }

  blocklist(): Promise<BlocklistEntry[]> {
    const { monitors } = this.client.ceph;
    return call(this.client.process, 0, (done) =>
      this.client.askMonitors(
        () => monitors.fenced().map((address) => ({ address, until: '' })),
        (entries) => done(null, entries),
      ),
    );
  }

  async openPool(): Promise<SimContext> {
    const context = new SimContext(this, this.#pool, this.#librbd);
    this.#contexts.push(context);
    return context;
  }

  async close(): Promise<void> {
    await Promise.all(this.#contexts.map((context) => context.close()));
    await call<void>(this.client.process, 0, (done) => this.client.shutDown(() => done(null)));
  }
}

export class SimContext {
  readonly cluster: SimCluster;
  readonly pool = 'sim';
  readonly namespace = '';
  readonly #pool: Pool;
  readonly #librbd: LibrbdOptions;
  readonly #images = new Set<SimImage>();

  constructor(cluster: SimCluster, pool: Pool, librbd: LibrbdOptions) {
    this.cluster = cluster;
    this.#pool = pool;
    this.#librbd = librbd;
  }

  async openImage(name: string): Promise<SimImage> {
    const state = this.#pool.images.get(name);
    if (state === undefined) throw new ClusterError('ENOENT');
    const image = new SimImage(state, this.cluster.client, this.#librbd);
    await image.stat();
    this.#images.add(image);
    return image;
  }

  async stat(): Promise<{ version: number }> {
    await this.#operate('rbd_directory', () => undefined);
    return { version: 1 };
  }

  async lockState(header: string) {
    const state = this.#imageOf(header);
    const locker = await this.#operate(header, () => state.locker);
    const lockers =
      locker === null
        ? []
        : [{ client: `client.${locker.client.instance}`, cookie: 'auto 1', address: locker.client.address }];
    return { exclusive: true, tag: 'internal', lockers };
  }

  async breakLock(header: string, _name: string, { client }: { client: string }): Promise<void> {
    const state = this.#imageOf(header);
    await this.#operate(
      header,
      () => {
        if (`client.${state.locker?.client.instance}` === client) state.locker = null;
      },
      true,
    );
  }

  /** Reading of lease objects: whether keys are there. */
  async readObject(object: string, { steps }: ReadOperation): Promise<ObjectReading> {
    const answers = await this.#operate(object, () =>
      steps.map(([code, keys]) => {
        if (code !== StepCode.omapGetByKeys) throw new Error(`step ${code} is not simulated`);
        const values = this.#pool.shared.valuesOf(object, keys as string[]);
        return [values, false] satisfies [[string, Bytes][], boolean];
      }),
    );
    return new ObjectReading(1, answers);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#images].map((image) => image.close()));
  }

  #imageOf(header: string): ImageState {
    for (const image of this.#pool.images.values()) if (image.header === header) return image;
    throw new ClusterError('ENOENT');
  }

  #operate<T>(object: string, execute: () => T, isWrite = false): Promise<T> {
    const { client } = this.cluster;
    return call(client.process, 0, (done) => client.operate(object, isWrite, execute, done));
  }
}
