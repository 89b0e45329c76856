/**
 * What other gateways of the group offer: entries of the discovery log that this gateway does not serve. Whichever gateway a
 * host asks, it learns of all.
 */
import type { Subsystem } from './subsystem.ts';

/** An address of another gateway. */
export interface RemotePort {
  /** PORTID of the discovery log, 0..65535, unique in the log. */
  readonly portId: number;
  readonly adrfam: 'ipv4' | 'ipv6';
  /** Address in text form; no wildcard: nobody here knows what it stands for there. */
  readonly traddr: string;
  /** TCP port in text form. */
  readonly trsvcid: string;
}

export class RemotePorts {
  readonly #offers = new Map<string, { subsystem: Subsystem; port: RemotePort }>();
  readonly #onChange: (subsystem: Subsystem) => void;

  /** Made by {@link Target}; `onChange` tells of what the discovery log is different now. */
  constructor(onChange: (subsystem: Subsystem) => void) {
    this.#onChange = onChange;
  }

  /** Lists `subsystem` at the port under a name for {@link withdraw}. */
  offer(name: string, subsystem: Subsystem, port: RemotePort): void {
    this.#offers.set(name, { subsystem, port });
    this.#onChange(subsystem);
  }

  withdraw(name: string): void {
    const offer = this.#offers.get(name);
    if (offer === undefined) return;
    this.#offers.delete(name);
    this.#onChange(offer.subsystem);
  }

  /** PORTID of an address that is listed already, or the lowest from `least` on that nobody has. */
  portIdFor(traddr: string, trsvcid: string, least: number): number {
    const taken = new Set<number>();
    for (const { port } of this.#offers.values()) {
      if (port.traddr === traddr && port.trsvcid === trsvcid) return port.portId;
      taken.add(port.portId);
    }
    let portId = least;
    while (taken.has(portId)) portId += 1;
    return portId;
  }

  *[Symbol.iterator](): Generator<{ subsystem: Subsystem; port: RemotePort }> {
    yield* this.#offers.values();
  }
}
