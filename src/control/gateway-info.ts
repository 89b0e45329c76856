/** The RPCs about the gateway itself. */
import type { GatewayApi } from '../gateway/gateway-api.ts';
import { answer, answerDone, type RpcHandlers, SUCCESS } from './answer.ts';
import { fromGwLogLevel, toGwLogLevel } from './convert.ts';
import type { GwLogLevel } from './gateway-types.ts';

/**
 * The ceph-nvmeof release whose interface this is. Its CLI refuses a gateway older than 1.1.0, so Anagate's own version
 * has a field of its own.
 */
export const API_VERSION = '1.4.2';

/** @param version Anagate's own version */
export function gatewayInfoRpcs(
  gateway: GatewayApi,
  version: string,
): RpcHandlers<'get_gateway_info' | 'get_gateway_log_level' | 'set_gateway_log_level'> {
  return {
    get_gateway_info: async (request) => {
      const info = gateway.info();
      return {
        status: 0,
        error_message: SUCCESS,
        cli_version: request.cli_version ?? '',
        version: API_VERSION,
        name: info.name,
        group: info.group,
        addr: info.address,
        port: String(info.port),
        bool_status: true,
        load_balancing_group: info.anaGroupId,
        hostname: info.hostname,
        max_subsystems: info.maxSubsystems,
        max_namespaces: info.maxNamespaces,
        max_hosts_per_subsystem: info.maxHostsPerSubsystem,
        max_namespaces_per_subsystem: info.maxNamespacesPerSubsystem,
        max_hosts: info.maxHosts,
        gateway_initialization_over: info.initialized,
        io_stats_enabled: gateway.statistics.countsByHost,
        anagate_version: version,
        troubles: info.troubles,
        dry_runs: true,
      };
    },

    get_gateway_log_level: () =>
      answer('Failure getting gateway log level', { log_level: 'notset' as GwLogLevel }, () => ({
        log_level: toGwLogLevel(gateway.logLevel()),
      })),

    set_gateway_log_level: (request) =>
      answerDone(`Failure setting gateway log level to "${request.log_level}"`, () =>
        gateway.setLogLevel(fromGwLogLevel(request.log_level)),
      ),
  };
}
