/**
 * Everything that a gateway process is told when it starts. What it serves is not here: that is the durable configuration,
 * changed through gRPC.
 */
import { AnagateError } from '../base/errors.ts';
import { requireGatewayName } from '../base/gateway-name.ts';

/** Level names as pino has them. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface Settings {
  /** Directory of the state file, its lock and the demo's file. */
  stateDir: string;
  /** Address at which hosts reach this gateway: discovery, and the demo's listener. May be a wildcard. */
  address: string;
  /** TCP port of the demo's listener. */
  ioPort: number;
  /** Discovery controller. Port 0: any free one. */
  discoveryAddress: string;
  discoveryPort: number;
  /** Management (gRPC): on loopback unless told otherwise. Port 0: any free one. */
  grpcAddress: string;
  grpcPort: number;
  /** Whether clients of management have to show a certificate; absent: no, and then it must be on loopback. */
  grpcAuth?: boolean;
  /** Files for that, PEM: see control/tls.ts. */
  serverKey?: string;
  serverCert?: string;
  clientKey?: string;
  clientCert?: string;
  rootCaCert?: string;
  /** Longest message of management, bytes, both ways; absent: as gRPC has it. */
  maxMessageBytes?: number;
  /** Prometheus. Port 0: any free one. */
  metricsAddress: string;
  metricsPort: number;
  metricsEnabled: boolean;
  /** HTTPS, with the certificate of management. */
  metricsTls: boolean;
  /** Asked of listeners; only false for now. */
  forceTls: boolean;
  /** Lower limits than those of limits.ts; absent: those. */
  maxSubsystems?: number;
  maxNamespaces?: number;
  maxNamespacesPerSubsystem?: number;
  maxHosts?: number;
  maxHostsPerSubsystem?: number;
  maxHostsPerNamespace?: number;
  /** The I/O of each host is counted by size from the start; "gw set_io_stats_mode" changes it while the gateway runs. */
  ioStatsEnabled: boolean;
  /** Unique in the group; what listeners name as their host. */
  name: string;
  /** File with the key that encrypts the keys of hosts and subsystems; absent: such keys are refused. */
  encryptionKeyFile?: string;
  /** Always true: they are never stored in the clear. */
  keyEncryption: boolean;
  /** '' is a group too. */
  group: string;
  hostname: string;
  logLevel: LogLevel;
  /** Pool with the configuration of the group; absent: it is in the state directory, and this gateway is alone. */
  cephPool?: string;
  /** ceph.conf. */
  cephConfigFile: string;
  /** Ceph user without "client.". */
  cephId: string;
  /** Where the gateway stands: a rack, a site; may be ''. */
  location: string;
  /** Times of the monitor of a group, ms; absent: as in monitor/times.ts. */
  beaconMs?: number;
  leaseMs?: number;
  graceMs?: number;
  failbackDelayMs?: number;
  /** Namespaces are rebalanced over the ANA groups this often; 0: only when an operator asks. */
  rebalancePeriodMs: number;
  /** Namespaces moved in one round of that. */
  rebalanceMoves: number;
  /** Who owns which ANA group, without failover; absent: the gateways of the group decide. A gateway's slot is the place of its first mention. */
  owners?: readonly { readonly group: number; readonly gateway: string }[];
  /** Refuse listeners at addresses that no gateway's node has. */
  verifyListenerAddress: boolean;
  /** Create the demo subsystem when nothing was ever configured. */
  demo: boolean;
}

/** The settings that are not derived from others or from the machine. */
export const SETTING_DEFAULTS = {
  stateDir: './anagate-state',
  address: '127.0.0.1',
  ioPort: 4420,
  discoveryPort: 8009,
  grpcAddress: '127.0.0.1',
  grpcPort: 5500,
  metricsPort: 10008,
  metricsEnabled: true,
  metricsTls: false,
  forceTls: false,
  keyEncryption: true,
  group: '',
  cephConfigFile: '/etc/ceph/ceph.conf',
  cephId: 'admin',
  logLevel: 'info',
  location: '',
  rebalancePeriodMs: 7000,
  rebalanceMoves: 8,
  verifyListenerAddress: true,
  ioStatsEnabled: true,
  demo: true,
} as const satisfies Partial<Settings>;

