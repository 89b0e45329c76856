/** The independent reader: looks at a namespace's backing file from outside the gateway. */
import { open } from 'node:fs/promises';
import { mustRun } from './command.ts';

/** MD5 of the first `bytes` of a file (of all of it when absent), by coreutils, to compare with the one that the guest makes. */
export async function fileDigest(path: string, bytes?: number): Promise<string> {
  const source = bytes === undefined ? `cat -- '${path}'` : `head -c ${bytes} -- '${path}'`;
  return (await mustRun('bash', ['-c', `${source} | md5sum`])).split(' ')[0];
}

export async function readExtent(path: string, offset: number, length: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const data = Buffer.alloc(length);
    const { bytesRead } = await file.read(data, 0, length, offset);
    return data.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** True when every byte of the extent is zero. */
export async function readsAsZeroes(path: string, offset: number, length: number): Promise<boolean> {
  return (await readExtent(path, offset, length)).equals(Buffer.alloc(length));
}

/** Bytes of the numbered lines that `seq` makes; {@link patternCommand} is the same in the guest. */
export function pattern(bytes: number): Buffer {
  const lines = Math.ceil(bytes / PATTERN_LINE);
  let text = '';
  for (let i = 1; i <= lines; i++) text += `anagate ${String(i).padStart(23, '0')}\n`;
  return Buffer.from(text).subarray(0, bytes);
}

const PATTERN_LINE = 32;

/** Shell command that prints {@link pattern} of so many bytes. */
export function patternCommand(bytes: number): string {
  return `seq -f 'anagate %023.0f' ${Math.ceil(bytes / PATTERN_LINE)} | head -c ${bytes}`;
}
