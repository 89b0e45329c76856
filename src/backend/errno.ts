/** From Linux error numbers to what a block device says. One table for the file backend and for librbd's return values. */
import { constants } from 'node:os';
import { BlockStatus } from '../base/block-device.ts';

const E = constants.errno;
/** Linux: Node's table does not hold it. librbd's and librados's EBLOCKLISTED is the same number. */
const ESHUTDOWN = 108;

const STATUS_OF_ERRNO: ReadonlyMap<number, BlockStatus> = new Map<number, BlockStatus>([
  [0, BlockStatus.ok],
  [E.EILSEQ, BlockStatus.miscompare], // rbd_compare_and_write found other bytes
  [E.ENOSPC, BlockStatus.noSpace],
  [E.EDQUOT, BlockStatus.noSpace],
  [E.EFBIG, BlockStatus.noSpace], // the file system's or the process's file size limit
  [E.EROFS, BlockStatus.readOnly],
  [E.EPERM, BlockStatus.readOnly], // an immutable file, a lost permission
  [E.EACCES, BlockStatus.readOnly],
  [E.ETIMEDOUT, BlockStatus.timedOut],
  [ESHUTDOWN, BlockStatus.fenced],
  [E.EBADF, BlockStatus.gone],
  [E.ENXIO, BlockStatus.gone],
  [E.ENODEV, BlockStatus.gone],
  [E.EOPNOTSUPP, BlockStatus.unsupported],
  [E.ENOSYS, BlockStatus.unsupported],
]);

/** The status for an error number of either sign; what the table does not name is `ioError`. */
export function blockStatusOfErrno(errno: number): BlockStatus {
  return STATUS_OF_ERRNO.get(Math.abs(errno)) ?? BlockStatus.ioError;
}

/** The status for an error of `node:fs` (its `errno` is the negative Linux number); an error without a number is `ioError`. */
export function blockStatusOfError(error: NodeJS.ErrnoException): BlockStatus {
  return error.errno === undefined ? BlockStatus.ioError : blockStatusOfErrno(error.errno);
}
