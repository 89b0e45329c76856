/** `anagate namespace ...` for who sees a namespace. */
import type { Options } from 'yargs';
import type { Verb } from '../command.ts';
import { forEachHost } from './host.ts';
import { REQUIRED_NSID, REQUIRED_SUBSYSTEM, readTarget, YES_NO } from './shared-options.ts';

const NQN = 'nqn.2026-11.io.anagate:shop';
const HOST = 'nqn.2014-08.org.nvmexpress:uuid:bfa2dbba-6f86-4c30-9bd2-1b2b1e7b6f4d';

const HOST_NQN: Options = {
  alias: 't',
  type: 'string',
  array: true,
  demandOption: true,
  requiresArg: true,
  describe: 'Host NQN, or several',
};

export const changeVisibility: Verb = {
  name: 'change_visibility',
  describe: 'Show a namespace to all hosts of its subsystem, or only to those that are added to it',
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    nsid: REQUIRED_NSID,
    'auto-visible': { ...YES_NO, describe: 'Whether all hosts see it' },
    force: {
      type: 'boolean',
      describe: 'Although connected hosts lose it, or hosts were added to it (they are forgotten then)',
    },
  },
  examples: [[`namespace change_visibility -n ${NQN} --nsid 1 --auto-visible no`, '']],
  run: async (args, session) => {
    const { nqn, nsid } = readTarget(args);
    const autoVisible = args.text('auto-visible') === 'yes';
    const whom = autoVisible ? '"visible to all hosts"' : '"visible to selected hosts"';
    const what = `visibility of namespace ${nsid} in ${nqn} to ${whom}`;
    const request = { subsystem_nqn: nqn, nsid, auto_visible: autoVisible, force: args.flag('force') };
    const answer = await session.call('namespace_change_visibility', request, `Failure changing ${what}`);
    return session.report('req_status', answer, () => `Changing ${what}: Successful`);
  },
};

export const addHost: Verb = {
  name: 'add_host',
  describe: 'Let hosts see a namespace that not all hosts see',
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    nsid: REQUIRED_NSID,
    'host-nqn': HOST_NQN,
    force: { type: 'boolean', describe: 'Although the host may not use the subsystem' },
  },
  examples: [[`namespace add_host -n ${NQN} --nsid 1 -t ${HOST}`, '']],
  run: (args, session) =>
    forEachHost(args, async (nqn, host) => {
      const { nsid } = readTarget(args);
      const what = `host ${host} to namespace ${nsid} on ${nqn}`;
      const request = { subsystem_nqn: nqn, nsid, host_nqn: host, force: args.flag('force') };
      const answer = await session.call('namespace_add_host', request, `Failure adding ${what}`);
      return session.report('req_status', answer, () => `Adding ${what}: Successful`);
    }),
};

export const delHost: Verb = {
  name: 'del_host',
  describe: 'Hide a namespace from hosts that were added to it. A connected host loses the disk at once',
  options: { subsystem: REQUIRED_SUBSYSTEM, nsid: REQUIRED_NSID, 'host-nqn': HOST_NQN },
  examples: [[`namespace del_host -n ${NQN} --nsid 1 -t ${HOST}`, '']],
  run: (args, session) =>
    forEachHost(args, async (nqn, host) => {
      const { nsid } = readTarget(args);
      const what = `host ${host} from namespace ${nsid} on ${nqn}`;
      const request = { subsystem_nqn: nqn, nsid, host_nqn: host };
      const answer = await session.call('namespace_delete_host', request, `Failure deleting ${what}`);
      return session.report('req_status', answer, () => `Deleting ${what}: Successful`);
    }),
};
