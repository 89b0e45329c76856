/** The RPC that lists the hosts' connections. */
import { AnagateError } from '../base/errors.ts';
import type { ConnectionInfo, GatewayApi } from '../gateway/gateway-api.ts';
import { answer, type RpcHandlers } from './answer.ts';
import { toNqnFilter } from './convert.ts';
import type { Connection } from './gateway-types.ts';

export function connectionRpcs(gateway: GatewayApi): RpcHandlers<'list_connections'> {
  return {
    list_connections: (request) => {
      const none = { subsystem_nqn: request.subsystem, connections: [] as Connection[] };
      const failure = `Failure listing connections of ${request.subsystem === '' ? 'all subsystems' : request.subsystem}`;
      return answer(failure, none, () => {
        const nqn = toNqnFilter(request.subsystem);
        if (nqn !== undefined && gateway.listSubsystems({ nqn }).length === 0) {
          throw new AnagateError('SUBSYSTEM_NOT_FOUND', `there is no subsystem ${nqn}`);
        }
        return {
          subsystem_nqn: request.subsystem,
          connections: gateway.listConnections(nqn).map(toConnection),
        };
      });
    },
  };
}

function toConnection(info: ConnectionInfo): Connection {
  return {
    nqn: info.hostNqn,
    traddr: info.traddr,
    trsvcid: info.trsvcid,
    trtype: info.connected ? 'TCP' : '',
    adrfam: info.adrfam,
    connected: info.connected,
    qpairs_count: info.connected ? info.queueCount : -1,
    controller_id: info.connected ? info.cntlid : -1,
    ...(info.connected && { secure: false }),
    use_psk: false,
    use_dhchap: false,
    subsystem: info.subsystemNqn,
    disconnected_due_to_keepalive_timeout: info.keepAliveTimeout,
    dhchap_controller_origin: 'no_key',
    host_deleted: info.hostDeleted,
  };
}
