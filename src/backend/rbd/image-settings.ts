/**
 * The settings that make an acknowledged write one that is on the OSDs. librbd's cache answers before that, and a fence then
 * loses the write. An image's or a pool's own configuration wins over the client's, so what an open image really runs with
 * is read back.
 */
import { AnagateError } from '../../base/errors.ts';
import type { ConfigOption } from '../../node-rados/lib/node-rados.ts';
import { type ImageName, imagePath } from './image-name.ts';

/** Configuration of each client of ours, over that of ceph.conf and of the monitors. */
export const CLIENT_OPTIONS: Readonly<Record<string, string>> = {
  rbd_cache: 'false',
  rbd_persistent_cache_mode: 'disabled',
  // A second thread only wakes the first: one takes more I/O than the event loop gives it, for up to a third less CPU.
  librados_thread_count: '1',
  // Without its copy of what is written librbd never completes the writes of a client that is fenced meanwhile.
  rbd_disable_zero_copy_writes: 'true',
  // A cluster that does not answer is an error to report, not a start that hangs for five minutes.
  client_mount_timeout: '30',
  // What Ceph's configuration may limit: an operation that is given up may still be done later, on top of newer data.
  rados_osd_op_timeout: '0',
};

const UNSAFE = 'would answer writes before they are safe';

/** What no image may differ in, and what it would do if it did. */
const REQUIRED: Readonly<Record<string, { readonly value: string; readonly otherwise: string }>> = {
  rbd_cache: { value: 'false', otherwise: UNSAFE },
  rbd_persistent_cache_mode: { value: 'disabled', otherwise: UNSAFE },
  rbd_disable_zero_copy_writes: {
    value: 'true',
    otherwise: 'would never end writes that are under way when this gateway is fenced',
  },
};

/** The options that {@link requireSafeSettings} wants to know. */
export const CHECKED_OPTIONS: readonly string[] = Object.keys(REQUIRED);

/** Throws INVALID_ARGUMENT that names the key which an image must not have so, and how to remove it. */
export function requireSafeSettings(name: ImageName, config: readonly ConfigOption[]): void {
  for (const { name: key, value, source } of config) {
    const required = REQUIRED[key];
    if (required === undefined || value === required.value) continue;
    const path = imagePath(name);
    const where = {
      image: `the image sets conf_${key}; remove it with "rbd image-meta remove ${path} conf_${key}"`,
      pool: `the pool sets conf_${key}; remove it with "rbd config pool remove ${name.pool} ${key}"`,
      config: `Ceph's configuration sets ${key}`,
    }[source];
    throw new AnagateError(
      'INVALID_ARGUMENT',
      `image ${path} ${required.otherwise} (${key} = ${value}): ${where}`,
    );
  }
}
