/** A gateway's worth of invented numbers for the metrics tests. */
import { LatencyHistogram } from '../../src/base/histogram.ts';
import type { MetricsSource, NamespaceMetrics, SubsystemMetrics } from '../../src/observe/metrics-source.ts';

export const NQN = 'nqn.2026-11.io.anagate:test';

export function sampleNamespace(nsid: number): NamespaceMetrics {
  return {
    nqn: NQN,
    nsid,
    bdevName: `bdev_00000000-0000-4000-8000-${String(nsid).padStart(12, '0')}`,
    pool: 'rbd',
    image: `image-${nsid}`,
    blockSize: 512,
    sizeBytes: nsid * 1024 ** 3,
    anaGroupId: 1 + (nsid % 4),
    reads: nsid * 1_000_003,
    writes: nsid,
    readBytes: nsid * 4096 * 1_000_003,
    writtenBytes: nsid * 4096,
    readSeconds: nsid / 3,
    writeSeconds: 1e-7,
    errors: 0,
  };
}

export function sampleSubsystem(overrides: Partial<SubsystemMetrics> = {}): SubsystemMetrics {
  return {
    nqn: NQN,
    serial: 'AG1',
    model: 'Anagate',
    allowAnyHost: false,
    listenerCount: 2,
    hostCount: 3,
    namespaceCount: 4,
    namespaceLimit: 4096,
    readLatency: new LatencyHistogram(),
    writeLatency: new LatencyHistogram(),
    ...overrides,
  };
}

export function sampleSource(overrides: Partial<MetricsSource> = {}, namespaceCount = 3): MetricsSource {
  const subsystems = [sampleSubsystem()];
  const namespaces = Array.from({ length: namespaceCount }, (_, at) => sampleNamespace(at + 1));
  return {
    gateway: () => ({
      version: '0.1.0',
      address: '127.0.0.1',
      port: 5500,
      name: 'gw.a',
      hostname: 'node-a',
      group: '',
      anaGroupId: 1,
    }),
    subsystems: () => subsystems,
    listeners: () => [{ nqn: NQN, address: '127.0.0.1', port: 4420, active: true }],
    namespaces: () => namespaces,
    hosts: () => [
      { nqn: NQN, hostNqn: 'nqn.h1', hostAddress: '127.0.0.1', connected: true, keepAliveTimeout: false },
      { nqn: NQN, hostNqn: 'nqn.h2', hostAddress: '', connected: false, keepAliveTimeout: true },
    ],
    anaGroups: () => [
      { nqn: NQN, anaGroupId: 1, state: 1, changes: 5 },
      { nqn: NQN, anaGroupId: 2, state: 3, changes: 0 },
    ],
    connections: () => ({ open: 3, accepted: 10 }),
    connectionErrors: () => [
      { reason: 'header-digest', count: 2 },
      { reason: 'icreq-timeout', count: 1 },
    ],
    monitor: () => null,
    bufferPool: () => ({ limitBytes: 1 << 26, usedBytes: 8192, waits: 7 }),
    ...overrides,
  };
}
