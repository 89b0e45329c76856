/** Opens what a namespace's bytes are kept in. The one place that knows which backends there are. */

import { openFileDevice } from '../backend/file.ts';
import { MemoryDevice } from '../backend/memory.ts';
import type { CephOptions } from '../backend/rbd/group-client.ts';
import type { RbdBackend } from '../backend/rbd/rbd-backend.ts';
import type { RbdDevice } from '../backend/rbd/rbd-device.ts';
import type { BlockDevice } from '../base/block-device.ts';
import type { Clock, Timers } from '../base/clock.ts';
import { AnagateError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type BackendRecord, imagePathOf, type RbdRecord } from './records.ts';

export interface BackendRequest {
  backend: BackendRecord;
  anaGroupId: number;
  /** Make the file or image when it is missing; needs `sizeBytes`. */
  create: boolean;
  /** Size of a new file, image or memory; absent: that of the existing one. */
  sizeBytes?: number;
  readOnly: boolean;
  /** Given the way to take back an image that was made. */
  onMade?: (undo: () => Promise<void>) => void;
}

/** Rejects with an AnagateError that names the file or image and the reason. */
export type OpenBackend = (request: BackendRequest) => Promise<BlockDevice>;

/** What is kept in a cluster, which knows each ANA group as a client of its own: fenced, and handed over, as a whole. */
export interface GroupBackends {
  /**
   * Whether this gateway serves the group from now on. Resolves true once that is so: for an end, when everything is
   * durable and all locks are released.
   */
  serve(groupId: number, serving: boolean): Promise<boolean>;
  /** False while the group is fenced. */
  isUsable(groupId: number): boolean;
  /** Calls `listener` when the answer of {@link isUsable} has changed, before the first operation that fails of it. */
  onUsableChange(listener: () => void): void;
  /** The namespace behind the device was moved to another group. */
  move(device: BlockDevice, groupId: number): Promise<void>;
  /** Moves the image, which is closed here, to its pool's trash. */
  trash(backend: RbdRecord, groupId: number): Promise<void>;
}

export interface BackendsOptions {
  ceph: CephOptions;
  clock: Clock;
  timers: Timers;
  log: Log;
}

/** All backends. What RBD needs is loaded when the first image is asked for. */
export class Backends implements GroupBackends {
  readonly open: OpenBackend = (request) => this.#open(request);
  readonly #options: BackendsOptions;
  readonly #served = new Set<number>();
  readonly #fenced = new Set<number>();
  #onUsableChange: () => void = () => {};
  #rbd: RbdBackend | null = null;
  #loading: Promise<RbdBackend> | null = null;

  constructor(options: BackendsOptions) {
    this.#options = options;
  }

  async serve(groupId: number, serving: boolean): Promise<boolean> {
    if (serving === this.#served.has(groupId)) return true;
    if (serving) this.#served.add(groupId);
    else this.#served.delete(groupId);
    return this.#rbd === null || this.#rbd.serve(groupId, serving);
  }

  isUsable(groupId: number): boolean {
    return !this.#fenced.has(groupId);
  }

  onUsableChange(listener: () => void): void {
    this.#onUsableChange = listener;
  }

  async move(device: BlockDevice, groupId: number): Promise<void> {
    const { RbdDevice: Device } = await import('../backend/rbd/rbd-device.ts');
    if (device instanceof Device) await this.#rbd?.move(device, groupId);
  }

  async trash(backend: RbdRecord, groupId: number): Promise<void> {
    const rbd = await this.#loadRbd();
    await rbd.trash(nameOf(backend), groupId);
  }

  /** Ends the clients; devices must be closed before. */
  async close(): Promise<void> {
    const rbd = await this.#loading;
    await rbd?.close();
  }

  async #open(request: BackendRequest): Promise<BlockDevice> {
    const { backend, create, sizeBytes, readOnly } = request;
    switch (backend.type) {
      case 'file':
        return openFileDevice({
          path: backend.path,
          create,
          readOnly,
          ...(sizeBytes !== undefined && { sizeBytes }),
        });
      case 'memory':
        if (sizeBytes === undefined)
          throw new AnagateError('SIZE_INVALID', 'a namespace in memory needs a size');
        return new MemoryDevice({ sizeBytes });
      case 'rbd':
        return this.#openImage(backend, request);
    }
  }

  async #openImage(backend: RbdRecord, request: BackendRequest): Promise<RbdDevice> {
    const { anaGroupId: groupId, create, sizeBytes, readOnly, onMade } = request;
    const rbd = await this.#loadRbd();
    const name = nameOf(backend);
    const made = create && sizeBytes !== undefined && (await this.#make(rbd, backend, groupId, sizeBytes));
    let device: RbdDevice;
    try {
      device = await rbd.open({ name, groupId, readOnly });
    } catch (error) {
      if (made) await rbd.remove(name, groupId).catch(() => undefined);
      throw error;
    }
    if (made) onMade?.(() => rbd.remove(name, groupId));
    if (sizeBytes === undefined || device.sizeBytes === sizeBytes) return device;
    const has = device.sizeBytes;
    await device.close();
    throw new AnagateError(
      'SIZE_INVALID',
      `image ${imagePathOf(backend)} exists and has ${has} bytes, not ${sizeBytes}; leave the size out to take it as it is`,
    );
  }

  /** Resolves with whether there was no such image. */
  #make(rbd: RbdBackend, backend: RbdRecord, groupId: number, sizeBytes: number): Promise<boolean> {
    const { dataPool } = backend;
    const pool = dataPool === undefined ? {} : { dataPool };
    return rbd.create({ name: nameOf(backend), groupId, sizeBytes, ...pool });
  }

  #loadRbd(): Promise<RbdBackend> {
    this.#loading ??= import('../backend/rbd/rbd-backend.ts').then((module) => {
      const rbd = new module.RbdBackend({
        ...this.#options,
        onUsable: (groupId, usable) => this.#usable(groupId, usable),
      });
      for (const groupId of this.#served) void rbd.serve(groupId, true);
      this.#rbd = rbd;
      return rbd;
    });
    return this.#loading;
  }

  #usable(groupId: number, usable: boolean): void {
    if (usable) this.#fenced.delete(groupId);
    else this.#fenced.add(groupId);
    this.#onUsableChange();
  }
}

function nameOf({ pool, radosNamespace = '', image }: RbdRecord) {
  return { pool, radosNamespace, image };
}
