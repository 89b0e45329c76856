/**
 * Requests about who sees a namespace -> changes of the configuration. Pure, as subsystem-plans.ts. As in ceph-nvmeof, a
 * namespace is visible to all hosts of its subsystem, or to those that are listed for it and to no other.
 */
import type { ConfigChange } from '../../store/store.ts';
import {
  type Configuration,
  namespaceHosts,
  removeRecord,
  type SubsystemConfig,
  setRecord,
} from '../configuration/configuration.ts';
import type { NamespaceHostRecord, NamespaceRecord } from '../configuration/records.ts';
import { findNamespace } from './namespaces.ts';
import { refuse, requireHostNqn } from './validation.ts';

/** Removes a namespace with the hosts that are listed for it, and its limits. */
export function planDeleteNamespace(config: Configuration, { nqn, nsid }: NamespaceRecord): ConfigChange[] {
  const record = findNamespace(config, nqn, nsid);
  const subsystem = config.subsystem(nqn);
  const qos = subsystem.qos.get(nsid);
  const belongings = [...namespaceHosts(subsystem, nsid), ...(qos === undefined ? [] : [qos])];
  return [...belongings, record].map(removeRecord);
}

/**
 * `connected`: NQNs of hosts with a controller on the subsystem, at any gateway of the group. Without `force` nobody loses a disk that may be in use, and
 * no list of hosts is lost: with it, the list is removed when the namespace becomes visible to all.
 */
export function planChangeVisibility(
  config: Configuration,
  nqn: string,
  nsid: number,
  autoVisible: boolean,
  force: boolean,
  connected: Iterable<string>,
): ConfigChange[] {
  const { noAutoVisible = false, ...record } = findNamespace(config, nqn, nsid);
  if (autoVisible !== noAutoVisible) return [];
  if (!autoVisible) {
    const losing = new Set(connected);
    if (losing.size > 0 && !force) refuse('NAMESPACE_IN_USE', wouldLose(nqn, nsid, losing));
    return [setRecord({ ...record, noAutoVisible: true })];
  }
  const listed = namespaceHosts(config.subsystem(nqn), nsid);
  if (listed.length > 0 && !force) {
    refuse(
      'NAMESPACE_IN_USE',
      `${count(listed.length)} listed for namespace ${nsid} of ${nqn}; delete them first, or use force to forget the list`,
    );
  }
  return [...listed.map(removeRecord), setRecord(record)];
}

/** `force`: although the host may not use the subsystem; it sees the namespace once it may. */
export function planAddNamespaceHost(
  config: Configuration,
  nqn: string,
  nsid: number,
  hostNqn: string,
  force: boolean,
): ConfigChange[] {
  const record = requireListable(config, nqn, nsid, hostNqn);
  const subsystem = config.subsystem(nqn);
  const listed = subsystem.namespaceHosts.get(nsid) ?? new Set();
  if (listed.has(hostNqn))
    refuse('HOST_EXISTS', `host ${hostNqn} is listed for namespace ${nsid} of ${nqn} already`);
  if (!force && !mayUse(subsystem, hostNqn)) {
    refuse(
      'HOST_NOT_FOUND',
      `host ${hostNqn} may not use subsystem ${nqn}; add it there first (host add), or use force`,
    );
  }
  const limit = config.limits.maxHostsPerNamespace;
  if (listed.size >= limit) {
    refuse('LIMIT_EXCEEDED', `namespace ${nsid} of ${nqn} has ${limit} hosts already, which is the limit`);
  }
  return [setRecord(record)];
}

export function planDeleteNamespaceHost(
  config: Configuration,
  nqn: string,
  nsid: number,
  hostNqn: string,
): ConfigChange[] {
  const record = requireListable(config, nqn, nsid, hostNqn);
  if (!config.subsystem(nqn).namespaceHosts.get(nsid)?.has(hostNqn))
    refuse('HOST_NOT_FOUND', `host ${hostNqn} is not listed for namespace ${nsid} of ${nqn}`);
  return [removeRecord(record)];
}

/** The record of a host for a namespace that can have a list of hosts. */
function requireListable(
  config: Configuration,
  nqn: string,
  nsid: number,
  hostNqn: string,
): NamespaceHostRecord {
  const { noAutoVisible } = findNamespace(config, nqn, nsid);
  requireHostNqn(hostNqn);
  if (hostNqn === '*') {
    refuse(
      'INVALID_ARGUMENT',
      'host NQN "*" cannot be listed; make the namespace visible to all hosts instead',
    );
  }
  if (!noAutoVisible) {
    refuse(
      'INVALID_ARGUMENT',
      `namespace ${nsid} of ${nqn} is visible to all hosts; change its visibility first (namespace change_visibility)`,
    );
  }
  return { kind: 'ns-host', nqn, nsid, hostNqn };
}

function mayUse({ allowAnyHost, hosts }: SubsystemConfig, hostNqn: string): boolean {
  return allowAnyHost || hosts.has(hostNqn);
}

function count(hosts: number): string {
  return hosts === 1 ? '1 host is' : `${hosts} hosts are`;
}

function wouldLose(nqn: string, nsid: number, hosts: ReadonlySet<string>): string {
  const [first] = hosts;
  const others = hosts.size === 1 ? '' : ` and ${hosts.size - 1} more`;
  return `host ${first}${others}, connected to ${nqn} here or at another gateway, would lose namespace ${nsid}; disconnect, or use force`;
}
