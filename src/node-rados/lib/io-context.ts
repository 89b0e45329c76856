/** A pool and a namespace of it: objects, and the images of RBD. */
import { type Binding, binding, type Handle } from './binding.ts';
import type { Cluster } from './cluster.ts';
import { Image, type OpenOptions } from './image.ts';
import { ImagePool } from './image-pool.ts';
import type { Locker, LockOptions, LockState } from './object-lock.ts';
import {
  type Bytes,
  ObjectReading,
  type ObjectStat,
  ReadOperation,
  WriteOperation,
} from './object-operation.ts';
import { ObjectWatch, type WatchHandlers } from './object-watch.ts';

const OMAP_PAGE_KEYS = 1024;
const READ_MAX_BYTES = 64 * 1024 * 1024;
const LIST_MAX_OBJECTS = 100_000;

/** What a notify brought back. */
export interface NotifyResult {
  /** Watchers that acknowledged, by client instance id. */
  answers: { client: bigint; cookie: bigint; data: Buffer }[];
  /** Watchers that did not within the time. */
  missing: { client: bigint; cookie: bigint }[];
}

/** Made by {@link Cluster.openPool}. */
export class IoContext {
  readonly cluster: Cluster;
  readonly pool: string;
  readonly namespace: string;
  /** The pool's number. */
  readonly poolId: number;
  /** The images of this pool and namespace. */
  readonly images: ImagePool;
  readonly #binding: Binding = binding();
  readonly #handle: Handle;
  readonly #open = new Set<{ close(): Promise<void> }>();
  #closing: Promise<void> | null = null;

  constructor(cluster: Cluster, pool: string, namespace: string, handle: Handle, poolId: number) {
    this.cluster = cluster;
    this.pool = pool;
    this.namespace = namespace;
    this.poolId = poolId;
    this.#handle = handle;
    this.images = new ImagePool(handle);
  }

  /** Does the steps of the operation, all or none. @returns the object's version after it. */
  async write(object: string, operation: WriteOperation): Promise<number> {
    return this.#binding.operateWrite(this.#handle, object, operation.steps);
  }

  /** Does the steps of the operation on one state of the object. */
  async readObject(object: string, operation: ReadOperation): Promise<ObjectReading> {
    const [version, answers] = await this.#binding.operateRead(this.#handle, object, operation.steps);
    return new ObjectReading(version, answers);
  }

  /** The object's bytes from `offset`, by default all (up to 64 MiB). */
  async read(object: string, offset = 0, length?: number): Promise<Buffer> {
    let most = length;
    if (most === undefined) {
      most = Math.min(Math.max((await this.stat(object)).sizeBytes - offset, 0), READ_MAX_BYTES);
    }
    const operation = new ReadOperation();
    const data = operation.read(offset, most);
    return (await this.readObject(object, operation)).get(data);
  }

  async stat(object: string): Promise<ObjectStat & { version: number }> {
    const operation = new ReadOperation();
    const stat = operation.stat();
    const reading = await this.readObject(object, operation);
    return { ...reading.get(stat), version: reading.version };
  }

  /** Replaces the object's data. @returns its version. */
  async writeFull(object: string, data: Uint8Array): Promise<number> {
    return this.write(object, new WriteOperation().writeFull(data));
  }

  async remove(object: string): Promise<void> {
    await this.write(object, new WriteOperation().remove());
  }

  /** Names of the objects of this namespace, in no order. */
  async listObjects(most = LIST_MAX_OBJECTS): Promise<string[]> {
    return this.#binding.listObjects(this.#handle, most);
  }

  /** Those of the keys that exist. */
  async omapGetByKeys(object: string, keys: Iterable<string>): Promise<Map<string, Buffer>> {
    const operation = new ReadOperation();
    const entries = operation.omapGetByKeys(keys);
    return (await this.readObject(object, operation)).get(entries);
  }

