/** The addon's functions as they are, and how it is found. Everything public is built on these in the files beside. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { dispatchEvent } from './events.ts';
import { completeBatch, ioBatch } from './io-slots.ts';
import { RadosError, RadosUnavailableError } from './rados-error.ts';

/** A number that stands for a native object. */
export type Handle = number;
/** One step of an object operation: `[code, ...arguments]`, see operation-codes.ts. */
export type Step = readonly [code: number, ...rest: unknown[]];
export type OmapAnswer = [entries: [string, Buffer][], more: boolean];

export interface Binding {
  setup(
    batch: Float64Array,
    onIo: (count: number) => void,
    onEvent: (watcher: number, ...rest: never[]) => void,
    makeError: (operation: string, errno: number, detail: string) => Error,
  ): void;
  versions(): [rados: string, rbd: string];

  connect(
    clusterName: string,
    user: string,
    confFile: string | null,
    options: readonly string[],
  ): Promise<Handle>;
  closeCluster(cluster: Handle): Promise<void>;
  addresses(cluster: Handle): string;
  fsid(cluster: Handle): string;
  instanceId(cluster: Handle): bigint;
  configGet(cluster: Handle, key: string): string;
  waitForLatestOsdMap(cluster: Handle): Promise<void>;
  monCommand(
    cluster: Handle,
    json: string,
    input: Uint8Array | string,
  ): Promise<[output: Buffer, status: string]>;
  mgrCommand(
    cluster: Handle,
    json: string,
    input: Uint8Array | string,
  ): Promise<[output: Buffer, status: string]>;
  listPools(cluster: Handle): Promise<string[]>;
  lookupPool(cluster: Handle, pool: string): Promise<number>;
  createPool(cluster: Handle, pool: string): Promise<void>;
  deletePool(cluster: Handle, pool: string): Promise<void>;

  openContext(cluster: Handle, pool: string, namespace: string): Promise<[context: Handle, poolId: number]>;
  closeContext(context: Handle): void;
  listObjects(context: Handle, most: number): Promise<string[]>;
  listLockers(
    context: Handle,
    object: string,
    name: string,
  ): Promise<[exclusive: boolean, tag: string, clients: string[], cookies: string[], addresses: string[]]>;
  breakLock(context: Handle, object: string, name: string, client: string, cookie: string): Promise<void>;
  watch(context: Handle, object: string, watcher: number, timeoutS: number): Promise<Handle>;
  endWatch(watch: Handle): Promise<void>;
  checkWatch(watch: Handle): number;
  acknowledge(watch: Handle, notifyId: bigint, reply: Uint8Array | string): number;
  notify(
    context: Handle,
    object: string,
    data: Uint8Array | string,
    timeoutMs: number,
  ): Promise<
    [answers: [client: bigint, cookie: bigint, data: Buffer][], missing: [client: bigint, cookie: bigint][]]
  >;
  operateWrite(context: Handle, object: string, steps: readonly Step[]): Promise<number>;
  operateRead(
    context: Handle,
    object: string,
    steps: readonly Step[],
  ): Promise<[version: number, answers: unknown[]]>;

  createImage(
    context: Handle,
    name: string,
    sizeBytes: number,
    options: readonly (number | string)[],
  ): Promise<void>;
  cloneImage(
    parent: Handle,
    parentName: string,
    snapshot: string,
    context: Handle,
    name: string,
    options: readonly (number | string)[],
  ): Promise<void>;
  removeImage(context: Handle, name: string): Promise<void>;
  renameImage(context: Handle, from: string, to: string): Promise<void>;
  listImages(context: Handle): Promise<[name: string, id: string][]>;
  trashMove(context: Handle, name: string, delayS: number): Promise<void>;
  trashRemove(context: Handle, id: string, force: boolean): Promise<void>;
  trashRestore(context: Handle, id: string, name: string): Promise<void>;
  trashList(context: Handle): Promise<[id: string, name: string, deletedS: number, deferredUntilS: number][]>;
  createNamespace(context: Handle, name: string): Promise<void>;
  removeNamespace(context: Handle, name: string): Promise<void>;
  listNamespaces(context: Handle): Promise<string[]>;
  initPool(context: Handle, force: boolean): Promise<void>;
  poolConfig(
    context: Handle,
    names: readonly string[],
  ): Promise<[name: string, value: string, source: number][]>;
  poolMetadata(context: Handle): Promise<[key: string, value: string][]>;
  setPoolMetadata(context: Handle, key: string, value: string | null): Promise<void>;

