/** The RPCs about the group of gateways: who is in it, who owns which ANA group, and what operators change of that. */
import { AnagateError } from '../base/errors.ts';
import { requireGatewayName } from '../base/gateway-name.ts';
import type { GatewayApi } from '../gateway/gateway-api.ts';
import type { GatewayRow, GroupQuestions, GroupRow, MonitorAdmin } from '../monitor/admin.ts';
import type { OwnershipChange } from '../monitor/group-map.ts';
import type { AdminCommand } from '../monitor/machine.ts';
import { answer, answerDoneOrPlanned, type RpcHandlers } from './answer.ts';
import type {
  AnaGroupInfo,
  ChangeGatewayReq,
  GroupGateway,
  NamespaceMove,
  OwnershipChange as OwnershipChangeMessage,
} from './gateway-types.ts';
import { findGateway, rehearseChange, rehearseMove } from './group-rehearsal.ts';

type GroupRpc =
  | 'list_gateways'
  | 'list_ana_groups'
  | 'list_ownership_changes'
  | 'change_gateway'
  | 'move_ana_group'
  | 'ok_to_stop'
  | 'rebalance';

/** `admin` is null where no monitor of a group decides; `questions` where nobody knows who owns what either. */
export function groupRpcs(
  gateway: GatewayApi,
  admin: MonitorAdmin | null,
  questions: GroupQuestions | null = admin,
): RpcHandlers<GroupRpc> {
  return {
    list_gateways: () =>
      answer(
        'Failure listing the gateways of the group',
        { epoch: 0, gateways: [] as GroupGateway[] },
        () => {
          const monitor = required(questions);
          const leader = monitor.leader()?.gateway;
          return {
            epoch: monitor.epoch,
            gateways: monitor.gateways().map(toGateway),
            ...(leader !== undefined && { leader }),
            ...ageOf(monitor),
          };
        },
      ),
    list_ana_groups: () =>
      answer('Failure listing the ANA groups', { epoch: 0, ana_groups: [] as AnaGroupInfo[] }, () => {
        const monitor = required(questions);
        return { epoch: monitor.epoch, ana_groups: monitor.groups().map(toGroup), ...ageOf(monitor) };
      }),
    list_ownership_changes: () =>
      answer('Failure listing the changes of ownership', { changes: [] as OwnershipChangeMessage[] }, () => {
        const monitor = required(questions);
        return { changes: monitor.events().map(toChange), ...ageOf(monitor) };
      }),
    change_gateway: (request) =>
      answerDoneOrPlanned(
        failureOf(request),
        request.dry_run,
        () => {
          if (request.action !== 'drain') toCommand(request); // refuses what there is not
          return rehearseChange(required(admin), request.action, request.gateway);
        },
        () => {
          const { action, gateway, force } = request;
          if (action === 'drain') return required(admin).drain(requireName(gateway), force);
          return required(admin).request(toCommand(request));
        },
      ),
    move_ana_group: ({ ana_group: group, gateway, force, dry_run: dryRun }) =>
      answerDoneOrPlanned(
        `Failure moving ANA group ${group} to ${gateway}`,
        dryRun,
        () => rehearseMove(required(admin), group, requireName(gateway)),
        () => required(admin).request({ kind: 'move', group, gateway: requireName(gateway), force }),
      ),
    ok_to_stop: ({ gateways }) =>
      answer('Failure asking whether gateways may be stopped', { ok: false, reasons: [] as string[] }, () => {
        const names = gateways.map(requireName);
        if (names.length === 0) throw new AnagateError('INVALID_ARGUMENT', 'no gateway is named');
        const monitor = required(questions);
        for (const name of names) findGateway(monitor, name);
        const reasons = [...monitor.okToStop(names)];
        return { ok: reasons.length === 0, reasons };
      }),
    rebalance: ({ dry_run: dryRun }) => {
      const nothing = { moves: [] as NamespaceMove[], done: 0, running: false };
      return answer('Failure rebalancing namespaces', nothing, () => {
        const { moves, done, running } = gateway.rebalance(dryRun);
        const messages = moves.map(({ nqn, nsid, anaGroupId, to }) => ({
          subsystem_nqn: nqn,
          nsid,
          from: anaGroupId,
          to,
        }));
        return { moves: messages, done, running };
      });
    },
  };
}

function required<T extends GroupQuestions>(admin: T | null): T {
  if (admin !== null) return admin;
  throw new AnagateError(
    'NOT_SUPPORTED',
    'there is nobody to hand over to: this gateway is not in a group that decides together, as it has no [ceph] pool, or ' +
      '[monitor] owners of its configuration file says who owns which ANA group',
  );
}

/** Old news is told as such. */
function ageOf({ staleMs }: GroupQuestions): { stale_ms?: number } {
  return staleMs === null ? {} : { stale_ms: Math.round(staleMs) };
}

function requireName(name: string): string {
  if (name !== '') return name;
  throw new AnagateError('INVALID_ARGUMENT', 'a gateway has to be named');
}

function toCommand({ action, gateway, location }: ChangeGatewayReq): AdminCommand {
  const name = requireName(gateway);
  switch (action) {
    case 'create':
      requireGatewayName(name);
      return { kind: 'create', gateway: name, ...(location !== undefined && { location }) };
    case 'delete':
    case 'enable':
    case 'disable':
    case 'undrain':
      return { kind: action, gateway: name };
    case 'set-location':
      return { kind: 'set-location', gateway: name, location: location ?? '' };
    default:
      throw new AnagateError(
        'INVALID_ARGUMENT',
        `there is no action "${action}"; there are create, delete, enable, disable, drain, undrain and set-location`,
      );
  }
}

const DOING: Readonly<Record<string, string>> = {
  create: 'creating',
  delete: 'deleting',
  enable: 'enabling',
  disable: 'disabling',
  drain: 'draining',
  undrain: 'undraining',
};

function failureOf({ action, gateway }: ChangeGatewayReq): string {
  return `Failure ${DOING[action] ?? 'changing'} gateway ${gateway}`;
}

function toGateway(row: GatewayRow): GroupGateway {
  return {
    name: row.name,
    slot: row.slot,
    location: row.location,
    availability: row.availability,
    enabled: row.enabled,
    drain: row.drain,
    leader: row.leader,
    ana_groups: [...row.groups],
    hosts: [...row.hosts],
    load: row.load,
    ...(row.beaconAgeMs !== null && { beacon_age_ms: Math.round(row.beaconAgeMs) }),
    since_ms: Math.round(row.sinceMs),
    incarnation: row.incarnation ?? '',
    address: row.peerAddress,
    port: row.peerPort,
  };
}

function toGroup(row: GroupRow): AnaGroupInfo {
  return {
    id: row.id,
    ...(row.owner !== null && { owner: row.owner }),
    ...(row.home !== null && { home: row.home }),
    state: row.state,
    states: row.states.map(({ gateway, state }) => ({ gateway, state })),
    since_ms: Math.round(row.sinceMs),
    why: row.why,
    epoch: row.epoch,
    ...(row.awaited !== null && { awaited: row.awaited }),
  };
}

function toChange({ epoch, group, from, to, why, marks }: OwnershipChange): OwnershipChangeMessage {
  return {
    epoch,
    ana_group: group,
    ...(from !== null && { from }),
    ...(to !== null && { to }),
    why,
    marks: Object.entries(marks).map(([name, at]) => ({ name, at_ms: Math.round(at) })),
  };
}
