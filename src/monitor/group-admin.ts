/** What operators see and command, on any gateway of the group: it shows the map and the beacons, and asks the leader with its own beacon. */
import type { Timer, Timers } from '../base/clock.ts';
import { AnagateError, type ErrorCode } from '../base/errors.ts';
import type { GatewayRow, GroupRow, LeaderRow, MonitorAdmin } from './admin.ts';
import type { Beacon } from './beacon.ts';
import type { BeaconWatch } from './beacon-watch.ts';
import type { Election } from './election.ts';
import { type GroupMap, gatewayOf, groupOf, type OwnershipChange } from './group-map.ts';
import { gatewayRow, groupRow } from './group-rows.ts';
import { type AdminCommand, type AdminRequest, listedHosts, okToStop } from './machine.ts';
import { missingHosts } from './placement.ts';
import type { MonitorTimes } from './times.ts';

/** A leader that is replaced, and a map that is written slowly, are waited for; not more. */
const ANSWER_MS = 15_000;
/** A map that was not read for so long is old news: it is read twice a second, and a reading may take 1.5 s. */
const STALE_MS = 3000;

export interface GroupAdminOptions {
  /** Name of this gateway. */
  readonly gateway: string;
  readonly election: Election;
  readonly watch: BeaconWatch;
  readonly timers: Timers;
  readonly times: MonitorTimes;
  newId(): string;
  map(): GroupMap;
  /** ms since the map was last read. */
  mapAgeMs(): number;
  /** This gateway has an incarnation, whose beacons carry what is asked here. */
  joined(): boolean;
  /** {@link GroupAdmin.pending} has changed. */
  tell(): void;
}

interface Asked {
  readonly request: AdminRequest;
  readonly limit: Timer;
  settle(refusal: AnagateError | null): void;
}

/** Somebody waits until the map is like this. */
interface Wait {
  isOver(map: GroupMap): boolean;
  resolve(): void;
}

export class GroupAdmin implements MonitorAdmin {
  readonly #options: GroupAdminOptions;
  readonly #asked = new Map<string, Asked>();
  readonly #waits = new Set<Wait>();

  constructor(options: GroupAdminOptions) {
    this.#options = options;
  }

  get epoch(): number {
    return this.#options.map().epoch;
  }

  get staleMs(): number | null {
    const ageMs = this.#options.mapAgeMs();
    return ageMs < STALE_MS ? null : ageMs;
  }

  gateways(): readonly GatewayRow[] {
    const { map, watch, election } = this.#options;
    const leader = election.leadership?.incarnation;
    const seen = this.#seen();
    return map().gateways.map((entry) =>
      gatewayRow(map(), entry, {
        beacon: seen.get(entry.name),
        beaconAgeMs: entry.incarnation === null ? null : watch.ageMs(entry.incarnation.id),
        leader: entry.incarnation !== null && entry.incarnation.id === leader,
      }),
    );
  }

  groups(): readonly GroupRow[] {
    const map = this.#options.map();
    const seen = this.#seen();
    return map.groups.map((group) => groupRow(map, group, seen));
  }

  events(): readonly OwnershipChange[] {
    return this.#options.map().history;
  }

  leader(): LeaderRow | null {
    const { election } = this.#options;
    const { leadership } = election;
    if (leadership === null || leadership.incarnation === '') return null;
    return { gateway: leadership.gateway, term: leadership.term, ageMs: election.silentMs };
  }

  request(command: AdminCommand): Promise<void> {
    return this.#ask(command, ANSWER_MS + (command.kind === 'move' ? this.#options.times.hostsWait : 0));
  }

  async drain(gateway: string, force: boolean): Promise<void> {
    await this.request({ kind: 'drain', gateway, force });
    const { times } = this.#options;
    const gone = await this.#until((map) => !owns(map, gateway), times.hostsWait + times.handOver);
    if (!gone) throw this.#notDrained(gateway);
  }

