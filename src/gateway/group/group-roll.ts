/**
 * What gateways of a group tell each other about themselves, so that one with a wrong configuration file is found out before
 * it serves. Pure. A help, not a guard: one that hangs just then is not heard.
 */
import { AnagateError } from '../../base/errors.ts';
import type { GroupOwner } from '../../monitor/static-monitor.ts';

export interface Introduction {
  readonly name: string;
  /** Who owns which ANA group, as this gateway was told; undefined: the gateways decide together. */
  readonly owners: readonly GroupOwner[] | undefined;
}

export function encodeIntroduction({ name, owners }: Introduction): string {
  return JSON.stringify({ name, owners: tableOf(owners) });
}

/**
 * Throws INVALID_ARGUMENT when one of the others has the same name, whose controller ids would then be given twice, or another
 * table of owners, by which two could own one ANA group. Answers that cannot be read are a newer version's, and left.
 */
export function requireFits(own: Introduction, others: readonly string[]): void {
  const table = tableOf(own.owners);
  for (const other of others.map(decode)) {
    if (other === null) continue;
    if (other.name === own.name) {
      refuse(
        `Another gateway named ${own.name} runs in this group. Stop it, or give this one its own [gateway] name`,
      );
    }
    if (other.owners !== table) {
      refuse(
        `Gateway ${other.name} of this group runs with another table of owners, "${other.owners}", not "${table}". Write the ` +
          'same [monitor] owners into all files, and start the gateways that had another one anew',
      );
    }
  }
}

/** '' stands for no table. */
function tableOf(owners: readonly GroupOwner[] = []): string {
  return owners.map(({ group, gateway }) => `${group}:${gateway}`).join(', ');
}

function decode(text: string): { name: string; owners: string } | null {
  try {
    const { name, owners } = JSON.parse(text) as Record<string, unknown>;
    return typeof name === 'string' && typeof owners === 'string' ? { name, owners } : null;
  } catch {
    return null;
  }
}

function refuse(message: string): never {
  throw new AnagateError('INVALID_ARGUMENT', message);
}
