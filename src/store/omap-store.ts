/**
 * The configuration of a group of gateways in the omap of one RADOS object (see omap-layout.ts). Every gateway of the group
 * has such a store; there is no lock and no leader.
 *
 * A commit is one atomic write that compares format and version and does all changes or none; of two that race one wins.
 * After it the object's watchers are notified; each then reads what changed. Who missed the notify finds the change with
 * the regular look at the version.
 */
import type { Timers } from '../base/clock.ts';
import { AnagateError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { LIMITS } from '../limits.ts';
import { type ObjectReading, ReadOperation, WriteOperation } from '../node-rados/lib/node-rados.ts';
import { KeptWatch } from './kept-watch.ts';
import {
  decodeHead,
  decodeRecords,
  encodeLogEntry,
  FORMAT_KEY,
  LOG_LENGTH,
  logKey,
  namesChangedSince,
  OMAP_FORMATS,
  type OmapHead,
  recordKey,
  VERSION_KEY,
} from './omap-layout.ts';
import { OwnNotifies } from './own-notifies.ts';
import { codeOf, errorOfRead, errorOfWrite, isCertain, unknownOutcome } from './rados-failures.ts';
import { type ConfigChange, type ConfigSnapshot, type ConfigStore, withChanges } from './store.ts';
import type { StoreConnection, StoreObjects } from './store-connection.ts';
import { Watchers } from './watchers.ts';

/** Time between regular looks at the version. */
const LOOK_MS = 2000;
/** How far behind the log is asked instead of reading everything. */
const CATCH_UP_COMMITS = 16;
/** Reads of one state that begin anew because the object changes under them. */
const READ_ATTEMPTS = 20;
/** Times that a commit without an answer is looked for and sent again. */
const COMMIT_ATTEMPTS = 2;
const COMMIT_RETRY_MS = 200;
/** A watcher that hangs is not waited for longer. */
const NOTIFY_TIMEOUT_MS = 3000;
/** OSDs count whole seconds. */
const ROLL_CALL_MS = 1000;

export interface OmapStoreOptions {
  connection: StoreConnection;
  /** Name of the object. */
  object: string;
  /** For people: where the object is. */
  pool: string;
  /** Name of this gateway, for the log of commits. */
  gateway: string;
  /** What others that call the roll are told of this gateway. */
  introduction?: string;
  /** false: the object has to be there. */
  create?: boolean | undefined;
  /** A text that is unique for ever. */
  newCommitId(): string;
  timers: Timers;
  log: Log;
  /** Time between regular looks, ms; default 2000. */
  lookMs?: number;
}

/** Records as of one commit; the id tells commits of one number apart, should somebody have restored a backup. */
interface Cache {
  snapshot: ConfigSnapshot;
  id: string | null;
}

export class OmapStore implements ConfigStore {
  readonly description: string;
  readonly #options: OmapStoreOptions;
  readonly #watchers = new Watchers();
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #notifies: OwnNotifies;
  readonly #keptWatch: KeptWatch;
  #cache: Cache;
  /** Of the object; commits assert it. */
  #format: number;
  /** Newest version that watchers were told. */
  #told: number;
  /** A look is under way; another is wanted after it. */
  #looking: 'no' | 'yes' | 'again' = 'no';
  #lookFails = false;
  #watchLost = false;
  /** Of the client that watches. */
  #watchEpoch = 0;
  #closed = false;

  private constructor(options: OmapStoreOptions, format: number, cache: Cache) {
    const { connection, object, pool, timers, log } = options;
    this.description = `rados:${pool}/${object}`;
    this.#options = options;
    this.#format = format;
    this.#cache = cache;
    this.#told = cache.snapshot.version;
    this.#notifies = new OwnNotifies(() => this.#objects.notify(object, '', NOTIFY_TIMEOUT_MS));
    this.#keptWatch = new KeptWatch({
      answer: options.introduction ?? '',
      watch: (handlers) => {
        this.#watchEpoch = connection.epoch;
        return this.#objects.watch(object, handlers);
      },
      onHint: () => void this.#look(),
      onKept: () => {
        if (this.#watchLost) log.info({ object }, 'the configuration is watched again');
        this.#watchLost = false;
      },
      onLost: async (error) => {
        if (!this.#watchLost)
          log.warn({ object }, `the watch of the configuration is lost (${error.message}); it is taken anew`);
        this.#watchLost = true;
        await connection.renewAfter(error, this.#watchEpoch);
      },
      lookMs: options.lookMs ?? LOOK_MS,
      timers,
      log,
    });
  }

  /**
   * Opens the group's configuration; the object is made if there is none. Rejects with STATE_CORRUPT, NOT_SUPPORTED (another
   * format) or INTERNAL (the cluster refuses or does not answer), and has changed nothing then.
   */
  static async open(options: OmapStoreOptions): Promise<OmapStore> {
    const { connection, object } = options;
    try {
      if (options.create !== false) await createObject(connection.objects, object, options);
      const { format, cache } = await readAll(connection.objects, object);
      const store = new OmapStore(options, format, cache);
      await store.#keptWatch.started;
      return store;
    } catch (error) {
      if (options.create === false && codeOf(error) === 'ENOENT') throw noObject(options);
      throw errorOfRead(error, object);
    }
  }

  /** Whether notifies are heard at the moment; without, changes of others are noticed by the regular look. */
  get watching(): boolean {
    return this.#keptWatch.watching;
  }

  /**
   * Introductions of the other gateways that watch the configuration and answer within a second. One that hangs, or that died
   * less than half a minute ago, does not.
   */
  async rollCall(): Promise<string[]> {
    const { connection, object } = this.#options;
    try {
      const { answers } = await this.#objects.notify(object, '', ROLL_CALL_MS);
      return answers
        .filter(({ client }) => client !== connection.clientId)
        .map(({ data }) => data.toString());
    } catch (error) {
      throw errorOfRead(error, object);
    }
  }

  get #objects(): StoreObjects {
    return this.#options.connection.objects;
  }

  load(): Promise<ConfigSnapshot> {
    return this.#track(this.#load());
  }

  commit(expectedVersion: number, changes: readonly ConfigChange[]): Promise<number> {
    return this.#track(this.#commit(expectedVersion, changes));
  }

  watch(listener: (version: number) => void): () => void {
    return this.#watchers.add(listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watchers.clear();
    await this.#keptWatch.close();
    await Promise.allSettled(this.#underWay);
    await this.#notifies.settled();
    await this.#options.connection.close();
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    const forget = () => this.#underWay.delete(work);
    work.then(forget, forget);
    return work;
  }

  // ---- reading ----

  async #load(): Promise<ConfigSnapshot> {
    const { connection, object } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const { epoch } = connection;
      try {
        return await this.#loadOnce();
      } catch (error) {
        const isNew = await connection.renewAfter(error, epoch);
        if (!(isNew || hasMoved(error)) || attempt >= READ_ATTEMPTS) throw errorOfRead(error, object);
      }
    }
  }

  /** ERANGE or EOVERFLOW when the object changed meanwhile. */
  async #loadOnce(): Promise<ConfigSnapshot> {
    const { snapshot, id } = this.#cache;
    const { head, objectVersion } = await this.#readHead(snapshot.version);
    this.#format = head.format;
    const known = head.log.get(snapshot.version)?.id ?? null;
    if (head.version === snapshot.version && known === id) return snapshot;
    const names =
      head.version > snapshot.version && known === id ? namesChangedSince(head, snapshot.version) : null;
    if (names === null) {
      const { cache } = await readAll(this.#objects, this.#options.object);
      return this.#keep(cache);
    }
    const operation = new ReadOperation().assertVersion(objectVersion);
    const wanted = operation.omapGetByKeys([...names].map(recordKey));
    const found = decodeRecords((await this.#read(operation)).get(wanted));
    const changes = [...names].map((key) => ({ key, value: found.get(key) ?? null }));
    const records = withChanges(snapshot.records, changes);
    return this.#keep({ snapshot: { version: head.version, records }, id: head.log.get(head.version)!.id });
  }

  /** Whatever comes last of what is read and committed side by side: each is one state, and the next load looks anew. */
  #keep(cache: Cache): ConfigSnapshot {
    this.#cache = cache;
    return cache.snapshot;
  }

  /** The head with the log of the commits `from` and a few after it. */
  async #readHead(from: number): Promise<{ head: OmapHead; objectVersion: number }> {
    const operation = new ReadOperation();
    const versions = Array.from({ length: CATCH_UP_COMMITS + 1 }, (_, i) => from + i);
    const entries = operation.omapGetByKeys([FORMAT_KEY, VERSION_KEY, ...versions.map(logKey)]);
    const reading = await this.#read(operation);
    return { head: decodeHead(reading.get(entries), this.#options.object), objectVersion: reading.version };
  }

  #read(operation: ReadOperation): Promise<ObjectReading> {
    return this.#objects.readObject(this.#options.object, operation);
  }

  // ---- committing ----

  async #commit(expectedVersion: number, changes: readonly ConfigChange[]): Promise<number> {
    requireBounded(changes);
    const id = this.#options.newCommitId();
    const version = await this.#write(expectedVersion, changes, id);
    const { snapshot } = this.#cache;
    if (snapshot.version === expectedVersion) {
      this.#keep({ snapshot: { version, records: withChanges(snapshot.records, changes) }, id });
    }
    this.#tell(version);
    this.#notifies.send();
    return version;
  }

  /** Resolves once the commit is durable. One whose answer is lost is looked for before it is sent again. */
  async #write(expectedVersion: number, changes: readonly ConfigChange[], id: string): Promise<number> {
    const { connection, object, timers } = this.#options;
    const version = expectedVersion + 1;
    let failure: Error | null = null;
    for (let attempt = 1; attempt <= COMMIT_ATTEMPTS && !(this.#closed && attempt > 1); attempt += 1) {
      const { epoch } = connection;
      try {
        await this.#objects.write(object, this.#commitOperation(expectedVersion, changes, id));
        return version;
      } catch (error) {
        failure = error as Error;
      }
      // Refused, and never sent before: it did not come true.
      if (isCertain(failure) && attempt === 1) throw errorOfWrite(failure, object);
      await connection.renewAfter(failure, epoch);
      const outcome = await this.#outcomeOf(expectedVersion, id);
      if (outcome === 'made') return version;
      if (outcome === 'unknown' || codeOf(failure) !== 'ECANCELED') {
        await new Promise<void>((resolve) => timers.after(COMMIT_RETRY_MS, resolve));
      }
    }
    throw unknownOutcome(failure!, object);
  }

  #commitOperation(expectedVersion: number, changes: readonly ConfigChange[], id: string): WriteOperation {
    const version = expectedVersion + 1;
    const set: [string, string][] = [
      [VERSION_KEY, String(version)],
      [logKey(version), encodeLogEntry(version, id, this.#options.gateway, changes)],
    ];
    const removed: string[] = [];
    // The last change of a record counts.
    for (const [key, value] of new Map(changes.map(({ key, value }) => [key, value]))) {
      if (value === null) removed.push(recordKey(key));
      else set.push([recordKey(key), value]);
    }
    const operation = new WriteOperation()
      .assertExists()
      .compareOmap(FORMAT_KEY, String(this.#format))
      .compareOmap(VERSION_KEY, String(expectedVersion));
    if (removed.length > 0) operation.omapRemove(removed);
    return operation.omapSet(set);
  }

  /** Whether the commit came true, did not, or is too long ago to tell. Throws STATE_VERSION_CONFLICT when another did. */
  async #outcomeOf(expectedVersion: number, id: string): Promise<'made' | 'not made' | 'unknown'> {
    let head: OmapHead;
    try {
      ({ head } = await this.#readHead(expectedVersion));
    } catch (error) {
      if (error instanceof AnagateError) throw error;
      return 'unknown';
    }
    const entry = head.log.get(expectedVersion + 1);
    if (entry?.id === id) return 'made';
    this.#format = head.format;
    if (head.version === expectedVersion) return 'not made';
    if (entry === undefined && head.version > expectedVersion + LOG_LENGTH) return 'unknown';
    const by = head.log.get(head.version)?.by ?? entry?.by;
    throw new AnagateError(
      'STATE_VERSION_CONFLICT',
      `The configuration is at version ${head.version}, not ${expectedVersion}: ` +
        `${by === undefined ? 'somebody else' : `gateway ${by}`} changed it; try again`,
    );
  }

  // ---- following ----

  #tell(version: number): void {
    if (version <= this.#told || this.#closed) return;
    this.#told = version;
    this.#watchers.notify(version);
  }

  /** Looks whether there is a newer version; once more afterwards if asked meanwhile. Never rejects. */
  async #look(): Promise<void> {
    if (this.#looking !== 'no') {
      this.#looking = 'again';
      return;
    }
    this.#looking = 'yes';
    await this.#track(this.#lookOnce());
    const again = (this.#looking as 'yes' | 'again') === 'again' && !this.#closed;
    this.#looking = 'no';
    if (again) await this.#look();
  }

  async #lookOnce(): Promise<void> {
    const { connection, object, log } = this.#options;
    const { epoch } = connection;
    try {
      const { head } = await this.#readHead(this.#told);
      if (this.#lookFails) log.info({ object }, 'the configuration can be read again');
      this.#lookFails = false;
      this.#tell(head.version);
    } catch (error) {
      if (this.#closed) return;
      const { message } = errorOfRead(error, object);
      if (!this.#lookFails)
        log.error({ object }, `changes of the configuration cannot be followed: ${message}`);
      this.#lookFails = true;
      await connection.renewAfter(error, epoch);
    }
  }
}

function noObject({ object, pool }: OmapStoreOptions): AnagateError {
  return new AnagateError(
    'INVALID_ARGUMENT',
    `pool ${pool} has no object ${object}: no gateway of that group has ever started. Check [ceph] pool and [gateway] group`,
  );
}

async function createObject(objects: StoreObjects, object: string, options: OmapStoreOptions): Promise<void> {
  const head: [string, string][] = [
    [FORMAT_KEY, String(OMAP_FORMATS.newest)],
    [VERSION_KEY, '0'],
  ];
  try {
    await objects.write(object, new WriteOperation().create(true).omapSet(head));
    options.log.info({ object, pool: options.pool }, 'made the object of the shared configuration');
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

/** All of the object, as one state. */
async function readAll(objects: StoreObjects, object: string): Promise<{ format: number; cache: Cache }> {
  const { entries } = await objects.omapGetAll(object, '', READ_ATTEMPTS);
  const { format, version, log } = decodeHead(entries, object);
  const snapshot = { version, records: decodeRecords(entries) };
  return { format, cache: { snapshot, id: log.get(version)?.id ?? null } };
}

function hasMoved(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ERANGE' || code === 'EOVERFLOW';
}

/** One write operation carries the whole commit. */
function requireBounded(changes: readonly ConfigChange[]): void {
  let bytes = 0;
  for (const { key, value } of changes) bytes += Buffer.byteLength(key) + Buffer.byteLength(value ?? '');
  if (bytes <= LIMITS.maxCommitBytes) return;
  throw new AnagateError(
    'LIMIT_EXCEEDED',
    `a change of ${bytes} bytes is more than the greatest, ${LIMITS.maxCommitBytes} bytes; do it in several`,
  );
}
