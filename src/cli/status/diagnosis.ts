/** What is wrong with a group of gateways, why, and what to do: from what its gateways say. Pure. */
import type { AnaGroupInfo, GroupGateway } from '../../control/gateway-types.ts';
import { MOVED_BY_OPERATOR } from '../../monitor/group-map.ts';
import { ambiguousText } from '../commands/listener.ts';
import type { Facts, GatewayAnswers, GatewayFacts, SubsystemFacts } from './facts.ts';

/** error: hosts lack a disk, or will at once; warning: they have one path less than they could. */
export type Severity = 'error' | 'warning';

export interface Finding {
  severity: Severity;
  /** What it is about: "gateway gw-a", "ANA group 2". */
  subject: string;
  what: string;
  why: string;
  /** What to do about it. */
  remedy: string;
}

/** The worst first. */
export function diagnose(facts: Facts): Finding[] {
  const findings = [
    ...facts.gateways.flatMap((gateway) => ofGateway(gateway)),
    ...(facts.map?.groups ?? []).flatMap((group) => ofAnaGroup(group, facts)),
    ...facts.gateways.flatMap(({ name, answers }) => ofTroubles(name, answers)),
    ...facts.subsystems.flatMap((subsystem) => [
      ...ofListeners(subsystem, facts),
      ...ofAddresses(subsystem),
      ...ofNamespaces(subsystem),
      ...ofHosts(subsystem, facts),
    ]),
  ];
  return [
    ...findings.filter((one) => one.severity === 'error'),
    ...findings.filter((one) => one.severity === 'warning'),
  ];
}

function ofGateway({ name, row, answers, silence }: GatewayFacts): Finding[] {
  const subject = `gateway ${name}`;
  const findings: Finding[] = [];
  const warn = (what: string, why: string, remedy: string) =>
    findings.push({ severity: 'warning', subject, what, why, remedy });
  if (isIdle(row)) {
    warn('serves nothing yet', 'it has no subsystem with a listener', 'add one: subsystem add, listener add');
  } else if (row !== null && row.availability !== 'AVAILABLE') {
    const why =
      row.availability === 'CREATED' ? 'it has a place in the group and has never run' : beaconText(row);
    warn(
      `is ${row.availability}`,
      why,
      `start it on its machine, or take it out of the group: gw delete -i ${name}`,
    );
  } else if (answers === null) {
    warn(
      'does not answer to management',
      silence,
      'look at its log, and at the network between here and there',
    );
  } else if (answers.info.gateway_initialization_over === false) {
    warn('has not finished its start', 'it is still opening what is configured', 'wait, and look at its log');
  }
  if (row?.enabled === false)
    warn('is disabled', 'an operator told it to serve nothing', `let it serve: gw enable -i ${name}`);
  if (row !== null && row.drain !== 'no')
    warn(
      'is drained',
      'an operator told it to hand over what it serves',
      `let it serve: gw undrain -i ${name}`,
    );
  return findings;
}

/** It runs, and no subsystem has had a listener there yet. */
function isIdle(row: GroupGateway | null): boolean {
  return row?.availability === 'CREATED' && row.incarnation !== '';
}

function beaconText({ beacon_age_ms: age }: GroupGateway): string {
  return age === undefined
    ? 'it sends no beacons'
    : `its last beacon came ${(Number(age) / 1000).toFixed(1)} s ago`;
}

function ofAnaGroup(group: AnaGroupInfo, { subsystems, gateways }: Facts): Finding[] {
  const { id, owner, home, state, why, awaited } = group;
  const subject = `ANA group ${id}`;
  const lost = subsystems.flatMap(({ namespaces }) =>
    namespaces.filter((one) => one.load_balancing_group === id),
  );
  const waits = [why, awaited === undefined ? '' : `it waits for ${awaited}`]
    .filter((text) => text !== '')
    .join('; ');
  const idle = gateways.some(({ row }) => isIdle(row));
  // Nothing is configured yet, as is said of the gateways.
  if (owner === undefined && lost.length === 0 && subsystems.length === 0) return [];
  if (owner === undefined || state !== 'ACTIVE') {
    const what = owner === undefined ? 'is served by nobody' : `is not served yet by ${owner} (${state})`;
    return [
      {
        severity: lost.length === 0 ? 'warning' : 'error',
        subject,
        what: `${what}; ${count(lost.length, 'namespace is', 'namespaces are')} not served`,
        why: waits,
        remedy:
          owner === undefined
            ? idle
              ? 'give a subsystem a listener at a gateway: listener add'
              : `start ${home ?? 'a gateway'}, or another gateway of the group`
            : 'wait some seconds; events shows how it goes',
      },
    ];
  }
  if (home === undefined || home === owner) return [];
  return [
    {
      severity: 'warning',
      subject,
      what: `is served by ${owner} instead of its home ${home}`,
      why: waits,
      remedy:
        why === MOVED_BY_OPERATOR
          ? `it stays there; to move it back: group move -l ${id} -i ${home}`
          : `it goes back by itself once ${home} can serve it`,
    },
  ];
}

