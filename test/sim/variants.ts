/**
 * Ways to break the product, one rule of ha-design.md each, from outside: what is wrapped here is the product's own. The simulation
 * has to notice every one of them.
 */
import type { Beacon } from '../../src/monitor/beacon.ts';
import type { Coordination, Leadership } from '../../src/monitor/coordination.ts';
import type { AnaGroupEntry, Fence, GroupMap, Holder } from '../../src/monitor/group-map.ts';
import type { GroupServer } from '../../src/monitor/group-server.ts';
import { Silence } from '../../src/monitor/silence.ts';
import { MONITOR_TIMES, type MonitorTimes } from '../../src/monitor/times.ts';
import type { SimProcess } from './engine/process.ts';
import type { World } from './world.ts';

export interface Variant {
  readonly name: string;
  /** The rule that is broken, and how. */
  readonly what: string;
  /** What it is like there: not broken, but such that it shows. */
  circumstances?(world: World): void;
  readonly isHarsh?: boolean;
  /** It hurts hosts, and soon enough for a test to wait for it. */
  readonly hurts?: boolean;
  /** Faults that show it soonest; all unless said. */
  readonly faults?: readonly string[];
  readonly times?: Partial<MonitorTimes>;
  /** librbd acknowledges writes before it sends them. */
  readonly cache?: boolean;
  readonly answersWithoutLease?: boolean;
  /** What a connection that is gone has left in the gateway is done all the same. */
  readonly replaysHeld?: boolean;
  /** The second line is broken too: locks of fenced clients are broken without waiting for the OSD map. */
  readonly blindLocks?: boolean;
  /** Beacons go through RADOS only. */
  readonly withoutStreams?: boolean;
  /** Breaks something for all gateways. Returns what mends it. */
  prepare?(world: World): () => void;
  wrapCoordination?(coordination: Coordination, process: SimProcess, world: World): Coordination;
  wrapServer?(server: GroupServer, process: SimProcess, world: World): GroupServer;
}

export const NO_VARIANT: Variant = { name: 'none', what: 'nothing' };

/** The product as it is, where things are as they are for the variant. */
export function intact({ name, faults, times, withoutStreams, circumstances, isHarsh }: Variant): Variant {
  return {
    name: `${name}, intact`,
    what: 'nothing',
    ...(faults && { faults }),
    ...(times && { times }),
    ...(withoutStreams && { withoutStreams }),
    ...(circumstances && { circumstances }),
    ...(isHarsh && { isHarsh }),
  };
}

interface Seen extends Holder {
  sequence: number;
  sinceMs: number;
}

const DEATHS = [
  'kill',
  'lose power',
  'kill and start at once',
  'freeze',
  'cut from Ceph',
  'pause machine',
  'slow OSDs',
];
const HOLDS = ['freeze', 'freeze shortly', 'stall', 'pause machine', 'cut from Ceph', 'slow OSDs'];
const SHORT_FENCE_MS = 1500;
const FLUSH_MS = 300;

