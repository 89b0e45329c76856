/**
 * The monitor that the gateways of a group are together: each is a member, each watches the others, and one of them leads.
 * What they share lies behind {@link Coordination}.
 */
import type { Clock, Timers } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { MonitorAdmin } from './admin.ts';
import type { Beacon } from './beacon.ts';
import { BeaconWatch } from './beacon-watch.ts';
import type { Coordination, Leadership, MapReading } from './coordination.ts';
import { type Candidate, Election } from './election.ts';
import { FailoverCount } from './failover-count.ts';
import { GroupAdmin } from './group-admin.ts';
import type { GatewayEntry, Holder } from './group-map.ts';
import type { GroupServer } from './group-server.ts';
import { Leader } from './leader.ts';
import { LeaderLink } from './leader-link.ts';
import { Member } from './member.ts';
import type { GatewayPlace, MonitorClient } from './monitor-client.ts';
import type { PeerStreams } from './peer-stream.ts';
import type { MonitorTimes } from './times.ts';

/** At the end the leader's last commit is waited for so long. */
const RESIGN_MS = 1000;
const PROCESS_ENDED = 'its process ended';

export interface SharedMonitorOptions {
  /** Name of this gateway, unique in the group. */
  readonly gateway: string;
  /** Where it stands: a rack, a site; may be ''. */
  readonly location: string;
  readonly coordination: Coordination;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly times: MonitorTimes;
  readonly log: Log;
  /** A text that is unique for ever. */
  newId(): string;
  /** Where peers reach the management port. */
  peer(): { readonly address: string; readonly port: number };
  /** Streams to and from the peers. */
  readonly streams: PeerStreams;
}

export interface MonitorFigures {
  /** Of the last map that was read. */
  readonly epoch: number;
  readonly term: number;
  /** This gateway leads. */
  readonly leading: boolean;
  /** Failovers in the group since this gateway joined it. */
  readonly failovers: number;
  /** Times that this gateway was fenced and joined anew. */
  readonly fences: number;
  /** Leases that ran out here while their group was served. */
  readonly lapses: number;
  /** Looks at the beacons that came too late to judge anybody: a stalled event loop, or a slow cluster. */
  readonly lateLooks: number;
  /** Since the last sign of life of each gateway that runs, ms. */
  readonly beaconAgesMs: ReadonlyMap<string, number>;
}

export class SharedMonitor implements MonitorClient {
  readonly admin: MonitorAdmin;
  readonly #options: SharedMonitorOptions;
  readonly #watch: BeaconWatch;
  readonly #election: Election;
  readonly #requests: GroupAdmin;
  readonly #link: LeaderLink;
  readonly #listeners = new Set<() => void>();
  readonly #failovers = new FailoverCount();
  #member: Member | null = null;
  #leader: Leader | null = null;
  #ownBeacon: Beacon | null = null;
  /** When the map was last read. */
  #readMs: number;
  /** Whose stream to here ended as if its process had. */
  #lostLeader: Leadership | null = null;

