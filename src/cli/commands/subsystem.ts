/** `anagate subsystem ...` */
import type { CommandArguments } from '../arguments.ts';
import type { Noun, Verb } from '../command.ts';
import { REQUIRED_SUBSYSTEM, SUBSYSTEM } from './shared-options.ts';

const NQN = 'nqn.2026-11.io.anagate:shop';

const add: Verb = {
  name: 'add',
  describe: 'Create a subsystem. No host may use it until one is added',
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    'serial-number': {
      alias: 's',
      type: 'string',
      requiresArg: true,
      describe: 'Serial number, at most 20 ASCII characters (default: a random one)',
    },
    'max-namespaces': {
      alias: 'm',
      type: 'string',
      requiresArg: true,
      describe: 'How many namespaces it may have (default: as many as the gateway supports)',
    },
    'no-group-append': {
      type: 'boolean',
      describe: "Take the NQN as it is, without the gateway group's name at its end",
    },
  },
  examples: [
    [`subsystem add -n ${NQN}`, ''],
    [`subsystem add -n ${NQN} -s SHOP-1 -m 64 --no-group-append`, ''],
  ],
  run: async (args, session) => {
    const nqn = args.text('subsystem');
    const request = {
      subsystem_nqn: nqn,
      serial_number: args.optionalText('serial-number') ?? '',
      max_namespaces: args.optionalInteger('max-namespaces', 1, 0xffff_ffff),
      enable_ha: true,
      no_group_append: args.flag('no-group-append'),
    };
    const answer = await session.call('create_subsystem', request, `Failure adding subsystem ${nqn}`);
    return session.report('subsys_status', answer, () => `Adding subsystem ${answer.nqn || nqn}: Successful`);
  },
};

const del: Verb = {
  name: 'del',
  describe: 'Delete a subsystem. Its hosts lose it at once; files and images stay',
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    force: { type: 'boolean', describe: 'Delete its namespaces too; without this it must have none' },
    'i-am-sure': { type: 'boolean', describe: 'Accepted as in ceph-nvmeof; nothing needs it here' },
  },
  examples: [[`subsystem del -n ${NQN} --force`, '']],
  run: async (args, session) => {
    const nqn = args.text('subsystem');
    const request = { subsystem_nqn: nqn, force: args.flag('force'), i_am_sure: args.flag('i-am-sure') };
    const answer = await session.call('delete_subsystem', request, `Failure deleting subsystem ${nqn}`);
    return session.report('req_status', answer, () => `Deleting subsystem ${nqn}: Successful`);
  },
};

const list: Verb = {
  name: 'list',
  describe: 'List subsystems',
  options: {
    subsystem: SUBSYSTEM,
    'serial-number': {
      alias: 's',
      type: 'string',
      requiresArg: true,
      describe: 'Only the one with this serial number',
    },
  },
  examples: [
    ['subsystem list', ''],
    ['subsystem list --format json', 'for a program'],
  ],
  run: async (args, session) => {
    const request = {
      subsystem_nqn: args.optionalText('subsystem'),
      serial_number: args.optionalText('serial-number'),
    };
    const answer = await session.call('list_subsystems', request, 'Failure listing subsystems');
    return session.report('subsystems_info_cli', answer, () => {
      const { subsystems } = answer;
      if (subsystems.length === 0) return `No ${selection(args, 'subsystem', 'subsystems')}`;
      const rows = subsystems.map((s) => [
        s.nqn,
        s.serial_number,
        `${s.min_cntlid}-${s.max_cntlid}`,
        s.namespace_count,
        s.max_namespaces,
        s.allow_any_host ? 'Yes' : 'No',
      ]);
      const headers = ['NQN', 'Serial Number', 'Controller IDs', 'Namespaces', 'Max Namespaces', 'Any Host'];
      return `${selection(args, 'Subsystem', 'Subsystems')}:\n${session.output.table(headers, rows)}`;
    });
  },
};

/** The words for what is listed. */
function selection(args: CommandArguments, one: string, many: string): string {
  const nqn = args.optionalText('subsystem');
  const serial = args.optionalText('serial-number');
  const subject = nqn !== undefined ? `${one} ${nqn}` : serial !== undefined ? one : many;
  return serial === undefined ? subject : `${subject} with serial number ${serial}`;
}

export const subsystem: Noun = {
  name: 'subsystem',
  aliases: [],
  describe: 'Subsystems: what a host connects to',
  verbs: [add, del, list],
};
