/** Runs verifying-writer.c in a Linux host: an application that knows each of its acknowledged writes. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { mustRun } from './command.ts';
import type { LinuxHost } from './linux-host.ts';
import { PROJECT } from './place.ts';

export interface WriterOptions {
  /** I/Os at a time on each device; default 4. */
  depth?: number;
  /** Blocks of 4 KiB that are written, from the start of each device; default 256. */
  blocks?: number;
  /** Mean pause of each of them between I/Os, in ms; default 15. */
  paceMs?: number;
  /** The writer ends by itself after so long; default 300. */
  seconds?: number;
}

/** No I/O between two acknowledgements of one device. */
export interface Gap {
  /** Since the writer began. */
  atMs: number;
  ms: number;
}

export interface DeviceReport {
  device: string;
  writes: number;
  reads: number;
  errors: number;
  /** Reads that showed something else than they should. */
  wrong: number;
  longestGapMs: number;
  /** From the submission of an I/O to its acknowledgement. */
  longestIoMs: number;
  gaps: Gap[];
}

export interface WriterReport {
  /** How late the host itself was at the worst: a short sleep took so much longer. It is emulated, on a machine that may be busy. */
  longestLateMs: number;
  devices: DeviceReport[];
  /** What was wrong, in words; empty when all is well. */
  complaints: string[];
}

const PROGRAM = '/tmp/verifying-writer';
let runs = 0;

/** Compiles the writer (cc) and puts it into the host. */
export async function installWriter(host: LinuxHost, directory: string): Promise<void> {
  const binary = join(directory, 'verifying-writer');
  const source = join(PROJECT, 'test', 'e2e', 'harness', 'verifying-writer.c');
  await mustRun('cc', ['-O2', '-pthread', '-s', '-o', binary, source]);
  const packed = gzipSync(await readFile(binary), { level: 9 }).toString('base64');
  await rm(binary);
  await host.sh(
    `busybox base64 -d <<'END' | busybox gzip -d >${PROGRAM} && chmod +x ${PROGRAM}\n${packed}\nEND`,
  );
}

export class VerifyingWriter {
  readonly #host: LinuxHost;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<number | null>;
  readonly #pidFile: string;
  #output = '';

  /** Resolves once every block has been written and the load goes on. */
  static async start(
    host: LinuxHost,
    devices: readonly string[],
    options: WriterOptions = {},
  ): Promise<VerifyingWriter> {
    const writer = new VerifyingWriter(host, devices, options);
    await writer.#running();
    return writer;
  }

  private constructor(host: LinuxHost, devices: readonly string[], options: WriterOptions) {
    const { depth = 4, blocks = 256, paceMs = 15, seconds = 300 } = options;
    const run = ++runs;
    this.#host = host;
    this.#pidFile = `/run/verifying-writer.${run}`;
    const words = [run, seconds, depth, blocks, paceMs * 1000, ...devices.map((name) => `/dev/${name}`)];
    const script = `echo $$ >${this.#pidFile}; exec ${PROGRAM} ${words.join(' ')}`;
    this.#child = host.start(script, seconds + 120);
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    this.#ended = once(this.#child, 'close').then(([status]) => status as number | null);
  }

  /** Ends it; resolves with its report after it has read every block. */
  async stop(): Promise<WriterReport> {
    await this.#host.sh(`kill -TERM "$(cat ${this.#pidFile})" 2>/dev/null || true`);
    const status = await this.#ended;
    const line = this.#output.split('\n').find((one) => one.startsWith('{'));
    if (status !== 0 || line === undefined)
      throw new Error(`the verifying writer ended with status ${status}:\n${this.#output}`);
    return JSON.parse(line) as WriterReport;
  }

  async #running(): Promise<void> {
    while (!this.#output.includes('running\n')) {
      const more = await Promise.race([once(this.#child.stdout, 'data'), this.#ended]);
      if (!Array.isArray(more)) throw new Error(`the verifying writer ended:\n${this.#output}`);
    }
  }
}
