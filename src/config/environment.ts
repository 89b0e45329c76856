/**
 * Settings from environment variables, for containers: each key of the configuration file as ANAGATE_<SECTION>_<KEY>, in capitals
 * and with "_" for "-": ANAGATE_GATEWAY_PORT, ANAGATE_GATEWAY_LOGS_LOG_LEVEL. An empty variable says nothing.
 */
import { AnagateError } from '../base/errors.ts';
import { emptySource, type Source, takeValue, warningOf } from './config-file.ts';
import { IGNORED_KEYS, IGNORED_SECTIONS, KEYS } from './keys.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables of the program itself: which configuration file, which state directory, no demo; and those of the tests. */
const OTHERS = new Set(['ANAGATE_CONFIG', 'ANAGATE_STATE_DIR', 'ANAGATE_NO_DEMO', 'ANAGATE_PROGRAM']);
const TESTS = /^ANAGATE_(?:E2E|TEST|FUZZ|LONG)(?:_|$)/;
/** What Kubernetes sets for a service whose name begins with "anagate". */
const SERVICE_NAME = /_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)$/;
const SERVICE_VALUE = /^(?:tcp|udp|sctp):\/\//;

export function variableOf(section: string, key: string): string {
  return `ANAGATE_${section}_${key}`.toUpperCase().replaceAll('-', '_');
}

/** Throws INVALID_ARGUMENT naming the first variable that is unknown or malformed. */
export function settingsFromEnvironment(env: Environment): Source {
  const source = examineEnvironment(env);
  if (source.errors[0] !== undefined) throw source.errors[0];
  return source;
}

/** As {@link settingsFromEnvironment}, with all that is wrong. */
export function examineEnvironment(env: Environment): Source {
  const source = emptySource();
  for (const [variable, value] of Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!variable.startsWith('ANAGATE_') || value === undefined || value === '') continue;
    if (OTHERS.has(variable) || TESTS.test(variable)) continue;
    if (SERVICE_NAME.test(variable) || SERVICE_VALUE.test(value)) continue;
    takeVariable(variable, value, source);
  }
  return source;
}

const KNOWN = namesOf(Object.entries(KEYS).map(([section, keys]) => [section, Object.keys(keys)]));
const IGNORED = namesOf(Object.entries(IGNORED_KEYS));

function namesOf(sections: readonly (readonly [string, readonly string[]])[]): Map<string, [string, string]> {
  return new Map(
    sections.flatMap(([section, keys]) =>
      keys.map((key): [string, [string, string]] => [variableOf(section, key), [section, key]]),
    ),
  );
}

function takeVariable(variable: string, value: string, source: Source): void {
  const ignored = IGNORED.get(variable);
  const section = Object.keys(IGNORED_SECTIONS).find((name) => variable.startsWith(variableOf(name, '')));
  const known = KNOWN.get(variable);
  if (ignored !== undefined) {
    const warning = warningOf(ignored[1], value);
    if (warning !== null) source.warnings.push(`${variable} in the environment ${warning}`);
  } else if (section !== undefined) {
    source.warnings.push(`${variable} in the environment has no effect: ${IGNORED_SECTIONS[section]}`);
  } else if (known === undefined) {
    source.errors.push(
      wrong(
        `${variable} in the environment is not known: it is ANAGATE_<SECTION>_<KEY> of the configuration file`,
      ),
    );
  } else {
    try {
      takeValue(known[0], known[1], value, source, variable);
    } catch (error) {
      source.errors.push(wrong(`${variable} in the environment ${(error as Error).message}`));
    }
  }
}

function wrong(what: string): AnagateError {
  return new AnagateError('INVALID_ARGUMENT', what);
}