  openImage(
    context: Handle,
    name: string,
    byId: boolean,
    snapshot: string | null,
    readOnly: boolean,
  ): Promise<Handle>;
  closeImage(image: Handle): Promise<void>;
  statImage(image: Handle): Promise<NativeImageStat>;
  imageSize(image: Handle): Promise<number>;
  resizeImage(image: Handle, sizeBytes: number, allowShrink: boolean): Promise<void>;
  flattenImage(image: Handle): Promise<void>;
  updateFeatures(image: Handle, bits: number, enabled: boolean): Promise<void>;
  snapshotAction(image: Handle, action: number, name: string): Promise<void>;
  listSnapshots(
    image: Handle,
  ): Promise<[id: number, sizeBytes: number, name: string, isProtected: boolean][]>;
  getMetadata(image: Handle, key: string): Promise<string>;
  setMetadata(image: Handle, key: string, value: string | null): Promise<void>;
  imageMetadata(image: Handle): Promise<[key: string, value: string][]>;
  imageConfig(
    image: Handle,
    names: readonly string[],
  ): Promise<[name: string, value: string, source: number][]>;
  acquireLock(image: Handle): Promise<void>;
  releaseLock(image: Handle): Promise<void>;
  isLockOwner(image: Handle): Promise<boolean>;
  lockOwners(image: Handle): Promise<string[]>;
  breakImageLock(image: Handle, owner: string): Promise<void>;
  listWatchers(image: Handle): Promise<[address: string, clientId: number, cookie: bigint][]>;
  watchUpdates(image: Handle, watcher: number): Promise<void>;

  read(image: Handle, offset: number, data: Uint8Array, slot: number): number;
  write(image: Handle, offset: number, data: Uint8Array, slot: number): number;
  readv(image: Handle, offset: number, data: readonly Uint8Array[], slot: number): number;
  writev(image: Handle, offset: number, data: readonly Uint8Array[], slot: number): number;
  flush(image: Handle, slot: number): number;
  discard(image: Handle, offset: number, length: number, slot: number): number;
  writeZeroes(image: Handle, offset: number, length: number, slot: number, thick: boolean): number;
  writeSame(image: Handle, offset: number, length: number, pattern: Uint8Array, slot: number): number;
  compareAndWrite(
    image: Handle,
    offset: number,
    expected: Uint8Array,
    data: Uint8Array,
    slot: number,
  ): number;
}

export interface NativeImageStat {
  id: string;
  sizeBytes: number;
  objectBytes: number;
  objectCount: number;
  stripeUnitBytes: number;
  stripeCount: number;
  featureBits: number;
  flags: number;
  overlapBytes: number;
  dataPoolId: number;
}

/** Names another addon file than the one built in place; for tests of several builds. */
const ADDON_VARIABLE = 'NODE_RADOS_ADDON';

/** Where the addon may be: beside the sources, beside the package's own dist/, or reached from the dist/ of a project around it. */
function candidates(): string[] {
  const named = process.env[ADDON_VARIABLE];
  if (named !== undefined && named !== '') return [named];
  const file = 'build/Release/node_rados.node';
  return [`../${file}`, `../../../src/node-rados/${file}`].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
}

function unavailable(cause: unknown): RadosUnavailableError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const missing = /(lib(?:rbd|rados)\S*): cannot open shared object/.exec(text)?.[1];
  if (missing !== undefined) {
    return new RadosUnavailableError(
      `RBD is not available: ${missing} is missing; install librbd1 and librados2`,
      {
        cause,
      },
    );
  }
  if ((cause as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') {
    return new RadosUnavailableError(
      'RBD is not available: its addon is not built; install g++, make, python3, librbd-dev and librados-dev, then run "npm run build:rados"',
      { cause },
    );
  }
  return new RadosUnavailableError(`RBD is not available: its addon does not load: ${text.split('\n')[0]}`, {
    cause,
  });
}

function load(): Binding {
  const require = createRequire(import.meta.url);
  let failure: unknown;
  for (const path of candidates()) {
    try {
      const loaded = require(path) as Binding;
      loaded.setup(
        ioBatch,
        completeBatch,
        dispatchEvent,
        (operation, errno, detail) => new RadosError(operation, errno, detail),
      );
      return loaded;
    } catch (error) {
      // The first one that exists and does not load says more than one that is not there.
      if (failure === undefined || (failure as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND')
        failure = error;
    }
  }
  throw unavailable(failure);
}

let loaded: Binding | undefined;

/** The addon, loaded at first use. @throws {RadosUnavailableError} that says in one line what to install. */
export function binding(): Binding {
  loaded ??= load();
  return loaded;
}

/** Versions of the libraries that this process uses: `{ rados: '3.0.0', rbd: '1.16.0' }` (16 is Pacific, 20 Tentacle). */
export function libraryVersions(): { rados: string; rbd: string } {
  const [rados, rbd] = binding().versions();
  return { rados, rbd };
}

/** Null when RADOS and RBD can be used, else the one line that says what to install. */
export function unavailableReason(): string | null {
  try {
    binding();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
