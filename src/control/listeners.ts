/** The listener RPCs. */
import { isIPv6 } from 'node:net';
import { AnagateError } from '../base/errors.ts';
import type { GatewayApi, ListenerInfo as Listener } from '../gateway/gateway-api.ts';
import type { ListenerChecks, ListenerSpec } from '../gateway/plans/requests.ts';
import { answer, answerDoneOrPlanned, type RpcHandlers } from './answer.ts';
import { refuseFeatures, requireNqn, toAnaState, toListenerSpec } from './convert.ts';
import type {
  AmbiguousAddress,
  DeleteListenerReq,
  GatewayListenerInfo,
  ListenerInfo,
  ReqStatus,
} from './gateway-types.ts';

/** The host name of a listener of whoever's node has the address; in a deletion, of whoever's it is. */
const EVERY_NODE = '*';

export function listenerRpcs(
  gateway: GatewayApi,
): RpcHandlers<'create_listener' | 'delete_listener' | 'list_listeners' | 'show_gateway_listeners_info'> {
  return {
    create_listener: (request) =>
      answer(`Failure adding ${request.nqn} listener at ${addressText(request)}`, {}, async () => {
        refuseFeatures(request, { secure: 'TLS' });
        const spec = { ...toListenerSpec(request, gateway.info()), hostName: request.host_name };
        return addListener(gateway, spec, {
          verifyHostName: request.verify_host_name === true,
          ...(request.force === true && { force: true }),
        });
      }),

    delete_listener: (request) => {
      const force = request.force === true;
      const meant = () => listenerMeant(request, gateway, force);
      return answerDoneOrPlanned(
        `Failure deleting listener ${addressText(request)} from ${request.nqn}`,
        request.dry_run,
        () => gateway.rehearsal.deleteListener(meant(), force),
        () => gateway.deleteListener(meant(), force),
      );
    },

    list_listeners: (request) =>
      answer(
        `Failure listing listeners of ${request.subsystem}`,
        { listeners: [] as ListenerInfo[], ambiguous: [] as AmbiguousAddress[] },
        () => ({
          listeners: gateway.listListeners(requireNqn(request.subsystem)).map(toListenerInfo),
          ambiguous: gateway
            .ambiguousAddresses(request.subsystem)
            .map(({ address, nodes }) => ({ address, host_names: nodes })),
        }),
      ),

    show_gateway_listeners_info: (request) => {
      const none: { gw_listeners: GatewayListenerInfo[] } = { gw_listeners: [] };
      return answer(`Failure listing the gateway's listeners of ${request.subsystem_nqn}`, none, () => ({
        gw_listeners: gateway
          .listListeners(requireNqn(request.subsystem_nqn))
          .filter((listener) => listener.active)
          .map((listener) => ({
            listener: toListenerInfo(listener),
            lb_states: listener.anaStates.map(({ group, state }) => ({
              grp_id: group,
              state: toAnaState(state),
            })),
          })),
      }));
    },
  };
}

/** The listener that a deletion names. */
function listenerMeant(request: DeleteListenerReq, gateway: GatewayApi, force: boolean): ListenerSpec {
  if (request.host_name === EVERY_NODE && !force) {
    throw new AnagateError('INVALID_ARGUMENT', 'host name "*" needs force');
  }
  const spec = toListenerSpec(request, gateway.info());
  return request.host_name === '' ? { ...spec, hostName: ownHostName(gateway, spec) } : spec;
}

/** That another node's gateway will listen is said with a status, as in ceph-nvmeof, but is no failure: it is stored. */
async function addListener(
  gateway: GatewayApi,
  spec: ListenerSpec,
  checks: ListenerChecks,
): Promise<Partial<ReqStatus>> {
  try {
    await gateway.addListener(spec, checks);
    return {};
  } catch (error) {
    if (!(error instanceof AnagateError && error.code === 'LISTENER_REMOTE')) throw error;
    return { status: error.errno, error_message: error.message };
  }
}

/** Under which host name this gateway has the listener at an address: its own, or '*' when it is whoever's has the address. */
function ownHostName(gateway: GatewayApi, { nqn, hostName, traddr, trsvcid }: ListenerSpec): string {
  const here = gateway.listListeners(nqn).filter((l) => l.traddr === traddr && l.trsvcid === trsvcid);
  const names = here.map((listener) => listener.hostName);
  return !names.includes(hostName) && names.includes(EVERY_NODE) ? EVERY_NODE : hostName;
}

function addressText({ traddr, trsvcid }: { traddr: string; trsvcid?: number }): string {
  if (trsvcid === undefined) return traddr;
  return isIPv6(traddr) ? `[${traddr}]:${trsvcid}` : `${traddr}:${trsvcid}`;
}

function toListenerInfo(listener: Listener): ListenerInfo {
  return {
    host_name: listener.hostName,
    trtype: 'TCP',
    adrfam: listener.adrfam,
    traddr: listener.traddr,
    trsvcid: listener.trsvcid,
    secure: false,
    active: listener.active,
    manual: listener.automatic !== true,
  };
}
