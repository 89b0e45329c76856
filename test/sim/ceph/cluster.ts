/** What the product uses of node-rados, on a simulated client. */
import type {
  BlocklistEntry,
  Bytes,
  CommandResult,
  Locker,
  LockState,
  NotifyResult,
  ReadOperation,
  WatchHandlers,
  WriteOperation,
} from '../../../src/node-rados/lib/node-rados.ts';
import { ObjectReading } from '../../../src/node-rados/lib/node-rados.ts';
import type { SimProcess } from '../engine/process.ts';
import { type Ceph, call, clusterError, RadosClient } from './client.ts';
import { type LibrbdOptions, SimImage } from './image.ts';
import type { ImageState } from './image-state.ts';
import type { ObjectStore, Watcher } from './objects.ts';

const DAY_S = 86_400;
/** Notifies that never arrive. */
const LOST_NOTIFIES = 0.05;

/** What all processes find in the pool. */
export interface Pool {
  readonly images: ReadonlyMap<string, ImageState>;
  readonly objects: ObjectStore;
  /** A client sends the command. */
  onBlocklist(address: string, expireMs: number, by: RadosClient): void;
}

export class SimCluster {
  readonly client: RadosClient;
  readonly #pool: Pool;
  readonly #librbd: LibrbdOptions;
  readonly #waitsForMap: boolean;
  readonly #contexts: SimContext[] = [];

  /** `waitsForMap`: false is a way to be broken, see variants.ts. */
  constructor(process: SimProcess, ceph: Ceph, pool: Pool, librbd: LibrbdOptions, waitsForMap: boolean) {
    this.client = new RadosClient(process, ceph);
    this.#pool = pool;
    this.#librbd = librbd;
    this.#waitsForMap = waitsForMap;
  }

  get addresses(): string {
    return this.client.address;
  }

  get instanceId(): bigint {
    return BigInt(this.client.instance);
  }

  async waitForLatestOsdMap(): Promise<void> {
    if (this.#waitsForMap)
      await call<void>(this.client.process, 0, (done) => this.client.waitForLatestMap(done));
  }

  blocklistAdd(address: string, expireS = 30 * DAY_S): Promise<void> {
    this.#pool.onBlocklist(address, expireS * 1000, this.client);
    return call(this.client.process, 0, (done) => this.client.blocklist(address, expireS * 1000, done));
  }

  blocklist(): Promise<BlocklistEntry[]> {
    const { monitors } = this.client.ceph;
    return this.#ask(() => monitors.fenced().map((address) => ({ address, until: '' })));
  }

  /** Where an object is. */
  async monCommand({ object }: Readonly<Record<string, unknown>>): Promise<CommandResult> {
    const { osds } = this.client.ceph;
    const number = await this.#ask(() => osds.osds.indexOf(osds.of(String(object))));
    const output = Buffer.from(JSON.stringify({ pgid: `1.${number}`, acting_primary: number }));
    return { output, status: '' };
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

  #ask<T>(question: () => T): Promise<T> {
    return call(this.client.process, 0, (done) => this.client.askMonitors(question, done));
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

  // ---- objects ----

  write(object: string, { steps }: WriteOperation): Promise<number> {
    return this.#operate(object, () => this.#pool.objects.write(object, steps, this.cluster.client));
  }

  async readObject(object: string, { steps }: ReadOperation): Promise<ObjectReading> {
    const reading = await this.#operate(object, () => this.#pool.objects.read(object, steps));
    return new ObjectReading(...reading);
  }

  async omapGetAll(object: string, prefix = ''): Promise<{ version: number; entries: Map<string, Buffer> }> {
    return this.#operate(object, () => {
      const { version, omap } = this.#pool.objects.existing(object);
      return { version, entries: new Map([...omap].filter(([key]) => key.startsWith(prefix))) };
    });
  }

  async stat(): Promise<{ version: number }> {
    await this.#operate('rbd_directory', () => undefined);
    return { version: 1 };
  }

  async watch(object: string, handlers: WatchHandlers) {
    const { client } = this.cluster;
    const watcher: Watcher = { client, handlers };
    await this.#operate(object, () => void this.#pool.objects.existing(object).watchers.add(watcher));
    return {
      check: () => {
        if (client.closed || client.ceph.monitors.isFenced(client.address, client.epoch))
          throw clusterError('ENOTCONN');
        return 0;
      },
      close: async () => {
        this.#pool.objects.get(object)?.watchers.delete(watcher);
      },
    };
  }

  /** Resolves when all watchers have answered, or after the time. */
  async notify(object: string, data: Bytes = '', timeoutMs = 5000): Promise<NotifyResult> {
    const watchers = await this.#operate(object, () => [...this.#pool.objects.existing(object).watchers]);
    const { process } = this.cluster.client;
    const answers = watchers.map(
      (watcher) => new Promise<void>((resolve) => this.#tell(object, watcher, Buffer.from(data), resolve)),
    );
    const limit = new Promise<void>((resolve) => void process.after(timeoutMs, resolve));
    await Promise.race([Promise.all(answers), limit]);
    return { answers: [], missing: [] };
  }

  #tell(object: string, { client, handlers }: Watcher, data: Buffer, answered: () => void): void {
    const { ceph, process } = this.cluster.client;
    const { random } = ceph.simulation;
    if (random.chance(LOST_NOTIFIES)) return;
    const osd = ceph.osds.of(object).name;
    ceph.network.send(osd, client.process.node.name, random.between(0.2, 2), () => {
      if (client.closed) return;
      client.process.post(() => {
        void handlers.onNotify({ id: 1n, notifier: this.cluster.instanceId, data });
        ceph.network.send(osd, process.node.name, random.between(0.2, 1), () => process.post(answered));
      });
    });
  }

  // ---- images ----

  async openImage(name: string): Promise<SimImage> {
    const state = this.#pool.images.get(name);
    if (state === undefined) throw clusterError('ENOENT');
    const image = new SimImage(state, this.cluster.client, this.#librbd);
    await image.stat();
    this.#images.add(image);
    this.#librbd.onOpen(image);
    return image;
  }

  async lockState(header: string): Promise<LockState> {
    const state = this.#imageOf(header);
    const locker = await this.#operate(header, () => state.locker);
    const lockers: Locker[] =
      locker === null
        ? []
        : [{ client: `client.${locker.client.instance}`, cookie: 'auto 1', address: locker.client.address }];
    return { exclusive: true, tag: 'internal', lockers };
  }

  async breakLock(header: string, _name: string, { client }: Pick<Locker, 'client'>): Promise<void> {
    const state = this.#imageOf(header);
    await this.#operate(header, () => {
      if (`client.${state.locker?.client.instance}` === client) state.locker = null;
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#images].map((image) => image.close()));
  }

  #imageOf(header: string): ImageState {
    for (const image of this.#pool.images.values()) if (image.header === header) return image;
    throw clusterError('ENOENT');
  }

  #operate<T>(object: string, execute: () => T): Promise<T> {
    const { client } = this.cluster;
    return call(client.process, 0, (done) => client.operate(object, execute, done));
  }
}
