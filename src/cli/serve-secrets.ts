/** The key file of a gateway: what encrypts the keys in the configuration. */
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { AnagateError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Settings } from '../config/settings.ts';
import { SecretBox } from '../gateway/configuration/secret-box.ts';

/** Read and write permission of others than the owner and the group. */
const OTHERS = 0o007;

/** Undefined without a key file. Throws INVALID_ARGUMENT when it cannot be used. */
export function openSecrets({ encryptionKeyFile: path }: Settings, log: Log): SecretBox | undefined {
  if (path === undefined) return undefined;
  const content = read(path);
  if ((statSync(path).mode & OTHERS) !== 0)
    log.warn(
      { path },
      'the key file (encryption_key) is open to every user of this machine; chmod 600 closes it',
    );
  return SecretBox.fromFile(content, path, randomBytes);
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new AnagateError(
      'INVALID_ARGUMENT',
      `The key file ${path} (encryption_key in [gateway]) cannot be read: ${(error as Error).message}`,
      { cause: error },
    );
  }
}
