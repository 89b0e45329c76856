/** Drives ../two-path-target.ts: two gateways in one process, whose ANA states the test decides. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { LAB_ADDRESSES, type Place, PROJECT } from './place.ts';

export type GatewayNumber = 1 | 2;
export type AnaStateName = 'optimized' | 'non-optimized' | 'inaccessible';

export const TWO_PATH_SUBSYSTEM = 'nqn.2026-11.io.anagate:two-paths';

export class TwoPathTarget {
  readonly logFile: string;
  readonly backingFile: string;
  readonly #place: Place;
  readonly #sizeBytes: number;
  #process: ChildProcessWithoutNullStreams | null = null;
  #answers: Interface | null = null;

  constructor(place: Place, sizeBytes: number) {
    this.#place = place;
    this.#sizeBytes = sizeBytes;
    this.logFile = join(place.directory, 'two-path-target.log');
    this.backingFile = join(place.directory, 'two-path.img');
  }

  /** Starts it, both gateways inaccessible. */
  async start(): Promise<void> {
    const program = join(PROJECT, 'test', 'e2e', 'two-path-target.ts');
    const subsystem = [TWO_PATH_SUBSYSTEM, this.backingFile, String(this.#sizeBytes)];
    const [command, args] = this.#place.inside(process.execPath, [
      '--import',
      'tsx',
      program,
      ...subsystem,
      ...LAB_ADDRESSES,
    ]);
    this.#process = spawn(command, args, { cwd: PROJECT });
    this.#process.stderr.pipe(createWriteStream(this.logFile));
    this.#answers = createInterface({ input: this.#process.stdout });
    await this.#answer();
  }

  set(gateway: GatewayNumber, state: AnaStateName): Promise<string> {
    return this.#ask(`set ${gateway} ${state}`);
  }

  /** Planned hand-over of a gateway; resolves with `ok` once it is inaccessible with nothing in flight. */
  drain(gateway: GatewayNumber): Promise<string> {
    return this.#ask(`drain ${gateway}`);
  }

  #ask(line: string): Promise<string> {
    this.#process?.stdin.write(`${line}\n`);
    return this.#answer();
  }

  async #answer(): Promise<string> {
    if (this.#answers === null || this.#process === null) throw new Error('the two-path target does not run');
    const ended = once(this.#process, 'exit').then(() => {
      throw new Error('the two-path target ended, see its log');
    });
    const [line] = await Promise.race([once(this.#answers, 'line'), ended]);
    return line;
  }
}
