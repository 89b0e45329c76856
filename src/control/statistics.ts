/** The RPCs that tell how much was done. */
import type { GatewayApi } from '../gateway/gateway-api.ts';
import type { NamespaceIoStats } from '../gateway/statistics.ts';
import { answer, type RpcHandlers } from './answer.ts';
import { requireNqn, requireNsid, toNqnFilter } from './convert.ts';
import type { BdevIoStatsInfo, NamespaceIoError } from './gateway-types.ts';
import { bdevName } from './namespaces.ts';

/** Ticks of a second: microseconds. */
export const TICK_RATE = 1_000_000;

export function statisticsRpcs(
  gateway: GatewayApi,
): RpcHandlers<'namespace_get_io_stats' | 'list_namespaces_io_stats'> {
  const { statistics } = gateway;
  const now = () => ({ tick_rate: TICK_RATE, ticks: toTicks(statistics.nowMs()) });
  return {
    namespace_get_io_stats: ({ subsystem_nqn: nqn, nsid }) => {
      const none = { subsystem_nqn: nqn, nsid };
      return answer(`Failure getting IO stats for namespace ${nsid} in ${nqn}`, none, () => {
        const stats = statistics.namespace(requireNqn(nqn), requireNsid(nsid));
        return {
          ...none,
          uuid: stats.uuid,
          bdev_name: bdevName(stats.uuid),
          ...now(),
          ...operationFields(stats),
          io_error: errorsOf(stats),
        };
      });
    },

    list_namespaces_io_stats: ({ subsystem_nqn = '', nsid }) => {
      const place = subsystem_nqn === '' ? 'all subsystems' : subsystem_nqn;
      const none = { namespaces: [] as BdevIoStatsInfo[] };
      return answer(`Failure listing IO stats of namespaces in ${place}`, none, () => {
        const nqn = toNqnFilter(subsystem_nqn);
        const filter = { ...(nqn !== undefined && { nqn }), ...(nsid && { nsid }) };
        return { ...now(), namespaces: statistics.namespaces(filter).map(toBdevIoStats) };
      });
    },
  };
}

function toBdevIoStats(stats: NamespaceIoStats): BdevIoStatsInfo {
  return {
    bdev_name: bdevName(stats.uuid),
    ...operationFields(stats),
    bytes_copied: 0,
    num_copy_ops: 0,
    io_error: errorsOf(stats),
    subsystem_nqn: stats.nqn,
    nsid: stats.nsid,
  };
}

function operationFields({ reads, writes, unmaps }: NamespaceIoStats) {
  return {
    bytes_read: reads.bytes,
    num_read_ops: reads.count,
    bytes_written: writes.bytes,
    num_write_ops: writes.count,
    bytes_unmapped: unmaps.bytes,
    num_unmap_ops: unmaps.count,
    read_latency_ticks: toTicks(reads.latencyMs),
    max_read_latency_ticks: toTicks(reads.mostMs),
    min_read_latency_ticks: toTicks(reads.leastMs),
    write_latency_ticks: toTicks(writes.latencyMs),
    max_write_latency_ticks: toTicks(writes.mostMs),
    min_write_latency_ticks: toTicks(writes.leastMs),
    unmap_latency_ticks: toTicks(unmaps.latencyMs),
    max_unmap_latency_ticks: toTicks(unmaps.mostMs),
    min_unmap_latency_ticks: toTicks(unmaps.leastMs),
    copy_latency_ticks: 0,
    max_copy_latency_ticks: 0,
    min_copy_latency_ticks: 0,
  };
}

/** The shortest of no times at all is 0. */
function toTicks(ms: number): number {
  return Number.isFinite(ms) ? Math.round(ms * (TICK_RATE / 1000)) : 0;
}

/** Those that occurred. */
function errorsOf({ mediaErrors, miscompares, otherErrors }: NamespaceIoStats): NamespaceIoError[] {
  return [
    { name: 'media_error', value: mediaErrors },
    { name: 'miscompare', value: miscompares },
    { name: 'failed', value: otherErrors },
  ].filter(({ value }) => value > 0);
}
