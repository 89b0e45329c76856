/** The verbs of `anagate gw` that are about the other gateways of the group. */
import { constants } from 'node:os';
import type { Options } from 'yargs';
import { systemClock } from '../../base/clock.ts';
import type { GroupGateway } from '../../control/gateway-types.ts';
import type { Verb } from '../command.ts';
import { serverText } from '../server-list.ts';
import type { Session } from '../session.ts';
import { spanText, staleText } from './group-times.ts';
import { DRY_RUN } from './shared-options.ts';

const { ENOENT, EBUSY } = constants.errno;

const NAME: Options = {
  alias: 'i',
  type: 'string',
  demandOption: true,
  requiresArg: true,
  describe: 'Name of the gateway ([gateway] name of its configuration file)',
};
const LOCATION: Options = {
  type: 'string',
  requiresArg: true,
  describe: 'Where it stands; a gateway of the same location is preferred for taking over',
};
const FORCE: Options = {
  type: 'boolean',
  describe: 'Do not wait for hosts that have no path to another gateway; they wait until they have one',
};

async function askGateways(session: Session) {
  return session.call('list_gateways', {}, 'Failure listing the gateways of the group');
}

const list: Verb = {
  name: 'list',
  describe: 'List the gateways of the group and what each serves',
  options: {},
  examples: [['gw list', '']],
  run: async (_args, session) => {
    const answer = await askGateways(session);
    return session.report('gateways_info', answer, () => {
      if (answer.gateways.length === 0) return `The group has no gateways${staleText(answer.stale_ms)}`;
      const headers = ['Gateway', 'State', 'Home Group', 'Serves', 'Hosts', 'Location', 'Beacon', 'Address'];
      const rows = answer.gateways.map((gateway) => [
        gateway.name === answer.leader ? `${gateway.name} (leader)` : gateway.name,
        stateText(gateway),
        gateway.slot + 1,
        gateway.ana_groups.join(', ') || '-',
        gateway.hosts.length,
        gateway.location || '-',
        beaconText(gateway),
        addressText(gateway),
      ]);
      return `Gateways of the group (map epoch ${answer.epoch}):\n${session.output.table(headers, rows)}${staleText(answer.stale_ms)}`;
    });
  },
};

/** '-': it has never run. */
function addressText({ address, port }: GroupGateway): string {
  return address === '' ? '-' : serverText({ host: address, port });
}

function stateText({ availability, enabled, drain }: GroupGateway): string {
  const marks = [...(enabled ? [] : ['disabled']), ...(drain === 'no' ? [] : ['drained'])];
  return marks.length === 0 ? availability : `${availability}, ${marks.join(', ')}`;
}

function beaconText({ beacon_age_ms: age }: GroupGateway): string {
  return age === undefined ? 'never' : `${spanText(Number(age))} ago`;
}

const show: Verb = {
  name: 'show',
  describe: 'Show one gateway of the group',
  options: { 'gateway-name': NAME },
  examples: [['gw show -i gw-a', '']],
  run: async (args, session) => {
    const name = args.text('gateway-name');
    const answer = await askGateways(session);
    const gateway = answer.gateways.find((row) => row.name === name);
    if (answer.status === 0 && gateway === undefined) {
      const names = answer.gateways.map((row) => row.name).join(', ') || 'none';
      answer.status = ENOENT;
      answer.error_message = `Failure showing gateway ${name}: the group has no gateway of this name; it has ${names}`;
    }
    answer.gateways = gateway === undefined ? [] : [gateway];
    return session.report('gateways_info', answer, () => gatewayText(gateway!, answer.leader));
  },
};

function gatewayText(gateway: GroupGateway, leader: string | undefined): string {
  const sinceMs = systemClock.wallMs() - Number(gateway.since_ms);
  const lines: [string, string | number][] = [
    ['Name', gateway.name],
    ['State', `${stateText(gateway)} for ${spanText(sinceMs)}`],
    ['Leads the group', gateway.name === leader ? 'yes' : 'no'],
    ['Home ANA group', gateway.slot + 1],
    ['Serves ANA groups', gateway.ana_groups.join(', ') || 'none'],
    ['Location', gateway.location || 'none'],
    ['Management address', addressText(gateway)],
    ['Incarnation', gateway.incarnation || 'none'],
    ['Last beacon', beaconText(gateway)],
    ['Load', `${gateway.load.toFixed(0)} commands/s`],
    ['Hosts', gateway.hosts.length === 0 ? 'none' : gateway.hosts.join('\n       ')],
  ];
  return lines.map(([name, value]) => `${name}: ${value}`).join('\n');
}

/** Verbs that name a gateway and do one thing to it. */
function change(name: string, done: string, describe: string, options: Verb['options'] = {}): Verb {
  return {
    name,
    describe,
    options: { 'gateway-name': NAME, ...options },
    examples: [
      [
        `gw ${name} -i gw-a${'location' in options && name === 'set-location' ? ' --location rack-1' : ''}`,
        '',
      ],
    ],
    run: async (args, session) => {
      const gateway = args.text('gateway-name');
      const location = 'location' in options ? args.optionalText('location') : undefined;
      const request = {
        gateway,
        action: name,
        force: 'force' in options && args.flag('force'),
        ...(location !== undefined && { location }),
      };
      return session.change('change_gateway', request, {
        dryRun: args.flag('dry-run'),
        failure: `Failure: ${name} of gateway ${gateway}`,
        success: `${done} gateway ${gateway}`,
      });
    },
  };
}

const okToStop: Verb = {
  name: 'ok-to-stop',
  describe: 'Ask whether gateways may be stopped together without any host losing a disk',
  options: { 'gateway-name': { ...NAME, array: true, describe: 'Names of the gateways' } },
  examples: [
    ['gw ok-to-stop -i gw-a', ''],
    ['gw ok-to-stop -i gw-a gw-b', 'both at once'],
  ],
  run: async (args, session) => {
    const gateways = [...args.list('gateway-name')];
    const failure = `Failure asking whether ${gateways.join(', ')} may be stopped`;
    const answer = await session.call('ok_to_stop', { gateways }, failure);
    if (answer.status === 0 && !answer.ok) {
      answer.status = EBUSY;
      answer.error_message = `Stopping ${gateways.join(', ')} now would hurt: ${answer.reasons.join('; ')}`;
    }
    return session.report('ok_to_stop_info', answer, () => `${gateways.join(', ')} may be stopped`);
  },
};

export const groupVerbs: readonly Verb[] = [
  list,
  show,
  change('create', 'Creating', 'Give a gateway its place in the group before it runs for the first time', {
    location: LOCATION,
  }),
  change(
    'delete',
    'Deleting',
    'Take a gateway out of the group for good; the next new one inherits its ANA group',
    { 'dry-run': DRY_RUN },
  ),
  change('enable', 'Enabling', 'Let a gateway serve again'),
  change('disable', 'Disabling', 'Let a gateway serve nothing, also after a restart', { 'dry-run': DRY_RUN }),
  change('drain', 'Draining', 'Hand over everything that a gateway serves, and wait until that is done', {
    force: FORCE,
    'dry-run': DRY_RUN,
  }),
  change('undrain', 'Undraining', 'Let a drained gateway serve again; its home ANA group comes back'),
  change('set-location', 'Setting location of', 'Say where a gateway stands', {
    location: { ...LOCATION, demandOption: true },
  }),
  okToStop,
];
