/** A page of zeroes with the given bytes at absolute offsets; refuses overlaps, so that a wrong table shows. */
export function goldenPage(
  size: number,
  places: readonly (readonly [offset: number, hex: string])[],
): Buffer {
  const page = Buffer.alloc(size);
  const taken = new Uint8Array(size);
  for (const [offset, hex] of places) {
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    if (bytes.length === 0 || offset + bytes.length > size) throw new Error(`bad golden bytes at ${offset}`);
    for (let i = offset; i < offset + bytes.length; i += 1) {
      if (taken[i] !== 0) throw new Error(`golden bytes overlap at ${i}`);
      taken[i] = 1;
    }
    bytes.copy(page, offset);
  }
  return page;
}

/** Text as hex, padded with `pad` to `length` bytes. */
export function textHex(text: string, length: number, pad: number): string {
  return Buffer.concat([Buffer.from(text, 'utf8'), Buffer.alloc(length, pad)])
    .subarray(0, length)
    .toString('hex');
}

/** Where two pages differ first, for a readable failure; null when they are equal. */
export function firstDifference(actual: Buffer, expected: Buffer): string | null {
  if (actual.length !== expected.length) return `${actual.length} bytes instead of ${expected.length}`;
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  if (at < 0) return null;
  const show = (page: Buffer): string => page.toString('hex', at, at + 16);
  return `at byte ${at}: ${show(actual)} instead of ${show(expected)}`;
}
