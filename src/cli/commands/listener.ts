/** `anagate listener ...` */
import { ERROR_ERRNO } from '../../base/errors.ts';
import type { AmbiguousAddress, ListenerInfo } from '../../control/gateway-types.ts';
import { type CommandArguments, UsageError } from '../arguments.ts';
import type { CommandOptions, Noun, Verb } from '../command.ts';
import { DRY_RUN, MAX_PORT, REQUIRED_SUBSYSTEM } from './shared-options.ts';

const NQN = 'nqn.2026-11.io.anagate:shop';

const ADDRESS_OPTIONS: CommandOptions = {
  traddr: { alias: 'a', type: 'string', demandOption: true, requiresArg: true, describe: 'IP address' },
  adrfam: {
    alias: 'f',
    type: 'string',
    choices: ['ipv4', 'ipv6', 'IPV4', 'IPV6'],
    requiresArg: true,
    describe: 'Address family (default: that of the address)',
  },
};

const add: Verb = {
  name: 'add',
  describe: 'Listen for hosts of a subsystem on an address',
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    'host-name': {
      alias: 't',
      type: 'string',
      requiresArg: true,
      describe:
        "Host name of the gateway that listens (default: that of the gateway asked, if its node has the address; '*': of " +
        'whoever has it)',
    },
    ...ADDRESS_OPTIONS,
    trsvcid: { alias: 's', type: 'string', requiresArg: true, describe: 'TCP port (default: 4420)' },
    'verify-host-name': {
      alias: 'y',
      type: 'boolean',
      describe: 'Refuse a --host-name that is not that of a gateway of the group',
    },
    force: { type: 'boolean', describe: 'Although no node has the address now' },
  },
  examples: [
    [`listener add -n ${NQN} -a 192.0.2.10`, 'the gateway asked, port 4420'],
    [`listener add -n ${NQN} -t node-2 -a 2001:db8::2 -s 4421`, 'the gateway on node-2'],
    [`listener add -n ${NQN} -t '*' -a 192.0.2.50`, 'the gateway whose node has the address'],
  ],
  run: async (args, session) => {
    const nqn = args.text('subsystem');
    const address = readAddress(args);
    const request = {
      nqn,
      host_name: args.optionalText('host-name') ?? '',
      ...address,
      verify_host_name: args.flag('verify-host-name'),
      force: args.flag('force'),
    };
    const what = `${nqn} listener at ${addressText(address)}`;
    const answer = await session.call('create_listener', request, `Failure adding ${what}`);
    if (answer.status !== ERROR_ERRNO.LISTENER_REMOTE) {
      return session.report('req_status', answer, () => `Adding ${what}: Successful`);
    }
    if (session.output.isDocument) return session.report('req_status', { ...answer, status: 0 }, () => '');
    session.output.warning(`Adding ${what}: listener will only be active when appropriate gateway is up`);
    return 0;
  },
};

const del: Verb = {
  name: 'del',
  describe: 'Stop listening on an address',
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    'host-name': {
      alias: 't',
      type: 'string',
      requiresArg: true,
      describe:
        "Host name of the gateway that listens (default: that of the gateway asked; '*': any, needs --force)",
    },
    ...ADDRESS_OPTIONS,
    trsvcid: { alias: 's', type: 'string', demandOption: true, requiresArg: true, describe: 'TCP port' },
    force: { type: 'boolean', describe: 'Although hosts are connected through it, or with any --host-name' },
    'dry-run': DRY_RUN,
  },
  examples: [[`listener del -n ${NQN} -a 192.0.2.10 -s 4420`, '']],
  run: async (args, session) => {
    const nqn = args.text('subsystem');
    const hostName = args.optionalText('host-name');
    const force = args.flag('force');
    if (hostName === '*' && !force) throw new UsageError('--host-name "*" needs --force');
    const address = readAddress(args);
    const what = `listener ${addressText(address)} from ${nqn}`;
    const request = { nqn, host_name: hostName ?? '', ...address, force };
    return session.change('delete_listener', request, {
      dryRun: args.flag('dry-run'),
      failure: `Failure deleting ${what}`,
      success: `Deleting ${what}${forHost(hostName)}`,
    });
  },
};

function forHost(hostName: string | undefined): string {
  if (hostName === undefined) return '';
  return hostName === '*' ? ' for all hosts' : ` for host ${hostName}`;
}

const list: Verb = {
  name: 'list',
  describe: 'List the listeners of a subsystem, of all gateways',
  options: { subsystem: REQUIRED_SUBSYSTEM },
  examples: [[`listener list -n ${NQN}`, '']],
  run: async (args, session) => {
    const nqn = args.text('subsystem');
    const answer = await session.call(
      'list_listeners',
      { subsystem: nqn },
      `Failure listing listeners of ${nqn}`,
    );
    for (const one of session.output.isDocument ? [] : answer.ambiguous)
      session.output.warning(`${one.address} is not listened on: ${ambiguousText(one)}`);
    return session.report('listeners_info', answer, () => {
      if (answer.listeners.length === 0) return `No listeners for ${nqn}`;
      const rows = answer.listeners.map((l) => [
        l.host_name,
        l.trtype,
        l.adrfam === 'ipv6' ? 'IPv6' : 'IPv4',
        listenerAddress(l),
        l.active ? 'Yes' : 'No',
        l.manual === false ? 'Network' : 'Manual',
      ]);
      const headers = ['Host', 'Transport', 'Address Family', 'Address', 'Active', 'Origin'];
      return `Listeners for ${nqn}:\n${session.output.table(headers, rows)}`;
    });
  },
};

interface Address {
  traddr: string;
  adrfam: 'ipv4' | 'ipv6' | undefined;
  trsvcid: number | undefined;
}

function readAddress(args: CommandArguments): Address {
  return {
    traddr: args.text('traddr'),
    adrfam: args.optionalText('adrfam')?.toLowerCase() as 'ipv4' | 'ipv6' | undefined,
    trsvcid: args.optionalInteger('trsvcid', 1, MAX_PORT),
  };
}

function addressText({ traddr, trsvcid }: Address): string {
  return trsvcid === undefined ? traddr : joinPort(traddr, trsvcid);
}

/** Why an address in a network of a subsystem is not listened on. */
export function ambiguousText({ host_names: nodes }: AmbiguousAddress): string {
  return `${nodes.join(' and ')} all have that address, so that hosts could not tell which they reach`;
}

/** `192.0.2.1:4420` or `[2001:db8::1]:4420` */
export function listenerAddress({ traddr, trsvcid }: ListenerInfo): string {
  return joinPort(traddr, trsvcid);
}

/** An address and a port as people write them together. */
export function joinPort(address: string, port: number): string {
  return address.includes(':') && !address.startsWith('[') ? `[${address}]:${port}` : `${address}:${port}`;
}

export const listener: Noun = {
  name: 'listener',
  aliases: [],
  describe: 'Listeners: the addresses on which a subsystem is served',
  verbs: [add, del, list],
};
