/** Sizes as people type and read them. */
import { UsageError } from './arguments.ts';

const MIB = 1024 * 1024;
const UNITS = 'KMGTP';

/**
 * "100", "100M", "100MB" and "100MiB" are 100 MiB; also K, G, T, P (powers of 1024) and B (bytes), in either case.
 * @returns bytes: a multiple of 1 MiB, more than 0, below 2^53
 * @throws UsageError
 */
export function parseSize(text: string): number {
  const match = /^(\d+) ?(?:([KMGTP])?(I?B)?)$/.exec(text.trim().toUpperCase());
  if (match === null) {
    throw new UsageError(
      `--size "${text}" is not a size; use for example 512M, 10G or 1T (without a unit: MiB)`,
    );
  }
  const [, digits, unit, bytes] = match;
  const factor = unit !== undefined ? 1024 ** (UNITS.indexOf(unit) + 1) : bytes === undefined ? MIB : 1;
  const size = Number(digits) * factor;
  if (size === 0) throw new UsageError('--size must be more than 0');
  if (!Number.isSafeInteger(size)) throw new UsageError(`--size ${text} is too large`);
  if (size % MIB !== 0) throw new UsageError(`--size ${text} is not a multiple of 1 MiB`);
  return size;
}

/** "512 Bytes", "10 GiB", "1.5 TiB". */
export function formatSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} Bytes`;
  let value = bytes;
  let unit = -1;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${UNITS[unit]}iB`;
}
