/** The namespace RPCs. */
import { AnagateError } from '../base/errors.ts';
import type { QosLimits } from '../gateway/configuration/records.ts';
import type { GatewayApi, NamespaceInfo } from '../gateway/gateway-api.ts';
import type { BackendSpec, NamespaceSpec, RbdSpec } from '../gateway/plans/requests.ts';
import { answer, answerDone, answerDoneOrPlanned, type RpcHandlers } from './answer.ts';
import { MIB, refuseFeatures, requireNqn, requireNsid, toBytes, toNqnFilter } from './convert.ts';
import type {
  ListNamespacesReq,
  NamespaceAddReq,
  NamespaceCli,
  NamespaceSetQosReq,
} from './gateway-types.ts';

/** The name by which metrics and ceph-nvmeof's clients know what is behind a namespace. */
export function bdevName(uuid: string): string {
  return `bdev_${uuid}`;
}

export function namespaceRpcs(
  gateway: GatewayApi,
): RpcHandlers<
  | 'namespace_add'
  | 'namespace_delete'
  | 'namespace_resize'
  | 'namespace_change_load_balancing_group'
  | 'namespace_change_location'
  | 'namespace_set_qos_limits'
  | 'namespace_set_rbd_trash_image'
  | 'namespace_set_auto_resize'
  | 'list_namespaces'
> {
  return {
    namespace_add: (request) => {
      const nsid = request.nsid ? `${request.nsid} ` : '';
      return answer(`Failure adding namespace ${nsid}to ${request.subsystem_nqn}`, { nsid: 0 }, async () => {
        const added = await gateway.addNamespace(toNamespaceSpec(request));
        return { nsid: added.nsid };
      });
    },

    namespace_delete: (request) =>
      answerDoneOrPlanned(
        `Failure deleting namespace ${request.nsid} from ${request.subsystem_nqn}`,
        request.dry_run,
        () => gateway.rehearsal.deleteNamespace(requireNqn(request.subsystem_nqn), requireNsid(request.nsid)),
        () =>
          gateway.deleteNamespace(
            requireNqn(request.subsystem_nqn),
            requireNsid(request.nsid),
            request.i_am_sure ?? false,
          ),
      ),

    namespace_resize: (request) =>
      answerDone(`Failure resizing namespace ${request.nsid} in ${request.subsystem_nqn}`, async () => {
        const nqn = requireNqn(request.subsystem_nqn);
        const nsid = requireNsid(request.nsid);
        // how ceph-nvmeof's CLI and dashboard ask for the size of the image (refresh_size)
        if (Number(request.new_size) === 0) await gateway.refreshNamespaceSize(nqn, nsid);
        else await gateway.resizeNamespace(nqn, nsid, toBytes(request.new_size, MIB));
      }),

    namespace_change_load_balancing_group: (request) => {
      const { nsid, subsystem_nqn: nqn, anagrpid } = request;
      const failure = `Failure changing load balancing group of namespace ${nsid} in ${nqn} to ${anagrpid}`;
      return answerDone(failure, () =>
        gateway.changeNamespaceAnaGroup(requireNqn(nqn), requireNsid(nsid), requireGroup(anagrpid)),
      );
    },

    namespace_change_location: ({ subsystem_nqn: nqn, nsid, location = '' }) =>
      answerDone(`Failure changing location of namespace ${nsid} in ${nqn}`, () =>
        gateway.changeNamespaceLocation(requireNqn(nqn), requireNsid(nsid), location),
      ),

    namespace_set_qos_limits: (request) => {
      const { subsystem_nqn: nqn, nsid } = request;
      return answerDone(`Failure setting QoS limits of namespace ${nsid} in ${nqn}`, () =>
        gateway.setQosLimits(requireNqn(nqn), requireNsid(nsid), toQosLimits(request)),
      );
    },

    namespace_set_rbd_trash_image: ({ subsystem_nqn: nqn, nsid, trash_image: trashOnDelete }) =>
      answerDone(`Failure setting RBD trash image flag of namespace ${nsid} in ${nqn}`, () =>
        gateway.changeImageTreatment(requireNqn(nqn), requireNsid(nsid), { trashOnDelete }),
      ),

    namespace_set_auto_resize: ({ subsystem_nqn: nqn, nsid, auto_resize: autoResize }) =>
      answerDone(`Failure setting auto resize of namespace ${nsid} in ${nqn}`, () =>
        gateway.changeImageTreatment(requireNqn(nqn), requireNsid(nsid), { autoResize }),
      ),

    list_namespaces: (request) => {
      const none = { subsystem_nqn: request.subsystem, namespaces: [] as NamespaceCli[] };
      const failure = `Failure listing namespaces of ${request.subsystem === '' ? 'all subsystems' : request.subsystem}`;
      return answer(failure, none, () => ({
        subsystem_nqn: request.subsystem,
        namespaces: listNamespaces(gateway, request).map(toNamespaceCli),
      }));
    },
  };
}