  /**
   * All keys of the object that begin with `prefix`, as one state of it: pages after the first assert its version, and the
   * reading begins again when the object has changed meanwhile, `attempts` times (then ERANGE).
   */
  async omapGetAll(
    object: string,
    prefix = '',
    attempts = 10,
  ): Promise<{ version: number; entries: Map<string, Buffer> }> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#omapOnce(object, prefix);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if ((code !== 'ERANGE' && code !== 'EOVERFLOW') || attempt >= attempts) throw error;
      }
    }
  }

  async #omapOnce(
    object: string,
    prefix: string,
  ): Promise<{ version: number; entries: Map<string, Buffer> }> {
    const entries = new Map<string, Buffer>();
    let version = 0;
    let after = '';
    for (;;) {
      const operation = new ReadOperation();
      if (version !== 0) operation.assertVersion(version);
      const page = operation.omapGet({ after, prefix, most: OMAP_PAGE_KEYS });
      const reading = await this.readObject(object, operation);
      version = reading.version;
      const { entries: found, more } = reading.get(page);
      for (const [key, value] of found) {
        entries.set(key, value);
        after = key;
      }
      if (!more || found.size === 0) return { version, entries };
    }
  }

  async omapSet(object: string, entries: Iterable<readonly [string, Bytes]>): Promise<number> {
    return this.write(object, new WriteOperation().omapSet(entries));
  }

  async omapRemove(object: string, keys: Iterable<string>): Promise<number> {
    return this.write(object, new WriteOperation().omapRemove(keys));
  }

  /** Takes a lock of the object, which is created if need be. EBUSY: another holds it. */
  async lock(object: string, name: string, options: LockOptions = {}): Promise<void> {
    await this.write(object, new WriteOperation().lock(name, options));
  }

  /** ENOENT when this client and cookie do not hold it. */
  async unlock(object: string, name: string, cookie = ''): Promise<void> {
    await this.write(object, new WriteOperation().unlock(name, cookie));
  }

  /** Who holds the lock. */
  async lockState(object: string, name: string): Promise<LockState> {
    const [exclusive, tag, clients, cookies, addresses] = await this.#binding.listLockers(
      this.#handle,
      object,
      name,
    );
    const lockers = clients.map((client, i) => ({
      client,
      cookie: cookies[i] ?? '',
      address: addresses[i] ?? '',
    }));
    return { exclusive, tag, lockers };
  }

  /** Takes the lock away from its holder, who is not told; fence the holder first if it may still write. */
  async breakLock(object: string, name: string, locker: Pick<Locker, 'client' | 'cookie'>): Promise<void> {
    return this.#binding.breakLock(this.#handle, object, name, locker.client, locker.cookie);
  }

  /** Watches the object, which must exist. After `timeoutS` without contact the OSD drops the watch (0: its default, 30). */
  async watch(object: string, handlers: WatchHandlers, timeoutS = 0): Promise<ObjectWatch> {
    const watch = new ObjectWatch(handlers, (closed) => this.#open.delete(closed));
    await watch.register(this.#handle, object, timeoutS);
    if (this.#closing !== null) await watch.close();
    else this.#open.add(watch);
    return watch;
  }

  /** Sends `data` to all watchers of the object and waits for their answers, at most `timeoutMs`. */
  async notify(object: string, data: Bytes = '', timeoutMs = 5000): Promise<NotifyResult> {
    const [answers, missing] = await this.#binding.notify(this.#handle, object, data, timeoutMs);
    return {
      answers: answers.map(([client, cookie, reply]) => ({ client, cookie, data: reply })),
      missing: missing.map(([client, cookie]) => ({ client, cookie })),
    };
  }

  /** Opens an image of this pool and namespace. */
  async openImage(name: string, options: OpenOptions = {}): Promise<Image> {
    const handle = await this.#binding.openImage(
      this.#handle,
      name,
      options.byId ?? false,
      options.snapshot ?? null,
      options.readOnly ?? false,
    );
    const image = new Image(name, handle, (closed) => this.#open.delete(closed));
    if (this.#closing !== null) await image.close();
    else this.#open.add(image);
    return image;
  }

  /** Closes the images and watches of this context, then the context. Twice is once. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#open].map((opened) => opened.close()));
    this.#open.clear();
    this.#binding.closeContext(this.#handle);
    this.cluster.forget(this);
  }

  /** The native context, for {@link ImagePool.clone} from another context. */
  get handle(): Handle {
    return this.#handle;
  }
}
