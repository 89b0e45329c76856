/** A well-behaved host that reads, writes and compares all the time while others misbehave. */
import { Cdw12 } from '../initiator/command.ts';
import { HostController } from '../initiator/controller.ts';
import { pattern, Random } from './random.ts';
import { EXTERNAL, type World } from './world.ts';

const BLOCKS = 2048;
/** On a served target the sentinel shares namespace 1 with the tests and keeps to a place of its own. */
const FIRST = EXTERNAL ? 48 * 1024 : 0;
const BLOCK = 512;

export class Sentinel {
  readonly host: HostController;
  /** Rounds of write, read back, compare. */
  rounds = 0;
  /** Longest round, milliseconds. */
  slowestMs = 0;
  readonly #done: Promise<void>;
  #running = true;
  #failure: unknown = null;

  static async start(world: World, options: { pauseMs?: number } = {}): Promise<Sentinel> {
    const subnqn = world.control?.sentinelSubnqn ?? world.subnqn;
    const host = await HostController.connect({ ...world.a, subnqn, kato: 30_000, hdgst: true, ddgst: true });
    return new Sentinel(host, options.pauseMs ?? 1);
  }

  private constructor(host: HostController, pauseMs: number) {
    this.host = host;
    this.#done = this.#run(pauseMs).catch((cause: unknown) => {
      this.#failure = cause;
    });
  }

  async #run(pauseMs: number): Promise<void> {
    const random = new Random(4711);
    const image = Buffer.alloc(BLOCKS * BLOCK);
    const zero = await this.host.writeZeroes(1, FIRST, BLOCKS);
    if (zero.status !== 0) throw new Error(`sentinel: write zeroes ${zero.status.toString(16)}h`);
    while (this.#running) {
      const began = performance.now();
      const blocks = random.pick([1, 3, 8, 16, 64]);
      const slba = random.below(BLOCKS - blocks);
      const data = pattern(blocks * BLOCK, random.next());
      const write = await this.host.write(
        1,
        FIRST + slba,
        blocks,
        data,
        random.chance(4) ? { bits: Cdw12.fua } : {},
      );
      if (write.status !== 0) throw new Error(`sentinel: write status ${write.status.toString(16)}h`);
      data.copy(image, slba * BLOCK);
      const from = random.below(BLOCKS - 64);
      const read = await this.host.read(1, FIRST + from, 64, BLOCK);
      if (read.status !== 0) throw new Error(`sentinel: read status ${read.status.toString(16)}h`);
      if (!read.data.equals(image.subarray(from * BLOCK, (from + 64) * BLOCK))) {
        throw new Error(`sentinel: blocks ${from}..${from + 64} are not what was written`);
      }
      this.slowestMs = Math.max(this.slowestMs, performance.now() - began);
      this.rounds++;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  /** Throws what went wrong so far. */
  check(): void {
    if (this.#failure) throw this.#failure;
    if (this.host.violations.length > 0) throw new Error(`sentinel: ${this.host.violations.join('; ')}`);
  }

  /** Ends it; throws unless every round was right. */
  async stop(): Promise<void> {
    this.#running = false;
    // A command that is not answered any more must not keep the test from ending.
    const late = setTimeout(() => void this.host.drop(), 5000);
    await this.#done;
    clearTimeout(late);
    await this.host.drop();
    this.check();
  }
}
