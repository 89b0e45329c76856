/** The live gateway as the metrics page reads it. */

import type { BackendRecord } from '../gateway/configuration/records.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { MODEL } from '../gateway/serving/target-applier.ts';
import type {
  AnaGroupMetrics,
  BufferPoolMetrics,
  ConnectionErrorMetrics,
  ConnectionMetrics,
  GatewayMetrics,
  HostMetrics,
  ListenerMetrics,
  MetricsSource,
  MonitorMetrics,
  NamespaceMetrics,
  SubsystemMetrics,
} from '../observe/metrics-source.ts';
import type { Target } from '../target/target.ts';
import { Fes } from '../wire/pdu.ts';
import type { ServeTransport } from './serve-transport.ts';

/** invalidPduHeaderField -> invalid-pdu-header-field, by number. */
const FES_NAME = new Map<number, string>(
  Object.entries(Fes).map(([name, fes]) => [
    fes,
    name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
  ]),
);

export class ServeMetrics implements MetricsSource {
  readonly #gateway: Gateway;
  readonly #target: Target;
  readonly #transport: ServeTransport;
  readonly #monitor: () => MonitorMetrics | null;

  /** `monitor` tells what the monitor of a group counts, if there is one. */
  constructor(
    gateway: Gateway,
    target: Target,
    transport: ServeTransport,
    monitor: () => MonitorMetrics | null,
  ) {
    this.#gateway = gateway;
    this.#target = target;
    this.#transport = transport;
    this.#monitor = monitor;
  }

  gateway(): GatewayMetrics {
    const { version, address, port, name, hostname, group, anaGroupId } = this.#gateway.info();
    return { version, address, port, name, hostname, group, anaGroupId };
  }

  *subsystems(): Generator<SubsystemMetrics> {
    for (const {
      record,
      allowAnyHost,
      hosts,
      listeners,
      automatic,
      namespaces,
    } of this.#gateway.configured()) {
      const subsystem = this.#target.subsystems.get(record.nqn);
      if (subsystem === undefined) continue;
      yield {
        nqn: record.nqn,
        serial: record.serial,
        model: MODEL,
        allowAnyHost,
        listenerCount: listeners.size + automatic.size,
        hostCount: hosts.size,
        namespaceCount: namespaces.size,
        namespaceLimit: record.maxNamespaces,
        readLatency: subsystem.readLatency,
        writeLatency: subsystem.writeLatency,
      };
    }
  }

  *listeners(): Generator<ListenerMetrics> {
    for (const { record } of this.#gateway.configured()) {
      for (const { nqn, traddr, trsvcid, active } of this.#gateway.listListeners(record.nqn)) {
        yield { nqn, address: traddr, port: trsvcid, active };
      }
    }
  }

  *namespaces(): Generator<NamespaceMetrics> {
    for (const {
      record: { nqn },
      namespaces,
    } of this.#gateway.configured()) {
      const subsystem = this.#target.subsystems.get(nqn);
      for (const { nsid, uuid, backend } of namespaces.values()) {
        const namespace = subsystem?.namespaces.get(nsid);
        if (namespace === undefined) continue;
        const { blockSize, sizeBytes, anaGroupId } = namespace;
        const { reads, writes, errors } = namespace.stats;
        yield {
          nqn,
          nsid,
          bdevName: `bdev_${uuid}`,
          pool: backend.type === 'rbd' ? backend.pool : '',
          image: imageName(backend),
          blockSize,
          sizeBytes,
          anaGroupId,
          reads: reads.count,
          writes: writes.count,
          readBytes: reads.bytes,
          writtenBytes: writes.bytes,
          readSeconds: reads.latencyMs / 1000,
          writeSeconds: writes.latencyMs / 1000,
          errors,
        };
      }
    }
  }

  *hosts(): Generator<HostMetrics> {
    for (const connection of this.#gateway.listConnections()) {
      yield {
        nqn: connection.subsystemNqn,
        hostNqn: connection.hostNqn,
        hostAddress: connection.traddr,
        connected: connection.connected,
        keepAliveTimeout: connection.keepAliveTimeout,
      };
    }
  }

  *anaGroups(): Generator<AnaGroupMetrics> {
    const groups = this.#gateway.ana.groups.filter((group) => group.known);
    for (const { record } of this.#gateway.configured()) {
      for (const { id, state, changeCount } of groups) {
        yield { nqn: record.nqn, anaGroupId: id, state, changes: changeCount };
      }
    }
  }

  connections(): ConnectionMetrics {
    return { open: this.#transport.limit.count, accepted: this.#transport.accepted() };
  }

  *connectionErrors(): Generator<ConnectionErrorMetrics> {
    for (const [fes, count] of this.#transport.protocolErrors()) {
      yield { reason: FES_NAME.get(fes) ?? `fes-${fes}`, count };
    }
    for (const [reason, count] of this.#transport.limit.missedDeadlines) yield { reason, count };
    yield { reason: 'too-many-connections', count: this.#transport.limit.refused };
    yield { reason: 'keep-alive-timeout', count: this.#target.endReasons.get('keep alive timeout') ?? 0 };
  }

  bufferPool(): BufferPoolMetrics {
    const { limitBytes, borrowedBytes, waits } = this.#target.buffers;
    return { limitBytes, usedBytes: borrowedBytes, waits };
  }

  monitor(): MonitorMetrics | null {
    return this.#monitor();
  }
}

function imageName(backend: BackendRecord): string {
  if (backend.type === 'file') return backend.path;
  return backend.type === 'rbd' ? backend.image : 'memory';
}
