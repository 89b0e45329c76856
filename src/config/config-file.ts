/**
 * The configuration file: ceph-nvmeof.conf's sections and key names where they mean something here. A key that only means
 * something to ceph-nvmeof is accepted with a warning, so that its file can be used as it is; an unknown key is refused,
 * and so is one that asks for security which is not there.
 */
import { type IniEntry, iniError, parseIni } from './ini.ts';
import { LOG_LEVELS, type LogLevel, type PartialSettings } from './settings.ts';

export interface ConfigFile {
  settings: PartialSettings;
  /** One sentence per key or section without effect. */
  warnings: string[];
}

const MIB = 1024 * 1024;

/** Takes one value into the settings, or throws the reason why it cannot (without file and line). */
type Take = (settings: PartialSettings, value: string) => void;

const KEYS: Record<string, Record<string, Take>> = {
  gateway: {
    name: (settings, value) => {
      settings.name = value === '' ? undefined : value;
    },
    group: (settings, value) => {
      settings.group = value;
    },
    // ceph-nvmeof's addr is both the gateway's address and where its gRPC server listens.
    addr: (settings, value) => {
      settings.address = value;
      settings.grpcAddress = value;
    },
    port: (settings, value) => {
      settings.grpcPort = wholeNumber(value);
    },
    override_hostname: (settings, value) => {
      settings.hostname = value === '' ? undefined : value;
    },
    prometheus_port: (settings, value) => {
      settings.metricsPort = wholeNumber(value);
    },
    enable_prometheus_exporter: (settings, value) => {
      settings.metricsEnabled = truth(value);
    },
    location: (settings, value) => {
      settings.location = value;
    },
    rebalance_period_sec: (settings, value) => {
      settings.rebalancePeriodMs = wholeNumber(value) * 1000;
    },
    max_ns_to_change_lb_grp: (settings, value) => {
      settings.rebalanceMoves = wholeNumber(value);
    },
    verify_listener_ip: (settings, value) => {
      settings.verifyListenerAddress = truth(value);
    },
    enable_auth: (settings, value) => {
      settings.grpcAuth = truth(value);
    },
    max_message_length_in_mb: (settings, value) => {
      settings.maxMessageBytes = atLeastOne(value) * MIB;
    },
    force_tls: (_, value) => notSupported('TLS on listeners', value),
  },
  'gateway-logs': {
    log_level: (settings, value) => {
      settings.logLevel = logLevel(value);
    },
  },
  mtls: {
    server_key: (settings, value) => {
      settings.serverKey = pathOf(value);
    },
    server_cert: (settings, value) => {
      settings.serverCert = pathOf(value);
    },
    client_key: (settings, value) => {
      settings.clientKey = pathOf(value);
    },
    client_cert: (settings, value) => {
      settings.clientCert = pathOf(value);
    },
    root_ca_cert: (settings, value) => {
      settings.rootCaCert = pathOf(value);
    },
  },
  ceph: {
    pool: (settings, value) => {
      settings.cephPool = value === '' ? undefined : value;
    },
    config_file: (settings, value) => {
      settings.cephConfigFile = value === '' ? undefined : value;
    },
    id: (settings, value) => {
      settings.cephId = value === '' ? undefined : value.replace(/^client\./, '');
    },
  },
  monitor: {
    owners: (settings, value) => {
      settings.owners = ownersOf(value);
    },
    beacon_interval: (settings, value) => {
      settings.beaconMs = milliseconds(value);
    },
    lease: (settings, value) => {
      settings.leaseMs = milliseconds(value);
    },
    grace: (settings, value) => {
      settings.graceMs = milliseconds(value);
    },
    failback_delay: (settings, value) => {
      settings.failbackDelayMs = milliseconds(value);
    },
  },
  discovery: {
    addr: (settings, value) => {
      settings.discoveryAddress = value;
    },
    port: (settings, value) => {
      settings.discoveryPort = wholeNumber(value);
    },
  },
};

