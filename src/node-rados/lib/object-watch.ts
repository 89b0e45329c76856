/** A watch of an object: notifies that others send, and the loss of the watch itself. */
import { type Binding, binding, type Handle } from './binding.ts';
import { addWatcher, removeWatcher } from './events.ts';
import type { Bytes } from './object-operation.ts';
import { RadosError } from './rados-error.ts';

export interface Notification {
  id: bigint;
  /** The notifier's {@link Cluster.instanceId}. */
  notifier: bigint;
  data: Buffer;
}

export interface WatchHandlers {
  /**
   * A notify. It is acknowledged with what this returns (nothing: an empty reply) once that has settled; the notifier waits
   * for it. What it throws becomes an unhandled rejection; the notify is acknowledged all the same.
   */
  onNotify(notification: Notification): Bytes | undefined | Promise<Bytes | undefined>;
  /**
   * The watch is broken: notifies may have been missed and none will come (ENOTCONN after a loss of contact; EBLOCKLISTED).
   * Close it, read the object again, and watch anew.
   */
  onError(error: RadosError): void;
}

const NOTIFY = 0;

/** A registered watch. */
export class ObjectWatch {
  readonly #binding: Binding = binding();
  readonly #handlers: WatchHandlers;
  readonly #watcher: number;
  readonly #onClosed: (watch: ObjectWatch) => void;
  #handle: Handle | null = null;
  #closing: Promise<void> | null = null;

  /** For {@link IoContext.watch}. */
  constructor(handlers: WatchHandlers, onClosed: (watch: ObjectWatch) => void) {
    this.#handlers = handlers;
    this.#onClosed = onClosed;
    this.#watcher = addWatcher((kind: number, ...rest: unknown[]) => this.#event(kind, rest));
  }

  /** For {@link IoContext.watch}. */
  async register(context: Handle, object: string, timeoutS: number): Promise<void> {
    try {
      this.#handle = await this.#binding.watch(context, object, this.#watcher, timeoutS);
    } catch (error) {
      removeWatcher(this.#watcher);
      throw error;
    }
  }

  /** Milliseconds since the OSD last confirmed the watch. @throws {RadosError} when it is broken. */
  check(): number {
    const answer = this.#handle === null ? -9 : this.#binding.checkWatch(this.#handle);
    if (answer < 0) throw new RadosError('rados_watch_check', -answer);
    return answer;
  }

  /** Ends the watch; no event comes after it resolved. Twice is once. A watch that was lost closes without an error. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    try {
      if (handle !== null) await this.#binding.endWatch(handle);
    } catch (error) {
      if (!(error instanceof RadosError)) throw error;
    } finally {
      removeWatcher(this.#watcher);
      this.#onClosed(this);
    }
  }

  #event(kind: number, rest: unknown[]): void {
    if (kind !== NOTIFY) {
      this.#handlers.onError(new RadosError('watch', rest[0] as number));
      return;
    }
    const [id, notifier, data] = rest as [bigint, bigint, Buffer];
    void this.#answer({ id, notifier, data });
  }

  async #answer(notification: Notification): Promise<void> {
    let reply: Bytes = '';
    try {
      reply = (await this.#handlers.onNotify(notification)) ?? '';
    } finally {
      if (this.#handle !== null) this.#binding.acknowledge(this.#handle, notification.id, reply);
    }
  }
}
