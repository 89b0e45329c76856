/**
 * A change of the whole configuration that is too large for one commit, as several. Each prefix of them is a configuration that
 * requests could have made, so that nothing is wrong when the rest never comes:
 *
 * 1. what goes, and what comes back as something else: nothing that has to be unique is ever there twice, no limit is passed;
 * 2. per subsystem: itself, its hosts and keys;
 * 3. per namespace (and all on one image): itself, who sees it, its limits;
 * 4. per subsystem: listeners and networks, through which hosts come in.
 *
 * What has to come together is in one commit: no host loses in between what it has before and after. But a host that comes in 2 sees until
 * 3 a namespace that was there and is hidden from it only then. Pure.
 */
import type { ConfigChange } from '../../store/store.ts';
import { type ConfigRecord, encodeRecord, imagePathOf, keyOf } from '../configuration/records.ts';
import { isSameDisk } from '../configuration/same-disk.ts';
import type { Turns } from './turns.ts';

type Records = ReadonlyMap<string, ConfigRecord>;

const PHASES: Record<ConfigRecord['kind'], { comes: number; goes: number }> = {
  listener: { comes: 7, goes: 1 },
  network: { comes: 7, goes: 1 },
  'ns-host': { comes: 6, goes: 2 },
  qos: { comes: 6, goes: 2 },
  namespace: { comes: 6, goes: 2 },
  host: { comes: 5, goes: 3 },
  'key-subsystem': { comes: 5, goes: 3 },
  subsystem: { comes: 5, goes: 4 },
};
const FIRST_COMING = 5;

/** `changes` make `after` of `before`. A batch may be larger than `maxBytes` where it cannot be divided. */
export async function batchesOf(
  changes: readonly ConfigChange[],
  before: Records,
  after: Records,
  maxBytes: number,
  turns: Turns,
): Promise<ConfigChange[][]> {
  const leaves = await leaving(before, after, turns);
  const images = await imagesOf([before, after], turns);
  const units = new Units(({ key }) => {
    const was = before.get(key);
    return isListed(after.get(key)) - (was !== undefined && leaves(was) ? 0 : isListed(was));
  });
  for await (const [key, record] of turns.each(before))
    if (leaves(record)) units.add(PHASES[record.kind].goes, unitOf(record, images), { key, value: null });
  const changed = new Set(changes.map(({ key }) => key));
  for await (const change of turns.each(changes)) {
    const record = after.get(change.key) ?? before.get(change.key)!;
    if (change.value === null && leaves(record)) continue;
    units.add(PHASES[record.kind].comes, unitOf(record, images), change);
  }
  for await (const [key, record] of turns.each(after))
    if (leaves(record) && !changed.has(key))
      units.add(PHASES[record.kind].comes, unitOf(record, images), { key, value: encodeRecord(record) });
  return units.packed(maxBytes, turns);
}

export function bytesOf(changes: readonly ConfigChange[]): number {
  let bytes = 0;
  for (const { key, value } of changes) bytes += Buffer.byteLength(key) + Buffer.byteLength(value ?? '');
  return bytes;
}

/** Whether a record goes, be it to come back, with the subsystem or namespace that it is or belongs to. */
async function leaving(
  before: Records,
  after: Records,
  turns: Turns,
): Promise<(record: ConfigRecord) => boolean> {
  const gone = new Set<string>();
  for await (const [key, record] of turns.each(before)) {
    const now = after.get(key);
    if (record.kind === 'subsystem' && (now === undefined || encodeRecord(now) !== encodeRecord(record)))
      gone.add(key);
    if (record.kind === 'namespace' && !(now?.kind === 'namespace' && isSameDisk(record, now))) gone.add(key);
  }
  return (record) => gone.has(`subsystem_${record.nqn}`) || gone.has(namespaceKeyOf(record) ?? '');
}

function namespaceKeyOf(record: ConfigRecord): string | null {
  return 'nsid' in record ? `namespace_${record.nqn}_${record.nsid}` : null;
}

/** Namespaces on one image are one unit: an image has one lock, hence one ANA group. */
async function imagesOf(states: readonly Records[], turns: Turns): Promise<Map<string, string>> {
  const images = new Map<string, string>();
  for (const records of states)
    for await (const record of turns.each(records.values()))
      if (record.kind === 'namespace' && record.backend.type === 'rbd')
        images.set(keyOf(record), imagePathOf(record.backend));
  return images;
}

function unitOf(record: ConfigRecord, images: ReadonlyMap<string, string>): string {
  const namespace = namespaceKeyOf(record);
  return namespace === null ? record.nqn : (images.get(namespace) ?? namespace);
}

/** 1 for a host that counts. */
function isListed(record: ConfigRecord | undefined): number {
  return record?.kind === 'host' && !record.removed && record.hostNqn !== '*' ? 1 : 0;
}

class Units {
  readonly #hostsMore: (change: ConfigChange) => number;
  /** Phase -> unit -> changes. */
  readonly #phases = new Map<number, Map<string, ConfigChange[]>>();

  constructor(hostsMore: (change: ConfigChange) => number) {
    this.#hostsMore = hostsMore;
  }

  add(phase: number, unit: string, change: ConfigChange): void {
    const units = this.#phases.get(phase) ?? new Map<string, ConfigChange[]>();
    this.#phases.set(phase, units);
    const changes = units.get(unit);
    if (changes === undefined) units.set(unit, [change]);
    else changes.push(change);
  }

  async packed(maxBytes: number, turns: Turns): Promise<ConfigChange[][]> {
    const batches: ConfigChange[][] = [];
    for (const goes of [true, false]) {
      // A record that goes and comes back does so in two commits.
      let room = 0;
      for (const changes of this.#inOrder(goes)) {
        await turns.next(changes.length);
        const bytes = bytesOf(changes);
        if (bytes > room) {
          batches.push([]);
          room = maxBytes;
        }
        batches.at(-1)!.push(...changes);
        room -= bytes;
      }
    }
    return batches;
  }

  *#inOrder(goes: boolean): Generator<ConfigChange[]> {
    const phases = [...this.#phases.keys()].filter((phase) => phase < FIRST_COMING === goes);
    // Who gives up more hosts than it gets comes first: their number never passes that of before and after.
    for (const phase of phases.sort((a, b) => a - b)) {
      const units = [...this.#phases.get(phase)!.values()].map((changes) => {
        const more = changes.reduce((sum, change) => sum + this.#hostsMore(change), 0);
        return { changes, more };
      });
      for (const { changes } of units.sort((a, b) => a.more - b.more)) yield changes;
    }
  }
}