/** Keys of ceph-nvmeof that have no effect here. Sections in full: see {@link IGNORED_SECTIONS}. */
const IGNORED_KEYS: Record<string, readonly string[]> = {
  gateway: (
    'state_update_notify state_update_interval_sec state_update_timeout_in_msec break_update_interval_sec ' +
    'omap_file_lock_duration omap_file_lock_retries omap_file_lock_retry_sleep_interval omap_file_lock_on_read ' +
    'omap_file_update_reloads omap_file_update_attempts omap_file_ignore_unlock_errors omap_file_disable_unlock ' +
    'abort_on_errors abort_on_update_error enable_monitor_client monitor_stop_grace ' +
    'max_gws_in_grp allowed_consecutive_spdk_ping_failures spdk_ping_interval_in_seconds ' +
    'ping_spdk_under_lock max_subsystems max_namespaces max_namespaces_per_subsystem max_hosts ' +
    'max_hosts_per_subsystem max_hosts_per_namespace max_namespaces_with_netmask subsystem_cache_expiration ' +
    'verify_nqns verify_keys encryption_key enable_key_encryption prometheus_exporter_ssl ' +
    'prometheus_bdev_pools prometheus_stats_interval prometheus_frequency_slow_down_factor ' +
    'prometheus_cycles_to_adjust_speed prometheus_startup_delay prometheus_connection_list_cache_expiration ' +
    'io_stats_enabled enable_spdk_discovery_controller'
  ).split(' '),
  'gateway-logs': (
    'log_files_enabled log_files_rotation_enabled verbose_log_messages max_log_file_size_in_mb max_log_files_count ' +
    'max_log_directory_backups log_directory'
  ).split(' '),
  monitor: ['timeout', 'log_file_dir'],
  discovery: ['abort_on_errors', 'bind_retries_limit', 'bind_sleep_interval'],
};

/** Sections of ceph-nvmeof that have no effect here, whatever they say, and why. */
const IGNORED_SECTIONS: Record<string, string> = {
  spdk: 'Anagate does not use SPDK',
  kmip: 'there is no encryption of images yet',
};

/** Reads the file's `text`; `path` is for messages. Throws INVALID_ARGUMENT naming the file and the line. */
export function parseConfigFile(text: string, path: string): ConfigFile {
  const settings: PartialSettings = {};
  const warnings: string[] = [];
  const sections = new Set<string>();
  for (const entry of parseIni(text, path)) {
    const ignored = IGNORED_SECTIONS[entry.section];
    if (ignored !== undefined) {
      if (!sections.has(entry.section))
        warnings.push(`${path}: section [${entry.section}] has no effect: ${ignored}`);
      sections.add(entry.section);
    } else if (IGNORED_KEYS[entry.section]?.includes(entry.key)) {
      warnings.push(`${path}: ${entry.key} in line ${entry.line} has no effect here`);
    } else {
      take(entry, settings, path);
    }
  }
  return { settings, warnings };
}

function take(entry: IniEntry, settings: PartialSettings, path: string): void {
  const keys = KEYS[entry.section];
  if (keys === undefined) {
    const known = [...Object.keys(KEYS), ...Object.keys(IGNORED_SECTIONS)].join(', ');
    throw iniError(
      path,
      entry.line,
      `is in section [${entry.section}], which is not known; known are ${known}`,
    );
  }
  const setter = keys[entry.key];
  if (setter === undefined) {
    const known = Object.keys(keys).join(', ');
    throw iniError(
      path,
      entry.line,
      `sets ${entry.key}, which is not known in [${entry.section}]; known are ${known}`,
    );
  }
  try {
    setter(settings, entry.value);
  } catch (error) {
    throw iniError(path, entry.line, `sets ${entry.key}, which ${(error as Error).message}`);
  }
}

function pathOf(value: string): string | undefined {
  return value === '' ? undefined : value;
}

function atLeastOne(value: string): number {
  const number = wholeNumber(value);
  if (number === 0) throw new Error('must not be 0');
  return number;
}

function wholeNumber(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new Error(`must be a whole number, not "${value}"`);
  return Number(value);
}

/** Seconds, with a fraction or without. */
function milliseconds(value: string): number {
  if (!/^\d{1,6}(?:\.\d{1,3})?$/.test(value)) throw new Error(`must be a number of seconds, not "${value}"`);
  return Math.round(Number(value) * 1000);
}

/** "1:gw-a, 2:gw-b": ANA group and owner. */
function ownersOf(value: string): { group: number; gateway: string }[] {
  return value.split(',').map((entry) => {
    const match = /^\s*(\d{1,3})\s*:\s*([^\s:]+)\s*$/.exec(entry);
    if (match === null) throw new Error(`must be a list such as 1:gw-a, 2:gw-b, not "${value}"`);
    return { group: Number(match[1]), gateway: match[2]! };
  });
}

function truth(value: string): boolean {
  if (/^(?:1|true|yes|on)$/i.test(value)) return true;
  if (/^(?:0|false|no|off)$/i.test(value)) return false;
  throw new Error(`must be True or False, not "${value}"`);
}

/** Silently serving without the protection that somebody asked for would be worse than not starting. */
function notSupported(what: string, value: string): void {
  if (truth(value)) throw new Error(`asks for ${what}; that is not supported yet`);
}

/** Python's level names and pino's. */
function logLevel(value: string): LogLevel {
  const name = value.toLowerCase();
  const level = { warning: 'warn', critical: 'fatal', notset: 'trace' }[name] ?? name;
  const found = LOG_LEVELS.find((known) => known === level);
  if (found === undefined) throw new Error(`must be one of ${LOG_LEVELS.join(', ')}, not "${value}"`);
  return found;
}
