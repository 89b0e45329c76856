/**
 * A namespace's image, for as long as there is the namespace: it outlives fences of the client, lost locks and hand-overs of
 * its ANA group. It is always in one of three conditions:
 * - serving: the image is open and its lock ours, I/O goes to librbd;
 * - waiting: it is to serve but cannot at the moment, I/O waits a while and then ends as a path matter;
 * - standing by: another gateway serves it, I/O ends as a path matter. The image may be open, without its lock.
 *
 * {@link RbdDevice.settle} brings it from what is to what should be, one step after the other, whatever happened meanwhile.
 */
import {
  type BlockCompletion,
  type BlockDevice,
  BlockStatus,
  type OptimalSizes,
} from '../../base/block-device.ts';
import type { Timer, Timers } from '../../base/clock.ts';
import { AnagateError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Image, ImageStat } from '../../node-rados/lib/node-rados.ts';
import { checkDeviceSize } from '../device-size.ts';
import { PendingDevice } from '../pending-device.ts';
import type { GroupClient } from './group-client.ts';
import { ImageDevice, type ImageLoss } from './image-device.ts';
import { takeImageLock } from './image-lock.ts';
import { type ImageName, imagePath } from './image-name.ts';
import { imageError, type OpenedImage, openImage } from './open-image.ts';
import type { RadosSession } from './rados-session.ts';

/** Between attempts to open an image or to take its lock: soon at first, because a former owner may just be about to let go. */
const FIRST_RETRY_MS = 100;
const MOST_RETRY_MS = 1000;

export interface RbdDeviceOptions {
  name: ImageName;
  readOnly: boolean;
  timers: Timers;
  log: Log;
}

export class RbdDevice implements BlockDevice {
  readonly description: string;
  readonly name: ImageName;
  readonly optimal: OptimalSizes;
  onResize: ((sizeBytes: number) => void) | null = null;
  readonly #options: RbdDeviceOptions;
  /** Open in two clients, even without lock, its journal would be played back by the wrong one. */
  readonly #journaled: boolean;
  #group: GroupClient;
  /** Of the last move. */
  #destination: GroupClient | null = null;
  /** Groups that it was moved away from, whose client may still have the image open: until then they are not given back. */
  readonly #former = new Set<GroupClient>();
  #sizeBytes: number;
  #opened: OpenedImage | null;
  /** Where I/O goes. */
  #current: BlockDevice;
  #serving: ImageDevice | null = null;
  /** The lock of the open image may be ours. */
  #holdsLock = false;
  #closing: Promise<void> | null = null;
  /** End of the last control step. */
  #turn: Promise<unknown> = Promise.resolve();
  #retry: Timer | null = null;
  #retryMs = FIRST_RETRY_MS;
  #complaint = '';

  /** For {@link RbdDevice.open}. */
  private constructor(group: GroupClient, opened: OpenedImage, options: RbdDeviceOptions) {
    this.#group = group;
    this.#opened = opened;
    this.#sizeBytes = opened.stat.sizeBytes;
    this.optimal = opened.optimal;
    this.#journaled = opened.stat.features.includes('journaling');
    this.#options = options;
    this.name = options.name;
    this.description = `rbd:${imagePath(options.name)}`;
    this.#current = refusing(this.description, options.timers);
  }