/** What one source of settings says; absent or undefined is "nothing". */
export type PartialSettings = { [K in keyof Settings]?: Settings[K] | undefined };

/** The settings from `sources`, the first that says something wins. Throws INVALID_ARGUMENT naming the setting. */
export function resolveSettings(hostname: string, ...sources: PartialSettings[]): Settings {
  const said: PartialSettings = {};
  for (const source of [...sources].reverse()) {
    for (const [key, value] of Object.entries(source)) {
      if (value !== undefined) Object.assign(said, { [key]: value });
    }
  }
  const address = said.address ?? SETTING_DEFAULTS.address;
  const settings: Settings = {
    ...SETTING_DEFAULTS,
    address,
    discoveryAddress: address,
    metricsAddress: address,
    hostname,
    name: said.hostname ?? hostname,
    ...(said as Partial<Settings>),
  };
  check(settings);
  return settings;
}

function check(settings: Settings): void {
  const refuse = (what: string): never => {
    throw new AnagateError('INVALID_ARGUMENT', what);
  };
  for (const key of ['address', 'discoveryAddress', 'grpcAddress', 'metricsAddress'] as const) {
    if (!isIpAddress(settings[key])) refuse(`${key} must be an IPv4 or IPv6 address, not "${settings[key]}"`);
  }
  for (const key of ['ioPort', 'discoveryPort', 'grpcPort', 'metricsPort'] as const) {
    const port = settings[key];
    const least = key === 'ioPort' ? 1 : 0;
    if (!Number.isInteger(port) || port < least || port > 65535) {
      refuse(`${key} must be a whole number from ${least} to 65535, not ${port}`);
    }
  }
  if (settings.cephPool === '') refuse('The Ceph pool must not be empty');
  // The group is part of an object's name, and of messages.
  if (!/^[\w.-]{0,128}$/.test(settings.group)) {
    refuse(`The group must be up to 128 letters, digits, ".", "_" and "-", not "${settings.group}"`);
  }
  checkManagement(settings, refuse);
  requireGatewayName(settings.name);
  if (settings.stateDir === '') refuse('The state directory must not be empty');
}

/** Who may manage the gateway has to be said where others could reach it. */
function checkManagement(settings: Settings, refuse: (what: string) => never): void {
  const { grpcAddress, grpcAuth, metricsTls, serverKey, serverCert, clientCert, rootCaCert } = settings;
  if (grpcAuth === undefined && !isLoopback(grpcAddress)) {
    refuse(
      `Management (gRPC) would listen on ${grpcAddress} in the clear, and whoever reaches that address could change everything. ` +
        'Set enable_auth = True in [gateway] of the configuration file, with the certificates in [mtls]; ' +
        'or, on a network that you trust, say enable_auth = False there, ' +
        'ANAGATE_GATEWAY_ENABLE_AUTH=False in the environment or --insecure-grpc on the command line',
    );
  }
  if (metricsTls && (serverKey === undefined || serverCert === undefined))
    refuse(
      'prometheus_exporter_ssl = True needs server_key and server_cert in [mtls] of the configuration file',
    );
  if (grpcAuth !== true) return;
  const missing = Object.entries({ server_key: serverKey, server_cert: serverCert })
    .filter(([, path]) => path === undefined)
    .map(([key]) => key);
  if (clientCert === undefined && rootCaCert === undefined) missing.push('client_cert (or root_ca_cert)');
  if (missing.length > 0)
    refuse(`enable_auth = True needs ${missing.join(', ')} in [mtls] of the configuration file`);
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** Whether `text` is an IP address in numbers. A full check of IPv6 is the operating system's when it binds. */
function isIpAddress(text: string): boolean {
  const octets = text.split('.');
  if (octets.length === 4)
    return octets.every((octet) => /^(?:0|[1-9]\d{0,2})$/.test(octet) && Number(octet) <= 255);
  return text.includes(':') && /^[0-9a-f:.]+(?:%[\w.-]+)?$/i.test(text);
}
