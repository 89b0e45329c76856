/** `anagate config ...` */
import { readFileSync } from 'node:fs';
import { constants, hostname } from 'node:os';
import { systemClock } from '../../base/clock.ts';
import { AnagateError } from '../../base/errors.ts';
import { examineConfigFile } from '../../config/config-file.ts';
import { type Effective, effectiveSettings } from '../../config/effective.ts';
import { examineEnvironment } from '../../config/environment.ts';
import type { Settings } from '../../config/settings.ts';
import type { Noun, Verb } from '../command.ts';
import type { Output } from '../output.ts';
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
    const effective = effectiveSettings(hostname(), examineEnvironment(session.env), file);
    if (effective.settings !== null) effective.errors.push(...wrongFiles(effective.settings));
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

/** Certificates and keys that the settings name and that would stop the gateway at its start. */
function wrongFiles(settings: Settings): AnagateError[] {
  const nowMs = systemClock.wallMs();
  const inGroup = settings.cephPool !== undefined && settings.owners === undefined;
  const errors = new Map<string, AnagateError>();
  for (const use of [grpcCredentials, metricsKeyPair, ...(inGroup ? [peerTls] : [])]) {
    try {
      use(settings, nowMs);
    } catch (error) {
      if (!(error instanceof AnagateError)) throw error;
      errors.set(error.message, error);
    }
  }
  return [...errors.values()];
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
