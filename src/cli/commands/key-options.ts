/** Options whose value is a key: given as it is, or where it is, so that it stands in no list of processes. */
import { readFileSync } from 'node:fs';
import type { Options } from 'yargs';
import { type CommandArguments, UsageError } from '../arguments.ts';

const WHERE = '; @FILE: what FILE holds; @-: what standard input gives';
const STANDARD_INPUT = 0;

function keyOption(alias: string | string[], describe: string): Options {
  return { alias, type: 'string', requiresArg: true, describe: describe + WHERE };
}

export const PSK = keyOption('p', 'TLS key of the host (NVMeTLSkey-1:...)');
export const DHCHAP_KEY = keyOption('k', 'DH-HMAC-CHAP key (DHHC-1:...)');
export const CONTROLLER_KEY = keyOption(
  ['c', 'dhchap-ctrlr-key'],
  'DH-HMAC-CHAP key that the controllers prove themselves with to the host (DHHC-1:...)',
);

/** @throws UsageError when the file cannot be read or is empty */
export function optionalKey(args: CommandArguments, option: string): string | undefined {
  const text = args.optionalText(option);
  if (text === undefined || !text.startsWith('@')) return text;
  const from = text === '@-' ? STANDARD_INPUT : text.slice(1);
  const key = readText(option, from).trim();
  if (key === '') throw new UsageError(`--${option}: there is no key in ${nameOf(from)}`);
  return key;
}

/** A key that yargs demands. */
export function requiredKey(args: CommandArguments, option: string): string {
  return optionalKey(args, option) ?? args.text(option);
}

function readText(option: string, from: string | number): string {
  try {
    return readFileSync(from, 'utf8');
  } catch (error) {
    throw new UsageError(`--${option}: ${nameOf(from)} cannot be read: ${(error as Error).message}`);
  }
}

function nameOf(from: string | number): string {
  return from === STANDARD_INPUT ? 'standard input' : String(from);
}
