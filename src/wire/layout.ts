/**
 * Data structures of the specification as tables: a field is its offset and how its value is written, and the type
 * of a structure's values follows from the table. Everything is little-endian (NVMe base 2.0 section 1.5).
 */

/** One field of a structure; `offset` counts from the beginning of the structure. */
export interface Field<V> {
  readonly offset: number;
  readonly bytes: number;
  /** `at` is the absolute place in `buf`. Throws RangeError when the value does not fit: a programming error. */
  write(buf: Buffer, at: number, value: V): void;
}

export type Layout = { readonly [name: string]: Field<never> };

/** Values for some or all fields of a structure; the others stay as they are in the buffer. */
export type FieldValues<L extends Layout> = { [K in keyof L]?: L[K] extends Field<infer V> ? V : never };

/** Writes the values into the structure that begins at `base`. */
export function encodeFields<L extends Layout>(
  layout: L,
  values: FieldValues<L>,
  buf: Buffer,
  base = 0,
): void {
  for (const name in values) {
    const value = values[name];
    const field = layout[name];
    if (field !== undefined && value !== undefined) field.write(buf, base + field.offset, value as never);
  }
}

export function u8(offset: number): Field<number> {
  return { offset, bytes: 1, write: (buf, at, value) => buf.writeUInt8(value, at) };
}

export function u16(offset: number): Field<number> {
  return { offset, bytes: 2, write: (buf, at, value) => buf.writeUInt16LE(value, at) };
}

export function u24(offset: number): Field<number> {
  return { offset, bytes: 3, write: (buf, at, value) => buf.writeUIntLE(value, at, 3) };
}

export function u32(offset: number): Field<number> {
  return { offset, bytes: 4, write: (buf, at, value) => buf.writeUInt32LE(value, at) };
}

/** 64 bits; a number must be a safe integer. */
export function u64(offset: number): Field<number | bigint> {
  return { offset, bytes: 8, write: writeU64 };
}

/** 128 bits; a number must be a safe integer. */
export function u128(offset: number): Field<number | bigint> {
  return {
    offset,
    bytes: 16,
    write(buf, at, value) {
      const wide = BigInt(value);
      buf.writeBigUInt64LE(wide & 0xffff_ffff_ffff_ffffn, at);
      buf.writeBigUInt64LE(wide >> 64n, at + 8);
    },
  };
}

/** ASCII text, padded with spaces (NVMe base 2.0 section 1.5). */
export function ascii(offset: number, bytes: number): Field<string> {
  return {
    offset,
    bytes,
    write(buf, at, value) {
      if (value.length > bytes || !PRINTABLE_ASCII.test(value)) {
        throw new RangeError(`not ASCII of at most ${bytes} characters: ${JSON.stringify(value)}`);
      }
      buf.fill(0x20, at, at + bytes);
      buf.write(value, at, 'latin1');
    },
  };
}

/** Raw bytes, exactly that many. */
export function bytes(offset: number, length: number): Field<Buffer> {
  return {
    offset,
    bytes: length,
    write(buf, at, value) {
      if (value.length !== length) throw new RangeError(`${value.length} bytes for a field of ${length}`);
      buf.set(value, at);
    },
  };
}

/** A structure within the structure. */
export function nested<L extends Layout>(offset: number, length: number, layout: L): Field<FieldValues<L>> {
  return { offset, bytes: length, write: (buf, at, value) => encodeFields(layout, value, buf, at) };
}

/** Up to `count` structures of `length` bytes, one after the other. */
export function repeated<L extends Layout>(
  offset: number,
  length: number,
  count: number,
  layout: L,
): Field<readonly FieldValues<L>[]> {
  return {
    offset,
    bytes: length * count,
    write(buf, at, values) {
      if (values.length > count) throw new RangeError(`${values.length} entries in a table of ${count}`);
      values.forEach((value, i) => {
        encodeFields(layout, value, buf, at + i * length);
      });
    },
  };
}

/** Writes a 64-bit unsigned integer; a number must be a safe non-negative integer. */
export function writeU64(buf: Buffer, at: number, value: number | bigint): void {
  if (typeof value === 'bigint') {
    buf.writeBigUInt64LE(value, at);
  } else {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new RangeError(`not a 64-bit unsigned integer: ${value}`);
    buf.writeUInt32LE(value % 0x1_0000_0000, at);
    buf.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
  }
}

const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;
