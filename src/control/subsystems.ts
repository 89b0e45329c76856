/** The subsystem RPCs. */
import { AnagateError } from '../base/errors.ts';
import type { GatewayApi, SubsystemInfo } from '../gateway/gateway-api.ts';
import type { SubsystemSpec } from '../gateway/plans/requests.ts';
import { answer, answerDone, answerDoneOrPlanned, type RpcHandlers } from './answer.ts';
import { refuseFeatures, requireNqn, toAdrfamText } from './convert.ts';
import type { CreateSubsystemReq, Subsystem, SubsystemCli } from './gateway-types.ts';
import { toHost } from './hosts.ts';
import { bdevName } from './namespaces.ts';

const SUBTYPE = 'NVMe';

export function subsystemRpcs(
  gateway: GatewayApi,
): RpcHandlers<
  | 'create_subsystem'
  | 'delete_subsystem'
  | 'change_subsystem_key'
  | 'list_subsystems'
  | 'get_subsystems'
  | 'add_subsystem_network'
  | 'del_subsystem_network'
> {
  return {
    create_subsystem: (request) => {
      const asked = { nqn: request.subsystem_nqn };
      return answer(`Failure adding subsystem ${request.subsystem_nqn}`, asked, async () => {
        const { nqn } = await gateway.addSubsystem(toSubsystemSpec(request, gateway.info().group));
        return { nqn };
      });
    },

    delete_subsystem: (request) =>
      answerDoneOrPlanned(
        `Failure deleting subsystem ${request.subsystem_nqn}`,
        request.dry_run,
        () => gateway.rehearsal.deleteSubsystem(requireNqn(request.subsystem_nqn), request.force === true),
        () => gateway.deleteSubsystem(requireNqn(request.subsystem_nqn), request.force === true),
      ),

    add_subsystem_network: ({ subsystem_nqn: nqn, network_mask: mask }) =>
      answerDone(`Failure adding network ${mask} to subsystem ${nqn}`, () =>
        gateway.addSubsystemNetwork(requireNqn(nqn), mask),
      ),

    del_subsystem_network: ({ subsystem_nqn: nqn, network_mask: mask, dry_run: dryRun }) =>
      answerDoneOrPlanned(
        `Failure deleting network ${mask} from subsystem ${nqn}`,
        dryRun,
        () => gateway.rehearsal.deleteSubsystemNetwork(requireNqn(nqn), mask),
        () => gateway.deleteSubsystemNetwork(requireNqn(nqn), mask),
      ),

    change_subsystem_key: ({ subsystem_nqn: nqn, dhchap_key: key }) =>
      answerDone(`Failure changing key for subsystem ${nqn}`, () =>
        gateway.changeSubsystemKey(requireNqn(nqn), key || null),
      ),

    list_subsystems: (request) =>
      answer('Failure listing subsystems', { subsystems: [] as SubsystemCli[] }, () => {
        const { subsystem_nqn: nqn, serial_number: serial } = request;
        const filter = { ...(nqn && { nqn }), ...(serial && { serial }) };
        return { subsystems: gateway.listSubsystems(filter).map(toSubsystemCli) };
      }),

    get_subsystems: async () => ({
      subsystems: gateway.listSubsystems().map((info) => toSubsystem(info, gateway)),
    }),
  };
}

function toSubsystemSpec(request: CreateSubsystemReq, group: string): SubsystemSpec {
  const nqn = requireNqn(request.subsystem_nqn);
  if (!request.enable_ha) {
    throw new AnagateError('INVALID_ARGUMENT', 'multipath cannot be switched off; set enable_ha');
  }
  refuseFeatures(request, {
    key_encrypted: 'a key that the client has encrypted',
    secure_listeners: 'TLS on listeners',
  });
  return {
    nqn: request.no_group_append === true ? nqn : appendGroup(nqn, group),
    ...(request.serial_number !== '' && { serial: request.serial_number }),
    ...(request.max_namespaces !== undefined && { maxNamespaces: request.max_namespaces }),
    networks: request.network_mask,
    ...(request.port !== undefined && { listenPort: request.port }),
    ...(request.dhchap_key && { dhchapKey: request.dhchap_key }),
  };
}

/** The NQN as it is for one group of gateways. A group without a name changes nothing. */
function appendGroup(nqn: string, group: string): string {
  return group === '' ? nqn : `${nqn}.${group.replaceAll('_', '-')}`;
}

function toSubsystemCli(info: SubsystemInfo): SubsystemCli {
  return {
    nqn: info.nqn,
    enable_ha: true,
    serial_number: info.serial,
    model_number: info.model,
    min_cntlid: info.minCntlid,
    max_cntlid: info.maxCntlid,
    namespace_count: info.namespaceCount,
    subtype: SUBTYPE,
    max_namespaces: info.maxNamespaces,
    has_dhchap_key: info.hasDhchapKey,
    allow_any_host: info.allowAnyHost,
    created_without_key: !info.hasDhchapKey,
    network_mask: [...info.networks],
  };
}

function toSubsystem(info: SubsystemInfo, gateway: GatewayApi): Subsystem {
  return {
    nqn: info.nqn,
    subtype: SUBTYPE,
    listen_addresses: gateway
      .listListeners(info.nqn)
      .filter((listener) => listener.active)
      .map((listener) => ({
        trtype: 'TCP',
        adrfam: toAdrfamText(listener.adrfam),
        traddr: listener.traddr,
        trsvcid: String(listener.trsvcid),
        secure: false,
      })),
    hosts: gateway.listHosts(info.nqn).hosts.map(toHost),
    allow_any_host: info.allowAnyHost,
    serial_number: info.serial,
    model_number: info.model,
    max_namespaces: info.maxNamespaces,
    min_cntlid: info.minCntlid,
    max_cntlid: info.maxCntlid,
    namespaces: gateway.listNamespaces({ nqn: info.nqn }).map((namespace) => ({
      nsid: namespace.nsid,
      name: bdevName(namespace.uuid),
      bdev_name: bdevName(namespace.uuid),
      nguid: namespace.nguid,
      uuid: namespace.uuid,
      anagrpid: namespace.anaGroupId,
      auto_visible: namespace.autoVisible,
      hosts: namespace.hosts,
    })),
    has_dhchap_key: info.hasDhchapKey,
    network_mask: [...info.networks],
  };
}
