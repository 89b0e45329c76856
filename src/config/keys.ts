/**
 * The keys of the configuration file: ceph-nvmeof.conf's sections and names where they mean something here, and Anagate's own.
 */
import { LOG_LEVELS, type LogLevel, type Settings } from './settings.ts';

/** One key: which settings its value goes to, and how it is read. */
export interface Key {
  readonly sets: readonly (keyof Settings)[];
  /** Throws the reason why it cannot be read, as "must be ...". Undefined: as if it was not there. */
  read(text: string): unknown;
  /** A value of the setting as it would be written. */
  write(value: unknown): string;
}

type Reader<S extends keyof Settings> = (text: string) => Settings[S] | undefined;

function key<S extends keyof Settings>(
  sets: S | readonly S[],
  read: Reader<S>,
  write: (value: NonNullable<Settings[S]>) => string = String,
): Key {
  return {
    sets: typeof sets === 'string' ? [sets] : sets,
    read,
    write: (value) => (value === undefined ? '' : write(value as NonNullable<Settings[S]>)),
  };
}

const MIB = 1024 * 1024;
const seconds = (ms: number): string => String(ms / 1000);

export const KEYS: Readonly<Record<string, Readonly<Record<string, Key>>>> = {
  gateway: {
    name: key('name', textOrNothing),
    group: key('group', String),
    // ceph-nvmeof's addr is both the gateway's address and where its gRPC server listens.
    addr: key(['address', 'grpcAddress'], String),
    port: key('grpcPort', wholeNumber),
    override_hostname: key('hostname', textOrNothing),
    enable_auth: key('grpcAuth', truth, yesNo),
    force_tls: key('forceTls', notSupported('TLS on listeners'), yesNo),
    encryption_key: key('encryptionKeyFile', textOrNothing),
    enable_key_encryption: key('keyEncryption', onlyEncrypted, yesNo),
    max_message_length_in_mb: key(
      'maxMessageBytes',
      (text) => atLeastOne(text) * MIB,
      (bytes) => String(bytes / MIB),
    ),
    location: key('location', String),
    rebalance_period_sec: key('rebalancePeriodMs', (text) => wholeNumber(text) * 1000, seconds),
    max_ns_to_change_lb_grp: key('rebalanceMoves', wholeNumber),
    verify_listener_ip: key('verifyListenerAddress', truth, yesNo),
    max_subsystems: key('maxSubsystems', atLeastOne),
    max_namespaces: key('maxNamespaces', atLeastOne),
    max_namespaces_per_subsystem: key('maxNamespacesPerSubsystem', atLeastOne),
    max_hosts: key('maxHosts', atLeastOne),
    max_hosts_per_subsystem: key('maxHostsPerSubsystem', atLeastOne),
    max_hosts_per_namespace: key('maxHostsPerNamespace', atLeastOne),
    io_stats_enabled: key('ioStatsEnabled', truth, yesNo),
    enable_prometheus_exporter: key('metricsEnabled', truth, yesNo),
    prometheus_port: key('metricsPort', wholeNumber),
    prometheus_exporter_ssl: key('metricsTls', truth, yesNo),
  },
  'gateway-logs': {
    log_level: key('logLevel', logLevel),
  },
  discovery: {
    addr: key('discoveryAddress', String),
    port: key('discoveryPort', wholeNumber),
  },
  ceph: {
    pool: key('cephPool', textOrNothing),
    config_file: key('cephConfigFile', textOrNothing),
    id: key('cephId', (text) => textOrNothing(text)?.replace(/^client\./, '')),
  },
  mtls: {
    server_key: key('serverKey', textOrNothing),
    server_cert: key('serverCert', textOrNothing),
    client_key: key('clientKey', textOrNothing),
    client_cert: key('clientCert', textOrNothing),
    root_ca_cert: key('rootCaCert', textOrNothing),
  },
  monitor: {
    owners: key('owners', ownersOf, (owners) =>
      owners.map(({ group, gateway }) => `${group}:${gateway}`).join(', '),
    ),
    beacon_interval: key('beaconMs', milliseconds, seconds),
    lease: key('leaseMs', milliseconds, seconds),
    grace: key('graceMs', milliseconds, seconds),
    failback_delay: key('failbackDelayMs', milliseconds, seconds),
  },
};

