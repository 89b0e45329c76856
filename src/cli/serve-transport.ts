/** The TCP listeners of one process, with their limits in common and their totals over all that there ever were. */
import { readFileSync } from 'node:fs';
import { systemTimers } from '../base/clock.ts';
import type { Listening } from '../gateway/serving/listeners.ts';
import { LIMITS } from '../limits.ts';
import type { Port } from '../target/port.ts';
import type { Target } from '../target/target.ts';
import { ConnectionTable } from '../transport/tcp/connection-table.ts';
import { TcpListener } from '../transport/tcp/listener.ts';

/** Descriptors that are not for hosts: namespaces, listeners, gRPC, files. */
const RESERVED_DESCRIPTORS = LIMITS.maxNamespaces + 1024;

export class ServeTransport {
  readonly limit = new ConnectionTable(connectionCapacity(openFilesLimit()), systemTimers);
  readonly #target: Target;
  readonly #listeners = new Set<TcpListener>();
  #acceptedBefore = 0;
  readonly #errorsBefore = new Map<number, number>();

  constructor(target: Target) {
    this.#target = target;
  }

  /** Binds and accepts; rejects with the system's error. */
  async open(port: Port, address: string, tcpPort: number): Promise<Listening> {
    const listener = new TcpListener({
      target: this.#target,
      port,
      address,
      tcpPort,
      connectionTable: this.limit,
      icReqTimeoutMs: LIMITS.icReqTimeoutMs,
      connectTimeoutMs: LIMITS.connectTimeoutMs,
    });
    const bound = await listener.listen();
    this.#listeners.add(listener);
    return {
      tcpPort: bound,
      stopAccepting: () => listener.stopAccepting(),
      close: async (reason) => {
        await listener.close(reason);
        this.#retire(listener);
      },
    };
  }

  /** Connections accepted since start. */
  accepted(): number {
    let total = this.#acceptedBefore;
    for (const listener of this.#listeners) total += listener.accepted;
    return total;
  }

  /** Protocol errors since start by Fatal Error Status. */
  protocolErrors(): Map<number, number> {
    const total = new Map(this.#errorsBefore);
    for (const listener of this.#listeners) addTo(total, listener.protocolErrors);
    return total;
  }

  #retire(listener: TcpListener): void {
    if (!this.#listeners.delete(listener)) return;
    this.#acceptedBefore += listener.accepted;
    addTo(this.#errorsBefore, listener.protocolErrors);
  }
}

function addTo(total: Map<number, number>, counts: ReadonlyMap<number, number>): void {
  for (const [key, count] of counts) total.set(key, (total.get(key) ?? 0) + count);
}

/** Connections that fit into `openFiles` descriptors, at most {@link LIMITS.maxConnections}. */
export function connectionCapacity(openFiles: number): number {
  const left = Math.max(openFiles - RESERVED_DESCRIPTORS, Math.floor(openFiles / 2));
  return Math.min(LIMITS.maxConnections, left);
}

/** RLIMIT_NOFILE, which Node has raised as far as it may go. */
function openFilesLimit(): number {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    return match === null ? Number.POSITIVE_INFINITY : Number(match[1]);
  } catch {
    return Number.POSITIVE_INFINITY; // no Linux: the kernel will say when it is enough
  }
}