  /** Opens the image in the group's client. Rejects with an AnagateError that names the image and the reason. */
  static async open(group: GroupClient, options: RbdDeviceOptions): Promise<RbdDevice> {
    try {
      const session = await group.connected();
      const opened = await openImage(session, options);
      const device = new RbdDevice(group, opened, options);
      try {
        if (group.isShared) requireLockable(options, opened.stat);
        await device.#watch(opened);
      } catch (error) {
        await opened.image.close().catch(() => undefined);
        throw error;
      }
      group.add(device);
      device.groupChanged();
      void device.settle();
      return device;
    } catch (error) {
      throw imageError(options.name, 'opened', error);
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get group(): GroupClient {
    return this.#group;
  }

  /** Operations wait for the image. */
  get isAwaited(): boolean {
    return this.#current instanceof PendingDevice && this.#current.isAwaited;
  }

  read(offset: number, data: Buffer, completion: BlockCompletion): void {
    this.#current.read(offset, data, completion);
  }

  write(offset: number, data: Buffer, fua: boolean, completion: BlockCompletion): void {
    this.#current.write(offset, data, fua, completion);
  }

  /** While another gateway serves the image nothing of ours can be unflushed, and a flush would take the lock away from it. */
  flush(completion: BlockCompletion): void {
    if (this.#closing === null && !this.#shouldServe) completion.ioDone(BlockStatus.ok);
    else this.#current.flush(completion);
  }

  writeZeroes(offset: number, length: number, fua: boolean, completion: BlockCompletion): void {
    this.#current.writeZeroes(offset, length, fua, completion);
  }

  discard(offset: number, length: number, completion: BlockCompletion): void {
    this.#current.discard(offset, length, completion);
  }

  compare(offset: number, data: Buffer, completion: BlockCompletion): void {
    this.#current.compare(offset, data, completion);
  }

  compareAndWrite(
    offset: number,
    expected: Buffer,
    data: Buffer,
    fua: boolean,
    completion: BlockCompletion,
  ): void {
    this.#current.compareAndWrite(offset, expected, data, fua, completion);
  }

  async resize(sizeBytes: number): Promise<void> {
    checkDeviceSize(this.description, sizeBytes);
    if (this.#closing !== null) {
      throw new AnagateError('BACKEND_FAILED', `${this.description}: cannot resize, the device is closed`);
    }
    await this.#step(async () => {
      const { image } = this.#opened ?? {};
      if (image === undefined) {
        throw new AnagateError(
          'BACKEND_FAILED',
          `${this.description}: cannot resize, the cluster is not reached`,
        );
      }
      try {
        await image.resize(sizeBytes, true);
      } catch (error) {
        throw imageError(this.name, 'resized', error);
      } finally {
        await this.#giveBackLock(image);
      }
      this.#setSize(sizeBytes);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  // ---- for the group ----

  /** Brings the image to the condition that the group wants. Resolves with whether it is so now; if not, it is tried again. */
  settle(): Promise<boolean> {
    return this.#step(async () => {
      if (this.#closing !== null) return true;
      const used = this.#opened === null ? [] : [this.#opened.session];
      try {
        await this.#settle(used);
        this.#complaint = '';
        this.#retryMs = FIRST_RETRY_MS;
        return true;
      } catch (error) {
        this.#settlingFailed(error, used);
        return false;
      }
    });
  }

  /** The client is fenced. What is in flight ends by itself; what waits must not be done by the next client. */
  sessionLost(session: RadosSession): void {
    if (this.#opened !== null && this.#opened.session !== session) return;
    this.#serving = null;
    this.#holdsLock = false;
    if (this.#shouldServe) this.#wait();
    this.#abandonImage();
  }

  /** The group is to be served here from now on: operations wait until they can be done. Or elsewhere: what waits must not be done later. */
  groupChanged(): void {
    if (this.#serving !== null) return;
    if (this.#shouldServe) this.#wait();
    else this.#refuse();
  }

  /**
   * Closes the image in its group's client and opens it in the other's, as soon as that is connected; I/O waits meanwhile. Of several
   * moves the last one counts.
   */
  async moveTo(group: GroupClient): Promise<void> {
    this.#destination = group;
    await group.connected().catch(() => undefined);
    if (this.#destination !== group || this.#closing !== null) return;
    this.#former.add(this.#group);
    this.#former.delete(group);
    this.#group = group;
    group.add(this);
    this.groupChanged();
    await this.settle();
  }

  // ---- conditions ----

  get #shouldServe(): boolean {
    return this.#closing === null && this.#group.serving;
  }

  /** Adds to `used` the client that it uses. */
  async #settle(used: RadosSession[]): Promise<void> {
    const elsewhere = this.#opened !== null && this.#opened.session !== this.#group.session;
    if (!this.#shouldServe || elsewhere) await this.#release();
    const rests = this.#journaled && !this.#shouldServe;
    if (elsewhere || rests) await this.#closeImage();
    this.#leaveFormer();
    const session = rests ? null : await this.#group.reached();
    if (session === null || session.fenced) return;
    used.push(session);
    if (this.#opened === null) await this.#reopen(session);
    if (this.#shouldServe && this.#serving === null) await this.#serve(this.#opened!);
  }

  /** Operations wait from now on. */
  #wait(): void {
    this.#replaceCurrent(new PendingDevice(this.description, this.sizeBytes, this.#options.timers));
  }

  /** Operations end as a path matter from now on. */
  #refuse(): void {
    this.#replaceCurrent(refusing(this.description, this.#options.timers));
  }

  #replaceCurrent(next: BlockDevice): void {
    const before = this.#current;
    this.#current = next;
    if (before instanceof PendingDevice) void before.close();
  }

  async #reopen(session: RadosSession): Promise<void> {
    const opened = await openImage(session, this.#options);
    this.#opened = opened;
    await this.#watch(opened);
    this.#setSize(opened.stat.sizeBytes);
  }

  async #serve(opened: OpenedImage): Promise<void> {
    const { image, stat, context, session } = opened;
    if (!this.#options.readOnly && stat.features.includes('exclusive-lock')) {
      this.#holdsLock = true;
      await takeImageLock(image, stat.id, context, session.fencedClients);
    }
    // Somebody may have fenced us, or decided otherwise, meanwhile; whoever did has asked to settle again.
    if (session.fenced || !this.#shouldServe) return;
    const device = new ImageDevice({
      image,
      description: this.description,
      sizeBytes: this.sizeBytes,
      stripeUnitBytes: stat.stripeUnitBytes,
      optimal: this.optimal,
      readOnly: this.#options.readOnly,
      onLoss: (loss) => this.#lost(device, session, loss),
    });
    const before = this.#current;
    this.#serving = device;
    this.#current = device;
    if (before instanceof PendingDevice) before.become(device);
  }

  /** An operation of `device` found out. */
  #lost(device: ImageDevice, session: RadosSession, loss: ImageLoss): void {
    if (loss === 'fenced') {
      this.#group.fenced(session);
      return;
    }
    if (device !== this.#serving) return;
    this.#options.log.warn(
      { device: this.description, group: this.#group.id },
      'somebody took the lock of the image; I/O waits until it can be taken back',
    );
    this.#serving = null;
    this.#wait();
    void this.settle();
  }

  /** Lets everything in flight finish, makes it durable, and gives the lock to whoever wants it. */
  async #release(): Promise<void> {
    const device = this.#serving;
    this.#serving = null;
    if (device !== null) {
      if (this.#shouldServe) this.#wait();
      else this.#refuse();
      await device.close();
    }
    if (!this.#holdsLock || this.#opened === null || this.#opened.session.fenced) return;
    // librbd lets nothing more in, waits and flushes before it gives the lock away. EINVAL: somebody broke the lock.
    await this.#opened.image.releaseLock().catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
    });
    this.#holdsLock = false;
  }

  /** A change to an image that nobody has locked takes the lock; it is its group's owner who shall have it. */
  async #giveBackLock(image: Image): Promise<void> {
    if (this.#shouldServe || this.#holdsLock) return;
    // If this fails, the next settling releases it.
    this.#holdsLock = await image.isLockOwner().catch(() => false);
    if (this.#holdsLock) await this.#release().catch(() => void this.settle());
  }

  /** The image of a fenced client: what its closing says tells nothing. */
  #abandonImage(): void {
    const opened = this.#opened;
    this.#opened = null;
    opened?.image.close().catch(() => undefined);
  }

  async #closeImage(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    await opened?.image.close();
  }

  #leaveFormer(): void {
    for (const group of this.#former) group.remove(this);
    this.#former.clear();
  }

  /** `used`: the clients that the step may have used. */
  #settlingFailed(error: unknown, [session, ...others]: RadosSession[]): void {
    if ((error as NodeJS.ErrnoException).code === 'EBLOCKLISTED' && session !== undefined) {
      // One that is known to be fenced, and perhaps replaced by now, explains it.
      if (![session, ...others].some(({ fenced }) => fenced)) this.#group.fenced(session);
      return;
    }
    const { message } = imageError(this.name, this.#shouldServe ? 'served' : 'released', error);
    const text = isLockHeld(error) ? `${message}; another client holds its lock and keeps it` : message;
    if (text !== this.#complaint) {
      this.#options.log.warn({ device: this.description, group: this.#group.id }, `${text}; trying on`);
    }
    this.#complaint = text;
    this.#retry?.cancel();
    this.#retry = this.#options.timers.after(this.#retryMs, () => void this.settle());
    this.#retryMs = Math.min(this.#retryMs * 2, MOST_RETRY_MS);
  }

  // ---- size ----

  async #watch(opened: OpenedImage): Promise<void> {
    await opened.image.watchUpdates(() => void this.#readSize(opened));
  }

  async readSize(): Promise<void> {
    const opened = this.#opened;
    if (opened === null) {
      throw new AnagateError(
        'BACKEND_FAILED',
        `${this.description}: its size cannot be read, the cluster is not reached`,
      );
    }
    const sizeBytes = await opened.image.sizeBytes().catch((error: unknown) => {
      throw imageError(this.name, 'read', error);
    });
    if (opened === this.#opened) this.#setSize(sizeBytes);
  }

  async #readSize(opened: OpenedImage): Promise<void> {
    if (opened !== this.#opened) return;
    // An error here is one that I/O will meet too.
    const sizeBytes = await opened.image.sizeBytes().catch(() => null);
    if (sizeBytes !== null && opened === this.#opened) this.#setSize(sizeBytes);
  }

  #setSize(sizeBytes: number): void {
    if (sizeBytes === this.sizeBytes) return;
    this.#sizeBytes = sizeBytes;
    if (this.#serving !== null) this.#serving.sizeBytes = sizeBytes;
    this.onResize?.(sizeBytes);
  }

  // ---- end ----

  async #close(): Promise<void> {
    this.#retry?.cancel();
    // Takes no new operations from now on, and lets those that are under way finish.
    const quiet = this.#current.close();
    await this.#step(async () => {
      await quiet;
      this.#serving = null;
      this.#group.remove(this);
      this.#leaveFormer();
      await this.#closeImage();
    });
  }

  #step<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

/** What operations get while another gateway serves the image. */
function refusing(description: string, timers: Timers): PendingDevice {
  const device = new PendingDevice(description, 0, timers);
  void device.close();
  return device;
}

/** The lock is what tells which gateway may use the image (ha-design S9). Nobody writes to an image that is read-only. */
function requireLockable({ name, readOnly }: RbdDeviceOptions, { features }: ImageStat): void {
  if (readOnly || features.includes('exclusive-lock')) return;
  const path = imagePath(name);
  throw new AnagateError(
    'INVALID_ARGUMENT',
    `image ${path} has no exclusive lock, which gateways of a group need to hand it over; ` +
      `add it with "rbd feature enable ${path} exclusive-lock"`,
  );
}

function isLockHeld(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EROFS';
}
