/** Requests about namespaces -> the record to commit. Pure, as subsystem-plans.ts. */
import { LIMITS } from '../../limits.ts';
import type { Configuration, SubsystemConfig } from '../configuration/configuration.ts';
import {
  type BackendRecord,
  imagePathOf,
  type NamespaceRecord,
  type RbdRecord,
} from '../configuration/records.ts';
import { type Homes, homesAt } from './homes.ts';
import type { ImageTreatment, NamespaceSpec, RbdSpec } from './requests.ts';
import {
  refuse,
  requireAnaGroup,
  requireBlockSize,
  requireFilePath,
  requireImageName,
  requireNsid,
  requireSize,
  requireUuid,
} from './validation.ts';

/** What a plan for a new namespace needs besides the configuration. */
export interface NamespacePlanContext {
  newUuid(): string;
  homes: Homes;
}

/** A namespace as planned; its size may not be known before its backend is open. */
export type NamespacePlan = Omit<NamespaceRecord, 'sizeBytes'> & { readonly sizeBytes?: number };

export function planAddNamespace(
  config: Configuration,
  spec: NamespaceSpec,
  context: NamespacePlanContext,
): NamespacePlan {
  const subsystem = config.subsystem(spec.nqn);
  const { blockSize = 512 } = spec;
  requireBlockSize(blockSize);
  if (spec.sizeBytes !== undefined) requireSize(spec.sizeBytes, blockSize);
  if (config.namespaceCount() >= config.limits.maxNamespaces) {
    refuse(
      'LIMIT_EXCEEDED',
      `there are ${config.limits.maxNamespaces} namespaces already, which is the limit`,
    );
  }
  const { location = '' } = spec;
  requireLocation(location, context.homes);
  const nsid = spec.nsid ?? lowestFreeNsid(subsystem);
  requireNsid(nsid, subsystem.record.maxNamespaces);
  if (subsystem.namespaces.has(nsid)) {
    refuse('NAMESPACE_EXISTS', `subsystem ${spec.nqn} has a namespace ${nsid} already`);
  }
  return {
    kind: 'namespace',
    nqn: spec.nqn,
    nsid,
    uuid: uniqueUuid(config, spec.uuid, context),
    anaGroupId: chooseAnaGroup(config, spec.anaGroupId ?? 0, context.homes, location),
    blockSize,
    readOnly: spec.readOnly ?? false,
    ...(spec.disableAutoResize && { disableAutoResize: true }),
    ...(spec.noAutoVisible && { noAutoVisible: true }),
    ...(location !== '' && { location }),
    backend: backendRecord(config, spec),
    ...(spec.sizeBytes !== undefined && { sizeBytes: spec.sizeBytes }),
  };
}

function lowestFreeNsid(subsystem: SubsystemConfig): number {
  const { maxNamespaces, nqn } = subsystem.record;
  if (subsystem.namespaces.size >= maxNamespaces) {
    refuse('LIMIT_EXCEEDED', `subsystem ${nqn} has ${maxNamespaces} namespaces already, which is its limit`);
  }
  let nsid = 1;
  while (subsystem.namespaces.has(nsid)) nsid += 1;
  return nsid;
}

/** Hosts take two namespaces with one UUID for two paths to one disk, so it must be unique everywhere. */
function uniqueUuid(config: Configuration, asked: string | undefined, context: NamespacePlanContext): string {
  const uuid = (asked ?? context.newUuid()).toLowerCase();
  requireUuid(uuid);
  for (const other of config.namespaces()) {
    if (other.uuid === uuid) {
      refuse('UUID_IN_USE', `UUID ${uuid} is in use by namespace ${other.nsid} of ${other.nqn}`);
    }
  }
  return uuid;
}

function backendRecord(
  config: Configuration,
  { backend: spec, sizeBytes, force }: NamespaceSpec,
): BackendRecord {
  switch (spec.type) {
    case 'file':
      requireFilePath(spec.path);
      return { type: 'file', path: spec.path };
    case 'memory':
      if (sizeBytes === undefined) refuse('SIZE_INVALID', 'a namespace in memory needs a size');
      return { type: 'memory' };
    case 'rbd':
      if (!force) refuseUsedImage(config, spec);
      return rbdRecord(spec);
  }
}

function rbdRecord({ pool, image, radosNamespace = '', dataPool, trashOnDelete }: RbdSpec): RbdRecord {
  requireImageName('pool', pool);
  requireImageName('image', image);
  if (radosNamespace !== '') requireImageName('RADOS namespace', radosNamespace);
  if (dataPool !== undefined) requireImageName('data pool', dataPool);
  return {
    type: 'rbd',
    pool,
    image,
    ...(radosNamespace !== '' && { radosNamespace }),
    ...(dataPool !== undefined && { dataPool }),
    ...(trashOnDelete && { trashOnDelete }),
  };
}

