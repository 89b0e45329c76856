/** What changes of the group of gateways would do, from what its map says: one sentence per effect. Pure. */
import { AnagateError } from '../base/errors.ts';
import type { GatewayRow, GroupQuestions } from '../monitor/admin.ts';

/** Of drain, disable and delete; what does no harm has nothing to say. Throws GATEWAY_NOT_FOUND. */
export function rehearseChange(admin: GroupQuestions, action: string, name: string): string[] {
  const gateway = findGateway(admin, name);
  if (!['drain', 'disable', 'delete'].includes(action)) return [];
  const others = admin.gateways().filter((row) => row.name !== name && isReady(row));
  const takers = others.map((row) => row.name).join(' or ');
  const groups = gateway.groups.map((id) =>
    takers === ''
      ? `ANA group ${id} would be served by nobody, and I/O to it would wait: no other gateway is ready`
      : `ANA group ${id} would be handed over to ${takers}`,
  );
  const hosts = gateway.hosts.map((host) => {
    const left = others.filter((row) => row.hosts.includes(host)).map((row) => row.name);
    return left.length === 0
      ? `host ${host} has no path to another gateway`
      : `host ${host} would use its ${left.length === 1 ? 'path' : 'paths'} to ${left.join(', ')}`;
  });
  const why = admin.okToStop([name]).map((reason) => `careful: ${reason}`);
  const last =
    action === 'delete'
      ? [
          `${name} would leave the group for good; its home ANA group ${gateway.slot + 1} would go to the next new gateway`,
        ]
      : [];
  return [...groups, ...hosts, ...why, ...last];
}

/** Throws INVALID_ARGUMENT for what would be refused. */
export function rehearseMove(admin: GroupQuestions, id: number, name: string): string[] {
  const target = findGateway(admin, name);
  const group = admin.groups().find((row) => row.id === id);
  if (group === undefined)
    throw new AnagateError(
      'ANA_GROUP_NOT_FOUND',
      `there is no ANA group ${id}; group show lists those that there are`,
    );
  if (group.owner === null)
    throw invalid(`ANA group ${id} has no owner now; it goes to the first gateway that can serve it`);
  if (group.owner === name) return [];
  if (!isReady(target)) throw invalid(`${name} cannot take ANA group ${id}: it is ${stateOf(target)}`);
  const owner = findGateway(admin, group.owner);
  const missing = owner.hosts.filter((host) => !target.hosts.includes(host));
  return [
    `ANA group ${id} would be handed over from ${group.owner} to ${name}`,
    ...missing.map(
      (host) =>
        `host ${host} has no path to ${name}: the move would wait for it, or with force be done without it`,
    ),
    ...(group.home !== null && group.home !== name
      ? [`it would stay at ${name} although its home is ${group.home}`]
      : []),
  ];
}

/** The gateway of that name. Throws GATEWAY_NOT_FOUND. */
export function findGateway(admin: GroupQuestions, name: string): GatewayRow {
  const row = admin.gateways().find((one) => one.name === name);
  if (row !== undefined) return row;
  throw new AnagateError(
    'GATEWAY_NOT_FOUND',
    `there is no gateway "${name}" in this group; gw list shows those that there are`,
  );
}

function isReady({ availability, enabled, drain }: GatewayRow): boolean {
  return availability === 'AVAILABLE' && enabled && drain === 'no';
}

function stateOf({ availability, enabled, drain }: GatewayRow): string {
  if (availability !== 'AVAILABLE') return availability;
  if (!enabled) return 'disabled';
  return drain === 'no' ? 'ready' : 'drained';
}

function invalid(what: string): AnagateError {
  return new AnagateError('INVALID_ARGUMENT', what);
}
