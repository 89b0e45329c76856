/**
 * Requests about namespaces: planned against the configuration, made ready, committed. One at a time with all others of the
 * gateway, which lends its {@link NamespaceRequestsOptions.mutate}.
 */
import type { BlockDevice } from '../base/block-device.ts';
import type { Log } from '../base/log.ts';
import { LIMITS } from '../limits.ts';
import type { MonitorClient } from '../monitor/monitor-client.ts';
import type { ConfigChange, ConfigSnapshot } from '../store/store.ts';
import { type Configuration, setRecord } from './configuration/configuration.ts';
import type { QosLimits } from './configuration/records.ts';
import { imagePathOf, type NamespaceRecord } from './configuration/records.ts';
import { usesBacking } from './configuration/shared-backing.ts';
import type { NamespaceInfo } from './gateway-api.ts';
import type { Listing } from './listing.ts';
import type { Homes } from './plans/homes.ts';
import {
  chooseAnaGroup,
  findNamespace,
  planAddNamespace,
  planChangeLocation,
  planImageTreatment,
  planRefreshSize,
  planResize,
} from './plans/namespaces.ts';
import { planSetQos } from './plans/qos.ts';
import type { ImageTreatment, NamespaceSpec } from './plans/requests.ts';
import { refuse } from './plans/validation.ts';
import {
  planAddNamespaceHost,
  planChangeVisibility,
  planDeleteNamespace,
  planDeleteNamespaceHost,
} from './plans/visibility.ts';
import type { GroupBackends } from './serving/backends.ts';
import type { NamespaceDevices } from './serving/namespace-devices.ts';

export interface NamespaceRequestsOptions {
  config: Configuration;
  devices: NamespaceDevices;
  listing: Listing;
  groups: Pick<GroupBackends, 'trash'>;
  monitor: Pick<MonitorClient, 'homeGroups' | 'homeLocations'>;
  /** Opens the namespace's device if it rests, see {@link TargetApplier.need}. */
  open(record: NamespaceRecord): Promise<void>;
  /** Whether this gateway serves the ANA group. */
  serves(group: number): boolean;
  /** Runs a request when its turn has come, and again when another writer was faster. */
  mutate<T>(request: () => Promise<T>): Promise<T>;
  /** Commits and applies; `undo` takes back what was made ready, see Gateway. */
  commit(
    changes: readonly ConfigChange[],
    undo?: (now: ConfigSnapshot | null) => Promise<void>,
  ): Promise<void>;
  newUuid(): string;
  log: Log;
}

/** The methods are those of {@link GatewayApi}. */
export class NamespaceRequests {
  readonly #options: NamespaceRequestsOptions;

  constructor(options: NamespaceRequestsOptions) {
    this.#options = options;
  }

