/** The numbers of native/operations.cc. */
export const StepCode = {
  assertExists: 0,
  assertVersion: 1,
  compareXattr: 2,
  compareOmap: 3,
  compareExtent: 4,
  exec: 5,
  create: 10,
  write: 11,
  writeFull: 12,
  append: 13,
  truncate: 14,
  zero: 15,
  remove: 16,
  setXattr: 17,
  removeXattr: 18,
  omapSet: 19,
  omapRemove: 20,
  omapClear: 21,
  read: 30,
  stat: 31,
  omapGet: 32,
  omapGetByKeys: 33,
  getXattrs: 34,
} as const;

/** How a comparison step compares: value-in-object OP value-given. */
export type Comparison = keyof typeof COMPARISON;
export const COMPARISON = {
  equal: 1,
  notEqual: 2,
  greater: 3,
  greaterOrEqual: 4,
  less: 5,
  lessOrEqual: 6,
} as const;

/** The comparisons that OSDs know for omap values. */
export type OmapComparison = 'equal' | 'greater' | 'less';
