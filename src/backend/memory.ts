/**
 * A device in the process's memory, allocated in chunks at the first write: what was never written costs nothing
 * and reads as zeroes. Every operation completes before its call returns, so each is atomic against all others.
 * Flush and FUA do nothing: there is nothing more durable than the process.
 */

import { type BlockCompletion, type BlockDevice, BlockStatus, PAGE_SIZES } from '../base/block-device.ts';
import { AnagateError } from '../base/errors.ts';
import { checkDeviceSize } from './device-size.ts';

/** Unit of allocation. A whole chunk that is zeroed or discarded is freed. */
const CHUNK_BYTES = 1024 * 1024;
/** Chunks that one page of the table names: 1 GiB of device, so that a 1 TiB device starts with 1024 empty slots. */
const CHUNKS_PER_PAGE = 1024;
const PAGE_BYTES = CHUNK_BYTES * CHUNKS_PER_PAGE;

type ChunkPage = (Uint8Array | undefined)[];

export interface MemoryDeviceOptions {
  /** Size in bytes, 1 .. 2^53-1. */
  sizeBytes: number;
  /** Memory that the device may take in bytes; a write that needs more completes with `noSpace`. Default: no limit. */
  maxResidentBytes?: number;
}

export class MemoryDevice implements BlockDevice {
  readonly description = 'memory';
  readonly optimal = { ...PAGE_SIZES, discard: CHUNK_BYTES };
  onResize: ((sizeBytes: number) => void) | null = null;

  #sizeBytes: number;
  #residentBytes = 0;
  #closed = false;
  readonly #maxResidentBytes: number;
  /** Two levels: page, then chunk; undefined where nothing was written. */
  readonly #pages: (ChunkPage | undefined)[] = [];