  constructor(options: SharedMonitorOptions) {
    const { coordination, clock, timers, times, log } = options;
    const onFailure = (error: NodeJS.ErrnoException): void => this.#failed(error);
    this.#options = options;
    this.#readMs = clock.nowMs();
    const onLook = (begunMs: number): void => {
      this.#leader?.look(begunMs);
      this.#member?.sawBeacons(this.#watch.beacons());
    };
    this.#watch = new BeaconWatch({ coordination, clock, timers, times, log, onLook, onFailure });
    this.#election = new Election({
      coordination,
      clock,
      timers,
      times,
      log,
      candidate: () => this.#candidate(),
      isBlind: () => this.#watch.isBlind,
      onWon: (reading) => this.#lead(reading),
      onFailure,
    });
    this.#requests = new GroupAdmin({
      gateway: options.gateway,
      election: this.#election,
      watch: this.#watch,
      timers,
      times,
      newId: options.newId,
      map: () => this.#attached.map,
      mapAgeMs: () => clock.nowMs() - this.#readMs,
      joined: () => this.#self() !== null,
      tell: () => this.#attached.tell(),
    });
    this.admin = this.#requests;
    this.#link = new LeaderLink({
      streams: options.streams,
      timers,
      self: () => this.#self(),
      onHint: () => this.#attached.look(),
      onLost: (leader) => {
        this.#lostLeader = leader;
        this.#election.ended(leader);
      },
    });
  }

  attach(server: GroupServer): void {
    const { gateway, location, coordination, clock, timers, times, log, newId, peer } = this.#options;
    this.#member = new Member({
      gateway,
      location,
      coordination,
      server,
      clock,
      timers,
      times,
      log,
      newId,
      peer,
      requests: () => this.#requests.pending(),
      onBeacon: (beacon) => this.#passOn(beacon),
      onReading: (reading) => this.#read(reading),
      onBegin: (incarnation) => this.#watch.become(incarnation),
      onFenced: () => this.#endTerm('vacate'),
      onChange: () => this.#changed(),
    });
  }

  start(): Promise<GatewayPlace> {
    const placed = this.#attached.start();
    this.#watch.start();
    return placed;
  }

  homeGroups(): readonly number[] {
    const stay = this.#staying();
    return stay.length > 0 ? stay.map(({ slot }) => slot + 1) : [this.#attached.place?.anaGroupId ?? 1];
  }

  homeLocations(): ReadonlyMap<number, string> {
    const placed = this.#staying().filter(({ location }) => location !== '');
    return new Map(placed.map(({ slot, location }) => [slot + 1, location]));
  }

  #staying(): readonly GatewayEntry[] {
    return this.#attached.map.gateways.filter(({ availability }) => availability !== 'DELETING');
  }

  /** Whether the map has a complete fence of this client, `192.0.2.1:0/4711`; 'soon': one that is under way. */
  isFenced(address: string): boolean | 'soon' {
    const fences = this.#attached.map.fences.filter((fence) => fence.address === address);
    if (fences.some(({ state }) => state === 'committed')) return true;
    return fences.length > 0 && 'soon';
  }

  /** For metrics. */
  figures(): MonitorFigures {
    const { map, fences, lapses } = this.#attached;
    return {
      epoch: map.epoch,
      term: this.#election.leadership?.term ?? 0,
      leading: this.#leader !== null,
      failovers: this.#failovers.count,
      fences,
      lapses,
      lateLooks: this.#watch.lateLooks,
      beaconAgesMs: new Map(
        this.admin
          .gateways()
          .flatMap(({ name, beaconAgeMs }) => (beaconAgeMs === null ? [] : [[name, beaconAgeMs]])),
      ),
    };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async leave(): Promise<void> {
    await this.#member?.leave();
  }

  async stop(): Promise<void> {
    const { coordination } = this.#options;
    await this.#member?.goodbye();
    await this.#resign();
    this.#endTerm();
    this.#election.stop();
    this.#watch.stop();
    this.#member?.stop();
    this.#requests.stop();
    await Promise.all([this.#link.end(), coordination.close()]);
  }

  get #attached(): Member {
    if (this.#member === null) throw new Error('nothing is attached that could serve ANA groups');
    return this.#member;
  }

  #self(): Holder | null {
    const { incarnation } = this.#attached;
    return incarnation === null ? null : { gateway: this.#options.gateway, incarnation };
  }

  #candidate(): Candidate | null {
    const self = this.#self();
    if (self === null) return null;
    const { address, port } = this.#options.peer();
    return { ...self, peerAddress: address, peerPort: port, leaving: this.#attached.leaving };
  }

  /** Every beacon of this gateway, as it is made. */
  #passOn(beacon: Beacon): void {
    this.#ownBeacon = beacon;
    this.#leader?.hear(beacon);
    this.#link.send(beacon);
  }

  #read(reading: MapReading): void {
    this.#readMs = this.#options.clock.nowMs();
    this.#watch.expect(reading.map);
    if (this.#leader !== null && reading.leadership.term > this.#leader.term) this.#endTerm();
    this.#election.observe(reading);
    this.#requests.read(reading.map);
    this.#failovers.read(reading.map);
    this.#link.follow(reading.leadership);
  }

  #lead(begin: MapReading): void {
    const { coordination, clock, timers, times, log, streams } = this.#options;
    this.#endTerm();
    const leader = new Leader({
      coordination,
      clock,
      timers,
      times,
      log,
      watch: this.#watch,
      begin,
      onCommit: (reading) => {
        streams.push(reading.map.epoch);
        this.#attached.take(reading);
      },
      onDeposed: () => this.#endTerm(),
      onFailure: (error) => this.#failed(error),
    });
    this.#leader = leader;
    this.#link.follow(begin.leadership);
    streams.serve({
      onBeacon: (beacon) => leader.hear(beacon),
      onEnd: ({ gateway, incarnation }, abrupt) => {
        if (abrupt) leader.lose(gateway, incarnation, PROCESS_ENDED);
      },
    });
    this.#inherit(leader);
  }

  /** What a new leader knows already. */
  #inherit(leader: Leader): void {
    const own = this.#ownBeacon;
    if (own !== null && own.incarnation === this.#attached.incarnation) leader.hear(own);
    const lost = this.#lostLeader;
    if (lost !== null && lost.term === leader.term - 1)
      leader.lose(lost.gateway, lost.incarnation, PROCESS_ENDED);
  }

  #endTerm(how: 'end' | 'vacate' = 'end'): void {
    if (this.#leader === null) return;
    this.#leader[how]();
    this.#leader = null;
    this.#options.streams.serve(null);
  }

  async #resign(): Promise<void> {
    const leader = this.#leader;
    if (leader === null) return;
    const { timers } = this.#options;
    await new Promise<void>((resolve) => {
      const limit = timers.after(RESIGN_MS, resolve);
      void leader.resign().then(() => {
        limit.cancel();
        resolve();
      });
    });
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (error.code === 'EBLOCKLISTED') this.#member?.fenced('its control client is on the blocklist');
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
