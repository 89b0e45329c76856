/** `anagate namespace ...` for where a namespace is served. */
import type { Options } from 'yargs';
import type { Verb } from '../command.ts';
import { MAX_GROUP, REQUIRED_NSID, REQUIRED_SUBSYSTEM, readTarget } from './shared-options.ts';

const NQN = 'nqn.2026-11.io.anagate:shop';

export const LOCATION: Options = {
  type: 'string',
  requiresArg: true,
  describe: 'Where it belongs: placed on gateways of that location (default: anywhere)',
};

export const changeGroup: Verb = {
  name: 'change_load_balancing_group',
  describe: 'Move a namespace to another ANA group, and so to the gateway that serves that',
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    nsid: REQUIRED_NSID,
    'load-balancing-group': {
      alias: 'l',
      type: 'string',
      demandOption: true,
      requiresArg: true,
      describe: 'The ANA group, from 1 up',
    },
  },
  examples: [[`namespace change_load_balancing_group -n ${NQN} --nsid 1 -l 2`, '']],
  run: async (args, session) => {
    const { nqn, nsid } = readTarget(args);
    const group = args.integer('load-balancing-group', 1, MAX_GROUP);
    const what = `load balancing group of namespace ${nsid} in ${nqn} to ${group}`;
    const request = { subsystem_nqn: nqn, nsid, anagrpid: group };
    const answer = await session.call(
      'namespace_change_load_balancing_group',
      request,
      `Failure changing ${what}`,
    );
    return session.report('req_status', answer, () => `Changing ${what}: Successful`);
  },
};

export const changeLocation: Verb = {
  name: 'change_location',
  describe: 'Say where a namespace belongs. It moves there when namespaces are next rebalanced',
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    nsid: REQUIRED_NSID,
    location: LOCATION,
  },
  examples: [
    [`namespace change_location -n ${NQN} --nsid 1 --location rack-1`, ''],
    [`namespace change_location -n ${NQN} --nsid 1`, 'anywhere'],
  ],
  run: async (args, session) => {
    const { nqn, nsid } = readTarget(args);
    const location = args.optionalText('location') ?? '';
    const what = `location of namespace ${nsid} in ${nqn} to "${location}"`;
    const request = { subsystem_nqn: nqn, nsid, location };
    const answer = await session.call('namespace_change_location', request, `Failure changing ${what}`);
    return session.report('req_status', answer, () => `Changing ${what}: Successful`);
  },
};
