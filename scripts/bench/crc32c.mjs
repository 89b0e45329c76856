/**
 * CRC-32C for the load generator, slicing by four: its own, so that what the gateway computes is checked by another hand.
 * Digests of the payload are computed once per run, those of command headers once per prepared command: speed matters little.
 */

const POLYNOMIAL = 0x82f63b78;
const TABLES = Array.from({ length: 4 }, () => new Int32Array(256));
for (let n = 0; n < 256; n++) {
  let crc = n;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  TABLES[0][n] = crc;
}
for (let n = 0; n < 256; n++) {
  for (let k = 1; k < 4; k++) {
    const before = TABLES[k - 1][n];
    TABLES[k][n] = (before >>> 8) ^ TABLES[0][before & 0xff];
  }
}
const [T0, T1, T2, T3] = TABLES;

/** CRC-32C of `bytes[start, end)`, as an unsigned number. "123456789" gives e3069283h. */
export function crc32c(bytes, start = 0, end = bytes.length) {
  let crc = ~0;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    crc ^= bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    crc = T3[crc & 0xff] ^ T2[(crc >>> 8) & 0xff] ^ T1[(crc >>> 16) & 0xff] ^ T0[crc >>> 24];
  }
  for (; at < end; at++) crc = T0[(crc ^ bytes[at]) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}
