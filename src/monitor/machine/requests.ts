/** What operators ask for. Requests stay in a gateway's beacon until the map has their answer. */
import { LIMITS } from '../../limits.ts';
import {
  type AdminAnswer,
  type AnaGroupEntry,
  type GatewayEntry,
  MAX_ANSWERS,
  MOVED_BY_OPERATOR,
} from '../group-map.ts';
import type { AdminCommand, AdminRequest } from '../machine.ts';
import { covers, homeOf, missingHosts, obstacle } from '../placement.ts';
import type { Draft } from './draft.ts';
import { addGateway, deleteGateway, setAvailability } from './members.ts';
import { beginMove } from './moves.ts';

/** null: done. 'later': not decided yet. Else why it is refused. */
type Outcome = null | 'later' | { readonly refusal: string };

const DONE = null;
const NAMED_HOSTS = 5;

export function answerRequests(draft: Draft): void {
  const requests = [...[...draft.seen.values()].flatMap((beacon) => beacon.requests), ...draft.petitions];
  for (const request of requests) {
    if (draft.answers.some(({ id }) => id === request.id)) continue;
    const answers = withRoom(draft.answers, requests);
    if (answers === null) return;
    const outcome = carryOut(draft, request);
    if (outcome === 'later') continue;
    draft.answers = [...answers, { id: request.id, refusal: outcome?.refusal ?? null }];
  }
}

/** Answers that somebody still waits for stay, or their requests would be carried out again. */
function withRoom(
  answers: readonly AdminAnswer[],
  requests: readonly AdminRequest[],
): readonly AdminAnswer[] | null {
  if (answers.length < MAX_ANSWERS) return answers;
  const asked = new Set(requests.map(({ id }) => id));
  const oldest = answers.findIndex(({ id }) => !asked.has(id));
  return oldest < 0 ? null : answers.toSpliced(oldest, 1);
}

function carryOut(draft: Draft, { id, command }: AdminRequest): Outcome {
  if (command.kind === 'create') return create(draft, command);
  const gateway = draft.gateway(command.gateway);
  if (gateway === undefined) {
    return refuse(
      `There is no gateway "${command.gateway}" in this group; gw list shows those that there are`,
    );
  }
  if (command.kind === 'delete') {
    deleteGateway(draft, gateway);
    return DONE;
  }
  if (gateway.availability === 'DELETING') {
    return refuse(`Gateway "${gateway.name}" is being deleted; gw create takes it back into the group`);
  }
  if (command.kind === 'move') return move(draft, id, command, gateway);
  return change(draft, gateway, settingOf(command));
}

function settingOf(
  command: Exclude<AdminCommand, { kind: 'create' | 'delete' | 'move' }>,
): Partial<Pick<GatewayEntry, 'enabled' | 'drain' | 'location'>> {
  switch (command.kind) {
    case 'enable':
      return { enabled: true };
    case 'disable':
      return { enabled: false };
    case 'drain':
      return { drain: command.force ? 'force' : 'yes' };
    case 'undrain':
      return { drain: 'no' };
    case 'set-location':
      return { location: command.location };
  }
}

function change(
  draft: Draft,
  gateway: GatewayEntry,
  setting: Partial<Pick<GatewayEntry, 'enabled' | 'drain' | 'location'>>,
): Outcome {
  const after = { ...gateway, ...setting };
  const differs = (['enabled', 'drain', 'location'] as const).some((key) => after[key] !== gateway[key]);
  if (differs) draft.putGateway(after);
  return DONE;
}

function create(draft: Draft, { gateway: name, location }: AdminCommand & { kind: 'create' }): Outcome {
  if (name === '') return refuse('A gateway needs a name');
  const entry = draft.gateway(name);
  if (entry !== undefined) {
    if (entry.availability === 'DELETING') setAvailability(draft, name, 'CREATED');
    return location === undefined ? DONE : change(draft, draft.gateway(name)!, { location });
  }
  if (addGateway(draft, name, location ?? '')) return DONE;
  return refuse(
    `Gateway "${name}" was not created: the group has ${LIMITS.maxSlots} gateways, as many as there can be; delete one first`,
  );
}

function move(
  draft: Draft,
  request: string,
  { group: id, force }: AdminCommand & { kind: 'move' },
  target: GatewayEntry,
): Outcome {
  const group = draft.group(id);
  if (group === undefined)
    return refuse(`There is no ANA group ${id}; group show lists those that there are`);
  const { owner, next } = group;
  if ((next ?? owner?.gateway) === target.name) return DONE;
  const refusal = whyNotMoved(draft, group, target);
  if (refusal !== null) return refuse(`ANA group ${id} was not moved to ${target.name}: ${refusal}`);
  const beacon = draft.beaconOf(owner!);
  if (beacon === undefined) return 'later';
  const missing = force ? [] : missingHosts(beacon.hosts, target.name, draft.seen);
  if (missing.length > 0) {
    if (draft.waiting(`request ${request}`) < draft.times.hostsWait) return 'later';
    return refuse(
      `ANA group ${id} was not moved to ${target.name}: not connected there ${listed(missing)}; connect them, or use --force`,
    );
  }
  const stays = homeOf(draft.gateways, id)?.name !== target.name;
  beginMove(draft, group, target.name, MOVED_BY_OPERATOR, stays);
  return DONE;
}

/** As far as waiting does not help. */
function whyNotMoved(draft: Draft, group: AnaGroupEntry, target: GatewayEntry): string | null {
  const { id, owner, next } = group;
  if (owner === null) return 'it has no owner now; it goes to the first gateway that can serve it';
  if (next !== null) return `it is being handed over to ${next}; wait until that is done`;
  const hindrance = obstacle(target, draft.seen);
  if (hindrance !== null) return `${target.name} ${hindrance}`;
  if (!covers(target.name, id, draft.seen) && covers(owner.gateway, id, draft.seen)) {
    return `a subsystem with namespaces in it has no listener on ${target.name}; add one first`;
  }
  return null;
}

function listed(hosts: readonly string[]): string {
  const named = hosts.slice(0, NAMED_HOSTS).join(', ');
  const more = hosts.length - NAMED_HOSTS;
  return `${hosts.length === 1 ? 'is host' : 'are hosts'} ${named}${more > 0 ? ` and ${more} more` : ''}`;
}

function refuse(refusal: string): Outcome {
  return { refusal };
}
