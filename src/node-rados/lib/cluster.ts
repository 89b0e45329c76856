/** A RADOS client: one session with a cluster, with one address, fenced as a whole. */
import { type Binding, binding, type Handle } from './binding.ts';
import { IoContext } from './io-context.ts';
import type { Bytes } from './object-operation.ts';

export interface ConnectOptions {
  /** ceph.conf; its `keyring` names the keys. Null: no file, everything in `options`. Default: $CEPH_CONF or /etc/ceph/ceph.conf. */
  confFile?: string | null;
  /** `admin` or `client.admin`. Default `admin`. */
  name?: string;
  /** Default `ceph`. */
  clusterName?: string;
  /** Keyring file; the same as the option `keyring`. */
  keyring?: string;
  /** Configuration that goes over the file's: `{ mon_host: '192.0.2.1', key: '...', rbd_cache: 'false' }`. */
  options?: Readonly<Record<string, string | number | boolean>>;
}

export interface CommandResult {
  output: Buffer;
  /** What the command says for people. */
  status: string;
}

export interface BlocklistEntry {
  /** `192.0.2.1:0/123456`; nonce 0 stands for all clients of the address. */
  address: string;
  /** As the monitor writes it. */
  until: string;
}

const DEFAULT_CONF = '/etc/ceph/ceph.conf';
const DAY_S = 86_400;

/** A connected client. */
export class Cluster {
  readonly #binding: Binding;
  readonly #handle: Handle;
  readonly #contexts = new Set<IoContext>();
  #closing: Promise<void> | null = null;

  /** For {@link Cluster.connect}. */
  constructor(nativeBinding: Binding, handle: Handle) {
    this.#binding = nativeBinding;
    this.#handle = handle;
  }

  /**
   * Connects. Takes as long as `client_mount_timeout` (300 s by default) when no monitor answers.
   *
   * @throws {RadosUnavailableError} without the addon; {@link RadosError} when the cluster refuses or cannot be reached
   */
  static async connect(options: ConnectOptions = {}): Promise<Cluster> {
    const native = binding();
    const name = options.name ?? 'admin';
    const conf = options.confFile === undefined ? (process.env.CEPH_CONF ?? DEFAULT_CONF) : options.confFile;
    const settings = Object.entries(options.options ?? {}).flatMap(([key, value]) => [key, String(value)]);
    if (options.keyring !== undefined) settings.push('keyring', options.keyring);
    const user = name.includes('.') ? name : `client.${name}`;
    const handle = await native.connect(options.clusterName ?? 'ceph', user, conf, settings);
    return new Cluster(native, handle);
  }

  /** This client's address as the blocklist takes it: `192.0.2.1:0/123456`. */
  get addresses(): string {
    return this.#binding.addresses(this.#handle);
  }

  get fsid(): string {
    return this.#binding.fsid(this.#handle);
  }

  /** The number in `client.N`, unique in the cluster for ever. */
  get instanceId(): bigint {
    return this.#binding.instanceId(this.#handle);
  }

  /** The value that a setting has for this client. */
  config(key: string): string {
    return this.#binding.configGet(this.#handle, key);
  }

  /** Sends a command to the monitors. Waits for a quorum; without one as long as `rados_mon_op_timeout` allows (for ever). */
  async monCommand(command: Readonly<Record<string, unknown>>, input: Bytes = ''): Promise<CommandResult> {
    const [output, status] = await this.#binding.monCommand(this.#handle, JSON.stringify(command), input);
    return { output, status };
  }

  /** Sends a command to the active manager, and waits for there being one. */
  async mgrCommand(command: Readonly<Record<string, unknown>>, input: Bytes = ''): Promise<CommandResult> {
    const [output, status] = await this.#binding.mgrCommand(this.#handle, JSON.stringify(command), input);
    return { output, status };
  }

  /** After it this client's operations carry at least the OSD map that the monitors had at the call: fences hold for them. */
  async waitForLatestOsdMap(): Promise<void> {
    return this.#binding.waitForLatestOsdMap(this.#handle);
  }

  /** Fences an address. After `expireS` seconds (1 to 3.15e9; default 30 days) the client could write again. */
  async blocklistAdd(address: string, expireS = 30 * DAY_S): Promise<void> {
    // expire must be a float for the monitor: a number without a fraction is written as one
    const json = `{"prefix":"osd blocklist","blocklistop":"add","addr":${JSON.stringify(address)},"expire":${expireS.toFixed(1)}}`;
    await this.#binding.monCommand(this.#handle, json, '');
  }

  async blocklistRemove(address: string): Promise<void> {
    await this.monCommand({ prefix: 'osd blocklist', blocklistop: 'rm', addr: address });
  }

  async blocklist(): Promise<BlocklistEntry[]> {
    const { output } = await this.monCommand({ prefix: 'osd blocklist ls', format: 'json' });
    // two lists, one after the other: addresses, and (which librados cannot add) ranges
    const [addresses = '[]'] = output.toString().split(/(?<=\])\s*(?=\[)/);
    const entries = JSON.parse(addresses) as { addr: string; until: string }[];
    return entries.map(({ addr, until }) => ({ address: addr, until }));
  }

  async listPools(): Promise<string[]> {
    return this.#binding.listPools(this.#handle);
  }

  /** The pool's number. ENOENT when there is none of this name. */
  async lookupPool(pool: string): Promise<number> {
    return this.#binding.lookupPool(this.#handle, pool);
  }

  async createPool(pool: string): Promise<void> {
    return this.#binding.createPool(this.#handle, pool);
  }

  async deletePool(pool: string): Promise<void> {
    return this.#binding.deletePool(this.#handle, pool);
  }

  /** Objects and images of a pool, in one of its namespaces ('' is the default one). */
  async openPool(pool: string, namespace = ''): Promise<IoContext> {
    const [handle, poolId] = await this.#binding.openContext(this.#handle, pool, namespace);
    const context = new IoContext(this, pool, namespace, handle, poolId);
    this.#contexts.add(context);
    return context;
  }

  /** For {@link IoContext.close}. */
  forget(context: IoContext): void {
    this.#contexts.delete(context);
  }

  /** Closes everything opened through this client, waits for what is in flight, and disconnects. Twice is once. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#contexts].map((context) => context.close()));
    await this.#binding.closeCluster(this.#handle);
  }
}
