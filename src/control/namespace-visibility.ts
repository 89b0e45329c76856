/** The RPCs about who sees a namespace. */
import { AnagateError } from '../base/errors.ts';
import type { GatewayApi } from '../gateway/gateway-api.ts';
import { answerDone, type RpcHandlers } from './answer.ts';
import { requireNqn, requireNsid } from './convert.ts';

export function namespaceVisibilityRpcs(
  gateway: GatewayApi,
): RpcHandlers<'namespace_change_visibility' | 'namespace_add_host' | 'namespace_delete_host'> {
  return {
    namespace_change_visibility: ({ subsystem_nqn: nqn, nsid, auto_visible: autoVisible, force = false }) =>
      answerDone(`Failure changing visibility of namespace ${nsid} in ${nqn}`, () =>
        gateway.changeNamespaceVisibility(requireNqn(nqn), requireNsid(nsid), autoVisible, force),
      ),

    namespace_add_host: ({ subsystem_nqn: nqn, nsid, host_nqn: host, force = false }) =>
      answerDone(`Failure adding host ${host} to namespace ${nsid} on ${nqn}`, () =>
        gateway.addNamespaceHost(requireNqn(nqn), requireNsid(nsid), requireHost(host), force),
      ),

    namespace_delete_host: ({ subsystem_nqn: nqn, nsid, host_nqn: host }) =>
      answerDone(`Failure deleting host ${host} from namespace ${nsid} on ${nqn}`, () =>
        gateway.deleteNamespaceHost(requireNqn(nqn), requireNsid(nsid), requireHost(host)),
      ),
  };
}

function requireHost(hostNqn: string): string {
  if (hostNqn === '') throw new AnagateError('INVALID_ARGUMENT', 'the host NQN is missing');
  return hostNqn;
}
