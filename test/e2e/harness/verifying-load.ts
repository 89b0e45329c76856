/**
 * The verifying writer on our own initiator, to the millisecond: a write is issued at a steady rate whether or not earlier ones
 * have been answered, so that what a new path serves shows while I/O is still stuck on a dead one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BLOCK_BYTES, BlockLedger } from './block-ledger.ts';
import type { MultipathHost } from './multipath-host.ts';

export interface LoadOptions {
  nsids: readonly number[];
  /** Blocks of 4 KiB of each namespace. */
  blocksPerNamespace: number;
  /** I/Os per second. */
  rate: number;
  /** At most so many without an answer. */
  outstanding: number;
}

/** An acknowledged I/O; times as `monotonicMs` gives them. */
export interface Ack {
  nsid: number;
  /** Of the path that answered. */
  address: string;
  issuedMs: number;
  atMs: number;
}

export interface LoadReport {
  acknowledged: number;
  /** Errors that an application would have seen, and data that it should not have seen. */
  complaints: string[];
  longestIoMs: number;
  longestGapMs: number;
}

/** What to look for after a fault. */
export interface Fault {
  /** As {@link monotonicMs} gives it. */
  atMs: number;
  /** Namespaces that it hit. */
  nsids: readonly number[];
  /** Gateways (addresses) whose answers do not count: it happened there. */
  notAt: readonly string[];
  /** Looked for at most so long. */
  limitMs: number;
}

/** What came of it: times since the fault, ms; null: did not come. */
export interface Recovery {
  /** First I/O acknowledged elsewhere. */
  firstMs: number | null;
  /** By when every namespace had one acknowledged elsewhere. */
  allMs: number | null;
  /** Longest that an I/O under way at the fault took from then on. */
  stuckMs: number | null;
}

/** One clock for all processes of this machine. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Of all I/Os, that many are reads. */
const READS = 0.25;
const TICK_MS = 2;

export class VerifyingLoad {
  readonly #host: MultipathHost;
  readonly #options: LoadOptions;
  readonly #ledger = new BlockLedger();
  readonly #errors: string[] = [];
  readonly #acks: Ack[] = [];
  readonly #open = new Set<Promise<void>>();
  /** When each I/O under way was issued. */
  readonly #issued = new Set<{ nsid: number; atMs: number }>();
  #running: Promise<void> | null = null;
  #stopping = false;
  #turn = 0;
  #acknowledged = 0;
  #lastAckMs = 0;
  #longestIoMs = 0;
  #longestGapMs = 0;

  constructor(host: MultipathHost, options: LoadOptions) {
    this.#host = host;
    this.#options = options;
    for (const nsid of options.nsids) this.#ledger.add(nsid, options.blocksPerNamespace);
  }

