/** Opens what a namespace's bytes are kept in. The one place that knows which backends there are. */

import { openFileDevice } from '../backend/file.ts';
import { MemoryDevice } from '../backend/memory.ts';
import type { BlockDevice } from '../base/block-device.ts';
import { AnagateError } from '../base/errors.ts';
import type { BackendRecord } from './records.ts';

export interface BackendRequest {
  backend: BackendRecord;
  /** Make the file or image when it is missing; needs `sizeBytes`. */
  create: boolean;
  /** Size of a new file, image or memory; absent: that of the existing one. */
  sizeBytes?: number;
  readOnly: boolean;
}

/** Rejects with an AnagateError that names the file or image and the reason. */
export type OpenBackend = (request: BackendRequest) => Promise<BlockDevice>;

export const openBackend: OpenBackend = async ({ backend, create, sizeBytes, readOnly }) => {
  switch (backend.type) {
    case 'file':
      return openFileDevice({
        path: backend.path,
        create,
        readOnly,
        ...(sizeBytes !== undefined && { sizeBytes }),
      });
    case 'memory':
      if (sizeBytes === undefined)
        throw new AnagateError('SIZE_INVALID', 'a namespace in memory needs a size');
      return new MemoryDevice({ sizeBytes });
    case 'rbd':
      throw new AnagateError(
        'BACKEND_UNAVAILABLE',
        `image ${backend.pool}/${backend.image} cannot be opened: this version of Anagate has no RBD backend; use ` +
          '--backend file or --backend memory',
      );
  }
};
