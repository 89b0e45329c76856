/** The discovery log of one host: every port that offers it a subsystem it may use (NVMe Base 2.0 section 5.16.1.23). */
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
import type { Target } from './target.ts';

export function discoveryLogFor(target: Target, controller: Controller): DiscoveryLog {
  const entries: DiscoveryEntry[] = [];
  const dialled = controller.queues.get(0)?.transport.localAddress ?? '';
  for (const port of target.ports) {
    for (const subsystem of port.subsystems) {
      if (!subsystem.hosts.isAllowed(controller.host.hostNqn)) continue;
      entries.push({
        trtype: TransportType.tcp,
        adrfam: (port.wildcard ? dialled.includes(':') : port.adrfam === 'ipv6')
          ? AddressFamily.ipv6
          : AddressFamily.ipv4,
        subtype: SubsystemType.nvm,
        treq: TransportRequirements.secureNotSpecified | TransportRequirements.sqFlowControlDisable,
        portid: port.portId,
        cntlid: DYNAMIC_CNTLID,
        asqsz: target.settings.maxAdminQueueDepth,
        eflags: 0,
        trsvcid: port.trsvcid,
        subnqn: subsystem.nqn,
        traddr: port.wildcard ? dialled : port.traddr,
        sectype: TcpSecurity.none,
      });
    }
  }
  return { genctr: target.discoveryGeneration, entries };
}
