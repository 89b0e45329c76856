/**
 * The block devices behind the namespaces: opened before a namespace is offered, closed after it is gone. Guards that two
 * namespaces do not write to one file unless somebody insists.
 */
import { readlink, realpath, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { PendingDevice } from '../../backend/pending-device.ts';
import { type BlockDevice, type BlockStatus, IMAGE_SIZES, PAGE_SIZES } from '../../base/block-device.ts';
import type { Timers } from '../../base/clock.ts';
import { AnagateError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { LIMITS } from '../../limits.ts';
import { type BackendRecord, imagePathOf, keyOf, type NamespaceRecord } from '../configuration/records.ts';
import type { NamespacePlan } from '../plans/namespaces.ts';
import { refuse } from '../plans/validation.ts';
import type { OpenBackend } from './backends.ts';

interface OpenDevice {
  device: BlockDevice;
  /** What must not be used twice: the file's real path or the image's name; null when it cannot be. */
  identity: string | null;
  /** For messages: namespace 1 of nqn... */
  owner: string;
}

export class NamespaceDevices {
  readonly #open: OpenBackend;
  readonly #log: Log;
  /** Files that are the gateway's own, not to be used for a namespace. */
  readonly #reservedPaths: readonly string[];
  /** By record key. */
  readonly #devices = new Map<string, OpenDevice>();
  readonly #onResize: () => void;
  /** Stand-ins for devices that could not be opened, by record key. */
  readonly #pending = new Map<string, PendingDevice>();
  readonly timers: Timers;

  /** `onResize` is told after the size of a device has changed from outside. */
  constructor(
    open: OpenBackend,
    reservedPaths: readonly string[],
    timers: Timers,
    log: Log,
    onResize: () => void,
  ) {
    this.#open = open;
    this.#onResize = onResize;
    this.timers = timers;
    this.#reservedPaths = reservedPaths;
    this.#log = log;
  }

  /** The open device of a namespace. */
  get(record: NamespaceRecord): BlockDevice | undefined {
    return this.#devices.get(keyOf(record))?.device;
  }

  /**
   * Opens the device of a namespace that is to be added, making its file if `create`. Resolves with the record, its size
   * settled, and with the way to take everything back (but a new file, if that is to be kept). Rejects with IMAGE_IN_USE when another namespace has it and not
   * `force`, or as {@link OpenBackend}.
   */
  async create(
    plan: NamespacePlan,
    create: boolean,
    force: boolean,
  ): Promise<{ record: NamespaceRecord; undo: (keepBacking: boolean) => Promise<void> }> {
    const { backend } = plan;
    const identity = await identityOf(backend);
    await this.requireUsable(backend);
    if (!force) this.#refuseUsed(identity, backend);
    const isNew = backend.type === 'file' && create && !(await exists(backend.path));
    let unmake: () => Promise<void> = async () => {};
    const device = await this.#open({
      backend,
      anaGroupId: plan.anaGroupId,
      create,
      readOnly: plan.readOnly,
      ...(plan.sizeBytes !== undefined && { sizeBytes: plan.sizeBytes }),
      onMade: (undo) => {
        unmake = undo;
      },
    });
    const record: NamespaceRecord = {
      ...plan,
      sizeBytes: plan.sizeBytes ?? wholeBlocks(device, plan.blockSize),
    };
    try {
      if (record.sizeBytes === 0) refuse('SIZE_INVALID', `${device.description} is smaller than one block`);
      if (record.sizeBytes > LIMITS.maxNamespaceBytes)
        refuse('SIZE_INVALID', `${device.description} is too large`);
    } catch (error) {
      await device.close();
      throw error;
    }
    // Read again: a file that was just made has a real path only now.
    this.#keep(record, device, await identityOf(backend));
    const undo = async (keepBacking: boolean): Promise<void> => {
      await this.close(record);
      if (keepBacking) return;
      if (isNew && backend.type === 'file') await unlink(backend.path);
      await unmake();
    };
    return { record, undo };
  }

  /**
   * Opens the device of a namespace that was committed before. It may be larger than the record says, not smaller; but an
   * image that was cut is offered as it is. Opening takes time: `current` says what the record is by then; null: the namespace
   * has gone, and the device is closed again.
   */
  async open(
    record: NamespaceRecord,
    current: () => NamespaceRecord | null = () => record,
  ): Promise<BlockDevice | null> {
    const { backend, anaGroupId, readOnly, sizeBytes } = record;
    const request = { backend, anaGroupId, create: false, readOnly };
    const device = await this.#open(backend.type === 'memory' ? { ...request, sizeBytes } : request);
    const identity = await identityOf(backend);
    const now = current();
    if (now === null) {
      await device.close();
      return null;
    }
    if (device.sizeBytes < now.sizeBytes && backend.type === 'rbd') {
      this.#sayCut(now, device);
    } else if (device.sizeBytes < now.sizeBytes) {
      const has = device.sizeBytes;
      await device.close();
      throw new AnagateError(
        'BACKEND_FAILED',
        `${device.description} has ${has} bytes, fewer than the ${now.sizeBytes} of the namespace; restore it`,
      );
    }
    this.#keep(now, device, identity);
    return device;
  }

  /** What to offer until the device of a namespace can be opened. */
  standIn(record: NamespaceRecord): PendingDevice {
    const optimal = record.backend.type === 'rbd' ? IMAGE_SIZES : PAGE_SIZES;
    const pending = new PendingDevice(nameOf(record.backend), record.sizeBytes, this.timers, optimal);
    this.#pending.set(keyOf(record), pending);
    return pending;
  }

  /** The key of some namespace, one that `accept` takes, whose stand-in has operations that wait. */
  awaited(accept: (key: string) => boolean): string | undefined {
    for (const [key, pending] of this.#pending) if (pending.isAwaited && accept(key)) return key;
    return undefined;
  }

  /** The device is the namespace's no more; returns what closes it. */
  takeOut(record: NamespaceRecord): () => Promise<void> {
    const open = this.#devices.get(keyOf(record));
    this.#devices.delete(keyOf(record));
    return async () => {
      if (open !== undefined) await this.#flushAndClose(open);
    };
  }

  /** Closes the device of a namespace, if it is open; what is in flight completes first. */
  async close(record: NamespaceRecord): Promise<void> {
    await this.#pending.get(keyOf(record))?.close();
    this.#pending.delete(keyOf(record));
    await this.takeOut(record)();
  }

  /** For the end of the process. */
  async closeAll(): Promise<void> {
    const all = [...this.#devices.values()];
    this.#devices.clear();
    for (const pending of this.#pending.values()) await pending.close();
    this.#pending.clear();
    await Promise.all(all.map((open) => this.#flushAndClose(open)));
  }

  #keep(record: NamespaceRecord, device: BlockDevice, identity: string | null): void {
    const owner = `namespace ${record.nsid} of ${record.nqn}`;
    device.onResize = (sizeBytes) => {
      if (record.backend.type !== 'rbd' || sizeBytes < record.sizeBytes) this.#sayCut(record, device);
      this.#onResize();
    };
    this.#devices.set(keyOf(record), { device, identity, owner });
    this.#pending.get(keyOf(record))?.become(device);
    this.#pending.delete(keyOf(record));
    // It may have grown while it was not open.
    if (record.backend.type === 'rbd' && device.sizeBytes > record.sizeBytes) this.#onResize();
  }

  #sayCut(record: NamespaceRecord, { description, sizeBytes }: BlockDevice): void {
    this.#log.warn(
      { subsystemNqn: record.nqn, nsid: record.nsid, device: description, sizeBytes },
      'the device behind a namespace was cut from outside; reads and writes past its end fail',
    );
  }

  #refuseUsed(identity: string | null, backend: BackendRecord): void {
    if (identity === null) return;
    for (const other of this.#devices.values()) {
      if (other.identity !== identity) continue;
      refuse(
        'IMAGE_IN_USE',
        `${nameOf(backend)} is in use by ${other.owner}; two would overwrite each other's data`,
      );
    }
  }

  /** See {@link requireUsable}. */
  requireUsable(backend: BackendRecord): Promise<void> {
    return requireUsable(backend, this.#reservedPaths);
  }

  async #flushAndClose({ device, owner }: OpenDevice): Promise<void> {
    device.onResize = null;
    const status = await new Promise<BlockStatus>((resolve) => device.flush({ ioDone: resolve }));
    if (status !== 0)
      this.#log.error({ device: device.description, owner, status }, 'flush before close failed');
    await device.close().catch((err: unknown) => {
      this.#log.error({ device: device.description, owner, err }, 'close failed');
    });
  }
}

/** Rejects with INVALID_ARGUMENT for one of the gateway's own files. */
export async function requireUsable(backend: BackendRecord, reservedPaths: readonly string[]): Promise<void> {
  if (backend.type !== 'file') return;
  const [path, ...reserved] = await Promise.all([backend.path, ...reservedPaths].map(realPath));
  if (reserved.includes(path!)) refuse('INVALID_ARGUMENT', `${nameOf(backend)} is the gateway's own state`);
}

function wholeBlocks(device: BlockDevice, blockSize: number): number {
  return device.sizeBytes - (device.sizeBytes % blockSize);
}

async function identityOf(backend: BackendRecord): Promise<string | null> {
  switch (backend.type) {
    case 'file':
      return realPath(backend.path);
    case 'memory':
      return null;
    case 'rbd':
      return `rbd:${imagePathOf(backend)}`;
  }
}

/** Where a path leads, symbolic links followed, even if the file is not there yet: a link may lead to what is not there. */
async function realPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return path;
    const target = await readlink(path).catch(() => null);
    if (target !== null) return realPath(resolve(dirname(path), target));
    return join(await realpath(dirname(path)).catch(() => dirname(path)), basename(path));
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function nameOf(backend: BackendRecord): string {
  if (backend.type === 'file') return `file ${backend.path}`;
  return backend.type === 'rbd' ? `image ${imagePathOf(backend)}` : 'memory';
}
