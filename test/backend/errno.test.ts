import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { blockStatusOfErrno, blockStatusOfError } from '../../src/backend/errno.ts';
import { BlockStatus } from '../../src/base/block-device.ts';

const E = constants.errno;

describe('blockStatusOfErrno', () => {
  it.each([
    [0, BlockStatus.ok],
    [E.EIO, BlockStatus.ioError],
    [E.ENOSPC, BlockStatus.noSpace],
    [E.EDQUOT, BlockStatus.noSpace],
    [E.EFBIG, BlockStatus.noSpace],
    [E.EROFS, BlockStatus.readOnly],
    [E.EPERM, BlockStatus.readOnly],
    [E.EACCES, BlockStatus.readOnly],
    [E.ETIMEDOUT, BlockStatus.timedOut],
    [108, BlockStatus.fenced],
    [E.EILSEQ, BlockStatus.miscompare],
    [E.EBADF, BlockStatus.gone],
    [E.ENODEV, BlockStatus.gone],
    [E.EOPNOTSUPP, BlockStatus.unsupported],
    [9999, BlockStatus.ioError],
  ])('maps %i of either sign to %i', (errno, status) => {
    expect(blockStatusOfErrno(errno)).toBe(status);
    expect(blockStatusOfErrno(-errno)).toBe(status);
  });

  it('takes errors of node:fs and treats unknown ones as a failed medium', () => {
    expect(blockStatusOfError(Object.assign(new Error('x'), { errno: -E.ENOSPC }))).toBe(BlockStatus.noSpace);
    expect(blockStatusOfError(new Error('no number'))).toBe(BlockStatus.ioError);
  });
});
