/**
 * A port: one address on which a gateway offers subsystems (an entry of the discovery log), with the ANA states and
 * the controller ids of the gateway that it belongs to.
 */
import type { AnaStates } from './ana.ts';
import type { CntlidAllocator } from './cntlid.ts';
import type { Subsystem } from './subsystem.ts';

export interface PortConfig {
  /** PORTID of the discovery log, 0..65535, unique in the group of gateways. */
  portId: number;
  adrfam: 'ipv4' | 'ipv6';
  /** Address in text form; a wildcard (0.0.0.0 or ::) shows each host the address that it dialled. */
  traddr: string;
  /** TCP port in text form, as the discovery log has it. */
  trsvcid: string;
  ana: AnaStates;
  cntlids: CntlidAllocator;
  /** Serves the discovery subsystem only and is not listed itself. */
  discoveryOnly?: boolean;
}

export class Port {
  readonly portId: number;
  readonly adrfam: 'ipv4' | 'ipv6';
  readonly traddr: string;
  readonly trsvcid: string;
  readonly ana: AnaStates;
  readonly cntlids: CntlidAllocator;
  readonly discoveryOnly: boolean;
  readonly subsystems = new Set<Subsystem>();
  /** Ports of single addresses, by address, whose hosts come through the socket of this one, which has the wildcard. */
  readonly within = new Map<string, Port>();
  private readonly onChange: (subsystem: Subsystem) => void;

  /** Made by {@link Target.addPort}; `onChange` tells of what the discovery log is different now. */
  constructor(config: PortConfig, onChange: (subsystem: Subsystem) => void) {
    this.portId = config.portId;
    this.adrfam = config.adrfam;
    this.traddr = config.traddr;
    this.trsvcid = config.trsvcid;
    this.ana = config.ana;
    this.cntlids = config.cntlids;
    this.discoveryOnly = config.discoveryOnly ?? false;
    this.onChange = onChange;
  }

  get wildcard(): boolean {
    return this.traddr === '0.0.0.0' || this.traddr === '::';
  }

  /** The port that offers `subsystem` to a host that dialled `address` and came to this one; null: none does. */
  offering(subsystem: Subsystem, address: string): Port | null {
    if (this.subsystems.has(subsystem)) return this;
    const port = this.within.get(address);
    return port?.subsystems.has(subsystem) ? port : null;
  }

  /** Offers a subsystem here. */
  expose(subsystem: Subsystem): void {
    if (this.subsystems.has(subsystem)) return;
    this.subsystems.add(subsystem);
    this.onChange(subsystem);
  }

  /** Takes the offer back and ends the controllers that came through it. */
  unexpose(subsystem: Subsystem): void {
    if (!this.subsystems.delete(subsystem)) return;
    for (const controller of [...subsystem.controllers]) {
      if (controller.port === this) controller.end('listener removed');
    }
    this.onChange(subsystem);
  }
}
