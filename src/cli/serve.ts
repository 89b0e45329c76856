/** `anagate serve`: its options. What it does is in serve-run.ts, which is loaded when it is asked for. */
import type { CommandModule } from 'yargs';
import { LOG_LEVELS, type LogLevel, type PartialSettings, SETTING_DEFAULTS } from '../config/settings.ts';
import { CommandArguments } from './arguments.ts';
import { MAX_PORT } from './commands/shared-options.ts';
import type { Streams } from './output.ts';

/** What the command line says about serving. */
export interface ServeRequest {
  settings: PartialSettings;
  /** Environment variables, with settings that lie between. */
  env: Readonly<Record<string, string | undefined>>;
  /** Path of a configuration file. */
  configFile: string | undefined;
  /** undefined: as the destination suggests. */
  logFormat: 'json' | 'pretty' | undefined;
  version: string;
}

const OPTIONS = {
  'state-dir': {
    alias: 'd',
    type: 'string',
    requiresArg: true,
    describe: 'Directory of the configuration; made if missing. One gateway per directory',
    defaultDescription: SETTING_DEFAULTS.stateDir,
  },
  address: {
    alias: 'a',
    type: 'string',
    requiresArg: true,
    describe:
      'Address at which hosts reach this machine: of the discovery service and the demo. The default reaches no further ' +
      'than this machine; 0.0.0.0 and :: mean all interfaces',
    defaultDescription: SETTING_DEFAULTS.address,
  },
  'io-port': port('TCP port of the demo subsystem', SETTING_DEFAULTS.ioPort),
  'discovery-port': port('TCP port of the discovery service', SETTING_DEFAULTS.discoveryPort),
  'grpc-address': {
    type: 'string',
    requiresArg: true,
    describe:
      'Address of the management port; other than of this machine it needs enable_auth, or --insecure-grpc',
    defaultDescription: SETTING_DEFAULTS.grpcAddress,
  },
  'grpc-port': port('TCP port of management (gRPC)', SETTING_DEFAULTS.grpcPort),
  'insecure-grpc': {
    type: 'boolean',
    describe: 'Let whoever reaches the management port change everything, without TLS and certificates',
  },
  'metrics-address': {
    type: 'string',
    requiresArg: true,
    describe: 'Address of the metrics page',
    defaultDescription: 'that of --address',
  },
  'metrics-port': port('TCP port of the metrics page (Prometheus)', SETTING_DEFAULTS.metricsPort),
  name: {
    type: 'string',
    requiresArg: true,
    describe: 'Name of this gateway, for listeners',
    defaultDescription: "the machine's host name",
  },
  group: {
    type: 'string',
    requiresArg: true,
    describe: 'Name of the group of gateways',
    defaultDescription: 'none',
  },
  'ceph-conf': {
    type: 'string',
    requiresArg: true,
    describe: 'ceph.conf of the cluster that images are in',
    defaultDescription: SETTING_DEFAULTS.cephConfigFile,
  },
  'ceph-id': {
    type: 'string',
    requiresArg: true,
    describe: 'Ceph user, without "client."',
    defaultDescription: SETTING_DEFAULTS.cephId,
  },
  config: {
    alias: 'c',
    type: 'string',
    requiresArg: true,
    describe:
      "Configuration file with ceph-nvmeof.conf's names; the environment wins over it, and options over both",
  },
  'no-demo': { type: 'boolean', describe: 'Do not make the demo subsystem when nothing is configured' },
  'log-level': {
    choices: LOG_LEVELS,
    requiresArg: true,
    describe: 'What is logged, to standard error',
    default: undefined,
    defaultDescription: SETTING_DEFAULTS.logLevel,
  },
  'log-format': {
    choices: ['json', 'pretty'],
    requiresArg: true,
    describe: 'Log for programs or for people',
    defaultDescription: 'pretty on a terminal',
  },
} as const;

function port(describe: string, value: number) {
  return { type: 'string', requiresArg: true, describe, defaultDescription: String(value) } as const;
}

/** What the command needs of the process. */
export interface ServeEnvironment {
  streams: Streams;
  /** Environment variables. */
  env: Readonly<Record<string, string | undefined>>;
  /** Anagate's. */
  version: string;
  /** Told the exit status when it is not 0. */
  failed(status: number): void;
}

export function serveCommand({ streams, env, version, failed }: ServeEnvironment): CommandModule {
  return {
    command: 'serve',
    describe: 'Run a gateway here until it is told to stop (SIGTERM, Ctrl-C)',
    builder: (parser) =>
      parser
        .usage('$0 serve [options]\n\nRuns a gateway here until it is told to stop (SIGTERM, Ctrl-C).')
        .options(OPTIONS)
        .group(Object.keys(OPTIONS), 'Options of serve:')
        .hide('format')
        .hide('output')
        .hide('server-address')
        .hide('server-port')
        .hide('timeout')
        .hide('verbose')
        .example([
          ['anagate serve', 'the demo, for this machine'],
          ['anagate serve --address 192.0.2.10', 'the demo, for hosts that reach 192.0.2.10'],
          ['anagate serve -d /var/lib/anagate --no-demo', 'as a service'],
        ]),
    handler: async (values) => {
      const request = { ...requestOf(new CommandArguments(values), env), env, version };
      const { runGateway } = await import('./serve-run.ts');
      const status = await runGateway(request, streams.out, streams.err);
      if (status !== 0) failed(status);
    },
  };
}

function requestOf(
  args: CommandArguments,
  env: ServeEnvironment['env'],
): Omit<ServeRequest, 'version' | 'env'> {
  return {
    settings: {
      stateDir: args.optionalText('state-dir') ?? (env.ANAGATE_STATE_DIR || undefined),
      address: args.optionalText('address'),
      ioPort: args.optionalInteger('io-port', 1, MAX_PORT),
      discoveryPort: args.optionalInteger('discovery-port', 0, MAX_PORT),
      grpcAddress: args.optionalText('grpc-address'),
      grpcPort: args.optionalInteger('grpc-port', 0, MAX_PORT),
      grpcAuth: args.flag('insecure-grpc') ? false : undefined,
      metricsAddress: args.optionalText('metrics-address'),
      metricsPort: args.optionalInteger('metrics-port', 0, MAX_PORT),
      name: args.optionalText('name'),
      group: args.optionalText('group'),
      cephConfigFile: args.optionalText('ceph-conf'),
      cephId: args.optionalText('ceph-id'),
      logLevel: args.optionalText('log-level') as LogLevel | undefined,
      demo: args.flag('no-demo') || env.ANAGATE_NO_DEMO ? false : undefined,
    },
    configFile: args.optionalText('config') ?? (env.ANAGATE_CONFIG || undefined),
    logFormat: args.optionalText('log-format') as 'json' | 'pretty' | undefined,
  };
}
