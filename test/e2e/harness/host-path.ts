/** One path of a multipath host on our own initiator: a controller that is connected again and again, and its ANA log. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Feature } from '../../initiator/command.ts';
import { HostController, type HostOptions, parseEvent } from '../../initiator/controller.ts';
import { AnaState, LogId } from '../../initiator/log-page.ts';

export interface PathOptions extends Omit<HostOptions, 'host' | 'port'> {
  address: string;
  port?: number;
  /** ms; a path is dead when a keep-alive, sent every half of it, is not answered within it. */
  kato: number;
  reconnectDelayMs: number;
}

export interface GroupState {
  state: number;
  /** When it came to be so: the newest optimized path is the right one when a dead one still says so, too. */
  sinceMs: number;
  nsids: readonly number[];
}

const CONNECT_LIMIT_MS = 3000;
/** Asynchronous events of type notice: namespaces, and the ANA log, changed. */
const NOTICE = 2;
const NAMESPACES_CHANGED = 0;
const ANA_CHANGED = 3;
/** Asynchronous event configuration: both notices. */
const NOTICES = (1 << 8) | (1 << 11);
const CHANGED_LIST_BYTES = 4096;

export class HostPath {
  readonly address: string;
  /** Null while there is no live controller. */
  controller: HostController | null = null;
  /** By ANA group; the last that was heard. */
  readonly groups = new Map<number, GroupState>();
  readonly #options: PathOptions;
  readonly #changed: () => void;
  #closed = false;
  #reading: Promise<void> | null = null;
  #readAgain = false;

  /** @param changed called when the path may be better or worse than before */
  constructor(options: PathOptions, changed: () => void) {
    this.address = options.address;
    this.#options = options;
    this.#changed = changed;
    void this.#live();
  }

  /** State of a namespace's group; null: the path is dead, or does not have it. */
  stateOf(nsid: number): GroupState | null {
    if (this.controller === null) return null;
    for (const group of this.groups.values()) if (group.nsids.includes(nsid)) return group;
    return null;
  }

  /** A command was answered with a path status: the group is not used until the log has been read. */
  doubt(nsid: number): void {
    const group = this.stateOf(nsid);
    if (group !== null) group.state = AnaState.inaccessible;
    void this.readAna();
  }

  /** The connection does not answer: give it up. */
  drop(): void {
    const controller = this.controller;
    this.controller = null;
    this.#changed();
    void controller?.drop();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.controller?.drop();
  }

  /** Reads the ANA log, once more if asked meanwhile. */
  readAna(): Promise<void> {
    this.#readAgain = this.#reading !== null;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
      if (this.#readAgain) void this.readAna();
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    const controller = this.controller;
    if (controller === null) return;
    try {
      const { groups } = await controller.anaLog();
      const now = performance.now();
      for (const { id, state, nsids } of groups) {
        const before = this.groups.get(id);
        const sinceMs = before?.state === state ? before.sinceMs : now;
        this.groups.set(id, { state, sinceMs, nsids });
      }
      this.#changed();
    } catch {
      // its connection is over, which others see as well
    }
  }

  async #live(): Promise<void> {
    const { address, port = 4420, reconnectDelayMs } = this.#options;
    while (!this.#closed) {
      try {
        const options = { ...this.#options, host: address, port, connectTimeoutMs: CONNECT_LIMIT_MS };
        await this.#serve(await inTime(HostController.connect(options)));
      } catch {
        // nobody there, or not for us yet
      }
      await sleep(reconnectDelayMs);
    }
  }

  /** Resolves when the path is dead. */
  async #serve(controller: HostController): Promise<void> {
    const over = Promise.race([controller.admin, ...controller.io].map((queue) => queue.connection.ended));
    controller.stopKeepAlive(); // ours looks at the answers
    await controller.setFeature(Feature.asyncEvent, NOTICES);
    this.controller = controller;
    this.groups.clear();
    void this.#events(controller);
    void this.#keepAlive(controller);
    await this.readAna();
    await over;
    if (this.controller === controller) this.drop();
  }

  async #events(controller: HostController): Promise<void> {
    try {
      for (;;) {
        const { dw0, status } = await controller.asyncEvent();
        if (status !== 0) return;
        const { type, info } = parseEvent(dw0);
        // the list of changed namespaces is read so that the next change is told; the ANA log has the new ones
        if (type === NOTICE && info === NAMESPACES_CHANGED)
          await controller.getLog({ lid: LogId.changedNamespaces, length: CHANGED_LIST_BYTES });
        if (type === NOTICE && (info === NAMESPACES_CHANGED || info === ANA_CHANGED)) void this.readAna();
      }
    } catch {
      // the connection is over
    }
  }

  async #keepAlive(controller: HostController): Promise<void> {
    const { kato } = this.#options;
    while (this.controller === controller) {
      await sleep(kato / 2);
      if (this.controller !== controller) return;
      try {
        await withLimit(controller.keepAlive(), kato);
      } catch {
        if (this.controller === controller) this.drop();
      }
    }
  }
}

/** The controller, unless that takes too long; then it is dropped when it comes after all. */
async function inTime(connecting: Promise<HostController>): Promise<HostController> {
  try {
    return await withLimit(connecting, CONNECT_LIMIT_MS);
  } catch (cause) {
    connecting.then((late) => late.drop()).catch(() => {});
    throw cause;
  }
}

async function withLimit<T>(promise: Promise<T>, ms: number): Promise<T> {
  const limit = new AbortController();
  const late = sleep(ms, undefined, { signal: limit.signal }).then(() => {
    throw new Error(`not within ${ms} ms`);
  });
  late.catch(() => {}); // aborted
  promise.catch(() => {}); // came too late to matter
  try {
    return await Promise.race([promise, late]);
  } finally {
    limit.abort();
  }
}
