/** `anagate host ...` */
import type { Options } from 'yargs';
import type { CommandArguments } from '../arguments.ts';
import type { Noun, Verb } from '../command.ts';
import { DRY_RUN, REQUIRED_SUBSYSTEM } from './shared-options.ts';

const ANY_HOST = '*';
const NQN = 'nqn.2026-11.io.anagate:shop';
const HOST = 'nqn.2014-08.org.nvmexpress:uuid:bfa2dbba-6f86-4c30-9bd2-1b2b1e7b6f4d';

const HOST_NQN: Options = {
  alias: 't',
  type: 'string',
  array: true,
  demandOption: true,
  requiresArg: true,
  describe: "Host NQN, or several; '*' (quoted) is any host. On a host: cat /etc/nvme/hostnqn",
};

const add: Verb = {
  name: 'add',
  describe: 'Let hosts use a subsystem',
  options: { subsystem: REQUIRED_SUBSYSTEM, 'host-nqn': HOST_NQN },
  examples: [
    [`host add -n ${NQN} -t ${HOST}`, ''],
    [`host add -n ${NQN} -t '*'`, 'any host'],
  ],
  run: (args, session) =>
    forEachHost(args, async (nqn, host) => {
      const [failure, success] =
        host === ANY_HOST
          ? [`Failure allowing open host access to ${nqn}`, `Allowing open host access to ${nqn}`]
          : [`Failure adding host ${host} to ${nqn}`, `Adding host ${host} to ${nqn}`];
      const answer = await session.call('add_host', { subsystem_nqn: nqn, host_nqn: host }, failure);
      return session.report('req_status', answer, () => `${success}: Successful`);
    }),
};

const del: Verb = {
  name: 'del',
  describe: 'Stop hosts from using a subsystem. A connected host is cut off',
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    'host-nqn': HOST_NQN,
    force: { type: 'boolean', describe: 'Accepted as in ceph-nvmeof; nothing needs it here' },
    'dry-run': DRY_RUN,
  },
  examples: [[`host del -n ${NQN} -t ${HOST}`, '']],
  run: (args, session) =>
    forEachHost(args, (nqn, host) => {
      const [failure, success] =
        host === ANY_HOST
          ? [`Failure disabling open host access to ${nqn}`, `Disabling open host access to ${nqn}`]
          : [`Failure removing host ${host} access from ${nqn}`, `Removing host ${host} access from ${nqn}`];
      const request = { subsystem_nqn: nqn, host_nqn: host, force: args.flag('force') };
      return session.change('remove_host', request, { dryRun: args.flag('dry-run'), failure, success });
    }),
};

/** Asks for one host after the other; the first errno is the exit status. */
export async function forEachHost(
  args: CommandArguments,
  ask: (nqn: string, host: string) => Promise<number>,
): Promise<number> {
  let exitStatus = 0;
  for (const host of args.list('host-nqn')) {
    const status = await ask(args.text('subsystem'), host);
    if (exitStatus === 0) exitStatus = status;
  }
  return exitStatus;
}

const list: Verb = {
  name: 'list',
  describe: 'List the hosts that may use a subsystem',
  options: { subsystem: REQUIRED_SUBSYSTEM },
  examples: [[`host list -n ${NQN}`, '']],
  run: async (args, session) => {
    const nqn = args.text('subsystem');
    const answer = await session.call('list_hosts', { subsystem: nqn }, `Failure listing hosts of ${nqn}`);
    return session.report('hosts_info', answer, () => {
      const rows = answer.hosts.map((host) => [host.nqn]);
      if (answer.allow_any_host) rows.unshift(['Any host']);
      if (rows.length === 0) return `No hosts are allowed to access ${nqn}`;
      return `Hosts allowed to access ${nqn}:\n${session.output.table(['Host NQN'], rows)}`;
    });
  },
};

export const host: Noun = {
  name: 'host',
  aliases: [],
  describe: 'Hosts: who may use a subsystem',
  verbs: [add, del, list],
};
