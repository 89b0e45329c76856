/** Requests about the network masks of subsystems -> changes of the configuration. Pure, as subsystem-plans.ts. */
import { LIMITS } from '../../limits.ts';
import type { ConfigChange } from '../../store/store.ts';
import { type Configuration, removeRecord, setRecord } from '../configuration/configuration.ts';
import { parseMask } from '../configuration/network-mask.ts';
import type { NetworkRecord } from '../configuration/records.ts';
import { refuse } from './validation.ts';

/** The masks of a subsystem that is made, each once. Throws INVALID_ARGUMENT or LIMIT_EXCEEDED. */
export function networkRecords(nqn: string, masks: readonly string[]): NetworkRecord[] {
  const texts = new Set(masks.map((mask) => parseMask(mask).text));
  requireRoom(nqn, texts.size);
  return [...texts].map((mask): NetworkRecord => ({ kind: 'network', nqn, mask }));
}

export function planAddNetwork(config: Configuration, nqn: string, mask: string): ConfigChange[] {
  const { networks } = config.subsystem(nqn);
  const { text } = parseMask(mask);
  if (networks.has(text)) refuse('NETWORK_EXISTS', `subsystem ${nqn} has network ${text} already`);
  requireRoom(nqn, networks.size + 1);
  return [setRecord({ kind: 'network', nqn, mask: text })];
}

/** Hosts that came through a listener of the network are disconnected. */
export function planDeleteNetwork(config: Configuration, nqn: string, mask: string): ConfigChange[] {
  const { networks } = config.subsystem(nqn);
  const { text } = parseMask(mask);
  if (!networks.has(text)) {
    const known = networks.size === 0 ? 'none' : [...networks].join(', ');
    refuse('NETWORK_NOT_FOUND', `subsystem ${nqn} has no network ${text}; it has ${known}`);
  }
  return [removeRecord({ kind: 'network', nqn, mask: text })];
}

function requireRoom(nqn: string, count: number): void {
  const most = LIMITS.maxNetworksPerSubsystem;
  if (count > most) refuse('LIMIT_EXCEEDED', `subsystem ${nqn} may have ${most} networks, not ${count}`);
}