  /** Throws SIZE_INVALID when the size is not a positive safe integer. */
  constructor(options: MemoryDeviceOptions) {
    checkDeviceSize('memory', options.sizeBytes);
    this.#sizeBytes = options.sizeBytes;
    this.#maxResidentBytes = options.maxResidentBytes ?? Number.POSITIVE_INFINITY;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Bytes of memory that hold data now. */
  get residentBytes(): number {
    return this.#residentBytes;
  }

  read(offset: number, data: Buffer, completion: BlockCompletion): void {
    const refusal = this.#refusal(offset, data.length);
    if (refusal === BlockStatus.ok) this.#copyOut(offset, data);
    completion.ioDone(refusal);
  }

  write(offset: number, data: Buffer, _fua: boolean, completion: BlockCompletion): void {
    const refusal = this.#refusal(offset, data.length);
    completion.ioDone(refusal === BlockStatus.ok ? this.#copyIn(offset, data) : refusal);
  }

  flush(completion: BlockCompletion): void {
    completion.ioDone(this.#closed ? BlockStatus.gone : BlockStatus.ok);
  }

  writeZeroes(offset: number, length: number, _fua: boolean, completion: BlockCompletion): void {
    const refusal = this.#refusal(offset, length);
    if (refusal === BlockStatus.ok) this.#zero(offset, offset + length);
    completion.ioDone(refusal);
  }

  discard(offset: number, length: number, completion: BlockCompletion): void {
    this.writeZeroes(offset, length, false, completion);
  }

  compare(offset: number, data: Buffer, completion: BlockCompletion): void {
    const refusal = this.#refusal(offset, data.length);
    completion.ioDone(refusal === BlockStatus.ok ? this.#compareWith(offset, data) : refusal);
  }

  compareAndWrite(
    offset: number,
    expected: Buffer,
    data: Buffer,
    _fua: boolean,
    completion: BlockCompletion,
  ): void {
    let status = this.#refusal(offset, Math.max(expected.length, data.length));
    if (status === BlockStatus.ok) status = this.#compareWith(offset, expected);
    if (status === BlockStatus.ok) status = this.#copyIn(offset, data);
    completion.ioDone(status);
  }

  async resize(sizeBytes: number): Promise<void> {
    checkDeviceSize('memory', sizeBytes);
    if (this.#closed) throw new AnagateError('BACKEND_FAILED', 'memory: cannot resize, the device is closed');
    // What a shrink cuts off must read as zeroes if the device grows again.
    if (sizeBytes < this.#sizeBytes) this.#zero(sizeBytes, this.#sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#pages.length = 0;
    this.#residentBytes = 0;
  }

  #refusal(offset: number, length: number): BlockStatus {
    if (this.#closed) return BlockStatus.gone;
    return offset + length <= this.#sizeBytes ? BlockStatus.ok : BlockStatus.outOfRange;
  }

  #chunk(index: number): Uint8Array | undefined {
    return this.#pages[Math.floor(index / CHUNKS_PER_PAGE)]?.[index % CHUNKS_PER_PAGE];
  }

  /** The chunk with that number, made if need be; undefined when there is no memory for it. */
  #chunkForWrite(index: number): Uint8Array | undefined {
    const present = this.#chunk(index);
    if (present !== undefined) return present;
    if (this.#residentBytes + CHUNK_BYTES > this.#maxResidentBytes) return undefined;
    let chunk: Uint8Array;
    try {
      chunk = new Uint8Array(CHUNK_BYTES);
    } catch {
      return undefined; // RangeError: the process can have no more memory
    }
    const pageIndex = Math.floor(index / CHUNKS_PER_PAGE);
    let page = this.#pages[pageIndex];
    if (page === undefined) {
      page = new Array<Uint8Array | undefined>(CHUNKS_PER_PAGE);
      this.#pages[pageIndex] = page;
    }
    page[index % CHUNKS_PER_PAGE] = chunk;
    this.#residentBytes += CHUNK_BYTES;
    return chunk;
  }

  #copyOut(offset: number, data: Buffer): void {
    for (let done = 0; done < data.length; ) {
      const index = Math.floor((offset + done) / CHUNK_BYTES);
      const start = offset + done - index * CHUNK_BYTES;
      const length = Math.min(CHUNK_BYTES - start, data.length - done);
      const chunk = this.#chunk(index);
      if (chunk === undefined) data.fill(0, done, done + length);
      else data.set(new Uint8Array(chunk.buffer, start, length), done);
      done += length;
    }
  }

  #copyIn(offset: number, data: Buffer): BlockStatus {
    for (let done = 0; done < data.length; ) {
      const index = Math.floor((offset + done) / CHUNK_BYTES);
      const start = offset + done - index * CHUNK_BYTES;
      const length = Math.min(CHUNK_BYTES - start, data.length - done);
      const chunk = this.#chunkForWrite(index);
      if (chunk === undefined) return BlockStatus.noSpace;
      // The usual case, all in one chunk, needs no view.
      chunk.set(length === data.length ? data : data.subarray(done, done + length), start);
      done += length;
    }
    return BlockStatus.ok;
  }

  #compareWith(offset: number, data: Buffer): BlockStatus {
    for (let done = 0; done < data.length; ) {
      const index = Math.floor((offset + done) / CHUNK_BYTES);
      const start = offset + done - index * CHUNK_BYTES;
      const length = Math.min(CHUNK_BYTES - start, data.length - done);
      const chunk = this.#chunk(index) ?? ZERO_CHUNK;
      if (data.compare(chunk, start, start + length, done, done + length) !== 0)
        return BlockStatus.miscompare;
      done += length;
    }
    return BlockStatus.ok;
  }

  /** Frees the whole chunks of [start, end) and zeroes the parts of the others. Pages without data are skipped whole. */
  #zero(start: number, end: number): void {
    for (let at = start; at < end; ) {
      const pageIndex = Math.floor(at / PAGE_BYTES);
      const page = this.#pages[pageIndex];
      let until = Math.min(end, (pageIndex + 1) * PAGE_BYTES);
      if (page !== undefined) {
        const index = Math.floor(at / CHUNK_BYTES);
        until = Math.min(until, (index + 1) * CHUNK_BYTES);
        this.#zeroInChunk(page, index, at - index * CHUNK_BYTES, until - index * CHUNK_BYTES);
      }
      at = until;
    }
  }

  /** Zeroes [from, to) of a chunk of `page`, or frees the chunk when nothing else is in it. */
  #zeroInChunk(page: ChunkPage, index: number, from: number, to: number): void {
    const chunk = page[index % CHUNKS_PER_PAGE];
    if (chunk === undefined) return;
    // Past the end of the device a chunk was never written.
    const usedBytes = Math.min(CHUNK_BYTES, this.#sizeBytes - index * CHUNK_BYTES);
    if (from === 0 && to >= usedBytes) {
      page[index % CHUNKS_PER_PAGE] = undefined;
      this.#residentBytes -= CHUNK_BYTES;
    } else {
      chunk.fill(0, from, to);
    }
  }
}

/** Stands in for chunks that were never written; nobody writes to it. */
const ZERO_CHUNK = new Uint8Array(CHUNK_BYTES);