  okToStop(gateways: readonly string[]): readonly string[] {
    const state = { map: this.#options.map(), seen: this.#seen(), since: new Map<string, number>() };
    return okToStop(state, gateways).reasons;
  }

  // ---- what the member and its beacon need ----

  /** What the map has not answered yet. */
  pending(): readonly AdminRequest[] {
    return [...this.#asked.values()].map(({ request }) => request);
  }

  /** A map was read. */
  read(map: GroupMap): void {
    for (const { id, refusal } of map.answers) {
      const asked = this.#asked.get(id);
      asked?.settle(refusal === null ? null : new AnagateError(codeOf(asked.request.command, map), refusal));
    }
    for (const wait of this.#waits) if (wait.isOver(map)) wait.resolve();
  }

  /** Nothing is answered any more. */
  stop(): void {
    for (const { settle } of this.#asked.values())
      settle(new AnagateError('SHUTTING_DOWN', 'this gateway stops; ask another one'));
  }

  #ask(command: AdminCommand, limitMs: number): Promise<void> {
    const { newId, timers, tell } = this.#options;
    const request: AdminRequest = { id: newId(), command };
    return new Promise((resolve, reject) => {
      const settle = (error: AnagateError | null): void => {
        this.#asked.get(request.id)?.limit.cancel();
        this.#asked.delete(request.id);
        tell();
        if (error === null) resolve();
        else reject(error);
      };
      const limit = timers.after(limitMs, () => settle(this.#unanswered()));
      this.#asked.set(request.id, { request, limit, settle });
      tell();
    });
  }

  #unanswered(): AnagateError {
    if (!this.#options.joined()) {
      return new AnagateError(
        'BACKEND_UNAVAILABLE',
        'This gateway is not in the group at present (fenced, or deleted), so nothing was asked of the leader; ask another gateway, or start this one again',
      );
    }
    const leader = this.leader();
    const seconds = ANSWER_MS / 1000;
    const why =
      leader === null
        ? `Nobody led the group for ${seconds} s`
        : `${leader.gateway} leads the group and did not answer within ${seconds} s`;
    return new AnagateError(
      'BACKEND_FAILED',
      `${why}; it may have been done all the same. Look with gw list, check the Ceph cluster, and try again`,
    );
  }

  /** Resolves with whether it came true in time. */
  #until(isOver: (map: GroupMap) => boolean, limitMs: number): Promise<boolean> {
    if (isOver(this.#options.map())) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (came: boolean): void => {
        this.#waits.delete(wait);
        limit.cancel();
        resolve(came);
      };
      const wait = { isOver, resolve: () => end(true) };
      const limit = this.#options.timers.after(limitMs, () => end(false));
      this.#waits.add(wait);
    });
  }

  #notDrained(gateway: string): AnagateError {
    const seen = this.#seen();
    const hosts = seen.get(gateway)?.hosts ?? [];
    const others = [...seen.keys()].filter((name) => name !== gateway);
    const missing = others.map((name) => ({ name, hosts: missingHosts(hosts, name, seen) }));
    const named = missing.filter((entry) => entry.hosts.length > 0);
    const groups = this.#options
      .map()
      .groups.filter(({ owner }) => owner?.gateway === gateway)
      .map(({ id }) => id);
    const why =
      named.length === 0
        ? 'no other gateway can serve them now; gw list says why'
        : named.map((entry) => `not connected to ${entry.name}: ${listedHosts(entry.hosts)}`).join('; ');
    return new AnagateError(
      'INVALID_ARGUMENT',
      `${gateway} still has ANA group ${groups.join(', ')}: ${why}. Connect the hosts, or drain with --force. It goes on draining`,
    );
  }

  /** Last beacon of the present incarnation of each gateway. */
  #seen(): Map<string, Beacon> {
    const { map, watch } = this.#options;
    const present = watch
      .beacons()
      .filter((beacon) => gatewayOf(map(), beacon.gateway)?.incarnation?.id === beacon.incarnation);
    return new Map(present.map((beacon) => [beacon.gateway, beacon]));
  }
}

/** Of a refusal: what is named is not there, or it cannot be done to it. */
function codeOf(command: AdminCommand, map: GroupMap): ErrorCode {
  if (command.kind !== 'create' && gatewayOf(map, command.gateway) === undefined) return 'GATEWAY_NOT_FOUND';
  if (command.kind === 'move' && groupOf(map, command.group) === undefined) return 'ANA_GROUP_NOT_FOUND';
  return 'INVALID_ARGUMENT';
}

function owns(map: GroupMap, gateway: string): boolean {
  return map.groups.some(({ owner, holders }) =>
    [owner, ...holders].some((holder) => holder?.gateway === gateway),
  );
}
