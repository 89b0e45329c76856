/** One connected RADOS client of ours: one address, fenced as a whole. It ends with the first fence. */
import type { Cluster, IoContext } from '../../node-rados/lib/node-rados.ts';
import type { FencedClients } from './fenced-clients.ts';

export class RadosSession {
  readonly cluster: Cluster;
  /** As the blocklist takes it. */
  readonly address: string;
  /** Its client is on the blocklist: everything fails from now on. */
  fenced = false;
  /** Clients, of anybody, that can write no more. */
  readonly fencedClients: FencedClients;
  readonly #pools = new Map<string, Promise<IoContext>>();

  constructor(cluster: Cluster, fencedClients: FencedClients) {
    this.cluster = cluster;
    this.fencedClients = fencedClients;
    this.address = cluster.addresses;
  }

  /** Opened once per pool and namespace. */
  pool(pool: string, radosNamespace: string): Promise<IoContext> {
    const key = `${pool}/${radosNamespace}`;
    let context = this.#pools.get(key);
    if (context === undefined) {
      context = this.cluster.openPool(pool, radosNamespace);
      this.#pools.set(key, context);
      context.catch(() => this.#pools.delete(key));
    }
    return context;
  }

  /**
   * Does something small that only the OSDs can answer. Rejects with EBLOCKLISTED when they refuse this client; resolves
   * otherwise, also when there is nothing to ask.
   */
  async probe(): Promise<void> {
    const [pool] = this.#pools.values();
    if (pool === undefined) return;
    const context = await pool.catch(() => null);
    // One that could not be opened says nothing of the client.
    if (context === null) return;
    // Every pool with images has it. That it is not there is an answer too.
    await context.stat('rbd_directory').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EBLOCKLISTED') throw error;
    });
  }

  close(): Promise<void> {
    return this.cluster.close();
  }
}
