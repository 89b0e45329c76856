/**
 * librbd: an open image. It lives in threads of its process, so it goes on while the event loop is held up, and it knows nothing of
 * leases: it answers reads of objects that its object map does not have with zeros, however long ago its client was fenced.
 */
import type { IoCompletion } from '../../../src/node-rados/lib/node-rados.ts';
import { type ClusterError, call, clusterError, type Outcome, type RadosClient } from './client.ts';
import { type ImageState, objectOf, SECTOR_BYTES } from './image-state.ts';

/** A watch that is not heard of for so long is gone. */
const WATCH_MS = 30_000;
const LOCK_RETRY_MS = 500;

export interface LibrbdOptions {
  /** `rbd_cache`: writes are acknowledged before they are sent. */
  readonly cache: boolean;
  /** `rbd_blocklist_on_break_lock`. */
  readonly blocklistOnBreak: boolean;
  onOpen(image: SimImage): void;
  /** A program gave librbd something to do on the image. */
  onOperation(image: ImageState, client: RadosClient): void;
}

export class SimImage {
  readonly name: string;
  readonly state: ImageState;
  readonly #client: RadosClient;
  readonly #options: LibrbdOptions;
  #closed = false;
  #closing: Promise<void> | null = null;
  /** Operations that were begun and not completed. */
  #underWay = 0;
  readonly #whenQuiet: (() => void)[] = [];
  /** As this client believes. */
  #ownsLock = false;
  #objectMap = new Set<number>();
  /** Writes that were acknowledged and not sent. */
  #dirty: { sector: number; value: number }[] = [];

  constructor(state: ImageState, client: RadosClient, options: LibrbdOptions) {
    this.name = state.name;
    this.state = state;
    this.#client = client;
    this.#options = options;
  }

