/**
 * When the devices behind namespaces are opened. What this gateway serves is opened at once. An image in an ANA group that
 * another gateway serves costs memory and time as well, so only so many of those stand by open, to be taken over quickly; the
 * others rest, nothing but their record, until their group is taken over.
 */
import { LIMITS } from '../limits.ts';
import type { NamespaceDevices } from './namespace-devices.ts';
import { keyOf, type NamespaceRecord } from './records.ts';

/** Which groups are whose. */
export interface Standby {
  /** This gateway serves the ANA group, or is about to. */
  isServed(group: number): boolean;
  /** Images of other groups that may be open. */
  readonly most: number;
}

export interface DeviceOpeningOptions {
  devices: Pick<NamespaceDevices, 'open' | 'awaited'>;
  /** null: everything is opened at once. */
  standby: Standby | null;
  /** The device is open: the namespace can be offered with it. */
  onOpened(record: NamespaceRecord): void;
  onFailed(record: NamespaceRecord, error: Error): void;
}

export class DeviceOpening {
  readonly #options: DeviceOpeningOptions;
  /** Not open, by record key. */
  readonly #resting = new Map<string, NamespaceRecord>();
  /** Being opened, by record key. */
  readonly #underWay = new Map<string, Promise<void>>();
  #standingBy = false;
  #stopped = false;

  constructor(options: DeviceOpeningOptions) {
    this.#options = options;
  }

  /** New namespaces: resolves when those that are needed are open, or cannot be. */
  async come(records: readonly NamespaceRecord[]): Promise<void> {
    for (const record of records) this.#resting.set(keyOf(record), record);
    await this.#openAll(records.filter((record) => this.#isNeeded(record)));
  }

  /** The namespace goes. Resolves when nothing is under way for it. */
  async go(record: NamespaceRecord): Promise<void> {
    this.#resting.delete(keyOf(record));
    await this.#underWay.get(keyOf(record));
  }

  /** The record of a namespace has changed, perhaps its ANA group. Resolves when its device is open if that is needed. */
  async change(record: NamespaceRecord): Promise<void> {
    const key = keyOf(record);
    if (this.#resting.has(key)) this.#resting.set(key, record);
    if (this.#isNeeded(record)) await this.need(record);
    else await this.#underWay.get(key);
  }

  /** Opens the device of a namespace that somebody asks for. */
  async need(record: NamespaceRecord): Promise<void> {
    if (this.#resting.has(keyOf(record))) await this.open(record);
    else await this.#underWay.get(keyOf(record));
  }

  /** Opens what rests of what is needed by now: ANA groups were taken over. */
  wake(): Promise<void> {
    return this.#openAll([...this.#resting.values()].filter((record) => this.#isNeeded(record)));
  }

  /** Opens images of other groups until `most` stand by; `standing` do. */
  async standBy(standing: number): Promise<void> {
    const more = (this.#options.standby?.most ?? 0) - standing;
    if (this.#standingBy || more <= 0) return;
    this.#standingBy = true;
    await this.#openAll([...this.#resting.values()].slice(0, more));
    this.#standingBy = false;
  }

  /** The image of a namespace in a group of another gateway was closed. */
  rest(record: NamespaceRecord): void {
    if (!this.#stopped) this.#resting.set(keyOf(record), record);
  }

  /** Opens nothing more. Resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#resting.clear();
    await Promise.all(this.#underWay.values());
  }

  /** Never rejects. */
  open(record: NamespaceRecord): Promise<void> {
    const key = keyOf(record);
    let opening = this.#underWay.get(key);
    if (opening === undefined) {
      this.#resting.delete(key);
      opening = this.#open(record).finally(() => this.#underWay.delete(key));
      this.#underWay.set(key, opening);
    }
    return opening;
  }

  async #open(record: NamespaceRecord): Promise<void> {
    const { devices, onOpened, onFailed } = this.#options;
    try {
      await devices.open(record);
    } catch (error) {
      onFailed(record, error as Error);
      return;
    }
    onOpened(record);
  }

  #isNeeded({ backend, anaGroupId }: NamespaceRecord): boolean {
    const { standby } = this.#options;
    return standby === null || backend.type !== 'rbd' || standby.isServed(anaGroupId);
  }

  /** Several at a time, those first that hosts wait for, and only what still rests when its turn comes. */
  async #openAll(records: readonly NamespaceRecord[]): Promise<void> {
    const { devices } = this.#options;
    const waiting = new Set(records.map(keyOf));
    const next = (): string | undefined => {
      const [first] = waiting;
      const key = devices.awaited((awaited) => waiting.has(awaited)) ?? first;
      if (key !== undefined) waiting.delete(key);
      return key;
    };
    const worker = async (): Promise<void> => {
      for (let key = next(); key !== undefined; key = next()) {
        const record = this.#resting.get(key);
        if (record !== undefined) await this.open(record);
      }
    };
    await Promise.all(Array.from({ length: LIMITS.maxParallelBackendOpens }, worker));
  }
}