/** Keys of ceph-nvmeof that have no effect here. Sections in full: see {@link IGNORED_SECTIONS}. */
export const IGNORED_KEYS: Readonly<Record<string, readonly string[]>> = {
  gateway: (
    'state_update_notify state_update_interval_sec state_update_timeout_in_msec break_update_interval_sec ' +
    'omap_file_lock_duration omap_file_lock_retries omap_file_lock_retry_sleep_interval omap_file_lock_on_read ' +
    'omap_file_update_reloads omap_file_update_attempts omap_file_ignore_unlock_errors omap_file_disable_unlock ' +
    'abort_on_errors abort_on_update_error enable_monitor_client monitor_stop_grace ' +
    'max_gws_in_grp allowed_consecutive_spdk_ping_failures spdk_ping_interval_in_seconds ' +
    'ping_spdk_under_lock max_namespaces_with_netmask subsystem_cache_expiration ' +
    'verify_nqns verify_keys ' +
    'prometheus_bdev_pools prometheus_stats_interval prometheus_frequency_slow_down_factor ' +
    'prometheus_cycles_to_adjust_speed prometheus_startup_delay prometheus_connection_list_cache_expiration ' +
    'enable_spdk_discovery_controller'
  ).split(' '),
  'gateway-logs': (
    'log_files_enabled log_files_rotation_enabled verbose_log_messages max_log_file_size_in_mb max_log_files_count ' +
    'max_log_directory_backups log_directory'
  ).split(' '),
  monitor: ['timeout', 'log_file_dir'],
  discovery: ['abort_on_errors', 'bind_retries_limit', 'bind_sleep_interval'],
};

/** Of those, what is done here without being asked: True says nothing new, and False would not be obeyed. */
export const ALWAYS_TRUE: readonly string[] = ['verify_nqns', 'verify_keys'];

/** Sections of ceph-nvmeof that have no effect here, whatever they say, and why. */
export const IGNORED_SECTIONS: Readonly<Record<string, string>> = {
  spdk: 'Anagate does not use SPDK',
  kmip: 'there is no encryption of images yet',
};

function textOrNothing(text: string): string | undefined {
  return text === '' ? undefined : text;
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`must be a whole number, not "${text}"`);
  return Number(text);
}

function atLeastOne(text: string): number {
  const number = wholeNumber(text);
  if (number === 0) throw new Error('must not be 0');
  return number;
}

/** Seconds, with a fraction or without. */
function milliseconds(text: string): number {
  if (!/^\d{1,6}(?:\.\d{1,3})?$/.test(text)) throw new Error(`must be a number of seconds, not "${text}"`);
  return Math.round(Number(text) * 1000);
}

/** "1:gw-a, 2:gw-b": ANA group and owner. */
function ownersOf(text: string): { group: number; gateway: string }[] {
  return text.split(',').map((entry) => {
    const match = /^\s*(\d{1,3})\s*:\s*([^\s:]+)\s*$/.exec(entry);
    if (match === null) throw new Error(`must be a list such as 1:gw-a, 2:gw-b, not "${text}"`);
    return { group: Number(match[1]), gateway: match[2]! };
  });
}

export function truth(text: string): boolean {
  if (/^(?:1|true|yes|on)$/i.test(text)) return true;
  if (/^(?:0|false|no|off)$/i.test(text)) return false;
  throw new Error(`must be True or False, not "${text}"`);
}

function yesNo(value: boolean): string {
  return value ? 'True' : 'False';
}

/** Silently serving without the protection that somebody asked for would be worse than not starting. */
function notSupported(what: string): (text: string) => false {
  return (text) => {
    if (truth(text)) throw new Error(`asks for ${what}; that is not supported yet`);
    return false;
  };
}

/** Keys of hosts and subsystems are never stored in the clear. */
function onlyEncrypted(text: string): true {
  if (!truth(text)) throw new Error('asks for keys in the clear; keys are stored encrypted only');
  return true;
}

/** Python's level names and pino's. */
function logLevel(text: string): LogLevel {
  const name = text.toLowerCase();
  const level = { warning: 'warn', critical: 'fatal', notset: 'trace' }[name] ?? name;
  const found = LOG_LEVELS.find((known) => known === level);
  if (found === undefined) throw new Error(`must be one of ${LOG_LEVELS.join(', ')}, not "${text}"`);
  return found;
}
