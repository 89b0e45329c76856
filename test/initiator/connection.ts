/** One TCP connection to a controller, as raw as a test needs it: send any bytes in any cutting, read PDUs one by one. */
import { connect, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { type Pdu, PduParser } from './pdu-parser.ts';

export interface Endpoint {
  host: string;
  port: number;
}

export interface ConnectionOptions extends Endpoint {
  /** Milliseconds until a connect attempt is given up; default 20000. */
  connectTimeoutMs?: number;
}

/** How a connection came to its end. */
export interface ConnectionEnd {
  /** `end`: the peer's FIN; `reset`: an error such as ECONNRESET; `local`: we closed it. */
  how: 'end' | 'reset' | 'local';
  error: Error | null;
}

export class RawConnection {
  readonly socket: Socket;
  readonly parser: PduParser;
  /** Resolves once, when the connection is over in both directions. */
  readonly ended: Promise<ConnectionEnd>;
  /** Set when the peer's FIN or reset has been seen. */
  isOver = false;
  /** Faults of every PDU so far; a test with a well-behaved host expects none. */
  readonly faults: string[] = [];
  /** Takes PDUs as they come; without one they wait for {@link nextPdu}. */
  onPdu: ((pdu: Pdu) => void) | null = null;
  onEnd: ((end: ConnectionEnd) => void) | null = null;
  readonly #mailbox: Pdu[] = [];
  readonly #waiters: ((pdu: Pdu | null) => void)[] = [];
  #local = false;

  static open(options: ConnectionOptions): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: options.host, port: options.port, noDelay: true });
      const timer = setTimeout(
        () => socket.destroy(new Error(`no TCP connection to ${options.host}:${options.port} in time`)),
        options.connectTimeoutMs ?? 20_000,
      );
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.removeListener('error', reject);
        resolve(new RawConnection(socket));
      });
      socket.once('close', () => clearTimeout(timer));
      socket.once('connect', () => clearTimeout(timer));
    });
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    this.parser = new PduParser((pdu) => this.#deliver(pdu));
    let error: Error | null = null;
    let sawEnd = false;
    this.ended = new Promise((resolve) => {
      socket.on('error', (cause) => {
        error = cause;
      });
      socket.on('end', () => {
        sawEnd = true;
      });
      socket.on('close', () => {
        this.isOver = true;
        const end: ConnectionEnd = { how: this.#local ? 'local' : sawEnd && !error ? 'end' : 'reset', error };
        for (const waiter of this.#waiters.splice(0)) waiter(null);
        this.onEnd?.(end);
        resolve(end);
      });
    });
    socket.on('data', (chunk) => {
      try {
        this.parser.push(chunk);
      } catch (cause) {
        socket.destroy(cause as Error);
      }
    });
  }

  /** Writes bytes as they are. */
  send(bytes: Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  /** Writes bytes cut at the given offsets, giving the peer `turns` turns of the event loop to read each piece. */
  async sendCut(bytes: Uint8Array, offsets: readonly number[], turns = 2): Promise<void> {
    let from = 0;
    for (const to of [...offsets, bytes.length]) {
      if (to <= from || to > bytes.length) continue;
      this.send(bytes.subarray(from, to));
      from = to;
      for (let i = 0; i < turns; i++) await turn();
    }
  }

  /** The next PDU, or null when the connection is over. Rejects after `timeoutMs` of silence. */
  nextPdu(timeoutMs = 10_000): Promise<Pdu | null> {
    const ready = this.#mailbox.shift();
    if (ready) return Promise.resolve(ready);
    if (this.isOver) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      const waiter = (pdu: Pdu | null) => {
        clearTimeout(timer);
        resolve(pdu);
      };
      const timer = setTimeout(() => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(new Error(`no PDU and no end of the connection within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiters.push(waiter);
    });
  }

  /** Everything until the connection is over. */
  async drainPdus(timeoutMs = 10_000): Promise<Pdu[]> {
    const all: Pdu[] = [];
    for (;;) {
      const pdu = await this.nextPdu(timeoutMs);
      if (!pdu) return all;
      all.push(pdu);
    }
  }

  /** Stops reading: the peer's window fills up. */
  pauseReading(): void {
    this.socket.pause();
  }

  resumeReading(): void {
    this.socket.resume();
  }

  /** Sends FIN and keeps reading. */
  halfClose(): void {
    this.socket.end();
  }

  /** Closes at once; resolves when it is over. */
  async close(): Promise<void> {
    this.#local = true;
    this.socket.destroy();
    await this.ended;
  }

  /** Closes with RST. */
  reset(): void {
    this.#local = true;
    this.socket.resetAndDestroy();
  }

  #deliver(pdu: Pdu): void {
    for (const fault of pdu.faults) this.faults.push(`PDU type ${pdu.type}: ${fault}`);
    if (this.onPdu) this.onPdu(pdu);
    else if (this.#waiters.length > 0) this.#waiters.shift()!(pdu);
    else this.#mailbox.push(pdu);
  }
}
