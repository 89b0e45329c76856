/**
 * The exclusive lock of an image, taken explicitly: librbd then gives it to nobody who asks, and others' writes fail.
 *
 * A holder that is on the blocklist can write no more, so its lock is broken at once. Any other one that does not answer
 * is librbd's to judge: it waits until the holder's watch has run out and blocklists it before it takes the lock.
 */
import type { BlocklistEntry, Image, IoContext } from '../../node-rados/lib/node-rados.ts';

/** librbd's name for its lock of the image's header object. */
const LOCK_NAME = 'rbd_lock';

/** Takes the lock of an open image. EROFS: somebody alive holds it and does not give it away. */
export async function takeImageLock(image: Image, imageId: string, context: IoContext): Promise<void> {
  await breakFencedLock(imageId, context);
  await image.acquireLock();
}

async function breakFencedLock(imageId: string, context: IoContext): Promise<void> {
  const header = `rbd_header.${imageId}`;
  const { lockers } = await context.lockState(header, LOCK_NAME);
  const others = lockers.filter(({ client }) => client !== `client.${context.cluster.instanceId}`);
  if (others.length === 0) return;
  const blocklist = await context.cluster.blocklist();
  for (const locker of others) {
    if (isBlocklisted(locker.address, blocklist)) await context.breakLock(header, LOCK_NAME, locker);
  }
}

/** Whether an entry names the client's address. One with nonce 0 names all clients of its IP address. */
export function isBlocklisted(address: string, blocklist: readonly BlocklistEntry[]): boolean {
  const client = bare(address);
  const wholeHost = `${client.slice(0, client.lastIndexOf(':'))}:0/0`;
  return blocklist.some((entry) => {
    const fenced = bare(entry.address);
    return fenced === client || fenced === wholeHost;
  });
}

/** Without the protocol: `v2:192.0.2.1:0/5` is `192.0.2.1:0/5`. */
function bare(address: string): string {
  return address.replace(/^(?:any|v1|v2):/, '');
}
