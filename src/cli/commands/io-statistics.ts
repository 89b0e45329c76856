/** The verbs that show how much was done. */
import type {
  BdevIoStatsInfo,
  BucketInfo,
  Int64,
  LatencyStats,
  NamespaceIoStatsInfo,
} from '../../control/gateway-types.ts';
import { UsageError } from '../arguments.ts';
import type { CommandOptions, Verb } from '../command.ts';
import { formatSize } from '../size.ts';
import type { Cell } from '../table.ts';
import { MAX_NSID, NSID, REQUIRED_SUBSYSTEM, SUBSYSTEM } from './shared-options.ts';

/** What both answers have of a namespace. */
type NamespaceFields = BdevIoStatsInfo | NamespaceIoStatsInfo;

export const getIoStats: Verb = {
  name: 'get_io_stats',
  describe: 'Show what hosts did to namespaces through this gateway, since it serves them',
  options: {
    subsystem: { ...SUBSYSTEM, describe: 'NQN of the subsystem (default: all of them)' },
    nsid: { ...NSID, describe: 'Only the one with this namespace ID' },
  },
  examples: [
    ['namespace get_io_stats', 'of all namespaces'],
    ['ns get_io_stats -n nqn.2026-11.io.anagate:shop --nsid 1 --format json', ''],
  ],
  run: async (args, session) => {
    const nqn = args.optionalText('subsystem');
    const nsid = args.optionalInteger('nsid', 1, MAX_NSID);
    const table = (all: readonly NamespaceFields[], rate: Int64) =>
      [
        session.output.table(
          HEADERS,
          all.flatMap((one) => rowsOf(one, rate)),
        ),
        ...all.flatMap(errorLines),
      ].join('\n');
    if (nqn !== undefined && nsid !== undefined) {
      const failure = `Failure getting IO stats for namespace ${nsid} in ${nqn}`;
      const answer = await session.call('namespace_get_io_stats', { subsystem_nqn: nqn, nsid }, failure);
      return session.report(
        'namespace_io_stats_info',
        answer,
        () => `IO statistics of namespace ${nsid} in ${nqn}:\n${table([answer], answer.tick_rate)}`,
      );
    }
    const place = nqn === undefined ? 'all subsystems' : `subsystem ${nqn}`;
    const request = { subsystem_nqn: nqn, nsid };
    const failure = `Failure listing IO stats of namespaces in ${nqn ?? place}`;
    const answer = await session.call('list_namespaces_io_stats', request, failure);
    return session.report('list_namespaces_io_stats_info', answer, () => {
      if (answer.namespaces.length === 0) return `No namespaces in ${place}`;
      return `IO statistics of namespaces in ${place}:\n${table(answer.namespaces, answer.tick_rate)}`;
    });
  },
};

const HEADERS = ['Subsystem', 'NSID', 'Operation', 'Commands', 'Bytes', 'Mean us', 'Least us', 'Most us'];

/** As the fields' names have them: num_read_ops, bytes_written. */
const OPERATIONS = [
  ['read', 'read'],
  ['write', 'written'],
  ['unmap', 'unmapped'],
] as const;

/** A row for reads and one for writes; one for deallocations when there were any. */
function rowsOf(one: NamespaceFields, rate: Int64): Cell[][] {
  const toUs = (ticks: number) => Math.round((ticks * 1e6) / Number(rate));
  return OPERATIONS.filter(([name]) => name !== 'unmap' || Number(one.num_unmap_ops) > 0).map(
    ([name, done]) => {
      const count = Number(one[`num_${name}_ops`]);
      const sum = Number(one[`${name}_latency_ticks`]);
      return [
        one.subsystem_nqn ?? '',
        one.nsid ?? 0,
        name,
        count,
        formatSize(Number(one[`bytes_${done}`])),
        toUs(count === 0 ? 0 : sum / count),
        toUs(Number(one[`min_${name}_latency_ticks`])),
        toUs(Number(one[`max_${name}_latency_ticks`])),
      ];
    },
  );
}

function errorLines(one: NamespaceFields): string[] {
  if (one.io_error.length === 0) return [];
  const errors = one.io_error.map(({ name, value }) => `${value} ${name}`).join(', ');
  return [`Errors of namespace ${one.nsid} in ${one.subsystem_nqn}: ${errors}`];
}

// ---- of a host ----

const HOST_OPTIONS: CommandOptions = {
  subsystem: REQUIRED_SUBSYSTEM,
  'host-nqn': {
    alias: 't',
    type: 'string',
    demandOption: true,
    requiresArg: true,
    describe: 'NQN of the host',
  },
};
const HOST_EXAMPLE =
  '-n nqn.2026-11.io.anagate:shop -t nqn.2014-08.org.nvmexpress:uuid:5d2b2a3e-57a7-4a2e-9f8e-0c6d3a1b4c5d';

