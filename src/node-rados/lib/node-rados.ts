/** The package's entry: everything that is public. */
export { libraryVersions, unavailableReason } from './binding.ts';
export {
  type BlocklistEntry,
  Cluster,
  type CommandResult,
  type ConnectOptions,
} from './cluster.ts';
export { HeldLock, type HeldLockOptions } from './held-lock.ts';
export {
  Image,
  type ImageSnapshot,
  type ImageStat,
  type ImageWatcher,
  type OpenOptions,
} from './image.ts';
export type { ConfigOption, ConfigSource } from './image-config.ts';
export type { ImageFeature } from './image-features.ts';
export type { CreateOptions, ImagePool, TrashEntry } from './image-pool.ts';
export { type ImagePromises, MiscompareError } from './image-promises.ts';
export type { IoContext, NotifyResult } from './io-context.ts';
export { type IoCompletion, ioCounters } from './io-slots.ts';
export type { Locker, LockOptions, LockRenewal, LockState, LockType } from './object-lock.ts';
export {
  type Answer,
  type Bytes,
  ObjectReading,
  type ObjectStat,
  type OmapPage,
  ReadOperation,
  WriteOperation,
} from './object-operation.ts';
export type { Notification, ObjectWatch, WatchHandlers } from './object-watch.ts';
export type { Comparison, OmapComparison } from './operation-codes.ts';
export { EBLOCKLISTED, EILSEQ, errnoName, RadosError, RadosUnavailableError } from './rados-error.ts';