  readonly promises = { flush: () => this.#promise<void>((done) => this.#flush(done)) };

  get closed(): boolean {
    return this.#closed;
  }

  // ---- I/O ----

  read(offset: number, data: Uint8Array, completion: IoCompletion): void {
    if (this.#refuses(completion)) return;
    this.#options.onOperation(this.state, this.#client);
    this.#later(() => this.#read(offset, data, completion));
  }

  #read(offset: number, data: Uint8Array, completion: IoCompletion): void {
    const answer = (error: ClusterError | null, value: number) => {
      data.fill(0);
      new DataView(data.buffer, data.byteOffset, data.byteLength).setUint32(0, value, true);
      this.#complete(completion, error, data.byteLength);
    };
    const sector = offset / SECTOR_BYTES;
    const cached = this.#dirty.findLast((one) => one.sector === sector);
    if (cached !== undefined) answer(null, cached.value);
    else if (this.#ownsLock && !this.#objectMap.has(objectOf(offset))) answer(null, 0);
    else {
      const object = this.state.dataObject(objectOf(offset));
      this.#client.operate(object, () => this.state.sectors.get(sector) ?? 0, answer);
    }
  }

  write(offset: number, data: Uint8Array, completion: IoCompletion): void {
    if (this.#refuses(completion)) return;
    this.#options.onOperation(this.state, this.#client);
    const value = new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(0, true);
    this.#later(() => this.#change(offset / SECTOR_BYTES, value, completion));
  }

  writeZeroes(offset: number, _length: number, completion: IoCompletion): void {
    if (!this.#refuses(completion)) this.#change(offset / SECTOR_BYTES, 0, completion);
  }

  flush(completion: IoCompletion): void {
    if (!this.#refuses(completion)) this.#flush((error) => this.#complete(completion, error, 0));
  }

  compareAndWrite(): void {
    throw new Error('no host of the simulation does that');
  }

  // ---- control ----

  async stat() {
    const { name, sizeBytes, objects } = this.state;
    await this.#promise<void>((done) => this.#client.operate(this.state.header, () => undefined, done));
    return {
      id: name,
      sizeBytes,
      objectBytes: sizeBytes / objects,
      objectCount: objects,
      stripeUnitBytes: sizeBytes / objects,
      stripeCount: 1,
      features: ['layering', 'exclusive-lock', 'object-map'],
      flags: 0,
      overlapBytes: 0,
      dataPoolId: 1,
    };
  }

  async config() {
    return [
      { name: 'rbd_cache', value: 'false', source: 'config' },
      { name: 'rbd_persistent_cache_mode', value: 'disabled', source: 'config' },
    ];
  }

  async sizeBytes(): Promise<number> {
    return this.state.sizeBytes;
  }

  async resize(): Promise<void> {}

  async watchUpdates(): Promise<void> {}

  acquireLock(): Promise<void> {
    return this.#promise((done) => this.#acquire(true, done));
  }

  async isLockOwner(): Promise<boolean> {
    return this.#ownsLock;
  }

  async lockOwners(): Promise<string[]> {
    const { state } = this;
    return this.#promise((done) =>
      this.#client.operate(
        state.header,
        () => (state.locker === null ? [] : [state.locker.client.address]),
        done,
      ),
    );
  }

  /** As `rbd_lock_break`. */
  async breakLock(address: string): Promise<void> {
    if (this.#options.blocklistOnBreak) await this.#promise<void>((done) => this.#fence(address, done));
    await this.#promise<void>((done) => this.#break(address, done));
  }

  async releaseLock(): Promise<void> {
    if (!this.#ownsLock) throw clusterError('EINVAL');
    await this.promises.flush();
    await this.#promise<void>((done) => this.#release(done));
  }

  /** What is under way comes to its end first, if only to that of being refused. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed = true;
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#whenQuiet.push(resolve));
    if (!this.#ownsLock) return;
    await this.#promise<void>((done) => this.#release(done)).catch(() => undefined);
  }

  // ---- in threads ----

  #refuses(completion: IoCompletion): boolean {
    this.#underWay += 1;
    if (this.#closed) this.#later(() => this.#complete(completion, clusterError('ENOTCONN'), 0));
    return this.#closed;
  }

  #later(fn: () => void): void {
    const { simulation, osds } = this.#client.ceph;
    const { random } = simulation;
    const hangs = random.chance(osds.hanging) ? random.between(1000, 6000) : 0;
    const ms = 0.05 + random.between(0, osds.slowMs) + hangs;
    simulation.after(ms, () => this.#client.process.postToThread(fn));
  }

  #complete(completion: IoCompletion, error: ClusterError | null, result: number): void {
    this.#client.process.post(() => {
      this.#underWay -= 1;
      completion.ioDone(error === null ? result : -error.errno, 0);
      if (this.#underWay === 0) for (const resolve of this.#whenQuiet.splice(0)) resolve();
    });
  }

  #change(sector: number, value: number, completion: IoCompletion): void {
    if (this.#options.cache) {
      this.#dirty.push({ sector, value });
      this.#later(() => this.#complete(completion, null, 0));
      this.#client.ceph.simulation.after(300, () =>
        this.#client.process.postToThread(() => this.#flush(() => undefined)),
      );
      return;
    }
    this.#locked((error) => {
      if (error !== null) this.#complete(completion, error, 0);
      else this.#put(sector, value, (failure) => this.#complete(completion, failure, 0));
    });
  }

  #put(sector: number, value: number, done: Outcome<void>): void {
    const { state } = this;
    const number = objectOf(sector * SECTOR_BYTES);
    const write = () =>
      this.#client.operate(
        state.dataObject(number),
        () => {
          state.sectors.set(sector, value);
          state.watcher.wrote(state, this.#client);
        },
        done,
      );
    if (this.#objectMap.has(number)) {
      write();
      return;
    }
    this.#client.operate(
      state.objectMapObject,
      () => void state.objectMap.add(number),
      (error) => {
        if (error !== null) done(error);
        else {
          this.#objectMap.add(number);
          write();
        }
      },
    );
  }

  /** Every write needs the lock, and so does a flush. */
  #flush(done: Outcome<void>): void {
    this.#locked((error) => {
      if (error !== null) {
        done(error);
        return;
      }
      this.state.watcher.wrote(this.state, this.#client);
      const dirty = this.#dirty.splice(0);
      let left = dirty.length;
      if (left === 0) this.#later(() => done(null));
      for (const { sector, value } of dirty) {
        this.#put(sector, value, (failure) => {
          left -= 1;
          if (left === 0) done(failure);
        });
      }
    });
  }

  #locked(then: Outcome<void>): void {
    if (this.#ownsLock) then(null);
    else this.#acquire(false, then);
  }

  // ---- the exclusive lock ----

  #acquire(isExplicit: boolean, done: Outcome<void>): void {
    const { state } = this;
    if (this.#closed) {
      done(clusterError('ENOTCONN'));
      return;
    }
    this.#client.operate(
      state.header,
      () => {
        if (state.locker !== null && state.locker.client !== this.#client) return state.locker;
        state.locker = { client: this.#client, isExplicit };
        state.watcher.locked(state, this.#client);
        return null;
      },
      (error, other) => {
        if (error !== null) done(error);
        else if (other === null) this.#loadObjectMap(done);
        else this.#contend(other.client, other.isExplicit, isExplicit, done);
      },
    );
  }

  #loadObjectMap(done: Outcome<void>): void {
    const { state } = this;
    this.#client.operate(
      state.objectMapObject,
      () => new Set(state.objectMap),
      (error, map) => {
        if (error === null) {
          this.#objectMap = map;
          this.#ownsLock = true;
        }
        done(error);
      },
    );
  }

  /** Somebody else holds it: one that lives keeps it, or gives it; one that is not heard of any more is fenced. */
  #contend(other: RadosClient, keepsIt: boolean, isExplicit: boolean, done: Outcome<void>): void {
    const again = () => this.#acquire(isExplicit, done);
    const { simulation } = this.#client.ceph;
    if (other.isHeardOf(WATCH_MS)) {
      if (other.process.state !== 'running' || other.closed) {
        simulation.after(LOCK_RETRY_MS, () => this.#client.process.postToThread(again));
      } else if (keepsIt) done(clusterError('EROFS'));
      else this.#break(other.address, again);
      return;
    }
    const fence = this.#options.blocklistOnBreak
      ? (then: () => void) => this.#fence(other.address, then)
      : (then: () => void) => then();
    fence(() => this.#break(other.address, again));
  }

  #fence(address: string, done: Outcome<void>): void {
    this.#client.blocklist(address, 3_600_000, (error) => {
      if (error !== null) done(error);
      else this.#client.waitForLatestMap(done);
    });
  }

  #break(address: string, done: Outcome<void>): void {
    const { state } = this;
    this.#client.operate(
      state.header,
      () => {
        if (state.locker?.client.address === address) state.locker = null;
      },
      done,
    );
  }

  #release(done: Outcome<void>): void {
    const { state } = this;
    this.#ownsLock = false;
    this.#client.operate(
      state.header,
      () => {
        if (state.locker?.client === this.#client) state.locker = null;
      },
      done,
    );
  }

  #promise<T>(start: (done: Outcome<T>) => void): Promise<T> {
    return call(this.#client.process, 0, start);
  }
}
