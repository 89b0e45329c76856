/**
 * The map, the beacons and the leadership as text: JSON with the number of its format. A gateway reads its own format, ignores
 * fields that it does not know, and refuses a newer format.
 */
import { AnagateError } from '../base/errors.ts';
import { LIMITS } from '../limits.ts';
import type { Beacon, BeaconGroup } from './beacon.ts';
import { isClientAddress } from './client-address.ts';
import type { Leadership } from './coordination.ts';
import type {
  AdminAnswer,
  AnaGroupEntry,
  ClientAddress,
  Fence,
  GatewayEntry,
  GroupMap,
  Holder,
  Incarnation,
  OwnershipChange,
} from './group-map.ts';
import {
  amount,
  flag,
  list,
  oneOf,
  optional,
  orNull,
  type Reader,
  record,
  such,
  table,
  text,
  whole,
} from './json-reader.ts';
import type { AdminCommand, AdminRequest } from './machine.ts';

/** Number of the layout that this gateway reads and writes. */
export const MAP_TEXT_FORMAT = 1;

const name = such(text, (value) => value !== '', 'a name');
const slot = such(whole, (value) => value < LIMITS.maxSlots, `a slot below ${LIMITS.maxSlots}`);
const port = such(whole, (value) => value <= 0xffff, 'a port');
const anaGroup = such(
  whole,
  (value) => value >= 1 && value <= LIMITS.maxAnaGroups,
  `an ANA group from 1 to ${LIMITS.maxAnaGroups}`,
);
const clientGroup = such(
  whole,
  (value) => value <= LIMITS.maxAnaGroups,
  `0 or an ANA group up to ${LIMITS.maxAnaGroups}`,
);

const holder = { gateway: name, incarnation: name };
const address = such(text, isClientAddress, 'the address of a RADOS client');
const client = { group: clientGroup, address };

const gatewayEntry = record<GatewayEntry>({
  name,
  slot,
  location: text,
  enabled: flag,
  drain: oneOf('no', 'yes', 'force'),
  availability: oneOf('CREATED', 'AVAILABLE', 'UNAVAILABLE', 'DELETING'),
  incarnation: orNull(record<Incarnation>({ id: name, clients: list(record<ClientAddress>(client)) })),
  peerAddress: text,
  peerPort: port,
  sinceMs: amount,
});

const groupEntry = such(
  record<AnaGroupEntry>({
    id: anaGroup,
    owner: orNull(record<Holder>(holder)),
    next: orNull(name),
    holders: list(record<Holder>(holder)),
    epoch: whole,
    fencedEpoch: whole,
    sinceMs: amount,
    stays: optional(flag),
    why: text,
  }),
  ({ owner, holders }) =>
    owner === null || holders.some(({ incarnation }) => incarnation === owner.incarnation),
  'an ANA group with its owner among its holders',
);

const groupMap = record<GroupMap>({
  epoch: whole,
  gateways: distinct(list(gatewayEntry), (one) => [one.name, one.slot], 'names and slots that differ'),
  groups: distinct(list(groupEntry), ({ id }) => [id], 'ids that differ'),
  fences: list(
    record<Fence>({
      ...holder,
      ...client,
      state: oneOf('intended', 'committed'),
      reason: text,
      sinceMs: amount,
    }),
  ),
  history: list(
    record<OwnershipChange>({
      epoch: whole,
      group: anaGroup,
      from: orNull(name),
      to: orNull(name),
      why: text,
      marks: table(amount),
    }),
  ),
  answers: list(record<AdminAnswer>({ id: name, refusal: orNull(text) })),
});

const beaconFields = {
  gateway: name,
  incarnation: name,
  sequence: whole,
  available: flag,
  leaving: flag,
  goodbye: flag,
  location: text,
  peerAddress: text,
  peerPort: port,
  leaseMs: optional(amount),
  // What is wrong with an address is for the machine to say: it refuses the gateway.
  clients: list(record<ClientAddress>({ group: clientGroup, address: text })),
  appliedEpoch: whole,
  groups: list(
    record<BeaconGroup>({
      id: anaGroup,
      activity: oneOf('standby', 'taking-over', 'serving', 'releasing'),
      leased: flag,
    }),
  ),
  populated: list(anaGroup),
  uncovered: list(anaGroup),
  hosts: list(text),
  load: amount,
  linkDown: flag,
  hostName: optional(text),
  unreachable: list(text),
  reachable: list(text),
};

