/** A TCP listener: accepts connections for one port and reads all of them through one buffer. */
import { createServer, type Server, Socket } from 'node:net';
import type { Port } from '../../target/port.ts';
import type { Target } from '../../target/target.ts';
import { type ConnectionOwner, TcpConnection } from './connection.ts';
import type { ConnectionTable } from './connection-table.ts';

/**
 * One receive buffer for all connections of the thread: data is copied out before the read callback returns. Large enough for
 * the burst of a full queue of 4 KiB in-capsule writes: smaller pieces mean more turns and more sends (measured: a third).
 */
const RECEIVE_BYTES = 256 * 1024;
const receiveBuffer = Buffer.allocUnsafeSlow(RECEIVE_BYTES);

/** Accept queue: hundreds of hosts reconnect in the same second after a restart. */
const BACKLOG = 4096;
/** Kernel keep-alive probes start after this much silence: finds dead peers that asked for no KATO. */
const TCP_KEEP_ALIVE_MS = 30_000;

export interface TcpListenerOptions {
  target: Target;
  port: Port;
  /** Local address to bind; may be a wildcard. */
  address: string;
  /** 0 picks a free one. */
  tcpPort: number;
  /** Shared by all listeners of the process. */
  connectionTable: ConnectionTable;
  icReqTimeoutMs: number;
  connectTimeoutMs: number;
}

/** The parts of Node's socket handle that are needed to read through a buffer of our own. */
interface WithHandle {
  _handle: unknown;
}

export class TcpListener implements ConnectionOwner {
  readonly target: Target;
  readonly port: Port;
  readonly icReqTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly connections = new Set<TcpConnection>();
  /** Protocol errors by Fatal Error Status. */
  readonly protocolErrors = new Map<number, number>();
  /** Connections accepted since start. */
  accepted = 0;

  private readonly options: TcpListenerOptions;
  private readonly server: Server;
  private dirty: TcpConnection[] = [];
  private flushing = false;

  constructor(options: TcpListenerOptions) {
    this.options = options;
    this.target = options.target;
    this.port = options.port;
    this.icReqTimeoutMs = options.icReqTimeoutMs;
    this.connectTimeoutMs = options.connectTimeoutMs;
    this.server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.accept(socket));
  }

  /** Resolves with the TCP port once hosts can connect; rejects with the system's error. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host: this.options.address, port: this.options.tcpPort, backlog: BACKLOG }, () => {
        this.server.off('error', reject);
        this.server.on('error', (error) => this.target.log.error({ err: error }, 'listener failed'));
        const address = this.server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  }

  /** Takes no new connections; those that exist go on. */
  stopAccepting(): void {
    this.server.close();
  }

  /** Stops listening and closes every connection. */
  async close(reason: string): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      if (this.server.listening) this.server.close(() => resolve());
      else resolve();
    });
    for (const connection of [...this.connections]) connection.close(reason);
    await closed;
  }

  scheduleFlush(connection: TcpConnection): void {
    this.dirty.push(connection);
    if (this.flushing) return;
    this.flushing = true;
    setImmediate(() => this.flushDirty());
  }

  connectionClosed(connection: TcpConnection, reason: string): void {
    if (!this.connections.delete(connection)) return;
    this.options.connectionTable.remove(connection);
    const fields = { ...connection.describe(), reason };
    // Peers and port checkers come and go every second.
    if (connection.isConnected) this.target.log.info(fields, 'host disconnected');
    else this.target.log.debug(fields, 'connection closed before a Connect');
  }

  deadlineMissed(deadline: string): void {
    this.options.connectionTable.countMissed(deadline);
  }

  protocolError(_connection: TcpConnection, fes: number): void {
    this.protocolErrors.set(fes, (this.protocolErrors.get(fes) ?? 0) + 1);
  }

  buffersShort(): void {
    this.options.connectionTable.watchStalls();
  }

  private flushDirty(): void {
    this.flushing = false;
    const dirty = this.dirty;
    this.dirty = [];
    for (const connection of dirty) connection.flush();
  }

  private accept(accepted: Socket): void {
    const table = this.options.connectionTable;
    if (table.full()) {
      accepted.destroy();
      return;
    }
    const socket = adopt(accepted, (bytes) => connection.received(receiveBuffer, bytes));
    if (socket === null) return;
    this.accepted += 1;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    const connection = new TcpConnection(this, socket);
    this.connections.add(connection);
    table.add(connection);
  }
}

/**
 * Moves an accepted connection to a socket that reads into our buffer: `createServer` has no such option (the fresh
 * buffer per read that it uses instead costs three times as much on writes, measured).
 */
function adopt(accepted: Socket, onBytes: (bytes: number) => boolean): Socket | null {
  const holder = accepted as unknown as WithHandle;
  const handle = holder._handle;
  if (handle === null || handle === undefined) return null; // gone already
  holder._handle = null;
  accepted.destroy();
  return new Socket({
    handle,
    onread: { buffer: receiveBuffer, callback: onBytes },
  } as unknown as ConstructorParameters<typeof Socket>[0]);
}
