/**
 * This gateway's part in the group: it tells of itself with beacons, follows the map, serves what the map gives it, and gives
 * itself up for a new incarnation when it is fenced (ha-design S1-S4, L2). Who decides is in leader.ts.
 */
import type { Clock, Timer, Timers } from '../base/clock.ts';
import { AnagateError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { LIMITS } from '../limits.ts';
import type { Beacon } from './beacon.ts';
import { BeaconWriter } from './beacon-writer.ts';
import type { Coordination, MapReading } from './coordination.ts';
import { EMPTY_MAP, type GatewayEntry, type GroupMap, gatewayOf } from './group-map.ts';
import type { GroupServer } from './group-server.ts';
import { IncarnationRun } from './incarnation-run.ts';
import type { AdminRequest } from './machine.ts';
import { type GatewayPlace, placeOfSlot } from './monitor-client.ts';
import { Rejoin } from './rejoin.ts';
import { Rounds } from './rounds.ts';
import { type Standing, standingOf } from './standing.ts';
import type { MonitorTimes } from './times.ts';

/** {@link Member.leave} takes no longer: whoever stops this process waits for it. */
const LEAVE_MS = 5000;
/** The last beacon is waited for so long. */
const GOODBYE_MS = 1000;
/** Who waits for its place says why, this often. */
const SAY_AGAIN_MS = 30_000;
/** Who starts under the name of a gateway that lives elsewhere gives up after so long: a stopped predecessor is gone by then. */
const NAME_TAKEN_MS = 15_000;

const DELETED = 'this gateway was deleted; it serves nothing until it is started again';

export interface MemberOptions {
  readonly gateway: string;
  readonly location: string;
  readonly coordination: Coordination;
  readonly server: GroupServer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly times: MonitorTimes;
  readonly log: Log;
  /** A text that is unique for ever. */
  newId(): string;
  /** Where peers reach the management port. */
  peer(): { readonly address: string; readonly port: number };
  /** What operators asked here and the map has not answered yet. */
  requests(): readonly AdminRequest[];
  /** Every beacon, when it is made. */
  onBeacon(beacon: Beacon): void;
  /** Every reading of the map, also when nothing changed. */
  onReading(reading: MapReading): void;
  /** A new incarnation has begun; its first beacon follows. */
  onBegin(incarnation: string): void;
  /** The incarnation is over. */
  onFenced(): void;
  /** A group was taken or given back, or the map changed. */
  onChange(): void;
}

export class Member {
  readonly #options: MemberOptions;
  readonly #writer: BeaconWriter;
  readonly #looks: Rounds;
  readonly #rejoin: Rejoin;
  readonly #ids = new Set<string>();
  #run: IncarnationRun | null = null;
  #map: GroupMap = EMPTY_MAP;
  #registered = false;
  #everRegistered = false;
  #leave: Promise<void> | null = null;
  #goodbye = false;
  #stopped = false;
  #place: GatewayPlace | null = null;
  #placed: { resolve(place: GatewayPlace): void; reject(error: Error): void } | null = null;
  #left: (() => void) | null = null;
  #said = '';
  #saidMs = 0;
  #failing = false;
  /** Since when another process lives under this gateway's name. */
  #takenMs: number | null = null;
  #fences = 0;
  #lapses = 0;

  constructor(options: MemberOptions) {
    this.#options = options;
    const { coordination, server, clock, timers, times, log } = options;
    this.#writer = new BeaconWriter({
      timers,
      everyMs: times.beacon,
      compose: (sequence) => this.#compose(sequence),
      pass: (beacon) => options.onBeacon(beacon),
      write: (beacon) => coordination.writeBeacon(beacon),
      onFailure: (error) => this.#failed(error),
    });
    this.#looks = new Rounds({ clock, timers, everyMs: times.beacon, work: () => this.#look() });
    const standing = ({ map }: MapReading) => this.#standing(map, '');
    this.#rejoin = new Rejoin({ coordination, server, clock, timers, log, standing });
    coordination.onHint(() => this.#looks.soon());
    server.onFenced((group) => this.fenced(`the client of ANA group ${group} is on the blocklist`));
    server.onCondition(() => {
      this.#run?.reconsider();
      this.#writer.soon();
    });
  }

  /** Resolves once the map has this gateway; rejects when it is stopped before, or its name is taken. */
  start(): Promise<GatewayPlace> {
    return new Promise((resolve, reject) => {
      this.#placed = { resolve, reject };
      this.#saidMs = this.#options.clock.nowMs();
      this.#begin();
      this.#looks.start();
    });
  }

  /** Last map that was read. */
  get map(): GroupMap {
    return this.#map;
  }

  /** null: there is none at the moment. */
  get incarnation(): string | null {
    return this.#run?.id ?? null;
  }

  get leaving(): boolean {
    return this.#leave !== null;
  }

  /** null: not known yet. */
  get place(): GatewayPlace | null {
    return this.#place;
  }

  /** Times that it gave itself up. */
  get fences(): number {
    return this.#fences;
  }

  /** Leases that ran out while their group was served. */
  get lapses(): number {
    return this.#lapses;
  }

  /** A beacon goes out: something that it carries has changed. */
  tell(): void {
    this.#writer.soon();
  }

  /** The map may have changed. */
  look(): void {
    this.#looks.soon();
  }

  /** All gateways' beacons, as just read. */
  sawBeacons(beacons: readonly Beacon[]): void {
    this.#run?.look(beacons);
  }

  /** What was read, or what this gateway has just committed itself. */
  take(reading: MapReading): void {
    if (this.#stopped) return;
    this.#options.onReading(reading);
    const { map } = reading;
    if (map.epoch < this.#map.epoch) return;
    const changed = map.epoch > this.#map.epoch;
    this.#map = map;
    this.#follow(map);
    if (changed) this.#options.onChange();
    this.#checkLeft();
  }

  /** This incarnation's clients are fenced, or about to be: everything turns inaccessible, and a new one begins (ha-design L2). */
  fenced(reason: string): void {
    if (this.#run === null || this.#stopped) return;
    this.#options.log.error({ incarnation: this.#run.id, reason }, 'this gateway is fenced; it joins anew');
    this.#fences += 1;
    const incarnation = this.#end();
    void this.#rejoin.after(incarnation).then((mayReturn) => {
      if (this.#stopped) return;
      if (mayReturn) this.#begin();
      else this.#options.log.error({}, DELETED);
    });
  }

  /** See {@link MonitorClient.leave}. */
  leave(): Promise<void> {
    if (this.#leave !== null) return this.#leave;
    this.#leave = new Promise((resolve) => {
      const limit = this.#options.timers.after(LEAVE_MS, () => {
        this.#options.log.warn({}, 'not every ANA group was handed over in time; stopping all the same');
        resolve();
      });
      this.#left = () => {
        limit.cancel();
        resolve();
      };
    });
    this.#giveUpPlace();
    this.#writer.send();
    this.#checkLeft();
    return this.#leave;
  }

  /** The last beacon. Resolves when it is written, or cannot be in time. */
  async goodbye(): Promise<void> {
    this.#goodbye = true;
    let timer: Timer | null = null;
    const limit = new Promise<void>((resolve) => {
      timer = this.#options.timers.after(GOODBYE_MS, resolve);
    });
    await Promise.race([this.#writer.end(), limit]);
    (timer as Timer | null)?.cancel();
  }

  stop(): void {
    this.#stopped = true;
    this.#looks.stop();
    this.#rejoin.stop();
    this.#run?.abandon();
    this.#giveUpPlace();
    this.#left?.();
  }

  #giveUpPlace(): void {
    this.#placed?.reject(
      new AnagateError('SHUTTING_DOWN', 'this gateway was stopped before the group had a place for it'),
    );
    this.#placed = null;
  }

  #begin(): void {
    const { gateway, server, clock, timers, times, log, newId, onBegin, onChange } = this.#options;
    const id = newId();
    this.#ids.add(id);
    this.#registered = false;
    log.info({ incarnation: id }, 'a new incarnation of this gateway begins');
    this.#run = new IncarnationRun({
      gateway,
      id,
      server,
      clock,
      timers,
      times,
      log,
      onChange: () => {
        this.#writer.soon();
        onChange();
        this.#checkLeft();
      },
      onFenced: (reason) => this.fenced(reason),
      onLapse: (group) => {
        this.#lapses += 1;
        log.warn({ group }, 'the lease of the ANA group ran out; its I/O waits');
        this.#writer.soon();
      },
    });
    onBegin(id);
    this.#writer.send();
    this.#looks.soon();
  }

  /** Returns the incarnation that is over. */
  #end(): string {
    const run = this.#run!;
    this.#run = null;
    run.abandon();
    this.#options.onFenced();
    this.#options.onChange();
    this.#checkLeft();
    return run.id;
  }

  async #look(): Promise<void> {
    try {
      const reading = await this.#options.coordination.readMap();
      this.#failing = false;
      this.take(reading);
    } catch (error) {
      this.#failed(error as NodeJS.ErrnoException);
    }
  }

  #failed(err: NodeJS.ErrnoException): void {
    if (this.#run === null || this.#stopped) return;
    if (err.code === 'EBLOCKLISTED') this.fenced('its control client is on the blocklist');
    else if (!this.#failing) this.#options.log.warn({ err }, 'the group cannot be reached; trying on');
    this.#failing = true;
  }

  #standing(map: GroupMap, incarnation: string): Standing {
    return standingOf(map, {
      gateway: this.#options.gateway,
      incarnation,
      all: this.#ids,
      registered: this.#registered && incarnation !== '',
      everRegistered: this.#everRegistered,
    });
  }

  #follow(map: GroupMap): void {
    const run = this.#run;
    if (run === null || this.#goodbye) return;
    const standing = this.#standing(map, run.id);
    switch (standing) {
      case 'fenced':
        this.fenced('the map says so');
        return;
      case 'replaced':
        this.fenced('another process has taken its name');
        return;
      case 'removed':
        this.#options.log.error({}, DELETED);
        this.#end();
        return;
      case 'deleting':
        this.#say('this gateway is being deleted; it serves nothing until it is started again');
        break;
      case 'member':
        this.#enter(map);
        break;
      case 'unknown':
        this.#explainWait(map);
    }
    const before = run.appliedEpoch;
    run.apply(map);
    if (run.appliedEpoch !== before) this.#writer.soon();
  }

  #enter(map: GroupMap): void {
    this.#registered = true;
    this.#everRegistered = true;
    if (this.#place !== null) return;
    const { slot } = gatewayOf(map, this.#options.gateway)!;
    this.#place = placeOfSlot(slot);
    this.#options.log.info({ slot }, 'this gateway has its place in the group');
    this.#placed?.resolve(this.#place);
    this.#placed = null;
  }

  #explainWait(map: GroupMap): void {
    if (this.#placed === null || map.epoch === 0) return;
    const { gateway, clock } = this.#options;
    const entry = gatewayOf(map, gateway);
    this.#notice(entry);
    if (entry?.availability === 'DELETING') {
      this.#say(
        `waiting: the gateway of this name is being deleted; "gw create -i ${gateway}" takes it back into the group`,
      );
    } else if (entry === undefined && map.gateways.length >= LIMITS.maxSlots) {
      this.#say(
        `waiting: all ${LIMITS.maxSlots} slots of the group are taken; delete a gateway that does not come back`,
      );
    } else if (this.#takenMs !== null) {
      this.#say(`waiting: gateway "${gateway}" runs already, at ${entry!.peerAddress}:${entry!.peerPort}`);
    } else if (clock.nowMs() - this.#saidMs > SAY_AGAIN_MS) {
      this.#say('waiting for the leader of the group to register this gateway');
    }
  }

  /** A process that lives elsewhere under this gateway's name keeps it. */
  #notice(entry: GatewayEntry | undefined): void {
    const { gateway, clock, peer } = this.#options;
    const own = peer();
    const lives = entry !== undefined && entry.incarnation !== null && !this.#ids.has(entry.incarnation.id);
    if (!lives || (entry.peerAddress === own.address && entry.peerPort === own.port)) {
      this.#takenMs = null;
      return;
    }
    this.#takenMs ??= clock.nowMs();
    if (clock.nowMs() - this.#takenMs < NAME_TAKEN_MS) return;
    this.#placed?.reject(
      new AnagateError(
        'INVALID_ARGUMENT',
        `Gateway "${gateway}" was not started: another process runs under this name, at ${entry.peerAddress}:${entry.peerPort}. Names of gateways are unique in a group: set another [gateway] name here, or stop that process`,
      ),
    );
    this.#placed = null;
  }

  #say(what: string): void {
    const nowMs = this.#options.clock.nowMs();
    if (what === this.#said && nowMs - this.#saidMs < SAY_AGAIN_MS) return;
    this.#said = what;
    this.#saidMs = nowMs;
    this.#options.log.warn({}, what);
  }

  #compose(sequence: number): Beacon | null {
    const run = this.#run;
    if (run === null) return null;
    const { gateway, location, coordination, server, times, peer, requests } = this.#options;
    const { address, port } = peer();
    return {
      ...server.condition(),
      gateway,
      incarnation: run.id,
      sequence,
      leaving: this.leaving,
      goodbye: this.#goodbye,
      location,
      peerAddress: address,
      peerPort: port,
      leaseMs: times.lease,
      clients: [{ group: 0, address: coordination.address }, ...server.clients()],
      appliedEpoch: run.appliedEpoch,
      groups: run.groups(),
      requests: requests(),
    };
  }

  /** Whether the map names this gateway nowhere any more, nor does it hold anything. */
  #checkLeft(): void {
    if (this.#left === null) return;
    const id = this.#run?.id;
    const named = this.#map.groups.some(({ owner, holders }) =>
      [owner, ...holders].some((holder) => holder !== null && holder.incarnation === id),
    );
    if (id !== undefined && (named || !this.#run!.idle)) return;
    this.#left();
    this.#left = null;
  }
}