function ofTroubles(name: string, answers: GatewayAnswers | null): Finding[] {
  return (answers?.info.troubles ?? []).map((why) => ({
    severity: 'error',
    subject: `gateway ${name}`,
    what: 'cannot serve something that is configured',
    why,
    remedy: 'it tries again every few seconds; take away what is in the way',
  }));
}

function ofListeners(
  { nqn, networks, listeners, namespaces }: SubsystemFacts,
  { gateways }: Facts,
): Finding[] {
  if (namespaces.length === 0) return [];
  const subject = `subsystem ${nqn}`;
  const without = gateways.filter(({ answers }) => answers !== null && activeAt(answers, nqn).length === 0);
  const asked = gateways.filter(({ answers }) => answers !== null);
  if (without.length === asked.length) {
    return [
      {
        severity: 'error',
        subject,
        what: 'has no listener that works, so no host can reach it',
        why: whyNoneWorks(listeners.length, networks),
        remedy: `give it an address: listener add -n ${nqn} -a ADDRESS`,
      },
    ];
  }
  return without.map(({ name, answers }) => {
    const mine = listeners.filter((one) => one.host_name === answers!.info.hostname);
    return {
      severity: 'warning',
      subject,
      what: `has no listener that works at gateway ${name}, so its hosts have no path there`,
      why:
        mine.length === 0
          ? 'none is configured'
          : `${mine[0]!.traddr}:${mine[0]!.trsvcid} is configured and not active: see the log of ${name}`,
      remedy:
        mine.length === 0
          ? `give it one: listener add -n ${nqn} -t ${answers!.info.hostname} -a ADDRESS`
          : 'see that the machine has the address and no other program listens there',
    };
  });
}

function ofAddresses({ nqn, ambiguous }: SubsystemFacts): Finding[] {
  return ambiguous.map((one) => ({
    severity: 'warning',
    subject: `subsystem ${nqn}`,
    what: `is not served at ${one.address}, which is in one of its networks`,
    why: ambiguousText(one),
    remedy: `if it is a bridge of each machine, narrow the network: subsystem add_network and del_network -n ${nqn}`,
  }));
}

function whyNoneWorks(configured: number, networks: readonly string[]): string {
  if (configured > 0) return 'none of those that are configured is active';
  if (networks.length === 0) return 'none is configured';
  return `none is configured, and no gateway's node has an address of its own within ${networks.join(', ')}`;
}

function ofNamespaces({ nqn, namespaces }: SubsystemFacts): Finding[] {
  return namespaces
    .filter((namespace) => namespace.image_was_shrunk)
    .map((namespace) => ({
      severity: 'error',
      subject: `namespace ${namespace.nsid} of ${nqn}`,
      what: 'is larger than its image',
      why: `somebody shrank the image ${namespace.rbd_pool_name}/${namespace.rbd_image_name}`,
      remedy: 'make the image as large again: rbd resize',
    }));
}

function ofHosts(subsystem: SubsystemFacts, facts: Facts): Finding[] {
  const { nqn } = subsystem;
  const findings: Finding[] = [];
  const reachable = facts.gateways.filter(
    ({ answers }) => answers !== null && activeAt(answers, nqn).length > 0,
  );
  for (const { host, gateways } of pathsOf(facts).filter((one) => one.subsystem === nqn)) {
    const missing = reachable.filter(({ name }) => !gateways.includes(name));
    if (missing.length === 0) continue;
    const { traddr } = activeAt(missing[0]!.answers!, nqn)[0]!;
    findings.push({
      severity: 'warning',
      subject: `host ${host}`,
      what: `has no path of ${nqn} to ${missing.map(({ name }) => name).join(', ')}, only to ${gateways.join(', ')}`,
      why: 'it never connected there, or lost the connection',
      remedy: `on the host: nvme connect-all -t tcp -a ${traddr} -s 8009, and see that it reaches that address`,
    });
  }
  for (const host of subsystem.hosts.filter((one) => facts.lost.has(`${nqn} ${one}`))) {
    if (pathsOf(facts).some((path) => path.host === host && path.subsystem === nqn)) continue;
    findings.push({
      severity: 'warning',
      subject: `host ${host}`,
      what: `is gone from ${nqn}`,
      why: 'it was connected and fell silent for longer than its keep-alive time',
      remedy: 'see that it runs and reaches the gateways; it comes back by itself',
    });
  }
  return findings;
}

/** A host's paths to a subsystem. */
export interface HostPaths {
  host: string;
  subsystem: string;
  /** Names of the gateways that it is connected to, each once. */
  gateways: string[];
}

/** By host, then subsystem. */
export function pathsOf({ gateways }: Facts): HostPaths[] {
  const paths = new Map<string, HostPaths>();
  for (const { name, answers } of gateways) {
    for (const { nqn: host, subsystem = '' } of answers?.connections ?? []) {
      const key = `${host} ${subsystem}`;
      const path = paths.get(key) ?? { host, subsystem, gateways: [] };
      if (!path.gateways.includes(name)) path.gateways.push(name);
      paths.set(key, path);
    }
  }
  return [...paths.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
}

function activeAt({ subsystems }: GatewayAnswers, nqn: string) {
  return subsystems.find((subsystem) => subsystem.nqn === nqn)?.listen_addresses ?? [];
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}
