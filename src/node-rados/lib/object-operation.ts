/** Atomic operations on one object: a list of steps that the OSD does all or not at all. */
import type { Step } from './binding.ts';
import { encodeAssertLocked, encodeLock, encodeUnlock, type LockOptions } from './object-lock.ts';
import { COMPARISON, type Comparison, type OmapComparison, StepCode } from './operation-codes.ts';

export type Bytes = Uint8Array | string;

/** Steps that both kinds of operation can have. An assertion that does not hold fails the whole operation. */
class Operation {
  protected readonly list: Step[] = [];

  /** For {@link IoContext.write} and {@link IoContext.readObject}. */
  get steps(): readonly Step[] {
    return this.list;
  }

  protected add(...step: Step): this {
    this.list.push(step);
    return this;
  }

  /** ENOENT when the object does not exist. */
  assertExists(): this {
    return this.add(StepCode.assertExists);
  }

  /** ERANGE when the object's version is higher, EOVERFLOW when it is lower. */
  assertVersion(version: number): this {
    return this.add(StepCode.assertVersion, version);
  }

  /** ECANCELED unless the attribute compares so. */
  compareXattr(name: string, value: Bytes, comparison: Comparison = 'equal'): this {
    return this.add(StepCode.compareXattr, name, COMPARISON[comparison], value);
  }

  /**
   * ECANCELED unless the value of the key compares so. A key that is not there counts as an
   * empty value: `equal` to '' says that it is absent (or empty), `greater` than '' that it is there.
   */
  compareOmap(key: string, value: Bytes, comparison: OmapComparison = 'equal'): this {
    return this.add(StepCode.compareOmap, key, COMPARISON[comparison], value);
  }

  /** Calls a method of an object class; its error fails the operation. */
  exec(objectClass: string, method: string, input: Bytes = ''): this {
    return this.add(StepCode.exec, objectClass, method, input);
  }

  /** EBUSY unless this client holds the lock with this type, cookie and tag. */
  assertLocked(name: string, options: LockOptions = {}): this {
    return this.exec('lock', 'assert_locked', encodeAssertLocked(name, options));
  }
}

/** What changes an object. */
export class WriteOperation extends Operation {
  /** Creates the object; with `exclusive`, EEXIST when it is there. */
  create(exclusive = true): this {
    return this.add(StepCode.create, exclusive ? 1 : 0);
  }

  /** Fails with `-(4095 + offset of the difference)` unless the bytes at `offset` are these. */
  compareExtent(offset: number, data: Uint8Array): this {
    return this.add(StepCode.compareExtent, offset, data);
  }

  write(offset: number, data: Uint8Array): this {
    return this.add(StepCode.write, offset, data);
  }

  /** Replaces the object's data. */
  writeFull(data: Uint8Array): this {
    return this.add(StepCode.writeFull, data);
  }

  append(data: Uint8Array): this {
    return this.add(StepCode.append, data);
  }

  truncate(size: number): this {
    return this.add(StepCode.truncate, size);
  }

  zero(offset: number, length: number): this {
    return this.add(StepCode.zero, offset, length);
  }

  /** Removes the object with its omap and attributes. */
  remove(): this {
    return this.add(StepCode.remove);
  }

  setXattr(name: string, value: Bytes): this {
    return this.add(StepCode.setXattr, name, value);
  }

  removeXattr(name: string): this {
    return this.add(StepCode.removeXattr, name);
  }

  /** Sets these keys and leaves others. */
  omapSet(entries: Iterable<readonly [key: string, value: Bytes]>): this {
    const pairs = [...entries];
    return this.add(
      StepCode.omapSet,
      pairs.map(([key]) => key),
      pairs.map(([, value]) => value),
    );
  }

  omapRemove(keys: Iterable<string>): this {
    return this.add(StepCode.omapRemove, [...keys]);
  }

  omapClear(): this {
    return this.add(StepCode.omapClear);
  }

  /** Takes or renews a lock. EBUSY: another holds it. EEXIST: held already and not to be renewed. */
  lock(name: string, options: LockOptions = {}): this {
    return this.exec('lock', 'lock', encodeLock(name, options));
  }

  /** ENOENT when this client and cookie do not hold the lock. */
  unlock(name: string, cookie = ''): this {
    return this.exec('lock', 'unlock', encodeUnlock(name, cookie));
  }
}

/** Where in the answers of a read operation a step's own answer is. */
export interface Answer<T> {
  readonly index: number;
  readonly decode: (raw: unknown) => T;
}

export interface ObjectStat {
  sizeBytes: number;
  /** Whole seconds since 1970. */
  modifiedS: number;
}

export interface OmapPage {
  entries: Map<string, Buffer>;
  /** Whether keys follow after the last one of these. */
  more: boolean;
}

function decodeOmap(raw: unknown): OmapPage {
  const [entries, more] = raw as [[string, Buffer][], boolean];
  return { entries: new Map(entries), more };
}

/** What reads an object; each reading step returns a key for {@link ObjectReading.get}. */
export class ReadOperation extends Operation {
  #answer<T>(decode: (raw: unknown) => T, ...step: Step): Answer<T> {
    this.add(...step);
    return { index: this.list.length - 1, decode };
  }

  /** At most `length` bytes from `offset`; fewer at the end of the object. */
  read(offset: number, length: number): Answer<Buffer> {
    return this.#answer((raw) => raw as Buffer, StepCode.read, offset, length);
  }

  stat(): Answer<ObjectStat> {
    return this.#answer((raw) => {
      const [sizeBytes, modifiedS] = raw as [number, number];
      return { sizeBytes, modifiedS };
    }, StepCode.stat);
  }

  /** Keys in order after `after`, those that begin with `prefix`. The OSD may answer with fewer than `most`, see `more`. */
  omapGet({ after = '', prefix = '', most = 1024 } = {}): Answer<OmapPage> {
    return this.#answer(decodeOmap, StepCode.omapGet, after, prefix, most);
  }

  /** Those of the keys that exist. */
  omapGetByKeys(keys: Iterable<string>): Answer<Map<string, Buffer>> {
    return this.#answer((raw) => decodeOmap(raw).entries, StepCode.omapGetByKeys, [...keys]);
  }

  xattrs(): Answer<Map<string, Buffer>> {
    return this.#answer((raw) => new Map(raw as [string, Buffer][]), StepCode.getXattrs);
  }

  /** Calls a reading method of an object class and returns its output. */
  call(objectClass: string, method: string, input: Bytes = ''): Answer<Buffer> {
    return this.#answer((raw) => raw as Buffer, StepCode.exec, objectClass, method, input);
  }
}

/** The answers of a read operation. */
export class ObjectReading {
  /** The object's version when it was read. */
  readonly version: number;
  readonly #answers: unknown[];
  constructor(version: number, answers: unknown[]) {
    this.version = version;
    this.#answers = answers;
  }
  get<T>(answer: Answer<T>): T {
    return answer.decode(this.#answers[answer.index]);
  }
}
