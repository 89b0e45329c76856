/** Opening, and if need be making, the sparse file that a device lives in. */
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { AnagateError } from '../base/errors.ts';
import { checkDeviceSize } from './device-size.ts';
import { FileDevice } from './file-device.ts';
import type { HolePunch } from './hole-punch.ts';

/**
 * UV_THREADPOOL_SIZE that file devices like: each thread holds one read, write or fdatasync, and libuv's four are
 * soon all in fdatasync; many more only contend while the page cache answers. It must be in the environment before
 * Node loads its first ES module (that load starts the threads): a launcher or a CommonJS entry sets it.
 */
export const RECOMMENDED_THREADPOOL_SIZE = 8;

export interface OpenFileOptions {
  path: string;
  /** Make the file when it is missing; needs `sizeBytes`. Its directory must exist. */
  create: boolean;
  /** Size of a new file. An existing file must have it; leave it out to take the file's. */
  sizeBytes?: number;
  readOnly: boolean;
  /** Reads and writes that are with the kernel at a time, default 64. */
  maxInFlight?: number;
  /** Default: fallocate(1). */
  holePunch?: HolePunch;
}

const openFd = promisify(fs.open);
const closeFd = promisify(fs.close);
const fstat = promisify(fs.fstat);
const ftruncate = promisify(fs.ftruncate);
const fsync = promisify(fs.fsync);

/**
 * Opens the file as a device. A file that was made is durable, with its size, before this resolves. Rejects with
 * SIZE_INVALID for a size that is none or is not the existing file's, INVALID_ARGUMENT for something that is not a
 * regular file, STORAGE_NOT_FOUND when it is not there, BACKEND_FAILED when the system refuses; the message names the file.
 */
export async function openFileDevice(options: OpenFileOptions): Promise<FileDevice> {
  const description = `file:${options.path}`;
  if (options.sizeBytes !== undefined) checkDeviceSize(description, options.sizeBytes);
  const fd = await openDescriptor(options, description);
  try {
    const sizeBytes = await settleSize(fd, options, description);
    return new FileDevice({ ...options, fd, sizeBytes });
  } catch (error) {
    await closeFd(fd);
    throw error instanceof AnagateError ? error : failed(description, error);
  }
}

async function openDescriptor(options: OpenFileOptions, description: string): Promise<number> {
  const { O_RDONLY, O_RDWR, O_CREAT, O_NONBLOCK } = fs.constants;
  const create = options.create && !options.readOnly && options.sizeBytes !== undefined;
  try {
    // O_NONBLOCK: opening a FIFO by mistake must not hang; it means nothing to a regular file.
    const flags = (options.readOnly ? O_RDONLY : O_RDWR) | (create ? O_CREAT : 0) | O_NONBLOCK;
    return await openFd(options.path, flags, 0o600);
  } catch (error) {
    // What the system says of a directory when it is to be written to.
    if ((error as NodeJS.ErrnoException).code === 'EISDIR') throw notRegular(description);
    throw failed(description, error);
  }
}

function notRegular(description: string): AnagateError {
  return new AnagateError('INVALID_ARGUMENT', `${description}: not a regular file`);
}

/** The size of the device; an empty file that may be created is given its size here. */
async function settleSize(fd: number, options: OpenFileOptions, description: string): Promise<number> {
  const stats = await fstat(fd);
  if (!stats.isFile()) throw notRegular(description);
  // An empty file is new, or was left by a creation that was killed before it set the size.
  if (stats.size === 0 && options.create && !options.readOnly) {
    if (options.sizeBytes === undefined) {
      throw new AnagateError('SIZE_INVALID', `${description}: a new file needs a size`);
    }
    await ftruncate(fd, options.sizeBytes);
    await fsync(fd);
    await syncDirectory(path.dirname(options.path));
    return options.sizeBytes;
  }
  if (options.sizeBytes !== undefined && options.sizeBytes !== stats.size) {
    const message = `${description}: the file has ${stats.size} bytes, not ${options.sizeBytes}`;
    throw new AnagateError('SIZE_INVALID', message);
  }
  checkDeviceSize(description, stats.size);
  return stats.size;
}

/** Makes the file's name durable. */
async function syncDirectory(directory: string): Promise<void> {
  const fd = await openFd(directory, fs.constants.O_RDONLY);
  try {
    await fsync(fd);
  } finally {
    await closeFd(fd);
  }
}

function failed(description: string, error: unknown): AnagateError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new AnagateError(
    code === 'ENOENT' ? 'STORAGE_NOT_FOUND' : 'BACKEND_FAILED',
    `${description}: ${message}`,
    { cause: error },
  );
}
