/** `anagate status`: the group at a glance, and what is wrong with it. */
import { CallFailure } from '../client.ts';
import type { Verb } from '../command.ts';
import type { Output } from '../output.ts';
import { formatSize } from '../size.ts';
import { diagnose, type Finding, pathsOf } from '../status/diagnosis.ts';
import { type Facts, type GatewayFacts, gatherFacts } from '../status/facts.ts';

const WRONG = 1;

export const status: Verb = {
  name: 'status',
  describe: 'Show the group at a glance, what is wrong, why, and what to do',
  options: {},
  examples: [
    ['status', 'exit status 0: nothing is wrong; 1: something is'],
    ['status --format json', 'for a program'],
  ],
  run: async (_args, session) => {
    const { output } = session;
    let facts: Facts;
    try {
      facts = await gatherFacts(session);
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      const message = `Failure getting the status: ${error.message}`;
      if (output.isDocument) output.tree({ status: error.errno, error_message: message });
      else output.error(message);
      return error.errno;
    }
    const findings = diagnose(facts);
    if (output.isDocument) output.tree(documentOf(facts, findings));
    else say(facts, findings, output);
    return findings.length === 0 ? 0 : WRONG;
  },
};

/** Fields are added, and never renamed. */
function documentOf(facts: Facts, findings: readonly Finding[]): object {
  return {
    status: 0,
    error_message: 'Success',
    healthy: findings.length === 0,
    group: facts.group,
    epoch: facts.map?.epoch ?? null,
    leader: facts.map?.leader ?? null,
    gateways: facts.gateways.map((gateway) => ({
      name: gateway.name,
      state: stateOf(gateway),
      answers: gateway.answers !== null,
      version: gateway.answers?.info.anagate_version ?? null,
      ana_groups: servedBy(gateway, facts),
      hosts: hostsAt(gateway).length,
    })),
    ana_groups: (facts.map?.groups ?? []).map(({ id, owner = null, home = null, state }) => ({
      id,
      owner,
      home,
      state,
      namespaces: namespacesIn(id, facts),
    })),
    subsystems: facts.subsystems.map(({ nqn, listeners, hosts, allowAnyHost, namespaces }) => ({
      nqn,
      listeners: listeners.length,
      hosts: hosts.length,
      allow_any_host: allowAnyHost,
      namespaces: namespaces.length,
    })),
    paths: pathsOf(facts),
    findings,
  };
}

function say(facts: Facts, findings: readonly Finding[], output: Output): void {
  const { map, gateways, subsystems } = facts;
  const group = map === null ? 'A gateway alone' : `Group "${facts.group}", map epoch ${map.epoch}`;
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const health =
    findings.length === 0 ? 'HEALTHY' : `${errors > 0 ? 'ERROR' : 'WARNING'}, ${findings.length} found`;
  output.info(`${group}: ${health}`);
  const section = (title: string, headers: string[], rows: (string | number)[][]) => {
    output.info(rows.length === 0 ? `\n${title}: none` : `\n${title}:\n${output.table(headers, rows)}`);
  };
  section(
    'Gateways',
    ['Gateway', 'State', 'Serves ANA Groups', 'Hosts', 'Version'],
    gateways.map((gateway) => [
      gateway.name === map?.leader ? `${gateway.name} (leader)` : gateway.name,
      stateOf(gateway),
      map === null ? 'all' : servedBy(gateway, facts).join(', ') || '-',
      hostsAt(gateway).length,
      gateway.answers?.info.anagate_version ?? '-',
    ]),
  );
  if (map !== null) {
    section(
      'ANA groups',
      ['ANA Group', 'Owner', 'State', 'Home', 'Namespaces'],
      map.groups.map(({ id, owner = '-', state, home = '-' }) => [
        id,
        owner,
        state,
        home,
        namespacesIn(id, facts),
      ]),
    );
  }
  section(
    'Subsystems',
    ['Subsystem', 'Listeners', 'Hosts', 'Namespaces', 'Size'],
    subsystems.map(({ nqn, listeners, hosts, allowAnyHost, namespaces }) => {
      const bytes = namespaces.reduce((sum, one) => sum + Number(one.rbd_image_size), 0);
      const who = allowAnyHost ? 'any' : hosts.length;
      return [nqn, listeners.length, String(who), namespaces.length, bytes === 0 ? '-' : formatSize(bytes)];
    }),
  );
  section(
    'Hosts that are connected',
    ['Host', 'Subsystem', 'Paths', 'Gateways'],
    pathsOf(facts).map(({ host, subsystem, gateways: names }) => [
      host,
      subsystem,
      names.length,
      names.join(', '),
    ]),
  );
  if (findings.length === 0) return;
  output.info('');
  findings.forEach(({ severity, subject, what, why, remedy }, i) => {
    output.info(`${i + 1}. ${severity.toUpperCase()}: ${subject} ${what}\n   Why: ${why}\n   Do:  ${remedy}`);
  });
}

function stateOf({ row, answers }: GatewayFacts): string {
  if (row === null) return answers === null ? 'silent' : 'AVAILABLE';
  const marks = [
    ...(row.enabled ? [] : ['disabled']),
    ...(row.drain === 'no' ? [] : ['drained']),
    ...(answers === null && row.availability === 'AVAILABLE' ? ['does not answer'] : []),
  ];
  return [row.availability, ...marks].join(', ');
}

function servedBy({ name }: GatewayFacts, { map }: Facts): number[] {
  return (map?.groups ?? [])
    .filter(({ owner, state }) => owner === name && state === 'ACTIVE')
    .map(({ id }) => id);
}

function hostsAt({ answers }: GatewayFacts): string[] {
  return [...new Set((answers?.connections ?? []).map(({ nqn }) => nqn))];
}

function namespacesIn(id: number, { subsystems }: Facts): number {
  return subsystems.reduce(
    (sum, { namespaces }) => sum + namespaces.filter((one) => one.load_balancing_group === id).length,
    0,
  );
}
