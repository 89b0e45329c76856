/**
 * The configuration file: ceph-nvmeof.conf's sections and key names where they mean something here. A key that only means
 * something to ceph-nvmeof is accepted with a warning, so that its file can be used as it is; an unknown key is refused,
 * and so is one that asks for security which is not there.
 */
import { AnagateError } from '../base/errors.ts';
import { type IniEntry, iniError, parseIni } from './ini.ts';
import { ALWAYS_TRUE, IGNORED_KEYS, IGNORED_SECTIONS, KEYS, truth } from './keys.ts';
import type { PartialSettings } from './settings.ts';

/** What one source of settings says. */
export interface Source {
  settings: PartialSettings;
  /** One sentence per key or section without effect. */
  warnings: string[];
  /** What is wrong, in the order of the source; the settings lack it. */
  errors: AnagateError[];
  /** `section.key` -> where it is set, for people: "line 3", "ANAGATE_GATEWAY_PORT". */
  origins: Map<string, string>;
}

export type ConfigFile = Pick<Source, 'settings' | 'warnings'>;

/** Reads the file's `text`; `path` is for messages. Throws INVALID_ARGUMENT naming the file and the first wrong line. */
export function parseConfigFile(text: string, path: string): ConfigFile {
  const { settings, warnings, errors } = examineConfigFile(text, path);
  if (errors[0] !== undefined) throw errors[0];
  return { settings, warnings };
}

/** As {@link parseConfigFile}, with all that is wrong. */
export function examineConfigFile(text: string, path: string): Source {
  const source = emptySource();
  let entries: readonly IniEntry[] = [];
  try {
    entries = parseIni(text, path);
  } catch (error) {
    if (!(error instanceof AnagateError)) throw error;
    source.errors.push(error);
  }
  const sections = new Set<string>();
  for (const entry of entries) {
    const ignored = IGNORED_SECTIONS[entry.section];
    if (ignored !== undefined) {
      if (!sections.has(entry.section))
        source.warnings.push(`${path}: section [${entry.section}] has no effect: ${ignored}`);
      sections.add(entry.section);
    } else if (IGNORED_KEYS[entry.section]?.includes(entry.key)) {
      const warning = warningOf(entry.key, entry.value);
      if (warning !== null) source.warnings.push(`${path}: ${entry.key} in line ${entry.line} ${warning}`);
    } else {
      takeEntry(entry, source, path);
    }
  }
  return source;
}

export function emptySource(): Source {
  return { settings: {}, warnings: [], errors: [], origins: new Map() };
}

/** What is to be said of a key of ceph-nvmeof without effect here; null: nothing, as it asks for what is done anyway. */
export function warningOf(key: string, value: string): string | null {
  if (!ALWAYS_TRUE.includes(key)) return 'has no effect here';
  try {
    return truth(value) ? null : 'has no effect here: it is always on';
  } catch (error) {
    return `has no effect here, and ${(error as Error).message}`;
  }
}

/** Takes one value into the settings. Throws the reason why it cannot, as "must be ...". */
export function takeValue(section: string, key: string, value: string, source: Source, origin: string): void {
  const known = KEYS[section]![key]!;
  const read = known.read(value);
  for (const setting of known.sets) Object.assign(source.settings, { [setting]: read });
  if (read !== undefined) source.origins.set(`${section}.${key}`, origin);
}

function takeEntry(entry: IniEntry, source: Source, path: string): void {
  const { section, key, line, value } = entry;
  const wrong = (what: string): void => {
    source.errors.push(iniError(path, line, what));
  };
  const keys = KEYS[section];
  if (keys === undefined) {
    const known = [...Object.keys(KEYS), ...Object.keys(IGNORED_SECTIONS)].join(', ');
    wrong(`is in section [${section}], which is not known; known are ${known}`);
  } else if (keys[key] === undefined) {
    wrong(`sets ${key}, which is not known in [${section}]; known are ${Object.keys(keys).join(', ')}`);
  } else {
    try {
      takeValue(section, key, value, source, `line ${line}`);
    } catch (error) {
      wrong(`sets ${key}, which ${(error as Error).message}`);
    }
  }
}