/** By the configuration, not by what is open: the other namespace may be another gateway's. */
function refuseUsedImage(config: Configuration, { pool, image, radosNamespace = '' }: RbdSpec): void {
  for (const { backend, nsid, nqn } of config.namespaces()) {
    if (backend.type !== 'rbd' || backend.pool !== pool || backend.image !== image) continue;
    if ((backend.radosNamespace ?? '') !== radosNamespace) continue;
    refuse(
      'IMAGE_IN_USE',
      `image ${imagePathOf(backend)} is in use by namespace ${nsid} of ${nqn}; two would overwrite each other's data`,
    );
  }
}

/**
 * `asked` 0: the home group at the location with the fewest namespaces, the lowest of several. Any other has to be at the
 * location: the rebalancer would move the namespace back.
 */
export function chooseAnaGroup(config: Configuration, asked: number, homes: Homes, location = ''): number {
  const suitable = homesAt(location, homes);
  if (asked !== 0) {
    requireAnaGroup(asked);
    if (suitable.length < homes.groups.length && !suitable.includes(asked)) {
      refuse(
        'INVALID_ARGUMENT',
        `load balancing group ${asked} is not at location "${location}" of the namespace, as ${suitable.join(', ')} are; ` +
          'choose one of these, or change the location first',
      );
    }
    return asked;
  }
  const load = new Map(suitable.map((group) => [group, 0]));
  for (const { anaGroupId } of config.namespaces()) {
    const count = load.get(anaGroupId);
    if (count !== undefined) load.set(anaGroupId, count + 1);
  }
  return [...load].reduce((best, entry) => (entry[1] < best[1] ? entry : best))[0];
}

/** A location where nobody is would never be obeyed: a slip of the pen, most likely. */
function requireLocation(location: string, { locations }: Homes): void {
  const known = [...new Set(locations.values())].sort();
  if (location === '' || known.includes(location)) return;
  const hint =
    known.length === 0
      ? 'no gateway has a location (gw set-location gives it one)'
      : `gateways are at ${known.map((name) => `"${name}"`).join(', ')}`;
  refuse('INVALID_ARGUMENT', `there is no gateway at location "${location}"; ${hint}`);
}

/** `location` '': anywhere. The rebalancer moves the namespace. */
export function planChangeLocation(record: NamespaceRecord, location: string, homes: Homes): NamespaceRecord {
  requireLocation(location, homes);
  const { location: _, ...rest } = record;
  return location === '' ? rest : { ...rest, location };
}

/** The size of the image as it is: when it was made smaller, what lies past its end is lost already. */
export function planRefreshSize(record: NamespaceRecord, imageBytes: number): NamespaceRecord {
  const sizeBytes = Math.min(imageBytes - (imageBytes % record.blockSize), LIMITS.maxNamespaceBytes);
  requireSize(sizeBytes, record.blockSize);
  return { ...record, sizeBytes };
}

/** Throws SUBSYSTEM_NOT_FOUND or NAMESPACE_NOT_FOUND. */
export function findNamespace(config: Configuration, nqn: string, nsid: number): NamespaceRecord {
  const namespace = config.subsystem(nqn).namespaces.get(nsid);
  return namespace ?? refuse('NAMESPACE_NOT_FOUND', `subsystem ${nqn} has no namespace ${nsid}`);
}

export function planImageTreatment(record: NamespaceRecord, treatment: ImageTreatment): NamespaceRecord {
  const { disableAutoResize = false, backend: now, ...namespace } = record;
  if (now.type !== 'rbd') {
    refuse('INVALID_ARGUMENT', `namespace ${record.nsid} of ${record.nqn} is not on an image`);
  }
  const { trashOnDelete = false, ...image } = now;
  const { autoResize = !disableAutoResize, trashOnDelete: trash = trashOnDelete } = treatment;
  const backend: RbdRecord = { ...image, ...(trash && { trashOnDelete: true }) };
  return { ...namespace, ...(!autoResize && { disableAutoResize: true }), backend };
}

/** A namespace only grows: what a host has written at its end would be lost. */
export function planResize(record: NamespaceRecord, sizeBytes: number): NamespaceRecord {
  requireSize(sizeBytes, record.blockSize);
  if (sizeBytes <= record.sizeBytes) {
    refuse(
      'SIZE_INVALID',
      `the new size of ${sizeBytes} bytes is not more than the present ${record.sizeBytes} bytes; a namespace only grows`,
    );
  }
  return { ...record, sizeBytes };
}
