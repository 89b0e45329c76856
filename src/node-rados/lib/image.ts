/** An open RBD image. */
import { type Binding, binding, type Handle } from './binding.ts';
import { addWatcher, removeWatcher } from './events.ts';
import { type ConfigOption, configOptions } from './image-config.ts';
import { featureBits, featureNames, type ImageFeature } from './image-features.ts';
import { ImagePromises } from './image-promises.ts';
import { type IoCompletion, refuse, takeSlot } from './io-slots.ts';

export interface OpenOptions {
  /** Opens without a watch and without a lock; writes fail with EROFS. */
  readOnly?: boolean;
  /** Opens this snapshot, which is read-only. */
  snapshot?: string;
  /** The name given is the image's id. */
  byId?: boolean;
}

export interface ImageStat {
  id: string;
  sizeBytes: number;
  objectBytes: number;
  objectCount: number;
  stripeUnitBytes: number;
  stripeCount: number;
  features: ImageFeature[];
  /** 1: the object map is invalid, 2: fast-diff is. */
  flags: number;
  /** Bytes shared with the parent. */
  overlapBytes: number;
  dataPoolId: number;
}

export interface ImageSnapshot {
  id: number;
  name: string;
  sizeBytes: number;
  isProtected: boolean;
}

export interface ImageWatcher {
  address: string;
  /** The number in `client.N`. */
  clientId: number;
  cookie: bigint;
}

const SNAPSHOT = { create: 0, remove: 1, protect: 2, unprotect: 3, rollback: 4 } as const;

const EBADF = 9;
const EINVAL = 22;

/** False for what librbd must not see: not a whole number, negative, or past 2^53. */
function isExtent(offset: number, length: number): boolean {
  return Number.isSafeInteger(offset) && offset >= 0 && Number.isSafeInteger(length) && length >= 0;
}

/**
 * Made by {@link IoContext.openImage}.
 *
 * The I/O calls take a completion object and allocate nothing per I/O. Its `ioDone` is called exactly once, later, also when
 * the image is closed (`-EBADF`) or an argument is wrong (`-EINVAL`). Buffers belong to librbd until then: do not
 * change what is being written, and do not transfer their ArrayBuffer to another thread.
 */
export class Image {
  readonly name: string;
  /** The same I/O as promises; for what is not on the data path. */
  readonly promises: ImagePromises;
  readonly #binding: Binding = binding();
  readonly #handle: Handle;
  readonly #onClosed: (image: Image) => void;
  #watcher: number | null = null;
  #closing: Promise<void> | null = null;

  constructor(name: string, handle: Handle, onClosed: (image: Image) => void) {
    this.name = name;
    this.#handle = handle;
    this.#onClosed = onClosed;
    this.promises = new ImagePromises(this);
  }

  /** True from the call of {@link close} on. */
  get closed(): boolean {
    return this.#closing !== null;
  }

  // --- I/O. Offsets and lengths in bytes, any alignment ---

  /** Fills `data` from `offset`. The result is the number of bytes read, fewer past the end of the image. */
  read(offset: number, data: Uint8Array, completion: IoCompletion): void {
    const slot = takeSlot(completion, data);
    const refused = this.#refusal(offset, data.byteLength);
    const rc = refused !== 0 ? refused : this.#binding.read(this.#handle, offset, data, slot);
    if (rc !== 0) refuse(slot, rc);
  }

  write(offset: number, data: Uint8Array, completion: IoCompletion): void {
    const slot = takeSlot(completion, data);
    const refused = this.#refusal(offset, data.byteLength);
    const rc = refused !== 0 ? refused : this.#binding.write(this.#handle, offset, data, slot);
    if (rc !== 0) refuse(slot, rc);
  }

  /** Fills the buffers one after another. */
  readv(offset: number, data: readonly Uint8Array[], completion: IoCompletion): void {
    const slot = takeSlot(completion, data);
    const refused = this.#refusal(offset, 0);
    const rc = refused !== 0 ? refused : this.#binding.readv(this.#handle, offset, data, slot);
    if (rc !== 0) refuse(slot, rc);
  }

