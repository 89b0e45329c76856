/**
 * When the devices behind namespaces are opened. What this gateway serves is opened at once. An image in an ANA group that
 * another gateway serves costs memory and time as well, so only so many of those stand by open, to be taken over quickly; the
 * others rest, nothing but their record, until their group is taken over. An image whose placement group is inactive may never
 * open nor fail: nothing but its namespace waits for it.
 */
import type { Timers } from '../../base/clock.ts';
import { AnagateError } from '../../base/errors.ts';
import { within } from '../../base/within.ts';
import { LIMITS } from '../../limits.ts';
import { keyOf, type NamespaceRecord } from '../configuration/records.ts';
import type { NamespaceDevices } from './namespace-devices.ts';

/** An opening that takes longer goes on alone: changes of the configuration and the stop of the gateway do not wait for it. */
export const OPEN_WAIT_MS = 5000;

/** Which groups are whose. */
export interface Standby {
  /** This gateway serves the ANA group, or is about to. */
  isServed(group: number): boolean;
  /** Images of other groups that may be open. */
  readonly most: number;
}

export interface DeviceOpeningOptions {
  devices: Pick<NamespaceDevices, 'open' | 'awaited'>;
  timers: Timers;
  /** null: everything is opened at once. */
  standby: Standby | null;
  /** The device is open, in ANA group `openedIn`: the namespace can be offered with it. */
  onOpened(record: NamespaceRecord, openedIn: number): void;
  /** Of one that is needed. It is tried again by {@link DeviceOpening.retry} and {@link DeviceOpening.wake}. */
  onFailed(record: NamespaceRecord, error: Error): void;
}

/** A namespace without an open device. Another object when the namespace is another. */
interface Closed {
  /** As the configuration has it now. */
  record: NamespaceRecord;
  /** Why it could not be opened when that was tried last. */
  failure: Error | null;
}

export class DeviceOpening {
  readonly #options: DeviceOpeningOptions;
  /** Resting or being opened, by record key. */
  readonly #closed = new Map<string, Closed>();
  /** Being opened, by record key. */
  readonly #underWay = new Map<string, Promise<void>>();
  /** Former devices that are being closed, by record key. */
  readonly #closing = new Map<string, Promise<void>>();
  #standingBy = false;
  #retrying = false;
  #stopped = false;

  constructor(options: DeviceOpeningOptions) {
    this.#options = options;
  }

