/** What can go wrong. A fault does its harm, and gives back how that is healed. */
import { mapObjectOf } from '../../src/monitor/rados/map-layout.ts';
import type { SimProcess } from './engine/process.ts';
import type { Random } from './engine/random.ts';
import type { Machine, World } from './world.ts';

export interface Fault {
  readonly name: string;
  /** If nothing else goes wrong, no ANA group is without a gateway that serves it for longer than this. Absent: it may be. */
  readonly unservedMs?: number;
  /** Nobody is fenced because of it. */
  readonly harmless?: true | 'alone';
  /** Of two faults one is as likely as its weight says; 1 unless said. */
  readonly weight?: number;
  /** How long it lasts, if not as long as others. */
  readonly lastsMs?: readonly [least: number, most: number];
  /** `ms` is how long it is to last. Returns what ends it; null: it ends by itself. */
  begin(world: World, random: Random, ms: number): (() => void) | null;
}

const MAP_OBJECT = mapObjectOf('sim');

/** Detection by silence, then fence and lease, and a leader that may have been lost too. */
const SILENT_MS = 6500;
const CRASH_MS = 3500;
/** A planned move, or a lease that has to be asked for anew. */
const SHORT_MS = 1500;
/** Nothing that serves is touched. */
const NONE_MS = 600;

