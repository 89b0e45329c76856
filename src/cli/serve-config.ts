/** The configuration file of a gateway. */
import { readFileSync } from 'node:fs';
import { AnagateError } from '../base/errors.ts';
import { type ConfigFile, parseConfigFile } from '../config/config-file.ts';

/** Nothing without a path. Throws INVALID_ARGUMENT naming the file, and the line that is wrong. */
export function readConfigFile(path: string | undefined): ConfigFile {
  if (path === undefined) return { settings: {}, warnings: [] };
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new AnagateError(
      'INVALID_ARGUMENT',
      `configuration file ${path} cannot be read: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
  return parseConfigFile(text, path);
}