  add(spec: NamespaceSpec): Promise<NamespaceInfo> {
    const { config, devices, listing, newUuid, mutate, commit } = this.#options;
    return mutate(async () => {
      const plan = planAddNamespace(config, spec, { newUuid, homes: this.#homes() });
      const create = spec.backend.type !== 'memory' && (spec.backend.create ?? false);
      const { record, undo } = await devices.create(plan, create, spec.force ?? false);
      await commit([setRecord(record)], (now) =>
        // Somebody else may have found what was made here, and use it now.
        undo(now === null || usesBacking(now, record.backend)),
      );
      return listing.namespace(record);
    });
  }

  delete(nqn: string, nsid: number, trash: boolean): Promise<void> {
    const { config, groups, mutate, commit } = this.#options;
    return mutate(async () => {
      const record = findNamespace(config, nqn, nsid);
      const { backend, anaGroupId } = record;
      const trashes = backend.type === 'rbd' && backend.trashOnDelete;
      if (trashes && !trash) {
        refuse(
          'INVALID_ARGUMENT',
          `this would move image ${imagePathOf(backend)} to the trash; say that you are sure (--i-am-sure)`,
        );
      }
      await commit(planDeleteNamespace(config, record));
      if (trashes) await groups.trash(backend, anaGroupId);
    });
  }

  resize(nqn: string, nsid: number, sizeBytes: number): Promise<NamespaceInfo> {
    const { config, listing, mutate, commit } = this.#options;
    let grown = false;
    return mutate(async () => {
      const before = findNamespace(config, nqn, nsid);
      // The owner of its group was faster to see that the device grew.
      if (grown && before.sizeBytes === sizeBytes) return listing.namespace(before);
      const record = planResize(before, sizeBytes);
      const device = await this.#requireDevice(before);
      // The device first: one that is larger than the record says does no harm, should this end here.
      if (device.sizeBytes < sizeBytes) await device.resize(sizeBytes);
      grown = true;
      await commit([setRecord(record)]);
      return listing.namespace(record);
    });
  }

  changeAnaGroup(nqn: string, nsid: number, anaGroupId: number): Promise<void> {
    return this.#change((config) => {
      const before = findNamespace(config, nqn, nsid);
      const group = chooseAnaGroup(config, anaGroupId, this.#homes(), before.location);
      return group === before.anaGroupId ? [] : [setRecord({ ...before, anaGroupId: group })];
    });
  }

  changeLocation(nqn: string, nsid: number, location: string): Promise<void> {
    return this.#change((config) => {
      const before = findNamespace(config, nqn, nsid);
      if (location === (before.location ?? '')) return [];
      return [setRecord(planChangeLocation(before, location, this.#homes()))];
    });
  }

  refreshSize(nqn: string, nsid: number): Promise<NamespaceInfo> {
    const { config, listing, mutate, commit } = this.#options;
    return mutate(async () => {
      const before = findNamespace(config, nqn, nsid);
      if (before.backend.type !== 'rbd')
        refuse('INVALID_ARGUMENT', `namespace ${nsid} of ${nqn} is not on an image`);
      const device = await this.#requireDevice(before);
      await device.readSize?.();
      const record = planRefreshSize(before, device.sizeBytes);
      if (record.sizeBytes !== before.sizeBytes) await commit([setRecord(record)]);
      return listing.namespace(record);
    });
  }

  changeImageTreatment(nqn: string, nsid: number, treatment: ImageTreatment): Promise<void> {
    return this.#change((config) => [
      setRecord(planImageTreatment(findNamespace(config, nqn, nsid), treatment)),
    ]);
  }

  changeVisibility(nqn: string, nsid: number, autoVisible: boolean, force: boolean): Promise<void> {
    const { listing } = this.#options;
    return this.#change((config) =>
      planChangeVisibility(config, nqn, nsid, autoVisible, force, listing.hostsOfGroup(nqn)),
    );
  }

  addHost(nqn: string, nsid: number, hostNqn: string, force: boolean): Promise<void> {
    return this.#change((config) => planAddNamespaceHost(config, nqn, nsid, hostNqn, force));
  }

  deleteHost(nqn: string, nsid: number, hostNqn: string): Promise<void> {
    return this.#change((config) => planDeleteNamespaceHost(config, nqn, nsid, hostNqn));
  }

  setQosLimits(nqn: string, nsid: number, limits: Partial<QosLimits>): Promise<void> {
    return this.#change((config) => planSetQos(config, nqn, nsid, limits));
  }

  /** Namespaces grow with their images, unless they are not to. The owner of an ANA group says it for all. */
  followSizes(): void {
    if (this.#grown().length === 0) return;
    this.#change(() => this.#grown().map(setRecord)).catch((err: unknown) => {
      this.#options.log.error({ err }, 'the new size of an image could not be taken over');
    });
  }

  /** Records as they should be, of images that are larger than theirs say. */
  #grown(): NamespaceRecord[] {
    const { config, devices, serves } = this.#options;
    const grown: NamespaceRecord[] = [];
    for (const record of config.namespaces()) {
      if (record.backend.type !== 'rbd' || record.disableAutoResize) continue;
      if (!serves(record.anaGroupId)) continue;
      const { sizeBytes: bytes = 0 } = devices.get(record) ?? {};
      const sizeBytes = Math.min(bytes - (bytes % record.blockSize), LIMITS.maxNamespaceBytes);
      if (sizeBytes > record.sizeBytes) grown.push({ ...record, sizeBytes });
    }
    return grown;
  }

  /** A request that needs nothing made ready. */
  #change(plan: (config: Configuration) => ConfigChange[]): Promise<void> {
    const { config, mutate, commit } = this.#options;
    return mutate(async () => {
      const changes = plan(config);
      if (changes.length > 0) await commit(changes);
    });
  }

  #homes(): Homes {
    const { monitor } = this.#options;
    return { groups: monitor.homeGroups(), locations: monitor.homeLocations() };
  }

  async #requireDevice(record: NamespaceRecord): Promise<BlockDevice> {
    await this.#options.open(record);
    const device = this.#options.devices.get(record);
    return (
      device ??
      refuse('BACKEND_FAILED', `namespace ${record.nsid} of ${record.nqn} has no open device; see the log`)
    );
  }
}