export const FAULTS: readonly Fault[] = [
  {
    name: 'kill',
    unservedMs: CRASH_MS,
    weight: 2,
    begin: (world, random) => {
      const machine = victimOf(world, random);
      world.killGateway(machine, false);
      return () => world.startGateway(machine);
    },
  },
  {
    name: 'kill and start at once',
    unservedMs: CRASH_MS,
    lastsMs: [1, 50],
    begin: (world, random) => {
      const machine = victimOf(world, random);
      world.killGateway(machine, random.chance(0.3));
      return () => world.startGateway(machine);
    },
  },
  {
    name: 'lose power',
    unservedMs: SILENT_MS,
    begin: (world, random) => {
      const machine = victimOf(world, random);
      const heal = cut(world, everything(world, machine));
      world.killGateway(machine, true);
      return () => {
        heal();
        world.startGateway(machine);
      };
    },
  },
  {
    name: 'stop',
    harmless: 'alone',
    unservedMs: SHORT_MS,
    lastsMs: [1000, 6000],
    begin: (world, random) => {
      const machine = victimOf(world, random);
      const { process } = machine;
      world.stopGateway(machine);
      return () => {
        if (machine.process === process) world.killGateway(machine, false);
        world.startGateway(machine);
      };
    },
  },
  hold(3, 'freeze', 'frozen', [300, 8000]),
  hold(1, 'freeze shortly', 'frozen', [50, 2500]),
  hold(2, 'stall', 'stalled', [100, 7000]),
  hold(3, 'pause machine', 'paused', [100, 7000]),
  {
    name: 'cut from Ceph',
    unservedMs: SILENT_MS,
    weight: 2,
    begin: (world, random) => cut(world, back(world, victimOf(world, random))),
  },
  {
    name: 'cut from an OSD',
    harmless: true,
    unservedMs: SILENT_MS,
    begin: (world, random) =>
      cut(world, [[victimOf(world, random).node.name, random.pick(world.osds.osds).name]]),
  },
  {
    name: 'cut from the monitors',
    harmless: true,
    unservedMs: NONE_MS,
    begin: (world, random) => cut(world, [[victimOf(world, random).node.name, 'monitors']]),
  },
  {
    name: 'cut an OSD from the monitors',
    harmless: true,
    unservedMs: NONE_MS,
    begin: (world, random) => cut(world, [[random.pick(world.osds.osds).name, 'monitors']]),
  },
  {
    name: 'cut from a host',
    harmless: true,
    unservedMs: SHORT_MS,
    begin: (world, random) =>
      cut(world, [[victimOf(world, random).door.party, random.pick(world.hosts).name]]),
  },
  {
    name: 'cut from the front network',
    harmless: true,
    unservedMs: SHORT_MS,
    begin: (world, random) => cut(world, front(world, victimOf(world, random))),
  },
  {
    name: 'cut from everything',
    unservedMs: SILENT_MS,
    begin: (world, random) => cut(world, everything(world, victimOf(world, random))),
  },
  {
    name: 'cut between gateways',
    harmless: true,
    unservedMs: NONE_MS,
    begin: (world, random) => {
      const [one, other] = random.shuffle([...world.machines]);
      return cut(world, [[one!.node.name, other!.node.name]]);
    },
  },
  {
    name: 'move a namespace',
    harmless: true,
    weight: 3,
    lastsMs: [1, 1],
    begin: (world, random) => {
      const groups = world.map.groups.map(({ id }) => id);
      if (groups.length > 0) world.moveNamespace(random.pick(world.disks), random.pick(groups));
      return null;
    },
  },
  {
    name: 'reset streams',
    unservedMs: CRASH_MS,
    weight: 2,
    lastsMs: [1, 1],
    begin: (world, random) => {
      const { process } = victimOf(world, random);
      if (process !== null) resetStreams(world, process);
      return null;
    },
  },
  {
    name: 'reset streams while it is cut from the map',
    weight: 2,
    begin: (world, random) => {
      const { node, process } = victimOf(world, random);
      const heal = cut(world, [[node.name, world.osds.of(MAP_OBJECT).name]]);
      world.osds.slowMs = random.pick([1, 20, 80, 300]);
      if (process !== null)
        world.simulation.after(random.between(0, 700), () => resetStreams(world, process));
      return () => {
        heal();
        world.osds.slowMs = 0;
      };
    },
  },
  {
    name: 'pause OSDs while hosts are cut off',
    weight: 2,
    lastsMs: [1500, 5500],
    begin: (world, random, ms) => {
      const { door } = victimOf(world, random);
      const heal = cut(
        world,
        world.hosts.filter(() => random.chance(0.7)).map(({ name }) => [door.party, name]),
      );
      const early = random.between(-500, 500);
      world.osds.pause(true);
      world.simulation.after(Math.max(ms + early, 100), () => world.osds.pause(false));
      return heal;
    },
  },
  {
    name: 'reset controllers',
    harmless: true,
    unservedMs: NONE_MS,
    lastsMs: [1, 1],
    begin: (world, random) => {
      resetControllers(world, random);
      return null;
    },
  },
  {
    name: 'reset controllers while OSDs are paused',
    harmless: true,
    weight: 2,
    lastsMs: [3000, 6000],
    begin: (world, random, ms) => {
      world.osds.pause(true);
      // leases are over by then, and commands are held
      const resetMs = random.between(1550, ms - 700);
      world.simulation.after(resetMs - 20, () => burst(world));
      world.simulation.after(resetMs, () => resetControllers(world, random));
      return () => {
        world.osds.slowMs = random.pick([0, 80, 400]);
        world.osds.pause(false);
        for (const lateMs of [30, 80, 150, 250]) world.simulation.after(lateMs, () => burst(world));
        world.simulation.after(600, () => {
          world.osds.slowMs = 0;
        });
      };
    },
  },
  {
    name: 'kill, and hold up whoever takes over',
    weight: 2,
    lastsMs: [4000, 8000],
    begin: (world, random) => {
      const machine = victimOf(world, random);
      const state = random.pick(['frozen', 'stalled', 'paused'] as const);
      const [lateMs, lastsMs] = [random.between(0, 250), random.between(500, 5000)];
      world.whenTakenOver((_group, { process }, afterFence) => {
        if (process === null || !afterFence) return false;
        world.simulation.after(lateMs, () => process.hold(state));
        world.simulation.after(lateMs + lastsMs, () => process.goOn());
        return true;
      });
      world.killGateway(machine, false);
      return () => world.startGateway(machine);
    },
  },
  {
    name: 'kill, and move what is taken over',
    weight: 2,
    lastsMs: [100, 3000],
    begin: (world, random) => {
      const machine = victimOf(world, random);
      const lateMs = random.between(0, 100);
      const to = random.pick(world.machines).node.name;
      world.whenTakenOver((group) => {
        const command = { kind: 'move', group, gateway: to, force: true } as const;
        world.simulation.after(lateMs, () => world.command(command));
        return true;
      });
      world.killGateway(machine, false);
      return () => world.startGateway(machine);
    },
  },
  {
    name: 'requests hang while hosts are cut off',
    weight: 2,
    lastsMs: [1500, 4500],
    begin: (world, random) => {
      const { door } = victimOf(world, random);
      const heal = cut(
        world,
        world.hosts.map(({ name }) => [door.party, name]),
      );
      world.osds.hanging = 0.1;
      return () => {
        heal();
        world.osds.hanging = 0;
      };
    },
  },
  {
    name: 'drain a gateway',
    harmless: true,
    unservedMs: SHORT_MS,
    begin: (world, random) => {
      const gateway = victimOf(world, random).node.name;
      const instead = world.command({ kind: 'drain', gateway, force: random.chance(0.3) });
      return () => instead(() => world.command({ kind: 'undrain', gateway }));
    },
  },
  {
    name: 'disable a gateway',
    harmless: true,
    unservedMs: SHORT_MS,
    begin: (world, random) => {
      const gateway = victimOf(world, random).node.name;
      const instead = world.command({ kind: 'disable', gateway });
      return () => instead(() => world.command({ kind: 'enable', gateway }));
    },
  },
  {
    name: 'delete a gateway',
    unservedMs: CRASH_MS,
    begin: (world, random) => {
      const machine = victimOf(world, random);
      const gateway = machine.node.name;
      const instead = world.command({ kind: 'delete', gateway });
      return () =>
        instead(() => {
          world.command({ kind: 'create', gateway });
          world.killGateway(machine, false);
          world.startGateway(machine);
        });
    },
  },
  {
    name: 'move a group',
    harmless: true,
    unservedMs: SHORT_MS,
    lastsMs: [1, 1],
    begin: (world, random) => {
      const { groups } = world.map;
      const gateway = victimOf(world, random).node.name;
      const force = random.chance(0.3);
      if (groups.length > 0) world.command({ kind: 'move', group: random.pick(groups).id, gateway, force });
      return null;
    },
  },
  {
    name: 'slow OSDs',
    harmless: true,
    weight: 3,
    begin: (world, random) => {
      world.osds.slowMs = random.pick([5, 20, 80, 300]);
      return () => {
        world.osds.slowMs = 0;
      };
    },
  },
  {
    name: 'lose answers',
    begin: (world) => {
      world.ceph.lostAnswers = 0.02;
      return () => {
        world.ceph.lostAnswers = 0;
      };
    },
  },
  {
    name: 'stop an OSD',
    harmless: true,
    begin: (world, random, ms) => {
      random.pick(world.osds.osds).stop(ms);
      return null;
    },
  },
  {
    name: 'pause OSDs',
    harmless: true,
    weight: 2,
    begin: (world) => {
      world.osds.pause(true);
      return () => world.osds.pause(false);
    },
  },
  {
    name: 'election',
    harmless: true,
    unservedMs: NONE_MS,
    begin: (world, _random, ms) => {
      world.monitors.elect(ms);
      return null;
    },
  },
  {
    name: 'send again',
    harmless: true,
    unservedMs: NONE_MS,
    begin: (world, random) => {
      const { process } = victimOf(world, random);
      if (process !== null) for (const client of world.clientsOf(process)) client.resend();
      return null;
    },
  },
  {
    name: 'fence from outside',
    unservedMs: SILENT_MS,
    begin: (world, random) => {
      const { process } = victimOf(world, random);
      const clients = process === null ? [] : world.clientsOf(process);
      if (process === null || clients.length === 0) return null;
      world.disturbed(process);
      const { address } = random.pick(clients);
      world.monitors.addToBlocklist(address, 86_400_000, () => undefined);
      return null;
    },
  },
  {
    name: 'set the wall clock',
    harmless: true,
    unservedMs: NONE_MS,
    begin: (world, random) => {
      victimOf(world, random).process?.stepWall(random.between(-5000, 5000));
      return null;
    },
  },
];

