/** CRC-32C (Castagnoli, reflected 82F63B78h, initial and final inversion): NVMe/TCP header and data digests. */

const TABLES: Uint32Array[] = buildTables();

function buildTables(): Uint32Array[] {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    tables[0][byte] = crc >>> 0;
  }
  for (let slice = 1; slice < 8; slice++) {
    for (let byte = 0; byte < 256; byte++) {
      const previous = tables[slice - 1][byte];
      tables[slice][byte] = ((previous >>> 8) ^ tables[0][previous & 0xff]) >>> 0;
    }
  }
  return tables;
}

const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES;

/** The digest of `data` as an unsigned 32-bit number; `123456789` gives E3069283h. */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  const end = data.length;
  let at = 0;
  for (; at + 8 <= end; at += 8) {
    const low = crc ^ (data[at] | (data[at + 1] << 8) | (data[at + 2] << 16) | (data[at + 3] << 24));
    crc =
      T7[low & 0xff] ^
      T6[(low >>> 8) & 0xff] ^
      T5[(low >>> 16) & 0xff] ^
      T4[low >>> 24] ^
      T3[data[at + 4]] ^
      T2[data[at + 5]] ^
      T1[data[at + 6]] ^
      T0[data[at + 7]];
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ T0[(crc ^ data[at]) & 0xff];
  return (crc ^ 0xffffffff) >>> 0;
}
