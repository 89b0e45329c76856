/** What `anagate status` knows of a group: what each of its gateways answers. */
import {
  gatewayService,
  type RpcAnswer,
  type RpcName,
  type RpcRequest,
} from '../../control/gateway-proto.ts';
import type {
  AmbiguousAddress,
  AnaGroupInfo,
  Connection,
  GatewayInfo,
  GroupGateway,
  ListenerInfo,
  NamespaceCli,
  Sent,
  Subsystem,
} from '../../control/gateway-types.ts';
import { CallFailure } from '../client.ts';
import type { Session } from '../session.ts';

/** One gateway. */
export interface GatewayFacts {
  name: string;
  /** As the map has it; null: it is alone. */
  row: GroupGateway | null;
  /** Null when it does not answer. */
  answers: GatewayAnswers | null;
  /** Why it does not; '' when it does. */
  silence: string;
}

/** What a gateway says of itself. */
export interface GatewayAnswers {
  info: GatewayInfo;
  /** Connected hosts only. */
  connections: Connection[];
  /** With the listeners that are active there. */
  subsystems: Subsystem[];
}

export interface SubsystemFacts {
  nqn: string;
  allowAnyHost: boolean;
  /** Host NQNs that may use it. */
  hosts: string[];
  /** Gateways listen on addresses of theirs that are within. */
  networks: string[];
  /** Those of all gateways. */
  listeners: ListenerInfo[];
  /** Addresses in its networks that are not listened on. */
  ambiguous: AmbiguousAddress[];
  namespaces: NamespaceCli[];
}

export interface Facts {
  /** Name of the group, '' is one too. */
  group: string;
  /** Null: one gateway that is alone, and serves everything. */
  map: { epoch: number; leader: string | null; groups: AnaGroupInfo[] } | null;
  gateways: GatewayFacts[];
  subsystems: SubsystemFacts[];
  /** Hosts that are allowed and were lost: "subsystem host". */
  lost: Set<string>;
}

/** How long another gateway of the group may take, ms. */
const PEER_LIMIT_MS = 3000;

/** Asks the gateway of `session`, and then those that its map names. @throws CallFailure when it does not answer */
export async function gatherFacts(session: Session): Promise<Facts> {
  const [info, rows, groups, listed, namespaces] = await Promise.all([
    session.ask('get_gateway_info', {}),
    session.ask('list_gateways', {}),
    session.ask('list_ana_groups', {}),
    ask(session, 'list_subsystems', {}),
    ask(session, 'list_namespaces', { subsystem: '*' }),
  ]);
  // Another status than 0: there is no group that decides together. A gateway that is alone is one without a map.
  const together = rows.status === 0 && groups.status === 0;
  const map =
    together && (Number(rows.epoch) > 0 || rows.gateways.length !== 1)
      ? { epoch: Number(rows.epoch), leader: rows.leader ?? null, groups: groups.ana_groups }
      : null;
  const own: GatewayFacts = { name: info.name, row: null, answers: await answersOf(session), silence: '' };
  const gateways =
    map === null ? [own] : await Promise.all(rows.gateways.map((row) => gatewayOf(row, own, session)));
  const subsystems = await Promise.all(
    listed.subsystems.map(async ({ nqn, allow_any_host: allowAnyHost = false, network_mask: networks }) => {
      const { listeners, ambiguous } = await ask(session, 'list_listeners', { subsystem: nqn });
      return {
        nqn,
        networks,
        allowAnyHost,
        hosts: (await ask(session, 'list_hosts', { subsystem: nqn })).hosts.map((host) => host.nqn),
        listeners,
        ambiguous,
        namespaces: namespaces.namespaces.filter((namespace) => namespace.ns_subsystem_nqn === nqn),
      };
    }),
  );
  return { group: info.group, map, gateways, subsystems, lost: await lostHosts(session) };
}

async function gatewayOf(row: GroupGateway, own: GatewayFacts, session: Session): Promise<GatewayFacts> {
  if (row.name === own.name) return { ...own, row };
  const facts: GatewayFacts = { name: row.name, row, answers: null, silence: '' };
  if (row.incarnation === '' || row.address === '') return { ...facts, silence: 'it has never run' };
  try {
    const peer = session.at({ host: row.address, port: row.port }, PEER_LIMIT_MS);
    const answers = await answersOf(peer);
    if (answers.info.name === row.name) return { ...facts, answers };
    return { ...facts, silence: `${row.address}:${row.port} is the gateway ${answers.info.name} now` };
  } catch (error) {
    if (!(error instanceof CallFailure)) throw error;
    return { ...facts, silence: error.message };
  }
}

async function answersOf(session: Session): Promise<GatewayAnswers> {
  const [info, { connections }, { subsystems }] = await Promise.all([
    session.ask('get_gateway_info', {}),
    ask(session, 'list_connections', { subsystem: '*' }),
    session.ask('get_subsystems', {}),
  ]);
  return { info, connections: connections.filter(({ connected }) => connected), subsystems };
}

async function lostHosts(session: Session): Promise<Set<string>> {
  const { connections } = await ask(session, 'list_connections', { subsystem: '*' });
  const lost = connections.filter((one) => one.disconnected_due_to_keepalive_timeout);
  return new Set(lost.map((one) => `${one.subsystem} ${one.nqn}`));
}

/** As {@link Session.ask}; a refusal is a failure here. */
async function ask<R extends RpcName>(
  session: Session,
  rpc: R,
  request: Sent<RpcRequest<R>>,
): Promise<RpcAnswer<R>> {
  const answer = await session.ask(rpc, request);
  const { status = 0, error_message: message = '' } = answer as { status?: number; error_message?: string };
  if (status !== 0) throw new CallFailure(status, `${gatewayService[rpc].path}: ${message}`, null);
  return answer;
}