function hold(
  weight: number,
  name: string,
  state: 'stalled' | 'frozen' | 'paused',
  lastsMs: readonly [number, number],
): Fault {
  return {
    name,
    weight,
    unservedMs: SILENT_MS,
    lastsMs,
    begin: (world, random) => {
      const { process } = victimOf(world, random);
      if (process === null || process.state !== 'running') return null;
      process.hold(state);
      const since = process.stateSinceMs;
      return () => {
        if (process.stateSinceMs === since) process.goOn();
      };
    },
  };
}

/** Misfortunes seldom come alone. */
function victimOf({ machines, victim }: World, random: Random): Machine {
  return random.chance(0.6) ? victim : random.pick(machines);
}

function resetControllers({ hosts }: World, random: Random): void {
  for (const { paths } of hosts) for (const path of paths) if (random.chance(0.7)) path.reset();
}

function burst({ hosts }: World): void {
  for (const host of hosts) host.burst(6);
}

/** To its peers it looks as if its process had ended. */
function resetStreams(world: World, process: SimProcess): void {
  world.disturbed(process);
  world.peers.reset(process);
}

type Pairs = readonly (readonly [string, string])[];

function cut(world: World, pairs: Pairs): () => void {
  for (const [a, b] of pairs) world.network.cut(a, b);
  return () => {
    for (const [a, b] of pairs) world.network.heal(a, b);
  };
}

function back(world: World, { node }: Machine): Pairs {
  return world.cephParties.map((party) => [node.name, party]);
}

function front(world: World, { door }: Machine): Pairs {
  const others = world.machines.filter((machine) => machine.door !== door);
  return [...world.hosts.map(({ name }) => name), ...others.map((other) => other.door.party)].map((party) => [
    door.party,
    party,
  ]);
}

function everything(world: World, machine: Machine): Pairs {
  const others = world.machines.filter((other) => other !== machine);
  const peers = others.map(({ node }) => [machine.node.name, node.name] as const);
  return [...front(world, machine), ...back(world, machine), ...peers];
}
