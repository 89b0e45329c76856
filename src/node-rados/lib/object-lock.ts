/**
 * Advisory locks on objects (object class `lock`): what librados' rados_lock_* do, as steps of atomic operations, so that
 * they wait on no thread and can be combined with other steps.
 */
import { Encoder } from './encoder.ts';

export type LockType = 'exclusive' | 'shared';
const LOCK_TYPE = { exclusive: 1, shared: 2 } as const;

/** Whether taking a lock that this client and cookie hold already is an error (EEXIST), a renewal, or the only way. */
export type LockRenewal = 'never' | 'may' | 'must';
const LOCK_FLAGS = { never: 0, may: 1, must: 2 } as const;

export interface LockOptions {
  type?: LockType;
  /** Tells holders of the same client apart. */
  cookie?: string;
  /** Shared holders must agree on it. */
  tag?: string;
  /** For people who list the lockers. */
  description?: string;
  /** The OSD drops the lock after this time unless renewed; 0 or absent: never. Measured by the OSD's wall clock. */
  durationMs?: number;
  renewal?: LockRenewal;
}

/** Input of `lock.lock`: cls_lock_lock_op, version 1. */
export function encodeLock(name: string, options: LockOptions): Buffer {
  return new Encoder()
    .string(name)
    .u8(LOCK_TYPE[options.type ?? 'exclusive'])
    .string(options.cookie ?? '')
    .string(options.tag ?? '')
    .string(options.description ?? '')
    .duration(options.durationMs ?? 0)
    .u8(LOCK_FLAGS[options.renewal ?? 'never'])
    .versioned(1, 1);
}

/** Input of `lock.unlock`: cls_lock_unlock_op, version 1. */
export function encodeUnlock(name: string, cookie: string): Buffer {
  return new Encoder().string(name).string(cookie).versioned(1, 1);
}

/** Input of `lock.assert_locked`: cls_lock_assert_op, version 1. */
export function encodeAssertLocked(name: string, options: LockOptions): Buffer {
  return new Encoder()
    .string(name)
    .u8(LOCK_TYPE[options.type ?? 'exclusive'])
    .string(options.cookie ?? '')
    .string(options.tag ?? '')
    .versioned(1, 1);
}

/** A holder of a lock. */
export interface Locker {
  /** `client.4123`: the number is the client's {@link Cluster.instanceId}. */
  client: string;
  cookie: string;
  /** Its RADOS address, as the blocklist takes it. */
  address: string;
}

export interface LockState {
  exclusive: boolean;
  tag: string;
  lockers: Locker[];
}
