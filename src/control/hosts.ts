/** The RPCs for the hosts that may use a subsystem. */
import { AnagateError } from '../base/errors.ts';
import type { GatewayApi, HostInfo } from '../gateway/gateway-api.ts';
import { answer, answerDone, answerDoneOrPlanned, type RpcHandlers } from './answer.ts';
import { refuseFeatures, requireNqn } from './convert.ts';
import type { Host } from './gateway-types.ts';

const ANY_HOST = '*';
/** As a key in change_host_key: it stays as it is. An absent key is deleted. */
const KEEP_KEY = '-';

export function hostRpcs(
  gateway: GatewayApi,
): RpcHandlers<'add_host' | 'remove_host' | 'set_keep_host_connected' | 'change_host_key' | 'list_hosts'> {
  return {
    add_host: (request) => {
      const { subsystem_nqn: nqn, host_nqn: host } = request;
      const failure =
        host === ANY_HOST
          ? `Failure allowing open host access to ${nqn}`
          : `Failure adding host ${host} to ${nqn}`;
      return answerDone(failure, () => {
        refuseFeatures(request, SEALED_BY_CLIENT);
        const keys = {
          psk: keyOf(request.psk),
          dhchapKey: keyOf(request.dhchap_key),
          dhchapControllerKey: keyOf(request.dhchap_ctrlr_key),
        };
        return gateway.addHost(requireNqn(nqn), requireHost(host), keys);
      });
    },

    remove_host: (request) => {
      const { subsystem_nqn: nqn, host_nqn: host } = request;
      const failure =
        host === ANY_HOST
          ? `Failure disabling open host access to ${nqn}`
          : `Failure removing host ${host} access from ${nqn}`;
      const keep = request.keep_connections === true;
      const rehearse = () => gateway.rehearsal.deleteHost(requireNqn(nqn), requireHost(host), keep);
      return answerDoneOrPlanned(failure, request.dry_run, rehearse, () =>
        gateway.deleteHost(requireNqn(nqn), requireHost(host), keep),
      );
    },

    set_keep_host_connected: ({ subsystem_nqn: nqn, host_nqn: host }) =>
      answerDone(`Failure keeping host ${host} connected to ${nqn}`, () =>
        gateway.keepHostConnected(requireNqn(nqn), requireHost(host)),
      ),

    change_host_key: ({ subsystem_nqn: nqn, host_nqn: host, ...keys }) =>
      answerDone(`Failure changing key for host ${host} on subsystem ${nqn}`, () => {
        const change = {
          ...(keys.dhchap_key !== KEEP_KEY && { dhchapKey: keyOf(keys.dhchap_key) ?? null }),
          ...(keys.dhchap_ctrlr_key !== KEEP_KEY && {
            dhchapControllerKey: keyOf(keys.dhchap_ctrlr_key) ?? null,
          }),
        };
        return gateway.changeHostKey(requireNqn(nqn), requireHost(host), change);
      }),

    list_hosts: (request) => {
      const none = { allow_any_host: false, subsystem_nqn: request.subsystem, hosts: [] as Host[] };
      return answer(`Failure listing hosts of ${request.subsystem}`, none, () => {
        const info = gateway.listHosts(requireNqn(request.subsystem));
        return { allow_any_host: info.allowAnyHost, subsystem_nqn: info.nqn, hosts: info.hosts.map(toHost) };
      });
    },
  };
}

/** ceph-nvmeof sets these among its own gateways only. */
const SEALED_BY_CLIENT = {
  psk_encrypted: 'a key that the client has encrypted',
  key_encrypted: 'a key that the client has encrypted',
  ctrlr_key_encrypted: 'a key that the client has encrypted',
};

/** Clients send an empty text for "none". */
function keyOf(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

function requireHost(hostNqn: string): string {
  if (hostNqn === '')
    throw new AnagateError('INVALID_ARGUMENT', 'the host NQN is missing; "*" means any host');
  return hostNqn;
}

/** As get_subsystems and list_hosts have it. */
export function toHost({ nqn, hasPsk, hasDhchapKey, controllerKey }: HostInfo): Host {
  return {
    nqn,
    use_psk: hasPsk,
    use_dhchap: hasDhchapKey,
    disconnected_due_to_keepalive_timeout: false,
    dhchap_controller_origin: controllerKey,
  };
}
