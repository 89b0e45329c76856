/** The images of a pool and namespace, without opening them. */
import { type Binding, binding, type Handle } from './binding.ts';
import { type ConfigOption, configOptions } from './image-config.ts';
import { featureBits, type ImageFeature } from './image-features.ts';

/** RBD_IMAGE_OPTION_*. */
const OPTION = {
  features: 1,
  order: 2,
  stripeUnit: 3,
  stripeCount: 4,
  dataPool: 10,
  cloneFormat: 12,
} as const;

export interface CreateOptions {
  /** Default: the pool's or cluster's `rbd_default_features`. */
  features?: Iterable<ImageFeature>;
  /** Size of an object, a power of two from 4 KiB to 32 MiB. Default 4 MiB. */
  objectBytes?: number;
  /** Bytes in one object before the next is used. */
  stripeUnitBytes?: number;
  stripeCount?: number;
  /** The pool that holds the data, an erasure-coded one for example. */
  dataPool?: string;
}

export interface TrashEntry {
  id: string;
  name: string;
  /** Seconds since 1970. */
  deletedS: number;
  deferredUntilS: number;
}

function optionList(options: CreateOptions): (number | string)[] {
  const list: (number | string)[] = [];
  if (options.features !== undefined) list.push(OPTION.features, featureBits(options.features));
  if (options.objectBytes !== undefined) list.push(OPTION.order, Math.log2(options.objectBytes));
  if (options.stripeUnitBytes !== undefined) list.push(OPTION.stripeUnit, options.stripeUnitBytes);
  if (options.stripeCount !== undefined) list.push(OPTION.stripeCount, options.stripeCount);
  if (options.dataPool !== undefined) list.push(OPTION.dataPool, options.dataPool);
  return list;
}

/** {@link IoContext.images}. */
export class ImagePool {
  readonly #binding: Binding = binding();
  readonly #context: Handle;

  constructor(context: Handle) {
    this.#context = context;
  }

  /** EEXIST when there is one of this name. */
  async create(name: string, sizeBytes: number, options: CreateOptions = {}): Promise<void> {
    return this.#binding.createImage(this.#context, name, sizeBytes, optionList(options));
  }

  /** Makes `name` here from a snapshot of an image of `parent` (an I/O context's {@link IoContext.images}). */
  async clone(
    parent: ImagePool,
    parentName: string,
    snapshot: string,
    name: string,
    options: CreateOptions = {},
  ): Promise<void> {
    return this.#binding.cloneImage(
      parent.#context,
      parentName,
      snapshot,
      this.#context,
      name,
      optionList(options),
    );
  }

  /** EBUSY while somebody has it open; ENOTEMPTY when it has snapshots. */
  async remove(name: string): Promise<void> {
    return this.#binding.removeImage(this.#context, name);
  }

  async rename(from: string, to: string): Promise<void> {
    return this.#binding.renameImage(this.#context, from, to);
  }

  async list(): Promise<{ name: string; id: string }[]> {
    return (await this.#binding.listImages(this.#context)).map(([name, id]) => ({ name, id }));
  }

  /** Moves the image to the trash, from where it can be removed at once or, without force, after `delayS`. */
  async trashMove(name: string, delayS = 0): Promise<void> {
    return this.#binding.trashMove(this.#context, name, delayS);
  }

  async trashRemove(id: string, force = false): Promise<void> {
    return this.#binding.trashRemove(this.#context, id, force);
  }

  async trashRestore(id: string, name = ''): Promise<void> {
    return this.#binding.trashRestore(this.#context, id, name);
  }

  async trashList(): Promise<TrashEntry[]> {
    const entries = await this.#binding.trashList(this.#context);
    return entries.map(([id, name, deletedS, deferredUntilS]) => ({ id, name, deletedS, deferredUntilS }));
  }

  async createNamespace(name: string): Promise<void> {
    return this.#binding.createNamespace(this.#context, name);
  }

  async removeNamespace(name: string): Promise<void> {
    return this.#binding.removeNamespace(this.#context, name);
  }

  async listNamespaces(): Promise<string[]> {
    return this.#binding.listNamespaces(this.#context);
  }

  /** Prepares the pool for RBD (`rbd pool init`). */
  async initialize(force = false): Promise<void> {
    return this.#binding.initPool(this.#context, force);
  }

  /** The configuration that images of the pool have if they do not override it: these options, or all (some 80). */
  async config(names: readonly string[] = []): Promise<ConfigOption[]> {
    return configOptions(await this.#binding.poolConfig(this.#context, names));
  }

  async metadata(): Promise<Map<string, string>> {
    return new Map(await this.#binding.poolMetadata(this.#context));
  }

  /** `conf_rbd_...` keys override the configuration of the pool's images. Null removes. */
  async setMetadata(key: string, value: string | null): Promise<void> {
    return this.#binding.setPoolMetadata(this.#context, key, value);
  }
}