  /** Writes the buffers one after another. */
  writev(offset: number, data: readonly Uint8Array[], completion: IoCompletion): void {
    const slot = takeSlot(completion, data);
    const refused = this.#refusal(offset, 0);
    const rc = refused !== 0 ? refused : this.#binding.writev(this.#handle, offset, data, slot);
    if (rc !== 0) refuse(slot, rc);
  }

  /** Makes completed writes durable; they are already when no cache is on. */
  flush(completion: IoCompletion): void {
    const slot = takeSlot(completion, null);
    const refused = this.#refusal(0, 0);
    const rc = refused !== 0 ? refused : this.#binding.flush(this.#handle, slot);
    if (rc !== 0) refuse(slot, rc);
  }

  /** Gives the extent's space back as far as `rbd_discard_granularity_bytes` allows; the rest keeps its bytes. */
  discard(offset: number, length: number, completion: IoCompletion): void {
    const slot = takeSlot(completion, null);
    const refused = this.#refusal(offset, length);
    const rc = refused !== 0 ? refused : this.#binding.discard(this.#handle, offset, length, slot);
    if (rc !== 0) refuse(slot, rc);
  }

  /** The whole extent reads as zeroes afterwards; with `thick` its space stays allocated. */
  writeZeroes(offset: number, length: number, completion: IoCompletion, thick = false): void {
    const slot = takeSlot(completion, null);
    const refused = this.#refusal(offset, length);
    const rc = refused !== 0 ? refused : this.#binding.writeZeroes(this.#handle, offset, length, slot, thick);
    if (rc !== 0) refuse(slot, rc);
  }

  /** Repeats `pattern` over the extent, whose length is a multiple of the pattern's. */
  writeSame(offset: number, length: number, pattern: Uint8Array, completion: IoCompletion): void {
    const slot = takeSlot(completion, pattern);
    const refused = this.#refusal(offset, length);
    const rc = refused !== 0 ? refused : this.#binding.writeSame(this.#handle, offset, length, pattern, slot);
    if (rc !== 0) refuse(slot, rc);
  }

  /**
   * Writes `data` if the extent equals `expected`, atomically in the cluster; `-EILSEQ` and the offset of the first
   * difference when not. Both have the same length, and the extent lies in one stripe unit (`-EINVAL` else). librbd 16
   * takes no more than 512 bytes (`-EINVAL`), 20 up to the stripe unit.
   */
  compareAndWrite(offset: number, expected: Uint8Array, data: Uint8Array, completion: IoCompletion): void {
    const slot = takeSlot(completion, [expected, data]);
    const refused = this.#refusal(offset, data.byteLength);
    const rc =
      refused !== 0 ? refused : this.#binding.compareAndWrite(this.#handle, offset, expected, data, slot);
    if (rc !== 0) refuse(slot, rc);
  }

  #refusal(offset: number, length: number): number {
    if (this.#closing !== null) return -EBADF;
    return isExtent(offset, length) ? 0 : -EINVAL;
  }

  // --- control ---

  async stat(): Promise<ImageStat> {
    const { featureBits: bits, ...rest } = await this.#binding.statImage(this.#handle);
    return { ...rest, features: featureNames(bits) };
  }

  async sizeBytes(): Promise<number> {
    return this.#binding.imageSize(this.#handle);
  }

  /** EINVAL when it would shrink without `allowShrink`. */
  async resize(sizeBytes: number, allowShrink = false): Promise<void> {
    await this.#binding.resizeImage(this.#handle, sizeBytes, allowShrink);
  }

  /** Copies what a clone shares with its parent. */
  async flatten(): Promise<void> {
    await this.#binding.flattenImage(this.#handle);
  }

