/**
 * The listeners that network masks make: for each mask of a subsystem, one at each address within it of each gateway's node.
 * They are in no store: they follow from the masks and from the addresses that the gateways publish, so that every gateway
 * knows those of all, also of one that is down. Pure.
 */
import { LIMITS } from '../../limits.ts';
import type { SubsystemConfig } from './configuration.ts';
import { familyOf, isInMask, parseMask } from './network-mask.ts';
import { type GatewayRecord, keyOf, type ListenerRecord, type SubsystemRecord } from './records.ts';

/** What of a subsystem's configuration matters here. */
interface Masked {
  readonly record: SubsystemRecord;
  readonly networks: ReadonlySet<string>;
  readonly listeners: ReadonlyMap<unknown, ListenerRecord>;
}

/** An address in a network of a subsystem that several nodes have: of which one hosts would reach by it, nobody knows. */
export interface AmbiguousAddress {
  address: string;
  /** Host names. */
  nodes: string[];
}

/** By record key. A listener that somebody added by hand stands instead of one at the same place. */
export function automaticListeners(
  subsystems: Iterable<Masked>,
  gateways: Iterable<GatewayRecord>,
): Map<string, ListenerRecord> {
  const nodes = [...gateways];
  const holders = holdersOf(nodes);
  const found = new Map<string, ListenerRecord>();
  for (const subsystem of subsystems) {
    if (subsystem.networks.size === 0) continue;
    for (const record of listenersOf(subsystem, nodes)) {
      if (holders.get(record.traddr)!.size === 1) found.set(keyOf(record), record);
    }
  }
  return found;
}

/** The addresses that are left out of a subsystem's listeners, such as those of bridges that are the same on all machines. */
export function ambiguousAddresses(
  subsystem: SubsystemConfig,
  gateways: Iterable<GatewayRecord>,
): AmbiguousAddress[] {
  const nodes = [...gateways];
  const holders = holdersOf(nodes);
  const within = new Set([...listenersOf(subsystem, nodes)].map(({ traddr }) => traddr));
  return [...within]
    .map((address) => ({ address, nodes: [...holders.get(address)!].sort() }))
    .filter((one) => one.nodes.length > 1);
}

/** Host names by address. Gateways on one node share its addresses. */
function holdersOf(nodes: readonly GatewayRecord[]): Map<string, Set<string>> {
  const holders = new Map<string, Set<string>>();
  for (const { hostName, addresses } of nodes) {
    for (const address of addresses)
      holders.set(address, (holders.get(address) ?? new Set<string>()).add(hostName));
  }
  return holders;
}

function* listenersOf(subsystem: Masked, nodes: readonly GatewayRecord[]): Generator<ListenerRecord> {
  const { nqn, listenPort: trsvcid = LIMITS.defaultListenPort } = subsystem.record;
  const masks = [...subsystem.networks].map(parseMask);
  for (const node of nodes) {
    for (const traddr of node.addresses) {
      if (!masks.some((mask) => isInMask(mask, traddr))) continue;
      if (isManual(subsystem, node, traddr, trsvcid)) continue;
      const { name: gateway, hostName } = node;
      yield { kind: 'listener', nqn, hostName, traddr, adrfam: familyOf(traddr)!, trsvcid, gateway };
    }
  }
}

function isManual({ listeners }: Masked, node: GatewayRecord, traddr: string, port: number): boolean {
  for (const listener of listeners.values()) {
    if (listener.traddr !== traddr || listener.trsvcid !== port) continue;
    if (['', '*', node.name, node.hostName].includes(listener.hostName)) return true;
  }
  return false;
}
