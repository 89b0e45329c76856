/** Opens what a namespace's bytes are kept in. The one place that knows which backends there are. */

import { openFileDevice } from '../../backend/file.ts';
import { MemoryDevice } from '../../backend/memory.ts';
import type { CephOptions, FenceAuthority } from '../../backend/rbd/group-client.ts';
import type { RbdBackend } from '../../backend/rbd/rbd-backend.ts';
import type { RbdDevice } from '../../backend/rbd/rbd-device.ts';
import type { BlockDevice } from '../../base/block-device.ts';
import type { Clock, Timers } from '../../base/clock.ts';
import { AnagateError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { type BackendRecord, imagePathOf, type RbdRecord } from '../configuration/records.ts';

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

/** A connected RADOS client of an ANA group. */
export interface GroupClientAddress {
  group: number;
  /** As the blocklist takes it: `192.0.2.1:0/4711`. */
  address: string;
}

/** What is kept in a cluster, which knows each ANA group as a client of its own: fenced, and handed over, as a whole. */
export interface GroupBackends {
  /**
   * Whether this gateway serves the group from now on. Resolves true once that is so: for an end, when everything is
   * durable and all locks are released.
   */
  serve(groupId: number, serving: boolean): Promise<boolean>;
  /** Connects the group's client if there is none; resolves with its address. */
  connect(groupId: number): Promise<string>;
  clients(): readonly GroupClientAddress[];
  /** What the group's client does from now on is done after every fence that was committed at the call. */
  waitForFences(groupId: number): Promise<void>;
  /** Asks with the group's client whether its lease goes on: false when it was revoked. Rejects with EBLOCKLISTED after a fence. */
  renewLease(groupId: number): Promise<boolean>;
  /** New clients take the place of all present ones. */
  replaceClients(): Promise<void>;
  /**
   * Calls `listener` with false when the group's client was fenced, before the first operation that fails of it, and with
   * true when there is a new one.
   */
  onUsable(listener: (groupId: number, usable: boolean) => void): void;
  /** Calls `listener` after a client was connected. */
  onConnected(listener: () => void): void;
  /** The namespace behind the device was moved to another group. */
  move(device: BlockDevice, groupId: number): Promise<void>;
  /** Moves the image, which is closed here, to its pool's trash. */
  trash(backend: RbdRecord, groupId: number): Promise<void>;
}

export interface BackendsOptions {
  ceph: CephOptions;
  /** Absent: this gateway decides alone. */
  authority?: FenceAuthority;
  clock: Clock;
  timers: Timers;
  log: Log;
}

/** All backends. What RBD needs is loaded when the first image is asked for. */
export class Backends implements GroupBackends {
  readonly open: OpenBackend = (request) => this.#open(request);
  readonly #options: BackendsOptions;
  readonly #served = new Set<number>();
  #onUsable: (groupId: number, usable: boolean) => void = () => {};
  #onConnected: () => void = () => {};
  #rbd: RbdBackend | null = null;
  #loading: Promise<RbdBackend> | null = null;

  constructor(options: BackendsOptions) {
    this.#options = options;
  }

  async serve(groupId: number, serving: boolean): Promise<boolean> {
    if (serving) this.#served.add(groupId);
    else this.#served.delete(groupId);
    return this.#rbd === null || this.#rbd.serve(groupId, serving);
  }

  async connect(groupId: number): Promise<string> {
    const rbd = await this.#loadRbd();
    return rbd.connect(groupId);
  }

  clients(): readonly GroupClientAddress[] {
    return this.#rbd?.clients() ?? [];
  }

  async waitForFences(groupId: number): Promise<void> {
    const rbd = await this.#loadRbd();
    await rbd.waitForFences(groupId);
  }

  async renewLease(groupId: number): Promise<boolean> {
    const rbd = await this.#loadRbd();
    return rbd.renewLease(groupId);
  }

  async replaceClients(): Promise<void> {
    await this.#rbd?.replaceClients();
  }

  onUsable(listener: (groupId: number, usable: boolean) => void): void {
    this.#onUsable = listener;
  }

  onConnected(listener: () => void): void {
    this.#onConnected = listener;
  }

  async move(device: BlockDevice, groupId: number): Promise<void> {
    const { RbdDevice: Device } = await import('../../backend/rbd/rbd-device.ts');
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
    this.#loading ??= import('../../backend/rbd/rbd-backend.ts').then((module) => {
      const { authority = null, ...options } = this.#options;
      const rbd = new module.RbdBackend({
        ...options,
        authority,
        onUsable: (groupId, usable) => this.#onUsable(groupId, usable),
        onConnected: () => this.#onConnected(),
      });
      for (const groupId of this.#served) void rbd.serve(groupId, true);
      this.#rbd = rbd;
      return rbd;
    });
    return this.#loading;
  }
}

function nameOf({ pool, radosNamespace = '', image }: RbdRecord) {
  return { pool, radosNamespace, image };
}