  async setFeatures(features: Iterable<ImageFeature>, enabled: boolean): Promise<void> {
    await this.#binding.updateFeatures(this.#handle, featureBits(features), enabled);
  }

  async createSnapshot(name: string): Promise<void> {
    await this.#binding.snapshotAction(this.#handle, SNAPSHOT.create, name);
  }

  async removeSnapshot(name: string): Promise<void> {
    await this.#binding.snapshotAction(this.#handle, SNAPSHOT.remove, name);
  }

  async protectSnapshot(name: string): Promise<void> {
    await this.#binding.snapshotAction(this.#handle, SNAPSHOT.protect, name);
  }

  async unprotectSnapshot(name: string): Promise<void> {
    await this.#binding.snapshotAction(this.#handle, SNAPSHOT.unprotect, name);
  }

  /** Makes the image what it was at the snapshot. */
  async rollbackSnapshot(name: string): Promise<void> {
    await this.#binding.snapshotAction(this.#handle, SNAPSHOT.rollback, name);
  }

  async snapshots(): Promise<ImageSnapshot[]> {
    const list = await this.#binding.listSnapshots(this.#handle);
    return list.map(([id, sizeBytes, name, isProtected]) => ({ id, name, sizeBytes, isProtected }));
  }

  /** ENOENT when there is no such key. */
  async getMetadata(key: string): Promise<string> {
    return this.#binding.getMetadata(this.#handle, key);
  }

  /** Null removes. */
  async setMetadata(key: string, value: string | null): Promise<void> {
    await this.#binding.setMetadata(this.#handle, key, value);
  }

  async metadata(): Promise<Map<string, string>> {
    return new Map(await this.#binding.imageMetadata(this.#handle));
  }

  /** The configuration that this open image runs with, and where each value comes from: these options, or all (some 80). */
  async config(names: readonly string[] = []): Promise<ConfigOption[]> {
    return configOptions(await this.#binding.imageConfig(this.#handle, names));
  }

  /** Takes the exclusive lock and keeps it against others, who get EROFS; they can only break it. */
  async acquireLock(): Promise<void> {
    await this.#binding.acquireLock(this.#handle);
  }

  /** When I/O under way has ended. EINVAL: not taken, or given up since; a lock that somebody broke just now is no error. */
  async releaseLock(): Promise<void> {
    await this.#binding.releaseLock(this.#handle);
  }

  async isLockOwner(): Promise<boolean> {
    return this.#binding.isLockOwner(this.#handle);
  }

  /** Addresses of the lock's owners; none when nobody holds it. */
  async lockOwners(): Promise<string[]> {
    return this.#binding.lockOwners(this.#handle);
  }

  /**
   * Takes the lock from a dead owner ({@link lockOwners}). librbd blocklists the owner first, unless
   * `rbd_blocklist_on_break_lock` is false.
   */
  async breakLock(owner: string): Promise<void> {
    await this.#binding.breakImageLock(this.#handle, owner);
  }

  /** Who has the image open. */
  async watchers(): Promise<ImageWatcher[]> {
    const list = await this.#binding.listWatchers(this.#handle);
    return list.map(([address, clientId, cookie]) => ({ address, clientId, cookie }));
  }

  /** Calls `onUpdate` after the image's size, snapshots or features changed, until it is closed. Once per image. */
  async watchUpdates(onUpdate: () => void): Promise<void> {
    if (this.#watcher !== null) throw new Error(`image ${this.name} is watched already`);
    const watcher = addWatcher(onUpdate);
    this.#watcher = watcher;
    try {
      await this.#binding.watchUpdates(this.#handle, watcher);
    } catch (error) {
      removeWatcher(watcher);
      this.#watcher = null;
      throw error;
    }
  }

  /** Waits for the I/O in flight, releases the lock and closes. Twice is once. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.#binding.closeImage(this.#handle);
    } finally {
      if (this.#watcher !== null) removeWatcher(this.#watcher);
      this.#onClosed(this);
    }
  }
}