function requireGroup(anagrpid: number): number {
  if (anagrpid < 0)
    throw new AnagateError('INVALID_ARGUMENT', `load balancing group ${anagrpid} is not valid`);
  return anagrpid;
}

function listNamespaces(gateway: GatewayApi, request: ListNamespacesReq): NamespaceInfo[] {
  const nqn = toNqnFilter(request.subsystem);
  if (nqn !== undefined && gateway.listSubsystems({ nqn }).length === 0) {
    throw new AnagateError('SUBSYSTEM_NOT_FOUND', `there is no subsystem ${nqn}`);
  }
  return gateway.listNamespaces({
    ...(nqn !== undefined && { nqn }),
    ...(request.nsid && { nsid: request.nsid }),
    ...(request.uuid && { uuid: request.uuid }),
  });
}

function toNamespaceSpec(request: NamespaceAddReq): NamespaceSpec {
  refuseFeatures(request, {
    encryption_entries: 'encryption',
    encryption_algorithm: 'encryption',
  });
  return {
    nqn: requireNqn(request.subsystem_nqn),
    backend: toBackendSpec(request),
    ...(request.nsid && { nsid: request.nsid }),
    ...(request.uuid && { uuid: request.uuid }),
    ...(hasSize(request) && { sizeBytes: toBytes(request.size) }),
    ...(request.block_size !== 0 && { blockSize: toBlockSize(request.block_size) }),
    ...(request.anagrpid && { anaGroupId: requireGroup(request.anagrpid) }),
    ...(request.read_only && { readOnly: true }),
    ...(request.no_auto_visible && { noAutoVisible: true }),
    ...(request.location && { location: request.location }),
    ...(request.disable_auto_resize && { disableAutoResize: true }),
    ...(request.force && { force: true }),
  };
}

/** ceph-nvmeof's CLI sends a size of 0 when it means none. */
function hasSize<T extends { size?: unknown }>(request: T): request is T & { size: string } {
  return request.size !== undefined && request.size !== '0';
}

function toBlockSize(bytes: number): 512 | 4096 {
  if (bytes === 512 || bytes === 4096) return bytes;
  throw new AnagateError('INVALID_ARGUMENT', `block size ${bytes} is not supported; use 512 or 4096`);
}

function toBackendSpec(request: NamespaceAddReq): BackendSpec {
  const backend = request.backend ?? 'rbd';
  if (backend !== 'file' && request.path) {
    throw new AnagateError('INVALID_ARGUMENT', `a path is for backend "file" only, not for "${backend}"`);
  }
  if (backend !== 'rbd') refuseRbdFields(request, backend);
  switch (backend) {
    case 'file':
      if (!request.path) throw new AnagateError('INVALID_ARGUMENT', 'backend "file" needs a path');
      return { type: 'file', path: request.path, create: request.create_image ?? hasSize(request) };
    case 'memory':
      if (!hasSize(request)) throw new AnagateError('INVALID_ARGUMENT', 'backend "memory" needs a size');
      return { type: 'memory' };
    case 'rbd':
      if (request.rbd_pool_name === '' || request.rbd_image_name === '') {
        throw new AnagateError('INVALID_ARGUMENT', 'backend "rbd" needs a pool and an image');
      }
      return toRbdSpec(request);
    default:
      throw new AnagateError('INVALID_ARGUMENT', `unknown backend "${backend}"; use file, memory or rbd`);
  }
}