export const getIoStatistics: Verb = {
  name: 'get_io_statistics',
  describe:
    "Show a host's I/O through this gateway by size, and where its time went, since the host connected",
  options: HOST_OPTIONS,
  examples: [[`connection get_io_statistics ${HOST_EXAMPLE}`, '']],
  run: async (args, session) => {
    const request = { subsystem_nqn: args.text('subsystem'), host_nqn: args.text('host-nqn') };
    const what = `IO statistics of host ${request.host_nqn} on ${request.subsystem_nqn}`;
    const answer = await session.call('get_connection_io_statistics', request, `Failure getting ${what}`);
    return session.report('connection_io_statistics', answer, () => {
      const rows = answer.buckets.flatMap(bucketRows);
      if (rows.length === 0) return `No I/O of host ${request.host_nqn} on ${request.subsystem_nqn}`;
      return `${what}, microseconds as mean (least - most):\n${session.output.table(BUCKET_HEADERS, rows)}`;
    });
  },
};

const BUCKET_HEADERS = ['Up to', 'Operation', 'Commands', 'Total', 'Backend', 'Network', 'QoS Limits'];

function bucketRows({ size, read, write }: BucketInfo): Cell[][] {
  return [
    { name: 'read', group: read },
    { name: 'write', group: write },
  ].flatMap(({ name, group }) => {
    if (group === null || Number(group.io_count) === 0) return [];
    const { io_count, total, bdev, net, qos } = group;
    return [[formatSize(size * 1024), name, Number(io_count), ...[total, bdev, net, qos].map(latencyText)]];
  });
}

function latencyText(latency: LatencyStats | null): string {
  return latency === null ? '' : `${latency.mean} (${latency.min} - ${latency.max})`;
}

export const resetIoStatistics: Verb = {
  name: 'reset_io_statistics',
  describe: "Count a host's I/O through this gateway anew",
  options: HOST_OPTIONS,
  examples: [[`connection reset_io_statistics ${HOST_EXAMPLE}`, '']],
  run: async (args, session) => {
    const request = { subsystem_nqn: args.text('subsystem'), host_nqn: args.text('host-nqn'), reset: true };
    const what = `IO statistics of host ${request.host_nqn} on ${request.subsystem_nqn}`;
    const answer = await session.call('get_connection_io_statistics', request, `Failure resetting ${what}`);
    return session.report('connection_io_statistics', answer, () => `Resetting ${what}: Successful`);
  },
};

// ---- of the gateway ----

const getStats: Verb = {
  name: 'get_stats',
  describe: 'Show how many queues hosts have on the gateway and what is under way',
  options: {},
  examples: [['gw get_stats', '']],
  run: async (_args, session) => {
    const answer = await session.call('get_gateway_stats', {}, "Failure getting gateway's stats");
    return session.report('gateway_stats_info', answer, () => {
      const headers = ['Name', 'Admin Queues', 'I/O Queues', 'Since Start', 'At Backends', 'Commands Done'];
      const rows = answer.poll_groups.map((group) => [
        group.name,
        group.current_admin_qpairs,
        group.current_io_qpairs,
        `${group.admin_qpairs} admin, ${group.io_qpairs} I/O`,
        Number(group.pending_bdev_io),
        Number(group.completed_nvme_io),
      ]);
      return `Gateway's stats:\n${session.output.table(headers, rows)}`;
    });
  },
};

const getThreadStats: Verb = {
  name: 'get_thread_stats',
  describe: "Show how busy the gateway's threads were since its start",
  options: {},
  examples: [['gw get_thread_stats', '']],
  run: async (_args, session) => {
    const answer = await session.call('get_thread_stats', {}, 'Failure getting thread stats');
    return session.report('thread_stats_info', answer, () => {
      const seconds = (ticks: Int64) => (Number(ticks) / Number(answer.tick_rate)).toFixed(1);
      const rows = answer.threads.map(({ name, busy, idle }) => {
        const all = Number(busy) + Number(idle);
        const share = all === 0 ? 0 : (Number(busy) * 100) / all;
        return [name, seconds(busy), seconds(idle), `${share.toFixed(1)} %`];
      });
      return `Threads of the gateway:\n${session.output.table(['Name', 'Busy s', 'Idle s', 'Busy'], rows)}`;
    });
  },
};

const setIoStatsMode: Verb = {
  name: 'set_io_stats_mode',
  describe: 'Count the I/O of hosts by size (connection get_io_statistics), or not, until the gateway stops',
  options: {
    enable: { type: 'boolean', describe: 'Count it, as after a start' },
    disable: { type: 'boolean', describe: 'Do not count it; what was counted is forgotten' },
  },
  examples: [['gw set_io_stats_mode --disable', '']],
  run: async (args, session) => {
    const enabled = args.flag('enable');
    if (enabled === args.flag('disable')) throw new UsageError('give --enable or --disable');
    const what = `${enabled ? 'enabling' : 'disabling'} IO statistics`;
    const answer = await session.call('set_gateway_io_stats_mode', { enabled }, `Failure ${what}`);
    return session.report('req_status', answer, () => `${what[0].toUpperCase()}${what.slice(1)}: Successful`);
  },
};

export const gatewayStatistics: readonly Verb[] = [getStats, getThreadStats, setIoStatsMode];
