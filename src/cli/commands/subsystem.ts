/** `anagate subsystem ...` */
import type { CommandArguments } from '../arguments.ts';
import type { Noun, Verb } from '../command.ts';
import { DHCHAP_KEY, optionalKey, requiredKey } from './key-options.ts';
import { DRY_RUN, MAX_PORT, REQUIRED_SUBSYSTEM, SUBSYSTEM } from './shared-options.ts';

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
    'network-mask': {
      type: 'string',
      array: true,
      requiresArg: true,
      describe: 'Networks (CIDR): every gateway listens on the addresses of its node that are within one',
    },
    port: {
      type: 'string',
      requiresArg: true,
      describe: 'TCP port of the listeners that network masks make (default: 4420)',
    },
    'no-group-append': {
      type: 'boolean',
      describe: "Take the NQN as it is, without the gateway group's name at its end",
    },
    'dhchap-key': DHCHAP_KEY,
  },
  examples: [
    [`subsystem add -n ${NQN}`, ''],
    [`subsystem add -n ${NQN} -s SHOP-1 -m 64 --no-group-append`, ''],
    [
      `subsystem add -n ${NQN} --network-mask 192.0.2.0/24 --network-mask 2001:db8::/64`,
      'no listeners to add',
    ],
  ],
  run: async (args, session) => {
    const nqn = args.text('subsystem');
    const request = {
      subsystem_nqn: nqn,
      serial_number: args.optionalText('serial-number') ?? '',
      max_namespaces: args.optionalInteger('max-namespaces', 1, 0xffff_ffff),
      enable_ha: true,
      no_group_append: args.flag('no-group-append'),
      network_mask: args.has('network-mask') ? args.list('network-mask') : [],
      port: args.optionalInteger('port', 1, MAX_PORT),
      dhchap_key: optionalKey(args, 'dhchap-key'),
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
    'dry-run': DRY_RUN,
  },
  examples: [
    [`subsystem del -n ${NQN} --force --dry-run`, ''],
    [`subsystem del -n ${NQN} --force`, ''],
  ],
  run: async (args, session) => {
    const nqn = args.text('subsystem');
    const request = { subsystem_nqn: nqn, force: args.flag('force'), i_am_sure: args.flag('i-am-sure') };
    return session.change('delete_subsystem', request, {
      dryRun: args.flag('dry-run'),
      failure: `Failure deleting subsystem ${nqn}`,
      success: `Deleting subsystem ${nqn}`,
    });
  },
};

const MASK = {
  type: 'string',
  demandOption: true,
  requiresArg: true,
  describe: 'Network (CIDR), such as 192.0.2.0/24',
} as const;

const addNetwork: Verb = {
  name: 'add_network',
  describe: 'Have every gateway listen on the addresses of its node that are within a network',
  options: { subsystem: REQUIRED_SUBSYSTEM, 'network-mask': MASK },
  examples: [[`subsystem add_network -n ${NQN} --network-mask 192.0.2.0/24`, '']],
  run: async (args, session) => {
    const [nqn, mask] = [args.text('subsystem'), args.text('network-mask')];
    const request = { subsystem_nqn: nqn, network_mask: mask };
    const what = `network ${mask} to subsystem ${nqn}`;
    const answer = await session.call('add_subsystem_network', request, `Failure adding ${what}`);
    return session.report('req_status', answer, () => `Adding ${what}: Successful`);
  },
};

const delNetwork: Verb = {
  name: 'del_network',
  describe:
    'Stop listening because of a network. Hosts that came through one of its listeners lose that path',
  options: { subsystem: REQUIRED_SUBSYSTEM, 'network-mask': MASK, 'dry-run': DRY_RUN },
  examples: [
    [`subsystem del_network -n ${NQN} --network-mask 192.0.2.0/24 --dry-run`, ''],
    [`subsystem del_network -n ${NQN} --network-mask 192.0.2.0/24`, ''],
  ],
  run: async (args, session) => {
    const [nqn, mask] = [args.text('subsystem'), args.text('network-mask')];
    const request = { subsystem_nqn: nqn, network_mask: mask };
    const what = `network ${mask} from subsystem ${nqn}`;
    return session.change('del_subsystem_network', request, {
      dryRun: args.flag('dry-run'),
      failure: `Failure deleting ${what}`,
      success: `Deleting ${what}`,
    });
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
        s.network_mask.join(', '),
      ]);
      const headers = [
        'NQN',
        'Serial Number',
        'Controller IDs',
        'Namespaces',
        'Max Namespaces',
        'Any Host',
        'Networks',
      ];
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

const changeSubsystemKey: Verb = {
  name: 'change_key',
  describe: 'Set the DH-HMAC-CHAP key of a subsystem: each of its hosts needs a key then',
  options: { subsystem: REQUIRED_SUBSYSTEM, 'dhchap-key': { ...DHCHAP_KEY, demandOption: true } },
  examples: [[`subsystem change_key -n ${NQN} -k @/root/shop.key`, '']],
  run: async (args, session) => {
    const nqn = args.text('subsystem');
    const request = { subsystem_nqn: nqn, dhchap_key: requiredKey(args, 'dhchap-key') };
    const answer = await session.call(
      'change_subsystem_key',
      request,
      `Failure changing key for subsystem ${nqn}`,
    );
    return session.report('req_status', answer, () => `Changing key for subsystem ${nqn}: Successful`);
  },
};

const delKey: Verb = {
  name: 'del_key',
  describe: 'Delete the DH-HMAC-CHAP key of a subsystem',
  options: { subsystem: REQUIRED_SUBSYSTEM },
  examples: [[`subsystem del_key -n ${NQN}`, '']],
  run: async (args, session) => {
    const nqn = args.text('subsystem');
    const answer = await session.call(
      'change_subsystem_key',
      { subsystem_nqn: nqn },
      `Failure deleting key for subsystem ${nqn}`,
    );
    return session.report('req_status', answer, () => `Deleting key for subsystem ${nqn}: Successful`);
  },
};

export const subsystem: Noun = {
  name: 'subsystem',
  aliases: [],
  describe: 'Subsystems: what a host connects to',
  verbs: [add, del, list, addNetwork, delNetwork, changeSubsystemKey, delKey],
};
