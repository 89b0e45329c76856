/** `anagate config ...` */
import { readFileSync } from 'node:fs';
import { constants, hostname } from 'node:os';
import { systemClock } from '../../base/clock.ts';
import { AnagateError } from '../../base/errors.ts';
import { nullLog } from '../../base/log.ts';
import { examineConfigFile } from '../../config/config-file.ts';
import { type Effective, effectiveSettings } from '../../config/effective.ts';
import { examineEnvironment } from '../../config/environment.ts';
import { KEYS } from '../../config/keys.ts';
import type { PartialSettings, Settings } from '../../config/settings.ts';
import { configuredLimits } from '../../gateway/configuration/configuration.ts';
import { MONITOR_TIMES } from '../../monitor/times.ts';
import type { Noun, Verb } from '../command.ts';
import type { Output } from '../output.ts';
import { openSecrets } from '../serve-secrets.ts';
import { monitorTimes } from '../serve-times.ts';
import { grpcCredentials, metricsKeyPair, peerTls } from '../serve-tls.ts';

const { EINVAL, ENOENT } = constants.errno;

const check: Verb = {
  name: 'check',
  describe: 'Check a configuration file and the environment, and show the settings that they come to',
  operand: { name: 'file', describe: 'Path of the file' },
  options: {},
  examples: [
    ['config check /etc/anagate.conf', 'needs no gateway'],
    ['config check /etc/anagate.conf --format json', 'for a program'],
  ],
  run: async (args, session) => {
    const path = args.text('file');
    const text = readText(path, session.output);
    if (text === null) return ENOENT;
    const file = examineConfigFile(text, path);
    const effective = effectiveSettings(hostname(), examineEnvironment(session.env), file, UNSAID);
    if (effective.settings !== null) {
      effective.errors.push(...wrongAtStart(effective.settings));
      effective.warnings.push(...limitsOutOfReach(effective.settings));
    }
    return say(path, effective, session.output);
  },
};

/** Null: it cannot be read, which is said. */
function readText(path: string, output: Output): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const message = `configuration file ${path} cannot be read: ${(error as Error).message}`;
    if (output.isDocument) output.tree({ status: ENOENT, error_message: message });
    else output.error(message);
    return null;
  }
}

/** What would stop the gateway at its start: certificates and keys that are named, times that do not go together. */
function wrongAtStart(settings: Settings): AnagateError[] {
  const nowMs = systemClock.wallMs();
  const inGroup = settings.cephPool !== undefined && settings.owners === undefined;
  const errors = new Map<string, AnagateError>();
  const always = [
    () => grpcCredentials(settings, nowMs),
    () => metricsKeyPair(settings, nowMs),
    () => openSecrets(settings, nullLog),
  ];
  const ofGroup = [() => peerTls(settings, systemClock, nullLog), () => monitorTimes(settings)];
  for (const use of [...always, ...(inGroup ? ofGroup : [])]) {
    try {
      use();
    } catch (error) {
      if (!(error instanceof AnagateError)) throw error;
      errors.set(error.message, error);
    }
  }
  return [...errors.values()];
}

/** What holds for settings without a default of their own. */
const UNSAID: PartialSettings = {
  grpcAuth: false,
  beaconMs: MONITOR_TIMES.beacon,
  leaseMs: MONITOR_TIMES.lease,
  graceMs: MONITOR_TIMES.grace,
  failbackDelayMs: MONITOR_TIMES.failbackDelay,
  ...configuredLimits({}),
};

/** A sentence for each limit that is above what a gateway can do. */
function limitsOutOfReach(settings: Settings): string[] {
  const own = configuredLimits({});
  return Object.entries(KEYS.gateway!).flatMap(([key, { sets }]) => {
    const limit = own[sets[0] as keyof typeof own];
    const said = settings[sets[0]!];
    return limit !== undefined && Number(said) > limit
      ? [`${key} is ${said}, but a gateway allows ${limit} at most, and that holds`]
      : [];
  });
}

function say(path: string, { keys, errors, warnings }: Effective, output: Output): number {
  const status = errors.length === 0 ? 0 : EINVAL;
  const messages = errors.map(({ message }) => message);
  if (output.isDocument) {
    output.tree({
      status,
      error_message: messages[0] ?? 'Success',
      file: path,
      errors: messages,
      warnings,
      settings: keys,
    });
    return status;
  }
  for (const message of messages) output.error(`Error: ${message}`);
  for (const warning of warnings) output.warning(`Warning: ${warning}`);
  const rows = keys.map(({ section, key, value, from }) => [`[${section}]`, key, value || '-', from]);
  output.info(output.table(['Section', 'Key', 'Value', 'From'], rows));
  if (errors.length === 0) output.info(`${path} is good`);
  else
    output.error(
      `${path}: ${errors.length} ${errors.length === 1 ? 'mistake' : 'mistakes'}; a gateway would not start with it`,
    );
  return status;
}

export const config: Noun = {
  name: 'config',
  aliases: [],
  describe: 'Configuration files of gateways',
  verbs: [check],
};
