/** The sizes that a block device can have. */
import { AnagateError } from '../base/errors.ts';

/** Throws SIZE_INVALID unless `sizeBytes` is 1 to 2^53-1. */
export function checkDeviceSize(description: string, sizeBytes: number): void {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 1) {
    const message = `${description}: the size must be 1 to 2^53-1 bytes, not ${sizeBytes}`;
    throw new AnagateError('SIZE_INVALID', message);
  }
}
