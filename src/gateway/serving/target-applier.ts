/**
 * Makes the target offer what the configuration says, change by change. At start the whole configuration is one change.
 *
 * What cannot be had at the moment (a file that is missing, an address that is not there) does not stop the rest: it is
 * logged, remembered and tried again by {@link TargetApplier.retry}. A namespace whose device is missing is offered all
 * the same and its I/O waits: a host that found it gone would take its disk away under a mounted file system.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BlockDevice } from '../../base/block-device.ts';
import type { Log } from '../../base/log.ts';
import { LIMITS } from '../../limits.ts';
import { limitNamespace } from '../../target/io/io-limiter.ts';
import type { Subsystem } from '../../target/subsystem.ts';
import type { Target } from '../../target/target.ts';
import { formatNguid, nguidOfUuid } from '../../wire/uuid.ts';
import type { Configuration, RecordChange } from '../configuration/configuration.ts';
import type { QosLimits } from '../configuration/records.ts';
import {
  type ConfigRecord,
  type HostRecord,
  keyOf,
  type ListenerRecord,
  type NamespaceRecord,
} from '../configuration/records.ts';
import { isSameDisk } from '../configuration/same-disk.ts';
import { toIoLimits } from '../plans/qos.ts';
import type { GroupBackends } from './backends.ts';
import { DeviceOpening, type Standby } from './device-opening.ts';
import type { Listeners } from './listeners.ts';
import type { NamespaceDevices } from './namespace-devices.ts';

/** MN of every controller. */
export const MODEL = 'Anagate NVMe/TCP';

/** PORTIDs from here on are no gateway's own, see Gateway's #makePort. */
const REMOTE_PORT_IDS = LIMITS.maxSlots * LIMITS.maxListenAddresses;

/** Changes that are applied in one turn of the event loop: a few milliseconds. */
const CHANGES_PER_TURN = 256;

/** Images that one round of {@link TargetApplier.keepStandby} closes: all at the same time. */
const CLOSED_AT_ONCE = 64;

export interface TargetApplierOptions {
  target: Target;
  devices: NamespaceDevices;
  listeners: Listeners;
  /** Whether this gateway has to listen. */
  isOurs: (record: ListenerRecord) => boolean;
  groups: Pick<GroupBackends, 'move'>;
  /** See {@link Configuration.visibleTo}; of the configuration once all changes are made. */
  visibleTo: Configuration['visibleTo'];
  /** Absent: all devices are opened at once. */
  standby?: Standby;
  /** The limits of a namespace, if it has any; of the same. */
  qosOf(nqn: string, nsid: number): QosLimits | undefined;
  log: Log;
}

/** Something that the configuration says and that could not be done. */
export interface Trouble {
  record: NamespaceRecord | ListenerRecord;
  error: Error;
}

export class TargetApplier {
  readonly #options: TargetApplierOptions;
  readonly #troubles = new Map<string, Trouble>();
  readonly #opening: DeviceOpening;

