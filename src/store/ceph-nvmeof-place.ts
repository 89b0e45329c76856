/** Reads the state object of a ceph-nvmeof group, and sizes of images, from a Ceph cluster. Changes nothing. */
import { AnagateError } from '../base/errors.ts';
import type { IoContext } from '../node-rados/lib/node-rados.ts';
import { openGroupPool, type PoolPlace } from './group-store.ts';
import { codeOf } from './rados-failures.ts';

/** Of one pool and namespace of it. */
interface ImagePlace {
  readonly pool: string;
  readonly radosNamespace?: string;
  readonly image: string;
}

export class CephNvmeofPlace {
  readonly #home: IoContext;
  readonly #contexts = new Map<string, Promise<IoContext>>();

  private constructor(home: IoContext) {
    this.#home = home;
  }

  /** Rejects as openGroupPool. */
  static async open(place: PoolPlace): Promise<CephNvmeofPlace> {
    return new CephNvmeofPlace(await openGroupPool(place));
  }

  /** The omap of the object, as of one moment. Rejects with INVALID_ARGUMENT when there is none. */
  async state(object: string): Promise<Map<string, string>> {
    try {
      const { entries } = await this.#home.omapGetAll(object);
      return new Map([...entries].map(([key, value]) => [key, value.toString()]));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      throw new AnagateError(
        'INVALID_ARGUMENT',
        `pool ${this.#home.pool} has no object ${object}; that of a group is nvmeof.<group>.state, without a group nvmeof.state`,
      );
    }
  }

  async imageBytes({ pool, radosNamespace = '', image }: ImagePlace): Promise<number> {
    const context = await this.#context(pool, radosNamespace);
    const opened = await context.openImage(image, { readOnly: true });
    try {
      return await opened.sizeBytes();
    } finally {
      await opened.close();
    }
  }

  #context(pool: string, namespace: string): Promise<IoContext> {
    const name = `${pool}/${namespace}`;
    const known = this.#contexts.get(name) ?? this.#home.cluster.openPool(pool, namespace);
    this.#contexts.set(name, known);
    return known;
  }

  async close(): Promise<void> {
    await this.#home.cluster.close();
  }
}