  /** New namespaces: resolves when those that are needed are open, or cannot be, or take too long. */
  async come(records: readonly NamespaceRecord[]): Promise<void> {
    if (this.#stopped) return;
    for (const record of records) this.#closed.set(keyOf(record), { record, failure: null });
    const needed = records.filter((record) => this.isNeeded(record)).map(keyOf);
    if (needed.length > 0) await this.#within(OPEN_WAIT_MS, this.#openAll(needed));
  }

  /** The namespace goes. What is under way for it is closed as soon as it is open. */
  go(record: NamespaceRecord): void {
    this.#closed.delete(keyOf(record));
  }

  /** The record of a namespace has changed, perhaps its ANA group. Resolves when its device is open if that is needed. */
  async change(record: NamespaceRecord): Promise<void> {
    const closed = this.#closed.get(keyOf(record));
    if (closed === undefined) return;
    closed.record = record;
    if (this.isNeeded(record)) await this.#open(keyOf(record));
  }

  /** Opens the device of a namespace that somebody asks for. Rejects with BACKEND_FAILED when it cannot be opened in time. */
  async need(record: NamespaceRecord): Promise<void> {
    const key = keyOf(record);
    if (!this.#closed.has(key)) return;
    const opened = await this.#within(
      OPEN_WAIT_MS,
      this.#open(key).then(() => true),
    );
    const closed = this.#closed.get(key);
    if (closed === undefined) return;
    const reason =
      opened === null || closed.failure === null
        ? `not within ${OPEN_WAIT_MS / 1000} s; see that its storage answers (ceph health detail), and try again`
        : closed.failure.message;
    throw new AnagateError(
      'BACKEND_FAILED',
      `the device of namespace ${record.nsid} of ${record.nqn} could not be opened: ${reason}`,
    );
  }

  /** Whether the device of a namespace is to be opened here, or rests. */
  isNeeded({ backend, anaGroupId }: NamespaceRecord): boolean {
    const { standby } = this.#options;
    return standby === null || backend.type !== 'rbd' || standby.isServed(anaGroupId);
  }

  /** Whether the namespace has come and its device is not open. */
  has(record: NamespaceRecord): boolean {
    return this.#closed.has(keyOf(record));
  }

  /** Opens what rests of what is needed by now: ANA groups were taken over. */
  wake(): Promise<void> {
    const needed = [...this.#closed].filter(([, { record }]) => this.isNeeded(record));
    return this.#openAll(needed.map(([key]) => key));
  }

  /** Opens again what could not be opened, as far as it is needed, unless that goes on already. */
  async retry(records: readonly NamespaceRecord[]): Promise<void> {
    if (this.#retrying) return;
    this.#retrying = true;
    await this.#openAll(records.map(keyOf).filter((key) => this.#isIdle(key) && this.#isKeyNeeded(key)));
    this.#retrying = false;
  }

  /** Opens images of other groups until `most` stand by; `standing` do. */
  async standBy(standing: number): Promise<void> {
    const more = (this.#options.standby?.most ?? 0) - standing;
    if (this.#standingBy || more <= 0) return;
    this.#standingBy = true;
    await this.#openAll([...this.#closed.keys()].filter((key) => this.#isIdle(key)).slice(0, more));
    this.#standingBy = false;
  }

  /** The image of a namespace in a group of another gateway is being closed, until `closing`, which never rejects. */
  rest(record: NamespaceRecord, closing: Promise<void>): void {
    const key = keyOf(record);
    const ended = closing.then(() => {
      if (this.#closing.get(key) === ended) this.#closing.delete(key);
    });
    this.#closing.set(key, ended);
    if (!this.#stopped) this.#closed.set(key, { record, failure: null });
  }

  /** Opens nothing more. Resolves when nothing is under way, or that takes too long. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#closed.clear();
    const ends = Promise.all([...this.#underWay.values(), ...this.#closing.values()]);
    await this.#within(LIMITS.stopDrainMs, ends);
  }

  /** One opening at a time for each namespace. Never rejects. */
  #open(key: string): Promise<void> {
    let opening = this.#underWay.get(key);
    if (opening === undefined) {
      opening = this.#openCurrent(key).finally(() => this.#underWay.delete(key));
      this.#underWay.set(key, opening);
    }
    return opening;
  }

  /** Until the device of what the namespace is by then is open, or cannot be. */
  async #openCurrent(key: string): Promise<void> {
    const closing = this.#closing.get(key);
    if (closing !== undefined) await closing;
    let closed = this.#closed.get(key);
    while (closed !== undefined) {
      await this.#openOne(key, closed);
      const now = this.#closed.get(key);
      if (now === closed || !this.#isKeyNeeded(key)) return;
      closed = now;
    }
  }

  async #openOne(key: string, closed: Closed): Promise<void> {
    const { devices, onOpened, onFailed } = this.#options;
    const { record } = closed;
    const isCurrent = (): boolean => this.#closed.get(key) === closed;
    let failure: Error | null = null;
    try {
      await devices.open(record, () => (isCurrent() ? closed.record : null));
    } catch (error) {
      failure = error as Error;
    }
    if (!isCurrent()) return;
    this.#closed.delete(key);
    if (failure === null) {
      onOpened(closed.record, record.anaGroupId);
      return;
    }
    // Last: others shall have their turn before it is tried again.
    this.#closed.set(key, closed);
    closed.failure = failure;
    if (this.isNeeded(closed.record)) onFailed(closed.record, failure);
  }

  #isKeyNeeded(key: string): boolean {
    const closed = this.#closed.get(key);
    return closed !== undefined && this.isNeeded(closed.record);
  }

  #isIdle(key: string): boolean {
    return this.#closed.has(key) && !this.#underWay.has(key);
  }

  /** Several at a time, those first that hosts wait for, and only what still rests when its turn comes. */
  async #openAll(keys: readonly string[]): Promise<void> {
    const { devices } = this.#options;
    const waiting = new Set(keys);
    const next = (): string | undefined => {
      const [first] = waiting;
      const key = devices.awaited((awaited) => waiting.has(awaited)) ?? first;
      if (key !== undefined) waiting.delete(key);
      return key;
    };
    const worker = async (): Promise<void> => {
      for (let key = next(); key !== undefined; key = next())
        if (this.#closed.has(key)) await this.#within(OPEN_WAIT_MS, this.#open(key));
    };
    await Promise.all(Array.from({ length: LIMITS.maxParallelBackendOpens }, worker));
  }

  #within<T>(ms: number, work: Promise<T>): Promise<T | null> {
    return within(ms, this.#options.timers, work);
  }
}