  constructor(options: TargetApplierOptions) {
    this.#options = options;
    this.#opening = new DeviceOpening({
      devices: options.devices,
      timers: options.devices.timers,
      standby: options.standby ?? null,
      onOpened: (record, openedIn) => {
        this.#settle(record);
        this.#replaceStandIn(record);
        if (openedIn !== record.anaGroupId) this.#moveDevice(record);
      },
      onFailed: (record, error) => this.#report(record, error),
    });
  }

  /** What is configured but not offered at the moment. */
  get troubles(): readonly Trouble[] {
    return [...this.#troubles.values()];
  }

  /** Applies changes in their order, see Configuration.follow. Never rejects. */
  async apply(changes: readonly RecordChange[]): Promise<void> {
    const going = new Set(changes.map(({ before }) => before && keyOf(before)));
    // Of a namespace that goes and comes anew the old device has to go first.
    await this.#openDevices(changes.filter(({ after }) => after !== null && !going.has(keyOf(after))));
    for (const [i, { before, after }] of changes.entries()) {
      // Thousands of changes do not hold up I/O.
      if (i % CHANGES_PER_TURN === CHANGES_PER_TURN - 1) await nextTurn();
      if (after === null) await this.#remove(before!);
      else if (before === null) await this.#add(after);
      else await this.#change(before, after);
    }
    await this.#openDevices(changes);
  }

  /** Tries again what could not be done. Does not wait for devices. */
  async retry(): Promise<void> {
    const needed: NamespaceRecord[] = [];
    for (const { record } of this.troubles) {
      if (record.kind === 'listener') await this.#add(record);
      else if (this.#opening.isNeeded(record)) needed.push(record);
      // Another gateway's by now: it rests.
      else this.#troubles.delete(keyOf(record));
    }
    void this.#opening.retry(needed);
  }

  /** The addresses of this node are others now: listeners may have become this gateway's, or another's. */
  async readdress(records: Iterable<ListenerRecord>): Promise<void> {
    const { isOurs, listeners } = this.#options;
    for (const record of [...records]) {
      // What could not be opened is tried again anyway.
      if (isOurs(record) === listeners.isOpen(record) || this.#troubles.has(keyOf(record))) continue;
      await this.#remove(record);
      await this.#add(record);
    }
  }

  /** Opens what is needed since ANA groups were taken over. */
  wake(): Promise<void> {
    return this.#opening.wake();
  }

  /** Opens the device of a namespace that somebody asks for. */
  need(record: NamespaceRecord): Promise<void> {
    return this.#opening.need(record);
  }

  /** Closes images of other gateways' groups, or begins to open some, until as many stand by as may be. */
  keepStandby(records: Iterable<NamespaceRecord>): void {
    const { standby, devices } = this.#options;
    if (standby === undefined) return;
    const standing = [...records].filter(
      (record) =>
        record.backend.type === 'rbd' &&
        !standby.isServed(record.anaGroupId) &&
        devices.get(record) !== undefined,
    );
    for (const record of standing.slice(standby.most).slice(0, CLOSED_AT_ONCE)) this.#rest(record);
    void this.#opening.standBy(standing.length);
  }

  #rest(record: NamespaceRecord): void {
    const { devices } = this.#options;
    const offered = this.#subsystem(record).namespaces.get(record.nsid);
    if (offered === undefined) return;
    const close = devices.takeOut(record);
    offered.device = devices.standIn(record);
    this.#opening.rest(record, close());
  }

  /** Opens nothing more; resolves when nothing is under way, or that takes too long. */
  stop(): Promise<void> {
    return this.#opening.stop();
  }

  // ---- one record ----

  async #add(record: ConfigRecord): Promise<void> {
    const { target } = this.#options;
    switch (record.kind) {
      case 'subsystem':
        target.addSubsystem({
          nqn: record.nqn,
          serial: record.serial,
          model: MODEL,
          maxNamespaces: record.maxNamespaces,
        });
        return;
      case 'key-subsystem':
        // Its hosts have keys: see host.
        return;
      case 'host':
        this.#admit(record);
        return;
      case 'namespace':
        this.#addNamespace(record);
        return;
      case 'ns-host':
        this.#showNamespace(record);
        return;
      case 'qos':
        this.#limitNamespace(record);
        return;
      case 'listener':
        await this.#openListener(record);
    }
  }

  async #remove(record: ConfigRecord): Promise<void> {
    const { target, devices, listeners } = this.#options;
    switch (record.kind) {
      case 'subsystem':
        target.removeSubsystem(record.nqn);
        return;
      case 'key-subsystem':
        return;
      case 'host':
        this.#subsystem(record).disallowHost(record.hostNqn);
        return;
      case 'namespace':
        this.#subsystem(record).removeNamespace(record.nsid);
        this.#opening.go(record);
        this.#troubles.delete(keyOf(record));
        await devices.close(record);
        return;
      case 'ns-host':
        this.#showNamespace(record);
        return;
      case 'qos':
        this.#limitNamespace(record);
        return;
      case 'listener':
        this.#troubles.delete(keyOf(record));
        target.remotePorts.withdraw(keyOf(record));
        await listeners.close(record);
    }
  }

  async #change(before: ConfigRecord, after: ConfigRecord): Promise<void> {
    if (before.kind === 'namespace' && after.kind === 'namespace' && isSameDisk(before, after)) {
      this.#changeNamespace(after);
      void this.#opening.change(after);
      if (before.anaGroupId !== after.anaGroupId) this.#moveDevice(after);
      return;
    }
    if (after.kind === 'qos') {
      this.#limitNamespace(after);
      return;
    }
    if (after.kind === 'host' || after.kind === 'key-subsystem') {
      await this.#add(after);
      return;
    }
    await this.#remove(before);
    await this.#add(after);
  }

  #admit(record: HostRecord): void {
    const subsystem = this.#subsystem(record);
    if (record.removed) subsystem.disallowHost(record.hostNqn, true);
    else subsystem.allowHost(record.hostNqn, record.psk !== undefined || record.dhchapKey !== undefined);
  }

  // ---- namespaces ----

  /** Opens what new namespaces need. Those that a request has opened are open already. */
  async #openDevices(changes: readonly RecordChange[]): Promise<void> {
    const { devices } = this.#options;
    const coming: NamespaceRecord[] = [];
    for (const { after } of changes) {
      if (after?.kind !== 'namespace') continue;
      if (devices.get(after) === undefined && !this.#opening.has(after)) coming.push(after);
    }
    await this.#opening.come(coming);
  }

  #addNamespace(record: NamespaceRecord): void {
    const { devices } = this.#options;
    if (this.#replaceStandIn(record)) return;
    this.#offer(record, devices.get(record) ?? devices.standIn(record));
  }

  /** Of a namespace that is offered; returns false when it is not. */
  #replaceStandIn(record: NamespaceRecord): boolean {
    const offered = this.#options.target.subsystems.get(record.nqn)?.namespaces.get(record.nsid);
    if (offered === undefined) return false;
    offered.device = this.#options.devices.get(record) ?? offered.device;
    return true;
  }

  #offer(record: NamespaceRecord, device: BlockDevice): void {
    const { nqn, nsid, uuid, anaGroupId, blockSize, sizeBytes, readOnly } = record;
    const visibleTo = this.#options.visibleTo(nqn, nsid) ?? null;
    const nguid = formatNguid(nguidOfUuid(uuid)!);
    this.#subsystem(record).addNamespace(
      { nsid, uuid, nguid, anaGroupId, blockSize, sizeBytes, readOnly, visibleTo },
      device,
    );
    this.#limitNamespace(record);
  }

  /** At once, also for commands that wait. A namespace that comes later, or anew, has its limits from the beginning. */
  #limitNamespace({ nqn, nsid }: { nqn: string; nsid: number }): void {
    const { target, qosOf } = this.#options;
    const qos = qosOf(nqn, nsid);
    const namespace = target.subsystems.get(nqn)?.namespaces.get(nsid);
    if (namespace !== undefined)
      limitNamespace(namespace, qos === undefined ? null : toIoLimits(qos), target);
  }

  #changeNamespace(after: NamespaceRecord): void {
    const trouble = this.#troubles.get(keyOf(after));
    if (trouble !== undefined) this.#troubles.set(keyOf(after), { ...trouble, record: after });
    const subsystem = this.#subsystem(after);
    subsystem.changeAnaGroup(after.nsid, after.anaGroupId);
    subsystem.resizeNamespace(after.nsid, after.sizeBytes);
    this.#showNamespace(after);
  }

  /** To whom the configuration says, in one step however many records that changed. */
  #showNamespace({ nqn, nsid }: { nqn: string; nsid: number }): void {
    const { target, visibleTo } = this.#options;
    const hosts = visibleTo(nqn, nsid);
    if (hosts !== undefined) target.subsystems.get(nqn)!.setVisibility(nsid, hosts);
  }

  /** Not waited for: an image whose I/O does not end stays behind alone, and its I/O waits. */
  #moveDevice(record: NamespaceRecord): void {
    const { devices, groups, log } = this.#options;
    const device = devices.get(record);
    if (device === undefined) return;
    groups.move(device, record.anaGroupId).catch((err: unknown) => {
      log.error({ ...describe(record), err }, 'the image stays with the client of its former ANA group');
    });
  }

  // ---- listeners ----

  async #openListener(record: ListenerRecord): Promise<void> {
    if (!this.#options.isOurs(record)) {
      this.#troubles.delete(keyOf(record));
      this.#listRemote(record);
      return;
    }
    try {
      await this.#options.listeners.open(record, this.#subsystem(record));
      this.#settle(record);
    } catch (error) {
      this.#report(record, error as Error);
    }
  }

  /** Another gateway's: hosts that ask here learn of it. */
  #listRemote(record: ListenerRecord): void {
    const { traddr, adrfam } = record;
    // What a wildcard stands for is known there only.
    if (traddr === '0.0.0.0' || traddr === '::') return;
    const { remotePorts } = this.#options.target;
    const trsvcid = String(record.trsvcid);
    const portId = remotePorts.portIdFor(traddr, trsvcid, REMOTE_PORT_IDS);
    remotePorts.offer(keyOf(record), this.#subsystem(record), { portId, adrfam, traddr, trsvcid });
  }

  // ---- trouble ----

  #report(record: NamespaceRecord | ListenerRecord, error: Error): void {
    const known = this.#troubles.get(keyOf(record));
    this.#troubles.set(keyOf(record), { record, error });
    if (known?.error.message === error.message) return;
    this.#options.log.error(describe(record), `${nameOf(record)} is not served: ${error.message}`);
  }

  #settle(record: NamespaceRecord | ListenerRecord): void {
    if (!this.#troubles.delete(keyOf(record))) return;
    this.#options.log.info(describe(record), `${nameOf(record)} is served again`);
  }

  #subsystem(record: Exclude<ConfigRecord, { kind: 'subsystem' }> | HostRecord): Subsystem {
    return this.#options.target.subsystems.get(record.nqn)!;
  }
}

function nameOf(record: NamespaceRecord | ListenerRecord): string {
  return record.kind === 'namespace'
    ? `namespace ${record.nsid}`
    : `listener ${record.traddr}:${record.trsvcid}`;
}

function describe(record: NamespaceRecord | ListenerRecord): Record<string, unknown> {
  return record.kind === 'namespace'
    ? { subsystemNqn: record.nqn, nsid: record.nsid }
    : { subsystemNqn: record.nqn, address: record.traddr, port: record.trsvcid };
}