  /** Writes every block once, then begins the load. */
  async start(): Promise<void> {
    for (let index = 0; index < this.#ledger.blocks.length; index++) {
      this.#begin(this.#write(index));
      while (this.#open.size >= this.#options.outstanding) await Promise.race(this.#open);
    }
    await Promise.all(this.#open);
    this.#acks.length = 0;
    this.#longestIoMs = 0;
    this.#longestGapMs = 0;
    this.#running = this.#run();
  }

  /** Forgets what is past: the next fault is looked at. */
  begin(): void {
    this.#acks.length = 0;
  }

  /** Resolves when every namespace has been served elsewhere and nothing is stuck any more, or when the time is over. */
  async recovery({ atMs, nsids, notAt, limitMs }: Fault): Promise<Recovery> {
    for (;;) {
      const after = this.#acks.filter((ack) => ack.atMs > atMs && nsids.includes(ack.nsid));
      const first = new Map<number, number>();
      for (const ack of after)
        if (!notAt.includes(ack.address) && !first.has(ack.nsid)) first.set(ack.nsid, ack.atMs - atMs);
      const stuck = [...this.#issued].some((io) => io.atMs <= atMs && nsids.includes(io.nsid));
      if ((first.size === nsids.length && !stuck) || monotonicMs() > atMs + limitMs) {
        const times = [...first.values()];
        const hung = after.filter(({ issuedMs }) => issuedMs <= atMs);
        return {
          firstMs: times.length > 0 ? Math.min(...times) : null,
          allMs: first.size === nsids.length ? Math.max(...times) : null,
          stuckMs: stuck ? null : Math.max(0, ...hung.map((ack) => ack.atMs - atMs)),
        };
      }
      await sleep(TICK_MS);
    }
  }

  /** Ends the load, reads every block, and reports. */
  async stop(): Promise<LoadReport> {
    this.#stopping = true;
    await this.#running;
    await Promise.all(this.#open);
    for (let index = 0; index < this.#ledger.blocks.length; index++) {
      this.#begin(this.#read(index));
      while (this.#open.size >= this.#options.outstanding) await Promise.race(this.#open);
    }
    await Promise.all(this.#open);
    return {
      acknowledged: this.#acknowledged,
      complaints: [...this.#errors, ...this.#ledger.complaints],
      longestIoMs: this.#longestIoMs,
      longestGapMs: this.#longestGapMs,
    };
  }

  async #run(): Promise<void> {
    const { rate, outstanding } = this.#options;
    const began = monotonicMs();
    let done = 0;
    this.#lastAckMs = began;
    while (!this.#stopping) {
      const due = ((monotonicMs() - began) * rate) / 1000;
      for (; done < due; done++) if (this.#open.size < outstanding) this.#one();
      await sleep(TICK_MS);
    }
  }

  /** One I/O on any block of the next namespace. */
  #one(): void {
    const { nsids, blocksPerNamespace } = this.#options;
    const { blocks } = this.#ledger;
    this.#turn = (this.#turn + 1) % nsids.length;
    const index = this.#turn * blocksPerNamespace + Math.floor(Math.random() * blocksPerNamespace);
    if (Math.random() < READS) this.#begin(this.#read(index));
    else if (!blocks[index].busy) this.#begin(this.#write(index));
  }

  #begin(io: Promise<void>): void {
    const settled = io.finally(() => this.#open.delete(settled));
    this.#open.add(settled);
  }

  async #write(index: number): Promise<void> {
    const { nsid, lba } = this.#ledger.blocks[index];
    const data = this.#ledger.issue(index);
    if (await this.#timed(nsid, lba, data)) this.#ledger.acknowledge(index);
  }

  async #read(index: number): Promise<void> {
    const { nsid, lba } = this.#ledger.blocks[index];
    const expectation = this.#ledger.expect(index);
    const data = await this.#timed(nsid, lba);
    if (data !== null) this.#ledger.judge(expectation, data);
  }

  /** Null: an error, noted. */
  async #timed(nsid: number, block: number, data?: Buffer): Promise<Buffer | null> {
    const issued = { nsid, atMs: monotonicMs() };
    this.#issued.add(issued);
    const place = { nsid, offset: block * BLOCK_BYTES, length: BLOCK_BYTES };
    try {
      const answer = await this.#host.io(data ? { ...place, data } : place);
      this.#ack({ nsid, address: answer.address, issuedMs: issued.atMs, atMs: monotonicMs() });
      return answer.data;
    } catch (cause) {
      this.#errors.push(`${data ? 'write' : 'read'} of namespace ${nsid} block ${block}: ${cause}`);
      return null;
    } finally {
      this.#issued.delete(issued);
    }
  }

  #ack(ack: Ack): void {
    this.#acks.push(ack);
    this.#acknowledged += 1;
    this.#longestIoMs = Math.max(this.#longestIoMs, ack.atMs - ack.issuedMs);
    if (this.#lastAckMs > 0) this.#longestGapMs = Math.max(this.#longestGapMs, ack.atMs - this.#lastAckMs);
    this.#lastAckMs = ack.atMs;
  }
}
