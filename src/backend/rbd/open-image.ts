/** Opening an image in a session, checked. */
import type { OptimalSizes } from '../../base/block-device.ts';
import { AnagateError } from '../../base/errors.ts';
import type { Image, ImageStat, IoContext } from '../../node-rados/lib/node-rados.ts';
import { type ImageName, imagePath } from './image-name.ts';
import { CHECKED_OPTIONS, requireSafeSettings } from './image-settings.ts';
import { DISCARD_KEY, optimalSizesOf } from './optimal-sizes.ts';
import type { RadosSession } from './rados-session.ts';

export interface OpenedImage {
  readonly session: RadosSession;
  readonly context: IoContext;
  readonly image: Image;
  readonly stat: ImageStat;
  readonly optimal: OptimalSizes;
}

/** What is looked at: reading all of an image's options would be a tenth of the work of opening it. */
const OPTIONS = [...CHECKED_OPTIONS, DISCARD_KEY];

/** Opens without taking the lock, so that an owner elsewhere is not disturbed. Rejects as the cluster does, or as {@link requireSafeSettings}. */
export async function openImage(
  session: RadosSession,
  { name, readOnly }: { name: ImageName; readOnly: boolean },
): Promise<OpenedImage> {
  const context = await session.pool(name.pool, name.radosNamespace);
  const image = await context.openImage(name.image, { readOnly });
  try {
    const [stat, config] = await Promise.all([image.stat(), image.config(OPTIONS)]);
    requireSafeSettings(name, config);
    return { session, context, image, stat, optimal: optimalSizesOf(stat, config) };
  } catch (error) {
    await image.close().catch(() => undefined);
    throw error;
  }
}

/** The error as an operator is told it. */
export function imageError(name: ImageName, action: string, error: unknown): AnagateError {
  if (error instanceof AnagateError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const missing = code === 'ENOENT';
  const reason = missing ? whatIsMissing(name, error) : (REASONS[code ?? ''] ?? message);
  return new AnagateError(
    missing ? 'STORAGE_NOT_FOUND' : 'BACKEND_FAILED',
    `image ${imagePath(name)} cannot be ${action}: ${reason}`,
    { cause: error },
  );
}

function whatIsMissing({ pool, radosNamespace, image }: ImageName, error: unknown): string {
  if ((error as { operation?: string }).operation === 'rados_ioctx_create')
    return `there is no pool ${pool} in the Ceph cluster; choose another, or make it (ceph osd pool create, rbd pool init)`;
  const place = radosNamespace === '' ? `pool ${pool}` : `namespace ${radosNamespace} of pool ${pool}`;
  return `there is no image ${image} in ${place}${radosNamespace === '' ? '' : ', or no such namespace'}; make it, or have it made (--create-image)`;
}

const REASONS: Readonly<Record<string, string>> = {
  EPERM: "the Ceph user's capabilities do not allow it",
  EACCES: "the Ceph user's capabilities do not allow it",
  ETIMEDOUT: 'the Ceph cluster does not answer',
  EBLOCKLISTED: 'this gateway is on the blocklist of the Ceph cluster',
};
