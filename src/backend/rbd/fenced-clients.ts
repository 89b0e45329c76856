/**
 * Which clients can write no more, asked for each image that is taken over: from the fences that the gateways know of at
 * once, from the cluster's blocklist once for many images.
 */
import type { Clock } from '../../base/clock.ts';
import type { BlocklistEntry } from '../../node-rados/lib/node-rados.ts';

/** A blocklist that is older is asked for again. */
const BLOCKLIST_AGE_MS = 1000;

export class FencedClients {
  readonly #known: (address: string) => boolean;
  readonly #ask: () => Promise<BlocklistEntry[]>;
  readonly #clock: Clock;
  #blocklist: Promise<BlocklistEntry[]> | null = null;
  #askedMs = 0;

  /** `known` tells of addresses like `192.0.2.1:0/4711`; `ask` reads the blocklist. */
  constructor(known: (address: string) => boolean, ask: () => Promise<BlocklistEntry[]>, clock: Clock) {
    this.#known = known;
    this.#ask = ask;
    this.#clock = clock;
  }

  async includes(address: string): Promise<boolean> {
    return this.#known(bare(address)) || isBlocklisted(address, await this.#recentBlocklist());
  }

  #recentBlocklist(): Promise<BlocklistEntry[]> {
    const nowMs = this.#clock.nowMs();
    if (this.#blocklist === null || nowMs - this.#askedMs > BLOCKLIST_AGE_MS) {
      this.#askedMs = nowMs;
      const asked = this.#ask();
      this.#blocklist = asked;
      asked.catch(() => {
        if (this.#blocklist === asked) this.#blocklist = null;
      });
    }
    return this.#blocklist;
  }
}

/** Whether an entry names the client's address. One with nonce 0 names all clients of its IP address. */
export function isBlocklisted(address: string, blocklist: readonly BlocklistEntry[]): boolean {
  const client = bare(address);
  const wholeHost = `${client.slice(0, client.lastIndexOf(':'))}:0/0`;
  return blocklist.some((entry) => {
    const fenced = bare(entry.address);
    return fenced === client || fenced === wholeHost;
  });
}

/** Without the protocol: `v2:192.0.2.1:0/5` is `192.0.2.1:0/5`. */
function bare(address: string): string {
  return address.replace(/^(?:any|v1|v2):/, '');
}
