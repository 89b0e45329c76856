/**
 * The catalogue of control-plane errors. Each has a stable code, the errno that the API's `status` field and the CLI's
 * exit status carry, and a text that says what happened, to which object, and what to do.
 */
import { constants } from 'node:os';

/** ENOKEY and EREMOTE are Linux numbers that Node's table does not hold. */
const ENOKEY = 126;
const EREMOTE = 66;
const ESHUTDOWN = 108;

const E = constants.errno;

/** code -> errno. */
export const ERROR_ERRNO = {
  INVALID_ARGUMENT: E.EINVAL,
  NQN_INVALID: E.EINVAL,
  SIZE_INVALID: E.EINVAL,
  SUBSYSTEM_NOT_FOUND: E.ENOENT,
  SUBSYSTEM_EXISTS: E.EEXIST,
  SUBSYSTEM_NOT_EMPTY: E.EBUSY,
  SERIAL_IN_USE: E.EEXIST,
  LISTENER_NOT_FOUND: E.ENOENT,
  LISTENER_EXISTS: E.EEXIST,
  LISTENER_IN_USE: E.ENOTEMPTY,
  LISTENER_REMOTE: EREMOTE,
  ADDRESS_NOT_AVAILABLE: E.EADDRNOTAVAIL,
  ADDRESS_IN_USE: E.EADDRINUSE,
  NETWORK_NOT_FOUND: E.ENOENT,
  NETWORK_EXISTS: E.EEXIST,
  HOST_NOT_FOUND: E.ENOENT,
  GATEWAY_NOT_FOUND: E.ENOENT,
  ANA_GROUP_NOT_FOUND: E.ENOENT,
  HOST_EXISTS: E.EEXIST,
  NAMESPACE_NOT_FOUND: E.ENODEV,
  NAMESPACE_EXISTS: E.EEXIST,
  NAMESPACE_IN_USE: E.EBUSY,
  UUID_IN_USE: E.EEXIST,
  IMAGE_IN_USE: E.EEXIST,
  STORAGE_NOT_FOUND: E.ENOENT,
  BACKEND_FAILED: E.EIO,
  BACKEND_UNAVAILABLE: E.ENOTSUP,
  LIMIT_EXCEEDED: E.E2BIG,
  NOT_SUPPORTED: E.ENOTSUP,
  KEY_REQUIRED: ENOKEY,
  STATE_DIR_IN_USE: E.EBUSY,
  STATE_CORRUPT: E.EIO,
  STATE_WRITE_FAILED: E.EIO,
  STATE_VERSION_CONFLICT: E.EAGAIN,
  STARTING_UP: E.EAGAIN,
  SHUTTING_DOWN: ESHUTDOWN,
  INTERNAL: E.EIO,
} as const;

export type ErrorCode = keyof typeof ERROR_ERRNO;

/** A management request that could not be done; nothing was changed. */
export class AnagateError extends Error {
  readonly code: ErrorCode;
  /** Positive Linux errno. */
  readonly errno: number;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'AnagateError';
    this.code = code;
    this.errno = ERROR_ERRNO[code];
  }
}
