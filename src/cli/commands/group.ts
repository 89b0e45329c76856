/** `anagate group ...` and `anagate events`: who owns which ANA group, and how that came about. */
import { systemClock } from '../../base/clock.ts';
import type { AnaGroupInfo, OwnershipChange } from '../../control/gateway-types.ts';
import type { Noun, Verb } from '../command.ts';
import { spanText, staleText, timeText } from './group-times.ts';
import { DRY_RUN, MAX_GROUP } from './shared-options.ts';

const show: Verb = {
  name: 'show',
  describe: 'Show who owns each ANA group, since when, why, and what is waited for',
  options: {},
  examples: [['group show', '']],
  run: async (_args, session) => {
    const answer = await session.call('list_ana_groups', {}, 'Failure listing the ANA groups');
    return session.report('ana_groups_info', answer, () => {
      if (answer.ana_groups.length === 0)
        return `There are no ANA groups yet: no gateway has joined${staleText(answer.stale_ms)}`;
      const headers = ['ANA Group', 'Owner', 'State', 'Home', 'Since', 'Why', 'Waits for'];
      return `ANA groups (map epoch ${answer.epoch}):\n${session.output.table(headers, answer.ana_groups.map(groupRow))}${staleText(answer.stale_ms)}`;
    });
  },
};

function groupRow(group: AnaGroupInfo): (string | number)[] {
  const since = spanText(systemClock.wallMs() - Number(group.since_ms));
  const { id, owner = '-', home = '-', state, why, awaited = '-' } = group;
  return [id, owner, state, home, since, why, awaited];
}

const move: Verb = {
  name: 'move',
  describe: 'Hand an ANA group over to another gateway; it stays there until that one cannot serve it',
  options: {
    'load-balancing-group': {
      alias: 'l',
      type: 'string',
      demandOption: true,
      requiresArg: true,
      describe: 'ANA group',
    },
    'gateway-name': {
      alias: 'i',
      type: 'string',
      demandOption: true,
      requiresArg: true,
      describe: 'Name of the gateway that is to own it',
    },
    force: { type: 'boolean', describe: 'Do not wait for hosts that have no path to that gateway' },
    'dry-run': DRY_RUN,
  },
  examples: [['group move -l 1 -i gw-b', '']],
  run: async (args, session) => {
    const group = args.integer('load-balancing-group', 1, MAX_GROUP);
    const gateway = args.text('gateway-name');
    const request = { ana_group: group, gateway, force: args.flag('force') };
    const failure = `Failure moving ANA group ${group} to ${gateway}`;
    const success = `Moving ANA group ${group} to ${gateway}`;
    return session.change('move_ana_group', request, { dryRun: args.flag('dry-run'), failure, success });
  },
};

const rebalance: Verb = {
  name: 'rebalance',
  describe:
    'Spread the namespaces evenly over the ANA groups, a few at a time; hosts see paths change and no error',
  options: {
    'dry-run': { type: 'boolean', describe: 'Say what would be moved, or is still to be, and move nothing' },
  },
  examples: [
    ['group rebalance --dry-run', ''],
    ['group rebalance', ''],
  ],
  run: async (args, session) => {
    const dryRun = args.flag('dry-run');
    const answer = await session.call('rebalance', { dry_run: dryRun }, 'Failure rebalancing namespaces');
    return session.report('rebalance_info', answer, () => {
      const { moves, done, running } = answer;
      if (moves.length === 0) return 'Namespaces are balanced over the ANA groups';
      const rows = moves.map((move) => [move.subsystem_nqn, move.nsid, move.from, move.to]);
      const table = session.output.table(['Subsystem', 'NSID', 'From Group', 'To Group'], rows);
      const state = dryRun && !running ? 'would be moved' : `to be moved, ${done} done`;
      return `${moves.length} namespaces ${state}:\n${table}`;
    });
  },
};

export const group: Noun = {
  name: 'group',
  aliases: [],
  describe: 'ANA groups: who owns which',
  verbs: [show, move, rebalance],
};

export const events: Verb = {
  name: 'events',
  describe: 'Show the last changes of ownership with their timeline',
  options: {},
  examples: [['events', '']],
  run: async (_args, session) => {
    const answer = await session.call(
      'list_ownership_changes',
      {},
      'Failure listing the changes of ownership',
    );
    return session.report('ownership_changes_info', answer, () => {
      if (answer.changes.length === 0) return 'No ANA group has changed its owner yet';
      const headers = ['Time', 'Epoch', 'ANA Group', 'From', 'To', 'Why', 'Timeline'];
      return session.output.table(headers, answer.changes.map(changeRow)) + staleText(answer.stale_ms);
    });
  },
};

function changeRow(change: OwnershipChange): (string | number)[] {
  const { epoch, ana_group: id, from = '-', to = '-', why, marks } = change;
  const sorted = marks.map(({ name, at_ms }) => ({ name, at: Number(at_ms) })).sort((a, b) => a.at - b.at);
  const [first] = sorted;
  const timeline = sorted.slice(1).map(({ name, at }) => `${name} +${at - first!.at} ms`);
  return [
    first === undefined ? '-' : timeText(first.at),
    Number(epoch),
    id,
    from,
    to,
    why,
    timeline.join(', ') || '-',
  ];
}
