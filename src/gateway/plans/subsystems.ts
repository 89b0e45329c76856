/**
 * Requests about subsystems and listeners -> changes of the configuration. Pure: a plan looks, checks, and says what
 * to commit; it throws an AnagateError when the request cannot be done.
 */
import { LIMITS } from '../../limits.ts';
import type { ConfigChange } from '../../store/store.ts';
import { allListeners, type Configuration, removeRecord, setRecord } from '../configuration/configuration.ts';
import { canonicalAddress } from '../configuration/network-mask.ts';
import type { ListenerRecord, SubsystemRecord } from '../configuration/records.ts';
import { networkRecords } from './networks.ts';
import type { ListenerSpec, SubsystemSpec } from './requests.ts';
import {
  refuse,
  requireListener,
  requireMaxNamespaces,
  requirePort,
  requireSerial,
  requireSubsystemNqn,
} from './validation.ts';

/** `newSerial` makes up a serial number for a subsystem that has none. */
export function planAddSubsystem(
  config: Configuration,
  spec: SubsystemSpec,
  newSerial: () => string,
): { record: SubsystemRecord; changes: ConfigChange[] } {
  const { nqn, maxNamespaces = config.limits.maxNamespacesPerSubsystem } = spec;
  requireSubsystemNqn(nqn);
  requireMaxNamespaces(maxNamespaces, config.limits.maxNamespacesPerSubsystem);
  if (spec.listenPort !== undefined) requirePort(spec.listenPort);
  const networks = networkRecords(nqn, spec.networks ?? []);
  if (config.subsystems.has(nqn)) refuse('SUBSYSTEM_EXISTS', `subsystem ${nqn} exists already`);
  if (config.subsystems.size >= config.limits.maxSubsystems) {
    refuse(
      'LIMIT_EXCEEDED',
      `there are ${config.limits.maxSubsystems} subsystems already, which is the limit`,
    );
  }
  const serials = new Map([...config.subsystems.values()].map(({ record }) => [record.serial, record.nqn]));
  let serial = spec.serial;
  if (serial === undefined) {
    do serial = newSerial();
    while (serials.has(serial));
  }
  requireSerial(serial);
  const owner = serials.get(serial);
  if (owner !== undefined) refuse('SERIAL_IN_USE', `serial number ${serial} is in use by subsystem ${owner}`);
  const { listenPort } = spec;
  const record: SubsystemRecord = {
    kind: 'subsystem',
    nqn,
    serial,
    maxNamespaces,
    ...(listenPort !== undefined && { listenPort }),
  };
  return { record, changes: [record, ...networks].map(setRecord) };
}

/** Removes its hosts and listeners too; its namespaces only with `force`. */
export function planDeleteSubsystem(config: Configuration, nqn: string, force: boolean): ConfigChange[] {
  const subsystem = config.subsystem(nqn);
  if (subsystem.namespaces.size > 0 && !force) {
    const count = subsystem.namespaces.size;
    const namespaces = count === 1 ? '1 namespace' : `${count} namespaces`;
    refuse(
      'SUBSYSTEM_NOT_EMPTY',
      `subsystem ${nqn} still has ${namespaces}; delete them first, or use force`,
    );
  }
  return [...config.recordsOf(nqn)].map(removeRecord);
}

/** `isLocal` tells which host names may mean this gateway. */
export function planAddListener(
  config: Configuration,
  spec: ListenerSpec,
  isLocal: (hostName: string) => boolean,
): { record: ListenerRecord; changes: ConfigChange[] } {
  const subsystem = config.subsystem(spec.nqn);
  requireListener(spec);
  const record = listenerRecord(spec);
  for (const other of allListeners(subsystem)) {
    if (other.traddr !== record.traddr || other.trsvcid !== record.trsvcid) continue;
    const names = [other.hostName, other.gateway ?? other.hostName];
    const sameNode =
      record.hostName === '*' ||
      other.hostName === '*' ||
      names.includes(record.hostName) ||
      (isLocal(other.hostName) && isLocal(record.hostName));
    if (!sameNode) continue;
    const why =
      other.gateway === undefined ? '' : `, which its network masks made for gateway ${other.gateway}`;
    refuse('LISTENER_EXISTS', `subsystem ${spec.nqn} has a listener at ${addressOf(spec)} already${why}`);
  }
  if (subsystem.listeners.size >= LIMITS.maxListenersPerSubsystem) {
    const limit = LIMITS.maxListenersPerSubsystem;
    refuse('LIMIT_EXCEEDED', `subsystem ${spec.nqn} has ${limit} listeners already, which is the limit`);
  }
  return { record, changes: [setRecord(record)] };
}

/**
 * The listeners that a deletion means: with host name '*' those of every node at the address, which needs `force`. `useOf`
 * tells of hosts that may lose their path through one.
 */
export function planDeleteListener(
  config: Configuration,
  spec: ListenerSpec,
  force: boolean,
  useOf: (record: ListenerRecord) => string | null,
): ConfigChange[] {
  const subsystem = config.subsystem(spec.nqn);
  requireListener(spec);
  if (spec.hostName === '*' && !force) {
    refuse('INVALID_ARGUMENT', 'deleting the listeners of all nodes at an address needs force');
  }
  const { traddr } = listenerRecord(spec);
  const isMeant = (listener: ListenerRecord): boolean =>
    (spec.hostName === '*' || [listener.hostName, listener.gateway].includes(spec.hostName)) &&
    listener.traddr === traddr &&
    listener.trsvcid === spec.trsvcid;
  const found = [...subsystem.listeners.values()].filter(isMeant);
  if (found.length === 0) {
    if ([...subsystem.automatic.values()].some(isMeant)) {
      refuse(
        'INVALID_ARGUMENT',
        `the listener at ${addressOf(spec)} was made by a network mask of subsystem ${spec.nqn}, of ` +
          `${[...subsystem.networks].join(', ')}; delete the network instead (subsystem del_network)`,
      );
    }
    const node = spec.hostName === '*' ? '' : ` for host ${spec.hostName}`;
    refuse('LISTENER_NOT_FOUND', `subsystem ${spec.nqn} has no listener at ${addressOf(spec)}${node}`);
  }
  const use = found.map(useOf).find((text) => text !== null);
  if (!force && use !== undefined) refuse('LISTENER_IN_USE', `${use}; use force to cut them off`);
  return found.map(removeRecord);
}

export function listenerRecord(spec: ListenerSpec): ListenerRecord {
  const { nqn, hostName, traddr, adrfam, trsvcid } = spec;
  return { kind: 'listener', nqn, hostName, traddr: canonicalAddress(traddr), adrfam, trsvcid };
}

/** For people: 192.0.2.1:4420, [2001:db8::1]:4420. */
export function addressOf({ traddr, trsvcid }: { traddr: string; trsvcid: number }): string {
  return traddr.includes(':') ? `[${traddr}]:${trsvcid}` : `${traddr}:${trsvcid}`;
}
