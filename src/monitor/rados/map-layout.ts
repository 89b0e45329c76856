/**
 * How leadership and map of a group of gateways are laid out in the omap of one RADOS object, and beacons and revocations in
 * three others.
 *
 * | object | key | value |
 * |---|---|---|
 * | `anagate.<group>.map` | `format` | number of this layout and of what the values mean |
 * | | `leader` | who leads; compared and replaced as a whole by each write |
 * | | `epoch` | of the map; compared and raised by each write of the map |
 * | | `map` | the map |
 * | | `beacons` | names of the other three objects, in different placement groups |
 * | `anagate.<group>.beacons.<n>` | `beacon.<incarnation>` | its newest beacon |
 * | | `revoked.<address>` | of a RADOS client that gets no lease any more: its incarnation, and the time of its fence (ms since 1970) |
 *
 * **Formats** are as in the configuration's object: a gateway that knows format N works with N and N-1 and writes in the format
 * that the object has. Writes compare the format, so once it has been raised no older gateway leads any more.
 */
import { AnagateError } from '../../base/errors.ts';
import { WriteOperation } from '../../node-rados/lib/node-rados.ts';
import { type Leadership, NO_LEADER } from '../coordination.ts';
import { EMPTY_MAP, type GroupMap } from '../group-map.ts';
import { decodeLeadership, decodeMap, encodeLeadership, encodeMap } from '../map-codec.ts';

/** Formats that this gateway works with. New objects get the newest. */
export const MAP_FORMATS = { oldest: 1, newest: 1 } as const;

const FORMAT_KEY = 'format';
const LEADER_KEY = 'leader';
const EPOCH_KEY = 'epoch';
const MAP_KEY = 'map';
const BEACONS_KEY = 'beacons';
export const BEACON_PREFIX = 'beacon.';

/** The object with the map. */
export function mapObjectOf(group: string): string {
  return `${prefixOf(group)}map`;
}

/** An object that beacons may be in; `n` from 0. */
export function beaconObjectOf(group: string, n: number): string {
  return `${prefixOf(group)}beacons.${n}`;
}

function prefixOf(group: string): string {
  return group === '' ? 'anagate.' : `anagate.${group}.`;
}

export function beaconKey(incarnation: string): string {
  return BEACON_PREFIX + incarnation;
}

/** What the object has besides the map. */
export interface MapHead {
  readonly format: number;
  readonly leadership: Leadership;
  readonly epoch: number;
  readonly beaconObjects: readonly string[];
}

/** Makes the object; EEXIST when there is one. */
export function creation(beaconObjects: readonly string[]): WriteOperation {
  return new WriteOperation().create(true).omapSet([
    [FORMAT_KEY, String(MAP_FORMATS.newest)],
    [LEADER_KEY, encodeLeadership(NO_LEADER)],
    [EPOCH_KEY, String(EMPTY_MAP.epoch)],
    [MAP_KEY, encodeMap(EMPTY_MAP)],
    [BEACONS_KEY, JSON.stringify(beaconObjects)],
  ]);
}

/** Replaces `before` by `after`, and the map if given; ECANCELED when something else is there. */
export function replacement(
  format: number,
  before: Leadership,
  after: Leadership,
  map?: GroupMap,
): WriteOperation {
  const operation = new WriteOperation()
    .assertExists()
    .compareOmap(FORMAT_KEY, String(format))
    .compareOmap(LEADER_KEY, encodeLeadership(before));
  if (map === undefined) return operation.omapSet([[LEADER_KEY, encodeLeadership(after)]]);
  return operation.compareOmap(EPOCH_KEY, String(map.epoch - 1)).omapSet([
    [LEADER_KEY, encodeLeadership(after)],
    [EPOCH_KEY, String(map.epoch)],
    [MAP_KEY, encodeMap(map)],
  ]);
}

/** What is read to know the head, or all. */
export const HEAD_KEYS: readonly string[] = [FORMAT_KEY, LEADER_KEY, EPOCH_KEY, BEACONS_KEY];
export const ALL_KEYS: readonly string[] = [...HEAD_KEYS, MAP_KEY];

/** Throws STATE_CORRUPT, or NOT_SUPPORTED for a format that is not known. `object` is for messages. */
export function decodeHead(entries: ReadonlyMap<string, Buffer>, object: string): MapHead {
  const format = numberOf(entries, FORMAT_KEY, object);
  requireKnownFormat(format, object);
  return {
    format,
    leadership: decodeKey(entries, LEADER_KEY, object, decodeLeadership),
    epoch: numberOf(entries, EPOCH_KEY, object),
    beaconObjects: decodeKey(entries, BEACONS_KEY, object, decodeNames),
  };
}

/** As {@link decodeHead}, of an object whose head has been decoded. */
export function decodeWholeMap(entries: ReadonlyMap<string, Buffer>, object: string): GroupMap {
  const map = decodeKey(entries, MAP_KEY, object, decodeMap);
  const epoch = numberOf(entries, EPOCH_KEY, object);
  if (map.epoch !== epoch) throw corrupt(object, `its map has epoch ${map.epoch}, and not ${epoch}`);
  return map;
}

function decodeNames(text: string): string[] {
  const names: unknown = JSON.parse(text);
  if (Array.isArray(names) && names.length > 0 && names.every((name) => typeof name === 'string'))
    return names;
  throw new Error('no list of object names');
}

function numberOf(entries: ReadonlyMap<string, Buffer>, key: string, object: string): number {
  return decodeKey(entries, key, object, (text) => {
    if (!/^\d{1,15}$/.test(text)) throw new Error('no whole number');
    return Number(text);
  });
}

function decodeKey<T>(
  entries: ReadonlyMap<string, Buffer>,
  key: string,
  object: string,
  decode: (text: string) => T,
): T {
  const value = entries.get(key);
  if (value === undefined) throw corrupt(object, `its omap key "${key}" is missing`);
  try {
    return decode(value.toString());
  } catch (error) {
    if ((error as AnagateError).code === 'NOT_SUPPORTED') throw error;
    throw corrupt(object, `its omap key "${key}" is unreadable: ${(error as Error).message}`);
  }
}

function corrupt(object: string, what: string): AnagateError {
  return new AnagateError(
    'STATE_CORRUPT',
    `RADOS object ${object} does not hold the map of a group of gateways: ${what}. Stop all gateways of the group, remove the ` +
      'object, and start them again; who owns what is found anew',
  );
}

function requireKnownFormat(format: number, object: string): void {
  const { oldest, newest } = MAP_FORMATS;
  if (format >= oldest && format <= newest) return;
  const advice =
    format > newest
      ? `written by a newer Anagate; this one knows formats up to ${newest}. Upgrade this gateway`
      : `this Anagate knows formats from ${oldest} on. Upgrade through a version in between`;
  throw new AnagateError(
    'NOT_SUPPORTED',
    `The map in RADOS object ${object} has format ${format}, ${advice}. Nothing was changed.`,
  );
}
