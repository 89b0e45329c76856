/** `anagate namespace list` and its like. */
import type { Options } from 'yargs';
import type { NamespaceCli } from '../../control/gateway-types.ts';
import type { Verb } from '../command.ts';
import { formatSize } from '../size.ts';
import { qosText } from './qos.ts';
import { MAX_NSID, NSID, SUBSYSTEM } from './shared-options.ts';

const NQN = 'nqn.2026-11.io.anagate:shop';

const FILTERS: Readonly<Record<string, Options>> = {
  subsystem: { ...SUBSYSTEM, describe: 'NQN of the subsystem (default: all of them)' },
  nsid: { ...NSID, describe: 'Only the one with this namespace ID' },
  uuid: { alias: 'u', type: 'string', requiresArg: true, describe: 'Only the one with this UUID' },
};

interface Columns {
  /** The NSID comes before them. */
  headers: string[];
  /** One row or more for each namespace. */
  rows(namespace: NamespaceCli): (string | number)[][];
}

function listing({ headers, rows: rowsOf }: Columns): Verb['run'] {
  return async (args, session) => {
    const nqn = args.optionalText('subsystem');
    const nsid = args.optionalInteger('nsid', 1, MAX_NSID);
    const uuid = args.optionalText('uuid');
    const place = nqn === undefined ? 'all subsystems' : `subsystem ${nqn}`;
    const request = { subsystem: nqn ?? '*', nsid, uuid };
    const answer = await session.call('list_namespaces', request, `Failure listing namespaces of ${place}`);
    return session.report('namespaces_info', answer, () => {
      const selection = `${nsid ? ` ${nsid}` : ''}${uuid ? ` with UUID ${uuid}` : ''}`;
      const subject = selection === '' ? 'amespaces' : `amespace${selection}`;
      if (answer.namespaces.length === 0) return `No n${subject} in ${place}`;
      const subsystem = (name: string) => (nqn === undefined ? [name] : []);
      const rows = answer.namespaces.flatMap((n) =>
        rowsOf(n).map((cells) => [...subsystem(n.ns_subsystem_nqn ?? ''), n.nsid, ...cells]),
      );
      const table = session.output.table([...subsystem('Subsystem'), 'NSID', ...headers], rows);
      return `N${subject} in ${place}:\n${table}`;
    });
  };
}

export const list: Verb = {
  name: 'list',
  describe: 'List namespaces',
  options: FILTERS,
  examples: [
    ['namespace list', 'of all subsystems'],
    [`ns list -n ${NQN} --nsid 1 --format yaml`, ''],
  ],
  run: listing({
    headers: [
      'Backend',
      'Storage',
      'Size',
      'Block Size',
      'UUID',
      'Load Balancing Group',
      'Access',
      'Visibility',
      'Limits',
    ],
    rows: (namespace) => [
      [
        namespace.backend ?? 'rbd',
        storageText(namespace),
        formatSize(Number(namespace.rbd_image_size)),
        formatSize(namespace.block_size),
        namespace.uuid,
        namespace.load_balancing_group,
        namespace.read_only ? 'read only' : 'read write',
        namespace.auto_visible ? 'all hosts' : 'selected hosts',
        qosText(namespace),
      ],
    ],
  }),
};

export const listHosts: Verb = {
  name: 'list_hosts',
  describe: 'List namespaces with the hosts that see them',
  options: FILTERS,
  examples: [[`namespace list_hosts -n ${NQN}`, '']],
  run: listing({
    headers: ['UUID', 'Hosts'],
    rows: ({ uuid, auto_visible: all, hosts }) =>
      (all ? ['all hosts'] : hosts.length > 0 ? hosts : ['none']).map((host) => [uuid, host]),
  }),
};

export const listLocations: Verb = {
  name: 'list_locations',
  describe: 'List namespaces with their locations',
  options: FILTERS,
  examples: [[`namespace list_locations -n ${NQN}`, '']],
  run: listing({
    headers: ['UUID', 'Location', 'Load Balancing Group'],
    rows: (n) => [[n.uuid, n.location || 'anywhere', n.load_balancing_group]],
  }),
};

function storageText(namespace: NamespaceCli): string {
  const { backend, path, rbd_pool_name: pool, rbd_image_name: image } = namespace;
  if (backend === 'memory') return '-';
  if (backend === 'file') return path ?? '';
  const within = namespace.rados_namespace_name ? `${namespace.rados_namespace_name}/` : '';
  return `${pool}/${within}${image}${namespace.image_was_shrunk ? ' (was shrunk)' : ''}`;
}
