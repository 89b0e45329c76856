/**
 * A device in a sparse file. Reads and writes go through the page cache on libuv's threads; flush and FUA are real
 * fdatasync calls. Large extents that are zeroed or discarded become holes, small ones are written with zeroes.
 *
 * Life of an operation: admitted by the guard (if it changes the file), given a turn (at most `maxInFlight` have
 * one), transferred in as many pieces as the kernel makes of it, made durable if it must be, completed.
 */
import fs from 'node:fs';
import { promisify } from 'node:util';
import { type BlockCompletion, type BlockDevice, BlockStatus, PAGE_SIZES } from '../base/block-device.ts';
import { AnagateError } from '../base/errors.ts';
import { checkDeviceSize } from './device-size.ts';
import { blockStatusOfError } from './errno.ts';
import { ExtentGuard } from './extent-guard.ts';
import { FileOperation, type FileOperationOwner, type FilePhase } from './file-operation.ts';
import { type HolePunch, sharedFallocateShell } from './hole-punch.ts';
import { SyncCoalescer } from './sync-coalescer.ts';

/** Operations of one device that are with libuv at a time; more would only wait in its queue, before other devices'. */
const DEFAULT_MAX_IN_FLIGHT = 64;
/** An extent of at least this length becomes a hole: below, writing zeroes is cheaper than fallocate(1). */
const MIN_HOLE_BYTES = 256 * 1024;
/** Longest single write of zeroes: bounds how long one operation holds a thread. */
const ZEROES_BYTES = 1024 * 1024;
/** Interrupted transfers in a row before an operation gives up. */
const MAX_RETRIES = 16;

const ftruncate = promisify(fs.ftruncate);
const fsync = promisify(fs.fsync);
const close = promisify(fs.close);

let sharedZeroes: Buffer | undefined;
function zeroes(): Buffer {
  sharedZeroes ??= Buffer.alloc(ZEROES_BYTES);
  return sharedZeroes;
}

export interface FileDeviceOptions {
  /** An open descriptor; the device closes it. */
  fd: number;
  /** For messages. */
  path: string;
  sizeBytes: number;
  readOnly: boolean;
  maxInFlight?: number;
  holePunch?: HolePunch;
}

export class FileDevice implements BlockDevice {
  readonly description: string;
  readonly optimal = { ...PAGE_SIZES, discard: MIN_HOLE_BYTES };
  onResize: ((sizeBytes: number) => void) | null = null;

