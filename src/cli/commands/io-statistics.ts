/** The verbs that show how much was done. */
import type { BdevIoStatsInfo, Int64, NamespaceIoStatsInfo } from '../../control/gateway-types.ts';
import type { Verb } from '../command.ts';
import { formatSize } from '../size.ts';
import type { Cell } from '../table.ts';
import { MAX_NSID, NSID, SUBSYSTEM } from './shared-options.ts';

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