export const VARIANTS: readonly Variant[] = [
  {
    name: 'no fence',
    what: 'S3: nobody is put on the blocklist',
    hurts: true,
    faults: DEATHS,
    wrapCoordination: (coordination) => overriding(coordination, { blocklist: async () => {} }),
  },
  {
    name: 'lease alone',
    what: 'S3: a takeover waits for the lease, and not for the blocklist',
    faults: DEATHS,
    wrapCoordination: (coordination) =>
      overriding(coordination, {
        blocklist: async (fence) => {
          coordination.blocklist(fence).catch(() => undefined);
        },
      }),
  },
  {
    name: 'no lease',
    // by the rule S1; hosts alone notice nothing within 300 seeds
    what: 'S4: the gate looks at the state of the group only',
    faults: HOLDS,
    wrapServer: (server, process, world) =>
      overriding(server, {
        takeOver: async (group, afterFence) => {
          await server.takeOver(group, afterFence);
          const gateway = world.gatewayOf(process);
          if (gateway !== undefined) gateway.ana.groups[group]!.lease = null;
        },
      }),
  },
  {
    name: 'answers without lease',
    what: 'S4: the lease is looked at when a command comes, and not when it is answered',
    faults: ['freeze', 'stall', 'pause machine'],
    answersWithoutLease: true,
    circumstances: slowly,
    isHarsh: true,
  },
  {
    name: 'no map wait + blind locks',
    blindLocks: true,
    what: 'S3: the new owner does not wait for the OSD map',
    faults: DEATHS,
    circumstances: lazily,
    isHarsh: true,
    wrapServer: (server) => overriding(server, { takeOver: (group) => server.takeOver(group, false) }),
  },
  {
    name: 'wait on another client + blind locks',
    blindLocks: true,
    what: 'S3: the OSD map is waited for by a client that does not do the I/O',
    faults: DEATHS,
    circumstances: lazily,
    isHarsh: true,
    wrapServer: (server, process, world) =>
      overriding(server, {
        takeOver: async (group, afterFence) => {
          if (afterFence) await waitForMap(world, process, (client) => client.group !== group);
          await server.takeOver(group, false);
        },
      }),
  },
  {
    name: 'wait before the record + blind locks',
    blindLocks: true,
    what: 'S3: the OSD map is waited for when the fence is intended',
    faults: DEATHS,
    circumstances: lazily,
    isHarsh: true,
    wrapCoordination: (coordination, process, world) =>
      overriding(coordination, {
        readMap: async () => {
          const reading = await coordination.readMap();
          if (reading.map.fences.some(isPending)) void waitForMap(world, process, () => true);
          return reading;
        },
      }),
    wrapServer: (server) => overriding(server, { takeOver: (group) => server.takeOver(group, false) }),
  },
  {
    name: 'cache',
    what: "S7: librbd's cache is on",
    hurts: true,
    faults: DEATHS,
    cache: true,
  },
  {
    name: 'short fence',
    what: 'S6: a fence runs out before the frozen process wakes up',
    faults: ['freeze', 'pause machine'],
    wrapCoordination: (coordination, process, world) =>
      overriding(coordination, {
        blocklist: ({ address }) => world.fence(process, address, SHORT_FENCE_MS),
      }),
  },
  {
    name: 'addresses in the beacon only',
    what: 'S2: the map does not say which clients an incarnation has',
    wrapCoordination: (coordination) => {
      let own: Beacon | null = null;
      return overriding(coordination, {
        writeBeacon: (beacon) => {
          own = beacon;
          return coordination.writeBeacon(beacon);
        },
        readMap: async () => {
          const { leadership, map } = await coordination.readMap();
          return { leadership, map: own === null ? map : withClients(map, own) };
        },
        ...writing(coordination, withoutClients),
      });
    },
  },
  {
    name: 'W1',
    what: 'a fence is waited for by the first group that an incarnation had, and not by its others',
    faults: DEATHS,
    wrapCoordination: (coordination) => overriding(coordination, writing(coordination, firstGroupWaits)),
  },
  {
    name: 'W2 + blind locks',
    blindLocks: true,
    what: 'no epoch says since when the OSD map is to be waited for',
    faults: DEATHS,
    circumstances: lazily,
    isHarsh: true,
    wrapCoordination: (coordination) =>
      overriding(
        coordination,
        writing(coordination, (map) => withGroups(map, (group) => ({ ...group, fencedEpoch: 0 }))),
      ),
  },
  {
    name: 'W3',
    what: 'the predecessor of a process that was started again is not fenced',
    faults: ['kill and start at once', 'kill'],
    wrapCoordination: (coordination) => overriding(coordination, writing(coordination, forgivingRestarts)),
  },
  {
    name: 'W11',
    what: 'an owner that is lost while it is taking a group over is not fenced for it',
    faults: ['kill, and hold up whoever takes over'],
    withoutStreams: true,
    circumstances: verySlowly,
    wrapCoordination: (coordination, _process, world) =>
      overriding(
        coordination,
        writing(coordination, (map) =>
          withoutHolders(map, (holder, group) => isLost(map, holder) && !world.hasReported(holder, group.id)),
        ),
      ),
  },
  {
    name: 'owner by report',
    what: 'S3: who holds a group is what beacons say, and not what the map has said',
    faults: ['kill, and hold up whoever takes over'],
    withoutStreams: true,
    circumstances: verySlowly,
    wrapCoordination: (coordination, _process, world) =>
      overriding(
        coordination,
        writing(coordination, (map) =>
          withoutHolders(map, (holder, group) => !world.hasReported(holder, group.id)),
        ),
      ),
  },
  {
    name: 'acknowledgement without epoch',
    what: 'S3: a beacon that says standby counts as a release, whatever map it is of',
    faults: ['kill, and move what is taken over', 'move a group'],
    withoutStreams: true,
    circumstances: verySlowly,
    isHarsh: true,
    times: { failbackDelay: 0 },
    wrapCoordination: (coordination) =>
      overriding(coordination, { writeBeacon: (beacon) => coordination.writeBeacon(upToDate(beacon)) }),
  },
  {
    name: 'release at once',
    what: 'S3: a release is acknowledged while commands are in flight and locks are held',
    faults: ['move a group', 'drain a gateway', 'disable a gateway', 'stop'],
    circumstances: slowly,
    wrapServer: (server) =>
      overriding(server, {
        release: async (group) => {
          server.withdraw(group);
          return true;
        },
      }),
  },
  {
    name: 'no intent',
    what: 'S5: the blocklist command leaves before the map says so',
    faults: DEATHS,
    wrapCoordination: (coordination) =>
      overriding(coordination, {
        lead: async (before, after, map) => {
          for (const fence of map?.fences.filter(isPending) ?? [])
            coordination.blocklist(fence).catch(() => undefined);
          return coordination.lead(before, after, map);
        },
      }),
  },
  {
    name: 'deposed leader writes',
    what: 'S5: a map is written whoever leads by now',
    faults: ['stall', 'freeze', 'pause machine', 'cut from Ceph'],
    wrapCoordination: (coordination) => {
      let last: GroupMap | null = null;
      return overriding(coordination, {
        lead: async (before, after, map) => {
          last = map ?? last;
          const { leadership, map: present } = await coordination.readMap();
          const isDeposed = leadership.term > before.term;
          if (!isDeposed || last === null) return coordination.lead(before, after, map);
          return coordination.lead(leadership, after, { ...last, epoch: present.epoch + 1 });
        },
      });
    },
  },
  {
    name: 'no stall rule',
    what: 'L3: whoever saw nothing move, itself included, suspects everybody all the same',
    faults: ['pause OSDs'],
    withoutStreams: true,
    prepare: judgingBlindly,
  },
  {
    name: 'standby flush',
    what: 'S8: gateways flush images of groups that others serve',
    prepare: (world) => {
      const flush = () => {
        world.simulation.after(FLUSH_MS, flush);
        for (const image of world.openImages) image.flush({ ioDone: () => {} });
      };
      flush();
      return () => {};
    },
  },
  {
    name: 'held I/O replayed',
    what: 'S9: commands that were held are done although their connection is gone',
    hurts: true,
    faults: ['reset controllers while OSDs are paused'],
    replaysHeld: true,
  },
];