  readonly #fd: number;
  readonly #readOnly: boolean;
  readonly #maxInFlight: number;
  readonly #holePunch: HolePunch;
  readonly #guard = new ExtentGuard<FileOperation>((operation) => this.#takeTurn(operation));
  readonly #sync = new SyncCoalescer((done) => {
    this.#dataSync(done);
  });
  readonly #events: FileOperationOwner = {
    transferred: (operation, error, bytes) => this.#transferred(operation, error, bytes),
    synced: (operation, status) => this.#finish(operation, status),
  };
  readonly #freeOperations: FileOperation[] = [];

  #sizeBytes: number;
  /** Operations that have begun and not completed, held and waiting ones included. */
  #active = 0;
  /** Operations that have a turn. */
  #inFlight = 0;
  #firstWaiting: FileOperation | null = null;
  #lastWaiting: FileOperation | null = null;
  /** False once the file system refused a hole. */
  #canPunch = true;
  #checkingSize = false;
  /** The last resize; the next one waits for it. */
  #resizing: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  #whenIdle: (() => void) | null = null;

  constructor(options: FileDeviceOptions) {
    this.description = `file:${options.path}`;
    this.#fd = options.fd;
    this.#sizeBytes = options.sizeBytes;
    this.#readOnly = options.readOnly;
    this.#maxInFlight = options.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT;
    this.#holePunch = options.holePunch ?? sharedFallocateShell;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  read(offset: number, data: Buffer, completion: BlockCompletion): void {
    if (this.#refusesRead(offset, data.length, completion)) return;
    const operation = this.#operation('read', offset, data.length, completion);
    operation.buffer = data;
    this.#takeTurn(operation);
  }

  write(offset: number, data: Buffer, fua: boolean, completion: BlockCompletion): void {
    if (this.#refusesChange(offset, data.length, completion)) return;
    const operation = this.#operation('write', offset, data.length, completion);
    operation.buffer = data;
    operation.fua = fua;
    this.#change(operation);
  }

  flush(completion: BlockCompletion): void {
    if (this.#closing !== null) completion.ioDone(BlockStatus.gone);
    // No turn: a flush waits for the disk, not for a place among the transfers.
    else this.#sync.request(this.#operation('sync', 0, 0, completion));
  }

  writeZeroes(offset: number, length: number, fua: boolean, completion: BlockCompletion): void {
    if (this.#refusesChange(offset, length, completion)) return;
    const phase = length >= MIN_HOLE_BYTES && this.#canPunch ? 'punch' : 'zero';
    const operation = this.#operation(phase, offset, length, completion);
    operation.fua = fua;
    this.#change(operation);
  }

  discard(offset: number, length: number, completion: BlockCompletion): void {
    this.writeZeroes(offset, length, false, completion);
  }

  compare(offset: number, data: Buffer, completion: BlockCompletion): void {
    if (this.#refusesRead(offset, data.length, completion)) return;
    const operation = this.#operation('read', offset, data.length, completion);
    operation.buffer = Buffer.allocUnsafe(data.length);
    operation.expected = data;
    this.#takeTurn(operation);
  }

  compareAndWrite(
    offset: number,
    expected: Buffer,
    data: Buffer,
    fua: boolean,
    completion: BlockCompletion,
  ): void {
    if (this.#refusesChange(offset, data.length, completion)) return;
    const operation = this.#operation('read', offset, data.length, completion);
    operation.buffer = Buffer.allocUnsafe(expected.length);
    operation.expected = expected;
    operation.replacement = data;
    operation.fua = fua;
    operation.exclusive = true;
    this.#change(operation);
  }

  resize(sizeBytes: number): Promise<void> {
    const previous = this.#resizing ?? Promise.resolve();
    const mine = previous.catch(() => {}).then(() => this.#resize(sizeBytes));
    this.#resizing = mine;
    const ended = (): void => {
      if (this.#resizing === mine) this.#resizing = null;
    };
    mine.then(ended, ended);
    return mine;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  // ---- beginning ----

  /** Completes what needs no transfer: refused or empty. */
  #refusesRead(offset: number, length: number, completion: BlockCompletion): boolean {
    if (this.#closing === null && offset + length <= this.#sizeBytes && length > 0) return false;
    if (this.#closing !== null) completion.ioDone(BlockStatus.gone);
    else completion.ioDone(length === 0 ? BlockStatus.ok : BlockStatus.outOfRange);
    return true;
  }

  #refusesChange(offset: number, length: number, completion: BlockCompletion): boolean {
    if (this.#refusesRead(offset, length, completion)) return true;
    if (this.#readOnly) completion.ioDone(BlockStatus.readOnly);
    return this.#readOnly;
  }

  #operation(phase: FilePhase, start: number, length: number, completion: BlockCompletion): FileOperation {
    const operation = this.#freeOperations.pop() ?? new FileOperation(this.#events);
    operation.phase = phase;
    operation.start = start;
    operation.end = start + length;
    operation.completion = completion;
    this.#active += 1;
    return operation;
  }

  #change(operation: FileOperation): void {
    operation.guarded = true;
    if (this.#guard.admit(operation)) this.#takeTurn(operation);
  }

  #takeTurn(operation: FileOperation): void {
    if (this.#inFlight < this.#maxInFlight) {
      this.#begin(operation);
      return;
    }
    if (this.#lastWaiting === null) this.#firstWaiting = operation;
    else this.#lastWaiting.nextWaiting = operation;
    this.#lastWaiting = operation;
  }

  #begin(operation: FileOperation): void {
    this.#inFlight += 1;
    if (operation.phase === 'barrier') operation.completion.ioDone(BlockStatus.ok);
    else if (operation.end > this.#sizeBytes) this.#finish(operation, BlockStatus.outOfRange);
    else if (operation.phase === 'punch') this.#punch(operation);
    else this.#transfer(operation);
  }

  // ---- transfer ----

  #transfer(operation: FileOperation): void {
    const { phase, buffer, done, transferred } = operation;
    const position = operation.start + done;
    const left = operation.end - position;
    if (phase === 'read') fs.read(this.#fd, buffer, done, left, position, transferred);
    else if (phase === 'write') fs.write(this.#fd, buffer, done, left, position, transferred);
    else fs.write(this.#fd, zeroes(), 0, Math.min(left, ZEROES_BYTES), position, transferred);
  }

  #transferred(operation: FileOperation, error: NodeJS.ErrnoException | null, bytes: number): void {
    if (error !== null) {
      this.#failed(operation, error);
      return;
    }
    if (bytes === 0) {
      this.#stuck(operation);
      return;
    }
    operation.done += bytes;
    operation.retries = 0;
    if (operation.start + operation.done < operation.end) this.#transfer(operation);
    else if (operation.phase === 'read') this.#afterRead(operation);
    else this.#afterChange(operation);
  }

  #failed(operation: FileOperation, error: NodeJS.ErrnoException): void {
    const interrupted = error.code === 'EINTR' || error.code === 'EAGAIN';
    if (interrupted && operation.retries < MAX_RETRIES) {
      operation.retries += 1;
      this.#transfer(operation);
    } else {
      this.#finish(operation, blockStatusOfError(error));
    }
  }

  /** Not a byte was moved: for a read the file ends here, though it should not. */
  #stuck(operation: FileOperation): void {
    const isRead = operation.phase === 'read';
    if (isRead) this.#checkSize();
    this.#finish(operation, isRead ? BlockStatus.outOfRange : BlockStatus.ioError);
  }

  #afterRead(operation: FileOperation): void {
    const { expected, replacement } = operation;
    if (expected !== null && !expected.equals(operation.buffer)) {
      this.#finish(operation, BlockStatus.miscompare);
    } else if (replacement === null) {
      this.#finish(operation, BlockStatus.ok);
    } else {
      operation.phase = 'write';
      operation.buffer = replacement;
      operation.done = 0;
      this.#transfer(operation);
    }
  }

  #punch(operation: FileOperation): void {
    this.#holePunch.punch(this.#fd, operation.start, operation.end - operation.start, (punched) => {
      if (punched) {
        this.#afterChange(operation);
      } else {
        this.#canPunch = false;
        operation.phase = 'zero';
        this.#transfer(operation);
      }
    });
  }

  #afterChange(operation: FileOperation): void {
    if (operation.fua) this.#sync.request(operation);
    else this.#finish(operation, BlockStatus.ok);
  }

  #dataSync(done: (status: BlockStatus) => void): void {
    fs.fdatasync(this.#fd, (error) => {
      if (error === null) done(BlockStatus.ok);
      else if (error.code === 'EINTR') this.#dataSync(done);
      else done(blockStatusOfError(error));
    });
  }

  // ---- ending ----

  #finish(operation: FileOperation, status: BlockStatus): void {
    const { completion, guarded, phase } = operation;
    if (phase !== 'sync') this.#inFlight -= 1;
    if (guarded) this.#guard.release(operation);
    operation.reset();
    this.#freeOperations.push(operation);
    this.#active -= 1;
    // Those that wait go before what the completion may submit.
    while (this.#firstWaiting !== null && this.#inFlight < this.#maxInFlight)
      this.#begin(this.#nextWaiting());
    if (phase !== 'barrier') completion.ioDone(status);
    if (this.#active === 0) this.#whenIdle?.();
  }

  #nextWaiting(): FileOperation {
    const operation = this.#firstWaiting!;
    this.#firstWaiting = operation.nextWaiting;
    if (this.#firstWaiting === null) this.#lastWaiting = null;
    operation.nextWaiting = null;
    return operation;
  }

  async #close(): Promise<void> {
    await this.#resizing?.catch(() => {});
    if (this.#active > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    await close(this.#fd);
  }

  // ---- size ----

  async #resize(sizeBytes: number): Promise<void> {
    checkDeviceSize(this.description, sizeBytes);
    if (this.#closing !== null) throw this.#cannot('resize', 'the device is closed');
    if (this.#readOnly) throw this.#cannot('resize', 'it is read-only');
    try {
      if (sizeBytes < this.#sizeBytes) await this.#shrink(sizeBytes);
      else await this.#setFileSize(sizeBytes);
    } catch (error) {
      throw this.#cannot('resize', (error as Error).message, error);
    }
    this.#sizeBytes = sizeBytes;
  }

  /** New operations are refused at once past the new end; those under way there end before the file is cut. */
  async #shrink(sizeBytes: number): Promise<void> {
    const oldSizeBytes = this.#sizeBytes;
    this.#sizeBytes = sizeBytes;
    const barrier = await this.#barrier(sizeBytes);
    try {
      await this.#setFileSize(sizeBytes);
    } catch (error) {
      this.#sizeBytes = oldSizeBytes;
      throw error;
    } finally {
      this.#finish(barrier, BlockStatus.ok);
    }
  }

  /** Resolves when no change of bytes from `start` on is under way; later ones are held until it is finished. */
  #barrier(start: number): Promise<FileOperation> {
    return new Promise((resolve) => {
      const entered: BlockCompletion = { ioDone: () => resolve(barrier) };
      const barrier = this.#operation('barrier', start, Number.POSITIVE_INFINITY, entered);
      barrier.exclusive = true;
      this.#change(barrier);
    });
  }

  async #setFileSize(sizeBytes: number): Promise<void> {
    await ftruncate(this.#fd, sizeBytes);
    await fsync(this.#fd);
  }

  /** The file was found shorter than it should be: someone else cut it. */
  #checkSize(): void {
    if (this.#checkingSize || this.#resizing !== null) return;
    this.#checkingSize = true;
    fs.fstat(this.#fd, (error, stats) => {
      this.#checkingSize = false;
      if (error !== null || this.#resizing !== null || stats.size >= this.#sizeBytes) return;
      this.#sizeBytes = stats.size;
      this.onResize?.(stats.size);
    });
  }

  #cannot(verb: string, reason: string, cause?: unknown): AnagateError {
    return new AnagateError('BACKEND_FAILED', `${this.description}: cannot ${verb}, ${reason}`, { cause });
  }
}
