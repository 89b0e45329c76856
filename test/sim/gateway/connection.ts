/** The gateway's end of one connection: the steps of transport/tcp without its bytes. Answers leave after the turn in which they were made. */
import { failData, plan } from '../../../src/target/dispatch.ts';
import type { Port } from '../../../src/target/port.ts';
import { Queue, type QueueTransport } from '../../../src/target/queue.ts';
import { type Request, Transfer } from '../../../src/target/request.ts';
import type { Target } from '../../../src/target/target.ts';
import { DNR, Status } from '../../../src/wire/status.ts';

/** What the host gets for a command. */
export interface Answer {
  readonly cid: number;
  /** SCT << 8 | SC. */
  readonly status: number;
  readonly dnr: boolean;
  readonly dw0: number;
  readonly data: Buffer | null;
}

/** The host's end. */
export interface HostEnd {
  answered(answer: Answer): void;
  /** The gateway closed the connection. */
  ended(reason: string): void;
}

export interface ConnectionOwner {
  readonly target: Target;
  /** Two ways to be broken, see variants.ts. */
  readonly answersWithoutLease: boolean;
  readonly replaysHeld: boolean;
  /** Calls `fn` after this turn of the event loop. */
  later(fn: () => void): void;
  /** An answer leaves. */
  answering(request: Request): void;
}

const REPLAY_MS = 2000;

export class SimConnection implements QueueTransport {
  readonly queue: Queue;
  readonly remoteAddress = '192.0.2.10';
  readonly remotePort = 50_000;
  readonly localAddress = '192.0.2.1';
  readonly #owner: ConnectionOwner;
  readonly #host: HostEnd;
  #answers: Request[] = [];
  #flushing = false;
  #closed = false;
  #endWhenFlushed: string | null = null;

  constructor(owner: ConnectionOwner, port: Port, host: HostEnd) {
    this.#owner = owner;
    this.#host = host;
    this.queue = new Queue(this, port);
  }

  /** A command capsule with its data arrives. */
  receive(command: Buffer, data: Buffer | null): void {
    if (this.#closed) return;
    const { target } = this.#owner;
    const nowMs = target.clock.nowMs();
    const request = this.queue.take();
    if (request === null) throw new Error('a host sent more than its queue takes');
    request.arrivedMs = nowMs;
    request.parse(command, 0);
    const status = this.queue.register(request) ? plan(target, request) : Status.commandIdConflict | DNR;
    if (status !== 0) failData(request, status);
    else if (request.dataLength === 0) request.execute(request);
    else this.#move(request, data);
    this.#flush();
  }

  /** The host closed the connection. */
  hostEnded(): void {
    this.close('closed by host');
  }

  #move(request: Request, data: Buffer | null): void {
    request.buffer = this.#owner.target.buffers.borrow(request.dataLength);
    if (request.transfer === Transfer.toController) data?.copy(request.data);
    request.execute(request);
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#closed) return;
    if (this.#answers.length > 0) {
      const nowMs = this.#owner.target.clock.nowMs();
      for (const request of this.#answers.splice(0)) {
        if (this.#owner.answersWithoutLease || this.queue.mayAnswer(request)) this.#answer(request, nowMs);
      }
    }
    if (this.#endWhenFlushed !== null) this.close(this.#endWhenFlushed);
  }

  #answer(request: Request, nowMs: number): void {
    request.account(nowMs);
    this.#owner.answering(request);
    const brings = request.transfer === Transfer.toHost && request.status === 0 && request.buffer !== null;
    this.#host.answered({
      cid: request.cid,
      status: request.status & 0x7ff,
      dnr: (request.status & DNR) !== 0,
      dw0: request.dw0,
      data: brings ? Buffer.from(request.data) : null,
    });
    this.dropBuffer(request);
    this.queue.release(request);
  }

  // ---- what the target calls ----

  respond(request: Request): void {
    this.#answers.push(request);
    if (this.#flushing) return;
    this.#flushing = true;
    this.#owner.later(() => this.#flush());
  }

  dropBuffer(request: Request): void {
    if (request.buffer === null) return;
    this.#owner.target.buffers.giveBack(request.buffer);
    request.buffer = null;
  }

  writeOff(): void {}

  park(): void {}

  proceed(): void {
    throw new Error('no namespace has limits here');
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#host.ended(reason);
    if (this.#owner.replaysHeld && this.queue.held > 0) this.#replay();
    else this.#forget();
  }

  #replay(): void {
    this.#owner.target.timers.after(REPLAY_MS, () => {
      if (this.queue.held > 0) this.#replay();
      else this.#forget();
    });
  }

  #forget(): void {
    this.queue.close();
    for (const request of this.#answers.splice(0)) this.dropBuffer(request);
  }

  closeAfterAnswer(reason: string): void {
    this.#endWhenFlushed = reason;
  }
}
