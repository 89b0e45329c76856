import type { BlockCompletion, BlockDevice } from '../../src/base/block-device.ts';
import { BlockStatus } from '../../src/base/block-device.ts';

/** Runs one operation and resolves with its status; rejects when it completes twice. */
export function finished(start: (completion: BlockCompletion) => void): Promise<BlockStatus> {
  return new Promise((resolve, reject) => {
    let calls = 0;
    start({
      ioDone(status) {
        calls += 1;
        if (calls > 1) reject(new Error('completed twice'));
        else setImmediate(() => resolve(status));
      },
    });
  });
}

/** The operations of a device as promises, for tests that wait anyway. */
export class PromisedDevice {
  readonly device: BlockDevice;
  constructor(device: BlockDevice) {
    this.device = device;
  }
  read(offset: number, data: Buffer): Promise<BlockStatus> {
    return finished((done) => this.device.read(offset, data, done));
  }
  write(offset: number, data: Buffer, fua = false): Promise<BlockStatus> {
    return finished((done) => this.device.write(offset, data, fua, done));
  }
  flush(): Promise<BlockStatus> {
    return finished((done) => this.device.flush(done));
  }
  writeZeroes(offset: number, length: number, fua = false): Promise<BlockStatus> {
    return finished((done) => this.device.writeZeroes(offset, length, fua, done));
  }
  discard(offset: number, length: number): Promise<BlockStatus> {
    return finished((done) => this.device.discard(offset, length, done));
  }
  compare(offset: number, data: Buffer): Promise<BlockStatus> {
    return finished((done) => this.device.compare(offset, data, done));
  }
  compareAndWrite(offset: number, expected: Buffer, data: Buffer, fua = false): Promise<BlockStatus> {
    return finished((done) => this.device.compareAndWrite(offset, expected, data, fua, done));
  }
  /** The bytes of an extent; throws when they cannot be read. */
  async bytes(offset: number, length: number): Promise<Buffer> {
    const data = Buffer.alloc(length, 0xee);
    const status = await this.read(offset, data);
    if (status !== BlockStatus.ok) throw new Error(`read failed with ${status}`);
    return data;
  }
}
