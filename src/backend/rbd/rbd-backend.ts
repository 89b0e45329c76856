/** All images of a gateway, by the clients of their ANA groups. */
import type { Clock, Timers } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { type CephOptions, type FenceAuthority, GroupClient } from './group-client.ts';
import type { ImageName } from './image-name.ts';
import { imageError } from './open-image.ts';
import type { RadosSession } from './rados-session.ts';
import { RbdDevice } from './rbd-device.ts';

export interface RbdBackendOptions {
  ceph: CephOptions;
  /** See {@link GroupClient}. */
  authority: FenceAuthority | null;
  clock: Clock;
  timers: Timers;
  log: Log;
  /** See {@link GroupClient}. */
  onUsable(groupId: number, usable: boolean): void;
  onConnected(groupId: number): void;
}

export interface OpenImageRequest {
  name: ImageName;
  groupId: number;
  readOnly: boolean;
}

export interface CreateImageRequest {
  name: ImageName;
  groupId: number;
  sizeBytes: number;
  /** The pool that holds the data; absent: that of the image. */
  dataPool?: string;
}

/** While somebody looks at an image it cannot be moved to the trash. */
const TRASH_ATTEMPTS = 10;
const TRASH_RETRY_MS = 300;

export class RbdBackend {
  readonly #options: RbdBackendOptions;
  readonly #groups = new Map<number, GroupClient>();

  constructor(options: RbdBackendOptions) {
    this.#options = options;
  }

  open({ name, groupId, readOnly }: OpenImageRequest): Promise<RbdDevice> {
    const { timers, log } = this.#options;
    return RbdDevice.open(this.#group(groupId), { name, readOnly, timers, log });
  }

  /** Makes the image. Resolves with whether it was made: false when there is one of that name. */
  async create({ name, groupId, sizeBytes, dataPool }: CreateImageRequest): Promise<boolean> {
    try {
      const context = await this.#pool(groupId, name);
      await context.images.create(name.image, sizeBytes, dataPool === undefined ? {} : { dataPool });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw imageError(name, 'made', error);
    }
  }

  /** Takes back {@link create}. */
  async remove(name: ImageName, groupId: number): Promise<void> {
    const context = await this.#pool(groupId, name);
    await context.images.remove(name.image);
  }

  /** Moves the image, which must be closed here, to its pool's trash. */
  async trash(name: ImageName, groupId: number): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const context = await this.#pool(groupId, name);
        await context.images.trashMove(name.image);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
        if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || attempt >= TRASH_ATTEMPTS)
          throw imageError(name, 'moved to the trash', error);
        await new Promise<void>((resolve) => void this.#options.timers.after(TRASH_RETRY_MS, resolve));
      }
    }
  }

  /** Whether this gateway serves the group from now on, see {@link GroupClient.serve}. */
  serve(groupId: number, serving: boolean): Promise<boolean> {
    return this.#group(groupId).serve(serving);
  }

  /** The image of a namespace that was moved to another ANA group. */
  move(device: RbdDevice, groupId: number): Promise<void> {
    return device.moveTo(this.#group(groupId));
  }

  /** Connects the group's client if there is none; resolves with its address. */
  async connect(groupId: number): Promise<string> {
    return (await this.#group(groupId).connected()).address;
  }

  /** Clients that are connected now. */
  clients(): { group: number; address: string }[] {
    return [...this.#groups.values()].flatMap(({ id, session }) =>
      session === null ? [] : [{ group: id, address: session.address }],
    );
  }

  /** See {@link GroupClient.renewLease}. */
  renewLease(groupId: number): Promise<boolean> {
    return this.#group(groupId).renewLease();
  }

  /** See {@link GroupClient.waitForFences}. */
  waitForFences(groupId: number): Promise<void> {
    return this.#group(groupId).waitForFences();
  }

  /** See {@link GroupClient.replace}. */
  async replaceClients(): Promise<void> {
    await Promise.all([...this.#groups.values()].map((group) => group.replace()));
  }

  /** The client that can be used for the group now, for tests. */
  session(groupId: number): RadosSession | null {
    return this.#groups.get(groupId)?.session ?? null;
  }

  /** Devices must be closed before. */
  async close(): Promise<void> {
    await Promise.all([...this.#groups.values()].map((group) => group.close()));
  }

  async #pool(groupId: number, { pool, radosNamespace }: ImageName) {
    const session = await this.#group(groupId).connected();
    return session.pool(pool, radosNamespace);
  }

  #group(id: number): GroupClient {
    let group = this.#groups.get(id);
    if (group === undefined) {
      group = new GroupClient({ id, ...this.#options });
      this.#groups.set(id, group);
    }
    return group;
  }
}
