/** What goes wrong, and when: drawn from the seed. Everything heals in the end. */
import type { Random } from './engine/random.ts';
import type { Machine, World } from './world.ts';

/** Does its harm now; the harm ends by itself, or by what is returned, which is called at the latest when all shall heal. */
type Fault = (world: World, random: Random) => (() => void) | undefined;

/** Faults come between these times. */
const FIRST_MS = 4000;
const LAST_MS = 11_000;
/** From now on nothing is broken any more. */
export const HEALED_MS = 14_000;

/** Draws a plan and puts it into the world's time. */
export function breakThings(world: World): void {
  const random = world.random.fork();
  const count = random.pick([1, 1, 2, 2, 3, 4]);
  const names = Object.keys(FAULTS) as (keyof typeof FAULTS)[];
  let atMs = random.between(FIRST_MS, LAST_MS);
  for (let i = 0; i < count; i++) {
    const name = random.pick(names);
    const own = random.fork();
    world.simulation.at(atMs, () => begin(world, own, name));
    // often several at once, or one while the last still hurts
    atMs = random.chance(0.5)
      ? Math.min(atMs + random.exponential(500), LAST_MS)
      : random.between(FIRST_MS, LAST_MS);
  }
}

function begin(world: World, random: Random, name: keyof typeof FAULTS): void {
  world.simulation.note(() => `FAULT ${name}`);
  const heal = FAULTS[name](world, random);
  if (heal !== undefined) once(world, random.between(200, 9000), heal);
}

/** Calls `heal` after `ms`, or when everything heals. */
function once(world: World, ms: number, heal: () => void): void {
  const atMs = Math.min(world.simulation.now + ms, HEALED_MS);
  world.simulation.at(atMs, heal);
}

const FAULTS = {
  kill: (world, random) => {
    const machine = random.pick(world.machines);
    world.killGateway(machine, false);
    return () => world.startGateway(machine);
  },
  'lose power': (world, random) => {
    const machine = random.pick(world.machines);
    const heal = cut(world, everything(world, machine));
    world.killGateway(machine, true);
    return () => {
      heal();
      world.startGateway(machine);
    };
  },
  stop: (world, random) => {
    const machine = random.pick(world.machines);
    const { gateway } = machine;
    if (gateway === null) return undefined;
    world.simulation.note(() => `${gateway.process.name} is asked to stop`);
    gateway.process.enter(() => {
      void gateway.leave().then(() => {
        if (machine.gateway === gateway) world.killGateway(machine, false);
      });
    });
    return () => {
      if (machine.gateway === gateway) world.killGateway(machine, false);
      world.startGateway(machine);
    };
  },
  freeze: (world, random) => hold(world, random, 'frozen', [300, 8000]),
  'freeze shortly': (world, random) => hold(world, random, 'frozen', [50, 2500]),
  stall: (world, random) => hold(world, random, 'stalled', [100, 5000]),
  'pause machine': (world, random) => hold(world, random, 'paused', [100, 6000]),
  'cut from Ceph': (world, random) => {
    const machine = random.pick(world.machines);
    return cut(
      world,
      world.cephParties.map((party) => [machine.node.name, party]),
    );
  },
  'cut from an OSD': (world, random) => {
    const machine = random.pick(world.machines);
    return cut(world, [[machine.node.name, random.pick(world.osds.osds).name]]);
  },
  'cut from the monitors': (world, random) =>
    cut(world, [[random.pick(world.machines).node.name, 'monitors']]),
  'cut OSD from the monitors': (world, random) =>
    cut(world, [[random.pick(world.osds.osds).name, 'monitors']]),
  'cut from a host': (world, random) =>
    cut(world, [[random.pick(world.machines).door.party, random.pick(world.hosts).name]]),
  'cut from the front network': (world, random) => cut(world, front(world, random.pick(world.machines))),
  'cut from everything': (world, random) => cut(world, everything(world, random.pick(world.machines))),
  'cut between gateways': (world, random) => {
    const [one, other] = random.shuffle([...world.machines]);
    return cut(world, [[one!.node.name, other!.node.name]]);
  },
  'stop an OSD': (world, random) => {
    random.pick(world.osds.osds).stop(random.between(200, 6000));
    return undefined;
  },
  'pause OSDs': (world) => {
    world.osds.pause(true);
    return () => world.osds.pause(false);
  },
  election: (world, random) => {
    world.monitors.elect(random.between(500, 8000));
    return undefined;
  },
  'send again': (world, random) => {
    const gateway = random.pick(world.machines).gateway;
    for (const client of gateway === null ? [] : world.clientsOf(gateway.process)) client.resend();
    return undefined;
  },
  'fence from outside': (world, random) => {
    const { gateway } = random.pick(world.machines);
    if (gateway === null) return undefined;
    const { address } = random.pick(world.clientsOf(gateway.process));
    world.monitors.addToBlocklist(address, 86_400_000, () => undefined);
    return undefined;
  },
  'set the wall clock': (world, random) => {
    random.pick(world.machines).gateway?.process.stepWall(random.between(-5000, 5000));
    return undefined;
  },
} satisfies Record<string, Fault>;

function hold(
  world: World,
  random: Random,
  state: 'stalled' | 'frozen' | 'paused',
  ms: readonly [number, number],
): undefined {
  const process = random.pick(world.machines).gateway?.process;
  if (process === undefined) return;
  process.hold(state);
  const since = process.stateSinceMs;
  once(world, random.between(...ms), () => {
    if (process.stateSinceMs === since) process.goOn();
  });
}

function cut(world: World, pairs: readonly (readonly [string, string])[]): () => void {
  for (const [a, b] of pairs) world.network.cut(a, b);
  return () => {
    for (const [a, b] of pairs) world.network.heal(a, b);
  };
}

function front(world: World, { door }: Machine): [string, string][] {
  const others = world.machines.filter((machine) => machine.door !== door);
  return [
    ...world.hosts.map(({ name }): [string, string] => [door.party, name]),
    ...others.map((machine): [string, string] => [door.party, machine.door.party]),
  ];
}

function everything(world: World, machine: Machine): [string, string][] {
  const others = world.machines.filter((other) => other !== machine);
  return [
    ...front(world, machine),
    ...world.cephParties.map((party): [string, string] => [machine.node.name, party]),
    ...others.map(({ node }): [string, string] => [machine.node.name, node.name]),
  ];
}
