/** `anagate host ...` */
import type { Options } from 'yargs';
import { type CommandArguments, UsageError } from '../arguments.ts';
import type { Noun, Verb } from '../command.ts';
import { CONTROLLER_KEY, DHCHAP_KEY, optionalKey, PSK, requiredKey } from './key-options.ts';
import { DRY_RUN, REQUIRED_SUBSYSTEM } from './shared-options.ts';

const ANY_HOST = '*';
const NQN = 'nqn.2026-11.io.anagate:shop';
const HOST = 'nqn.2014-08.org.nvmexpress:uuid:bfa2dbba-6f86-4c30-9bd2-1b2b1e7b6f4d';

/** Said when a host gets a key. */
const NOT_LET_IN =
  'Anagate cannot authenticate hosts yet. A host with a key is not let in: rather no access than one without the protection ' +
  'that was asked for';
/** As a key in change_host_key: it stays. */
const KEEP_KEY = '-';

const ONE_HOST: Options = {
  alias: 't',
  type: 'string',
  demandOption: true,
  requiresArg: true,
  describe: 'Host NQN',
};

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
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    'host-nqn': HOST_NQN,
    psk: PSK,
    'dhchap-key': DHCHAP_KEY,
    'dhchap-controller-key': CONTROLLER_KEY,
  },
  examples: [
    [`host add -n ${NQN} -t ${HOST}`, ''],
    [`host add -n ${NQN} -t '*'`, 'any host'],
    [`host add -n ${NQN} -t ${HOST} -k @/root/host.key`, 'with a key'],
  ],
  run: (args, session) => {
    const keys = {
      psk: optionalKey(args, 'psk'),
      dhchap_key: optionalKey(args, 'dhchap-key'),
      dhchap_ctrlr_key: optionalKey(args, 'dhchap-controller-key'),
    };
    if (Object.values(keys).some((key) => key !== undefined)) {
      if (args.list('host-nqn').length > 1)
        throw new UsageError('a key belongs to one host; add hosts with keys one by one');
      session.output.warning(NOT_LET_IN);
    }
    return forEachHost(args, async (nqn, host) => {
      const [failure, success] =
        host === ANY_HOST
          ? [`Failure allowing open host access to ${nqn}`, `Allowing open host access to ${nqn}`]
          : [`Failure adding host ${host} to ${nqn}`, `Adding host ${host} to ${nqn}`];
      const request = { subsystem_nqn: nqn, host_nqn: host, ...keys };
      const answer = await session.call('add_host', request, failure);
      return session.report('req_status', answer, () => `${success}: Successful`);
    });
  },
};

const del: Verb = {
  name: 'del',
  describe: 'Stop hosts from using a subsystem. A connected host is cut off',
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    'host-nqn': HOST_NQN,
    force: { type: 'boolean', describe: 'Accepted as in ceph-nvmeof; nothing needs it here' },
    'keep-connections': {
      type: 'boolean',
      describe:
        'Leave the connections that it has until they end by themselves; deleting it again cuts it off',
    },
    'dry-run': DRY_RUN,
  },
  examples: [
    [`host del -n ${NQN} -t ${HOST}`, ''],
    [`host del -n ${NQN} -t ${HOST} --keep-connections`, 'no new connections, those that are there stay'],
  ],
  run: (args, session) =>
    forEachHost(args, (nqn, host) => {
      const [failure, success] =
        host === ANY_HOST
          ? [`Failure disabling open host access to ${nqn}`, `Disabling open host access to ${nqn}`]
          : [`Failure removing host ${host} access from ${nqn}`, `Removing host ${host} access from ${nqn}`];
      const request = {
        subsystem_nqn: nqn,
        host_nqn: host,
        force: args.flag('force'),
        keep_connections: args.flag('keep-connections'),
      };
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

const LETTER = { dhchap_key: '-k', dhchap_ctrlr_key: '-c' } as const;

/** Verbs that set or delete one key of a host; the other stays. */
function changeKey(
  name: string,
  what: string,
  field: 'dhchap_key' | 'dhchap_ctrlr_key',
  option?: Record<string, Options>,
): Verb {
  const [optionName] = Object.keys(option ?? {});
  const doing = optionName === undefined ? 'Deleting' : 'Changing';
  return {
    name,
    describe: `${optionName === undefined ? 'Delete' : 'Set'} the DH-HMAC-CHAP ${what} of a host. Its connections stay`,
    options: {
      subsystem: REQUIRED_SUBSYSTEM,
      'host-nqn': ONE_HOST,
      ...(option && { [optionName!]: { ...option[optionName!], demandOption: true } }),
    },
    examples: [
      [
        `host ${name} -n ${NQN} -t ${HOST}${optionName === undefined ? '' : ` ${LETTER[field]} @/root/host.key`}`,
        '',
      ],
    ],
    run: async (args, session) => {
      const [nqn, host] = [args.text('subsystem'), args.text('host-nqn')];
      const keys = { dhchap_key: KEEP_KEY, dhchap_ctrlr_key: KEEP_KEY };
      const key = optionName === undefined ? undefined : requiredKey(args, optionName);
      if (key !== undefined) session.output.warning(NOT_LET_IN);
      const request = { subsystem_nqn: nqn, host_nqn: host, ...keys, [field]: key };
      const deed = `${what} for host ${host} on subsystem ${nqn}`;
      const answer = await session.call(
        'change_host_key',
        request,
        `Failure: ${doing.toLowerCase()} ${deed}`,
      );
      return session.report('req_status', answer, () => `${doing} ${deed}: Successful`);
    },
  };
}

const LIST_HEADERS = ['Host NQN', 'TLS Key', 'DH-CHAP Key', 'Controller Key'];
const CONTROLLER_KEY_TEXT: Record<string, string> = {
  no_key: 'No',
  host_specific: 'Yes',
  subsystem_implicit: "The subsystem's",
};

const list: Verb = {
  name: 'list',
  describe: 'List the hosts that may use a subsystem',
  options: { subsystem: REQUIRED_SUBSYSTEM },
  examples: [[`host list -n ${NQN}`, '']],
  run: async (args, session) => {
    const nqn = args.text('subsystem');
    const answer = await session.call('list_hosts', { subsystem: nqn }, `Failure listing hosts of ${nqn}`);
    return session.report('hosts_info', answer, () => {
      const rows = answer.hosts.map((host) => [
        host.nqn,
        host.use_psk ? 'Yes' : 'No',
        host.use_dhchap ? 'Yes' : 'No',
        CONTROLLER_KEY_TEXT[host.dhchap_controller_origin ?? 'no_key'] ?? 'No',
      ]);
      if (answer.allow_any_host) rows.unshift(['Any host', 'n/a', 'n/a', 'n/a']);
      if (rows.length === 0) return `No hosts are allowed to access ${nqn}`;
      return `Hosts allowed to access ${nqn}:\n${session.output.table(LIST_HEADERS, rows)}`;
    });
  },
};

export const host: Noun = {
  name: 'host',
  aliases: [],
  describe: 'Hosts: who may use a subsystem',
  verbs: [
    add,
    del,
    list,
    changeKey('change_key', 'key', 'dhchap_key', { 'dhchap-key': DHCHAP_KEY }),
    changeKey('del_key', 'key', 'dhchap_key'),
    changeKey('change_controller_key', 'controller key', 'dhchap_ctrlr_key', {
      'dhchap-controller-key': CONTROLLER_KEY,
    }),
    changeKey('del_controller_key', 'controller key', 'dhchap_ctrlr_key'),
  ],
};
