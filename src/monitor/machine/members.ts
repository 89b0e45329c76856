/** Who is in the group: gateways come, run, fall silent, leave. */
import { LIMITS } from '../../limits.ts';
import type { Beacon } from '../beacon.ts';
import { isClientAddress } from '../client-address.ts';
import type { ClientAddress, GatewayEntry, Incarnation } from '../group-map.ts';
import type { Draft } from './draft.ts';
import { disown, releaseAll } from './ownership.ts';

/** Why a beacon is worth nothing, for the log; null: it is fine. */
export function whyRefused(beacon: Beacon): string | null {
  if (beacon.gateway === '' || beacon.incarnation === '') return 'it does not say whose it is';
  if (beacon.goodbye) return null;
  if (beacon.clients.length === 0) return 'it names no RADOS client, so its gateway could not be fenced';
  const bad = beacon.clients.find(({ address }) => !isClientAddress(address));
  return bad === undefined ? null : `the address "${bad.address}" of a RADOS client of it cannot be fenced`;
}

export function takeBeacon(draft: Draft, beacon: Beacon): void {
  if (whyRefused(beacon) !== null || hasEnded(draft, beacon.incarnation)) return;
  const entry = draft.gateway(beacon.gateway);
  const known = entry?.incarnation?.id === beacon.incarnation;
  if (!known) {
    if (beacon.goodbye) return;
    if (!register(draft, beacon)) {
      // Operators may ask there all the same, perhaps for what stands in its way.
      draft.petitions = [...draft.petitions, ...beacon.requests];
      return;
    }
  } else if (beacon.sequence <= (draft.seen.get(beacon.gateway)?.sequence ?? -1)) return;
  if (beacon.goodbye) leave(draft, beacon);
  else refresh(draft, beacon);
}

/** An incarnation is lost: its clients are to be fenced, its groups go to others. */
export function lose(draft: Draft, gateway: string, incarnation: string, reason: string): void {
  const entry = draft.gateway(gateway);
  if (entry?.incarnation?.id !== incarnation) return;
  retire(draft, entry, reason);
  setAvailability(draft, gateway, 'UNAVAILABLE');
}

/** Adds a gateway that never was in the group. False: there is no slot left. */
export function addGateway(draft: Draft, name: string, location: string): boolean {
  const heirTo = draft.gateways.find(({ availability }) => availability === 'DELETING');
  const slot = heirTo?.slot ?? freeSlot(draft.gateways);
  if (slot === null) return false;
  if (heirTo !== undefined) draft.dropGateway(heirTo.name);
  draft.putGateway({
    name,
    slot,
    location,
    enabled: true,
    drain: 'no',
    availability: 'CREATED',
    incarnation: null,
    peerAddress: '',
    peerPort: 0,
    sinceMs: draft.now.wallMs,
  });
  return true;
}

/** The gateway leaves for good. Its run, if there is one, is fenced: it need not know. */
export function deleteGateway(draft: Draft, entry: GatewayEntry): void {
  retire(draft, entry, 'deleted');
  setAvailability(draft, entry.name, 'DELETING');
}

export function setAvailability(
  draft: Draft,
  name: string,
  availability: GatewayEntry['availability'],
): void {
  const entry = draft.gateway(name);
  if (entry === undefined || entry.availability === availability) return;
  draft.putGateway({ ...entry, availability, sinceMs: draft.now.wallMs });
}

/** A gateway that lives is taken for lost: takes its run out of the map and has it fenced. */
export function retire(draft: Draft, entry: GatewayEntry, reason: string): void {
  const { name: gateway, incarnation } = entry;
  if (incarnation === null) return;
  const fences = incarnation.clients.map((client) => ({
    ...client,
    gateway,
    incarnation: incarnation.id,
    state: 'intended' as const,
    reason,
    sinceMs: draft.now.wallMs,
  }));
  draft.fences = [...draft.fences, ...fences];
  disownAll(draft, incarnation, `failover from ${gateway}: ${reason}`);
  forgetRun(draft, entry);
}

/** Fenced, or said goodbye: what comes of it now was under way before. */
function hasEnded(draft: Draft, incarnation: string): boolean {
  return (
    draft.remembers('gone', incarnation) || draft.fences.some((fence) => fence.incarnation === incarnation)
  );
}

/**
 * A run that the map does not know. A predecessor that did not say goodbye may still be writing: it is fenced. False: not now, because
 * the gateway is being deleted, no slot is free, or another process lives under its name.
 */
function register(draft: Draft, beacon: Beacon): boolean {
  const before = draft.gateway(beacon.gateway);
  if (before?.availability === 'DELETING' || (before !== undefined && isTaken(before, beacon))) return false;
  if (before === undefined && !addGateway(draft, beacon.gateway, beacon.location)) return false;
  if (before !== undefined) retire(draft, before, 'restarted');
  const entry = draft.gateway(beacon.gateway)!;
  draft.putGateway({
    ...entry,
    location: beacon.location === '' ? entry.location : beacon.location,
    drain: 'no',
    incarnation: { id: beacon.incarnation, clients: [] },
  });
  return true;
}

/**
 * The name's present run, which is not lost, is reached at another place than this one: a second process under this name, and not
 * the successor of one that ended. It waits until the first one is lost, or for ever.
 */
function isTaken({ incarnation, peerAddress, peerPort }: GatewayEntry, beacon: Beacon): boolean {
  const isKnown = incarnation !== null && peerAddress !== '';
  return isKnown && (peerAddress !== beacon.peerAddress || peerPort !== beacon.peerPort);
}

/** Takes over what the beacon of the present run says. */
function refresh(draft: Draft, beacon: Beacon): void {
  draft.putBeacon(beacon);
  const entry = draft.gateway(beacon.gateway)!;
  const { id, clients } = entry.incarnation!;
  const added = beacon.clients.filter((client) => !clients.some((known) => isSameClient(known, client)));
  if (added.length > 0 || entry.peerAddress !== beacon.peerAddress || entry.peerPort !== beacon.peerPort) {
    draft.putGateway({
      ...entry,
      // A client that is not connected any more may have left something behind: it stays until the run ends.
      incarnation: { id, clients: [...clients, ...added.map(({ group, address }) => ({ group, address }))] },
      peerAddress: beacon.peerAddress,
      peerPort: beacon.peerPort,
    });
  }
  setAvailability(draft, beacon.gateway, beacon.available ? 'AVAILABLE' : 'CREATED');
}

/** A clean end: nothing is held, so nothing has to be fenced. */
function leave(draft: Draft, beacon: Beacon): void {
  const entry = draft.gateway(beacon.gateway)!;
  releaseAll(draft, beacon.incarnation);
  disownAll(draft, entry.incarnation!, `failover from ${entry.name}: stopped`);
  forgetRun(draft, entry);
  setAvailability(draft, entry.name, 'UNAVAILABLE');
  draft.remember('gone', beacon.incarnation);
}

function disownAll(draft: Draft, { id }: Incarnation, why: string): void {
  for (const group of draft.groups) {
    if (group.owner?.incarnation === id) disown(draft, group, why);
  }
}

function forgetRun(draft: Draft, entry: GatewayEntry): void {
  draft.putGateway({ ...entry, incarnation: null });
  draft.dropBeacon(entry.name);
}

function freeSlot(gateways: readonly GatewayEntry[]): number | null {
  for (let slot = 0; slot < LIMITS.maxSlots; slot += 1) {
    if (gateways.every((gateway) => gateway.slot !== slot)) return slot;
  }
  return null;
}

function isSameClient(one: ClientAddress, other: ClientAddress): boolean {
  return one.group === other.group && one.address === other.address;
}
