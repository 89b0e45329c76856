/** The RPCs for the whole configuration. A document travels compressed: that of 4096 namespaces fits into one message. */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { AnagateError } from '../base/errors.ts';
import type { GatewayApi } from '../gateway/gateway-api.ts';
import { IMPORT_MODES, type ImportMode } from '../gateway/state/import.ts';
import { answer, type RpcHandlers } from './answer.ts';
import type { EncryptionKey, StateChange } from './gateway-types.ts';

/** Far more than a configuration of greatest size. */
const DOCUMENT_BYTES_MAX = 64 * 1024 * 1024;

const NOTHING_IMPORTED: { changes: StateChange[]; commits: number } = { changes: [], commits: 0 };

const compress = promisify(gzip);
const decompress = promisify(gunzip);

export type StateRpc = 'export_state' | 'import_state' | 'list_encryption_keys' | 'rotate_encryption_key';

export function stateRpcs(gateway: Pick<GatewayApi, 'state'>): RpcHandlers<StateRpc> {
  return {
    export_state: () =>
      answer('Failure exporting the configuration', { document: Buffer.alloc(0), version: 0 }, async () => {
        const { document, version } = await gateway.state.exportState();
        return { version, document: await compress(document) };
      }),

    import_state: (request) =>
      answer('Failure importing the configuration', NOTHING_IMPORTED, async () => {
        const mode = toMode(request.mode);
        const text = await textOf(request.document);
        return gateway.state.importState(text, mode, request.dry_run);
      }),

    list_encryption_keys: () =>
      answer('Failure listing the encryption keys', { keys: [] as EncryptionKey[] }, async () => ({
        keys: gateway.state.encryptionKeys(),
      })),

    rotate_encryption_key: () =>
      answer('Failure encrypting the keys anew', { key_id: '', changed: 0 }, async () => {
        const changed = await gateway.state.rotateKeys();
        return { changed, key_id: gateway.state.encryptionKeys()[0]?.id ?? '' };
      }),
  };
}

/** The document of a request or an answer. */
export async function textOf(document: Buffer): Promise<string> {
  try {
    return (await decompress(document, { maxOutputLength: DOCUMENT_BYTES_MAX })).toString();
  } catch (error) {
    throw new AnagateError(
      'INVALID_ARGUMENT',
      `the document is not compressed with gzip: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

function toMode(text: string): ImportMode {
  const mode = text === '' ? 'empty' : IMPORT_MODES.find((known) => known === text);
  if (mode === undefined)
    throw new AnagateError('INVALID_ARGUMENT', `mode "${text}" is none of ${IMPORT_MODES.join(', ')}`);
  return mode;
}