/** What is only for images would be ignored. */
function refuseRbdFields(request: NamespaceAddReq, backend: string): void {
  for (const field of ['rados_namespace_name', 'rbd_data_pool_name', 'trash_image'] as const) {
    if (request[field])
      throw new AnagateError('INVALID_ARGUMENT', `${field} is for backend "rbd" only, not for "${backend}"`);
  }
}

function toRbdSpec(request: NamespaceAddReq): RbdSpec {
  if (request.create_image && !hasSize(request)) {
    throw new AnagateError('INVALID_ARGUMENT', 'an image that is to be created needs a size');
  }
  return {
    type: 'rbd',
    pool: request.rbd_pool_name,
    image: request.rbd_image_name,
    ...(request.rados_namespace_name && { radosNamespace: request.rados_namespace_name }),
    ...(request.rbd_data_pool_name && { dataPool: request.rbd_data_pool_name }),
    ...(request.create_image && { create: true }),
    ...(request.trash_image && { trashOnDelete: true }),
  };
}

/** Those that the request has; 0 takes a limit away. */
function toQosLimits(request: NamespaceSetQosReq): Partial<QosLimits> {
  const { rw_ios_per_second, rw_mbytes_per_second, r_mbytes_per_second, w_mbytes_per_second } = request;
  return {
    ...(rw_ios_per_second !== undefined && { rwIos: Number(rw_ios_per_second) }),
    ...(rw_mbytes_per_second !== undefined && { rwMbytes: Number(rw_mbytes_per_second) }),
    ...(r_mbytes_per_second !== undefined && { rMbytes: Number(r_mbytes_per_second) }),
    ...(w_mbytes_per_second !== undefined && { wMbytes: Number(w_mbytes_per_second) }),
  };
}

function toNamespaceCli(namespace: NamespaceInfo): NamespaceCli {
  const { backend } = namespace;
  return {
    nsid: namespace.nsid,
    bdev_name: bdevName(namespace.uuid),
    rbd_image_name: backend.type === 'rbd' ? backend.image : '',
    rbd_pool_name: backend.type === 'rbd' ? backend.pool : '',
    load_balancing_group: namespace.anaGroupId,
    block_size: namespace.blockSize,
    rbd_image_size: namespace.sizeBytes,
    uuid: namespace.uuid,
    rw_ios_per_second: namespace.qos.rwIos,
    rw_mbytes_per_second: namespace.qos.rwMbytes,
    r_mbytes_per_second: namespace.qos.rMbytes,
    w_mbytes_per_second: namespace.qos.wMbytes,
    auto_visible: namespace.autoVisible,
    hosts: namespace.hosts,
    location: namespace.location,
    ns_subsystem_nqn: namespace.nqn,
    trash_image: backend.type === 'rbd' && (backend.trashOnDelete ?? false),
    // what is not an image never changes its size by itself
    disable_auto_resize: backend.type !== 'rbd' || namespace.disableAutoResize,
    read_only: namespace.readOnly,
    configured_load_balancing_group: namespace.anaGroupId,
    image_was_shrunk: namespace.imageWasShrunk,
    encryption_entries: [],
    backend: backend.type,
    ...(backend.type === 'file' && { path: backend.path }),
    ...(backend.type === 'rbd' && {
      rados_namespace_name: backend.radosNamespace ?? '',
      rbd_data_pool_name: backend.dataPool ?? '',
    }),
    nguid: namespace.nguid,
  };
}