const leadership = record<Leadership>({
  term: whole,
  gateway: text,
  incarnation: text,
  beat: whole,
  peerAddress: text,
  peerPort: port,
});

const beacon = record<Beacon>({ ...beaconFields, requests });

/** Throws for a map that nobody could read. */
export function encodeMap(map: GroupMap): string {
  return encode(groupMap(map, ''));
}

/** Throws STATE_CORRUPT saying what is wrong, or NOT_SUPPORTED when a newer Anagate wrote it. */
export function decodeMap(json: string): GroupMap {
  return decode(json, 'map of the gateways', groupMap);
}

export function encodeBeacon(value: Beacon): string {
  return encode(value);
}

/** Null for what is no beacon, or one of a newer format. */
export function decodeBeacon(json: string): Beacon | null {
  try {
    return decode(json, 'beacon', beacon);
  } catch {
    return null;
  }
}

/** Equal leaderships give equal text: it is compared. */
export function encodeLeadership(value: Leadership): string {
  return encode(leadership(value, ''));
}

/** Throws as {@link decodeMap} does. */
export function decodeLeadership(json: string): Leadership {
  return decode(json, 'record of the leader', leadership);
}

function encode(value: object): string {
  return JSON.stringify({ format: MAP_TEXT_FORMAT, ...value });
}

function decode<T>(json: string, what: string, read: Reader<T>): T {
  let format: number;
  let value: unknown;
  try {
    value = JSON.parse(json);
    ({ format } = record<{ format: number }>({ format: whole })(value, ''));
    if (format === MAP_TEXT_FORMAT) return read(value, '');
  } catch (error) {
    throw new AnagateError('STATE_CORRUPT', `The ${what} cannot be read: ${(error as Error).message}`);
  }
  throw new AnagateError(
    'NOT_SUPPORTED',
    `The ${what} has format ${format}; this Anagate knows format ${MAP_TEXT_FORMAT}. Upgrade this gateway`,
  );
}

/** Requests of kinds that a newer gateway knows are left out: a leader that does not know them cannot answer. */
function requests(value: unknown, place: string): readonly AdminRequest[] {
  return list(request)(value, place).filter((one) => one !== null);
}

function request(value: unknown, place: string): AdminRequest | null {
  const { id, command } = record<{ id: string; command: { kind: string } }>({
    id: name,
    command: record<{ kind: string }>({ kind: text }),
  })(value, place);
  const readCommand = COMMANDS[command.kind as AdminCommand['kind']];
  if (readCommand === undefined) return null;
  return { id, command: readCommand((value as { command: unknown }).command, `${place}.command`) };
}

const plain = { gateway: name };
const COMMANDS: { readonly [K in AdminCommand['kind']]: Reader<AdminCommand> } = {
  create: record<AdminCommand & { kind: 'create' }>({
    kind: oneOf('create'),
    gateway: text,
    location: optional(text),
  }),
  delete: record<AdminCommand & { kind: 'delete' }>({ kind: oneOf('delete'), ...plain }),
  enable: record<AdminCommand & { kind: 'enable' }>({ kind: oneOf('enable'), ...plain }),
  disable: record<AdminCommand & { kind: 'disable' }>({ kind: oneOf('disable'), ...plain }),
  undrain: record<AdminCommand & { kind: 'undrain' }>({ kind: oneOf('undrain'), ...plain }),
  drain: record<AdminCommand & { kind: 'drain' }>({ kind: oneOf('drain'), ...plain, force: flag }),
  'set-location': record<AdminCommand & { kind: 'set-location' }>({
    kind: oneOf('set-location'),
    ...plain,
    location: text,
  }),
  move: record<AdminCommand & { kind: 'move' }>({
    kind: oneOf('move'),
    ...plain,
    group: whole,
    force: flag,
  }),
};

function distinct<T>(
  read: Reader<readonly T[]>,
  keysOf: (item: T) => readonly unknown[],
  what: string,
): Reader<readonly T[]> {
  return such(
    read,
    (items) => {
      const keys = items.flatMap((item) => keysOf(item).map((key, index) => `${index} ${String(key)}`));
      return new Set(keys).size === keys.length;
    },
    `a list with ${what}`,
  );
}
