/** Ceph's wire encoding of the small structures that object classes take (little-endian, versioned). */

export class Encoder {
  readonly #parts: Buffer[] = [];

  u8(value: number): this {
    this.#parts.push(Buffer.of(value));
    return this;
  }

  u32(value: number): this {
    const part = Buffer.alloc(4);
    part.writeUInt32LE(value);
    this.#parts.push(part);
    return this;
  }

  string(value: string): this {
    const bytes = Buffer.from(value);
    this.u32(bytes.length);
    this.#parts.push(bytes);
    return this;
  }

  /** A span of time: seconds, nanoseconds. */
  duration(ms: number): this {
    return this.u32(Math.floor(ms / 1000)).u32((ms % 1000) * 1_000_000);
  }

  /** The structure with its header: version, oldest version that can read it, length (ENCODE_START). */
  versioned(version: number, compat: number): Buffer {
    const body = Buffer.concat(this.#parts);
    return Buffer.concat([new Encoder().u8(version).u8(compat).u32(body.length).bytes(), body]);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
