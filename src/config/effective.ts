/** The settings that a gateway would run with, key by key, and what is wrong with what was said. */
import { AnagateError } from '../base/errors.ts';
import type { Source } from './config-file.ts';
import { variableOf } from './environment.ts';
import { KEYS } from './keys.ts';
import { type PartialSettings, resolveSettings, type Settings } from './settings.ts';

/** One key of the configuration file. */
export interface EffectiveKey {
  section: string;
  key: string;
  /** As it would be written; '' is none. */
  value: string;
  /** "line 3", the name of a variable, or "default". */
  from: string;
  /** Its environment variable. */
  variable: string;
}

export interface Effective {
  /** Null when they contradict each other. */
  settings: Settings | null;
  keys: EffectiveKey[];
  errors: AnagateError[];
  warnings: string[];
}

/**
 * What `environment` and `file`, in this order of precedence, come to.
 * @param unsaid what holds for settings that may be absent
 */
export function effectiveSettings(
  hostname: string,
  environment: Source,
  file: Source,
  unsaid: PartialSettings,
): Effective {
  const errors = [...file.errors, ...environment.errors];
  let settings: Settings | null = null;
  try {
    settings = resolveSettings(hostname, environment.settings, file.settings);
  } catch (error) {
    if (!(error instanceof AnagateError)) throw error;
    errors.push(error);
  }
  const said: PartialSettings = settings ?? { ...file.settings, ...environment.settings };
  const shown = { ...unsaid, ...said };
  const origin = (name: string): string =>
    environment.origins.get(name) ?? file.origins.get(name) ?? 'default';
  const keys = Object.entries(KEYS).flatMap(([section, ofSection]) =>
    Object.entries(ofSection).map(([key, { sets, write }]) => ({
      section,
      key,
      value: write(shown[sets[0]!]),
      from: origin(`${section}.${key}`),
      variable: variableOf(section, key),
    })),
  );
  return { settings, keys, errors, warnings: [...file.warnings, ...environment.warnings] };
}
