/** The RPCs for the hosts that may use a subsystem. */
import { AnagateError } from '../base/errors.ts';
import type { GatewayApi } from '../gateway/gateway-api.ts';
import { answer, answerDone, answerDoneOrPlanned, type RpcHandlers } from './answer.ts';
import { refuseFeatures, requireNqn } from './convert.ts';
import type { Host } from './gateway-types.ts';

const ANY_HOST = '*';

export function hostRpcs(gateway: GatewayApi): RpcHandlers<'add_host' | 'remove_host' | 'list_hosts'> {
  return {
    add_host: (request) => {
      const { subsystem_nqn: nqn, host_nqn: host } = request;
      const failure =
        host === ANY_HOST
          ? `Failure allowing open host access to ${nqn}`
          : `Failure adding host ${host} to ${nqn}`;
      return answerDone(failure, () => {
        refuseFeatures(request, {
          psk: 'TLS is',
          dhchap_key: 'authentication of hosts is',
          dhchap_ctrlr_key: 'authentication of hosts is',
        });
        return gateway.addHost(requireNqn(nqn), requireHost(host));
      });
    },

    remove_host: (request) => {
      const { subsystem_nqn: nqn, host_nqn: host } = request;
      const failure =
        host === ANY_HOST
          ? `Failure disabling open host access to ${nqn}`
          : `Failure removing host ${host} access from ${nqn}`;
      const rehearse = () => gateway.rehearsal.deleteHost(requireNqn(nqn), requireHost(host));
      return answerDoneOrPlanned(failure, request.dry_run, rehearse, () => {
        refuseFeatures(request, { keep_connections: 'keeping the connections of a removed host is' });
        return gateway.deleteHost(requireNqn(nqn), requireHost(host));
      });
    },

    list_hosts: (request) => {
      const none = { allow_any_host: false, subsystem_nqn: request.subsystem, hosts: [] as Host[] };
      return answer(`Failure listing hosts of ${request.subsystem}`, none, () => {
        const info = gateway.listHosts(requireNqn(request.subsystem));
        return { allow_any_host: info.allowAnyHost, subsystem_nqn: info.nqn, hosts: info.hosts.map(toHost) };
      });
    },
  };
}

function requireHost(hostNqn: string): string {
  if (hostNqn === '')
    throw new AnagateError('INVALID_ARGUMENT', 'the host NQN is missing; "*" means any host');
  return hostNqn;
}

function toHost(nqn: string): Host {
  return {
    nqn,
    use_psk: false,
    use_dhchap: false,
    disconnected_due_to_keepalive_timeout: false,
    dhchap_controller_origin: 'no_key',
  };
}
