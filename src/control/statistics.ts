/** The RPCs that tell how much was done. */
import type { GatewayApi } from '../gateway/gateway-api.ts';
import { type Latency, type NamespaceIoStats, SIZES_KIB, type SizeStats } from '../gateway/statistics.ts';
import { answer, answerDone, type RpcHandlers } from './answer.ts';
import { requireNqn, requireNsid, toNqnFilter } from './convert.ts';
import type {
  BdevIoStatsInfo,
  BucketInfo,
  LatencyGroup,
  LatencyStats,
  NamespaceIoError,
  PollGroupInfo,
  SpdkThreadInfo,
} from './gateway-types.ts';
import { bdevName } from './namespaces.ts';

/** Ticks of a second: microseconds. */
export const TICK_RATE = 1_000_000;

export function statisticsRpcs(
  gateway: GatewayApi,
): RpcHandlers<
  | 'namespace_get_io_stats'
  | 'list_namespaces_io_stats'
  | 'get_connection_io_statistics'
  | 'get_gateway_stats'
  | 'get_thread_stats'
  | 'set_gateway_io_stats_mode'
> {
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

    get_connection_io_statistics: ({ subsystem_nqn: nqn, host_nqn, reset }) => {
      const none = { subsystem_nqn: nqn, host_nqn, buckets: [] as BucketInfo[] };
      const verb = reset ? 'resetting' : 'getting';
      return answer(`Failure ${verb} IO statistics of host ${host_nqn} on ${nqn}`, none, () => {
        const stats = statistics.host(requireNqn(nqn), host_nqn, reset ?? false);
        const all = SIZES_KIB.map((size, index) => ({
          size,
          read: stats.of('read', index),
          write: stats.of('write', index),
        })).filter(({ read, write }) => read.count + write.count > 0);
        return {
          ...none,
          total_num_ios: all.reduce((sum, { read, write }) => sum + read.count + write.count, 0),
          buckets: all.map(({ size, read, write }) => ({ size, read: toGroup(read), write: toGroup(write) })),
        };
      });
    },

    get_gateway_stats: () =>
      answer(
        "Failure getting gateway's stats",
        { tick_rate: TICK_RATE, poll_groups: [] as PollGroupInfo[] },
        () => {
          const queues = statistics.queues();
          const poll_group = {
            name: 'event_loop',
            admin_qpairs: queues.adminConnected,
            io_qpairs: queues.ioConnected,
            current_admin_qpairs: queues.admin,
            current_io_qpairs: queues.io,
            pending_bdev_io: queues.pending,
            completed_nvme_io: queues.completed,
            transports: [{ trtype: 'TCP' }],
          };
          return { tick_rate: TICK_RATE, poll_groups: [poll_group] as PollGroupInfo[] };
        },
      ),

    get_thread_stats: () =>
      answer(
        'Failure getting thread stats',
        { tick_rate: TICK_RATE, threads: [] as SpdkThreadInfo[] },
        async () => {
          const threads: SpdkThreadInfo[] = (await statistics.threads()).map(({ name, busyMs, idleMs }) => ({
            name,
            busy: toTicks(busyMs),
            idle: toTicks(idleMs),
          }));
          return { threads, tick_rate: TICK_RATE };
        },
      ),

    set_gateway_io_stats_mode: ({ enabled }) =>
      answerDone(`Failure ${enabled ? 'enabling' : 'disabling'} IO statistics`, () => {
        statistics.countsByHost = enabled;
      }),
  };
}

function toGroup(stats: SizeStats): LatencyGroup {
  const { count } = stats;
  const microseconds = ({ sumMs, leastMs, mostMs }: Latency): LatencyStats => ({
    min: toTicks(leastMs),
    max: toTicks(mostMs),
    mean: count === 0 ? 0 : toTicks(sumMs / count),
  });
  return {
    io_count: count,
    total: microseconds(stats.total),
    bdev: microseconds(stats.backend),
    net: microseconds(stats.net),
    qos: microseconds(stats.limits),
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
