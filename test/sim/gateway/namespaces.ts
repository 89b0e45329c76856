/** The namespaces of a gateway: the product's own way from records of the configuration to what the target offers. */
import type { RbdBackend } from '../../../src/backend/rbd/rbd-backend.ts';
import type { Log } from '../../../src/base/log.ts';
import type { RecordChange } from '../../../src/gateway/configuration/configuration.ts';
import type { NamespaceRecord, RbdRecord } from '../../../src/gateway/configuration/records.ts';
import type { GroupBackends } from '../../../src/gateway/serving/backends.ts';
import type { Listeners } from '../../../src/gateway/serving/listeners.ts';
import { NamespaceDevices } from '../../../src/gateway/serving/namespace-devices.ts';
import { TargetApplier } from '../../../src/gateway/serving/target-applier.ts';
import type { Target } from '../../../src/target/target.ts';
import type { SimProcess } from '../engine/process.ts';

const RETRY_MS = 5000;

/** What the gateways of the group have configured: the same for all, though not all know it at the same time. */
export interface Configuration {
  readonly nqn: string;
  readonly maxGroups: number;
  /** As of now. */
  namespaces(): readonly NamespaceRecord[];
}

export interface NamespacesOptions {
  readonly process: SimProcess;
  readonly configuration: Configuration;
  readonly target: Target;
  readonly rbd: RbdBackend;
  readonly groups: GroupBackends;
  readonly log: Log;
  /** These groups exist, before namespaces of them are offered. */
  onGroups(groups: readonly number[]): void;
}

export class Namespaces {
  readonly #options: NamespacesOptions;
  readonly #devices: NamespaceDevices;
  readonly #applier: TargetApplier;
  /** By namespace id. */
  #known: ReadonlyMap<number, NamespaceRecord> = new Map();
  /** End of the change under way. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: NamespacesOptions) {
    const { process, target, rbd, groups, log } = options;
    this.#options = options;
    this.#devices = new NamespaceDevices(
      ({ backend, anaGroupId: groupId, readOnly }) => {
        const { pool, image } = backend as RbdRecord;
        return rbd.open({ name: { pool, radosNamespace: '', image }, groupId, readOnly });
      },
      [],
      process,
      log,
      () => {},
    );
    // no listener is configured: hosts of the simulation know their way
    const listeners = null as unknown as Listeners;
    this.#applier = new TargetApplier({
      target,
      devices: this.#devices,
      listeners,
      isOurs: () => true,
      visibleTo: () => null,
      qosOf: () => undefined,
      groups,
      log,
    });
  }

  /** ANA groups that have namespaces. */
  get groups(): number[] {
    return [...new Set([...this.#known.values()].map(({ anaGroupId }) => anaGroupId))];
  }

  /** Offers everything. */
  async start(): Promise<void> {
    const { nqn } = this.#options.configuration;
    await this.#applier.apply([
      { before: null, after: { kind: 'subsystem', nqn, serial: 'SIM', maxNamespaces: 64 } },
      { before: null, after: { kind: 'host', nqn, hostNqn: '*' } },
    ]);
    await this.follow();
    this.#options.process.after(RETRY_MS, () => this.#retry());
  }

  /** The configuration has changed. */
  follow(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#follow());
    return this.#turn;
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#devices.closeAll();
  }

  async #follow(): Promise<void> {
    const records = this.#options.configuration.namespaces();
    const changes: RecordChange[] = records
      .map((after) => ({ before: this.#known.get(after.nsid) ?? null, after }))
      .filter(({ before, after }) => before?.anaGroupId !== after.anaGroupId);
    this.#known = new Map(records.map((record) => [record.nsid, record]));
    this.#options.onGroups(this.groups);
    await this.#applier.apply(changes);
  }

  #retry(): void {
    this.#options.process.after(RETRY_MS, () => this.#retry());
    this.#turn = this.#turn.then(async () => {
      await this.#follow();
      if (this.#applier.troubles.length > 0) await this.#applier.retry();
    });
  }
}
