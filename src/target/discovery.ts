/** The discovery log of one host: every port, here or at another gateway, that offers it a subsystem it may use (NVMe Base 2.0 section 5.16.1.23). */
import {
  AddressFamily,
  type DiscoveryEntry,
  type DiscoveryLog,
  DYNAMIC_CNTLID,
  SubsystemType,
  TcpSecurity,
  TransportRequirements,
  TransportType,
} from '../wire/discovery-log.ts';
import type { Controller } from './controller.ts';
import type { Port } from './port.ts';
import type { RemotePort } from './remote-ports.ts';
import type { Subsystem } from './subsystem.ts';
import type { Target } from './target.ts';

export function discoveryLogFor(target: Target, controller: Controller): DiscoveryLog {
  const { hostNqn } = controller.host;
  const entries = new Map<string, DiscoveryEntry>();
  const add = (subsystem: Subsystem, port: Port | RemotePort, place: Place): void => {
    if (!subsystem.hosts.isAllowed(hostNqn)) return;
    // An address that moves between gateways is two gateways' for a while; a host wants it once.
    const name = `${subsystem.nqn} ${place.traddr} ${port.trsvcid}`;
    if (!entries.has(name)) entries.set(name, entryOf(target, subsystem, port, place));
  };
  const dialled = controller.queues.get(0)?.transport.localAddress ?? '';
  for (const port of target.ports) {
    const place = port.wildcard ? { traddr: dialled, ipv6: dialled.includes(':') } : placeOf(port);
    for (const subsystem of port.subsystems) add(subsystem, port, place);
  }
  for (const { subsystem, port } of target.remotePorts) add(subsystem, port, placeOf(port));
  return { genctr: target.discoveryGeneration, entries: [...entries.values()] };
}

interface Place {
  traddr: string;
  ipv6: boolean;
}

function placeOf(port: Port | RemotePort): Place {
  return { traddr: port.traddr, ipv6: port.adrfam === 'ipv6' };
}

function entryOf(
  target: Target,
  subsystem: Subsystem,
  port: Port | RemotePort,
  { traddr, ipv6 }: Place,
): DiscoveryEntry {
  return {
    trtype: TransportType.tcp,
    adrfam: ipv6 ? AddressFamily.ipv6 : AddressFamily.ipv4,
    subtype: SubsystemType.nvm,
    treq: TransportRequirements.secureNotSpecified | TransportRequirements.sqFlowControlDisable,
    portid: port.portId,
    cntlid: DYNAMIC_CNTLID,
    asqsz: target.settings.maxAdminQueueDepth,
    eflags: 0,
    trsvcid: port.trsvcid,
    subnqn: subsystem.nqn,
    traddr,
    sectype: TcpSecurity.none,
  };
}