// ---- wrapping ----

function overriding<T extends object>(inner: T, overrides: Partial<T>): T {
  return new Proxy(inner, {
    get(target, key) {
      if (key in overrides) return overrides[key as keyof T];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Each map is changed before it is committed. */
function writing(
  coordination: Coordination,
  change: (map: GroupMap) => GroupMap,
): Pick<Coordination, 'lead'> {
  return {
    lead: (before: Leadership, after: Leadership, map?: GroupMap) =>
      map === undefined ? coordination.lead(before, after) : coordination.lead(before, after, change(map)),
  };
}

/** Every step takes so long that others come in between. */
function verySlowly({ osds }: World): void {
  osds.slowMs = 120;
}

/** There is more under way at any moment. */
function slowly({ osds }: World): void {
  osds.slowMs = 40;
}

/** OSDs learn of new maps from clients sooner than from one another. */
function lazily({ osds }: World): void {
  osds.gossipMs = 4000;
}

/** Both lines of the rule: clocks that start anew, and nobody suspected until the judge's own beacon comes back. */
function judgingBlindly(): () => void {
  const { expect, saw, suspects } = Silence.prototype;
  const judges = new WeakMap<Silence, Map<string, Seen>>();
  const seenBy = (judge: Silence) => judges.get(judge) ?? new Map<string, Seen>();
  Silence.prototype.expect = function (runs, nowMs) {
    expect.call(this, runs, nowMs);
    const before = seenBy(this);
    judges.set(
      this,
      new Map(
        runs.map((run) => [
          run.incarnation,
          before.get(run.incarnation) ?? { ...run, sequence: -1, sinceMs: nowMs },
        ]),
      ),
    );
  };
  Silence.prototype.saw = function (beacons, nowMs) {
    saw.call(this, beacons, nowMs);
    for (const { incarnation, sequence } of beacons) {
      const seen = seenBy(this).get(incarnation);
      if (seen !== undefined && sequence > seen.sequence) Object.assign(seen, { sequence, sinceMs: nowMs });
    }
  };
  Silence.prototype.suspects = function (nowMs) {
    return [...seenBy(this).values()]
      .map((seen) => ({ ...seen, silentMs: nowMs - seen.sinceMs }))
      .filter(({ silentMs }) => silentMs >= MONITOR_TIMES.grace);
  };
  return () => Object.assign(Silence.prototype, { expect, saw, suspects });
}

async function waitForMap(
  world: World,
  process: SimProcess,
  chosen: (client: { group: number }) => boolean,
): Promise<void> {
  const clients = world.clientsOf(process).filter((client) => chosen({ group: world.groupOf(client) }));
  await Promise.all(
    clients.map((client) => new Promise<void>((resolve) => client.waitForLatestMap(() => resolve()))),
  );
}

function upToDate(beacon: Beacon): Beacon {
  return { ...beacon, appliedEpoch: 1e9 };
}

// ---- changing maps ----

function isPending({ state }: Fence): boolean {
  return state === 'intended';
}

function isLost(map: GroupMap, { incarnation }: Holder): boolean {
  return map.fences.some((fence) => fence.incarnation === incarnation);
}

function withGroups(map: GroupMap, change: (group: AnaGroupEntry) => AnaGroupEntry): GroupMap {
  return { ...map, groups: map.groups.map(change) };
}

/** The owner stays, whatever is said of it. */
function withoutHolders(map: GroupMap, drop: (holder: Holder, group: AnaGroupEntry) => boolean): GroupMap {
  return withGroups(map, (group) => ({
    ...group,
    holders: group.holders.filter(
      (holder) => holder.incarnation === group.owner?.incarnation || !drop(holder, group),
    ),
  }));
}

function withoutClients(map: GroupMap): GroupMap {
  const gateways = map.gateways.map((gateway) =>
    gateway.incarnation === null
      ? gateway
      : { ...gateway, incarnation: { ...gateway.incarnation, clients: [] } },
  );
  return { ...map, gateways };
}

function withClients(map: GroupMap, { incarnation, clients }: Beacon): GroupMap {
  const gateways = map.gateways.map((gateway) =>
    gateway.incarnation?.id === incarnation
      ? { ...gateway, incarnation: { id: incarnation, clients } }
      : gateway,
  );
  return { ...map, gateways };
}

function firstGroupWaits(map: GroupMap): GroupMap {
  const waiting = new Set<string>();
  return withoutHolders(map, ({ incarnation }) => {
    if (!map.fences.some((fence) => isPending(fence) && fence.incarnation === incarnation)) return false;
    const isFirst = !waiting.has(incarnation);
    waiting.add(incarnation);
    return !isFirst;
  });
}

function forgivingRestarts(map: GroupMap): GroupMap {
  const restarted = new Set(
    map.fences.filter(({ reason }) => reason === 'restarted').map(({ incarnation }) => incarnation),
  );
  const forgiven = withoutHolders(map, ({ incarnation }) => restarted.has(incarnation));
  return { ...forgiven, fences: map.fences.filter(({ incarnation }) => !restarted.has(incarnation)) };
}
