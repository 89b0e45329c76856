/** `anagate connection ...` */
import type { Connection } from '../../control/gateway-types.ts';
import type { Noun, Verb } from '../command.ts';
import { getIoStatistics, resetIoStatistics } from './io-statistics.ts';
import { joinPort } from './listener.ts';
import { SUBSYSTEM } from './shared-options.ts';

const NONE = '<n/a>';

const list: Verb = {
  name: 'list',
  describe: 'List the hosts that are connected to this gateway, and those that may be but are not',
  options: { subsystem: { ...SUBSYSTEM, describe: 'NQN of the subsystem (default: all of them)' } },
  examples: [
    ['connection list', ''],
    ['connection list -n nqn.2026-11.io.anagate:shop --format json', ''],
  ],
  run: async (args, session) => {
    const nqn = args.optionalText('subsystem');
    const scope = nqn ?? 'all subsystems';
    const failure = `Failure listing connections of ${scope}`;
    const answer = await session.call('list_connections', { subsystem: nqn ?? '*' }, failure);
    return session.report('connections_info', answer, () => {
      if (answer.connections.length === 0) return `No connections for ${scope}`;
      const rows = answer.connections.map((c) => [
        ...(nqn === undefined ? [c.subsystem ?? ''] : []),
        c.nqn,
        ...connectionCells(c),
      ]);
      const headers = ['Host NQN', 'Address', 'Connected', 'Queues', 'Controller ID'];
      if (nqn === undefined) headers.unshift('Subsystem');
      return `Connections for ${scope}:\n${session.output.table(headers, rows)}`;
    });
  },
};

function connectionCells(connection: Connection): (string | number)[] {
  if (connection.connected) {
    const address = joinPort(connection.traddr, connection.trsvcid);
    return [address, 'Yes', connection.qpairs_count, connection.controller_id];
  }
  const lost = connection.disconnected_due_to_keepalive_timeout ? 'No (keep-alive timeout)' : 'No';
  return [NONE, lost, NONE, NONE];
}

export const connection: Noun = {
  name: 'connection',
  aliases: [],
  describe: 'Connections of hosts',
  verbs: [list, getIoStatistics, resetIoStatistics],
};
