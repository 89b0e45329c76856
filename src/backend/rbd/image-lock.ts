/**
 * The exclusive lock of an image, taken explicitly: librbd then gives it to nobody who asks, and others' writes fail.
 *
 * A holder that is fenced can write no more, so its lock is broken at once. Any other one that does not answer
 * is librbd's to judge: it waits until the holder's watch has run out and blocklists it before it takes the lock.
 */
import type { Image, IoContext } from '../../node-rados/lib/node-rados.ts';
import type { FencedClients } from './fenced-clients.ts';

/** librbd's name for its lock of the image's header object. */
const LOCK_NAME = 'rbd_lock';

/** Takes the lock of an open image. EROFS: somebody alive holds it and does not give it away. */
export async function takeImageLock(
  image: Image,
  imageId: string,
  context: IoContext,
  fenced: FencedClients,
): Promise<void> {
  await breakFencedLock(imageId, context, fenced);
  await image.acquireLock();
}

async function breakFencedLock(imageId: string, context: IoContext, fenced: FencedClients): Promise<void> {
  const header = `rbd_header.${imageId}`;
  const { lockers } = await context.lockState(header, LOCK_NAME);
  for (const locker of lockers) {
    if (locker.client === `client.${context.cluster.instanceId}`) continue;
    if (await fenced.includes(locker.address)) await context.breakLock(header, LOCK_NAME, locker);
  }
}
