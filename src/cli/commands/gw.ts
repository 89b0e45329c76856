/** `anagate gw ...` */
import type { GatewayInfo, GwVersion, ListenerInfo } from '../../control/gateway-types.ts';
import type { CommandArguments } from '../arguments.ts';
import type { Noun, Verb } from '../command.ts';
import { LOG_LEVELS } from '../output.ts';
import type { Session } from '../session.ts';
import { groupVerbs } from './gw-group.ts';
import { gatewayStatistics } from './io-statistics.ts';
import { listenerAddress } from './listener.ts';
import { REQUIRED_SUBSYSTEM } from './shared-options.ts';

const info: Verb = {
  name: 'info',
  describe: "Show the gateway's name, versions, address, group and limits",
  options: {},
  examples: [
    ['gw info', 'of the gateway on this machine'],
    ['--server-address 192.0.2.10 gw info --format json', 'of another one, for a program'],
  ],
  run: async (_args, session) => {
    const answer = await askInfo(session, "Failure getting gateway's information");
    return session.report('gateway_info', answer, () => infoText(answer));
  },
};

function askInfo(session: Session, failure: string): Promise<GatewayInfo> {
  return session.call('get_gateway_info', { cli_version: session.version }, failure);
}

function infoText(gateway: GatewayInfo): string {
  const lines: [string, string | number | undefined][] = [
    ["CLI's version", gateway.cli_version],
    ["Gateway's version", ownVersion(gateway)],
    ["Gateway's API version", gateway.version],
    ["Gateway's name", gateway.name],
    ["Gateway's group", gateway.group],
    ["Gateway's host name", gateway.hostname],
    ["Gateway's load balancing group", gateway.load_balancing_group],
    ["Gateway's address", gateway.addr],
    ["Gateway's port", gateway.port],
    ['Maximum number of subsystems', gateway.max_subsystems],
    ['Maximum number of namespaces', gateway.max_namespaces],
    ['Maximum number of namespaces per subsystem', gateway.max_namespaces_per_subsystem],
    ['Maximum number of hosts', gateway.max_hosts],
    ['Maximum number of hosts per subsystem', gateway.max_hosts_per_subsystem],
    ['I/O statistics by host', gateway.io_stats_enabled === false ? 'no' : 'yes'],
    ['Gateway is ready', gateway.gateway_initialization_over === false ? 'no, it is still starting' : 'yes'],
  ];
  return lines
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
}

/** Another gateway than Anagate has one version only. */
function ownVersion(gateway: GatewayInfo): string {
  return gateway.anagate_version ?? gateway.version;
}

const version: Verb = {
  name: 'version',
  describe: "Show the gateway's version",
  options: {},
  examples: [['gw version', '']],
  run: async (_args, session) => {
    const gateway = await askInfo(session, "Failure getting gateway's version");
    const { status, error_message } = gateway;
    const answer: GwVersion = { status, error_message, version: ownVersion(gateway) };
    return session.report('gw_version', answer, () => `Gateway's version: ${answer.version}`);
  },
};

const getLogLevel: Verb = {
  name: 'get_log_level',
  describe: "Show the gateway's log level",
  options: {},
  examples: [['gw get_log_level', '']],
  run: async (_args, session) => {
    const answer = await session.call('get_gateway_log_level', {}, 'Failure getting gateway log level');
    return session.report(
      'gateway_log_level_info',
      answer,
      () => `Gateway log level is "${answer.log_level}"`,
    );
  },
};

const setLogLevel: Verb = {
  name: 'set_log_level',
  describe: "Change the gateway's log level until it stops",
  options: {
    level: {
      alias: 'l',
      type: 'string',
      choices: [...LOG_LEVELS, ...LOG_LEVELS.map((level) => level.toUpperCase())],
      demandOption: true,
      requiresArg: true,
      describe: 'Log level',
    },
  },
  examples: [['gw set_log_level --level debug', 'log every request and every host command that is not I/O']],
  run: async (args, session) => {
    const level = args.text('level').toLowerCase() as (typeof LOG_LEVELS)[number];
    const failure = `Failure setting gateway log level to "${level}"`;
    const answer = await session.call('set_gateway_log_level', { log_level: level }, failure);
    return session.report('req_status', answer, () => `Set gateway log level to "${level}": Successful`);
  },
};

const listenerInfo: Verb = {
  name: 'listener_info',
  describe: "Show the gateway's active listeners of a subsystem, and the ANA states that hosts see there",
  options: { subsystem: REQUIRED_SUBSYSTEM },
  examples: [['gw listener_info -n nqn.2026-11.io.anagate:demo', '']],
  run: async (args: CommandArguments, session) => {
    const nqn = args.text('subsystem');
    const failure = `Failure listing the gateway's listeners of ${nqn}`;
    const answer = await session.call('show_gateway_listeners_info', { subsystem_nqn: nqn }, failure);
    return session.report('gateway_listeners_info', answer, () => {
      if (answer.gw_listeners.length === 0) return `No active listeners for ${nqn} on this gateway`;
      const rows = answer.gw_listeners.map(({ listener, lb_states: states }) => [
        listenerAddress(listener as ListenerInfo),
        states.map((s) => `${s.grp_id}: ${String(s.state).toLowerCase().replace('_', '-')}`).join(', '),
      ]);
      return `Active listeners for ${nqn}:\n${session.output.table(['Address', 'Load Balancing Groups'], rows)}`;
    });
  },
};

export const gw: Noun = {
  name: 'gw',
  aliases: ['gateway'],
  describe: 'The gateway itself, and the others of its group',
  verbs: [info, version, getLogLevel, setLogLevel, listenerInfo, ...gatewayStatistics, ...groupVerbs],
};
