/** Which sizes of I/O suit an image. Object size and stripe unit are powers of two, the stripe count is any number. */
import type { OptimalSizes } from '../../base/block-device.ts';
import type { ConfigOption, ImageStat } from '../../node-rados/lib/node-rados.ts';

/** OSDs keep data and checksums in units of this; a smaller write makes them read first. */
const OSD_UNIT_BYTES = 4096;
/** librbd's own key and default: discards of less are not worth their price. */
export const DISCARD_KEY = 'rbd_discard_granularity_bytes';
const DISCARD_BYTES = 65_536;

type Layout = Pick<ImageStat, 'objectBytes' | 'stripeUnitBytes' | 'stripeCount'>;

/**
 * - Boundary: the object; of an image with stripes, the set of objects that they run over. librbd divides what crosses a stripe
 *   unit, but that costs less than the commands that a host would make of it.
 * - Best write: one stripe, which employs every object of a set once.
 * - Discard: what librbd is configured to for this image. OSDs give back any unit of theirs, but each costs an operation.
 */
export function optimalSizesOf(layout: Layout, config: readonly ConfigOption[]): OptimalSizes {
  const { objectBytes, stripeUnitBytes, stripeCount } = layout;
  const discard = Number(config.find(({ name }) => name === DISCARD_KEY)?.value ?? DISCARD_BYTES);
  return {
    boundary: objectBytes * lowestBit(stripeCount),
    write: Math.min(OSD_UNIT_BYTES, stripeUnitBytes),
    bestWrite: stripeUnitBytes * stripeCount,
    discard: Math.min(discard, objectBytes),
  };
}

/** The greatest power of two that divides a number: hosts want boundaries to be powers of two. */
function lowestBit(count: number): number {
  return count & -count;
}
