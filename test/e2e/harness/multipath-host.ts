/**
 * A multipath host on our own initiator: sends each I/O on an optimized path, again on another when its path died or answered
 * with a path status, and holds it while there is none. Any other status is an error that an application would see.
 */
import { IoOpcode, ioSqe } from '../../initiator/command.ts';
import { AnaState } from '../../initiator/log-page.ts';
import type { Completion } from '../../initiator/queue.ts';
import { statusName } from '../../initiator/status.ts';
import { type GroupState, HostPath, type PathOptions } from './host-path.ts';

export interface Io {
  nsid: number;
  /** Bytes. */
  offset: number;
  length: number;
  /** What to write; absent: read. */
  data?: Buffer;
}

export interface Answer {
  data: Buffer;
  /** Address of the path that answered. */
  address: string;
}

const PATH_RELATED = 3;
/** Logical blocks of the lab's namespaces. */
const LBA_BYTES = 512;

export class MultipathHost {
  readonly paths: HostPath[] = [];
  readonly #options: Omit<PathOptions, 'address'>;
  #waiting: (() => void)[] = [];

  constructor(options: Omit<PathOptions, 'address'>) {
    this.#options = options;
  }

  add(address: string): void {
    if (this.paths.some((path) => path.address === address)) return;
    this.paths.push(new HostPath({ ...this.#options, address }, () => this.#wake()));
  }

  async remove(address: string): Promise<void> {
    const at = this.paths.findIndex((path) => path.address === address);
    const [path] = at < 0 ? [] : this.paths.splice(at, 1);
    await path?.close();
  }

  /** Resolves when it is done, on whatever path; rejects with what an application would see as an error. */
  async io(io: Io): Promise<Answer> {
    for (;;) {
      const path = this.#choose(io.nsid);
      if (path === null) {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
        continue;
      }
      const completion = await this.#on(path, io);
      if (completion === null) continue;
      if (completion.status === 0) return { data: completion.data, address: path.address };
      if (completion.sct !== PATH_RELATED)
        throw new Error(`${path.address} answered ${statusName(completion.status)}`);
      path.doubt(io.nsid);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.paths.map((path) => path.close()));
  }

  /** Null: the path died. */
  async #on(path: HostPath, { nsid, offset, length, data }: Io): Promise<Completion | null> {
    const controller = path.controller;
    if (controller === null) return null;
    const opcode = data ? IoOpcode.write : IoOpcode.read;
    const command = ioSqe(opcode, nsid, offset / LBA_BYTES, length / LBA_BYTES);
    try {
      return await controller.io[0].submit(command, data ? { data } : { readLength: length });
    } catch {
      if (path.controller === controller) path.drop();
      return null;
    }
  }

  #choose(nsid: number): HostPath | null {
    let best: { path: HostPath; state: GroupState } | null = null;
    for (const path of this.paths) {
      const state = path.stateOf(nsid);
      if (state === null || state.state > AnaState.nonOptimized) continue;
      const better =
        best === null ||
        state.state < best.state.state ||
        (state.state === best.state.state && state.sinceMs > best.state.sinceMs);
      if (better) best = { path, state };
    }
    return best?.path ?? null;
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
