/**
 * Protobuf's wire format by hand (varints and length-delimited fields), so that tests can state field numbers themselves and
 * do not believe our proto file.
 */

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

/** An integer, boolean or enumeration field. */
export function int(field: number, value: number | bigint): Buffer {
  return Buffer.concat([varint(BigInt(field) << 3n), varint(BigInt(value))]);
}

/** A string or message field. */
export function bytes(field: number, value: string | Buffer): Buffer {
  const content = Buffer.from(value);
  return Buffer.concat([varint((BigInt(field) << 3n) | 2n), varint(BigInt(content.length)), content]);
}

export function message(...fields: Buffer[]): Buffer {
  return Buffer.concat(fields);
}

/** Field number -> values in order: bigint for varints, Buffer for the rest. */
export type Decoded = Map<number, (bigint | Buffer)[]>;

export function decode(buffer: Buffer): Decoded {
  const fields: Decoded = new Map();
  let at = 0;
  const next = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = buffer[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < buffer.length) {
    const tag = next();
    const field = Number(tag >> 3n);
    let value: bigint | Buffer = next();
    if ((tag & 7n) === 2n) {
      const end = at + Number(value);
      value = buffer.subarray(at, end);
      at = end;
    } else if ((tag & 7n) !== 0n) {
      throw new Error(`wire type ${tag & 7n} is not expected here`);
    }
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

/** The last value of a string field, '' when absent. */
export function text(fields: Decoded, field: number): string {
  return (fields.get(field)?.at(-1) as Buffer | undefined)?.toString() ?? '';
}

/** The last value of an integer field, 0 when absent. */
export function number(fields: Decoded, field: number): number {
  return Number((fields.get(field)?.at(-1) as bigint | undefined) ?? 0n);
}

/** Every value of a repeated message field. */
export function messages(fields: Decoded, field: number): Decoded[] {
  return (fields.get(field) ?? []).map((value) => decode(value as Buffer));
}
