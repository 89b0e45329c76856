/** Limits of a namespace: the verb that sets them, and how a list shows them. */
import type { Options } from 'yargs';
import type { NamespaceCli } from '../../control/gateway-types.ts';
import { UsageError } from '../arguments.ts';
import type { Verb } from '../command.ts';
import { MAX_NSID, REQUIRED_NSID, REQUIRED_SUBSYSTEM } from './shared-options.ts';

const MOST = 1_000_000_000;

const limit = (what: string): Options => ({
  type: 'string',
  requiresArg: true,
  describe: `${what} per second; 0 takes the limit away`,
});

/** Option -> field. */
const LIMITS = {
  'rw-ios-per-second': 'rw_ios_per_second',
  'rw-megabytes-per-second': 'rw_mbytes_per_second',
  'r-megabytes-per-second': 'r_mbytes_per_second',
  'w-megabytes-per-second': 'w_mbytes_per_second',
} as const;

export const setQos: Verb = {
  name: 'set_qos',
  describe:
    'Limit what all hosts together may do to a namespace. Takes effect at once; a limit that is not given stays',
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    nsid: REQUIRED_NSID,
    'rw-ios-per-second': limit('I/Os'),
    'rw-megabytes-per-second': limit('Megabytes (MiB) read and written'),
    'r-megabytes-per-second': limit('Megabytes (MiB) read'),
    'w-megabytes-per-second': limit('Megabytes (MiB) written'),
    force: { type: 'boolean', describe: 'Accepted as in ceph-nvmeof; nothing needs it here' },
  },
  examples: [
    ['namespace set_qos -n nqn.2026-11.io.anagate:shop --nsid 1 --rw-ios-per-second 5000', ''],
    [
      'ns set_qos -n nqn.2026-11.io.anagate:shop --nsid 1 --rw-ios-per-second 0 --w-megabytes-per-second 100',
      'no limit on I/Os any more, but one on writes',
    ],
  ],
  run: async (args, session) => {
    const [nqn, nsid] = [args.text('subsystem'), args.integer('nsid', 1, MAX_NSID)];
    const given = Object.entries(LIMITS)
      .map(([option, field]) => [field, args.optionalInteger(option, 0, MOST)] as const)
      .filter(([, value]) => value !== undefined);
    if (given.length === 0)
      throw new UsageError(
        `give at least one limit: ${Object.keys(LIMITS)
          .map((option) => `--${option}`)
          .join(', ')}`,
      );
    const request = {
      subsystem_nqn: nqn,
      nsid,
      ...Object.fromEntries(given),
      ...(args.flag('force') && { force: true }),
    };
    const what = `QoS limits of namespace ${nsid} in ${nqn}`;
    const answer = await session.call('namespace_set_qos_limits', request, `Failure setting ${what}`);
    return session.report('req_status', answer, () => `Setting ${what}: Successful`);
  },
};

/** "5000 IO/s, 100 MB/s, 20 MB/s written", or "none". */
export function qosText(namespace: NamespaceCli): string {
  const limits: [limit: number, unit: string][] = [
    [Number(namespace.rw_ios_per_second), ' IO/s'],
    [Number(namespace.rw_mbytes_per_second), ' MB/s'],
    [Number(namespace.r_mbytes_per_second), ' MB/s read'],
    [Number(namespace.w_mbytes_per_second), ' MB/s written'],
  ];
  const set = limits.filter(([value]) => value > 0).map(([value, unit]) => `${value}${unit}`);
  return set.length === 0 ? 'none' : set.join(', ');
}
