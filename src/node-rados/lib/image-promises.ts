/** Image I/O as promises. Each allocates; the data path uses the calls of {@link Image} themselves. */
import type { Image } from './image.ts';
import { type IoCompletion, ioPromise } from './io-slots.ts';
import { RadosError } from './rados-error.ts';

/** A compare-and-write that found other bytes. */
export class MiscompareError extends RadosError {
  /** Where the first difference is, in bytes from the start of the extent. */
  readonly mismatchOffset: number;
  constructor(errno: number, mismatchOffset: number) {
    super('rbd_aio_compare_and_write', errno);
    this.mismatchOffset = mismatchOffset;
  }
}

/** {@link Image.promises}. */
export class ImagePromises {
  readonly #image: Image;
  constructor(image: Image) {
    this.#image = image;
  }

  #do(operation: string, start: (completion: IoCompletion) => void): Promise<number> {
    return ioPromise(start, (result) => new RadosError(operation, -result, this.#image.name));
  }

  /** `length` bytes from `offset`, fewer past the end of the image. */
  async read(offset: number, length: number): Promise<Buffer> {
    const data = Buffer.allocUnsafeSlow(length);
    const count = await this.#do('rbd_aio_read', (done) => this.#image.read(offset, data, done));
    return data.subarray(0, count);
  }

  /** @returns the number of bytes read. */
  readv(offset: number, data: readonly Uint8Array[]): Promise<number> {
    return this.#do('rbd_aio_readv', (done) => this.#image.readv(offset, data, done));
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    await this.#do('rbd_aio_write', (done) => this.#image.write(offset, data, done));
  }

  async writev(offset: number, data: readonly Uint8Array[]): Promise<void> {
    await this.#do('rbd_aio_writev', (done) => this.#image.writev(offset, data, done));
  }

  async flush(): Promise<void> {
    await this.#do('rbd_aio_flush', (done) => this.#image.flush(done));
  }

  async discard(offset: number, length: number): Promise<void> {
    await this.#do('rbd_aio_discard', (done) => this.#image.discard(offset, length, done));
  }

  async writeZeroes(offset: number, length: number, thick = false): Promise<void> {
    await this.#do('rbd_aio_write_zeroes', (done) => this.#image.writeZeroes(offset, length, done, thick));
  }

  async writeSame(offset: number, length: number, pattern: Uint8Array): Promise<void> {
    await this.#do('rbd_aio_writesame', (done) => this.#image.writeSame(offset, length, pattern, done));
  }

  /** @throws {MiscompareError} EILSEQ, when the extent differs. */
  async compareAndWrite(offset: number, expected: Uint8Array, data: Uint8Array): Promise<void> {
    await ioPromise(
      (done) => this.#image.compareAndWrite(offset, expected, data, done),
      (result, mismatchOffset) => new MiscompareError(-result, mismatchOffset),
    );
  }
}
