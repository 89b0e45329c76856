/** Features of an image, as `rbd create --image-feature` names them. */

export type ImageFeature = keyof typeof FEATURE_BITS;
const FEATURE_BITS = {
  layering: 1,
  striping: 2,
  'exclusive-lock': 4,
  'object-map': 8,
  'fast-diff': 16,
  'deep-flatten': 32,
  journaling: 64,
  'data-pool': 128,
  operations: 256,
  migrating: 512,
  'non-primary': 1024,
} as const;

export function featureBits(features: Iterable<ImageFeature>): number {
  let bits = 0;
  for (const feature of features) bits |= FEATURE_BITS[feature];
  return bits;
}

/** The names of the bits that have one. */
export function featureNames(bits: number): ImageFeature[] {
  return (Object.keys(FEATURE_BITS) as ImageFeature[]).filter((name) => (bits & FEATURE_BITS[name]) !== 0);
}
