/**
 * Which clients can write no more, asked for each image that is taken over: from the fences that the gateways know of at
 * once, from the cluster's blocklist once for many images.
 */
import type { Clock } from '../../base/clock.ts';
import { AnagateError } from '../../base/errors.ts';
import type { BlocklistEntry } from '../../node-rados/lib/node-rados.ts';

/** A blocklist that is older is asked for again. */
const BLOCKLIST_AGE_MS = 1000;

export interface FencedClientsOptions {
  /** Of addresses like `192.0.2.1:0/4711`; 'soon': its fence is under way, and it may answer hosts until that is done. */
  isKnown(address: string): boolean | 'soon';
  readBlocklist(): Promise<BlocklistEntry[]>;
  /** What our client does from now on is done after every fence that was committed at the call. */
  waitForFences(): Promise<void>;
  readonly clock: Clock;
}

export class FencedClients {
  readonly #options: FencedClientsOptions;
  /** By address: ends of {@link FencedClientsOptions.waitForFences} after the fence. */
  readonly #waits = new Map<string, Promise<void>>();
  #blocklist: Promise<BlocklistEntry[]> | null = null;
  #askedMs = 0;

  constructor(options: FencedClientsOptions) {
    this.#options = options;
  }

  /**
   * Whether the client can write no more, not even to an OSD that has not heard of its fence: what we do there after this
   * comes after all that it did. Rejects with BACKEND_UNAVAILABLE while its fence is under way.
   */
  async includes(address: string): Promise<boolean> {
    const client = bare(address);
    const known = this.#options.isKnown(client);
    if (known === 'soon') throw new AnagateError('BACKEND_UNAVAILABLE', `client ${client} is being fenced`);
    if (!known && !isBlocklisted(client, await this.#recentBlocklist())) return false;
    await this.#waitOnce(client);
    return true;
  }

  #waitOnce(client: string): Promise<void> {
    let wait = this.#waits.get(client);
    if (wait === undefined) {
      wait = this.#options.waitForFences();
      this.#waits.set(client, wait);
      wait.catch(() => this.#waits.delete(client));
    }
    return wait;
  }

  #recentBlocklist(): Promise<BlocklistEntry[]> {
    const { clock, readBlocklist } = this.#options;
    const nowMs = clock.nowMs();
    if (this.#blocklist === null || nowMs - this.#askedMs > BLOCKLIST_AGE_MS) {
      this.#askedMs = nowMs;
      const asked = readBlocklist();
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
